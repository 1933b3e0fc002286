/** What the page and the data worker say to each other. Everything here survives a structured clone. */
import type { EventKind } from '../../engine/base/events.ts';
import type { InterruptStatistics, Polling, Storm } from '../../traces/index.ts';
import type { StyledRun } from './console-style.ts';
import type { Pyramid } from './mip-map.ts';

export type { InterruptStatistics, Polling, Storm };

/** Where a trace comes from, as the page hands it to a worker. */
export type TraceSource =
  | { readonly kind: 'blob'; readonly blob: Blob; readonly name: string }
  | { readonly kind: 'url'; readonly url: string; readonly name: string }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array<ArrayBuffer>; readonly name: string };

export type Axis = 'time' | 'instructions';

/** A place in the order of events. */
export interface EventPlace {
  readonly position: number;
  readonly ordinal: number;
}

export type LaneKind =
  | 'cpu'
  | 'sleep'
  | 'interrupt'
  | 'device'
  | 'dma'
  | 'smmu'
  | 'console'
  | 'frames'
  | 'notes'
  | 'inputs';

export const LANE_GROUPS = [
  'CPUs',
  'Interrupts',
  'Devices',
  'DMA',
  'Console',
  'Network',
  'Notes and inputs',
  'Empty virtio slots',
] as const;
export type LaneGroup = (typeof LANE_GROUPS)[number];

/** States that a lane can be in, as bits of a mask; the order is that of drawing. */
export const INTERRUPT_STATES = ['line high', 'pending', 'active'] as const;
export const CPU_STATES = ['EL0', 'EL1', 'EL2', 'EL3', 'interrupt', 'off'] as const;
export const SLEEP_STATES = ['asleep'] as const;

export interface LaneInfo {
  /** Number of the lane in the index; tells the data of lanes apart. */
  readonly index: number;
  /** Stable name, for links: `irq:27:0`, `dev:uart0`. */
  readonly id: string;
  readonly kind: LaneKind;
  readonly group: LaneGroup;
  readonly label: string;
  /** What it is, for people. */
  readonly title: string;
  readonly device?: string;
  readonly intid?: number;
  readonly cpu?: number;
  readonly states: readonly string[];
  /** Events. */
  readonly total: number;
}

/** Densities of a lane along one axis. */
export interface LaneMips {
  readonly counts: Pyramid;
  /** The part of the counts that are writes. */
  readonly writes?: Pyramid;
  /** For each state, the share of each bin spent in it (1 is all of a finest bin). */
  readonly cover?: readonly Pyramid[];
}

export interface LaneData {
  readonly lane: number;
  readonly time: LaneMips;
  readonly instructions: LaneMips;
}

export interface TraceFacts {
  readonly name: string;
  readonly bytes: number;
  readonly engine: string;
  readonly board: string;
  readonly level: 'inputs' | 'devices' | 'full';
  readonly shift: number;
  readonly cpus: number;
  readonly cpuModel: string;
  readonly gicVersion: number;
  readonly ramBytes: number;
  readonly commandLine?: string;
  readonly images: readonly {
    readonly name: string;
    readonly role: string;
    readonly size: number;
    readonly sha256: string;
    readonly embedded: boolean;
  }[];
  /** Absent if the recording was not ended. */
  readonly end?: {
    readonly position: number;
    readonly time: number;
    readonly reason: string;
    readonly detail?: string;
  };
  /** Replay can go up to here. */
  readonly complete: number;
  readonly damage?: string;
  readonly checkpoints: readonly number[];
  readonly events: number;
  readonly openedBy: 'index' | 'scan';
  /** Tells one trace from another, for notes that are kept beside it. */
  readonly identity: string;
  /** Device ids in the machine. */
  readonly devices: readonly string[];
  /** Names of virtio devices by transport. */
  readonly virtio: readonly (readonly [slot: number, id: string])[];
  /** Devices whose inputs and outputs are frames. */
  readonly networks: readonly string[];
}

/** What the first paint needs; from the index alone. */
export interface Overview {
  readonly facts: TraceFacts;
  /** Length of the axes. */
  readonly extent: { readonly time: number; readonly instructions: number };
  readonly lanes: readonly LaneInfo[];
  readonly data: readonly LaneData[];
}

/** Everything the pass over all events finds out. */
export interface IndexResult {
  readonly extent: { readonly time: number; readonly instructions: number };
  readonly lanes: readonly LaneInfo[];
  readonly data: readonly LaneData[];
  readonly timeMap: {
    readonly position: Float64Array<ArrayBuffer>;
    readonly time: Float64Array<ArrayBuffer>;
  };
  readonly statistics: Statistics;
  readonly consoles: readonly ConsoleFacts[];
  /** What went wrong on the way, if the trace is damaged in the middle. */
  readonly damage?: string;
  readonly milliseconds: number;
}

/** A device with console output. */
export interface ConsoleFacts {
  readonly device: string;
  readonly lines: number;
  /** Beginnings of lines, for the timeline; of many lines, some. */
  readonly labels: {
    readonly position: Float64Array<ArrayBuffer>;
    readonly time: Float64Array<ArrayBuffer>;
    readonly text: readonly string[];
  };
}

/** A file with symbols. Addresses are hexadecimal. */
export interface SymbolFile {
  readonly count: number;
  /** Where, after the file, a kernel's exception vectors may be. */
  readonly vectors: readonly string[];
  /** Where, after the file, its code is. */
  readonly text?: { readonly from: string; readonly to: string };
}

