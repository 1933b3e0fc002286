import type { TraceReader } from '../../traces/index.ts';
import { LaneStore } from './lane-store.ts';
import { LaneTable } from './lanes.ts';
import type { LaneData, Overview } from './protocol.ts';
import { EVENT_CHUNKS, isEventChunk, type KnownTrace } from './trace-facts.ts';

/** Bins of a picture that is soon replaced by a better one. */
export const FIRST_PAINT_BINS = 2048;

/** What the first paint shows: the chunks' summaries, each spread over its chunk. */
export function overviewOf(
  reader: TraceReader,
  { facts, extent }: Pick<KnownTrace, 'facts' | 'extent'>,
): Overview {
  const table = new LaneTable(facts.cpus, new Map(facts.virtio), facts.networks);
  for (let cpu = 0; cpu < facts.cpus; cpu++) table.cpu(cpu);
  const bins = FIRST_PAINT_BINS;
  const stores: LaneStore[] = [];
  const add = (lane: number, from: number, to: number, count: number): void => {
    const isDevice = table.lane(lane).kind === 'device';
    stores[lane] ??= new LaneStore(bins, bins / extent.time, bins / extent.instructions, isDevice, 0);
    stores[lane].total += count;
    // Without having read the events, time is taken to go with the instructions.
    for (const axis of [stores[lane].time, stores[lane].instructions]) {
      const low = Math.min(bins - 1, Math.floor((from / extent.instructions) * bins));
      const high = Math.min(bins - 1, Math.floor((to / extent.instructions) * bins));
      const each = count / (high - low + 1);
      let given = 0;
      for (let bin = low; bin <= high; bin++) {
        const share = Math.round(each * (bin - low + 1)) - given;
        axis.counts[bins + bin]! += share;
        given += share;
      }
    }
  };
  for (const chunk of reader.chunks) {
    if (chunk.summary === undefined || !isEventChunk(chunk.kind)) continue;
    const { first, last } = chunk;
    const name = EVENT_CHUNKS[chunk.kind];
    for (const [intid, count] of chunk.summary.intids)
      add(table.interrupt(intid, intid < 32 ? 0 : -1), first, last, count);
    if (name === 'interrupts' || name === 'exceptions') continue;
    for (const [device, count] of chunk.summary.devices) {
      if (name === 'accesses') add(table.device(device), first, last, count);
      else if (name === 'outputs') add(table.output(device), first, last, count);
      else if (name === 'dma') add(table.dma(device), first, last, count);
      else add(name === 'inputs' ? table.inputs() : table.notes(device), first, last, count);
    }
  }
  const data: LaneData[] = stores.flatMap((store, lane) => (store === undefined ? [] : [store.finish(lane)]));
  return { facts, extent, lanes: table.infos((lane) => stores[lane]?.total ?? 0), data };
}
