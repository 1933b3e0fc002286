import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MACHINE, STORM, temporary, virtrace } from './support.ts';

const dir = temporary();
afterAll(() => dir.remove());
const good = dir.file('good.vtrace');
const bad = dir.file('bad.vtrace');

beforeAll(async () => {
  const record = (file: string, ...more: string[]) =>
    virtrace([
      'record',
      '-o',
      file,
      ...MACHINE,
      '-seed',
      '1',
      '-rtc',
      'base=2026-01-01',
      '-kernel',
      STORM,
      ...more,
    ]);
  await record(bad);
  await record(good, '-append', 'fix');
}, 120_000);

describe('virtrace diff', () => {
  it('tells the configuration, the first difference, and what differs then; exit code 1', async () => {
    const { code, out, err } = await virtrace(['diff', good, bad, '--context', '2']);
    expect(err).toBe('');
    expect(code).toBe(1);
    expect(out).toContain('  commandLine: A "fix", B none\n');
    expect(out).toContain('First difference: gic-cpu on cpu0, at position 259957 of A and 259948 of B\n');
    expect(out).toContain('ICC_CTLR_EL1 write 0x1 (CBPR=1)  in gic_share_binary_point+0x28\n');
    expect(out).toContain('  34 rtc: 2 in A, 26302 in B\n');
    expect(out).toContain('  - BOOT-OK storm\n');
  });

  it('of a trace and itself says so; exit code 0', async () => {
    expect(await virtrace(['diff', bad, bad])).toMatchObject({
      code: 0,
      out: expect.stringContaining('They are the same in meaning.'),
    });
  });

  it('answers in JSON', async () => {
    const { out } = await virtrace(['diff', good, bad, '--json']);
    expect(JSON.parse(out)).toMatchObject({
      same: false,
      configuration: [{ what: 'commandLine' }],
      first: { stream: 'gic-cpu on cpu0', positionA: 259957, positionB: 259948 },
      interrupts: expect.arrayContaining([{ name: '34 rtc', takenA: 2, takenB: 26302, timing: false }]),
    });
  });

  it.each([
    [['--only', 'gicr0'], 0],
    [['--only', 'uart0.UARTCR'], 0],
    [['--only', 'irq 33'], 0],
    [['--only', 'irq 34'], 1],
    [['--only', 'console'], 1],
    [['--only', 'gic-cpu.ICC_CTLR_EL1'], 1],
    [['--only', 'gicd.GICD_IROUTER'], 0],
    // The bad boot prints them at its end.
    [['--only', 'gicd.GICD_ISENABLER'], 1],
  ] as const)('with %j compares only that', async (options, expected) => {
    expect((await virtrace(['diff', good, bad, ...options])).code).toBe(expected);
  });

  it.each([
    [[], 'which traces?'],
    [[good], 'which traces?'],
    [[good, bad, bad], 'which traces?'],
    [[good, dir.file('none')], 'no such file'],
    [[good, STORM], 'not a virtrace trace'],
    [[good, bad, '--context', 'x'], "--context: 'x'"],
    [[good, bad, '--only', 'uart9'], '--only uart9: allowed are console'],
    [[good, bad, '--only', 'uart0.UARTCX'], 'nearest: UARTCR'],
  ] as const)('%# is refused in one line; exit code 2', async (args, message) => {
    const { code, err } = await virtrace(['diff', ...args]);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(err.trim().split('\n')).toHaveLength(1);
  });

  it('refuses a file that is no trace any more, and does not hang', async () => {
    const file = dir.file('noise');
    writeFileSync(
      file,
      Uint8Array.from({ length: 5000 }, (_, i) => (i * 197) & 255),
    );
    expect((await virtrace(['diff', file, bad])).code).toBe(2);
  });
});
