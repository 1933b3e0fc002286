import { ByteColumn, ByteCursor } from './bytes.ts';
import { DecodeError } from './errors.ts';
import type { Fields, PlainData } from './msgpack.ts';
import { isDifference, Predictor } from './predictor.ts';

/**
 * One chunk's events as columns: only what the predictor did not expect is written.
 *
 * `ops` has a byte for each event that was not fully expected: bits 7–4 the number of expected events before
 * it (15: and a varint more), bits 3–0 say which columns have an entry for it.
 */
const SITE = 1;
const STEP = 2;
const VALUE = 4;
const EXTRA = 8;
const RUN_MORE = 15;

/** What a chunk needs besides its columns to give stamps back. */
export interface StreamBase {
  /** Position of the first event. */
  readonly first: number;
  /** One instruction takes 2^shift ns. */
  readonly shift: number;
  readonly counterPeriod: number;
}

export class StreamEncoder {
  readonly #predictor: Predictor;
  readonly #scale: number;
  readonly #ops = new ByteColumn();
  readonly #sites = new ByteColumn();
  readonly #steps = new ByteColumn();
  readonly #values = new ByteColumn();
  readonly #extras = new ByteColumn();
  readonly #firstBias: number;
  readonly #base: StreamBase;
  /** How often each site occurred. */
  readonly siteCounts: number[] = [];
  #position: number;
  #bias: number;
  #run = 0;
  #count = 0;

  constructor(slots: number, base: StreamBase, firstTime: number) {
    this.#predictor = new Predictor(slots, base.counterPeriod);
    this.#base = base;
    this.#scale = 2 ** base.shift;
    this.#position = base.first;
    this.#bias = this.#firstBias = firstTime - base.first * this.#scale;
  }

  get count(): number {
    return this.#count;
  }

  get lastPosition(): number {
    return this.#position;
  }

  get rawBytes(): number {
    return (
      this.#ops.length + this.#sites.length + this.#steps.length + this.#values.length + this.#extras.length
    );
  }

  /** Site expected next, -1 if none: the caller compares it with the event before it searches. */
  get expectedSite(): number {
    return this.#predictor.site;
  }

  /** A site not seen in this chunk has the next free index. Values beyond the slots are ignored. */
  add(site: number, position: number, ordinal: number, time: number, v0 = 0n, v1 = 0n, v2 = 0n): void {
    const p = this.#predictor;
    let flags = 0;
    if (p.site !== site) {
      flags |= SITE;
      this.#sites.varint(site);
    }
    p.choose(site);
    this.siteCounts[site] = (this.siteCounts[site] ?? 0) + 1;
    const step = position - this.#position;
    if (step !== p.step(site)) {
      flags |= STEP;
      this.#steps.varint(step);
    }
    const bias = time - position * this.#scale;
    if (bias !== this.#bias || ordinal !== p.ordinal) {
      flags |= EXTRA;
      this.#extras.varint(ordinal);
      this.#extras.signed(bias - this.#bias);
      this.#bias = bias;
    }
    if (p.slots === 1) {
      if (p.value(site, 0, time) !== v0) {
        flags |= VALUE;
        this.#putValue(site, 0, time, v0);
      }
      p.learnValue(site, 0, time, v0);
    } else if (p.slots > 1) {
      const values = [v0, v1, v2];
      let missed = 0;
      for (let slot = 0; slot < p.slots; slot++) {
        if (p.value(site, slot, time) !== values[slot]) missed |= 1 << slot;
      }
      if (missed !== 0) {
        flags |= VALUE;
        this.#values.u8(missed);
      }
      for (let slot = 0; slot < p.slots; slot++) {
        if ((missed & (1 << slot)) !== 0) this.#putValue(site, slot, time, values[slot]!);
        p.learnValue(site, slot, time, values[slot]!);
      }
    }
    p.learn(site, step, ordinal);
    this.#position = position;
    this.#count++;
    if (flags === 0) {
      this.#run++;
      return;
    }
    this.#ops.u8((Math.min(this.#run, RUN_MORE) << 4) | flags);
    if (this.#run >= RUN_MORE) this.#ops.varint(this.#run - RUN_MORE);
    this.#run = 0;
  }

  #putValue(site: number, slot: number, time: number, value: bigint): void {
    const p = this.#predictor;
    const expected = p.value(site, slot, time);
    if (isDifference(expected)) this.#values.signed64(value - expected);
    else this.#values.varint64(value);
  }

