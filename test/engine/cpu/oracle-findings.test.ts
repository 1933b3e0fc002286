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

  // QEMU 7.2 does nothing at all. Expected: Arm ARM D7.5.8 and D17.2.37 (CM, WnR).
  test('cache maintenance by address faults where nothing is mapped, and at EL0 where it may not read', () => {
    const at = { x: { 17: WINDOW_VA + 0x33n } };
    const CM_WNR = 0x140;
    const byAddress = [0xd50b_7a31, 0xd50b_7b31, 0xd50b_7e31, 0xd50b_7531]; // dc cvac, cvau, civac; ic ivau
    for (const word of byAddress) {
      for (const [mode, ec] of [
        ['EL1h', 0x25],
        ['EL0t', 0x24],
      ] as const) {
        const sctlr = 1n << 26n; // UCI
        const fault = { esr: syndrome(ec, CM_WNR | 7), far: WINDOW_VA + 0x33n, elr: 0n };
        expect(run({ words: [word], ...at, mode, sctlr, page: 'unmapped' })).toMatchObject(fault);
        expect(run({ words: [word], ...at, mode, sctlr, page: 'ro' }).esr).toBe(SVC);
      }
      const kernel = { words: [word], ...at, sctlr: 1n << 26n, page: 'rw-privileged' } as const;
      expect(run({ ...kernel, mode: 'EL1h' }).esr).toBe(SVC);
      expect(run({ ...kernel, mode: 'EL0t' }).esr).toBe(syndrome(0x24, CM_WNR | 0x0f));
    }
    const invalidate = 0xd508_7631; // dc ivac: what was written may be lost
    expect(run({ words: [invalidate], ...at, page: 'ro' }).esr).toBe(syndrome(0x25, CM_WNR | 0x0f));
    expect(run({ words: [invalidate], ...at }).esr).toBe(SVC);
    expect(run({ words: [0xd508_765f], page: 'unmapped' }).esr).toBe(SVC); // dc isw, xzr
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

  const A = 2n;
  const alignment = (isWrite: boolean): number => syndrome(0x25, 0x21 | (isWrite ? 0x40 : 0));

  test('with SCTLR_EL1.A accesses are aligned to their elements, also where the TLB knows the page', () => {
    const x = { 1: WINDOW_VA, 2: WINDOW_VA + 0x11n, 3: 0x12n };
    const first = 0xf940_0020; // ldr x0, [x1]
    const fault = (word: number, far: bigint, isWrite = false): void => {
      expect(run({ words: [first, word], x, sctlr: A })).toMatchObject({
        esr: alignment(isWrite),
        far,
        elr: 4n,
      });
    };
    fault(0xf940_0044, WINDOW_VA + 0x11n); // ldr x4, [x2]
    fault(0x7840_1024, WINDOW_VA + 1n); // ldurh w4, [x1, #1]
    fault(0xf823_6824, WINDOW_VA + 0x12n, true); // str x4, [x1, x3]
    fault(0x2901_1444, WINDOW_VA + 0x19n, true); // stp w4, w5, [x2, #8]
    fault(0x3dc0_0040, WINDOW_VA + 0x11n); // ldr q0, [x2]
    fault(0x4c40_7440, WINDOW_VA + 0x11n); // ld1 {v0.8h}, [x2]
    fault(0x5800_0044, BigInt(CODE_VA) + 12n); // ldr x4, 12: never aligned to 8
    expect(run({ words: [first, 0x4c40_7040], x, sctlr: A }).esr).toBe(SVC); // ld1 {v0.16b}, [x2]
    expect(run({ words: [first, 0xf940_0044], x }).esr).toBe(SVC);
  });

  // QEMU 7.2 does not check the alignment of SP. Expected: CheckSPAlignment in the pseudocode of loads and stores.
  test('with SCTLR_EL1.SA a misaligned SP is no base', () => {
    const SA = 8n;
    const SA0 = 16n;
    const sp = WINDOW_VA + 0x48n;
    const load = 0xf940_03e0; // ldr x0, [sp]
    const fault = { esr: syndrome(0x26), elr: 0n, far: 0n };
    expect(run({ words: [load], sp, sctlr: SA })).toMatchObject(fault);
    expect(run({ words: [0x4c40_73e0], sp, sctlr: SA })).toMatchObject(fault); // ld1 {v0.16b}, [sp]
    expect(run({ words: [load], sp, sctlr: SA0, mode: 'EL0t' })).toMatchObject(fault);
    expect(run({ words: [load], sp, sctlr: SA, mode: 'EL0t' }).esr).toBe(SVC);
    expect(run({ words: [load], sp, sctlr: SA0 }).esr).toBe(SVC);
    expect(run({ words: [0xf980_03e0], sp, sctlr: SA }).esr).toBe(SVC); // prfm pldl1keep, [sp]
    // Checked again after SP has changed, and not needlessly after a change that keeps it aligned
    const aligned = { sp: WINDOW_VA + 0x40n, sctlr: SA };
    expect(run({ words: [load, 0x9100_23ff, load], ...aligned })).toMatchObject({
      esr: syndrome(0x26),
      elr: 8n,
    }); // add sp, sp, #8
    expect(run({ words: [load, 0xf840_87e0, load], ...aligned }).esr).toBe(syndrome(0x26)); // ldr x0, [sp], #8
    expect(run({ words: [load, 0x9100_43ff, load], ...aligned }).esr).toBe(SVC); // add sp, sp, #16
  });

  test('an unallocated word is UNDEFINED also where SIMD is trapped', () => {
    const cpacr = 1n << 20n;
    expect(run({ words: [0x4ed6_1dc9], mode: 'EL0t', cpacr }).esr).toBe(UNDEFINED);
    expect(run({ words: [0x4e20_1c00], mode: 'EL0t', cpacr }).esr).toBe(syndrome(0x07, 0x1e0_0000)); // and v0.16b, v0.16b, v0.16b
  });
});

