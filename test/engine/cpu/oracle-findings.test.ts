import { describe, expect, test } from 'vitest';
import { BACKENDS, EngineExecutor } from '../../oracle/engine.ts';
import { CODE_VA, HIGH_WINDOW_VA, WINDOW_VA } from '../../oracle/layout.ts';
import { runSingle, type SingleCase } from '../../oracle/single.ts';

/*
 * What `npm run oracle` found, one case each. Expected values are those of the Arm pseudocode (DDI 0487), which
 * QEMU 7.2 showed too unless said otherwise.
 */

const NOP = 0xd503_201f;
const ERET = 0xd69f_03e0;
/** ESR_EL1 of what ends a case: EC, IL, ISS. */
const syndrome = (ec: number, iss = 0): number => ((ec << 26) | (1 << 25) | iss) >>> 0;
const SVC = syndrome(0x15);
const UNDEFINED = syndrome(0);
const TBI0 = 1n << 37n;

describe.each(BACKENDS)('$name', (backend) => {
  const executor = new EngineExecutor('cortex-a57', backend);
  const run = (one: SingleCase) => runSingle(executor, one);

  test('code at EL1 with SP_EL0 is not that with SP_EL1', () => {
    const words = [0x9100_03e0]; // mov x0, sp
    expect(run({ words, mode: 'EL1h', sp: 0x1000n }).x[0]).toBe(0x1000n);
    expect(run({ words, mode: 'EL1t', sp: 0x2000n }).x[0]).toBe(0x2000n);
    expect(run({ words, mode: 'EL1h', sp: 0x3000n }).x[0]).toBe(0x3000n);
  });

  test('ERET at EL0 is UNDEFINED', () => {
    expect(run({ words: [ERET], mode: 'EL0t' })).toMatchObject({ esr: UNDEFINED, elr: 0n });
  });

  test('an exception-generating word with bits 4:2 set is UNDEFINED', () => {
    expect(run({ words: [0xd41d_3ac9] })).toMatchObject({ esr: UNDEFINED, elr: 0n });
  });

  test('a branch drops the tag of its target where tags are ignored', () => {
    const x12 = 0xae00_0000_0000_0000n | BigInt(CODE_VA + 8);
    expect(run({ words: [0xd61f_0180, NOP], x: { 12: x12 }, tcr: TBI0 })).toMatchObject({
      esr: SVC,
      elr: 12n,
    });
    const outside = 0xae00_0000_0000_0000n | WINDOW_VA;
    const taken = run({ words: [0xd61f_0180], x: { 12: outside }, tcr: TBI0, mode: 'EL0t' });
    expect(taken).toMatchObject({ far: WINDOW_VA, elr: WINDOW_VA - BigInt(CODE_VA) });
    const kept = run({ words: [0xd61f_0180], x: { 12: outside }, mode: 'EL0t' });
    expect(kept.far).toBe(outside);
    const high = run({ words: [0xd61f_0180], x: { 12: HIGH_WINDOW_VA & ~(0x5en << 56n) }, tcr: 1n << 38n });
    expect(high.far).toBe(HIGH_WINDOW_VA);
  });

  test('FAR of DC ZVA is its register, also inside the block', () => {
    const far = WINDOW_VA + 0x33n;
    expect(run({ words: [0xd50b_7431], x: { 17: far }, page: 'ro' })).toMatchObject({
      esr: syndrome(0x25, 0x4f),
      far,
    });
  });

  const returning = [0xd518_402c, 0xd518_400d, ERET, NOP]; // msr elr_el1, x12; msr spsr_el1, x13; eret

  test('ERET drops SPSR.SS unless software step is on', () => {
    const { esr, spsr } = run({ words: returning, x: { 12: 'code+12', 13: 0x2003c5n } });
    expect([esr, spsr]).toEqual([SVC, 0x3c5]);
  });

  test('an illegal return to a misaligned address takes the alignment exception first', () => {
    const { esr } = run({ words: returning, x: { 12: 'code+14', 13: 0x3cbn } });
    expect(esr).toBe(syndrome(0x22));
    expect(run({ words: returning, x: { 12: 'code+12', 13: 0x3cbn } }).esr).toBe(syndrome(0x0e));
  });

  test('AT gives shareability, NS and the attributes of MAIR_EL1', () => {
    const { x } = run({ words: [0xd508_7850, 0xd538_7400], x: { 16: WINDOW_VA } }); // at s1e0r, x16; mrs x0, par_el1
    expect(x[0]).toBe(0xff00_0000_4060_0b80n);
  });
});
