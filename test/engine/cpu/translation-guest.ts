import { Assembler, REG, SYS } from '../../support/a64-assembler.ts';
import { powerOff, printLog } from './guest-log.ts';

/*
 * The part of the guest of translation-stress.test.ts that is the same for all programs: it carries out a list of
 * operations, one record each, and notes a checksum after every one. It lives in the upper half of the addresses,
 * in a map of all memory that nothing changes, and counts every exception as a result.
 */

export const CODE_PA = 0x4060_0000;
export const HEADERS_PA = 0x4080_0000;
export const OPERATIONS_PA = 0x4090_0000;
export const OPERATIONS_BYTES = 0x10_0000;
export const LOGS_PA = 0x40d0_0000;
export const LOG_BYTES = 0x1_0000;
/** Tables that stay as they are. */
export const FIXED_PA = 0x40e0_0000;
export const SAFE_ROOT = FIXED_PA;
const SAFE_LEVEL2 = FIXED_PA + 0x1000;
const LINEAR_LEVEL2 = FIXED_PA + 0x2000;
/** Pages of functions. */
export const FUNCTIONS_PA = 0x4200_0000;
export const FUNCTION_PAGES = 6;

/** Virtual minus physical addresses in the upper half, where T1SZ is 30. */
export const LINEAR = 0xffff_fffc_0000_0000n;
export const linear = (pa: number): bigint => LINEAR + BigInt(pa);

/** T1SZ = 30, 4 KiB; write-back, inner shareable; IPS 40 bits. */
export const TCR_FIXED =
  (30n << 16n) | (2n << 30n) | (2n << 32n) | (0x35n << 8n) | (0x35n << 24n) | (1n << 38n);
export const TCR_SAFE = TCR_FIXED | 25n;
/** RES1 bits, M, C, I, and SPAN, nTWE, nTWI. */
export const SCTLR = 0x30d0_1805n | (1n << 18n) | (1n << 16n);
/** Normal write-back, normal write-through, Device-nGnRnE, normal non-cacheable. */
export const MAIR = 0x4400_bbffn;

const VALID = 1n;
const AF = 1n << 10n;
const SHARED = 3n << 8n;
const READ_ONLY = 2n << 6n;
const NEVER = 3n << 53n;

/** The fixed tables: [physical address, 64-bit words]. */
export function fixedTables(): [number, BigUint64Array<ArrayBuffer>][] {
  // Code is read-only, so that WXN may be set.
  const code = BigInt(CODE_PA) | VALID | AF | SHARED | READ_ONLY | (1n << 54n);
  const root = new BigUint64Array(512);
  root[1] = BigInt(SAFE_LEVEL2) | 3n;
  const level2 = new BigUint64Array(512);
  level2[3] = code;
  const all = BigUint64Array.from(
    { length: 512 },
    (_, i) => (0x4000_0000n + (BigInt(i) << 21n)) | VALID | AF | SHARED | NEVER,
  );
  all[3] = code;
  return [
    [SAFE_ROOT, root],
    [SAFE_LEVEL2, level2],
    [LINEAR_LEVEL2, all],
  ];
}

/** The entries of a TTBR1 table (16 of them) that the guest itself needs: devices, and all memory. */
export const UPPER_FIXED: readonly bigint[] = [VALID | AF | NEVER | (2n << 2n), BigInt(LINEAR_LEVEL2) | 3n];

/** What begins with a CPU: addresses are virtual. */
export interface Header {
  readonly first: bigint;
  readonly end: bigint;
  readonly log: bigint;
  readonly tcr: bigint;
  readonly ttbr0: bigint;
  readonly ttbr1: bigint;
}
export const HEADER_WORDS = 8;

/** Registers that the guest keeps. */
const SYNC = 18;
const OP = 19;
const END = 20;
const LOG = 21;
const HEADER = 22;
const SPSR = 23;
const FACTOR = 24;
const TO_VIRTUAL = 26;
const SUM = 27;
const RECOVER = 28;

export const OPERATIONS = [
  'load',
  'load32',
  'load8',
  'loadPair',
  'store',
  'store32',
  'store8',
  'storePair',
  'copyQ',
  'loadUser',
  'storeUser',
  'exclusive',
  'add',
  'swapPair',
  'zero',
  'fill',
  'sweep',
  'ttbr0',
  'ttbr1',
  'tcr',
  'sctlr',
  'cpacr',
  'mair',
  'tlbiAll',
  'tlbiVa',
  'tlbiAsid',
  'tlbiLast',
  'atRead',
  'atUser',
  'call',
  'user',
  'physicalLoad',
  'physicalStore',
  'pan',
  'yield',
] as const;
export type OperationName = (typeof OPERATIONS)[number];
/** Words of a record: handler, whether everything is made visible afterwards, four arguments. */
export const RECORD_WORDS = 6;

