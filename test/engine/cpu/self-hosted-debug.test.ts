import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DEFAULT_COMPILER } from '../../../engine/cpu/compiler.ts';
import { watchedRange } from '../../../engine/cpu/self-hosted-debug.ts';
import type { Machine } from '../../../engine/machine.ts';
import { Random } from '../../oracle/random.ts';
import { qemu } from '../../support/qemu.ts';
import { buildElf } from '../boards/elf-builder.ts';
import { AT_EL0, AT_EL1, ISB, MDSCR_KDE, MDSCR_MDE, MDSCR_SS, NOP, randomCases, SS } from './debug-cases.ts';
import { CODE_PA, DATA_PA, type DebugCase, debugGuest, snippetAt } from './debug-guest.ts';
import { type DebugRun, debugMachine, runDebugGuest } from './debug-run.ts';

const LOW_THRESHOLD = { ...DEFAULT_COMPILER, threshold: 4, patience: 2, batch: 2, warmth: 0 };

/** The words that a guest prints, of which each is a line. */
const lines = (console: string): string[] =>
  console
    .replaceAll('\r', '')
    .split('\n')
    .filter((line) => line !== '');

function inQemu(guest: ReturnType<typeof debugGuest>, cpu: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'virtrace-'));
  try {
    const kernel = join(folder, 'debug.elf');
    writeFileSync(kernel, buildElf(guest));
    const { stdout } = spawnSync(
      qemu!,
      [...['-M', 'virt', '-cpu', cpu, '-m', '512', '-nographic', '-net', 'none'], ...['-kernel', kernel]],
      { encoding: 'latin1', input: '', timeout: 100_000, maxBuffer: 2 ** 26 },
    );
    return lines(stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe.skipIf(qemu === undefined)('beside QEMU', () => {
  it.each([
    { cpu: 'cortex-a57', seed: 1 },
    { cpu: 'cortex-a53', seed: 2 },
    { cpu: 'max', seed: 3 },
  ])('300 random cases take the exceptions of QEMU on $cpu', ({ cpu, seed }) => {
    const cases = randomCases(seed, 300, { atomics: cpu === 'max' });
    const guest = debugGuest(cases, { print: true });
    const ours = lines(runDebugGuest(guest, { cpu }).console);
    expect(ours.length).toBeGreaterThan(10_000);
    expect(ours).toEqual(inQemu(guest, cpu));
  });
});

/** On in a fresh machine, from what was saved of the one before. */
const inFresh =
  (guest: ReturnType<typeof debugGuest>, run: DebugRun): ((machine: Machine) => Machine) =>
  (machine) => {
    const fresh = debugMachine(guest, run, () => {});
    const bytes = new Uint8Array(DATA_PA + 0x1_0000 - CODE_PA);
    machine.memory.read(CODE_PA, bytes);
    fresh.memory.write(CODE_PA, bytes);
    fresh.load(machine.save());
    return fresh;
  };

describe.each([
  { cpu: 'cortex-a57', cpus: 1, seed: 5, count: 200 },
  { cpu: 'max', cpus: 1, seed: 6, count: 200 },
  { cpu: 'max', cpus: 3, seed: 7, count: 100 },
])('$cpu, $cpus CPUs', ({ cpu, cpus, seed, count }) => {
  it('each way to run the cases ends in the same state', () => {
    const guest = debugGuest(randomCases(seed, count, { atomics: cpu === 'max', all: true }), { cpus });
    const base: DebugRun = { cpu, cpus };
    const ways: readonly DebugRun[] = [
      { ...base, with: { tier: 'interpreted', blockLimit: 1 } },
      { ...base, with: { tier: 'interpreted' } },
      { ...base, with: { tier: 'compiled' } },
      base,
      { ...base, with: { tier: LOW_THRESHOLD }, slice: 61 },
      { ...base, slice: 30_011, between: inFresh(guest, base) },
      {
        ...base,
        with: { tier: LOW_THRESHOLD },
        slice: 997,
        // A debugger's breakpoints, at which the machine stops and goes on, are none of the guest's business.
        between: (machine) => {
          machine.cluster.armed = false;
          machine.cluster.breakpoints.set([{ address: BigInt(snippetAt(machine.position % count)) }]);
          return machine;
        },
      },
    ];
    const outcomes = ways.map((way) => {
      const { end, position, hash } = runDebugGuest(guest, way);
      return { end, position, hash: hash.all };
    });
    expect(outcomes[0]!.end).toBe('power-off');
    for (const outcome of outcomes) expect(outcome).toEqual(outcomes[0]);
  });
});

/** Exceptions of one case, up to the SVC that ends it: [EC, ISS, offset of ELR in the snippet]. */
function exceptionsOf(each: DebugCase): (readonly [number, number, number])[] {
  const words = lines(runDebugGuest(debugGuest([each], { print: true }), { cpu: 'max' }).console);
  const found: (readonly [number, number, number])[] = [];
  for (let at = 0; found.length < 40; at += 5) {
    const esr = Number(`0x${words[at + 1]}`);
    if (esr === 0x5600_0000) return found;
    found.push([esr >>> 26, esr & 0x1ff_ffff, Number(`0x${words[at + 3]}`) - snippetAt(0)]);
  }
  return found;
}

/** E, PMC EL1 and EL0, BAS all. */
const BCR = 0x1e7;
const context = (type: number, link = 0): number => BCR | (type << 20) | (link << 16);

describe('what QEMU does not do (Arm ARM D2.8 to D2.12)', () => {
  const words = [NOP, NOP, ISB];
  it('an unlinked context breakpoint hits every instruction while CONTEXTIDR_EL1 has its value', () => {
    const each: DebugCase = {
      words,
      spsr: AT_EL0,
      mdscr: MDSCR_MDE,
      context: 7,
      breakpoints: [
        [0n, 0],
        [0n, 0],
        [0n, 0],
        [0n, 0],
        [0n, 0],
        [7n, context(2)],
      ],
    };
    // The handler goes on behind the instruction; also the SVC is hit, so the next word, which is UNDEFINED, is.
    expect(exceptionsOf(each).slice(0, 3)).toEqual([
      [0x30, 0x22, 0],
      [0x30, 0x22, 4],
      [0x30, 0x22, 8],
    ]);
    expect(exceptionsOf({ ...each, context: 8 })).toEqual([]);
  });
  it('a breakpoint that cannot match contexts does not', () => {
    expect(
      exceptionsOf({ words, spsr: AT_EL0, mdscr: MDSCR_MDE, context: 7, breakpoints: [[7n, context(2)]] }),
    ).toEqual([]);
  });
  it('the OS Lock disables all debug exceptions', () => {
    const each: DebugCase = {
      words: [NOP, 0xf840_0002 /* LDR X2, [X0] */],
      spsr: AT_EL0 | SS,
      mdscr: MDSCR_MDE | MDSCR_SS,
      breakpoints: [[BigInt(snippetAt(0)), BCR]],
      watchpoints: [[BigInt(DATA_PA), 0x1fff]],
    };
    expect(exceptionsOf({ ...each, locked: true })).toEqual([]);
    expect(exceptionsOf(each).map(([ec]) => ec)).toEqual([0x30, 0x34]);
  });
  it('no Software Step exception is taken after a stepped instruction that masks them', () => {
    const each: DebugCase = {
      words: [NOP, 0xd503_48df /* MSR DAIFSet, #8 */, NOP],
      spsr: AT_EL1 | SS,
      mdscr: MDSCR_KDE | MDSCR_SS,
      stepOn: true,
    };
    expect(exceptionsOf(each)).toEqual([[0x33, (1 << 24) | 0x22, 4]]);
  });
  it('of an access that is not aligned, also across pages, the watched bytes count', () => {
    const at = (offset: number, bas: number): DebugCase => ({
      words: [0xf84f_c042 /* LDUR X2, [X2, #252] */, 0xf800_0063 /* STUR X3, [X3] */],
      spsr: AT_EL0,
      mdscr: MDSCR_MDE,
      watchpoints: [[BigInt(DATA_PA + offset), 0x1f | (bas << 5)]],
      registers: [BigInt(DATA_PA + 5 - 252), BigInt(DATA_PA + 0xffd)],
    });
    expect(exceptionsOf(at(0, 0x1f))).toEqual([]);
    expect(exceptionsOf(at(8, 0x10))).toEqual([[0x34, 0x22, 0]]);
    expect(exceptionsOf(at(8, 0x20))).toEqual([]);
    expect(exceptionsOf(at(0xff8, 0x1f))).toEqual([]);
    expect(exceptionsOf(at(0xff8, 0x80))).toEqual([[0x34, 0x62, 4]]);
    expect(exceptionsOf(at(0x1000, 0x10))).toEqual([[0x34, 0x62, 4]]);
    expect(exceptionsOf(at(0x1000, 0x20))).toEqual([]);
  });
});

/** AArch64.WatchpointByteMatch (Arm ARM shared/debug), for values without a choice. */
function byteMatches(value: bigint, control: number, address: bigint): boolean {
  const bottom = (value & 4n) !== 0n ? 2n : 3n;
  const selected = (((control >>> 5) & 0xff) >>> Number(address & ((1n << bottom) - 1n))) & 1;
  const mask = BigInt((control >>> 24) & 31);
  const low = mask > bottom ? mask : bottom;
  return selected === 1 && address >> low === value >> low;
}

describe('watchedRange', () => {
  it('is what the pseudocode matches byte by byte', () => {
    const r = new Random(9);
    for (let i = 0; i < 300; i++) {
      const mask = r.chance(50) ? 0 : 3 + r.below(5);
      const start = r.below(8);
      const bas = mask > 0 ? 255 : ((1 << (1 + r.below(8 - start))) - 1) << start;
      const value = mask > 0 ? BigInt(0x1000 + (r.below(64) << mask)) : BigInt(0x1000 + r.below(64) * 4);
      const control = (mask << 24) | (bas << 5) | 0x1f;
      const range = watchedRange(value, control);
      const around = Array.from({ length: 600 }, (_, at) => value - 300n + BigInt(at));
      const isInside = (address: bigint): boolean =>
        range !== undefined && address >= range[0] && address <= range[1];
      expect(around.filter(isInside)).toEqual(around.filter((at) => byteMatches(value, control, at)));
    }
  });
});
