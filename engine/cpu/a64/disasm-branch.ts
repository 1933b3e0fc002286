import { bitNumber, conditionSuffix } from './disasm-data.ts';
import {
  type Format,
  field,
  general,
  type Instruction,
  immediate,
  plain,
  relative,
  signed,
} from './disasm-format.ts';
import { OTHER_SYSTEM_REGISTERS, SYSTEM_OPERATIONS } from './disasm-sysnames.ts';
import { isImplementationDefined, sysregKey } from './sysreg-key.ts';
import { SYSTEM_REGISTERS } from './sysregs.ts';

/* Formats of branches, exceptions and system instructions (DDI 0487, C4.1.93), by name of the encoding. */

const of = (mnemonic: string, ...operands: string[]): Instruction => ({
  mnemonic,
  operands: operands.join(', '),
});
const is64 = (word: number): boolean => word >>> 31 === 1;
const CRm = (word: number): number => field(word, 8, 4);
const op2 = (word: number): number => field(word, 5, 3);
const op1 = (word: number): number => field(word, 16, 3);
const CRn = (word: number): number => field(word, 12, 4);
const Xt = (word: number): string => general(true, word & 31);

const branch26: (mnemonic: string) => Format = (mnemonic) => (word, address) =>
  relative(mnemonic, '', address + BigInt(signed(word, 0, 26) * 4));
const offset19 = (word: number): bigint => BigInt(signed(word, 5, 19) * 4);
const imm16 = (mnemonic: string): Format => plain(mnemonic, '<#5:16>');

const HINTS: { readonly [number: number]: readonly [string, string?] } = {
  0: ['nop'],
  1: ['yield'],
  2: ['wfe'],
  3: ['wfi'],
  4: ['sev'],
  5: ['sevl'],
  6: ['dgh'],
  7: ['xpaclri'],
  8: ['pacia1716'],
  10: ['pacib1716'],
  12: ['autia1716'],
  14: ['autib1716'],
  16: ['esb'],
  17: ['psb', 'csync'],
  18: ['tsb', 'csync'],
  20: ['csdb'],
  24: ['paciaz'],
  25: ['paciasp'],
  26: ['pacibz'],
  27: ['pacibsp'],
  28: ['autiaz'],
  29: ['autiasp'],
  30: ['autibz'],
  31: ['autibsp'],
  32: ['bti'],
  34: ['bti', 'c'],
  36: ['bti', 'j'],
  38: ['bti', 'jc'],
};

function hint(word: number): Instruction {
  const n = field(word, 5, 7);
  const known = HINTS[n];
  return known === undefined ? of('hint', immediate(n)) : { mnemonic: known[0], operands: known[1] ?? '' };
}

const BARRIERS: readonly string[] = ['osh', 'nsh', 'ish', ''].flatMap((domain) => [
  '',
  ...(domain === '' ? ['ld', 'st', 'sy'] : [`${domain}ld`, `${domain}st`, domain]),
]);

function barrier(mnemonic: string): Format {
  return (word) => {
    const crm = CRm(word);
    if (mnemonic === 'dsb' && crm === 0) return of('ssbb');
    if (mnemonic === 'dsb' && crm === 4) return of('pssbb');
    return of(mnemonic, BARRIERS[crm] || immediate(crm));
  };
}

/** CLREX and ISB: the operand is 15 unless written. */
const optional15 =
  (mnemonic: string): Format =>
  (word) =>
    CRm(word) === 15 ? of(mnemonic) : of(mnemonic, immediate(CRm(word)));

/** <pstatefield>: op1, op2, name, largest immediate. */
const PSTATE_FIELDS: readonly (readonly [number, number, string, number])[] = [
  [0, 3, 'uao', 1],
  [0, 4, 'pan', 1],
  [0, 5, 'spsel', 15],
  [3, 1, 'ssbs', 15],
  [3, 2, 'dit', 15],
  [3, 4, 'tco', 15],
  [3, 6, 'daifset', 15],
  [3, 7, 'daifclr', 15],
];
const FLAG_OPERATIONS = ['cfinv', 'xaflag', 'axflag'];

function msrImmediate(word: number): Instruction {
  const crm = CRm(word);
  const known = PSTATE_FIELDS.find(([a, b]) => a === op1(word) && b === op2(word));
  if (known !== undefined && crm <= known[3]) return of('msr', known[2], immediate(crm));
  if (op1(word) === 0 && op2(word) < 3 && crm === 0) return of(FLAG_OPERATIONS[op2(word)]!);
  return of('msr', `s0_${op1(word)}_c4_c${crm}_${op2(word)}`, 'xzr');
}

