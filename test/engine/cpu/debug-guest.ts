import { Assembler, REG, system } from '../../support/a64-assembler.ts';
import { powerOff, printLog } from './guest-log.ts';

/*
 * The guest of self-hosted-debug.test.ts. It carries out cases: each sets breakpoints, watchpoints and MDSCR_EL1 as a
 * record says and returns to a few instructions of its own at EL0 or EL1. Every exception on the way is noted, and at
 * the end X0 to X17 and a sum of the data that the instructions can reach.
 */

export const CODE_PA = 0x4060_0000;
/** Instructions of the cases. */
export const SNIPPETS_PA = 0x4070_0000;
export const SNIPPET_BYTES = 256;
const RECORDS_PA = 0x4080_0000;
export const LOG_PA = 0x40a0_0000;
/** Where the end of the log is told, 16 bytes a CPU. */
export const END_PA = 0x409f_0000;
export const DATA_PA = 0x40f0_0000;
export const DATA_BYTES = 512;
/** Between the logs, and the data, of two CPUs. */
export const CPU_LOG_BYTES = 0x10_0000;
export const CPU_DATA_BYTES = 0x1000;

export const BREAKPOINTS = 6;
export const WATCHPOINTS = 4;

export interface DebugCase {
  /** What runs; a word 0 ends it. */
  readonly words: readonly number[];
  readonly spsr: number;
  readonly mdscr: number;
  readonly locked?: boolean;
  readonly context?: number;
  /** After a Software Step exception the next instruction is stepped, too; otherwise MDSCR_EL1 is cleared. */
  readonly stepOn?: boolean;
  /** [DBGBVR, DBGBCR] and [DBGWVR, DBGWCR]. */
  readonly breakpoints?: readonly (readonly [bigint, number])[];
  readonly watchpoints?: readonly (readonly [bigint, number])[];
  /** X2 to X17; X0 and X1 are the first and the middle byte of the data. */
  readonly registers?: readonly bigint[];
}

const RECORD_WORDS = 6 + 2 * BREAKPOINTS + 2 * WATCHPOINTS + 18;
/** Exceptions after which a case is over. */
const MOST_EXCEPTIONS = 40;
const VECTOR = 18;
const LEFT = 26;
const LOG = 27;
const RECORD = 28;
const LAST = 29;
const CPU = 25;
const SUM = 24;

const MDSCR_EL1 = system(2, 0, 0, 2, 2);
const OSLAR_EL1 = system(2, 0, 1, 0, 4);
const CONTEXTIDR_EL1 = system(3, 0, 13, 0, 1);
const dbg = (n: number, op2: number): number => system(2, 0, 0, n, op2);
const SVC_0 = 0xd400_0001;
const UART = 0x900_0000;

export function snippetAt(index: number): number {
  return SNIPPETS_PA + index * SNIPPET_BYTES;
}

function record(
  { breakpoints = [], watchpoints = [], ...c }: DebugCase,
  index: number,
  data: number,
): bigint[] {
  const pairs = (list: readonly (readonly [bigint, number])[], count: number): bigint[] =>
    Array.from({ length: count }, (_, i) => list[i] ?? ([0n, 0] as const)).flatMap(([value, control]) => [
      value,
      BigInt(control),
    ]);
  return [
    BigInt(snippetAt(index)),
    BigInt(c.spsr),
    BigInt(c.mdscr),
    c.locked === true ? 1n : 0n,
    BigInt(c.context ?? 0),
    c.stepOn === true ? 1n : 0n,
    ...pairs(breakpoints, BREAKPOINTS),
    ...pairs(watchpoints, WATCHPOINTS),
    BigInt(data),
    BigInt(data + DATA_BYTES / 2),
    ...Array.from({ length: 16 }, (_, i) => c.registers?.[i] ?? BigInt(i)),
  ];
}

