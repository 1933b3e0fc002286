import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findRegister } from '../../../../engine/base/register-map.ts';
import { genericSysregName, sysregKey, sysregOffset } from '../../../../engine/cpu/a64/sysreg-key.ts';
import { GIC_CPU_MAP, PMU_MAP, TIMER_MAP } from '../../../../engine/cpu/a64/sysreg-register-maps.ts';
import { SLOT_END } from '../../../../engine/cpu/a64/sysreg-slots.ts';
import { SYSTEM_REGISTERS } from '../../../../engine/cpu/a64/sysregs.ts';
import { CPU_SYSREGS_MAX } from '../../../../engine/cpu/helpers/layout.ts';
import { MemorySysregSlots } from '../../../../engine/cpu/sysreg-storage.ts';
import { SysregMachine } from './sysreg-harness.ts';

/**
 * What Linux 6.1 uses while booting on arm64: the MSR (register) and MRS encodings that were counted on QEMU,
 * without the immediate forms (op0 = 0).
 */
const LINUX_WRITES =
  '3_0_1_0_0 3_0_1_0_2 3_0_2_0_0 3_0_2_0_1 3_0_2_0_2 3_0_4_0_0 3_0_4_0_1 3_0_4_1_0 3_0_6_0_0 3_0_9_14_2 3_0_10_2_0 3_0_12_0_0 3_0_13_0_1 3_0_13_0_4 3_0_14_1_0 3_3_4_2_1 3_3_4_4_1 3_3_9_12_0 3_3_9_12_2 3_3_9_12_3 3_3_9_14_0 3_3_13_0_2 3_3_13_0_3 3_3_14_3_1 3_3_14_3_2 2_0_0_0_4 2_0_0_0_7 2_0_0_2_2 2_0_0_5_4 2_0_1_0_4 2_0_1_3_4';
const LINUX_READS =
  '3_0_0_0_0 3_0_0_0_5 3_0_0_0_6 3_0_0_3_4 3_0_0_4_1 3_0_0_4_4 3_0_0_7_2 3_0_1_0_0 3_0_4_1_0 3_0_4_2_2 3_0_5_2_0 3_0_6_0_0 3_0_14_1_0 3_1_0_0_1 3_3_0_0_1 3_3_0_0_7 3_3_4_2_1 3_3_4_4_0 3_3_9_12_6 3_3_14_0_0 3_3_14_0_2 3_3_14_3_1';

function keys(text: string): number[] {
  return text.split(' ').map((name) => {
    const [op0, op1, crn, crm, op2] = name.split('_').map(Number);
    return sysregKey(op0!, op1!, crn!, crm!, op2!);
  });
}

describe('the table', () => {
  test('has everything that Linux uses, and nothing of it is unknown', () => {
    const { table } = new SysregMachine();
    for (const key of keys(LINUX_WRITES))
      expect([key, table.plan(key, 1, true).kind]).not.toContain('undefined');
    for (const key of keys(LINUX_READS))
      expect([key, table.plan(key, 1, false).kind]).not.toContain('undefined');
  });

  test('gives every slot to one register only, within the space that a CPU has', () => {
    const owners = new Map<number, number>();
    for (const { slot, key, name } of SYSTEM_REGISTERS) {
      if (slot === undefined) continue;
      expect([name, owners.get(slot) ?? key]).toEqual([name, key]);
      owners.set(slot, key);
      expect(slot).toBeLessThan(SLOT_END);
    }
    expect(SLOT_END).toBeLessThanOrEqual(CPU_SYSREGS_MAX);
  });

  test('lowers what is hot and harmless to plain slots', () => {
    const { table, keyOf } = bound(new SysregMachine());
    expect(table.plan(keyOf('TPIDR_EL1'), 1, false)).toMatchObject({ kind: 'slot', checks: [] });
    expect(table.plan(keyOf('ELR_EL1'), 1, true)).toMatchObject({ kind: 'slot', checks: [] });
    expect(table.plan(keyOf('ESR_EL1'), 1, false)).toMatchObject({ kind: 'slot', checks: [] });
    expect(table.plan(keyOf('DCZID_EL0'), 1, false)).toMatchObject({ kind: 'constant', value: 4n });
    expect(table.plan(keyOf('CTR_EL0'), 0, false)).toMatchObject({ kind: 'constant' });
    expect(table.plan(keyOf('DAIF'), 1, true)).toMatchObject({
      kind: 'special',
      special: 'DAIF',
      checks: [],
    });
    expect(table.plan(keyOf('TTBR0_EL1'), 1, true)).toMatchObject({ kind: 'slot', effect: 'translation' });
    expect(table.plan(keyOf('CNTVCT_EL0'), 0, false)).toMatchObject({ kind: 'call', device: 'timer' });
  });
});

