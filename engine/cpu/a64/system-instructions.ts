import type { CpuConfig } from '../cpu-models.ts';
import { sysregKey } from './sysreg-key.ts';
import { DZE, EL2_ENABLED, ENRCTX, TDZ, TPC, TPU, TSW, TTLB, UCI } from './sysreg-traps.ts';
import type { AddressTranslation, El, TrapRule } from './sysreg-types.ts';

/*
 * SYS instructions (op0 = 1): cache maintenance, address translation, TLB maintenance (Arm ARM C5.3–C5.5).
 * Memory is always coherent and TLBs are never stale, so cache and TLB operations only need to be accepted,
 * trapped and observed.
 */

export type SystemOperation =
  /** Cache maintenance: nothing to do, but by address, which has to be mapped, and to be written writable. */
  | { readonly kind: 'cache'; readonly by: 'all' | 'address' | 'address to write' }
  /** Nothing to do: nothing is predicted. */
  | { readonly kind: 'prediction' }
  /** Zeroes the naturally aligned block of `bytes` that the address is in. */
  | { readonly kind: 'zero'; readonly bytes: number }
  | { readonly kind: 'translate'; readonly translation: AddressTranslation }
  /** TLB maintenance; the argument register is meaningless for the forms without one. */
  | { readonly kind: 'tlbi' };

export interface SystemInstruction {
  readonly name: string;
  readonly key: number;
  readonly el: El;
  readonly when?: (config: CpuConfig) => boolean;
  readonly operation: SystemOperation;
  readonly traps: readonly TrapRule[];
}

const TLBI: SystemOperation = { kind: 'tlbi' };

/** DC ZVA block: 4 << DCZID_EL0.BS bytes. */
function zeroBytes(config: CpuConfig): number {
  return 4 << Number(config.id('DCZID_EL0') & 15n);
}

function cache(
  name: string,
  op1: number,
  crm: number,
  op2: number,
  by: 'all' | 'address' | 'address to write',
  traps: readonly TrapRule[],
  feature?: string,
): SystemInstruction {
  return {
    name,
    key: sysregKey(1, op1, 7, crm, op2),
    el: op1 === 3 ? 0 : 1,
    operation: { kind: 'cache', by },
    traps,
    ...(feature === undefined ? {} : { when: (config: CpuConfig) => config.features.has(feature) }),
  };
}

function at(
  name: string,
  op1: number,
  crm: number,
  op2: number,
  minimum: El,
  translation: AddressTranslation,
  when?: (config: CpuConfig) => boolean,
): SystemInstruction {
  return {
    name: `AT ${name}`,
    key: sysregKey(1, op1, 7, crm, op2),
    el: minimum,
    operation: { kind: 'translate', translation },
    traps: [],
    ...(when === undefined ? {} : { when }),
  };
}

function tlbi(
  op1: number,
  crm: number,
  op2: number,
  name: string,
  when?: (config: CpuConfig) => boolean,
): SystemInstruction {
  return {
    name: `TLBI ${name}`,
    key: sysregKey(1, op1, 8, crm, op2),
    el: op1 === 0 ? 1 : op1 === 4 ? 2 : 3,
    operation: TLBI,
    traps: op1 === 0 ? TTLB : [],
    ...(when === undefined ? {} : { when }),
  };
}

const hasEl2 = (config: CpuConfig) => config.el2;
/** Stage-2 forms also exist for an EL3 without EL2 below it (observed on QEMU 7.2). */
const hasEl2OrEl3 = (config: CpuConfig) => config.el2 || config.el3;
const hasEl3 = (config: CpuConfig) => config.el3;

/** TLBI operations of EL1, EL2 and EL3 by op2; each has an inner shareable (CRm 3) and a local form (CRm 7). */
function tlbInstructions(): SystemInstruction[] {
  const instructions: SystemInstruction[] = [];
  const both = (op1: number, op2: number, name: string, when?: (config: CpuConfig) => boolean) => {
    instructions.push(tlbi(op1, 3, op2, `${name}IS`, when), tlbi(op1, 7, op2, name, when));
    // FEAT_TLBIOS: outer shareable.
    instructions.push(
      tlbi(op1, 1, op2, `${name}OS`, (c) => c.features.has('FEAT_TLBIOS') && (when?.(c) ?? true)),
    );
  };
  both(0, 0, 'VMALLE1');
  both(0, 1, 'VAE1');
  both(0, 2, 'ASIDE1');
  both(0, 3, 'VAAE1');
  both(0, 5, 'VALE1');
  both(0, 7, 'VAALE1');
  // FEAT_TLBIRANGE: CRm 2 inner shareable, 5 outer shareable, 6 local.
  for (const [crm, suffix] of [
    [2, 'IS'],
    [5, 'OS'],
    [6, ''],
  ] as const) {
    for (const [op2, name] of [
      [1, 'RVAE1'],
      [3, 'RVAAE1'],
      [5, 'RVALE1'],
      [7, 'RVAALE1'],
    ] as const)
      instructions.push(tlbi(0, crm, op2, name + suffix, (c) => c.features.has('FEAT_TLBIRANGE')));
  }
  both(4, 0, 'ALLE2', hasEl2);
  both(4, 1, 'VAE2', hasEl2);
  both(4, 5, 'VALE2', hasEl2);
  both(4, 4, 'ALLE1', hasEl2OrEl3);
  both(4, 6, 'VMALLS12E1', hasEl2OrEl3);
  both(6, 0, 'ALLE3', hasEl3);
  both(6, 1, 'VAE3', hasEl3);
  both(6, 5, 'VALE3', hasEl3);
  instructions.push(
    tlbi(4, 0, 1, 'IPAS2E1IS', hasEl2OrEl3),
    tlbi(4, 0, 5, 'IPAS2LE1IS', hasEl2OrEl3),
    tlbi(4, 4, 1, 'IPAS2E1', hasEl2OrEl3),
    tlbi(4, 4, 5, 'IPAS2LE1', hasEl2OrEl3),
  );
  return instructions;
}

