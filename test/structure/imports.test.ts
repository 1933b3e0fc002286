import { describe, expect, it } from 'vitest';
import { banOf, LAYERS, violationOf } from './rules.ts';
import { parseSource, type Source, sourcesIn } from './source.ts';

/** The layers (ARCHITECTURE.md) hold because this test reads every import. */

// A tool's configuration belongs to the tool.
const sources = ['engine', 'traces', 'recorder', 'viewer']
  .flatMap(sourcesIn)
  .filter(({ path }) => !path.endsWith('.config.ts'));

function violations({ path, imports }: Source): string[] {
  return imports.flatMap(({ target, isType }) => violationOf(path, target, isType) ?? []);
}

/** AssemblyScript has its own standard library, and none of the host's. */
function isAssemblyScript(path: string): boolean {
  return path.startsWith('engine/cpu/helpers/');
}

describe('imports', () => {
  it('finds the sources', () => {
    expect(sources.length).toBeGreaterThan(200);
    for (const folder of [
      'engine/base',
      'engine/cpu/helpers',
      'engine/devices/gic',
      'traces',
      'recorder/session',
    ]) {
      expect(sources.some(({ path }) => path.startsWith(`${folder}/`))).toBe(true);
    }
  });

  it('go down the layers only', () => {
    expect(sources.flatMap(violations)).toEqual([]);
  });

  it.each([
    ['engine/devices/pl011.ts', "import { x } from './pl061.ts';", 0],
    ['engine/devices/pl011.ts', "import { x } from './gic/gicv2.ts';", 0],
    ['engine/devices/gic/gicv2.ts', "import { x } from '../pl011.ts';", 1],
    ['engine/devices/pl011.ts', "import type { x } from '../cpu/cluster.ts';", 1],
    ['engine/memory/heap.ts', "import type { x } from '../cpu/cluster.ts';", 0],
    ['engine/memory/heap.ts', "import { x } from '../cpu/cluster.ts';", 1],
    ['engine/memory/heap.ts', "import { type x, type y } from '../cpu/cluster.ts';", 0],
    ['engine/machine.ts', "import { x } from '../traces/reader.ts';", 1],
    ['engine/machine.ts', "export * from 'node:fs';", 1],
    ['engine/machine.ts', "const x = await import('msgpackr');", 1],
    ['traces/reader.ts', "import type { E } from '../engine/base/events.ts';", 0],
    ['traces/reader.ts', "import { E } from '../engine/base/events.ts';", 1],
    ['traces/reader.ts', "import type { M } from '../engine/machine.ts';", 1],
    ['recorder/session/live.ts', "import { x } from '../host/files.ts';", 1],
    ['recorder/session/live.ts', "import { x } from 'node:fs';", 1],
    ['recorder/host/files.ts', "import { x } from 'node:fs';", 0],
    ['viewer/app/page.ts', "import { x } from '../../recorder/cli/io.ts';", 1],
    ['elsewhere/x.ts', "import { x } from '../engine/machine.ts';", 1],
  ])('rules would judge %s: %s', (path, text, count) => {
    expect(violations(parseSource(path, text))).toHaveLength(count);
  });

  it('rules name folders once', () => {
    const folders = LAYERS.map(({ folder }) => folder);
    expect(new Set(folders).size).toBe(folders.length);
  });
});

describe('bans', () => {
  const used = (source: Source): string[] =>
    source.globals.flatMap(({ name, line }) => {
      const why = banOf(source.path, name);
      return why === undefined ? [] : [`${source.path}:${line} uses ${name}: ${why}`];
    });

  it('no host time, chance, page or process where they do not belong', () => {
    expect(sources.filter(({ path }) => !isAssemblyScript(path)).flatMap(used)).toEqual([]);
  });

  it('nothing in the engine is asynchronous', () => {
    const engine = sources.filter(({ path }) => path.startsWith('engine/'));
    expect(engine.flatMap(({ path, async }) => async.map((line) => `${path}:${line}`))).toEqual([]);
  });

  it.each([
    ['engine/machine.ts', 'const t = Date.now();', 1],
    ['engine/machine.ts', 'const t = new Date();', 1],
    ['engine/machine.ts', 'const r = Math.random();', 1],
    ['engine/machine.ts', 'const { random } = Math;', 1],
    ['engine/machine.ts', 'const r = Math.exp(1) + Math.floor(2);', 1],
    [
      'engine/machine.ts',
      'const o = { Date: 1, crypto: 2 }; o.Date; const f = (window: number) => window;',
      0,
    ],
    ['engine/machine.ts', 'let x: Promise<void>; f({ process });', 1],
    ['traces/reader.ts', 'Buffer.from([]); Date.now();', 1],
    ['recorder/host/io.ts', 'process.stdout.write(String(Date.now()));', 0],
  ])('would judge %s: %s', (path, text, count) => {
    expect(used(parseSource(path, text))).toHaveLength(count);
  });

  it.each([
    ['async function f() {}', 1],
    ['const f = async () => { await g(); };', 2],
    ["import('x');", 1],
    ['const o = { async: 1 };', 0],
  ])('finds what is asynchronous in: %s', (text, count) => {
    expect(parseSource('engine/machine.ts', text).async).toHaveLength(count);
  });
});
