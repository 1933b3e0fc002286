import type { EventSink, MachineEvent } from '../../engine/base/events.ts';
import type { Ns, Position } from '../../engine/base/units.ts';
import { type FolderQuestion, folderError, questionText } from '../../engine/devices/virtio/p9/folder.ts';
import { ERRNO } from '../../engine/devices/virtio/p9/messages.ts';
import {
  type HashRecord,
  type ImageRef,
  type ImageSource,
  type InputRecord,
  keeps,
  type Ordered,
  type RegisterMaps,
  type RestartPoint,
  type StateHashes,
  type SyncTraceReader,
  type TraceCodec,
  TraceError,
} from '../../traces/index.ts';
import { type Divergence, eventDivergence, inputDivergence, sameEvent, stateDivergence } from './compare.ts';
import { answerTo, folderInput } from './folder-inputs.ts';
import {
  hashesOf,
  type MachineApi,
  type MachineFactory,
  REAL_MACHINE,
  type StopReason,
} from './machine-api.ts';
import { BASE_SECONDS_INPUT, bytesToSeconds, ENTROPY_INPUT } from './record.ts';
import { registerMapsNow } from './register-maps.ts';
import { CheckpointQueue, comesBefore, ExpectedEvents, InputLog, isBefore } from './replay-log.ts';
import { CheckpointCheck, loadMachine, savable } from './saved-machine.ts';
import { decodeSpec, observedAt, type RunningChoices } from './setup.ts';

export interface ReplayOptions {
  readonly reader: SyncTraceReader;
  /** Checks the hash of images. */
  readonly codec: TraceCodec;
  /** Contents of an image that is not in the trace, by role; undefined: there is none. */
  readonly image?: (ref: ImageRef) => ImageSource | undefined;
  /** Compare every recorded event and state hash; otherwise only the final state. */
  readonly verify: boolean;
  /** Hears everything that is observed. */
  readonly sink?: EventSink;
  readonly running?: RunningChoices;
  readonly factory?: MachineFactory;
  /** Only a part of the recording, between two checkpoints. */
  readonly segment?: Segment;
}

/** From a checkpoint, or the beginning, to another, or the end. Each is the number of its chunk. */
export interface Segment {
  readonly from?: number;
  readonly to?: number;
}

export type ReplayStop =
  /** The position was reached; there is more. */
  | { readonly reason: 'limit' }
  /** The end of the trace. */
  | { readonly reason: 'end' }
  | { readonly reason: 'diverged'; readonly divergence: Divergence };

/** Images that the trace only names and that are not there, or not the same. One line each. */
export class MissingImages extends Error {
  constructor(lines: readonly string[]) {
    super(lines.join('; '));
    this.name = 'MissingImages';
  }
}

/** Something at a position and a time that replay has to stop for. */
type Milestone =
  | { readonly kind: 'hash'; readonly position: Position; readonly time: Ns; readonly record: HashRecord }
  | {
      readonly kind: 'checkpoint';
      readonly position: Position;
      readonly time: Ns;
      readonly point: RestartPoint;
    }
  | {
      readonly kind: 'input';
      readonly position: Position;
      readonly time: Ns;
      readonly input: Ordered<InputRecord>;
    }
  /** Time is undefined where the trace just breaks off. */
  | { readonly kind: 'end'; readonly position: Position; readonly time: Ns | undefined };

const NO_ANSWER = folderError(ERRNO.EIO);

/** A recorded machine, run again from its trace alone. */
export class ReplaySession {
  readonly machine: MachineApi;
  readonly maps: RegisterMaps;
  readonly #reader: SyncTraceReader;
  readonly #inputs: InputLog;
  #expected: ExpectedEvents | undefined;
  readonly #hashes: HashRecord[];
  /** Checkpoints that are still to come, where they are compared. */
  readonly #points: CheckpointQueue;
  readonly #to: number | undefined;
  #check: CheckpointCheck | undefined;
  readonly #sink: EventSink | undefined;
  #built = false;
  #divergence: Divergence | undefined;
  #finished = false;
  #compared = 0;
  #hashesCompared = 0;
  #finalHashes: StateHashes | undefined;

