/**
 * A recorded machine that can be put back: replay for debuggers. Unlike ReplaySession (replay.ts) it compares
 * nothing, goes in any direction, and stops only where an instruction comes next.
 *
 * What "at position P" means: P instructions are retired, every input of position P has been given, time has
 * passed for sleeping CPUs, and an interrupt that comes before the next instruction has been taken. So PC is what
 * will be executed next, each position is one state, and stepping never shows anything twice. The end of the
 * recording is the exception: there the state is the one in which the recorder left it.
 */
import type { EventSink, MachineEvent } from '../../engine/base/events.ts';
import type { Ns, Position } from '../../engine/base/units.ts';
import { type FolderQuestion, folderError, questionText } from '../../engine/devices/virtio/p9/folder.ts';
import { ERRNO } from '../../engine/devices/virtio/p9/messages.ts';
import type { Machine, MachineState, StopReason } from '../../engine/machine.ts';
import { type MemorySnapshot, Snapshots } from '../../engine/memory/snapshots.ts';
import {
  type ImageRef,
  type ImageSource,
  type InputRecord,
  type Ordered,
  type RestartPoint,
  type SyncTraceReader,
  type TraceCodec,
  TraceError,
} from '../../traces/index.ts';
import { type Divergence, inputDivergence } from './compare.ts';
import { answerTo, folderInput } from './folder-inputs.ts';
import { BASE_SECONDS_INPUT, bytesToSeconds, ENTROPY_INPUT } from './record.ts';
import { imagesFor } from './replay.ts';
import { comesBefore, usablePoint } from './replay-log.ts';
import { loadMachine } from './saved-machine.ts';
import { buildMachine, decodeSpec, observedAt, type RunningChoices } from './setup.ts';

export interface PlaybackOptions {
  readonly reader: SyncTraceReader;
  readonly codec: TraceCodec;
  /** Contents of an image that is not in the trace; undefined: there is none. */
  readonly image?: (ref: ImageRef) => ImageSource | undefined;
  readonly running?: RunningChoices;
}

export type PlaybackStop =
  /** At the position that was asked for. */
  | { readonly reason: 'there' }
  /** Before it: a breakpoint, a watched access (which has not been made), `stopBefore`, or `requestStop`. */
  | { readonly reason: 'stopped' }
  /** The end of the recording, or of a side branch. */
  | { readonly reason: 'end'; readonly why: string }
  | { readonly reason: 'diverged'; readonly divergence: Divergence };

/** A state that can be come back to. */
export interface Checkpoint {
  readonly position: Position;
  readonly time: Ns;
  /** Instructions retired by each CPU. */
  readonly retired: readonly number[];
  readonly state: MachineState;
  readonly memory: MemorySnapshot;
  /** Inputs given and answered so far. */
  readonly pushed: number;
  readonly pulled: number;
  readonly ended: string | undefined;
}

export class Playback {
  readonly machine: Machine;
  readonly reader: SyncTraceReader;
  /** Position and time of the end; no time where the trace just breaks off. */
  readonly end: { readonly position: Position; readonly time: Ns | undefined; readonly why: string };
  /** Hears everything that the machine tells. */
  sink: EventSink = () => {};
  /** In a side branch the log is only advice: the machine may ask for what nobody recorded. */
  diverted = false;
  readonly #snapshots: Snapshots;
  readonly #pushes: Ordered<InputRecord>[] = [];
  readonly #pulls: Ordered<InputRecord>[] = [];
  readonly #keepsReset: boolean;
  #pushed = 0;
  #pulled = 0;
  #ended: string | undefined;
  #divergence: Divergence | undefined;
  #built = false;
  /** Checkpoints of the file, ascending, that have not turned out to be of no use. */
  readonly #points: RestartPoint[];
  /** The machine as it is built, which those are laid over. */
  readonly #initial: Checkpoint | undefined;
  /** Why a checkpoint of the file was of no use; replay went on without it. */
  checkpointProblem: string | undefined;

