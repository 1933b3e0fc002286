import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SysregMachine } from './sysreg-harness.ts';

/*
 * The accessor pseudocode of the Arm ARM (DDI 0487, D17: "Accessing X"), written out for registers of every
 * group as nested conditions on named bits, and compared over random controls.
 */

const CONTROLS = [
  'SCTLR_EL1',
  'CPACR_EL1',
  'CNTKCTL_EL1',
  'MDSCR_EL1',
  'PMUSERENR_EL0',
  'HCR_EL2',
  'CPTR_EL2',
  'MDCR_EL2',
  'CNTHCTL_EL2',
  'SCR_EL3',
  'CPTR_EL3',
  'MDCR_EL3',
] as const;
type Control = (typeof CONTROLS)[number];

interface State {
  readonly el: number;
  readonly write: boolean;
  readonly hasEl2: boolean;
  readonly hasEl3: boolean;
  /** Bit of a control register; 0 if the EL does not exist. */
  readonly bit: (control: Control, position: number) => boolean;
}

type Answer = 'ok' | 'undefined' | 'trap1' | 'trap2' | 'trap3' | 'fp1' | 'fp2' | 'fp3';

const secure = (s: State) => s.hasEl3 && !s.bit('SCR_EL3', 0);
const el2Enabled = (s: State) => s.hasEl2 && !secure(s);
const tge = (s: State) => el2Enabled(s) && s.bit('HCR_EL2', 27);
const toEl1 = (s: State): Answer => (s.el === 0 && tge(s) ? 'trap2' : 'trap1');

function pmu(s: State, openAtEl0: boolean): Answer {
  if (s.el === 0 && !openAtEl0) return toEl1(s);
  if (s.el <= 1 && el2Enabled(s) && s.bit('MDCR_EL2', 6)) return 'trap2';
  if (s.el <= 2 && s.hasEl3 && s.bit('MDCR_EL3', 6)) return 'trap3';
  return 'ok';
}
const en = (s: State) => s.bit('PMUSERENR_EL0', 0);

function vm(s: State): Answer {
  if (s.el === 0) return 'undefined';
  if (s.el === 1 && el2Enabled(s) && s.bit('HCR_EL2', s.write ? 26 : 30)) return 'trap2';
  return 'ok';
}

function gic(s: State, common: boolean, groupIrq: boolean): Answer {
  if (s.el === 0) return 'undefined';
  const irq = s.bit('SCR_EL3', 1);
  const fiq = s.bit('SCR_EL3', 2);
  const taken = common ? irq && fiq : groupIrq ? irq : fiq;
  const imo = s.bit('HCR_EL2', 4) && s.hasEl2;
  const fmo = s.bit('HCR_EL2', 3) && s.hasEl2;
  const virtual = common ? imo || fmo : groupIrq ? imo : fmo;
  if (s.el <= 2 && s.hasEl3 && taken && !(s.el === 1 && virtual)) return 'trap3';
  return 'ok';
}

function debug(s: State, el2Bit: number, el3Bit: number): Answer {
  if (s.el === 0) return 'undefined';
  if (s.el === 1 && el2Enabled(s) && (s.bit('MDCR_EL2', 8) || s.bit('MDCR_EL2', el2Bit))) return 'trap2';
  if (s.el <= 2 && s.hasEl3 && s.bit('MDCR_EL3', el3Bit)) return 'trap3';
  return 'ok';
}

const hcrTrap = (s: State, position: number, readOnly = false): Answer => {
  if (s.el === 0 || (readOnly && s.write)) return 'undefined';
  return s.el === 1 && el2Enabled(s) && s.bit('HCR_EL2', position) ? 'trap2' : 'ok';
};