function addressTranslations(): SystemInstruction[] {
  const t = (stage: 's1' | 's12', el: El, write: boolean, pan = false) => ({ stage, el, write, pan });
  const pan2 = (config: CpuConfig) => config.features.has('FEAT_PAN2');
  return [
    at('S1E1R', 0, 8, 0, 1, t('s1', 1, false)),
    at('S1E1W', 0, 8, 1, 1, t('s1', 1, true)),
    at('S1E0R', 0, 8, 2, 1, t('s1', 0, false)),
    at('S1E0W', 0, 8, 3, 1, t('s1', 0, true)),
    at('S1E1RP', 0, 9, 0, 1, t('s1', 1, false, true), pan2),
    at('S1E1WP', 0, 9, 1, 1, t('s1', 1, true, true), pan2),
    { ...at('S1E2R', 4, 8, 0, 2, t('s1', 2, false), hasEl2), traps: EL2_ENABLED },
    { ...at('S1E2W', 4, 8, 1, 2, t('s1', 2, true), hasEl2), traps: EL2_ENABLED },
    at('S12E1R', 4, 8, 4, 2, t('s12', 1, false), hasEl2OrEl3),
    at('S12E1W', 4, 8, 5, 2, t('s12', 1, true), hasEl2OrEl3),
    at('S12E0R', 4, 8, 6, 2, t('s12', 0, false), hasEl2OrEl3),
    at('S12E0W', 4, 8, 7, 2, t('s12', 0, true), hasEl2OrEl3),
    at('S1E3R', 6, 8, 0, 3, t('s1', 3, false), hasEl3),
    at('S1E3W', 6, 8, 1, 3, t('s1', 3, true), hasEl3),
  ];
}

/** The instructions that exist on a machine. Those of MTE, and the ranges of EL2 and EL3, are not here: SPEC-GAP. */
export function systemInstructions(config: CpuConfig): readonly SystemInstruction[] {
  const all: SystemInstruction[] = [
    cache('IC IALLUIS', 0, 1, 0, 'all', [TPU]),
    cache('IC IALLU', 0, 5, 0, 'all', [TPU]),
    cache('IC IVAU', 3, 5, 1, 'address', [UCI, TPU]),
    cache('DC IVAC', 0, 6, 1, 'address to write', [TPC]),
    cache('DC ISW', 0, 6, 2, 'all', TSW),
    cache('DC CSW', 0, 10, 2, 'all', TSW),
    cache('DC CISW', 0, 14, 2, 'all', TSW),
    cache('DC CVAC', 3, 10, 1, 'address', [UCI, TPC]),
    cache('DC CVAU', 3, 11, 1, 'address', [UCI, TPU]),
    cache('DC CVAP', 3, 12, 1, 'address', [UCI, TPC], 'FEAT_DPB'),
    cache('DC CVADP', 3, 13, 1, 'address', [UCI, TPC], 'FEAT_DPB2'),
    cache('DC CIVAC', 3, 14, 1, 'address', [UCI, TPC]),
    ...(
      [
        ['CFP RCTX', 4],
        ['DVP RCTX', 5],
        ['CPP RCTX', 7],
      ] as const
    ).map(
      ([name, op2]): SystemInstruction => ({
        name,
        key: sysregKey(1, 3, 7, 3, op2),
        el: 0,
        operation: { kind: 'prediction' },
        traps: [ENRCTX],
        when: (c) => c.features.has('FEAT_SPECRES'),
      }),
    ),
    {
      name: 'DC ZVA',
      key: sysregKey(1, 3, 7, 4, 1),
      el: 0,
      operation: { kind: 'zero', bytes: zeroBytes(config) },
      traps: [DZE, TDZ],
    },
    ...addressTranslations(),
    ...tlbInstructions(),
  ];
  return all.filter((instruction) => instruction.when?.(config) ?? true);
}
