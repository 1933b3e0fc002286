import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEFAULT_COMPILER } from '../../../engine/cpu/compiler.ts';
import * as H from '../../../engine/cpu/helpers/heap-layout.ts';
import type { Machine } from '../../../engine/machine.ts';
import { MAX_CONTEXTS } from '../../../engine/memory/heap.ts';
import { qemu } from '../../support/qemu.ts';
import { makeProgram, type Program } from './translation-programs.ts';
import { type ProgramOutcome, type ProgramWay, programElf, runProgram } from './translation-run.ts';

/*
 * DETERMINISM: TLBs are never stale and never visible (engine/cpu/helpers/mmu.ts). Random programs change tables and
 * use them, without any TLB maintenance where engine variants are compared with each other. The reference translates
 * every instruction and every access anew.
 */

const LOW_THRESHOLD = {
  ...DEFAULT_COMPILER,
  threshold: 8,
  patience: 2,
  batch: 3,
  limits: { nodes: 40, uops: 500, depth: 3 },
  warmth: 0,
};

/** The list of table frames is nearly full, so that it is emptied at some walk soon. */
function crowdTables({ cluster: { heap } }: Machine): void {
  const { u32 } = heap;
  const list = u32[H.G_PT_LIST >>> 2]! >>> 2;
  const count = H.PT_LIST_MAX - 40;
  for (let i = u32[H.G_PT_COUNT >>> 2]!; i < count; i++) u32[list + i] = u32[H.G_ZERO_FRAME >>> 2]!;
  u32[H.G_PT_COUNT >>> 2] = Math.max(count, u32[H.G_PT_COUNT >>> 2]!);
}

/** The ids of execution contexts run out, and begin again with other meanings. */
function useUpContexts({ cluster: { code } }: Machine): void {
  for (let i = 0; i < MAX_CONTEXTS; i++) code.contextId((code.flushes + 1) * 0x1_0000 + i * 0x1000);
}

const REFERENCE: ProgramWay = {
  slice: 1,
  with: { tier: 'interpreted', blockLimit: 1 },
  between: (machine) => machine.cluster.helpers.tlbFlushAll(),
};

const WAYS: readonly (ProgramWay & { readonly name: string })[] = [
  { name: 'the interpreter', with: { tier: 'interpreted' } },
  { name: 'blocks of one instruction', with: { tier: 'interpreted', blockLimit: 1 } },
  { name: 'every block compiled', with: { tier: 'compiled' } },
  { name: 'the default mix' },
  {
    name: 'a low threshold, hashed now and then',
    with: { tier: LOW_THRESHOLD },
    slice: 997,
    between: (m) => m.hash(),
  },
  {
    name: 'execution contexts that run out',
    with: { tier: LOW_THRESHOLD },
    slice: 1999,
    between: useUpContexts,
  },
  { name: 'a full list of tables', with: { tier: LOW_THRESHOLD }, slice: 211, between: crowdTables },
];

/** Where two runs of a program differ; empty if nowhere. */
function difference(program: Program, expected: ProgramOutcome, actual: ProgramOutcome): string {
  for (const [cpu, log] of expected.logs.entries()) {
    const at = log.findIndex((sum, i) => sum !== actual.logs[cpu]![i]);
    if (at >= 0) return `CPU ${cpu}, operation ${at}: ${program.names[cpu]![at]}`;
  }
  const state = ({ end, position, hash }: ProgramOutcome): string =>
    JSON.stringify({ end, position, hash }, undefined, 1);
  return state(expected) === state(actual) ? '' : `${state(actual)} instead of ${state(expected)}`;
}

describe.each([
  { cpu: 'cortex-a57', cpus: 1, seeds: [1, 2, 3] },
  { cpu: 'max', cpus: 1, seeds: [4, 5] },
  { cpu: 'cortex-a57', cpus: 3, seeds: [6, 7] },
])('$cpu, $cpus CPUs', ({ cpu, cpus, seeds }) => {
  it.each(seeds)('program %i: each way to run it gives what translating everything anew gives', (seed) => {
    const program = makeProgram({ seed, operations: cpus > 1 ? 700 : 1200, cpu, cpus });
    const reference = runProgram(program, REFERENCE);
    expect(reference.end).toBe('power-off');
    const differences = WAYS.map(
      ({ name, ...way }) => `${name}: ${difference(program, reference, runProgram(program, way))}`,
    );
    expect(differences).toEqual(WAYS.map(({ name }) => `${name}: `));
  });
});

/** What a program prints under QEMU. */
function inQemu(program: Program): string {
  const folder = mkdtempSync(join(tmpdir(), 'virtrace-'));
  try {
    const kernel = join(folder, 'program.elf');
    writeFileSync(kernel, programElf(program));
    const { stdout } = spawnSync(
      qemu!,
      [
        ...['-M', 'virt', '-cpu', program.cpu, '-m', '512', '-nographic', '-net', 'none'],
        ...['-kernel', kernel],
      ],
      { encoding: 'latin1', input: '', timeout: 100_000 },
    );
    return stdout.replaceAll('\r', '');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe.skipIf(qemu === undefined)('with the maintenance that the architecture asks for', () => {
  it.each([
    { seed: 11, cpu: 'cortex-a57' },
    { seed: 12, cpu: 'cortex-a57' },
    { seed: 13, cpu: 'cortex-a76' },
    { seed: 14, cpu: 'max' },
  ])('program $seed has the outcome of QEMU on $cpu', ({ seed, cpu }) => {
    const program = makeProgram({ seed, operations: 800, cpu, defined: true });
    const ours = runProgram(program, { with: { tier: LOW_THRESHOLD } });
    expect(ours.end).toBe('power-off');
    const lines = ours.console.split('\n');
    const theirs = inQemu(program).split('\n');
    const at = lines.findIndex((line, i) => line !== theirs[i]);
    expect(at < 0 ? '' : `operation ${at}: ${program.names[0]![at]}`).toBe('');
    expect(theirs).toHaveLength(lines.length);
  });
});
