/** What the page and the engine's worker say to each other. 64-bit values travel as hexadecimal text. */

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

/** A file from a person, for an image that is not in the trace. */
export interface GivenFile {
  readonly name: string;
  readonly blob: Blob;
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

/** A breakpoint as a person writes it. */
export type BreakpointText = string;

export interface BreakpointView {
  readonly id: number;
  readonly text: string;
  readonly enabled: boolean;
  readonly hits: number;
}

export type * from '../../recorder/session/view-types.ts';
