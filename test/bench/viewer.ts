/**
 * The viewer on a large trace, in Chromium: `npm run bench:viewer [-- EVENTS]`, ten million without a number.
 * Prints first paint, time to the full index, script time of a frame while panning and zooming, and memory.
 */
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NODE_CODEC } from '../../recorder/host/lz4.ts';
import { TraceWriter } from '../../traces/index.ts';
import { indexed, launch, openTracePage } from '../support/browser.ts';
import { HEADER } from '../traces/support.ts';
import { syntheticBoot } from '../traces/synthetic.ts';

const wanted = Number(process.argv[2] ?? 10_000_000);
const folder = mkdtempSync(join(tmpdir(), 'virtrace-bench-'));
const file = join(folder, 'large.vtrace');
const print = (name: string, value: string): void => {
  process.stdout.write(`${name.padEnd(44)} ${value}\n`);
};

function writeTrace(): number {
  const fd = openSync(file, 'w');
  const sink = {
    write: (bytes: Uint8Array) => {
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    },
  };
  const writer = new TraceWriter(sink, { ...HEADER, level: 'devices' }, NODE_CODEC);
  let count = 0;
  let last = { position: 0, time: 0 };
  for (const event of syntheticBoot(Number.POSITIVE_INFINITY)) {
    writer.event(event);
    last = event;
    if (++count >= wanted) break;
  }
  writer.close({ position: last.position + 1, time: last.time + 1, reason: 'limit' });
  closeSync(fd);
  return count;
}

/** Resident memory of Chromium's renderers, in MiB: page and workers are in one. */
function rendererMemory(): number {
  let largest = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      if (!command.includes('--type=renderer') || !command.includes('chromium')) continue;
      const kilobytes = Number(
        /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0,
      );
      largest = Math.max(largest, kilobytes / 1024);
    } catch {
      // It has just ended.
    }
  }
  return largest;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

if (!existsSync('dist/viewer/viewer.js')) throw new Error('npm run build comes first');
const begin = performance.now();
const events = writeTrace();
print(
  'events',
  `${events}, written in ${((performance.now() - begin) / 1000).toFixed(1)} s, ${(statSync(file).size / 1e6).toFixed(1)} MB`,
);
const browser = await launch();
try {
  const start = performance.now();
  const { page, close } = await openTracePage(browser, file);
  await page.waitForSelector('html[data-ready]');
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
  print('first paint (limit 2 s)', `${((performance.now() - start) / 1000).toFixed(2)} s`);
  await indexed(page);
  print('full index (limit 15 s)', `${((performance.now() - start) / 1000).toFixed(2)} s`);
  for (const [name, keys] of [
    ['panning the whole', ['w', ...Array.from({ length: 40 }, (_, i) => (i % 8 < 4 ? 'd' : 'a'))]],
    ['zooming in', Array.from({ length: 50 }, () => 'w')],
    ['panning close up', Array.from({ length: 60 }, (_, i) => (i % 20 < 10 ? 'd' : 'a'))],
    ['zooming out', Array.from({ length: 50 }, () => 's')],
  ] as const) {
    await page.evaluate('virtrace.timeline.frames.length = 0');
    for (const key of keys) {
      await page.keyboard.press(key);
      await page.evaluate('new Promise((done) => requestAnimationFrame(done))');
    }
    const frames = await page.evaluate<number[]>('virtrace.timeline.frames.slice()');
    print(
      `${name}: script per frame, p50 / p95 (limit 16 ms)`,
      `${percentile(frames, 0.5).toFixed(1)} / ${percentile(frames, 0.95).toFixed(1)} ms, ${frames.length} frames`,
    );
  }
  print('page memory, resident (limit 500 MB)', `${rendererMemory().toFixed(0)} MiB`);
  await close();
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