/** When code of a kernel ran. */
export interface KernelMoment {
  readonly position: number;
  readonly cpu: number;
  readonly pc: string;
}

/** A line at its place on the axis. */
export interface ConsoleLabel {
  readonly at: number;
  readonly text: string;
}

export interface IndexProgress {
  readonly done: number;
  readonly total: number;
  readonly lanes: readonly LaneInfo[];
  readonly data: readonly LaneData[];
}

/** Exact marks of a window, sorted by lane, then by place. */
export interface WindowMarks {
  readonly axis: Axis;
  readonly from: number;
  readonly to: number;
  /** True: there are more than asked for, and nothing is given. */
  readonly tooMany: boolean;
  readonly count: number;
  readonly lane: Uint16Array<ArrayBuffer>;
  /** In units of the axis. */
  readonly at: Float64Array<ArrayBuffer>;
  readonly position: Float64Array<ArrayBuffer>;
  readonly ordinal: Uint32Array<ArrayBuffer>;
  /** Devices and DMA: 1 write. State lanes: the mask of states from here on. */
  readonly flag: Uint8Array<ArrayBuffer>;
  /** What to write beside a mark when there is room: number in `texts`. */
  readonly text: Uint16Array<ArrayBuffer>;
  readonly texts: readonly string[];
  /** Per lane: where its marks begin; one more at the end. */
  readonly starts: Uint32Array<ArrayBuffer>;
  /** Per lane: states at the left edge. */
  readonly masks: Uint8Array<ArrayBuffer>;
  /** Lives of interrupts that have a step in the window, a limited number. */
  readonly cycles: readonly WindowCycle[];
}

/** Points of one life of an interrupt, in units of the axis; absent steps are NaN. */
export interface WindowCycle {
  readonly lane: number;
  readonly intid: number;
  readonly cpu: number;
  readonly raised: number;
  readonly pending: number;
  readonly acknowledged: number;
  readonly completed: number;
  /** Lane of the device whose access raised it, or -1. */
  readonly raisedBy: number;
}

export type Severity = 'error' | 'note' | 'normal';

/** One line of the event list. */
export interface EventRow extends EventPlace {
  readonly time: number;
  readonly cpu: number;
  readonly kind: EventKind;
  readonly lane: number;
  /** Device, interrupt or CPU. */
  readonly subject: string;
  readonly text: string;
  readonly severity: Severity;
}

export interface FieldView {
  readonly name: string;
  readonly bits: string;
  readonly value: string;
  /** Name of an enumerated value. */
  readonly text?: string;
  readonly meaning?: string;
  /** Before, if it is known and another. */
  readonly old?: string;
}

export interface EventLink {
  readonly label: string;
  readonly place?: EventPlace;
  readonly text: string;
  readonly time?: number;
}

/** Everything that the details show of an event. */
export interface EventDetails {
  readonly row: EventRow;
  readonly title: string;
  readonly facts: readonly { readonly name: string; readonly value: string; readonly hint?: string }[];
  readonly pc?: string;
  readonly symbol?: string;
  readonly register?: {
    readonly name: string;
    readonly meaning?: string;
    readonly access: string;
    readonly reference: string;
    readonly offset: string;
    readonly value: string;
    readonly old?: string;
    readonly fields: readonly FieldView[];
  };
  /** Same register, same interrupt, same address: previous and next. */
  readonly neighbours: readonly {
    readonly what: string;
    readonly previous?: EventLink;
    readonly next?: EventLink;
  }[];
  readonly causes: readonly EventLink[];
  readonly effects: readonly EventLink[];
  /** Steps of the interrupt's life. */
  readonly cycle: readonly (EventLink & { readonly after?: number })[];
  readonly bytes?: { readonly text: string; readonly hex: string };
  /** Filters that show more like this one. */
  readonly filters: readonly { readonly label: string; readonly query: string }[];
}

export interface RegisterStatistics {
  readonly device: string;
  readonly register: string;
  readonly reads: number;
  readonly writes: number;
}

export interface DeviceStatistics {
  readonly device: string;
  readonly reads: number;
  readonly writes: number;
  readonly registers: readonly RegisterStatistics[];
}

export interface Statistics {
  readonly devices: readonly DeviceStatistics[];
  readonly interrupts: readonly InterruptStatistics[];
  readonly storms: readonly Storm[];
  readonly polling: readonly Polling[];
  readonly kinds: { readonly [kind: string]: number };
  readonly guestErrors: number;
  readonly asleep: number;
}

export interface ConsoleLine {
  readonly position: number;
  readonly time: number;
  readonly text: string;
  /** The same in pieces of one style each, if any has one. */
  readonly runs?: readonly StyledRun[];
}

export interface ConsolePage {
  readonly device: string;
  readonly first: number;
  readonly total: number;
  readonly lines: readonly ConsoleLine[];
}

export interface ListRequest {
  /** Rows come after (forward) or before (backward) this place. */
  readonly from: EventPlace;
  readonly direction: 'forward' | 'backward';
  readonly limit: number;
  readonly filter: string;
  /** Forward: begin with the event at the place itself. */
  readonly inclusive?: boolean;
}

export interface SearchHit extends EventPlace {
  readonly time: number;
  readonly text: string;
}

export interface Completion {
  /** The part of the text that an option replaces. */
  readonly from: number;
  readonly to: number;
  readonly options: readonly { readonly text: string; readonly detail: string }[];
}