  /**
   * Builds the machine; it is at its first instruction then.
   * @throws TraceError if the trace cannot be read or ends before the machine was built
   * @throws MissingImages if an image is neither in the trace nor given, or is another one
   */
  constructor(options: PlaybackOptions) {
    const { reader, running } = options;
    this.reader = reader;
    const { end } = reader;
    this.end =
      end === undefined
        ? { position: reader.complete, time: undefined, why: 'the trace breaks off here' }
        : { position: end.position, time: end.time, why: end.detail ?? end.reason };
    const spec = decodeSpec(reader.header, imagesFor(options));
    this.#keepsReset = end?.reason === 'system-reset';
    for (const input of reader.inputs()) {
      // At the position where a trace breaks off, inputs may be missing, so none of them counts.
      if (input.position >= this.end.position && end === undefined && input.position > 0) continue;
      (input.mode === 'push' ? this.#pushes : this.#pulls).push(input);
    }
    const base = this.#pulls[0];
    const baseSeconds = base === undefined ? undefined : bytesToSeconds(base.data);
    if (base?.what !== BASE_SECONDS_INPUT.what || baseSeconds === undefined) {
      throw new TraceError('damaged', 'the trace ends before the machine began to run');
    }
    this.#pulled = 1;
    this.machine = buildMachine(spec, {
      baseSeconds,
      inputs: {
        entropy: (device, length) => this.#entropy(device, length),
        folder: (device, question) => this.#folder(device, question),
      },
      sink: (event) => this.#observe(event),
      observe: observedAt('inputs'),
      ...running,
    });
    this.machine.pauseWhenIdle = true;
    this.#built = true;
    const { machine } = this;
    this.#snapshots = new Snapshots({
      cluster: machine.cluster,
      memory: machine.memory,
      flash: machine.flash,
    });
    if (this.#divergence !== undefined) {
      throw new TraceError(
        'damaged',
        'the machine that is built asks for other inputs than the recorded one',
      );
    }
    this.#points = this.#readPoints();
    if (this.#points.length > 0) this.#initial = this.take();
    machine.cluster.armed = false;
    this.run(0);
    machine.cluster.armed = true;
  }