  /**
   * Builds the machine.
   * @throws TraceError if the trace cannot be read or ends before the machine was built
   * @throws MissingImages if an image is neither in the trace nor given, or is another one
   */
  constructor(options: ReplayOptions) {
    const { reader, verify, sink, running, factory = REAL_MACHINE, segment = {} } = options;
    this.#reader = reader;
    this.#sink = sink;
    this.#to = segment.to;
    const start = segment.from === undefined ? undefined : reader.restartPoint(segment.from);
    const spec = decodeSpec(reader.header, imagesFor(options));
    this.#inputs = new InputLog(reader.inputs());
    this.#expected = verify && start === undefined ? new ExpectedEvents(reader) : undefined;
    this.#hashes = verify ? reader.hashes() : [];
    this.#points = new CheckpointQueue(reader, verify);
    const base = this.#inputs.peek('pull');
    const baseSeconds = base === undefined ? undefined : bytesToSeconds(base.data);
    if (base?.what !== BASE_SECONDS_INPUT.what || baseSeconds === undefined) {
      throw new TraceError('damaged', 'the trace ends before the machine began to run');
    }
    this.#pull(BASE_SECONDS_INPUT.device, BASE_SECONDS_INPUT.what, undefined);
    this.machine = factory(spec, {
      baseSeconds,
      inputs: {
        entropy: (device, length) => this.#entropy(device, length),
        folder: (device, question) => this.#folder(device, question),
      },
      sink: (event) => this.#observe(event),
      observe: observedAt(verify ? reader.header.level : 'inputs'),
      ...running,
    });
    this.machine.pauseWhenIdle = true;
    this.#built = true;
    this.maps = registerMapsNow(this.machine);
    const machine = savable(this.machine);
    if (machine === undefined) this.#points.clear();
    else if (start !== undefined) {
      loadMachine(machine, reader, start);
      this.#inputs.skipTo(start);
      if (verify) this.#expected = new ExpectedEvents(reader, start);
      while (isBefore(this.#hashes[0], start)) this.#hashes.shift();
      this.#points.skipTo(start);
    }
    if (machine !== undefined && this.#points.next() !== undefined)
      this.#check = new CheckpointCheck(machine, reader);
  }

  get position(): Position {
    return this.machine.position;
  }

  get time(): Ns {
    return this.machine.time;
  }

  /** Where the replay will end. */
  get length(): Position {
    if (this.#to !== undefined) return this.#reader.restartPoint(this.#to)?.position ?? 0;
    return this.#reader.end?.position ?? this.#reader.complete;
  }

  /** Events held against the recording so far. */
  get compared(): number {
    return this.#compared;
  }

  /** State hashes held against the recording so far. */
  get hashesCompared(): number {
    return this.#hashesCompared;
  }

  /** After the end. */
  get finalHashes(): StateHashes | undefined {
    return this.#finalHashes;
  }

  /** Runs up to a position, or to the end or the first difference. */
  run(until: Position = Number.POSITIVE_INFINITY): ReplayStop {
    while (this.#divergence === undefined && !this.#finished) {
      const next = this.#nextMilestone();
      if (next.position > until) {
        this.#goTo(until, undefined, next);
        if (this.#divergence === undefined) return { reason: 'limit' };
        break;
      }
      this.#goTo(next.position, next.time, next);
      if (this.#divergence === undefined) this.#reach(next);
    }
    return this.#divergence === undefined
      ? { reason: 'end' }
      : { reason: 'diverged', divergence: this.#divergence };
  }

  /** Hashes come before the inputs of their position (live.ts). */
  #nextMilestone(): Milestone {
    const end = this.#reader.end;
    const record = this.#hashes[0];
    const input = this.#inputs.peek('push');
    const point = this.#points.next();
    const last: Milestone =
      end === undefined
        ? { kind: 'end', position: this.#reader.complete, time: undefined }
        : { kind: 'end', position: end.position, time: end.time };
    // At the position where a trace breaks off, inputs may be missing, so none of them counts.
    const counts = (position: Position): boolean => position < last.position || end !== undefined;
    if (record !== undefined && (counts(record.position) || record.position === last.position)) {
      // Of hashes and a checkpoint of the same moment, hashes come first.
      const before = input === undefined || record.position < input.position;
      const due = point === undefined || record.position <= point.position;
      if (due && (before || (record.position === input.position && record.time <= input.time))) {
        return { kind: 'hash', position: record.position, time: record.time, record };
      }
    }
    if (point !== undefined && (input === undefined || comesBefore(point, input))) {
      return { kind: 'checkpoint', position: point.position, time: point.time, point };
    }
    if (input !== undefined && counts(input.position)) {
      return { kind: 'input', position: input.position, time: input.time, input };
    }
    return last;
  }

  #reach(milestone: Milestone): void {
    const { machine } = this;
    switch (milestone.kind) {
      case 'hash':
        this.#hashes.shift();
        this.#hashesCompared++;
        this.#divergence = stateDivergence(machine, milestone.record, hashesOf(machine));
        return;
      case 'checkpoint':
        this.#comeTo(milestone.point);
        return;
      case 'input': {
        const { device, what, data } = milestone.input;
        this.#inputs.take('push');
        try {
          machine.receive(device, what, data);
        } catch (error) {
          // The configuration decides which devices take input; a trace that says otherwise is not ours.
          throw new TraceError(
            'damaged',
            `input at position ${machine.position}: ${(error as Error).message}`,
          );
        }
        return;
      }
      case 'end':
        this.#finish();
    }
  }

  #comeTo(point: RestartPoint): void {
    const { machine } = this;
    this.#points.take();
    const missing = this.#expected?.takeBefore(point);
    if (missing !== undefined) {
      this.#divergence = eventDivergence(missing, undefined, this.maps);
      return;
    }
    const hashes = hashesOf(machine);
    this.#hashesCompared++;
    this.#divergence = stateDivergence(machine, point.hashes, hashes);
    const difference = this.#divergence === undefined ? this.#check?.difference(point) : undefined;
    if (difference !== undefined) {
      this.#divergence = {
        position: machine.position,
        time: machine.time,
        device: 'checkpoint',
        what: 'state',
        expected: difference,
        actual: 'a machine with the same hashes; the checkpoint is wrong',
      };
    }
    if (point.chunk === this.#to) this.#finished = true;
  }

  #finish(): void {
    this.#finished = true;
    const { machine } = this;
    const end = this.#reader.end;
    this.#finalHashes = hashesOf(machine);
    if (this.#expected !== undefined) {
      const left = this.#expected.take();
      if (left !== undefined) this.#divergence = eventDivergence(left, undefined, this.maps);
    }
    if (this.#divergence === undefined && end?.hashes !== undefined) {
      this.#hashesCompared++;
      this.#divergence = stateDivergence(machine, end.hashes, this.#finalHashes);
    }
  }

  /** Runs to a position and a time; without a time, to the first moment at the position. */
  #goTo(position: Position, time: Ns | undefined, goal: Milestone): void {
    const { machine } = this;
    while (this.#divergence === undefined) {
      const stop = machine.run(position);
      if (this.#divergence !== undefined) return;
      const here = machine.position === position;
      if (stop.reason === 'reset') {
        // The end of a recording may be a reset that was not carried out.
        if (here && goal.kind === 'end' && this.#reader.end?.reason === 'system-reset') break;
        machine.reset();
        continue;
      }
      if (stop.reason === 'limit') break;
      if (stop.reason === 'waiting') {
        if (here && (time === undefined || time < stop.deadline)) {
          if (time !== undefined && time > machine.time) machine.passTime(time);
          break;
        }
        machine.passTime(stop.deadline);
        continue;
      }
      if (here && (stop.reason === 'power-off' || stop.reason === 'idle' || stop.reason === 'error')) {
        if (stop.reason === 'idle' && time !== undefined && time > machine.time) machine.passTime(time);
        break;
      }
      this.#divergence = this.#stopDivergence(stop, position);
    }
    if (this.#divergence === undefined && time !== undefined && machine.time !== time) {
      this.#divergence = {
        position,
        time: machine.time,
        device: 'machine',
        what: 'run',
        expected: `a time of ${time} ns`,
        actual: `${machine.time} ns`,
      };
    }
  }

  #stopDivergence(stop: StopReason, position: Position): Divergence {
    const { machine } = this;
    const words: { readonly [reason in StopReason['reason']]: string } = {
      limit: 'a stop',
      'power-off': 'the machine powered off',
      reset: 'a reset',
      idle: 'every CPU asleep for ever',
      waiting: 'every CPU asleep',
      stopped: 'a stop',
      error: stop.reason === 'error' ? stop.message : 'an error',
    };
    return {
      position: machine.position,
      time: machine.time,
      device: 'machine',
      what: 'run',
      expected: `it to run on to position ${position}`,
      actual: words[stop.reason],
    };
  }

  #entropy(device: string, length: number): Uint8Array {
    const data = this.#pull(device, ENTROPY_INPUT, length);
    const bytes = new Uint8Array(length);
    bytes.set(data.subarray(0, length));
    return bytes;
  }

  #folder(device: string, question: FolderQuestion): Uint8Array {
    const what = folderInput(question);
    const next = this.#inputs.peek('pull');
    const answer = next === undefined ? undefined : answerTo(question, next.data);
    if (answer !== undefined) return this.#pull(device, what, undefined).length === 0 ? NO_ANSWER : answer;
    const { position, time } = this.machine;
    this.#diverge(
      inputDivergence({ position, time }, device, next, `${what} ${questionText(question)}`, undefined),
    );
    return NO_ANSWER;
  }

