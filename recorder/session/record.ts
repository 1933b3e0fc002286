import type { MachineEvent } from '../../engine/base/events.ts';
import type { Ns, Position } from '../../engine/base/units.ts';
import { folderError } from '../../engine/devices/virtio/p9/folder.ts';
import { ERRNO } from '../../engine/devices/virtio/p9/messages.ts';
import type { Observed } from '../../engine/machine.ts';
import {
  type ImageRef,
  imageRef,
  PURE_CODEC,
  type StateHashes,
  type TraceCodec,
  type TraceLevel,
  type TraceSink,
  TraceWriteError,
  TraceWriter,
} from '../../traces/index.ts';
import { folderInput, withQuestion } from './folder-inputs.ts';
import { type LiveOptions, type LiveSession, type LiveStop, RunSession } from './live.ts';
import { hashesOf, type MachineApi } from './machine-api.ts';
import { MachineSaver, savable } from './saved-machine.ts';
import { COUNTER_PERIOD, encodeSpec, observedAt, type SessionSpec } from './setup.ts';
import { ENGINE_VERSION } from './version.ts';

export interface RecordOptions extends LiveOptions {
  readonly level: TraceLevel;
  /** False: images are named by their hash only. */
  readonly embed: boolean;
  /** Instructions between two state hashes; 0: only at the start and the end. */
  readonly hashInterval: number;
  /** When the whole state is kept, for replays to begin there; default: `auto`. */
  readonly checkpoints?: CheckpointChoice;
  /** Where the trace goes; called only after the machine was built. */
  readonly openSink: () => TraceSink;
  readonly codec?: TraceCodec;
}

/**
 * `auto`: where a recording is so long that going through it takes its time, and then at growing distances. Or the
 * number of instructions from one to the next.
 */
export type CheckpointChoice = 'auto' | 'none' | number;

/**
 * The longest way to a place in a recording, about ten seconds, as long as the recording is short; later a part of
 * its length, so that a day has no thousand checkpoints.
 */
const CHECKPOINT_LEAST = 5_000_000_000;
const CHECKPOINT_PART = 32;
/** Instructions for each byte that the last checkpoint had to write: saving costs a twentieth of the time at most. */
const CHECKPOINT_PER_BYTE = 50;

/** The device under which the time of day at the start is logged. */
export const BASE_SECONDS_INPUT = { device: 'rtc', what: 'base-seconds' } as const;
/** What a device's random bytes are logged as. */
export const ENTROPY_INPUT = 'entropy';

export function secondsToBytes(seconds: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, seconds, true);
  return bytes;
}

export function bytesToSeconds(bytes: Uint8Array): number | undefined {
  if (bytes.length !== 8) return undefined;
  const seconds = new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true);
  return Number.isFinite(seconds) ? seconds : undefined;
}

/** A machine that runs for the first time, with everything that replay needs going into a trace. */
export class RecordSession implements LiveSession {
  readonly #run: RunSession;
  readonly #writer: TraceWriter;
  readonly #interval: number;
  readonly #checkpoints: CheckpointChoice;
  readonly #saver: MachineSaver | undefined;
  #nextHash: Position;
  #nextCheckpoint: Position = Number.POSITIVE_INFINITY;
  #ended = false;