const STATEMENTS: { readonly [register: string]: (s: State) => Answer } = {
  SCTLR_EL1: vm,
  TTBR0_EL1: vm,
  TTBR1_EL1: vm,
  TCR_EL1: vm,
  ESR_EL1: vm,
  FAR_EL1: vm,
  AFSR0_EL1: vm,
  AFSR1_EL1: vm,
  MAIR_EL1: vm,
  AMAIR_EL1: vm,
  CONTEXTIDR_EL1: vm,
  ACTLR_EL1: (s) => hcrTrap(s, 21),
  REVIDR_EL1: (s) => hcrTrap(s, 16, true),
  AIDR_EL1: (s) => hcrTrap(s, 16, true),
  CLIDR_EL1: (s) => hcrTrap(s, 17, true),
  CCSIDR_EL1: (s) => hcrTrap(s, 17, true),
  CSSELR_EL1: (s) => hcrTrap(s, 17),
  ID_AA64PFR0_EL1: (s) => hcrTrap(s, 18, true),
  MVFR0_EL1: (s) => hcrTrap(s, 18, true),
  MIDR_EL1: (s) => (s.el === 0 || s.write ? 'undefined' : 'ok'),
  VBAR_EL1: (s) => (s.el === 0 ? 'undefined' : 'ok'),
  TPIDR_EL0: () => 'ok',
  TPIDRRO_EL0: (s) => (s.el === 0 && s.write ? 'undefined' : 'ok'),
  CTR_EL0: (s) => {
    if (s.write) return 'undefined';
    if (s.el === 0 && !s.bit('SCTLR_EL1', 15)) return toEl1(s);
    return s.el <= 1 && el2Enabled(s) && s.bit('HCR_EL2', 17) ? 'trap2' : 'ok';
  },
  DAIF: (s) => (s.el === 0 && !s.bit('SCTLR_EL1', 9) ? toEl1(s) : 'ok'),
  NZCV: () => 'ok',
  CurrentEL: (s) => (s.el === 0 || s.write ? 'undefined' : 'ok'),
  CPACR_EL1: (s) => {
    if (s.el === 0) return 'undefined';
    if (s.el === 1 && el2Enabled(s) && s.bit('CPTR_EL2', 31)) return 'trap2';
    return s.el <= 2 && s.hasEl3 && s.bit('CPTR_EL3', 31) ? 'trap3' : 'ok';
  },
  FPCR: (s) => {
    const fpen0 = s.bit('CPACR_EL1', 20);
    const fpen1 = s.bit('CPACR_EL1', 21);
    // TGE: reported to EL2 as unknown.
    if (s.el === 0 && !(fpen0 && fpen1)) return tge(s) ? 'undefined' : 'fp1';
    if (s.el === 1 && !fpen0) return 'fp1';
    if (s.el <= 2 && el2Enabled(s) && s.bit('CPTR_EL2', 10)) return 'fp2';
    return s.hasEl3 && s.bit('CPTR_EL3', 10) ? 'fp3' : 'ok';
  },
  MDCCSR_EL0: (s) => {
    if (s.write) return 'undefined';
    if (s.el === 0 && s.bit('MDSCR_EL1', 12)) return toEl1(s);
    const tda = s.bit('MDCR_EL2', 8) || s.bit('MDCR_EL2', 9) || (s.el === 0 && s.bit('HCR_EL2', 27));
    if (s.el <= 1 && el2Enabled(s) && tda) return 'trap2';
    return s.el <= 2 && s.hasEl3 && s.bit('MDCR_EL3', 9) ? 'trap3' : 'ok';
  },
  MDSCR_EL1: (s) => debug(s, 9, 9),
  DBGBVR0_EL1: (s) => debug(s, 9, 9),
  DBGWCR3_EL1: (s) => debug(s, 9, 9),
  OSLSR_EL1: (s) => (s.write ? 'undefined' : debug(s, 10, 10)),
  OSLAR_EL1: (s) => (s.write ? debug(s, 10, 10) : 'undefined'),
  OSDLR_EL1: (s) => debug(s, 10, 10),
  MDRAR_EL1: (s) => (s.write ? 'undefined' : debug(s, 11, 9)),
  PMCR_EL0: (s) => {
    if (s.el === 0 && !en(s)) return toEl1(s);
    if (s.el <= 1 && el2Enabled(s) && (s.bit('MDCR_EL2', 6) || s.bit('MDCR_EL2', 5))) return 'trap2';
    return s.el <= 2 && s.hasEl3 && s.bit('MDCR_EL3', 6) ? 'trap3' : 'ok';
  },
  PMCNTENSET_EL0: (s) => pmu(s, en(s)),
  PMOVSCLR_EL0: (s) => pmu(s, en(s)),
  PMSWINC_EL0: (s) => (s.write ? pmu(s, en(s) || s.bit('PMUSERENR_EL0', 1)) : 'undefined'),
  PMCCNTR_EL0: (s) => pmu(s, en(s) || (!s.write && s.bit('PMUSERENR_EL0', 2))),
  PMEVCNTR2_EL0: (s) => pmu(s, en(s) || (!s.write && s.bit('PMUSERENR_EL0', 3))),
  PMXEVCNTR_EL0: (s) => pmu(s, en(s) || (!s.write && s.bit('PMUSERENR_EL0', 3))),
  PMSELR_EL0: (s) => pmu(s, en(s) || s.bit('PMUSERENR_EL0', 3)),
  PMEVTYPER2_EL0: (s) => pmu(s, en(s)),
  PMCCFILTR_EL0: (s) => pmu(s, en(s)),
  PMUSERENR_EL0: (s) => (s.el === 0 && s.write ? 'undefined' : pmu(s, true)),
  PMINTENSET_EL1: (s) => (s.el === 0 ? 'undefined' : pmu(s, true)),
  CNTFRQ_EL0: (s) => {
    if (s.write) return s.el < (s.hasEl3 ? 3 : s.hasEl2 ? 2 : 1) ? 'undefined' : 'ok';
    return s.el === 0 && !s.bit('CNTKCTL_EL1', 0) && !s.bit('CNTKCTL_EL1', 1) ? toEl1(s) : 'ok';
  },
  CNTVCT_EL0: (s) => {
    if (s.write) return 'undefined';
    return s.el === 0 && !s.bit('CNTKCTL_EL1', 1) ? toEl1(s) : 'ok';
  },
  CNTPCT_EL0: (s) => {
    if (s.write) return 'undefined';
    if (s.el === 0 && !s.bit('CNTKCTL_EL1', 0)) return toEl1(s);
    return s.el <= 1 && el2Enabled(s) && !s.bit('CNTHCTL_EL2', 0) ? 'trap2' : 'ok';
  },
  CNTV_CTL_EL0: (s) => (s.el === 0 && !s.bit('CNTKCTL_EL1', 8) ? toEl1(s) : 'ok'),
  CNTP_CVAL_EL0: (s) => {
    if (s.el === 0 && !s.bit('CNTKCTL_EL1', 9)) return toEl1(s);
    return s.el <= 1 && el2Enabled(s) && !s.bit('CNTHCTL_EL2', 1) ? 'trap2' : 'ok';
  },
  CNTKCTL_EL1: (s) => (s.el === 0 ? 'undefined' : 'ok'),
  CNTPS_CTL_EL1: (s) => {
    if (!s.hasEl3 || s.el === 0 || s.el === 2) return 'undefined';
    if (s.el === 3) return 'ok';
    if (!secure(s)) return 'undefined';
    return s.bit('SCR_EL3', 11) ? 'ok' : 'trap3';
  },
  CNTHP_CTL_EL2: (s) => (s.el >= 2 ? 'ok' : 'undefined'),
  HCR_EL2: (s) => (s.el >= 2 ? 'ok' : 'undefined'),
  CPTR_EL2: (s) => {
    if (s.el < 2) return 'undefined';
    return s.el === 2 && s.hasEl3 && s.bit('CPTR_EL3', 31) ? 'trap3' : 'ok';
  },
  SCR_EL3: (s) => (s.el === 3 ? 'ok' : 'undefined'),
  ICC_PMR_EL1: (s) => gic(s, true, false),
  ICC_IAR0_EL1: (s) => (s.write ? 'undefined' : gic(s, false, false)),
  ICC_EOIR1_EL1: (s) => (s.write ? gic(s, false, true) : 'undefined'),
  ICC_IGRPEN1_EL1: (s) => gic(s, false, true),
  ICC_SRE_EL1: (s) => (s.el === 0 ? 'undefined' : 'ok'),
  ICC_SGI1R_EL1: (s) => {
    if (s.el === 0 || !s.write) return 'undefined';
    if (s.el === 1 && el2Enabled(s) && (s.bit('HCR_EL2', 3) || s.bit('HCR_EL2', 4))) return 'trap2';
    return s.el <= 2 && s.hasEl3 && s.bit('SCR_EL3', 1) && s.bit('SCR_EL3', 2) ? 'trap3' : 'ok';
  },
};