export interface Runtime {
  readonly bytes: Uint8Array;
  /** Physical addresses. */
  readonly entry: number;
  readonly handlers: ReadonlyMap<OperationName, number>;
}

const UART = 0x900_0000;

/** Assembles it; CPU 0 starts the others, waits for them, prints the sums and switches off. */
export function buildRuntime(cpus: number, log: boolean): Runtime {
  const a = new Assembler(CODE_PA);
  vectors(a);
  boot(a, cpus);
  loop(a, cpus, log);
  handlers(a);
  return {
    bytes: a.bytes(),
    entry: a.address('entry'),
    handlers: new Map(OPERATIONS.map((name) => [name, a.address(name)])),
  };
}

function vectors(a: Assembler): void {
  for (let i = 0; i < 16; i++) {
    a.to(i * 128);
    a.b('exception');
  }
  a.align(128);
  a.label('exception');
  a.mrs(11, REG.ESR_EL1);
  a.mrs(12, REG.FAR_EL1);
  a.mrs(13, REG.ELR_EL1);
  // FAR counts for aborts only: exception classes 20, 21, 24 and 25.
  a.lsr(14, 11, 26);
  a.movImm(15, 0x3a);
  a.and(15, 14, 15);
  a.subsImm(15, 15, 0x20);
  a.csel(12, 12, 31, 'eq');
  // An SVC ends a function with its result; anything else is the result.
  a.subsImm(15, 14, 0x15);
  a.csel(0, 0, 11, 'eq');
  a.eor(0, 0, 12);
  a.ror(0, 0, 13);
  a.eor(0, 0, 13);
  a.msr(REG.SPSR_EL1, SPSR);
  a.msr(REG.ELR_EL1, RECOVER);
  a.eret();
}

function boot(a: Assembler, cpus: number): void {
  a.label('entry');
  a.movImm(25, 0);
  for (let cpu = 1; cpu < cpus; cpu++) {
    a.movImm(0, 0xc400_0003); // PSCI CPU_ON
    a.movImm(1, cpu);
    a.adr(2, 'secondary');
    a.movImm(3, cpu);
    a.hvc();
  }
  a.b('common');
  a.label('secondary');
  a.mov(25, 0);
  a.label('common');
  a.movImm(HEADER, HEADERS_PA);
  a.movImm(1, HEADER_WORDS * 8);
  a.mul(1, 1, 25);
  a.add(HEADER, HEADER, 1);
  a.ldpPost(OP, END, HEADER, 16);
  a.ldpPost(LOG, 5, HEADER, 16);
  a.ldpPost(6, 7, HEADER, 16);
  a.movImm(TO_VIRTUAL, LINEAR);
  a.add(HEADER, HEADER, TO_VIRTUAL);
  a.movImm(FACTOR, 0x9e37_79b9_7f4a_7c15n);
  a.movImm(SUM, 1);
  a.movImm(SPSR, 0x3c5);
  a.movImm(1, MAIR);
  a.msr(REG.MAIR_EL1, 1);
  a.movImm(1, 3 << 20);
  a.msr(REG.CPACR_EL1, 1);
  a.movImm(1, SAFE_ROOT);
  a.msr(REG.TTBR0_EL1, 1);
  a.msr(REG.TTBR1_EL1, 7);
  a.movImm(1, TCR_SAFE);
  a.msr(REG.TCR_EL1, 1);
  a.movImm(1, linear(CODE_PA));
  a.msr(REG.VBAR_EL1, 1);
  synchronise(a);
  a.movImm(1, SCTLR);
  a.msr(REG.SCTLR_EL1, 1);
  a.isb();
  goUp(a, 'up');
  a.msr(REG.TTBR0_EL1, 6);
  a.msr(REG.TCR_EL1, 5);
  synchronise(a);
  a.adr(RECOVER, 'done');
}

function synchronise(a: Assembler): void {
  a.dsb();
  a.sys(SYS.TLBI_VMALLE1IS);
  a.dsb();
  a.isb();
}

/** On at the next instruction, at its address in the upper half. */
function goUp(a: Assembler, label: string): void {
  a.adr(9, label);
  a.add(9, 9, TO_VIRTUAL);
  a.br(9);
  a.label(label);
}