  #readPoints(): RestartPoint[] {
    try {
      return this.reader.checkpointChunks.flatMap((chunk) => usablePoint(this.reader, chunk) ?? []);
    } catch (error) {
      this.#giveUpOn(error);
      return [];
    }
  }

  #giveUpOn(error: unknown): void {
    if (!(error instanceof TraceError)) throw error;
    this.checkpointProblem ??= error.message;
  }

  /** Position of the last checkpoint in the file at or before a position; undefined: none. */
  savedBefore(position: Position): Position | undefined {
    if (this.diverted) return undefined;
    return this.#points.findLast((point) => point.position <= position)?.position;
  }

  /**
   * Goes to a checkpoint of the file. False if it is damaged or not of this machine: then the machine is at its first
   * instruction, and the checkpoint is forgotten.
   */
  goToSaved(position: Position): boolean {
    const index = this.#points.findIndex((point) => point.position === position);
    const point = this.#points[index];
    if (point === undefined || this.#initial === undefined) return false;
    const { armed } = this.machine.cluster;
    this.machine.cluster.armed = false;
    try {
      this.restore(this.#initial);
      loadMachine(this.machine, this.reader, point);
      this.#pushed = countBefore(this.#pushes, point);
      this.#pulled = countBefore(this.#pulls, point);
      // What else happens at its position.
      this.run(position);
      return true;
    } catch (error) {
      this.#giveUpOn(error);
      this.#points.splice(index, 1);
      this.restore(this.#initial);
      this.run(0);
      return false;
    } finally {
      this.machine.cluster.armed = armed;
    }
  }

  get position(): Position {
    return this.machine.position;
  }

  get time(): Ns {
    return this.machine.time;
  }

  /** Why there is no next instruction; undefined while there is one. */
  get ended(): string | undefined {
    return this.#ended;
  }

  get divergence(): Divergence | undefined {
    return this.#divergence;
  }

  /** Bytes of guest memory kept aside for checkpoints. */
  get checkpointBytes(): number {
    return this.#snapshots.bytes;
  }

  /** Runs on to a position not before the present one, or to where something stops the machine. */
  run(until: Position): PlaybackStop {
    if (this.#divergence !== undefined) return { reason: 'diverged', divergence: this.#divergence };
    if (this.#ended !== undefined) return { reason: 'end', why: this.#ended };
    const { end, diverted } = this;
    const toEnd = !diverted && until >= end.position;
    const target = toEnd ? end.position : until;
    for (;;) {
      const input = this.#pushes[this.#pushed];
      if (input === undefined || input.position > target) break;
      const stop = this.#goTo(input.position, input.time, false);
      if (stop !== undefined) return stop;
      this.#give(input);
    }
    return toEnd ? this.#finish() : (this.#settleAt(target) ?? { reason: 'there' });
  }

  take(): Checkpoint {
    const { machine } = this;
    return {
      position: machine.position,
      time: machine.time,
      retired: machine.cluster.states.map((_, cpu) => machine.retired(cpu)),
      memory: this.#snapshots.take(),
      state: machine.save(),
      pushed: this.#pushed,
      pulled: this.#pulled,
      ended: this.#ended,
    };
  }

  restore(checkpoint: Checkpoint): void {
    this.#snapshots.restore(checkpoint.memory);
    this.machine.load(checkpoint.state);
    this.#pushed = checkpoint.pushed;
    this.#pulled = checkpoint.pulled;
    this.#ended = checkpoint.ended;
    this.#divergence = undefined;
  }

  release(checkpoint: Checkpoint): void {
    this.#snapshots.release(checkpoint.memory);
  }

  #give({ device, what, data }: InputRecord): void {
    this.#pushed += 1;
    try {
      this.machine.receive(device, what, data);
    } catch (error) {
      // The configuration decides which devices take input; a trace that says otherwise is not ours.
      throw new TraceError('damaged', `input at position ${this.position}: ${(error as Error).message}`);
    }
  }

  /** To the moment of an input or of the end. Undefined: there. */
  #goTo(position: Position, time: Ns | undefined, isEnd: boolean): PlaybackStop | undefined {
    const { machine } = this;
    for (;;) {
      const stop = machine.run(position);
      if (this.#divergence !== undefined) return { reason: 'diverged', divergence: this.#divergence };
      const here = machine.position === position;
      if (stop.reason === 'stopped') return { reason: 'stopped' };
      if (stop.reason === 'limit') break;
      if (stop.reason === 'reset') {
        // The end of a recording may be a reset that was not carried out.
        if (here && isEnd && this.#keepsReset) break;
        machine.reset();
        continue;
      }
      if (stop.reason === 'waiting') {
        if (here && (time === undefined || time < stop.deadline)) {
          if (time !== undefined && time > machine.time) machine.passTime(time);
          break;
        }
        machine.passTime(stop.deadline);
        continue;
      }
      if (here) {
        if (stop.reason === 'idle' && time !== undefined && time > machine.time) machine.passTime(time);
        break;
      }
      return this.#cannotGoOn(stop, position);
    }
    // In a side branch time may have gone another way.
    if (time === undefined || machine.time === time || this.diverted) return undefined;
    return this.#diverge(`a time of ${time} ns`, `${machine.time} ns`);
  }

  #finish(): PlaybackStop {
    const { position, time, why } = this.end;
    const stop = this.#goTo(position, time, true);
    if (stop !== undefined) return stop;
    this.#ended = why;
    return { reason: 'end', why };
  }

  /** Undefined: an instruction comes next, at this position. */
  #settleAt(position: Position): PlaybackStop | undefined {
    const { machine } = this;
    for (;;) {
      const stop = machine.run(position);
      if (this.#divergence !== undefined) return { reason: 'diverged', divergence: this.#divergence };
      switch (stop.reason) {
        case 'limit':
          machine.settle();
          return undefined;
        case 'stopped':
          return { reason: 'stopped' };
        case 'reset':
          machine.reset();
          continue;
        case 'waiting':
          machine.passTime(stop.deadline);
          continue;
        default:
          return this.#cannotGoOn(stop, position);
      }
    }
  }

  #cannotGoOn(stop: StopReason, position: Position): PlaybackStop {
    const why =
      stop.reason === 'power-off'
        ? 'the machine powered off'
        : stop.reason === 'idle'
          ? 'every CPU sleeps for ever'
          : stop.reason === 'error'
            ? stop.message
            : stop.reason;
    if (!this.diverted) return this.#diverge(`it to run on to position ${position}`, why);
    this.#ended = why;
    return { reason: 'end', why };
  }

  #diverge(expected: string, actual: string): PlaybackStop {
    const { position, time } = this.machine;
    this.#divergence ??= { position, time, device: 'machine', what: 'run', expected, actual };
    return { reason: 'diverged', divergence: this.#divergence };
  }

  #observe(event: MachineEvent): void {
    this.sink(event);
  }

  #folder(device: string, question: FolderQuestion): Uint8Array {
    const { position, time } = this.machine;
    const next = this.#pulls[this.#pulled];
    const what = folderInput(question);
    const answer =
      next?.device === device && next.what === what && (this.diverted || next.position === position)
        ? answerTo(question, next.data)
        : undefined;
    if (answer !== undefined) {
      this.#pulled += 1;
      return answer;
    }
    // In a side branch the folder is not there: what nobody asked for in the recording cannot be read.
    if (!this.diverted) {
      const asked = `${what} ${questionText(question)}`;
      this.#divergence ??= inputDivergence({ position, time }, device, next, asked, undefined);
      this.machine.requestStop();
    }
    return folderError(ERRNO.EIO);
  }

  #entropy(device: string, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const at = this.#built
      ? { position: this.machine.position, time: this.machine.time }
      : { position: 0, time: 0 };
    const next = this.#pulls[this.#pulled];
    if (
      next?.device === device &&
      next.what === ENTROPY_INPUT &&
      next.data.length === length &&
      (this.diverted || next.position === at.position)
    ) {
      this.#pulled += 1;
      bytes.set(next.data);
    } else if (this.diverted) {
      // Anything will do, as long as it is the same whenever the branch is run.
      for (let i = 0; i < length; i++) bytes[i] = (at.position + i * 37) & 255;
    } else {
      this.#divergence ??= inputDivergence(at, device, next, ENTROPY_INPUT, length);
      if (this.#built) this.machine.requestStop();
    }
    return bytes;
  }
}

function countBefore(inputs: readonly Ordered<InputRecord>[], point: RestartPoint): number {
  const index = inputs.findIndex((input) => comesBefore(point, input));
  return index < 0 ? inputs.length : index;
}