  /** @throws OptionError if an image cannot be loaded; TraceWriteError if the trace cannot be begun */
  constructor(options: RecordOptions) {
    const { spec, inputs, level, embed, hashInterval, codec = PURE_CODEC } = options;
    const observe = union(observedAt(level), options.observe);
    // The device tree asks for its seeds while the machine is built, before there is a writer.
    const early: MachineEvent[] = [];
    let machine: MachineApi | undefined;
    let write = (event: MachineEvent): void => {
      early.push(event);
    };
    const pull = (device: string, what: string, data: Uint8Array): void => {
      const stamp = { position: machine?.position ?? 0, time: machine?.time ?? 0, cpu: -1 };
      write({ kind: 'input', ...stamp, device, what, mode: 'pull', data: data.slice() });
    };
    this.#run = new RunSession({
      ...options,
      observe,
      inputs: {
        baseSeconds: () => {
          const seconds = inputs.baseSeconds();
          pull(BASE_SECONDS_INPUT.device, BASE_SECONDS_INPUT.what, secondsToBytes(seconds));
          return seconds;
        },
        entropy: (device, length) => {
          const bytes = inputs.entropy(device, length);
          pull(device, ENTROPY_INPUT, bytes);
          return bytes;
        },
        folder: (device, question) => {
          const answer = inputs.folder?.(device, question) ?? folderError(ERRNO.EIO);
          pull(device, folderInput(question), withQuestion(question, answer));
          return answer;
        },
      },
      sink: (event) => {
        write(event);
        options.sink(event);
      },
    });
    machine = this.#run.machine;
    const images = imagesOf(spec, codec);
    this.#writer = new TraceWriter(
      options.openSink(),
      {
        engine: ENGINE_VERSION,
        board: spec.config.machine,
        level,
        shift: spec.config.icountShift,
        counterPeriod: COUNTER_PERIOD,
        config: encodeSpec(spec),
        images,
        quirks: [],
      },
      codec,
    );
    const writer = this.#writer;
    write = (event) => writer.event(event);
    if (embed) {
      const done = new Set<string>();
      for (const ref of images) {
        if (done.has(ref.sha256)) continue;
        done.add(ref.sha256);
        writer.image(ref, spec.images.get(ref.role)!.source);
      }
    }
    for (const event of early) writer.event(event);
    this.#interval = hashInterval;
    this.#nextHash = hashInterval === 0 ? Number.POSITIVE_INFINITY : hashInterval;
    this.#hash();
    this.#checkpoints = options.checkpoints ?? 'auto';
    const whole = this.#checkpoints === 'none' ? undefined : savable(machine);
    if (whole !== undefined) {
      this.#saver = new MachineSaver(whole);
      this.#scheduleCheckpoint(0);
    }
    writer.flush(0);
  }

  get machine(): MachineApi {
    return this.#run.machine;
  }

  get observed(): Observed {
    return this.#run.observed;
  }

  get position(): Position {
    return this.#run.position;
  }

  get time(): Ns {
    return this.#run.time;
  }

  /** The trace could not be written on: a full disk. To be looked at after each `run`. */
  get failure(): TraceWriteError | undefined {
    return this.#writer.failure;
  }

  get bytesWritten(): number {
    return this.#writer.bytesWritten;
  }

  run(until: Position, pause: boolean): LiveStop {
    for (;;) {
      const before = this.position;
      const stop = this.#run.run(Math.min(until, this.#nextHash, this.#nextCheckpoint), pause);
      if (this.position >= this.#nextHash && this.failure === undefined) this.#hash();
      if (this.position >= this.#nextCheckpoint) {
        // DETERMINISM: only right after an instruction. An end has its own rules, so has a wait that an input may cut
        // short, and where a debugger holds the machine an interrupt may have been taken already.
        if (stop.reason === 'limit' && this.position > before) this.#checkpoint();
        else this.#nextCheckpoint = this.position + 1;
      }
      if (stop.reason !== 'limit' || this.position >= until || this.failure !== undefined) return stop;
    }
  }

  #hash(): void {
    const { position, time } = this;
    while (this.#nextHash <= position) this.#nextHash += this.#interval;
    this.#keepFailure(() => this.#writer.hash({ position, time, ...hashesOf(this.machine) }));
  }

  /** Like a hash, before the inputs that come at this moment. */
  #checkpoint(): void {
    let bytes = 0;
    this.#nextCheckpoint = Number.POSITIVE_INFINITY;
    if (this.failure !== undefined || this.#ended) return;
    const saved = this.#saver?.save((more) => {
      bytes += more;
    });
    if (saved === undefined) return;
    try {
      this.#keepFailure(() => this.#writer.checkpoint(saved));
    } catch (error) {
      // More than fits into one: the recording goes on without.
      if (error instanceof RangeError) return;
      throw error;
    }
    this.#scheduleCheckpoint(bytes);
  }

  #scheduleCheckpoint(bytes: number): void {
    const { position } = this;
    const distance =
      typeof this.#checkpoints === 'number'
        ? this.#checkpoints
        : Math.max(CHECKPOINT_LEAST, Math.ceil(position / CHECKPOINT_PART), bytes * CHECKPOINT_PER_BYTE);
    this.#nextCheckpoint = position + distance;
  }

  /** A failing sink ends the recording, not the program: `failure` tells. */
  #keepFailure(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!(error instanceof TraceWriteError)) throw error;
    }
  }

  passToDeadline(): void {
    this.#run.passToDeadline();
  }

  receive(device: string, what: string, data: Uint8Array, at?: Ns): void {
    this.#run.receive(device, what, data, at);
  }

  receiveCapacity(device: string): number {
    return this.#run.receiveCapacity(device);
  }

  interrupt(): void {
    this.#run.interrupt();
  }

  /** Puts what is pending into the file, so that it survives a crash. Call about once a second. */
  flush(): void {
    if (this.failure === undefined && !this.#ended)
      this.#keepFailure(() => this.#writer.flush(this.position));
  }

  /** Ends the recording here. @returns the hashes of the final state */
  end(reason: string, detail?: string): StateHashes {
    this.#run.settle();
    const { position, time } = this;
    const hashes = hashesOf(this.machine);
    if (this.failure === undefined && !this.#ended) {
      this.#ended = true;
      this.#keepFailure(() => {
        this.#writer.close({ position, time, reason, ...(detail === undefined ? {} : { detail }), hashes });
      });
    }
    return hashes;
  }
}

function union(a: Observed, b: Observed | undefined): Observed {
  return {
    accesses: a.accesses || b?.accesses === true,
    exceptions: a.exceptions || b?.exceptions === true,
    dma: a.dma || b?.dma === true,
  };
}

function imagesOf(spec: SessionSpec, codec: TraceCodec): ImageRef[] {
  return [...spec.images].map(([role, { name, source }]) => imageRef(name, role, source, codec));
}
