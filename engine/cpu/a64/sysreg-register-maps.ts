import type { Register, RegisterAccess, RegisterField, RegisterMap } from '../../base/register-map.ts';
import { bit, bits } from '../../base/register-map.ts';
import { sysregOffset } from './sysreg-key.ts';
import { GIC_REGISTERS } from './sysreg-list-gic.ts';
import { PMU_REGISTERS } from './sysreg-list-pmu.ts';
import { TIMER_REGISTERS } from './sysreg-list-timer.ts';
import type { SysregDefinition } from './sysreg-types.ts';

/*
 * Register maps of the interfaces that are reached by system registers, for decoding access events. Offsets are
 * sysregOffset(key).
 */

const TIMER_CTL: readonly RegisterField[] = [
  bit('ENABLE', 0),
  bit('IMASK', 1),
  bit('ISTATUS', 2, 'the condition holds'),
];
const COUNTER_BITS: readonly RegisterField[] = [
  bit('C', 31, 'cycle counter'),
  bits('P', 30, 0, 'event counters'),
];
const EVENTS: { readonly [event: number]: string } = { 0: 'SW_INCR', 8: 'INST_RETIRED', 17: 'CPU_CYCLES' };
const FILTER: readonly RegisterField[] = [
  bit('P', 31, 'not at EL1'),
  bit('U', 30, 'not at EL0'),
  bit('NSK', 29),
  bit('NSU', 28),
  bit('NSH', 27, 'at EL2'),
  bit('M', 26),
];
const INTID: readonly RegisterField[] = [bits('INTID', 23, 0)];
const SGI: readonly RegisterField[] = [
  bits('Aff3', 55, 48),
  bits('RS', 47, 44),
  bit('IRM', 40, 'to all but this CPU'),
  bits('Aff2', 39, 32),
  bits('INTID', 27, 24),
  bits('Aff1', 23, 16),
  bits('TargetList', 15, 0),
];

/** Fields by name; `<timer>_CTL` and other families by pattern. */
const FIELDS: readonly (readonly [RegExp, readonly RegisterField[]])[] = [
  [/^CNT\w+_CTL_/, TIMER_CTL],
  [
    /^CNTKCTL_EL1$/,
    [
      bit('EL0PTEN', 9),
      bit('EL0VTEN', 8),
      bits('EVNTI', 7, 4, 'bit of the count that triggers events'),
      bit('EVNTDIR', 3),
      bit('EVNTEN', 2),
      bit('EL0VCTEN', 1),
      bit('EL0PCTEN', 0),
    ],
  ],
  [
    /^CNTHCTL_EL2$/,
    [bits('EVNTI', 7, 4), bit('EVNTDIR', 3), bit('EVNTEN', 2), bit('EL1PCEN', 1), bit('EL1PCTEN', 0)],
  ],
  [
    /^PMCR_EL0$/,
    [
      bits('IMP', 31, 24),
      bits('IDCODE', 23, 16),
      bits('N', 15, 11, 'event counters'),
      bit('LP', 7),
      bit('LC', 6, 'overflow of 64 bits'),
      bit('DP', 5),
      bit('X', 4),
      bit('D', 3, 'count every 64th cycle'),
      bit('C', 2, 'reset the cycle counter'),
      bit('P', 1, 'reset the event counters'),
      bit('E', 0),
    ],
  ],
  [/^PM(CNTEN|OVS|INTEN)(SET|CLR)_/, COUNTER_BITS],
  [/^PMSWINC_/, COUNTER_BITS],
  [/^PM(EVTYPER\d+|XEVTYPER)_/, [...FILTER, { name: 'evtCount', hi: 15, lo: 0, values: EVENTS }]],
  [/^PMCCFILTR_/, FILTER],
  [/^PMUSERENR_/, [bit('ER', 3), bit('CR', 2), bit('SW', 1), bit('EN', 0)]],
  [/^PMSELR_/, [bits('SEL', 4, 0)]],
  [/^ICC_(IAR|EOIR|HPPIR|DIR)/, INTID],
  [/^ICC_A?SGI[01]R_/, SGI],
  [/^ICC_PMR_/, [bits('Priority', 7, 0)]],
  [/^ICC_RPR_/, [bits('Priority', 7, 0)]],
  [/^ICC_BPR/, [bits('BinaryPoint', 2, 0)]],
  [
    /^ICC_CTLR_EL1$/,
    [
      bit('ExtRange', 19),
      bit('RSS', 18),
      bit('A3V', 15),
      bit('SEIS', 14),
      bits('IDbits', 13, 11),
      bits('PRIbits', 10, 8),
      bit('PMHE', 6),
      bit('EOImode', 1),
      bit('CBPR', 0),
    ],
  ],
  [/^ICC_SRE_/, [bit('Enable', 3), bit('DIB', 2), bit('DFB', 1), bit('SRE', 0)]],
  [/^ICC_IGRPEN[01]_EL1$/, [bit('Enable', 0)]],
  [/^ICC_IGRPEN1_EL3$/, [bit('EnableGrp1S', 1), bit('EnableGrp1NS', 0)]],
  [
    /^ICH_LR\d+_EL2$/,
    [
      {
        name: 'State',
        hi: 63,
        lo: 62,
        values: { 0: 'invalid', 1: 'pending', 2: 'active', 3: 'pending and active' },
      },
      bit('HW', 61),
      bit('Group', 60),
      bits('Priority', 55, 48),
      bits('pINTID', 44, 32),
      bits('vINTID', 31, 0),
    ],
  ],
  [
    /^ICH_HCR_EL2$/,
    [
      bits('EOIcount', 31, 27),
      bit('TDIR', 14),
      bit('TSEI', 13),
      bit('TALL1', 12),
      bit('TALL0', 11),
      bit('TC', 10),
      bit('VGrp1DIE', 7),
      bit('VGrp1EIE', 6),
      bit('VGrp0DIE', 5),
      bit('VGrp0EIE', 4),
      bit('NPIE', 3),
      bit('LRENPIE', 2),
      bit('UIE', 1),
      bit('En', 0),
    ],
  ],
  [
    /^ICH_VMCR_EL2$/,
    [
      bits('VPMR', 31, 24),
      bits('VBPR0', 23, 21),
      bits('VBPR1', 20, 18),
      bit('VEOIM', 9),
      bit('VCBPR', 4),
      bit('VFIQEn', 3),
      bit('VAckCtl', 2),
      bit('VENG1', 1),
      bit('VENG0', 0),
    ],
  ],
];

function toRegister(definition: SysregDefinition): Register {
  const { name, key, read, write } = definition;
  const access: RegisterAccess = write === undefined ? 'RO' : read === undefined ? 'WO' : 'RW';
  const fields = FIELDS.find(([pattern]) => pattern.test(name))?.[1];
  const register: Register = { name, offset: sysregOffset(key), width: 8, access };
  return fields === undefined ? register : { ...register, fields };
}

function toMap(device: string, reference: string, definitions: readonly SysregDefinition[]): RegisterMap {
  const registers = new Map<number, Register>();
  for (const definition of definitions) {
    if (!registers.has(definition.key)) registers.set(definition.key, toRegister(definition));
  }
  return { device, reference, registers: [...registers.values()] };
}

export const TIMER_MAP = toMap('timer', 'Arm DDI 0487, D17.11', TIMER_REGISTERS);
export const PMU_MAP = toMap('pmu', 'Arm DDI 0487, D17.5', PMU_REGISTERS);
export const GIC_CPU_MAP = toMap('gic-cpu', 'Arm IHI 0069, 12.2', GIC_REGISTERS);
