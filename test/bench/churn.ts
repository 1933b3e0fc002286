/**
 * Resident memory while a guest makes code as fast as it can: `npx tsx test/bench/churn.ts [SECONDS]`, after
 * `npm run build:helpers`. Prints a line now and then, and at the end whether memory stayed within twice the RAM that
 * the guest touched plus 400 MB. Exit code 1 if not.
 */
import { makeGuest } from '../support/machines.ts';

const seconds = Number(process.argv[2] ?? 60);
const STEP_MS = Math.max(1000, (seconds * 1000) / 40);
/** The guest's own image and its 4,096 pages of generated code. */
const TOUCHED = 17 * 2 ** 20;
const BOUND = 2 * TOUCHED + 400e6;

const { machine } = makeGuest({ guest: 'churn' });
const { cluster, compiler } = machine;
const begin = performance.now();
let next = begin;
let highest = 0;
console.log('seconds  M instr  modules  regions  wasm MB  flushes  RSS MB  of it JS heap MB');
for (let now = begin; now < begin + seconds * 1000; now = performance.now()) {
  const stop = machine.run(machine.position + 5e6);
  if (stop.reason !== 'limit') throw new Error(`the guest stopped: ${stop.reason}`);
  const { rss, heapUsed } = process.memoryUsage();
  highest = Math.max(highest, rss);
  if (now < next) continue;
  next += STEP_MS;
  const columns = [
    ((now - begin) / 1000).toFixed(0),
    (machine.position / 1e6).toFixed(0),
    compiler?.stats.modules ?? 0,
    compiler?.stats.regions ?? 0,
    ((compiler?.stats.bytes ?? 0) / 1e6).toFixed(1),
    cluster.code.flushes,
    (rss / 1e6).toFixed(0),
    (heapUsed / 1e6).toFixed(0),
  ];
  console.log(columns.map((column, i) => String(column).padStart(i === 7 ? 18 : 7)).join('  '));
}
const isWithin = highest <= BOUND;
console.log(
  `highest ${(highest / 1e6).toFixed(0)} MB, bound ${(BOUND / 1e6).toFixed(0)} MB: ${isWithin ? 'met' : 'MISSED'}`,
);
process.exitCode = isWithin ? 0 : 1;