describe('max', () => {
  const executor = new EngineExecutor('max', BACKENDS[0]!);

  test('FEAT_IDST: what cannot be read in the ID space has EC 0x18', () => {
    const { esr } = runSingle(executor, { words: [0xd538_05d2], mode: 'EL0t' }); // mrs x18, s3_0_c0_c5_6
    expect(esr).toBe(0x623c_024b);
    expect(runSingle(executor, { words: [0xd538_0047] }).esr).toBe(0x6234_00e1); // mrs x7, s3_0_c0_c0_2
  });

  test('SCTLR_EL1.TSCXT traps SCXTNUM_EL0', () => {
    const words = [0xd51b_d0e9, 0xd53b_d0e8]; // msr scxtnum_el0, x9; mrs x8, scxtnum_el0
    expect(runSingle(executor, { words, mode: 'EL0t' }).esr).toBe(0x623e_f520);
    expect(runSingle(executor, { words, x: { 9: 0x1234n } }).x[8]).toBe(0x1234n);
  });

  test('SCTLR_EL1.EnRCTX lets EL0 restrict prediction', () => {
    const words = [0xd50b_73e3]; // cpp rctx, x3
    expect(runSingle(executor, { words, mode: 'EL0t' }).esr).toBe(0x621e_dc66);
    expect(runSingle(executor, { words, mode: 'EL0t', sctlr: 1n << 10n }).esr).toBe(SVC);
    expect(runSingle(executor, { words }).esr).toBe(SVC);
  });

  test('an illegal return keeps the bits of PSTATE that it leaves UNKNOWN', () => {
    // msr elr_el1, x12; msr spsr_el1, x13; eret
    const words = [0xd518_402c, 0xd518_400d, ERET, NOP];
    const { spsr } = runSingle(executor, { words, x: { 12: 'code+12', 13: 0x181_13cbn } });
    expect(spsr).toBe(0x0010_03c5);
  });
});
