/*
 * The same accesses to our devices and to QEMU's, through its qtest port; every read must give the same.
 * Left out is what QEMU 7.2 does and we do not on purpose: see the `QEMU:` comments of the devices.
 */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { Device } from '../../../engine/base/device.ts';
import { CfiFlash } from '../../../engine/devices/cfi-flash.ts';
import { FW_CFG_FILE_DIR, FwCfg, type FwCfgFile } from '../../../engine/devices/fw-cfg.ts';
import { Pl011 } from '../../../engine/devices/pl011.ts';
import { Pl031 } from '../../../engine/devices/pl031.ts';
import { Pl061 } from '../../../engine/devices/pl061.ts';
import { Bench, busRead, busWrite } from './bench.ts';
import { haveQemu, Qemu } from './qemu.ts';

type Size = 1 | 2 | 4 | 8;
interface Access {
  readonly offset: number;
  readonly size: Size;
  /** Undefined: a read. */
  readonly value?: bigint;
}

const RAM = 0x4000_0000;
/** Unassigned: neither memory nor a device. */
const NOTHING = 0x0b00_0000;

describe.skipIf(!haveQemu)('devices against QEMU', () => {
  const started: Qemu[] = [];
  const qemu = (args: string[] = []) => {
    const session = new Qemu(args);
    started.push(session);
    return session;
  };
  afterAll(() => {
    for (const session of started) session.end();
  });

  /** Makes the accesses on both; the reads of both, as text. */
  async function both(session: Qemu, base: number, device: Device, accesses: readonly Access[]) {
    const ours: string[] = [];
    const theirs: Promise<string>[] = [];
    for (const { offset, size, value } of accesses) {
      const what = `${offset.toString(16)}.${size}`;
      if (value === undefined) {
        // A refused access gives an abort; qtest shows it as zero.
        ours.push(`${what} = ${BigInt.asUintN(size * 8, busRead(device, offset, size) ?? 0n).toString(16)}`);
        theirs.push(session.read(base + offset, size).then((bits) => `${what} = ${bits.toString(16)}`));
      } else {
        busWrite(device, offset, size, value);
        void session.write(base + offset, size, BigInt.asUintN(size * 8, value));
      }
    }
    return { ours, theirs: await Promise.all(theirs) };
  }

  function sequences(offset: fc.Arbitrary<number>, value: fc.Arbitrary<number>, count: number): Access[][] {
    const access = fc
      .tuple(offset, fc.constantFrom<Size>(4, 4, 4, 4, 1, 2, 8), fc.option(value, { nil: undefined }))
      .map(([at, size, bits]) => ({
        offset: at - (at % size),
        size,
        ...(bits === undefined ? {} : { value: BigInt(bits) | (BigInt(bits) << 32n) }),
      }));
    const list = fc.array(access, { minLength: 200, maxLength: 200, size: 'max' });
    return fc.sample(list, { numRuns: count, seed: 7 });
  }

  const word = fc.oneof(
    fc.nat(0xff),
    fc.nat(31).map((n) => 2 ** n),
    fc.integer({ min: 0, max: 0xffffffff }),
  );

  it('PL061 gives the same for random accesses', async () => {
    const session = qemu();
    const registers = [0x400, 0x404, 0x408, 0x40c, 0x410, 0x414, 0x418, 0x41c, 0x420];
    const offset = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...registers) },
      { weight: 3, arbitrary: fc.nat(0x3ff) },
      { weight: 1, arbitrary: fc.nat(0xfff) },
    );
    const bench = new Bench();
    const gpio = new Pl061({ ...bench.ports('gpio'), irq: bench.line('irq') });
    // One device for all sequences: qtest cannot reset it.
    for (const accesses of sequences(offset, word, 40)) {
      const { ours, theirs } = await both(session, 0x0903_0000, gpio, accesses);
      expect(ours).toStrictEqual(theirs);
    }
  });

  it('PL011 gives the same for random accesses', async () => {
    const session = qemu();
    const registers = Array.from({ length: 0x13 }, (_, n) => 4 * n);
    // A read of an empty UARTDR after a change of FEN is one of the differences; without input it is zero on both.
    const offset = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...registers) },
      { weight: 1, arbitrary: fc.nat(0xfff) },
    );
    const bench = new Bench();
    const uart = new Pl011({ ...bench.ports('uart'), irq: bench.line('irq') });
    for (const accesses of sequences(offset, word, 40)) {
      const { ours, theirs } = await both(session, 0x0900_0000, uart, accesses);
      expect(ours).toStrictEqual(theirs);
    }
  });

  it('PL031 gives the same for random accesses', async () => {
    const baseSeconds = 1_700_000_000;
    const session = qemu([
      '-rtc',
      `base=${new Date(baseSeconds * 1000).toISOString().slice(0, 19)},clock=vm`,
    ]);
    const offset = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...Array.from({ length: 9 }, (_, n) => 4 * n)) },
      { weight: 1, arbitrary: fc.nat(0xfff) },
    );
    const bench = new Bench();
    const rtc = new Pl031({ ...bench.ports('rtc'), irq: bench.line('irq') }, { baseSeconds });
    const value = fc.oneof(word, fc.constantFrom(100, 101, baseSeconds));
    for (const accesses of sequences(offset, value, 40)) {
      const { ours, theirs } = await both(session, 0x0901_0000, rtc, accesses);
      expect(ours).toStrictEqual(theirs);
    }
  });

  it.each([
    ['with random values', 3],
    ['with commands', 60],
  ])('flash gives the same for random accesses %s', async (_, weight) => {
    const session = qemu();
    const size = 0x400_0000;
    const contents = new Uint8Array(size);
    const storage = {
      read: (offset: number, into: Uint8Array) => into.set(contents.subarray(offset, offset + into.length)),
      write: (offset: number, from: Uint8Array) => contents.set(from, offset),
      setReadArray: () => {},
    };
    const flash = new CfiFlash({ ...new Bench().ports('flash'), storage });
    const commands = [
      0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0x90, 0x98, 0xd0, 0xe8, 0xf0, 0xff, 0x00, 0x01, 0x02,
    ];
    const value = fc.oneof(
      { weight, arbitrary: fc.constantFrom(...commands).map((command) => command * 0x10001) },
      { weight: 10, arbitrary: word },
    );
    const offset = fc.oneof(fc.nat(0x150), fc.nat(0x5ff), fc.nat(0xfffff));
    for (const accesses of sequences(offset, value, 60)) {
      const { ours, theirs } = await both(session, 0, flash, accesses);
      expect(ours).toStrictEqual(theirs);
    }
  });

  it('fw_cfg gives the same directory, and the same for random accesses and DMA', async () => {
    const bytes = Uint8Array.from({ length: 70 }, (_, n) => n * 37);
    const text = String.fromCharCode(...bytes.map((byte) => 0x30 + (byte % 60))).replaceAll(',', '.');
    const session = qemu(['-fw_cfg', `name=opt/b,string=${text}`, '-fw_cfg', 'name=opt/a,string=x']);
    const theirItem = (key: number, length: number) => {
      const descriptor = new Uint8Array(16);
      const view = new DataView(descriptor.buffer);
      view.setUint32(0, (key << 16) | 0xa);
      view.setUint32(4, length);
      view.setUint32(12, RAM + 0x1000);
      void session.writeMemory(RAM, descriptor);
      void session.write(0x0902_0014, 4, 0x40n);
      return session.readMemory(RAM + 0x1000, length);
    };
    const entries = await theirItem(FW_CFG_FILE_DIR, 4 + 32 * 64);
    const view = new DataView(entries.buffer, entries.byteOffset);
    const files: FwCfgFile[] = [];
    for (let i = 0; i < view.getUint32(0); i++) {
      const at = 4 + 64 * i;
      const name = String.fromCharCode(...entries.subarray(at + 8, at + 64)).replace(/\0.*$/, '');
      files.push({ name, data: await theirItem(view.getUint16(at + 4), Math.max(1, view.getUint32(at))) });
      if (view.getUint32(at) === 0) files[i] = { name, data: new Uint8Array(0) };
    }
    expect(files.find(({ name }) => name === 'opt/b')!.data.length).toBe(text.length);
    const items = [];
    for (const [selector, length] of [
      [0x01, 4],
      [0x02, 16],
      [0x04, 2],
      [0x05, 2],
      [0x0e, 2],
    ]) {
      items.push({ selector: selector!, data: await theirItem(selector!, length!) });
    }
    const bench = new Bench();
    const memory = bench.memory('dma', 0x4000);
    const fwCfg = new FwCfg(
      { ...bench.ports('fw_cfg'), dma: bench.dma(RAM, 0x4000) },
      { items, files: [...files].reverse() },
    );
    expect(Buffer.from(fwCfg.contents(FW_CFG_FILE_DIR)!).equals(Buffer.from(entries))).toBe(true);

    await session.writeMemory(RAM, new Uint8Array(0x4000));
    await session.write(0x0902_0008, 2, 0n);
    const key = fc.oneof(fc.constantFrom(0, 1, 2, 5, 0x19, 0x8001, 0x4001), fc.nat(0x45), fc.nat(0xffff));
    const dma = fc.record({
      key,
      control: fc.constantFrom(0, 2, 4, 6, 8, 8, 8, 0xa, 0xa, 0xa, 0xc, 0x12, 0x10, 0x18, 0x1a, 0x1c),
      length: fc.oneof(fc.nat(12), fc.nat(300)),
      target: fc.oneof(
        fc.nat(0x3000).map((at) => RAM + 0x100 + at),
        fc.nat(0xffff).map((at) => NOTHING + at),
      ),
      wide: fc.boolean(),
    });
    const access = fc
      .tuple(fc.nat(0x17), fc.constantFrom<Size>(1, 2, 4, 8))
      .filter(([offset, size]) => offset % size === 0 && offset + size <= 0x18);
    const step = fc.oneof(
      access.map(([offset, size]) => ({ do: 'read', offset, size }) as const),
      key.map((selector) => ({ do: 'select', selector }) as const),
      dma.map((transfer) => ({ do: 'dma', ...transfer }) as const),
    );
    const steps = fc.sample(fc.array(step, { minLength: 1500, maxLength: 1500, size: 'max' }), {
      numRuns: 1,
      seed: 3,
    })[0]!;
    for (const next of steps) {
      const accesses: Access[] = [];
      if (next.do === 'read') accesses.push(next);
      else if (next.do === 'select') {
        const swapped = ((next.selector & 0xff) << 8) | (next.selector >> 8);
        accesses.push({ offset: 8, size: 2, value: BigInt(swapped) });
      } else {
        const descriptor = new Uint8Array(16);
        const fields = new DataView(descriptor.buffer);
        fields.setUint32(0, ((next.key << 16) | next.control) >>> 0);
        fields.setUint32(4, next.length);
        fields.setUint32(12, next.target);
        memory.set(descriptor);
        await session.writeMemory(RAM, descriptor);
        if (next.wide) accesses.push({ offset: 0x10, size: 8, value: 0x40n << 32n });
        else accesses.push({ offset: 0x14, size: 4, value: 0x40n });
      }
      const { ours, theirs } = await both(session, 0x0902_0000, fwCfg, accesses);
      expect(ours).toStrictEqual(theirs);
      if (next.do === 'dma') {
        const their = await session.readMemory(RAM, 0x4000);
        expect(Buffer.from(their).equals(Buffer.from(memory)), JSON.stringify(next)).toBe(true);
      }
    }
  });
});
