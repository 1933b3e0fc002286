import { describe, expect, it } from 'vitest';
import { Gicv2m } from '../../../../engine/devices/gic/gicv2m.ts';
import { Gicv3 } from '../../../../engine/devices/gic/gicv3.ts';
import {
  ICC_EOIR1_EL1,
  ICC_IAR1_EL1,
  ICC_IGRPEN1_EL1,
  ICC_PMR_EL1,
  SINGLE_STATE_CONTEXT,
} from '../../../../engine/devices/gic/gicv3-sysregs.ts';
import { Its } from '../../../../engine/devices/gic/its.ts';
import { Bench } from '../bench.ts';
import { deviceContract } from '../contract.ts';
import { CPUS, command, EngineIts, ITT_STRIDE, ItsDriver, LPIS, PLACE } from './its-guest.ts';

deviceContract(
  'ITS',
  (bench) =>
    new Its(
      { ...bench.ports('its'), dma: bench.dma(0, 0x2_0000) },
      new Gicv3({ cpus: 2, outputs: () => {} }),
    ),
  { size: 0x2_0000, runs: 8, values: [0x20, 0x8000_0000, 0x8000] },
);
deviceContract(
  'GICv2m',
  (bench) => new Gicv2m({ ...bench.ports('v2m'), lines: [bench.line('a'), bench.line('b')] }, 80),
  { values: [79, 80, 81, 82] },
);

const enabled = (priority: number): Uint8Array => new Uint8Array(LPIS).fill(priority | 1);

async function machine() {
  const its = new EngineIts();
  const driver = new ItsDriver(its);
  await driver.setUp();
  await driver.configure(enabled(0xa0));
  for (let cpu = 0; cpu < CPUS; cpu++) {
    its.gic.writeSysreg(cpu, ICC_PMR_EL1, 0xf8, 0, SINGLE_STATE_CONTEXT);
    its.gic.writeSysreg(cpu, ICC_IGRPEN1_EL1, 1, 0, SINGLE_STATE_CONTEXT);
  }
  await driver.run(
    ...[0, 1, 2].map((c) => command.mapc(c, c)),
    command.mapd(8, 5, PLACE.itts),
    command.mapd(0, 5, PLACE.itts + ITT_STRIDE),
    ...[0, 1, 2, 3].map((e) => command.mapti(8, e, 8200 + e, e % 3)),
  );
  const take = (cpu: number) => its.gic.readSysreg(cpu, ICC_IAR1_EL1, SINGLE_STATE_CONTEXT);
  const end = (cpu: number, intid: number) =>
    its.gic.writeSysreg(cpu, ICC_EOIR1_EL1, intid, 0, SINGLE_STATE_CONTEXT);
  return { its, driver, take, end };
}

describe('a message', () => {
  it('becomes an LPI of the CPU of its collection, which takes it once', async () => {
    const { its, driver, take, end } = await machine();
    its.its.translate(8, 1);
    expect(await driver.pending(1)).toEqual([8201]);
    expect([its.gic.irq(0), its.gic.irq(1), its.gic.irq(2)]).toEqual([false, true, false]);
    expect(take(1)).toBe(8201);
    expect(await driver.pending(1)).toEqual([]);
    expect(its.gic.irq(1)).toBe(false);
    end(1, 8201);
    expect(take(1)).toBe(1023);
    expect(its.bench.log.filter((line) => line.startsWith('note its lpi'))).toEqual([
      'note its lpi {"deviceId":8,"eventId":1,"intid":8201,"cpu":1}',
    ]);
  });

  it('of a device or event without a mapping is reported and does nothing', async () => {
    const { its, driver } = await machine();
    for (const [device, event] of [
      [7, 0],
      [8, 9],
      [8, 32],
      [0, 0],
      [0xffff, 0],
      [8, 0xffff_ffff],
    ] as const) {
      its.bench.log.length = 0;
      its.its.translate(device, event);
      expect(its.bench.log.filter((line) => line.startsWith('guest-error'))).toHaveLength(1);
    }
    for (let cpu = 0; cpu < CPUS; cpu++) expect(await driver.pending(cpu)).toEqual([]);
  });

  it('arrives through the doorbell with the DeviceID of its requester', async () => {
    const { its, driver } = await machine();
    const doorbell = its.its.doorbell(0x0808_0000);
    expect(doorbell.base).toBe(0x0809_0040);
    doorbell.message(0, 4, 2, 8);
    expect(await driver.pending(2)).toEqual([8202]);
  });
});

