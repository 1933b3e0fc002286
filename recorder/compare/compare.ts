/** Two recordings side by side: where they first part, and what differs from there on. */
import { keeps, type RegisterMaps, type SyncTraceReader, type TraceEvent } from '../../traces/index.ts';
import { align, type Hunk } from './align.ts';
import { type ConfigurationDifference, compareConfigurations } from './configuration.ts';
import { MeaningReader, type StreamKey } from './meaning.ts';
import { type Chosen, readStreams, type Stream, type TraceStreams } from './streams.ts';

export interface Side {
  readonly reader: SyncTraceReader;
  readonly maps: RegisterMaps;
}

export interface CompareOptions {
  /** Only these are compared, and the configuration is not. */
  readonly only?: Chosen;
}

/** A place in one of the recordings. */
export interface DifferencePlace {
  readonly position: number;
  readonly ordinal: number;
}

/** A stretch that differs; a side that has nothing in it has the place at which it would come. */
export interface Difference {
  readonly stream: string;
  readonly a: DifferencePlace | undefined;
  readonly b: DifferencePlace | undefined;
  /** Elements. */
  readonly countA: number;
  readonly countB: number;
  /** Where it lies in A; for what only B has, where it would lie. */
  readonly order: number;
  /** The same for B. */
  readonly orderB: number;
}

export interface StreamComparison {
  readonly key: StreamKey;
  readonly name: string;
  readonly eventsA: number;
  readonly eventsB: number;
  /** Interrupts acknowledged. */
  readonly takenA: number;
  readonly takenB: number;
  /** Stretches that differ. */
  readonly hunks: number;
  readonly onlyA: number;
  readonly onlyB: number;
  /** Differences in it are differences; not so in what depends on timing only. */
  readonly counts: boolean;
  readonly complete: boolean;
  readonly differences: readonly Difference[];
}

export interface Comparison {
  readonly configuration: readonly ConfigurationDifference[];
  /** By their order. */
  readonly streams: readonly StreamComparison[];
  /** In what the guest did to devices and what they did; where there is none, on a console. */
  readonly first: Difference | undefined;
  /** What was printed tells of it, later or, as with boot arguments, of the configuration. */
  readonly firstOnConsole: Difference | undefined;
  /** How each recording ended. */
  readonly ends: readonly [string, string];
  /** Beyond this position a recording was not compared: too long, or damaged. */
  readonly comparedTo: readonly [number | undefined, number | undefined];
  /** Kinds of events that one of the recordings keeps and the other does not. */
  readonly oneSided: readonly ('exception' | 'dma')[];
  /** The same in meaning; with `only`, in what was asked for. */
  readonly same: boolean;
}

/** Stretches of a stream that are told one by one. */
const MAX_HUNKS = 1000;
/** Elements looked at for all alignments; some seconds at most. */
const BUDGET = 200_000_000;