function loop(a: Assembler, cpus: number, log: boolean): void {
  a.label('next');
  a.cmp(OP, END);
  a.bCond('hs', 'end');
  a.ldpPost(9, SYNC, OP, 16);
  a.ldpPost(1, 2, OP, 16);
  a.ldpPost(3, 4, OP, 16);
  a.movImm(0, 0);
  a.br(9);

  a.label('done');
  a.eor(SUM, SUM, 0);
  a.mul(SUM, SUM, FACTOR);
  a.ror(SUM, SUM, 29);
  a.accessPost('strw', SUM, LOG, 4);
  a.cbz(SYNC, 'next');
  synchronise(a);
  a.b('next');

  a.label('end');
  // Done is told in the header; CPU 0 waits for everybody.
  a.movImm(1, 1);
  a.access('str', 1, HEADER);
  a.cbz(25, 'first');
  a.movImm(0, 0x8400_0002); // PSCI CPU_OFF
  a.hvc();
  a.label('first');
  for (let cpu = 1; cpu < cpus; cpu++) {
    a.label(`wait${cpu}`);
    a.yield();
    a.access('ldr', 1, HEADER, cpu * HEADER_WORDS * 8);
    a.cbz(1, `wait${cpu}`);
  }
  if (log) printLog(a, { uart: linear(UART), first: linear(LOGS_PA), end: LOG, bytes: 4 });
  powerOff(a);
}

function handlers(a: Assembler): void {
  const handler = (name: OperationName, body: () => void): void => {
    a.label(name);
    body();
    a.b('done');
  };
  handler('load', () => a.access('ldr', 0, 1));
  handler('load32', () => a.access('ldrw', 0, 1));
  handler('load8', () => a.access('ldrb', 0, 1));
  handler('loadPair', () => {
    a.ldp(0, 5, 1);
    a.ror(5, 5, 9);
    a.eor(0, 0, 5);
  });
  handler('store', () => a.access('str', 2, 1));
  handler('store32', () => a.access('strw', 2, 1));
  handler('store8', () => a.access('strb', 2, 1));
  handler('storePair', () => a.stp(2, 3, 1));
  handler('copyQ', () => {
    a.access('ldrq', 0, 1);
    a.access('strq', 0, 2);
  });
  handler('loadUser', () => a.access('ldtr', 0, 1));
  handler('storeUser', () => a.access('sttr', 2, 1));
  handler('exclusive', () => {
    a.ldxr(0, 1);
    a.stxr(5, 2, 1);
    a.add(0, 0, 5);
  });
  handler('add', () => a.ldadd(2, 0, 1));
  handler('swapPair', () => {
    a.mov(6, 2);
    a.mov(7, 3);
    a.ldp(8, 9, 1);
    // Registers 8 and 9 are compared with and receive the old values, 6 and 7 are stored.
    a.casp(8, 6, 1);
    a.eor(0, 8, 9);
  });
  handler('zero', () => a.sys(SYS.DC_ZVA, 1));
  handler('fill', () => {
    a.label('fillLoop');
    a.access('str', 2, 1);
    a.add(1, 1, 4);
    a.subsImm(3, 3, 1);
    a.bCond('ne', 'fillLoop');
    a.mov(0, 1);
  });
  handler('sweep', () => {
    a.label('sweepLoop');
    a.access('ldr', 5, 1);
    a.eor(0, 0, 5);
    a.ror(0, 0, 11);
    a.add(1, 1, 4);
    a.subsImm(3, 3, 1);
    a.bCond('ne', 'sweepLoop');
  });
  handler('ttbr0', () => {
    a.msr(REG.TCR_EL1, 2);
    a.msr(REG.TTBR0_EL1, 1);
    a.isb();
  });
  const register = (name: OperationName, key: number): void =>
    handler(name, () => {
      a.msr(key, 1);
      a.isb();
    });
  register('ttbr1', REG.TTBR1_EL1);
  register('tcr', REG.TCR_EL1);
  register('sctlr', REG.SCTLR_EL1);
  register('cpacr', REG.CPACR_EL1);
  register('mair', REG.MAIR_EL1);
  const sys = (name: OperationName, operation: number): void =>
    handler(name, () => {
      a.dsb();
      a.sys(operation, operation === SYS.TLBI_VMALLE1 ? 31 : 1);
      a.dsb();
      a.isb();
    });
  sys('tlbiAll', SYS.TLBI_VMALLE1);
  sys('tlbiVa', SYS.TLBI_VAE1IS);
  sys('tlbiAsid', SYS.TLBI_ASIDE1IS);
  sys('tlbiLast', SYS.TLBI_VAALE1);
  const at = (name: OperationName, operation: number): void =>
    handler(name, () => {
      a.sys(operation, 1);
      a.isb();
      a.mrs(0, REG.PAR_EL1);
    });
  at('atRead', SYS.AT_S1E1R);
  at('atUser', SYS.AT_S1E0W);
  handler('call', () => a.blr(1));
  handler('user', () => {
    a.movImm(5, 0x3c0);
    a.msr(REG.SPSR_EL1, 5);
    a.msr(REG.ELR_EL1, 1);
    // Functions return to an SVC in their own page.
    a.movImm(5, 0xfff);
    a.and(5, 1, 5);
    a.sub(30, 1, 5);
    a.addImm(30, 30, SVC_OFFSET);
    a.eret();
  });
  physical(a, 'physicalLoad', () => a.access('ldr', 0, 1));
  physical(a, 'physicalStore', () => a.access('str', 2, 1));
  handler('pan', () => {
    // By a return from an exception; without FEAT_PAN nothing happens.
    a.movImm(5, 1 << 22);
    a.eor(SPSR, SPSR, 5);
    a.msr(REG.SPSR_EL1, SPSR);
    a.msr(REG.ELR_EL1, RECOVER);
    a.eret();
  });
  handler('yield', () => a.yield());
}