const SYSTEM: { readonly [name: string]: readonly [key: number, statement: (s: State) => Answer] } = {
  'DC ZVA': [
    key(3, 7, 4, 1),
    (s) => {
      if (s.el === 0 && !s.bit('SCTLR_EL1', 14)) return toEl1(s);
      return s.el <= 1 && el2Enabled(s) && s.bit('HCR_EL2', 28) ? 'trap2' : 'ok';
    },
  ],
  'DC CVAC': [key(3, 7, 10, 1), (s) => maintenance(s, 23)],
  'DC CIVAC': [key(3, 7, 14, 1), (s) => maintenance(s, 23)],
  'DC CVAU': [key(3, 7, 11, 1), (s) => maintenance(s, 24)],
  'IC IVAU': [key(3, 7, 5, 1), (s) => maintenance(s, 24)],
  'DC IVAC': [key(0, 7, 6, 1), (s) => hcrTrap(s, 23)],
  'DC CISW': [key(0, 7, 14, 2), (s) => hcrTrap(s, 22)],
  'IC IALLU': [key(0, 7, 5, 0), (s) => hcrTrap(s, 24)],
  'TLBI VMALLE1IS': [key(0, 8, 3, 0), (s) => hcrTrap(s, 25)],
  'TLBI VAE1': [key(0, 8, 7, 1), (s) => hcrTrap(s, 25)],
  'AT S1E1R': [key(0, 7, 8, 0), (s) => (s.el === 0 ? 'undefined' : 'ok')],
  'TLBI ALLE2': [key(4, 8, 7, 0), (s) => (s.el >= 2 && s.hasEl2 ? 'ok' : 'undefined')],
  'TLBI ALLE3': [key(6, 8, 7, 0), (s) => (s.el === 3 ? 'ok' : 'undefined')],
  'DC CVAP (FEAT_DPB)': [key(3, 7, 12, 1), () => 'undefined'],
  'an unallocated one': [key(2, 7, 3, 5), () => 'undefined'],
};