  /** The next answer of the log, if the question is the one that was asked then. */
  #pull(device: string, what: string, length: number | undefined): Uint8Array {
    const at = this.#built
      ? { position: this.machine.position, time: this.machine.time }
      : { position: 0, time: 0 };
    const next = this.#inputs.peek('pull');
    const fits =
      next !== undefined &&
      next.device === device &&
      next.what === what &&
      next.position === at.position &&
      (length === undefined || next.data.length === length);
    if (!fits) {
      this.#diverge(inputDivergence(at, device, next, what, length));
      return new Uint8Array(0);
    }
    this.#inputs.take('pull');
    this.#observe({ kind: 'input', ...at, cpu: next.cpu, device, what, mode: 'pull', data: next.data });
    return next.data;
  }

  #diverge(divergence: Divergence): void {
    this.#divergence ??= divergence;
    if (this.#built) this.machine.requestStop();
  }

  #observe(event: MachineEvent): void {
    if (this.#expected !== undefined && keeps(this.#reader.header.level, event.kind)) this.#compare(event);
    this.#sink?.(event);
  }

  #compare(event: MachineEvent): void {
    if (this.#divergence !== undefined) return;
    // Beyond the last whole chunk the recording is not complete.
    if (event.position >= this.#reader.complete) return;
    const expected = this.#expected?.take();
    if (expected !== undefined && sameEvent(expected, event)) this.#compared++;
    else this.#diverge(eventDivergence(expected, event, this.#built ? this.maps : () => undefined));
  }
}