  /** Fields of the chunk's payload map. */
  columns(): { [key: string]: PlainData } {
    return {
      shift: this.#base.shift,
      tick: this.#base.counterPeriod,
      bias: this.#firstBias,
      ops: this.#ops.toBytes(),
      at: this.#sites.toBytes(),
      step: this.#steps.toBytes(),
      val: this.#values.toBytes(),
      ext: this.#extras.toBytes(),
    };
  }
}

/** The stamps, sites and values of a chunk's events, by index. */
export interface StreamTable {
  readonly count: number;
  readonly position: Float64Array;
  readonly ordinal: Uint32Array;
  readonly time: Float64Array;
  readonly site: Uint16Array;
  /** `slots` values per event. */
  readonly value: BigUint64Array;
  readonly slots: number;
}

/** `count` was checked against MAX_CHUNK_EVENTS. Throws DecodeError. */
export function decodeStream(
  fields: Fields,
  slots: number,
  count: number,
  first: number,
  last: number,
): StreamTable {
  const scale = 2 ** fields.integer('shift', 0, 32);
  const predictor = new Predictor(slots, fields.integer('tick', 1, 1e9));
  const ops = new ByteCursor(fields.bytes('ops'));
  const sites = new ByteCursor(fields.bytes('at'));
  const steps = new ByteCursor(fields.bytes('step'));
  const values = new ByteCursor(fields.bytes('val'));
  const extras = new ByteCursor(fields.bytes('ext'));
  const table: StreamTable = {
    count,
    position: new Float64Array(count),
    ordinal: new Uint32Array(count),
    time: new Float64Array(count),
    site: new Uint16Array(count),
    value: new BigUint64Array(count * slots),
    slots,
  };
  let position = first;
  let bias = fields.integer('bias', Number.MIN_SAFE_INTEGER);
  let known = 0;
  let run = 0;
  let flags = 0;
  const nextOp = (): void => {
    if (ops.atEnd) {
      run = Number.POSITIVE_INFINITY;
      return;
    }
    const op = ops.u8();
    flags = op & 15;
    run = op >>> 4;
    if (run === RUN_MORE) run += ops.varint();
  };
  nextOp();
  for (let i = 0; i < count; i++) {
    let now = 0;
    if (run > 0) run--;
    else now = flags;
    const site = (now & SITE) !== 0 ? sites.varint() : predictor.site;
    if (site < 0 || site > known) throw new DecodeError(`event ${i} has no site`);
    if (site === known) known++;
    predictor.choose(site);
    const step = (now & STEP) !== 0 ? steps.varint() : predictor.step(site);
    position += step;
    if (position > last) throw new DecodeError(`event ${i} lies after the chunk's last position`);
    let ordinal = predictor.ordinal;
    if ((now & EXTRA) !== 0) {
      ordinal = extras.varint();
      if (ordinal > 0xffff_ffff) throw new DecodeError(`event ${i} has too large an ordinal`);
      bias += extras.signed();
    }
    const time = position * scale + bias;
    if (!(time >= 0 && time <= Number.MAX_SAFE_INTEGER))
      throw new DecodeError(`event ${i} has no valid time`);
    if (slots > 0) {
      const missed = (now & VALUE) === 0 ? 0 : slots === 1 ? 1 : values.u8();
      for (let slot = 0; slot < slots; slot++) {
        let value = predictor.value(site, slot, time);
        if ((missed & (1 << slot)) !== 0) {
          value = isDifference(value) ? BigInt.asUintN(64, value + values.signed64()) : values.varint64();
        }
        predictor.learnValue(site, slot, time, value);
        table.value[i * slots + slot] = value;
      }
    }
    predictor.learn(site, step, ordinal);
    table.position[i] = position;
    table.ordinal[i] = ordinal;
    table.time[i] = time;
    table.site[i] = site;
    if (now !== 0) nextOp();
  }
  if (position !== last) throw new DecodeError("the last event is not at the chunk's last position");
  if (!ops.atEnd || (run !== Number.POSITIVE_INFINITY && count > 0))
    throw new DecodeError('more events than announced');
  for (const column of [sites, steps, values, extras]) {
    if (!column.atEnd) throw new DecodeError('a column is longer than its events');
  }
  return table;
}
