import { findRegister } from '../../engine/base/register-map.ts';
import { interruptName } from '../../recorder/session/interrupt-words.ts';
import {
  type EventChunk,
  type IndexedChunk,
  InterruptMeter,
  POLLING_GAP_NS,
  PollingMeter,
  type RegisterMaps,
  type Site,
  TraceError,
  type TraceReader,
} from '../../traces/index.ts';
import { ConsoleText } from './console-text.ts';
import { LaneStore } from './lane-store.ts';
import { ACTIVE, CPU_OFF, IN_INTERRUPT, LaneTable, LINE, PENDING } from './lanes.ts';
import { binCount } from './mip-map.ts';
import {
  CPU_STATES,
  type DeviceStatistics,
  INTERRUPT_STATES,
  type LaneData,
  type LaneInfo,
  type Statistics,
  type Storm,
} from './protocol.ts';
import { type TimeMap, TimeMapBuilder } from './time-map.ts';

export interface Extent {
  readonly time: number;
  readonly instructions: number;
}

export interface IndexOptions {
  readonly reader: TraceReader;
  readonly maps: RegisterMaps;
  readonly cpus: number;
  readonly virtio: ReadonlyMap<number, string>;
  readonly networks: readonly string[];
  readonly extent: Extent;
  readonly symbol: (pc: bigint) => string | undefined;
  /** Called between groups; may wait to let others run. */
  readonly pause: (done: number, total: number) => Promise<void>;
}

/** States of all lanes at the beginning of a group of chunks. */
interface GroupStart {
  readonly masks: Uint8Array;
  readonly firstTime: number;
  lastTime: number;
}

interface RegisterCount {
  readonly device: string;
  readonly register: string;
  reads: number;
  writes: number;
}

/** Bytes of one array on both axes, with all its levels, for each bin. */
const ARRAY_BYTES = 16;

/** What a bin costs in all lanes there may be, as far as the index tells. */
function bytesPerBin(reader: TraceReader, cpus: number): number {
  const intids = new Set<number>();
  const devices = new Set<string>();
  for (const { summary } of reader.chunks) {
    for (const intid of summary?.intids.keys() ?? []) intids.add(intid);
    for (const device of summary?.devices.keys() ?? []) devices.add(device);
  }
  let interrupts = 0;
  for (const intid of intids) interrupts += intid < 32 ? cpus : 1;
  const arrays =
    cpus * (1 + CPU_STATES.length) + interrupts * (1 + INTERRUPT_STATES.length) + devices.size * 3;
  return arrays * ARRAY_BYTES;
}

/** Goes through all events once and keeps what the page shows: densities, states, statistics, console lines. */
export class Indexer {
  readonly lanes: LaneTable;
  readonly consoles = new Map<string, ConsoleText>();
  readonly groupStarts: GroupStart[] = [];
  timeMap: TimeMap | undefined;
  damage: string | undefined;
  readonly #options: IndexOptions;
  readonly #bins: number;
  readonly #stores: LaneStore[] = [];
  readonly #meters = new Map<number, InterruptMeter>();
  readonly #meterOf = new Map<string, number>();
  readonly #polling = new PollingMeter();
  readonly #registers = new Map<string, RegisterCount>();
  readonly #kinds = new Map<string, number>();
  readonly #times: TimeMapBuilder;
  #asleep = 0;
  #lastPosition = 0;
  #lastTime = 0;
  #levels: (number | undefined)[] = [];

  constructor(options: IndexOptions) {
    this.#options = options;
    const { reader, cpus, virtio, networks, extent } = options;
    this.lanes = new LaneTable(cpus, virtio, networks);
    const events = reader.chunks.reduce((sum, chunk) => sum + chunk.count, 0);
    this.#bins = binCount(events, bytesPerBin(reader, cpus));
    this.#times = new TimeMapBuilder(2 ** reader.header.shift, extent.time / 2 ** 17);
    for (let cpu = 0; cpu < Math.min(cpus, 512); cpu++) this.lanes.cpu(cpu);
    this.lanes.sleep();
  }