function parseRows(text: string, keyFields: number): [number[], string][] {
  return text
    .trim()
    .split('\n')
    .flatMap((row): [number[], string][] => {
      const cells = row.split(' ');
      const head = cells.slice(0, keyFields).map(Number);
      return cells
        .slice(keyFields)
        .flatMap((name, op2): [number[], string][] => (name === '-' ? [] : [[[...head, op2], name]]));
    });
}

function registerNames(): Map<number, string> {
  const names = new Map<number, string>();
  for (const [[a, b, c, d, e], name] of parseRows(OTHER_SYSTEM_REGISTERS, 4)) {
    names.set(sysregKey(a!, b!, c!, d!, e!), name);
  }
  for (const { name, key } of SYSTEM_REGISTERS) {
    // Names of one implementation, and of ID registers that are only reserved, are nobody's names.
    if (!isImplementationDefined(key) && !name.startsWith('RES_')) names.set(key, name.toLowerCase());
  }
  return names;
}

const REGISTER_NAMES = registerNames();
const DBGDTR_EL0 = sysregKey(2, 3, 0, 5, 0);

/** Name of a system register as an operand of MRS or MSR. */
export function systemRegisterName(key: number, isRead: boolean): string {
  // One encoding, two registers
  if (key === DBGDTR_EL0) return isRead ? 'dbgdtrrx_el0' : 'dbgdtrtx_el0';
  const name = REGISTER_NAMES.get(key);
  if (name !== undefined) return name;
  return `s${key >> 14}_${(key >> 11) & 7}_c${(key >> 7) & 15}_c${(key >> 3) & 15}_${key & 7}`;
}

/** Bits 20:5 with op0 = 2 or 3: bit 20 is always set. */
const keyOf = (word: number): number => field(word, 5, 16);

const OPERATIONS = new Map(
  parseRows(SYSTEM_OPERATIONS, 3).map(([[a, b, c, d], name]) => [sysregKey(1, a!, b!, c!, d!), name]),
);
/** They work on everything, and have no register. */
const WITHOUT_REGISTER = /^(iallu|vmall|alle|paall|iall$|inj$)/;

function system(word: number): Instruction {
  const isRead = field(word, 21, 1) === 1;
  const fields = [`#${op1(word)}`, `c${CRn(word)}`, `c${CRm(word)}`, `#${op2(word)}`];
  if (isRead) return of('sysl', Xt(word), ...fields);
  const alias = OPERATIONS.get(keyOf(word));
  // BRB is an alias only without a register; the others ignore the one that they do not have.
  if (alias !== undefined && (!alias.startsWith('brb:') || (word & 31) === 31)) {
    const [mnemonic, operation] = alias.split(':') as [string, string];
    return WITHOUT_REGISTER.test(operation) ? of(mnemonic, operation) : of(mnemonic, operation, Xt(word));
  }
  return (word & 31) === 31 ? of('sys', ...fields) : of('sys', ...fields, Xt(word));
}

export const BRANCH_FORMATS: { readonly [name: string]: Format } = {
  B: branch26('b'),
  BL: branch26('bl'),
  B_cond: (word, address) => relative(`b.${conditionSuffix(word)}`, '', address + offset19(word)),
  CBZ: (word, address) =>
    relative(
      field(word, 24, 1) ? 'cbnz' : 'cbz',
      `${general(is64(word), word & 31)}, `,
      address + offset19(word),
    ),
  TBZ: (word, address) =>
    relative(
      field(word, 24, 1) ? 'tbnz' : 'tbz',
      `${general(is64(word), word & 31)}, ${bitNumber(word)}, `,
      address + BigInt(signed(word, 5, 14) * 4),
    ),
  BR: plain('br', '<Xn>'),
  BLR: plain('blr', '<Xn>'),
  RET: (word) => (field(word, 5, 5) === 30 ? of('ret') : of('ret', general(true, field(word, 5, 5)))),
  ERET: plain('eret', ''),
  DRPS: plain('drps', ''),
  SVC: imm16('svc'),
  HVC: imm16('hvc'),
  SMC: imm16('smc'),
  BRK: imm16('brk'),
  HLT: imm16('hlt'),
  DCPS: (word) => {
    const imm = field(word, 5, 16);
    return imm === 0 ? of(`dcps${word & 3}`) : of(`dcps${word & 3}`, immediate(imm));
  },
  HINT: hint,
  CLREX: optional15('clrex'),
  DSB: barrier('dsb'),
  DMB: barrier('dmb'),
  ISB: optional15('isb'),
  MSR_imm: msrImmediate,
  SYS: system,
  MSR_reg: (word) => of('msr', systemRegisterName(keyOf(word), false), Xt(word)),
  MRS: (word) => of('mrs', Xt(word), systemRegisterName(keyOf(word), true)),
};