function key(op1: number, crn: number, crm: number, op2: number): number {
  return (1 << 14) | (op1 << 11) | (crn << 7) | (crm << 3) | op2;
}

function maintenance(s: State, hcr: number): Answer {
  if (s.el === 0 && !s.bit('SCTLR_EL1', 26)) return toEl1(s);
  return s.el <= 1 && el2Enabled(s) && s.bit('HCR_EL2', hcr) ? 'trap2' : 'ok';
}

const controls = fc.record(
  Object.fromEntries(CONTROLS.map((name) => [name, fc.bigInt({ min: 0n, max: (1n << 34n) - 1n })])) as Record<
    Control,
    fc.Arbitrary<bigint>
  >,
);

function answerOf(result: unknown): Answer {
  if (typeof result !== 'object' || result === null) return 'ok';
  const trap = result as { ec: number; target: number };
  if (trap.ec === 0) return 'undefined';
  return `${trap.ec === 0x07 ? 'fp' : 'trap'}${trap.target}` as Answer;
}

describe.each([
  ['EL1', { el2: false, el3: false }],
  ['EL2', { el2: true, el3: false }],
  ['EL3', { el2: false, el3: true }],
  ['EL2 and EL3', { el2: true, el3: true }],
])('accesses on a machine with %s', (_name, which) => {
  const machine = new SysregMachine(which);
  const levels = [0, 1, ...(which.el2 ? [2] : []), ...(which.el3 ? [3] : [])];

  const forAll = (check: (state: State) => void) =>
    fc.assert(
      fc.property(controls, fc.constantFrom(...levels), fc.boolean(), (values, el, write) => {
        const exists = (control: Control) =>
          control.endsWith('EL2') ? which.el2 : control.endsWith('EL3') ? which.el3 : true;
        machine.table.reset(machine.slots[0]!, 0);
        for (const control of CONTROLS) if (exists(control)) machine.poke(control, values[control]);
        machine.el = el;
        check({
          el,
          write,
          hasEl2: which.el2,
          hasEl3: which.el3,
          bit: (control, position) => exists(control) && ((values[control] >> BigInt(position)) & 1n) !== 0n,
        });
      }),
      { numRuns: 400 },
    );

  test('to registers take the exception of the accessor pseudocode', () => {
    const keys = new Map([...machine.table.registers()].map((register) => [register.name, register.key]));
    forAll((state) => {
      for (const [name, statement] of Object.entries(STATEMENTS)) {
        const registerKey = keys.get(name);
        if (registerKey === undefined) {
          expect(name).toMatch(/_EL[23]$|^CNTPS/);
          continue;
        }
        const before = machine.buffers[0]!.buffer.slice(0);
        const result = state.write
          ? machine.table.write(registerKey, 0, 0n, machine.context())
          : machine.table.read(registerKey, 0, machine.context());
        new Uint8Array(machine.buffers[0]!.buffer).set(new Uint8Array(before));
        expect([name, answerOf(result)]).toEqual([name, statement(state)]);
      }
    });
  });

  test('by system instructions take the exception of the accessor pseudocode', () => {
    forAll((state) => {
      for (const [name, [instruction, statement]] of Object.entries(SYSTEM)) {
        const result = machine.table.system(instruction, 0, 0n, machine.context());
        expect([name, answerOf(result)]).toEqual([name, statement(state)]);
      }
    });
  });

  test('never trap at run time where the plan has no checks', () => {
    forAll((state) => {
      for (const register of machine.table.registers()) {
        const plan = machine.table.plan(register.key, state.el as 0, false);
        const result = machine.table.read(register.key, 0, machine.context());
        if (plan.kind === 'undefined') expect(answerOf(result)).toBe('undefined');
        else if (plan.checks.length === 0)
          expect([register.name, answerOf(result)]).toEqual([register.name, 'ok']);
      }
    });
  });
});

