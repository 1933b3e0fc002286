import { parseArgs } from 'node:util';
import { type Capstone, loadCapstone } from '../engine/cpu/capstone.ts';
import {
  CLASSES,
  type Comparison,
  compare,
  emptyComparison,
  RandomWords,
  sizeOf,
  wordsOf,
} from '../engine/cpu/disasm-compare.ts';

/*
 * Compares the disassembler with capstone over a million words, or all words, of every encoding class, and over
 * random words of the whole encoding space:
 *
 *   npx tsx test/long/disasm-capstone.ts [--count N] [--seed N] [--only regexp] [--part i/n]
 *
 * Prints the seed, what was explained by a rule of docs/disassembler.md, and every class with a difference.
 * Exit status 1 if there is one. `--part 1/2` and `--part 2/2` share the classes between two processes.
 */

const CHUNK = 1 << 15;
const ADDRESS = 0xffff_8000_0801_0000n;
const SHOWN = 10;

function comparedClasses(only: string, part: string): typeof CLASSES {
  const pattern = new RegExp(only);
  const [index, parts] = part.split('/').map(Number) as [number, number];
  return CLASSES.filter((e) => pattern.test(e.name)).filter((_, i) => i % parts === index - 1);
}

function report(name: string, result: Comparison): void {
  console.log(`${name}: ${result.different.length} differences`);
  for (const line of result.different.slice(0, SHOWN)) console.log(`  ${line}`);
}

function add(total: Comparison, result: Comparison): void {
  total.same += result.same;
  total.data += result.data;
  total.different.push(...result.different.slice(0, SHOWN));
  for (const [reason, count] of result.explained) {
    total.explained.set(reason, (total.explained.get(reason) ?? 0) + count);
  }
}

function compareMany(
  capstone: Capstone,
  count: number,
  words: (from: number, size: number) => Uint32Array,
): Comparison {
  const result = emptyComparison();
  for (let at = 0; at < count; at += CHUNK) {
    compare(capstone, words(at, Math.min(CHUNK, count - at)), ADDRESS, result);
  }
  return result;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      only: { type: 'string', default: '' },
      part: { type: 'string', default: '1/1' },
    },
  });
  const count = Number(values.count);
  const random = new RandomWords(Number(values.seed));
  const classes = comparedClasses(values.only, values.part);
  console.log(`seed ${values.seed}, ${classes.length} classes, up to ${count} words each`);
  const capstone = await loadCapstone();
  const total = emptyComparison();
  const started = Date.now();
  for (const [i, encoding] of classes.entries()) {
    const size = Math.min(count, sizeOf(encoding));
    // All words of a class in order, if there are no more than asked for
    const isAll = size === sizeOf(encoding);
    const result = compareMany(capstone, size, (from, n) => wordsOf(encoding, n, random, from, isAll));
    if (result.different.length > 0) report(encoding.name, result);
    add(total, result);
    if (i % 50 === 49) console.log(`  ${i + 1} classes, ${Math.round((Date.now() - started) / 1000)} s`);
  }
  const anywhere = compareMany(capstone, count, (_, n) =>
    Uint32Array.from({ length: n }, () => random.next()),
  );
  if (anywhere.different.length > 0) report('any word', anywhere);
  add(total, anywhere);
  console.log(`same text ${total.same}, data for both ${total.data}`);
  for (const [reason, n] of [...total.explained].sort()) console.log(`  ${reason}: ${n}`);
  console.log(total.different.length === 0 ? 'no unexplained differences' : 'DIFFERENCES');
  process.exitCode = total.different.length === 0 ? 0 : 1;
}

await main();
