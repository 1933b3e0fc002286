/** Speed and size of traces on a synthetic boot: `npx tsx test/traces/bench.ts [ACCESSES]`. */
import { NODE_CODEC } from '../../recorder/host/lz4.ts';
import { CHUNK, chunkName, SyncTraceReader, TraceWriter } from '../../traces/index.ts';
import { HEADER, MemorySink } from './support.ts';
import { syntheticBoot } from './synthetic.ts';

const accesses = Number(process.argv[2] ?? 300_000);
const events = [...syntheticBoot(accesses)];
const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

for (let round = 0; round < 3; round++) {
  const sink = new MemorySink();
  const writer = new TraceWriter(sink, { ...HEADER, level: 'devices' }, NODE_CODEC);
  let start = performance.now();
  for (const event of events) writer.event(event);
  const last = events.at(-1)!;
  writer.close({ position: last.position, time: last.time, reason: 'limit' });
  const writing = performance.now() - start;
  const source = sink.toSource();
  start = performance.now();
  const reader = SyncTraceReader.open(source, { codec: NODE_CODEC });
  const opening = performance.now() - start;
  start = performance.now();
  reader.verify();
  const decoding = performance.now() - start;
  start = performance.now();
  let count = 0;
  for (const batch of reader.batches()) count += batch.length;
  const reading = performance.now() - start;
  const rate = (ms: number): string => `${(events.length / ms / 1000).toFixed(2)} M events/s`;
  print(
    `write ${rate(writing)}, open ${opening.toFixed(1)} ms, decode ${rate(decoding)}, iterate ${rate(reading)} (${count})`,
  );
  const fresh = SyncTraceReader.open(source, { codec: NODE_CODEC, cacheBytes: 0 });
  const times: number[] = [];
  for (let i = 0; i < 50; i++) {
    start = performance.now();
    fresh.first({
      direction: 'backward',
      registers: [{ device: 'gicd', offset: 0x100 + 4 * (i % 32), width: 4 }],
      write: true,
      to: (last.position / 50) * (i + 1),
    });
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  print(`last write, nothing cached: p50 ${times[25]!.toFixed(1)} ms, max ${times.at(-1)!.toFixed(1)} ms`);
  if (round < 2) continue;
  print(`${source.size} bytes for ${events.length} events`);
  for (const kind of Object.values(CHUNK)) {
    const chunks = reader.chunks.filter((chunk) => chunk.kind === kind);
    if (chunks.length === 0) continue;
    const sum = (of: (c: (typeof chunks)[number]) => number): number => chunks.reduce((n, c) => n + of(c), 0);
    const [stored, raw, n] = [sum((c) => c.storedBytes), sum((c) => c.rawBytes), sum((c) => c.count)];
    print(
      `${chunkName(kind)!.padEnd(12)} ${chunks.length} chunks, ${n} events, raw ${raw}, stored ${stored}: ${(stored / n).toFixed(2)} bytes each`,
    );
  }
}
