import { SYS_MDSCR_EL1 } from '../helpers/layout.ts';
import { sysregKey } from './sysreg-key.ts';
import { ALL_BITS } from './sysreg-list-el1.ts';
import {
  SLOT_DBGBCR,
  SLOT_DBGBVR,
  SLOT_DBGCLAIM,
  SLOT_DBGVCR32_EL2,
  SLOT_DBGWCR,
  SLOT_DBGWVR,
  SLOT_MDCCINT_EL1,
  SLOT_OSDLR_EL1,
  SLOT_OSLSR_EL1,
} from './sysreg-slots.ts';
import { TDA, TDCC, TDOSA, TDRA } from './sysreg-traps.ts';
import type { SysregDefinition } from './sysreg-types.ts';

function breakpointRegisters(): SysregDefinition[] {
  const definitions: SysregDefinition[] = [];
  for (let n = 0; n < 16; n++) {
    for (const [op2, name, first, mask] of [
      [4, 'DBGBVR', SLOT_DBGBVR, ALL_BITS],
      [5, 'DBGBCR', SLOT_DBGBCR, ALL_BITS],
      [6, 'DBGWVR', SLOT_DBGWVR, ALL_BITS & ~3n],
      [7, 'DBGWCR', SLOT_DBGWCR, ALL_BITS],
    ] as const) {
      definitions.push({
        name: `${name}${n}_EL1`,
        key: sysregKey(2, 0, 0, n, op2),
        read: 1,
        write: 1,
        when: (config) => n < (op2 < 6 ? config.breakpoints : config.watchpoints),
        slot: first + n,
        mask,
        effect: 'debug',
        traps: TDA,
      });
    }
  }
  return definitions;
}

/** OS lock implemented (OSLM = 0b10) and locked, as after a cold reset. */
const OSLSR_RESET = 0xan;
const OSLSR_OSLK = 2n;
/** Eight claim tags, as all Arm cores have (DBGCLAIMSET_EL1 reads them all as one). */
const CLAIM_TAGS = 0xffn;

/** The DCC is not there for anyone to talk through: data read as zero and are lost when written. */
function dcc(name: string, key: number, el: 0 | 1): SysregDefinition {
  return { name, key, read: el, write: el, constant: 0n, traps: el === 0 ? TDCC : TDA };
}

/**
 * Debug registers. QEMU: DBGCLAIM*, OSDTR*, OSECCR and DBGDTR* are UNDEFINED on 7.2 and came with 8.0; here
 * they exist. MDCCINT_EL1 and DBGVCR32_EL2 are no-operations on 7.2 (a read leaves Rt alone); here they are
 * storage, as the architecture says. DBGAUTHSTATUS_EL1 and DBGPRCR_EL1 are UNDEFINED on every version.
 */
export const DEBUG_REGISTERS: readonly SysregDefinition[] = [
  dcc('OSDTRRX_EL1', sysregKey(2, 0, 0, 0, 2), 1),
  {
    name: 'MDCCINT_EL1',
    key: sysregKey(2, 0, 0, 2, 0),
    read: 1,
    write: 1,
    slot: SLOT_MDCCINT_EL1,
    mask: 0x6000_0000n,
    traps: TDA,
  },
  {
    name: 'MDSCR_EL1',
    key: sysregKey(2, 0, 0, 2, 2),
    read: 1,
    write: 1,
    slot: SYS_MDSCR_EL1,
    effect: 'debug',
    traps: TDA,
  },
  dcc('OSDTRTX_EL1', sysregKey(2, 0, 0, 3, 2), 1),
  dcc('OSECCR_EL1', sysregKey(2, 0, 0, 6, 2), 1),
  ...breakpointRegisters(),
  { name: 'MDRAR_EL1', key: sysregKey(2, 0, 1, 0, 0), read: 1, constant: 0n, traps: TDRA },
  {
    name: 'OSLAR_EL1',
    key: sysregKey(2, 0, 1, 0, 4),
    write: 1,
    set: (context, value, _config, key) => {
      const { slots } = context;
      const old = slots.get(SLOT_OSLSR_EL1);
      slots.set(SLOT_OSLSR_EL1, (value & 1n) !== 0n ? old | OSLSR_OSLK : old & ~OSLSR_OSLK);
      context.changed('debug', key);
    },
    traps: TDOSA,
  },
  {
    name: 'OSLSR_EL1',
    key: sysregKey(2, 0, 1, 1, 4),
    read: 1,
    slot: SLOT_OSLSR_EL1,
    reset: OSLSR_RESET,
    traps: TDOSA,
  },
  {
    name: 'OSDLR_EL1',
    key: sysregKey(2, 0, 1, 3, 4),
    read: 1,
    write: 1,
    slot: SLOT_OSDLR_EL1,
    mask: 1n,
    effect: 'debug',
    traps: TDOSA,
  },
  {
    name: 'DBGCLAIMSET_EL1',
    key: sysregKey(2, 0, 7, 8, 6),
    read: 1,
    write: 1,
    get: () => CLAIM_TAGS,
    set: ({ slots }, value) => slots.set(SLOT_DBGCLAIM, slots.get(SLOT_DBGCLAIM) | (value & CLAIM_TAGS)),
    traps: TDA,
  },
  {
    name: 'DBGCLAIMCLR_EL1',
    key: sysregKey(2, 0, 7, 9, 6),
    read: 1,
    write: 1,
    get: ({ slots }) => slots.get(SLOT_DBGCLAIM),
    set: ({ slots }, value) => slots.set(SLOT_DBGCLAIM, slots.get(SLOT_DBGCLAIM) & ~value),
    traps: TDA,
  },
  { name: 'MDCCSR_EL0', key: sysregKey(2, 3, 0, 1, 0), read: 0, constant: 0n, traps: TDCC },
  dcc('DBGDTR_EL0', sysregKey(2, 3, 0, 4, 0), 0),
  dcc('DBGDTRRX_EL0', sysregKey(2, 3, 0, 5, 0), 0),
  {
    name: 'DBGVCR32_EL2',
    key: sysregKey(2, 4, 0, 7, 0),
    read: 2,
    write: 2,
    when: (config) => config.el2 || config.el3,
    slot: SLOT_DBGVCR32_EL2,
    mask: 0xffff_ffffn,
    effect: 'debug',
    // MDCR_EL3.TDA takes it from EL2.
    traps: TDA,
  },
];