  #store(lane: number): LaneStore {
    let store = this.#stores[lane];
    if (store === undefined) {
      const { kind, states } = this.lanes.lane(lane);
      const { extent } = this.#options;
      store = new LaneStore(
        this.#bins,
        this.#bins / Math.max(1, extent.time),
        this.#bins / Math.max(1, extent.instructions),
        kind === 'device' || kind === 'dma',
        states.length,
      );
      this.#stores[lane] = store;
    }
    return store;
  }

  /** A damaged chunk ends the pass; what came before it stays. */
  async run(): Promise<void> {
    const { reader, pause } = this.#options;
    const groups = reader.file.groups;
    for (const [number, group] of groups.entries()) {
      const loaded: { chunk: IndexedChunk; events: EventChunk }[] = [];
      try {
        for (const chunk of group) {
          if (chunk.count > 0) loaded.push({ chunk, events: await reader.chunkEvents(chunk) });
        }
      } catch (error) {
        if (!(error instanceof TraceError)) throw error;
        this.damage = error.message;
        break;
      }
      this.#group(loaded.map(({ events }) => events));
      await pause(number + 1, groups.length);
    }
    const { extent } = this.#options;
    for (const store of this.#stores) store?.settle(extent.instructions, extent.time);
    this.timeMap = this.#times.finish(extent.instructions, extent.time);
  }

  #group(chunks: readonly EventChunk[]): void {
    const masks = Uint8Array.from({ length: this.lanes.count }, (_, lane) => this.#stores[lane]?.mask ?? 0);
    let firstTime = Number.POSITIVE_INFINITY;
    let lastTime = 0;
    for (const { table } of chunks) {
      firstTime = Math.min(firstTime, table.time[0]!);
      lastTime = Math.max(lastTime, table.time[table.count - 1]!);
    }
    this.groupStarts.push({ masks, firstTime, lastTime });
    this.#sleeps(chunks);
    for (const events of chunks) {
      switch (events.codec.chunk) {
        case 'accesses':
          this.#accesses(events);
          break;
        case 'interrupts':
          this.#interrupts(events);
          break;
        case 'exceptions':
          this.#exceptions(events);
          break;
        case 'outputs':
          this.#outputs(events);
          break;
        default:
          this.#others(events);
      }
    }
  }

  /** Time that passed without instructions, between the events of all kinds. */
  #sleeps(chunks: readonly EventChunk[]): void {
    const unit = 2 ** this.#options.reader.header.shift;
    const sleep = this.#store(this.lanes.sleep());
    // Only where the difference between time and instructions changes: a few points of each chunk.
    const points: { position: number; time: number }[] = [];
    for (const { table } of chunks) {
      let before = Number.NaN;
      for (let i = 0; i < table.count; i++) {
        const bias = table.time[i]! - table.position[i]! * unit;
        if (bias === before) continue;
        if (i > 0) points.push({ position: table.position[i - 1]!, time: table.time[i - 1]! });
        points.push({ position: table.position[i]!, time: table.time[i]! });
        before = bias;
      }
      const last = table.count - 1;
      points.push({ position: table.position[last]!, time: table.time[last]! });
    }
    points.sort((a, b) => a.time - b.time || a.position - b.position);
    for (const { position, time } of points) {
      if (time < this.#lastTime || position < this.#lastPosition) continue;
      const slept = time - this.#lastTime - (position - this.#lastPosition) * unit;
      if (slept > 0) {
        // The CPUs ran first and slept then: what woke them is this event.
        sleep.cover(1, position, position, time - slept, time);
        this.#asleep += slept;
        sleep.total++;
      }
      this.#times.add(position, time);
      this.#lastPosition = position;
      this.#lastTime = time;
    }
  }

  #countKind(kind: string, count: number): void {
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + count);
  }

  #accesses({ table, sites }: EventChunk): void {
    const { count, position, time, ordinal, site } = table;
    const stores = sites.map((s) => this.#store(this.lanes.ofSite(s)));
    const writes = sites.map((s) => s.write);
    const counts = new Uint32Array(sites.length);
    let runSite = -1;
    let runFrom = 0;
    const endRun = (end: number): void => {
      if (runSite < 0 || writes[runSite]!) return;
      const from = { position: position[runFrom]!, ordinal: ordinal[runFrom]!, time: time[runFrom]! };
      this.#polling.run(sites[runSite]!, end - runFrom, from, time[end - 1]!);
    };
    for (let i = 0; i < count; i++) {
      const s = site[i]!;
      counts[s]!++;
      stores[s]!.count(position[i]!, time[i]!, writes[s]!);
      if (s === runSite && time[i]! - time[i - 1]! <= POLLING_GAP_NS) continue;
      endRun(i);
      runSite = s;
      runFrom = i;
    }
    endRun(count);
    this.#countKind('access', count);
    sites.forEach((s, number) => {
      const name = this.#registerName(s);
      const key = `${s.device} ${name}`;
      let found = this.#registers.get(key);
      if (found === undefined) {
        found = { device: s.device, register: name, reads: 0, writes: 0 };
        this.#registers.set(key, found);
      }
      if (s.write) found.writes += counts[number]!;
      else found.reads += counts[number]!;
    });
  }

  #registerName({ device, offset }: Site): string {
    const map = this.#options.maps(device);
    const hit = map === undefined ? undefined : findRegister(map, offset);
    return hit?.name ?? `+0x${offset.toString(16)}`;
  }

  #meter(intid: number, cpu: number): InterruptMeter {
    const key = `${intid} ${cpu}`;
    let number = this.#meterOf.get(key);
    if (number === undefined) {
      number = this.#meters.size;
      this.#meterOf.set(key, number);
      this.#meters.set(number, new InterruptMeter(intid, cpu));
    }
    return this.#meters.get(number)!;
  }

  #interrupts({ table, sites }: EventChunk): void {
    const { count, position, time, ordinal, site } = table;
    const facts = sites.map((s) => ({
      ...s,
      store: this.#store(this.lanes.ofSite(s)),
      cpuStore:
        s.target >= 0 && (s.what === 'acknowledge' || s.what === 'complete')
          ? this.#store(this.lanes.cpu(s.target))
          : undefined,
      // What a shared interrupt does before somebody takes it counts for the interrupt as such.
      meter: this.#meter(s.intid, s.intid < 32 ? s.target : -1),
    }));
    for (let i = 0; i < count; i++) {
      const { store, cpuStore, meter, what } = facts[site[i]!]!;
      const at = position[i]!;
      const t = time[i]!;
      store.count(at, t, false);
      const { mask } = store;
      switch (what) {
        case 'line-high':
          store.change(mask | LINE, at, t);
          break;
        case 'line-low':
          store.change(mask & ~LINE, at, t);
          break;
        case 'pending':
          store.change(mask | PENDING, at, t);
          meter.pending(t);
          break;
        case 'not-pending':
          store.change(mask & ~PENDING, at, t);
          meter.notPending();
          break;
        case 'acknowledge':
          // A level interrupt stays pending as long as its line is high.
          store.change((mask & LINE ? mask : mask & ~PENDING) | ACTIVE, at, t);
          meter.acknowledge(at, ordinal[i]!, t);
          cpuStore?.change(cpuStore.mask | IN_INTERRUPT, at, t);
          break;
        case 'active':
          store.change(mask | ACTIVE, at, t);
          break;
        case 'complete':
          store.change(mask & ~ACTIVE, at, t);
          meter.complete(t);
          cpuStore?.change(cpuStore.mask & ~IN_INTERRUPT, at, t);
          break;
      }
    }
    this.#countKind('interrupt', count);
  }

  #exceptions({ table, sites }: EventChunk): void {
    const { count, position, time, site } = table;
    const facts = sites.map((s) => ({ ...s, store: this.#store(this.lanes.cpu(s.cpu)) }));
    for (let i = 0; i < count; i++) {
      const { store, cpu, fromEl, toEl } = facts[site[i]!]!;
      store.count(position[i]!, time[i]!, false);
      if (this.#levels[cpu] === undefined) {
        // Before its first exception the CPU was where that came from.
        const rest = store.mask & ~15;
        store.change(rest | (1 << fromEl), 0, 0);
      }
      this.#levels[cpu] = toEl;
      store.change((store.mask & ~15) | (1 << toEl), position[i]!, time[i]!);
    }
    this.#countKind('exception', count);
  }

  #outputs(events: EventChunk): void {
    const { count, position, time, ordinal } = events.table;
    for (let i = 0; i < count; i++) {
      const event = events.event(i);
      if (event.kind !== 'output') continue;
      this.#store(this.lanes.output(event.device)).count(position[i]!, time[i]!, false);
      if (this.#options.networks.includes(event.device)) continue;
      this.#console(event.device).append(event.bytes, position[i]!, ordinal[i]!, time[i]!);
    }
    this.#countKind('output', count);
  }

  #console(device: string): ConsoleText {
    let text = this.consoles.get(device);
    if (text === undefined) {
      text = new ConsoleText();
      this.consoles.set(device, text);
    }
    return text;
  }

  #others(events: EventChunk): void {
    const { count, position, time, site } = events.table;
    const { sites } = events;
    const stores = sites.map((s) => this.#store(this.lanes.ofSite(s)));
    for (let i = 0; i < count; i++) {
      const s = sites[site[i]!]!;
      stores[site[i]!]!.count(position[i]!, time[i]!, s.write);
      this.#countKind(s.kind, 1);
      if (s.kind === 'power' && s.target >= 0 && (s.what === 'cpu-on' || s.what === 'cpu-off')) {
        const store = this.#store(this.lanes.cpu(s.target));
        const off = s.what === 'cpu-off';
        store.change(off ? CPU_OFF : store.mask & ~CPU_OFF, position[i]!, time[i]!);
      }
    }
  }

  infos(): LaneInfo[] {
    return this.lanes.infos((lane) => this.#stores[lane]?.total ?? 0);
  }

  snapshot(bins: number): LaneData[] {
    return this.#stores.flatMap((store, lane) => (store === undefined ? [] : [store.snapshot(lane, bins)]));
  }

  /** Gives the stores' memory away. */
  finish(): LaneData[] {
    return this.#stores.flatMap((store, lane) => (store === undefined ? [] : [store.finish(lane)]));
  }

  statistics(): Statistics {
    const { virtio, symbol } = this.#options;
    const devices = new Map<string, DeviceStatistics & { registers: RegisterCount[] }>();
    for (const row of this.#registers.values()) {
      const found = devices.get(row.device) ?? { device: row.device, reads: 0, writes: 0, registers: [] };
      found.registers.push(row);
      const { reads, writes } = found;
      devices.set(row.device, { ...found, reads: reads + row.reads, writes: writes + row.writes });
    }
    const meters = [...this.#meters.values()].map((meter) => ({
      meter,
      result: meter.finish(interruptName(meter.intid, virtio)),
    }));
    const storms: Storm[] = meters.flatMap(({ meter, result: { intid, cpu, name } }) =>
      meter.storms.map((storm) => ({ ...storm, intid, cpu, name })),
    );
    const uses = (row: { reads: number; writes: number }): number => row.reads + row.writes;
    return {
      devices: [...devices.values()]
        .map((device) => ({ ...device, registers: device.registers.sort((a, b) => uses(b) - uses(a)) }))
        .sort((a, b) => uses(b) - uses(a)),
      interrupts: meters.map(({ result }) => result).sort((a, b) => b.taken - a.taken),
      storms: storms.sort((a, b) => b.count - a.count),
      polling: this.#polling.finish((site) => this.#registerName(site), symbol),
      kinds: Object.fromEntries(this.#kinds),
      guestErrors: this.#kinds.get('guest-error') ?? 0,
      asleep: this.#asleep,
    };
  }
}