/** Segments of the guest; with several CPUs each one runs all cases on data of its own. */
export function debugGuest(
  cases: readonly DebugCase[],
  { cpus = 1, print = false }: { readonly cpus?: number; readonly print?: boolean } = {},
): {
  readonly entry: number;
  readonly segments: readonly { readonly physical: number; readonly bytes: Uint8Array }[];
} {
  const a = new Assembler(CODE_PA);
  vectors(a);
  boot(a, cpus, cases.length);
  loop(a);
  end(a, cpus, print);
  const snippets = new Uint32Array((cases.length * SNIPPET_BYTES) / 4);
  cases.forEach(({ words }, i) => {
    if (words.length * 4 >= SNIPPET_BYTES) throw new Error('a case is too long');
    snippets.set([...words, SVC_0], (i * SNIPPET_BYTES) / 4);
  });
  const records = Array.from({ length: cpus }, (_, cpu) =>
    cases.flatMap((each, i) => record(each, i, DATA_PA + cpu * CPU_DATA_BYTES)),
  ).flat();
  return {
    entry: a.address('entry'),
    segments: [
      { physical: CODE_PA, bytes: a.bytes() },
      { physical: SNIPPETS_PA, bytes: new Uint8Array(snippets.buffer) },
      { physical: RECORDS_PA, bytes: new Uint8Array(BigUint64Array.from(records).buffer) },
    ],
  };
}

function vectors(a: Assembler): void {
  for (let i = 0; i < 16; i++) {
    a.to(i * 128);
    a.movImm(VECTOR, i + 1);
    a.b('exception');
  }
  a.align(128);
  a.label('exception');
  a.mrs(19, REG.ESR_EL1);
  a.mrs(20, REG.FAR_EL1);
  a.mrs(21, REG.ELR_EL1);
  a.mrs(22, REG.SPSR_EL1);
  a.accessPost('str', VECTOR, LOG, 8);
  a.accessPost('str', 19, LOG, 8);
  a.accessPost('str', 20, LOG, 8);
  a.accessPost('str', 21, LOG, 8);
  a.accessPost('str', 22, LOG, 8);
  a.subsImm(LEFT, LEFT, 1);
  a.bCond('eq', 'over');
  a.lsr(23, 19, 26);
  a.movImm(18, 0x15);
  a.cmp(23, 18);
  a.bCond('eq', 'svc');
  a.movImm(18, 0x3e);
  a.and(18, 23, 18);
  a.subsImm(18, 18, 0x32);
  a.bCond('eq', 'step');
  a.addImm(21, 21, 4);
  a.msr(REG.ELR_EL1, 21);
  a.eret();
  a.label('svc');
  a.movImm(18, 0xffff);
  a.and(18, 19, 18);
  a.cbz(18, 'over');
  a.eret();
  a.label('step');
  a.access('ldr', 18, RECORD, 40);
  a.cbz(18, 'unstep');
  a.movImm(18, 1 << 21);
  a.word(0xaa00_0000 | (18 << 16) | (22 << 5) | 22); // ORR
  a.msr(REG.SPSR_EL1, 22);
  a.eret();
  a.label('unstep');
  a.msr(MDSCR_EL1, 31);
  a.eret();
}

function boot(a: Assembler, cpus: number, cases: number): void {
  a.label('entry');
  a.movImm(CPU, 0);
  for (let cpu = 1; cpu < cpus; cpu++) {
    a.movImm(0, 0xc400_0003); // PSCI CPU_ON
    a.movImm(1, cpu);
    a.adr(2, 'secondary');
    a.movImm(3, cpu);
    a.hvc();
  }
  a.b('common');
  a.label('secondary');
  a.mov(CPU, 0);
  a.label('common');
  a.movImm(0, CODE_PA);
  a.msr(REG.VBAR_EL1, 0);
  a.movImm(0, 3 << 20);
  a.msr(REG.CPACR_EL1, 0);
  a.mrs(0, REG.SCTLR_EL1);
  a.movImm(1, 1 << 14); // DZE
  a.word(0xaa01_0000); // ORR X0, X0, X1
  a.msr(REG.SCTLR_EL1, 0);
  a.movImm(RECORD, RECORDS_PA);
  a.movImm(LAST, cases * RECORD_WORDS * 8);
  a.mul(0, LAST, CPU);
  a.add(RECORD, RECORD, 0);
  a.add(LAST, RECORD, LAST);
  a.movImm(LOG, LOG_PA);
  a.movImm(0, CPU_LOG_BYTES);
  a.mul(0, 0, CPU);
  a.add(LOG, LOG, 0);
  a.isb();
}

