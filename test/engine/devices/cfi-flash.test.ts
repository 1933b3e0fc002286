import { describe, expect, it } from 'vitest';
import { CfiFlash } from '../../../engine/devices/cfi-flash.ts';
import { Bench, busRead, busWrite } from './bench.ts';
import { deviceContract } from './contract.ts';

const SIZE = 0x80000;

function make(bench: Bench, readOnly = false): CfiFlash {
  const contents = bench.memory('contents', SIZE);
  const storage = {
    read: (offset: number, into: Uint8Array) => into.set(contents.subarray(offset, offset + into.length)),
    write: (offset: number, from: Uint8Array) => contents.set(from, offset),
    setReadArray: () => {},
  };
  return new CfiFlash({ ...bench.ports('flash0'), storage }, { size: SIZE, readOnly });
}

// Buffered programs are the deepest state: 0xE8, a small count, data.
const values = [0x10, 0x20, 0x50, 0x60, 0x70, 0x90, 0x98, 0xd0, 0xe8, 0xe8, 0xe8, 0xff, 1, 2];
const options = { size: SIZE, unknownOffsets: false, values, runs: 30 };
deviceContract('cfi-flash', (bench) => make(bench), options);
deviceContract('cfi-flash, read-only', (bench) => make(bench, true), options);

function setup({ readOnly = false, size = SIZE } = {}) {
  const contents = new Uint8Array(size);
  const modes: boolean[] = [];
  const storage = {
    read: (offset: number, into: Uint8Array) => into.set(contents.subarray(offset, offset + into.length)),
    write: (offset: number, from: Uint8Array) => contents.set(from, offset),
    setReadArray: (on: boolean) => modes.push(on),
  };
  const flash = new CfiFlash({ ...new Bench().ports('flash0'), storage }, { size, readOnly });
  const read = (offset: number) => Number(busRead(flash, offset, 4));
  const write = (offset: number, ...values: number[]) => {
    for (const value of values) busWrite(flash, offset, 4, BigInt(value));
  };
  return { contents, modes, flash, read, write };
}

describe('CfiFlash', () => {
  it('has the query table of devices.md 5.4 for a bank of 64 MiB', () => {
    const { read, write } = setup({ size: 0x400_0000 });
    write(0, 0x98);
    const table = Array.from({ length: 0x60 }, (_, index) => read(index * 4));
    expect(table.every((word) => word >>> 16 === (word & 0xffff))).toBe(true);
    const bytes = (from: number, to: number) => table.slice(from, to + 1).map((word) => word & 0xff);
    expect(String.fromCharCode(...bytes(0x10, 0x12), ...bytes(0x31, 0x35))).toBe('QRYPRI10');
    expect(bytes(0x13, 0x16)).toStrictEqual([1, 0, 0x31, 0]);
    expect(bytes(0x1b, 0x30)).toStrictEqual([
      0x45, 0x55, 0, 0, 7, 7, 0x0a, 0, 4, 4, 4, 0, 0x19, 2, 0, 0x0b, 0, 1, 0xff, 0, 0, 2,
    ]);
    expect(bytes(0x36, 0x5f).filter((byte) => byte !== 0)).toStrictEqual([1]);
  });

  it('may be mapped as memory only in read-array mode, and says so once per change', () => {
    const { flash, modes, write } = setup();
    expect(flash.readArray).toBe(true);
    write(0, 0xff, 0x70, 0x90, 0xff, 0xff, 0x70);
    expect(modes).toStrictEqual([false, true, false]);
    flash.reset();
    expect([flash.readArray, modes.at(-1)]).toStrictEqual([true, true]);
    const state = flash.save();
    write(0, 0x70);
    flash.load(state);
    expect(modes.at(-1)).toBe(true);
  });

  it('erases a block of 256 KiB and programs words as they are', () => {
    const { contents, read, write } = setup();
    write(0x4_1234, 0x20, 0xd0);
    expect(read(0)).toBe(0x80_0080);
    write(0x4_0010, 0x40, 0x1234_5678);
    write(0x4_0010, 0xff);
    expect([read(0x4_0010), read(0x4_0000), read(0x3_fffc)]).toStrictEqual([0x1234_5678, -1 >>> 0, 0]);
    expect(contents.slice(0x4_0000).filter((byte) => byte === 0xff).length).toBe(0x4_0000 - 4);
  });

  it('programs through the buffer when it is confirmed, and not otherwise', () => {
    const { contents, read, write } = setup();
    const data = () => {
      write(0x1000, 0xe8, 1);
      write(0x1000, 0x11111111);
      write(0x1004, 0x22222222);
    };
    data();
    write(0x1000, 0x00);
    expect(read(0x1000)).toBe(0);
    data();
    expect(contents[0x1000]).toBe(0);
    write(0x1000, 0xd0);
    expect(read(0)).toBe(0x80_0080);
    write(0, 0xff);
    expect([read(0x1000), read(0x1004), read(0x1008)]).toStrictEqual([0x11111111, 0x22222222, 0]);
  });

  it('gives error bits and keeps its contents when it is read-only', () => {
    const { contents, read, write } = setup({ readOnly: true });
    write(0, 0x20, 0xd0);
    expect(read(0)).toBe(0xa0_00a0);
    write(0, 0x50, 0x40, 0x12345678);
    expect(read(0)).toBe(0x90_0090);
    expect(contents.every((byte) => byte === 0)).toBe(true);
  });

  it('refuses a size that its command set cannot say', () => {
    expect(() => setup({ size: 0x60000 })).toThrow('power of two');
  });
});
