import { describe, expect, it } from 'vitest';
import { Pl011 } from '../../../engine/devices/pl011.ts';
import { Bench, busRead, busWrite } from './bench.ts';
import { deviceContract } from './contract.ts';

deviceContract('pl011', (bench) => new Pl011({ ...bench.ports('uart0'), irq: bench.line('irq') }), {
  inputs: {
    keys: (uart, value) => {
      const length = Math.min(uart.receiveCapacity(), 1 + (value % 20));
      uart.receive('bytes', new Uint8Array(length).fill(value & 0xff));
    },
    flood: (uart, value) => uart.receive('bytes', new Uint8Array(20).fill(value & 0xff)),
    break: (uart) => uart.receive('break', new Uint8Array(0)),
  },
});

const DR = 0x00;
const FR = 0x18;
const LCR_H = 0x2c;
const IMSC = 0x38;
const RIS = 0x3c;
const ICR = 0x44;
const FEN = 0x10n;

function setup() {
  const bench = new Bench();
  const uart = new Pl011({ ...bench.ports('uart0'), irq: bench.line('irq') });
  const type = (text: string) =>
    uart.receive(
      'bytes',
      Uint8Array.from(text, (letter) => letter.charCodeAt(0)),
    );
  const read = (offset: number) => Number(busRead(uart, offset, 4));
  const write = (offset: number, value: bigint) => busWrite(uart, offset, 4, value);
  return { bench, uart, type, read, write };
}

describe('Pl011', () => {
  it('takes one character without FIFO; an empty one shows the next slot (seen on QEMU 7.2.22)', () => {
    const { uart, type, read } = setup();
    expect(uart.receiveCapacity()).toBe(1);
    type('A');
    expect([uart.receiveCapacity(), read(FR), read(RIS)]).toStrictEqual([0, 0xc0, 0x10]);
    expect(read(DR)).toBe(0x41);
    expect([uart.receiveCapacity(), read(FR), read(RIS)]).toStrictEqual([1, 0x90, 0]);
    expect([read(DR), read(DR)]).toStrictEqual([0, 0]);
  });

  it('takes sixteen characters with FIFO and gives them in order', () => {
    const { uart, type, read, write } = setup();
    write(LCR_H, FEN);
    expect(uart.receiveCapacity()).toBe(16);
    type('0123456789abcde');
    expect(read(FR)).toBe(0x80);
    type('f');
    expect([uart.receiveCapacity(), read(FR)]).toStrictEqual([0, 0xc0]);
    const got = Array.from({ length: 16 }, () => String.fromCharCode(read(DR))).join('');
    expect(got).toBe('0123456789abcdef');
    expect(read(DR)).toBe(0x30);
  });

  it('raises RX only when the first character comes, also after ICR with data left', () => {
    const { bench, type, read, write } = setup();
    write(LCR_H, FEN);
    write(IMSC, 0x10n);
    type('ab');
    expect(bench.level('irq')).toBe(true);
    write(ICR, 0x7ffn);
    expect(bench.level('irq')).toBe(false);
    type('c');
    read(DR);
    expect(bench.level('irq')).toBe(false);
    read(DR);
    read(DR);
    type('d');
    expect(bench.level('irq')).toBe(true);
    read(DR);
    expect(bench.level('irq')).toBe(false);
  });

  it('sends at once, whether enabled or not, and raises TX', () => {
    const { bench, read, write } = setup();
    write(IMSC, 0x20n);
    write(DR, 0x141n);
    expect(bench.log).toStrictEqual(['output uart0: 65', 'line irq high']);
    expect(read(RIS)).toBe(0x20);
    write(ICR, 0x20n);
    expect(bench.level('irq')).toBe(false);
  });

  it('shows a break in DR and RSR until ECR is written', () => {
    const { uart, read, write } = setup();
    uart.receive('break', new Uint8Array(0));
    expect([read(DR), read(0x04)]).toStrictEqual([0x400, 4]);
    write(0x04, 0n);
    expect(read(0x04)).toBe(0);
  });

  it('empties the FIFO when FEN changes', () => {
    const { uart, type, read, write } = setup();
    type('X');
    write(LCR_H, FEN);
    expect([read(FR), uart.receiveCapacity()]).toStrictEqual([0x90, 16]);
  });

  it('loses what the host sends beyond the capacity, and says so', () => {
    const { bench, type, read } = setup();
    type('xy');
    expect(bench.log).toStrictEqual(['note uart0 overrun {"character":121}']);
    expect(read(DR)).toBe(0x78);
  });

  it('lowers its line at reset', () => {
    const { bench, uart, type, read, write } = setup();
    write(IMSC, 0x10n);
    type('x');
    uart.reset();
    expect([bench.level('irq'), read(FR), read(IMSC)]).toStrictEqual([false, 0x90, 0]);
  });
});