/** Contents of every image by role, from the trace or from outside, checked before anything runs. */
export function imagesFor({
  reader,
  codec,
  image,
}: Pick<ReplayOptions, 'reader' | 'codec' | 'image'>): (role: string) => ImageSource {
  const embedded = reader.embeddedImages();
  const sources = new Map<string, ImageSource>();
  const problems: string[] = [];
  for (const ref of reader.header.images) {
    if (embedded.has(ref.sha256)) {
      sources.set(ref.role, embeddedSource(reader, ref));
      continue;
    }
    const outside = image?.(ref);
    const wanted = `${ref.role} '${ref.name}' (${ref.size} bytes, SHA-256 ${ref.sha256})`;
    if (outside === undefined)
      problems.push(`image ${wanted} is not in the trace; give it with --image ${ref.role}=FILE`);
    else if (outside.size !== ref.size || hashOf(outside, codec) !== ref.sha256) {
      problems.push(`the file given for image ${wanted} is another one`);
    } else sources.set(ref.role, outside);
  }
  if (problems.length > 0) throw new MissingImages(problems);
  return (role) => sources.get(role)!;
}

const PIECE = 256 << 10;
const KEPT_PIECES = 64;

/** A disk is read a few sectors at a time, and finding them in the trace costs more than that. */
function embeddedSource(reader: SyncTraceReader, ref: ImageRef): ImageSource {
  const kept = new Map<number, Uint8Array>();
  const piece = (number: number): Uint8Array => {
    let bytes = kept.get(number);
    if (bytes === undefined) {
      bytes = reader.imageRange(ref, number * PIECE, Math.min(PIECE, ref.size - number * PIECE));
      const oldest = kept.keys().next();
      if (kept.size >= KEPT_PIECES && oldest.done !== true) kept.delete(oldest.value);
      kept.set(number, bytes);
    }
    return bytes;
  };
  return {
    size: ref.size,
    read: (offset, length) => {
      if (length > PIECE) return reader.imageRange(ref, offset, length);
      const out = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const at = offset + done;
        const from = at % PIECE;
        const part = piece((at - from) / PIECE).subarray(from, from + length - done);
        out.set(part, done);
        done += part.length;
      }
      return out;
    },
  };
}

const HASHED_AT_ONCE = 1 << 20;

function hashOf(source: ImageSource, codec: TraceCodec): string {
  const hasher = codec.sha256();
  for (let at = 0; at < source.size; at += HASHED_AT_ONCE) {
    hasher.update(source.read(at, Math.min(HASHED_AT_ONCE, source.size - at)));
  }
  return hasher.digest();
}