function bound(machine: SysregMachine) {
  return { table: machine.table, keyOf: (name: string) => machine.keyOf(name) };
}

test('a write by plan and a write by the slow path leave the same slots', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.boolean(), (value, all) => {
      const which = { el2: all, el3: all };
      const machine = new SysregMachine(which);
      for (const register of machine.table.registers()) {
        const plan = machine.table.plan(register.key, machine.el as 1, true);
        if (plan.kind !== 'slot') continue;
        const slots = machine.slots[0]!;
        const old = slots.get(plan.slot);
        const inline = (old & ~plan.mask) | (value & plan.mask) | plan.ones;
        machine.table.write(register.key, 0, value, machine.context());
        expect([register.name, slots.get(plan.slot)]).toEqual([register.name, inline]);
        slots.set(plan.slot, old);
      }
    }),
    { numRuns: 30 },
  );
});

test('an unknown register is UNDEFINED to the guest and named in an event', () => {
  const machine = new SysregMachine();
  const key = sysregKey(3, 0, 15, 2, 1);
  expect(genericSysregName(key)).toBe('S3_0_C15_C2_1');
  expect(machine.table.read(key, 0, machine.context())).toMatchObject({ ec: 0, target: 1, iss: 0 });
  machine.table.write(key, 0, 0n, machine.context());
  expect(machine.log).toEqual(['unknown S3_0_C15_C2_1 read', 'unknown S3_0_C15_C2_1 write']);
});

test('a register of another EL is UNDEFINED without an event', () => {
  const machine = new SysregMachine({ el2: true });
  machine.el = 1;
  expect(machine.table.read(machine.keyOf('HCR_EL2'), 0, machine.context())).toMatchObject({ ec: 0 });
  expect(machine.log).toEqual([]);
});

test('HCR_EL2.TIDCP takes the IMPLEMENTATION DEFINED space to EL2, there or not (D17.2.48)', () => {
  const machine = new SysregMachine({ el2: true });
  machine.poke('HCR_EL2', 1n << 20n);
  machine.el = 1;
  for (const key of [sysregKey(3, 1, 15, 2, 1), sysregKey(3, 5, 11, 3, 3)]) {
    expect(machine.table.read(key, 0, machine.context())).toMatchObject({ ec: 0x18, target: 2 });
  }
  expect(machine.table.system(sysregKey(1, 1, 15, 0, 0), 0, 0n, machine.context())).toMatchObject({
    target: 2,
  });
});

test('CCSIDR_EL1 follows CSSELR_EL1; a cache that does not exist reads as zero', () => {
  const machine = new SysregMachine({ model: 'cortex-a57' });
  const sizes = [0, 1, 2, 3, 14].map((select) => {
    machine.write('CSSELR_EL1', BigInt(select));
    return machine.read('CCSIDR_EL1');
  });
  expect(sizes).toEqual([0x701fe00an, 0x201fe012n, 0x70ffe07an, 0n, 0n]);
});

test('the OS lock is locked at reset and follows OSLAR_EL1', () => {
  const machine = new SysregMachine();
  expect(machine.read('OSLSR_EL1')).toBe(0xan);
  machine.write('OSLAR_EL1', 0n);
  expect(machine.read('OSLSR_EL1')).toBe(8n);
  machine.write('OSLAR_EL1', 1n);
  expect(machine.read('OSLSR_EL1')).toBe(0xan);
});