export function compareTraces(a: Side, b: Side, options: CompareOptions = {}): Comparison {
  const configuration = options.only === undefined ? compareConfigurations(a.reader, b.reader) : [];
  const { only } = options;
  const uncompared = (['exception', 'dma'] as const).filter(
    (kind) => !keeps(a.reader.header.level, kind) || !keeps(b.reader.header.level, kind),
  );
  const chosen: Chosen = (stream, token) =>
    !(uncompared as readonly string[]).includes(stream.kind) && only?.(stream, token) !== false;
  const left = readStreams(a.reader, a.maps, chosen);
  const right = readStreams(b.reader, b.maps, chosen);
  const budget = { left: BUDGET };
  const pairs = [...new Set([...left.streams.keys(), ...right.streams.keys()])].map((name) => {
    const streamA = left.streams.get(name);
    const streamB = right.streams.get(name);
    const { hunks, complete } = align(streamA?.hashes ?? EMPTY, streamB?.hashes ?? EMPTY, budget);
    return { name, streamA, streamB, hunks, complete };
  });
  const place = new PlaceMap(pairs, endOf(a, left), endOf(b, right));
  const cpus = [cpusOf(a), cpusOf(b)] as const;
  const streams = pairs.map(({ name, streamA, streamB, hunks, complete }): StreamComparison => {
    const key = (streamA ?? streamB)!;
    // What a CPU does that only one side has is told by their number.
    const isMissingCpu = key.cpu >= Math.min(...cpus);
    const isLacking = streamA === undefined || streamB === undefined;
    const counts = !isMissingCpu && (!key.timing || isLacking);
    return {
      key: { kind: key.kind, id: key.id, cpu: key.cpu, timing: key.timing },
      name,
      eventsA: streamA?.events ?? 0,
      eventsB: streamB?.events ?? 0,
      takenA: streamA?.taken ?? 0,
      takenB: streamB?.taken ?? 0,
      hunks: hunks.length,
      onlyA: hunks.reduce((sum, { a0, a1 }) => sum + a1 - a0, 0),
      onlyB: hunks.reduce((sum, { b0, b1 }) => sum + b1 - b0, 0),
      counts,
      complete,
      differences: hunks.slice(0, MAX_HUNKS).map((hunk) => place.difference(name, hunk, streamA, streamB)),
    };
  });
  const earliest = (isConsole: boolean): Difference | undefined =>
    streams
      .filter(({ counts, key }) => counts && (key.kind === 'console') === isConsole)
      .flatMap(({ differences }) => differences.slice(0, 1))
      .reduce<Difference | undefined>(
        (best, each) => (best === undefined || each.order < best.order ? each : best),
        undefined,
      );
  const firstOnConsole = earliest(true);
  const first = earliest(false) ?? firstOnConsole;
  const ends = [endText(a.reader), endText(b.reader)] as const;
  const isSetAlike = configuration.every(({ isChance }) => isChance);
  const endsAlike = options.only !== undefined || ends[0] === ends[1];
  const order = (stream: StreamComparison): number =>
    stream.differences[0]?.order ?? Number.POSITIVE_INFINITY;
  return {
    configuration,
    streams: streams.sort((x, y) => order(x) - order(y) || (x.name < y.name ? -1 : 1)),
    first,
    firstOnConsole,
    ends,
    comparedTo: [left.comparedTo, right.comparedTo],
    oneSided: uncompared.filter(
      (kind) => keeps(a.reader.header.level, kind) !== keeps(b.reader.header.level, kind),
    ),
    same: first === undefined && isSetAlike && endsAlike,
  };
}

const EMPTY = new Float64Array(0);

function endText({ end }: SyncTraceReader): string {
  return end === undefined ? 'the recording was not ended' : end.reason;
}

function endOf({ reader }: Side, { comparedTo }: TraceStreams): number {
  return comparedTo ?? reader.end?.position ?? reader.complete;
}

function cpusOf({ reader }: Side): number {
  const machine = reader.header.config['machine'];
  const smp =
    typeof machine === 'object' && machine !== null ? (machine as { smp?: unknown }).smp : undefined;
  const cpus = typeof smp === 'object' && smp !== null ? (smp as { cpus?: unknown }).cpus : undefined;
  return typeof cpus === 'number' ? cpus : 1;
}

interface Pair {
  readonly name: string;
  readonly streamA: Stream | undefined;
  readonly streamB: Stream | undefined;
  readonly hunks: readonly Hunk[];
}

/** Pairs of positions that the streams give at most together. */
const MAX_ANCHORS = 200_000;

/** Which positions of the two recordings belong together: what they have in common is the yardstick. */
class PlaceMap {
  readonly #a: Float64Array;
  readonly #b: Float64Array;

