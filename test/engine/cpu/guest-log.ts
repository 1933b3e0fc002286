import type { Assembler } from '../../support/a64-assembler.ts';

/** Where a guest finds its serial port and its log, as it addresses them. */
export interface GuestLog {
  readonly uart: number | bigint;
  readonly first: number | bigint;
  /** Register with the address behind the last entry. */
  readonly end: number;
  /** Of an entry. */
  readonly bytes: 4 | 8;
}

/** Prints the log, an entry a line, in hexadecimal. Uses X1 to X8, and labels `line` and `digit`. */
export function printLog(a: Assembler, { uart, first, end, bytes }: GuestLog): void {
  a.movImm(5, uart);
  a.movImm(1, first);
  a.movImm(6, 15);
  a.label('line');
  a.accessPost(bytes === 4 ? 'ldrw' : 'ldr', 2, 1, bytes);
  a.movImm(3, 2 * bytes);
  a.label('digit');
  a.lsr(4, 2, 8 * bytes - 4);
  a.and(4, 4, 6);
  a.addImm(7, 4, 0x30);
  a.addImm(8, 4, 0x57);
  a.subsImm(31, 4, 10);
  a.csel(4, 7, 8, 'lo');
  a.access('strb', 4, 5);
  a.ror(2, 2, 60);
  a.subsImm(3, 3, 1);
  a.bCond('ne', 'digit');
  a.movImm(4, 10);
  a.access('strb', 4, 5);
  a.cmp(1, end);
  a.bCond('lo', 'line');
}

/** Asks PSCI to power off. */
export function powerOff(a: Assembler): void {
  a.movImm(0, 0x8400_0008); // SYSTEM_OFF
  a.hvc();
  a.label('stay');
  a.b('stay');
}