/** An access with the MMU off, from where virtual and physical addresses of the code agree. */
function physical(a: Assembler, name: 'physicalLoad' | 'physicalStore', access: () => void): void {
  a.label(name);
  a.mrs(5, REG.TTBR0_EL1);
  a.mrs(6, REG.TCR_EL1);
  a.mrs(7, REG.SCTLR_EL1);
  a.movImm(9, SAFE_ROOT);
  a.msr(REG.TTBR0_EL1, 9);
  a.movImm(9, TCR_SAFE);
  a.msr(REG.TCR_EL1, 9);
  synchronise(a);
  a.adr(9, `${name}Down`);
  a.sub(9, 9, TO_VIRTUAL);
  a.br(9);
  a.label(`${name}Down`);
  a.movImm(9, CODE_PA);
  a.msr(REG.VBAR_EL1, 9);
  a.movImm(9, SCTLR & ~1n);
  a.msr(REG.SCTLR_EL1, 9);
  a.isb();
  a.adr(RECOVER, `${name}After`);
  access();
  a.label(`${name}After`);
  a.msr(REG.SCTLR_EL1, 7);
  synchronise(a);
  goUp(a, `${name}Up`);
  a.adr(RECOVER, 'done');
  a.movImm(9, linear(CODE_PA));
  a.msr(REG.VBAR_EL1, 9);
  a.msr(REG.TTBR0_EL1, 5);
  a.msr(REG.TCR_EL1, 6);
  synchronise(a);
  a.b('done');
}

/* ------------------------------------------------------------------ functions */

const SVC_OFFSET = 0x7f0;

/**
 * Offsets of the functions in their page. X2 is an address, X3 a value, X4 a count; the result is in X0. `ends` are
 * those that leave their page.
 */
export const FUNCTIONS = {
  constant: 0x000,
  /** A store, and more of the same block behind it. */
  store: 0x020,
  /** A loop inside the page that stores. */
  fill: 0x060,
  load: 0x0a0,
  /** Goes to and fro between this page and the next (pages of even number) or the one before. */
  pages: 0x0c0,
  /** The last instructions of the page, and the first of the next. */
  last: 0xff0,
} as const;

/** Functions of a page; each page has its own constants, and all have the same layout. */
export function functionPage(page: number): Uint8Array {
  const a = new Assembler(0);
  const step = page + 1;
  a.movImm(0, 0x100 + page);
  a.ret();
  a.to(FUNCTIONS.store);
  a.access('str', 3, 2);
  a.movImm(0, 0x200 + page);
  a.addImm(0, 0, step);
  a.ror(0, 0, step);
  a.addImm(0, 0, step);
  a.ret();
  a.to(FUNCTIONS.fill);
  a.label('fill');
  a.access('str', 3, 2);
  a.addImm(2, 2, 8);
  a.addImm(0, 0, step);
  a.ror(0, 0, step);
  a.subsImm(4, 4, 1);
  a.bCond('ne', 'fill');
  a.ret();
  a.to(FUNCTIONS.load);
  a.access('ldr', 0, 2);
  a.addImm(0, 0, step);
  a.ret();
  a.to(FUNCTIONS.pages);
  a.addImm(0, 0, step);
  a.ror(0, 0, 3);
  a.access('ldr', 5, 2);
  a.add(0, 0, 5);
  a.access('str', 3, 2);
  a.subsImm(4, 4, 1);
  a.bCondBy('ne', (page % 2 === 0 ? 0x1000 : -0x1000) - 0x18);
  a.ret();
  a.to(SVC_OFFSET);
  a.svc();
  a.to(FUNCTIONS.last);
  a.addImm(0, 0, step);
  a.ror(0, 0, step);
  a.addImm(0, 0, step);
  a.addImm(0, 0, step);
  return a.bytes();
}
