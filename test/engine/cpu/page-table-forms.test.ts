import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../oracle/random.ts';
import { qemu } from '../../support/qemu.ts';
import { buildElf } from '../boards/elf-builder.ts';
import { runDebugGuest } from './debug-run.ts';
import { randomTableCase, type TableCase, tableGuest, wordsOf } from './page-table-guest.ts';

/*
 * Random tables of every granule and size that -cpu max has (FEAT_TTST, LVA, LPA, LPA2, HPDS, HAFDBS, E0PD): what AT
 * says, what loads and stores of EL1 and EL0 do, and the descriptors afterwards, beside QEMU.
 */

const WORD = /^[0-9a-f]{16}$/;
const words = (console: string): bigint[] =>
  console
    .replaceAll('\r', '')
    .split('\n')
    .filter((line) => WORD.test(line))
    .map((line) => BigInt(`0x${line}`));

function inQemu(guest: ReturnType<typeof tableGuest>): bigint[] {
  const folder = mkdtempSync(join(tmpdir(), 'virtrace-'));
  try {
    const kernel = join(folder, 'tables.elf');
    writeFileSync(kernel, buildElf(guest));
    const { stdout } = spawnSync(
      qemu!,
      [
        ...['-M', 'virt', '-cpu', 'max,sve=off,sme=off', '-m', '128', '-nographic', '-net', 'none'],
        ...['-kernel', kernel],
      ],
      { encoding: 'latin1', input: '', timeout: 100_000, maxBuffer: 2 ** 26 },
    );
    return words(stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const AF = 0x400n;
const READ_ONLY = 0x80n;
const HA_AND_HD = 3n << 39n;

/** A word of a case without what docs/oracle-differences.md tells of QEMU (at-shareability, at-updates). */
function comparable(value: bigint, index: number, { tcr, accesses }: TableCase): bigint {
  const first = accesses ? 10 : 4;
  const memory = value >> 56n;
  if (index < 4 && (value & 1n) === 0n && (memory === 0n || memory === 0x44n)) return value & ~0x180n;
  if (index < first || (tcr & HA_AND_HD) === 0n) return value;
  return value & ~(accesses ? AF : AF | READ_ONLY);
}

describe.skipIf(qemu === undefined)('tables of every form', () => {
  it.each([1, 2, 3])(
    '600 random ones (seed %i) translate as on QEMU, with the same faults and updates',
    (seed) => {
      const r = new Random(seed);
      const cases = Array.from({ length: 600 }, () => randomTableCase(r));
      const guest = tableGuest(cases);
      const theirs = inQemu(guest);
      const ours = words(runDebugGuest(guest, { cpu: 'max' }).console);
      expect(theirs).toHaveLength(cases.reduce((sum, each) => sum + wordsOf(each), 0));
      let at = 0;
      let translated = 0;
      for (const each of cases) {
        const of = (all: readonly bigint[]): string[] =>
          all.slice(at, at + wordsOf(each)).map((value, i) => comparable(value, i, each).toString(16));
        expect([each.text, ...of(ours)]).toEqual([each.text, ...of(theirs)]);
        if ((ours[at]! & 1n) === 0n) translated += 1;
        at += wordsOf(each);
      }
      expect(translated).toBeGreaterThan(300);
    },
  );
});