  constructor(pairs: readonly Pair[], endA: number, endB: number) {
    const anchors: [number, number][] = [];
    for (const { streamA, streamB, hunks } of pairs) {
      // Which tick belongs to which is anybody's guess.
      if (streamA === undefined || streamB === undefined || streamA.timing) continue;
      const step = Math.max(1, Math.floor((streamA.positions.length * pairs.length) / MAX_ANCHORS));
      let [i, j] = [0, 0];
      const common = (until: number): void => {
        for (; i < until; i += step, j += step) anchors.push([streamA.positions[i]!, streamB.positions[j]!]);
      };
      for (const { a0, a1, b1 } of hunks) {
        common(a0);
        [i, j] = [a1, b1];
      }
      common(streamA.positions.length);
    }
    anchors.sort((x, y) => x[0] - y[0] || x[1] - y[1]);
    const chain = longestRise(anchors);
    const [lastA, lastB] = chain.at(-1) ?? [0, 0];
    const all = [[0, 0], ...chain, [Math.max(endA, lastA), Math.max(endB, lastB)]];
    this.#a = Float64Array.from(all, ([x]) => x!);
    this.#b = Float64Array.from(all, ([, y]) => y!);
  }

  difference(
    stream: string,
    { a0, a1, b0, b1 }: Hunk,
    streamA: Stream | undefined,
    streamB: Stream | undefined,
  ): Difference {
    const at = (side: Stream | undefined, from: number, to: number): DifferencePlace | undefined =>
      side === undefined || from >= to
        ? undefined
        : { position: side.positions[from]!, ordinal: side.ordinals[from]! };
    const a = at(streamA, a0, a1);
    const b = at(streamB, b0, b1);
    const fromB = b === undefined ? Number.POSITIVE_INFINITY : interpolate(this.#b, this.#a, b.position);
    const fromA = a === undefined ? Number.POSITIVE_INFINITY : interpolate(this.#a, this.#b, a.position);
    return {
      stream,
      a,
      b,
      countA: a1 - a0,
      countB: b1 - b0,
      order: Math.min(a?.position ?? Number.POSITIVE_INFINITY, fromB),
      orderB: Math.min(b?.position ?? Number.POSITIVE_INFINITY, fromA),
    };
  }
}

/** The most pairs that are in order on both sides: those that are not are chance meetings. */
function longestRise(pairs: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  /** Last pair of the best chain of each length, and the one before each pair. */
  const ends: number[] = [];
  const before = new Int32Array(pairs.length);
  pairs.forEach(([, y], i) => {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (pairs[ends[middle]!]![1] < y) low = middle + 1;
      else high = middle;
    }
    before[i] = low === 0 ? -1 : ends[low - 1]!;
    ends[low] = i;
  });
  const chain: (readonly [number, number])[] = [];
  for (let i = ends.at(-1) ?? -1; i >= 0; i = before[i]!) chain.push(pairs[i]!);
  return chain.reverse();
}

function interpolate(from: Float64Array, to: Float64Array, at: number): number {
  let low = 0;
  let high = from.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (from[middle]! <= at) low = middle;
    else high = middle - 1;
  }
  const next = Math.min(low + 1, from.length - 1);
  const width = from[next]! - from[low]!;
  const part = width === 0 ? 0 : Math.min(1, (at - from[low]!) / width);
  return Math.round(to[low]! + part * (to[next]! - to[low]!));
}

/** Events looked through for those that are worth showing. */
const MAX_LOOKED = 20_000;

/** Events before and after a place, without polling, clocks and single characters. */
export function around(
  { reader, maps }: Side,
  place: DifferencePlace,
  before: number,
  after: number,
): { readonly before: TraceEvent[]; readonly after: TraceEvent[] } {
  const meanings = new MeaningReader(maps);
  const take = (direction: 'forward' | 'backward', limit: number): TraceEvent[] => {
    const found: TraceEvent[] = [];
    const bound = direction === 'forward' ? { from: place } : { to: place };
    let looked = 0;
    for (const batch of reader.batches({ ...bound, direction })) {
      for (const event of batch) {
        if (found.length >= limit || ++looked > MAX_LOOKED) return found;
        const isIt = event.position === place.position && event.ordinal === place.ordinal;
        if (isIt || meanings.isTelling(event)) found.push(event);
      }
    }
    return found;
  };
  return { before: take('backward', before).reverse(), after: take('forward', after) };
}
