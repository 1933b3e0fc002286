/** What the page and the engine's worker say to each other. 64-bit values travel as hexadecimal text. */
import type { WatchKind } from '../../recorder/session/conditions.ts';

export interface CpuSummary {
  readonly cpu: number;
  readonly pc: string;
  readonly el: number;
  readonly power: 'on' | 'off';
  readonly wait: string;
  readonly retired: number;
}

/** Where the machine is. */
export interface MachineMoment {
  readonly position: number;
  readonly time: number;
  /** The CPU that executes the next instruction. */
  readonly cpu: number;
  readonly ended?: string;
  readonly cpus: readonly CpuSummary[];
  readonly checkpoints: number;
  readonly checkpointBytes: number;
}

/** How an operation ended. */
export interface MoveResult {
  readonly reason: 'there' | 'breakpoint' | 'begin' | 'end' | 'branch-begin' | 'interrupted' | 'diverged';
  /** In words. */
  readonly text: string;
  readonly moment: MachineMoment;
}

export interface OpenResult {
  readonly length: number;
  readonly moment: MachineMoment;
  readonly devices: readonly string[];
  readonly milliseconds: number;
}

export interface EngineProgress {
  readonly what: string;
  readonly position: number;
  /** 0 to 1. */
  readonly done?: number;
}

export interface RegistersView {
  readonly x: readonly string[];
  readonly sp: string;
  readonly pc: string;
  readonly pstate: string;
  readonly flags: readonly { readonly name: string; readonly value: string; readonly meaning: string }[];
  readonly v: readonly string[];
  readonly fpcr: string;
  readonly fpsr: string;
}

export interface SystemRegisterView {
  readonly group: string;
  readonly name: string;
  readonly value: string;
}

export interface CodeRow {
  readonly address: string;
  readonly word: string;
  readonly text: string;
  readonly isNext: boolean;
}

export interface CodeView {
  readonly rows: readonly CodeRow[];
  /** Why there are none. */
  readonly problem?: string;
}

export interface MemoryView {
  readonly address: string;
  readonly space: 'virtual' | 'physical';
  readonly bytes: Uint8Array;
  /** Bytes of these that could be read. */
  readonly readable: number;
}

export interface StackView {
  /** By frame pointers (AAPCS64, 6.4.6). */
  readonly frames: readonly { readonly pc: string; readonly fp: string }[];
  readonly sp: string;
  readonly words: readonly { readonly address: string; readonly value: string }[];
}

export interface WalkStep {
  readonly level: number;
  readonly table: string;
  readonly index: number;
  readonly address: string;
  readonly descriptor: string;
  readonly kind: string;
  readonly fields: readonly string[];
}

export interface WalkView {
  readonly address: string;
  readonly facts: readonly string[];
  readonly steps: readonly WalkStep[];
  readonly result: string;
  readonly physical?: string;
}

export interface GicRow {
  readonly intid: number;
  readonly state: string;
  readonly priority: string;
  readonly group: string;
  readonly trigger: string;
  readonly line: boolean;
  readonly targets: string;
  readonly heldBack?: string;
}

export interface GicView {
  readonly cpu: number;
  readonly irq: boolean;
  readonly fiq: boolean;
  readonly priorityMask: string;
  readonly runningPriority: string;
  readonly rows: readonly GicRow[];
}

export interface DeviceRow {
  readonly name: string;
  readonly offset: string;
  readonly value: string;
  readonly fields: string;
  readonly meaning: string;
}

export interface DeviceView {
  readonly device: string;
  readonly rows: readonly DeviceRow[];
  readonly reference: string;
  readonly problem?: string;
}

/** A breakpoint as a person writes it. */
export type BreakpointText = string;

export interface BreakpointView {
  readonly id: number;
  readonly text: string;
  readonly enabled: boolean;
  readonly hits: number;
}

export type { WatchKind };