test('claim tags are set and cleared by the bits written as one', () => {
  const machine = new SysregMachine();
  machine.write('DBGCLAIMSET_EL1', 0x1f5n);
  machine.write('DBGCLAIMCLR_EL1', 0x11n);
  expect(machine.read('DBGCLAIMCLR_EL1')).toBe(0xe4n);
  expect(machine.read('DBGCLAIMSET_EL1')).toBe(0xffn);
});

test('EL1 sees VPIDR_EL2 and VMPIDR_EL2 where EL2 is, but not in Secure state', () => {
  const machine = new SysregMachine({ el2: true, el3: true });
  machine.write('SCR_EL3', 0x531n);
  machine.write('VPIDR_EL2', 0x1234n);
  machine.write('VMPIDR_EL2', 0x5678n);
  expect(machine.read('MIDR_EL1')).toBe(0x411fd070n);
  machine.el = 1;
  expect([machine.read('MIDR_EL1'), machine.read('MPIDR_EL1')]).toEqual([0x1234n, 0x5678n]);
  machine.poke('SCR_EL3', 0x530n);
  expect([machine.read('MIDR_EL1'), machine.read('MPIDR_EL1')]).toEqual([0x411fd070n, 0x8000_0000n]);
});

test('SP_EL0 is UNDEFINED while it is the stack pointer in use', () => {
  const machine = new SysregMachine();
  machine.spsel = 0;
  expect(machine.table.read(machine.keyOf('SP_EL0'), 0, machine.context())).toMatchObject({ ec: 0 });
});

test('the instructions that matter to the translator have their operation', () => {
  const { table } = new SysregMachine();
  expect(table.systemPlan(sysregKey(1, 3, 7, 4, 1), 1)).toMatchObject({
    operation: { kind: 'zero', bytes: 64 },
  });
  expect(table.systemPlan(sysregKey(1, 3, 7, 11, 1), 1)).toMatchObject({ operation: { kind: 'cache' } });
  expect(table.systemPlan(sysregKey(1, 0, 8, 3, 1), 1)).toMatchObject({ operation: { kind: 'tlbi' } });
  expect(table.systemPlan(sysregKey(1, 0, 7, 8, 3), 1)).toMatchObject({
    operation: { kind: 'translate', translation: { el: 0, write: true } },
  });
});

test('what the GIC does is left to the GIC', () => {
  const machine = new SysregMachine();
  machine.write('ICC_PMR_EL1', 0xf0n);
  const key = machine.keyOf('ICC_PMR_EL1');
  expect(machine.log).toEqual([`gic-cpu ${key * 8} write 240`, `gic ${key} 240`]);
});

test('an access event decodes by its register map', () => {
  const machine = new SysregMachine();
  for (const [map, name] of [
    [TIMER_MAP, 'CNTV_CTL_EL0'],
    [PMU_MAP, 'PMEVTYPER3_EL0'],
    [GIC_CPU_MAP, 'ICC_IAR1_EL1'],
  ] as const) {
    const hit = findRegister(map, sysregOffset(machine.keyOf(name)));
    expect(hit?.name).toBe(name);
    expect(hit?.register.fields?.length).toBeGreaterThan(0);
  }
});

test('slots stay reachable when the memory grows', () => {
  const memory = new WebAssembly.Memory({ initial: 32 });
  const slots = new MemorySysregSlots(memory, 0);
  slots.set(3, 0x1234_5678_9abc_def0n);
  memory.grow(1);
  expect(slots.get(3)).toBe(0x1234_5678_9abc_def0n);
  expect([slots.lo(3), slots.hi(3)]).toEqual([0x9abc_def0, 0x1234_5678]);
  slots.setWords(3, 1, 2);
  expect(slots.get(3)).toBe(0x2_0000_0001n);
});