describe('pending LPIs', () => {
  it('are taken by priority, then by number', async () => {
    const { its, driver, take, end } = await machine();
    const priorities = enabled(0xa0);
    priorities[8203 - 8192] = 0x41;
    await driver.configure(priorities);
    await driver.run(command.movi(8, 1, 0), command.movi(8, 2, 0), command.movi(8, 3, 0));
    for (const event of [2, 1, 3, 0]) its.its.translate(8, event);
    const order: (number | undefined)[] = [];
    for (let intid = take(0); intid !== 1023; intid = take(0)) {
      order.push(intid);
      end(0, intid!);
    }
    expect(order).toEqual([8203, 8200, 8201, 8202]);
  });

  it('that are disabled stay pending until INV after they are enabled', async () => {
    const { its, driver, take } = await machine();
    await driver.configure(new Uint8Array(LPIS).fill(0xa0));
    its.its.translate(8, 0);
    expect([its.gic.irq(0), await driver.pending(0)]).toEqual([false, [8200]]);
    await driver.configure(enabled(0xa0));
    expect(its.gic.irq(0)).toBe(false);
    await driver.run(command.inv(8, 0));
    expect(its.gic.irq(0)).toBe(true);
    expect(take(0)).toBe(8200);
  });

  it('move with MOVI and MOVALL, and go with CLEAR and DISCARD', async () => {
    const { its, driver } = await machine();
    its.its.translate(8, 0);
    its.its.translate(8, 3);
    await driver.run(command.movi(8, 0, 2));
    expect([await driver.pending(0), await driver.pending(2)]).toEqual([[8203], [8200]]);
    await driver.run(command.movall(2, 1));
    expect([await driver.pending(1), await driver.pending(2)]).toEqual([[8200], []]);
    expect([its.gic.irq(0), its.gic.irq(1), its.gic.irq(2)]).toEqual([true, true, false]);
    await driver.run(command.clear(8, 3));
    expect([await driver.pending(0), its.gic.irq(0)]).toEqual([[], false]);
    await driver.run(command.int(8, 3), command.discard(8, 3));
    expect(await driver.pending(0)).toEqual([]);
    its.its.translate(8, 3);
    expect(await driver.pending(0)).toEqual([]);
  });

  it('are found again when LPIs are switched on', async () => {
    const { its, driver } = await machine();
    its.its.translate(8, 0);
    await its.write(0x080a_0000, 4, 0n);
    expect(its.gic.irq(0)).toBe(false);
    its.its.translate(8, 3);
    await its.write(0x080a_0000, 4, 1n);
    expect(its.gic.irq(0)).toBe(true);
    // The one that came in between is lost.
    expect(await driver.pending(0)).toEqual([8200]);
  });

  it('survive save and load, with the one on offer', async () => {
    const { its, take } = await machine();
    its.its.translate(8, 0);
    const other = new EngineIts();
    other.bench.restoreWorld(its.bench.world());
    other.gic.load(its.gic.save());
    other.its.load(its.its.save());
    expect(other.gic.irq(0)).toBe(true);
    expect(other.gic.readSysreg(0, ICC_IAR1_EL1, SINGLE_STATE_CONTEXT)).toBe(take(0));
    expect(other.memory).toEqual(its.memory);
  });
});

describe('a command queue', () => {
  it('that is not in memory stalls, until a write with Retry', async () => {
    const { its } = await machine();
    await its.write(0x0808_0000, 4, 0n);
    await its.write(0x0808_0080, 8, (1n << 63n) | 0x0f00_0000n);
    await its.write(0x0808_0000, 4, 1n);
    await its.write(0x0808_0088, 8, 0x40n);
    expect(await its.read(0x0808_0090, 8)).toBe(1n);
    expect(its.bench.log.at(-1)).toMatch(/stalled: the command queue: no memory/);
    its.bench.log.length = 0;
    await its.write(0x0808_0088, 8, 0x40n);
    expect(its.bench.log).toEqual([]);
    await its.write(0x0808_0088, 8, 0x41n);
    expect(its.bench.log).toHaveLength(1);
  });
});

describe('GICv2m', () => {
  it('pulses the SPI that a message names', () => {
    const bench = new Bench();
    const v2m = new Gicv2m({ ...bench.ports('v2m'), lines: [bench.line('80'), bench.line('81')] }, 80);
    const doorbell = v2m.doorbell(0x0802_0000);
    expect(doorbell.base).toBe(0x0802_0040);
    doorbell.message(0, 4, 81, 8);
    expect(bench.log).toEqual(['note v2m msi {"requester":8,"intid":81}', 'line 81 high', 'line 81 low']);
  });

  it('ignores other numbers', () => {
    const bench = new Bench();
    const v2m = new Gicv2m({ ...bench.ports('v2m'), lines: [bench.line('80')] }, 80);
    v2m.write(0x40, 4, 81);
    v2m.write(0x40, 1, 80);
    expect(bench.log.filter((line) => line.startsWith('line'))).toEqual([]);
    expect(v2m.read(0x08, 4)).toBe(0x0050_0001);
  });
});