test('the syndrome has the fields of the instruction where Arm puts them (D17.2.37, EC 0x18)', () => {
  const machine = new SysregMachine();
  machine.el = 0;
  for (const [name, write] of [
    ['CNTVCT_EL0', false],
    ['DAIF', true],
    ['PMEVCNTR5_EL0', true],
  ] as const) {
    const registerKey = machine.keyOf(name);
    const rt = 19;
    const trap = write
      ? machine.table.write(registerKey, rt, 0n, machine.context())
      : machine.table.read(registerKey, rt, machine.context());
    // From the instruction word: MRS/MSR is 1101010100 L op0 op1 CRn CRm op2 Rt.
    const word = 0xd500_0000 | (write ? 0 : 1 << 21) | (registerKey << 5) | rt;
    const field = (low: number, width: number) => (word >>> low) & ((1 << width) - 1);
    const iss =
      (field(19, 2) << 20) |
      (field(5, 3) << 17) |
      (field(16, 3) << 14) |
      (field(12, 4) << 10) |
      (rt << 5) |
      (field(8, 4) << 1) |
      field(21, 1);
    expect(trap).toEqual({ kind: 'trap', target: 1, ec: 0x18, iss });
  }
});

test('WFI and WFE trap by their bits at each EL, with TI telling which (D17.2.37, EC 0x01)', () => {
  const machine = new SysregMachine({ el2: true, el3: true });
  const trapOf = (instruction: 'wfi' | 'wfe') => {
    const trap = machine.table.waitTrap(instruction, machine.context());
    return trap === undefined ? 'waits' : `${trap.target} ${trap.ec} ${trap.iss.toString(16)}`;
  };
  machine.poke('SCR_EL3', 1n);
  for (const [name, value, el, wfi, wfe] of [
    ['SCTLR_EL1', 1n << 16n, 0, 'waits', '1 1 1e00001'],
    ['SCTLR_EL1', 1n << 18n, 0, '1 1 1e00000', 'waits'],
    ['SCTLR_EL1', 0n, 1, 'waits', 'waits'],
    ['HCR_EL2', 1n << 13n, 1, '2 1 1e00000', 'waits'],
    ['HCR_EL2', 1n << 14n, 1, 'waits', '2 1 1e00001'],
    ['HCR_EL2', 0n, 1, 'waits', 'waits'],
    ['SCR_EL3', 1n | (1n << 12n), 2, '3 1 1e00000', 'waits'],
    ['SCR_EL3', 1n | (1n << 13n), 2, 'waits', '3 1 1e00001'],
    ['SCR_EL3', 1n | (3n << 12n), 3, 'waits', 'waits'],
  ] as const) {
    machine.poke(name, value);
    machine.el = el;
    expect([name, el, trapOf('wfi'), trapOf('wfe')]).toEqual([name, el, wfi, wfe]);
  }
});

test('MSR DAIFSet at EL0 without UMA has the syndrome of the immediate form', () => {
  const machine = new SysregMachine();
  machine.el = 0;
  const trap = machine.table.daifImmediateTrap(6, 2, machine.context());
  // op0 0, op2 6, op1 3, CRn 4, Rt 31, CRm 2, write.
  expect(trap).toEqual({
    kind: 'trap',
    target: 1,
    ec: 0x18,
    iss: (6 << 17) | (3 << 14) | (4 << 10) | (31 << 5) | (2 << 1),
  });
  machine.poke('SCTLR_EL1', 1n << 9n);
  expect(machine.table.daifImmediateTrap(6, 2, machine.context())).toBeUndefined();
});
