import { describe, expect, it } from 'vitest';
import { Pl061, type Pl061Options } from '../../../engine/devices/pl061.ts';
import { Bench, busRead, busWrite } from './bench.ts';
import { deviceContract } from './contract.ts';

deviceContract(
  'pl061',
  (bench) => {
    const outputs = Array.from({ length: 8 }, (_, n) => bench.line(`out${n}`));
    return new Pl061({
      ...bench.ports('gpio'),
      irq: bench.line('irq'),
      output: (line, level) => outputs[line]!.set(level),
    });
  },
  {
    inputs: {
      line: (gpio, value) => gpio.receive('line', Uint8Array.of(value & 0xff, (value >> 8) & 1)),
      power: (gpio) => gpio.powerButton(),
    },
  },
);

function setup(options: Pl061Options = {}) {
  const bench = new Bench();
  const driven: string[] = [];
  const output = (line: number, level: boolean) => driven.push(`${line}${level ? '+' : '-'}`);
  const gpio = new Pl061({ ...bench.ports('gpio'), irq: bench.line('irq'), output }, options);
  const read = (offset: number) => Number(busRead(gpio, offset, 4));
  const write = (offset: number, value: number) => busWrite(gpio, offset, 4, BigInt(value));
  return { bench, gpio, driven, read, write };
}

describe('Pl061', () => {
  it('holds the power button for 100 ms of virtual time', () => {
    const { bench, gpio, read } = setup();
    gpio.powerButton();
    bench.advance(gpio, 99_999_999);
    expect(read(0x3fc)).toBe(8);
    bench.advance(gpio, 1);
    expect(read(0x3fc)).toBe(0);
  });

  it('gives one interrupt for a press and one for the release, as gpio-keys asks for', () => {
    const { bench, gpio, write } = setup();
    write(0x408, 8);
    write(0x410, 8);
    gpio.receive('power-button', new Uint8Array(0));
    expect(bench.level('irq')).toBe(true);
    write(0x41c, 8);
    expect(bench.level('irq')).toBe(false);
    bench.advance(gpio, 100_000_000);
    expect(bench.level('irq')).toBe(true);
  });

  it.each([
    { iev: 0x01, rising: true, falling: false },
    { iev: 0x00, rising: false, falling: true },
  ])('sees only the edge that IEV $iev chooses', ({ iev, rising, falling }) => {
    const { gpio, read, write } = setup();
    write(0x40c, iev);
    gpio.receive('line', Uint8Array.of(0, 1));
    expect(read(0x414) === 1).toBe(rising);
    write(0x41c, 1);
    gpio.receive('line', Uint8Array.of(0, 0));
    expect(read(0x414) === 1).toBe(falling);
  });

  it('latches a level until GPIOIC after it has gone', () => {
    const { gpio, read, write } = setup();
    write(0x40c, 0xff);
    write(0x404, 0x02);
    gpio.receive('line', Uint8Array.of(1, 1));
    write(0x41c, 0x02);
    expect(read(0x414)).toBe(2);
    gpio.receive('line', Uint8Array.of(1, 0));
    expect(read(0x414)).toBe(2);
    write(0x41c, 0x02);
    expect(read(0x414)).toBe(0);
  });

  it('drives lines that are outputs, through the address mask', () => {
    const { driven, gpio, read, write } = setup();
    write(0x400, 0x0f);
    write(0x03 << 2, 0xff);
    expect(driven).toStrictEqual(['0+', '1+']);
    expect(read(0x3fc)).toBe(3);
    gpio.receive('line', Uint8Array.of(2, 1));
    expect(read(0x3fc)).toBe(3);
    write(0x400, 0x01);
    expect(driven).toStrictEqual(['0+', '1+', '1-']);
    gpio.reset();
    expect(driven.at(-1)).toBe('0-');
  });

  it('leaves pulled-up lines high', () => {
    const { driven, write } = setup({ pullUps: 0x10, pullDowns: 0xef });
    write(0x400, 0x10);
    write(0x400, 0x00);
    expect(driven).toStrictEqual(['4-', '4+']);
  });
});
