import { describe, expect, it } from 'vitest';
import { Pl031 } from '../../../engine/devices/pl031.ts';
import { Bench, busRead, busWrite } from './bench.ts';
import { deviceContract } from './contract.ts';

deviceContract(
  'pl031',
  (bench) => new Pl031({ ...bench.ports('rtc'), irq: bench.line('irq') }, { baseSeconds: 1_700_000_000 }),
  { survivesReset: ['RTCMR', 'RTCLR', 'RTCIMSC', 'RTCRIS', 'RTCMIS'] },
);

const SECOND = 1_000_000_000;

function setup(baseSeconds = 1000) {
  const bench = new Bench();
  const rtc = new Pl031({ ...bench.ports('rtc'), irq: bench.line('irq') }, { baseSeconds });
  const read = (offset: number) => Number(busRead(rtc, offset, 4));
  const write = (offset: number, value: number) => busWrite(rtc, offset, 4, BigInt(value));
  return { bench, rtc, read, write };
}

describe('Pl031', () => {
  it('counts seconds of virtual time from the base, modulo 2^32', () => {
    const { bench, rtc, read } = setup(0x1_0000_0000 - 1);
    expect(read(0)).toBe(0xffffffff);
    bench.advance(rtc, SECOND - 1);
    expect(read(0)).toBe(0xffffffff);
    bench.advance(rtc, 1);
    expect(read(0)).toBe(0);
  });

  it('raises the alarm whole seconds after RTCMR was written, only if enabled', () => {
    const { bench, rtc, read, write } = setup();
    bench.advance(rtc, SECOND / 4);
    write(0x10, 1);
    write(0x04, 1002);
    bench.advance(rtc, 2 * SECOND - 1);
    expect([bench.level('irq'), read(0x14)]).toStrictEqual([false, 0]);
    bench.advance(rtc, 1);
    expect([bench.level('irq'), read(0x14), read(0x18)]).toStrictEqual([true, 1, 1]);
    write(0x1c, 1);
    expect(bench.level('irq')).toBe(false);
    bench.advance(rtc, 10 * SECOND);
    expect(read(0x14)).toBe(0);
  });

  it('raises it at once when the time is there already, and goes around for a past time', () => {
    const { bench, read, write } = setup();
    write(0x04, 1000);
    expect(read(0x14)).toBe(1);
    write(0x1c, 1);
    write(0x04, 999);
    expect(bench.pendingTimers()[0]!.deadline).toBe(0xffffffff * SECOND);
  });

  it('sets the time by RTCLR, arms the alarm anew, and reads it back', () => {
    const { bench, rtc, read, write } = setup();
    bench.advance(rtc, 5 * SECOND);
    write(0x04, 2010);
    write(0x08, 2000);
    expect([read(0x00), read(0x08)]).toStrictEqual([2000, 2000]);
    bench.advance(rtc, 9 * SECOND);
    expect([read(0x00), read(0x14)]).toStrictEqual([2009, 0]);
    bench.advance(rtc, SECOND);
    expect([read(0x00), read(0x14)]).toStrictEqual([2010, 1]);
  });

  it('keeps alarm and time over a system reset', () => {
    const { bench, rtc, read, write } = setup();
    write(0x04, 1001);
    write(0x10, 1);
    rtc.reset();
    bench.advance(rtc, SECOND);
    expect([read(0x00), bench.level('irq')]).toStrictEqual([1001, true]);
  });
});