function loop(a: Assembler): void {
  a.label('next');
  a.cmp(RECORD, LAST);
  a.bCond('hs', 'end');
  // The data are the same for every case.
  a.access('ldr', 0, RECORD, 0);
  a.movImm(1, (6 + 2 * BREAKPOINTS + 2 * WATCHPOINTS) * 8);
  a.add(1, 1, RECORD);
  a.access('ldr', 1, 1);
  a.movImm(2, DATA_BYTES / 8);
  a.movImm(3, 0x0123_4567_89ab_cdefn);
  a.label('fill');
  a.accessPost('str', 3, 1, 8);
  a.ror(3, 3, 61);
  a.subsImm(2, 2, 1);
  a.bCond('ne', 'fill');
  a.msr(MDSCR_EL1, 31);
  a.access('ldr', 1, RECORD, 24);
  a.msr(OSLAR_EL1, 1);
  a.access('ldr', 1, RECORD, 32);
  a.msr(CONTEXTIDR_EL1, 1);
  a.mov(2, RECORD);
  a.addImm(2, 2, 48);
  for (let n = 0; n < BREAKPOINTS; n++) {
    a.ldpPost(3, 4, 2, 16);
    a.msr(dbg(n, 4), 3);
    a.msr(dbg(n, 5), 4);
  }
  for (let n = 0; n < WATCHPOINTS; n++) {
    a.ldpPost(3, 4, 2, 16);
    a.msr(dbg(n, 6), 3);
    a.msr(dbg(n, 7), 4);
  }
  a.msr(REG.FAR_EL1, 31);
  a.access('ldr', 3, RECORD, 16);
  a.msr(MDSCR_EL1, 3);
  a.isb();
  a.msr(REG.ELR_EL1, 0);
  a.access('ldr', 3, RECORD, 8);
  a.msr(REG.SPSR_EL1, 3);
  a.movImm(LEFT, MOST_EXCEPTIONS);
  a.mov(SUM, 2);
  for (let n = 2; n < 18; n += 2) a.ldp(n, n + 1, SUM, n * 8);
  a.ldp(0, 1, SUM);
  for (let n = 0; n < 32; n++) a.word(0x4e08_0c00 | ((2 + (n & 15)) << 5) | n); // DUP Vn.2D, Xm
  a.eret();

  a.label('over');
  a.msr(MDSCR_EL1, 31);
  a.isb();
  for (let n = 0; n < 18; n += 2) a.stp(n, n + 1, LOG, n * 8);
  a.addImm(LOG, LOG, 144);
  a.movImm(1, (6 + 2 * BREAKPOINTS + 2 * WATCHPOINTS) * 8);
  a.add(1, 1, RECORD);
  a.access('ldr', 1, 1);
  a.movImm(2, DATA_BYTES / 8);
  a.movImm(SUM, 0);
  a.label('sum');
  a.accessPost('ldr', 3, 1, 8);
  a.ror(SUM, SUM, 7);
  a.eor(SUM, SUM, 3);
  a.subsImm(2, 2, 1);
  a.bCond('ne', 'sum');
  a.accessPost('str', SUM, LOG, 8);
  a.movImm(1, RECORD_WORDS * 8);
  a.add(RECORD, RECORD, 1);
  a.b('next');
}

function end(a: Assembler, cpus: number, print: boolean): void {
  a.label('end');
  a.movImm(1, END_PA);
  a.movImm(2, 16);
  a.mul(2, 2, CPU);
  a.add(1, 1, 2);
  a.access('str', LOG, 1);
  a.cbz(CPU, 'first');
  a.movImm(0, 0x8400_0002); // PSCI CPU_OFF
  a.hvc();
  a.label('first');
  for (let cpu = 1; cpu < cpus; cpu++) {
    a.label(`wait${cpu}`);
    a.yield();
    a.access('ldr', 2, 1, cpu * 16);
    a.cbz(2, `wait${cpu}`);
  }
  if (print) printLog(a, { uart: UART, first: LOG_PA, end: LOG, bytes: 8 });
  powerOff(a);
}
