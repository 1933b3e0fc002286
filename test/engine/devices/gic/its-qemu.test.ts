/*
 * The same commands on our ITS and on QEMU's: registers, every table in memory and the pending LPIs must be
 * the same afterwards.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { haveQemu, Qemu } from '../qemu.ts';
import {
  CPUS,
  command,
  EngineIts,
  ITT_STRIDE,
  ItsDriver,
  LPIS,
  PLACE,
  QemuIts,
  RAM,
  RAM_BYTES,
  type Words,
} from './its-guest.ts';

const DEVICES = [0, 1, 8, 0x100, 511, 512, 600, 1024, 1100, 0xffff];
const device = fc.constantFrom(...DEVICES);
const event = fc.oneof(fc.nat(9), fc.constantFrom(15, 16, 31, 32, 0xffff_ffff));
const icid = fc.oneof(fc.nat(3), fc.constantFrom(511, 512, 0xffff));
const cpu = fc.nat(CPUS);
const intid = fc.oneof(
  fc.nat(15).map((number) => 8192 + number),
  fc.constantFrom(0, 100, 8191, 8192 + LPIS - 1, 8192 + LPIS, 65535, 65536, 0xffff_ffff),
);
const itt = fc.nat(15).map((number) => PLACE.itts + number * ITT_STRIDE);

const anyCommand: fc.Arbitrary<Words> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(device, fc.integer({ min: 1, max: 5 }), itt, fc.nat(5))
      .map(([d, bits, at, v]) => command.mapd(d, bits, at, v > 0)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(device, fc.integer({ min: 1, max: 32 }), itt)
      .map(([d, bits, at]) => command.mapd(d, bits, at)),
  },
  { weight: 3, arbitrary: fc.tuple(icid, cpu, fc.nat(7)).map(([c, to, v]) => command.mapc(c, to, v > 0)) },
  {
    weight: 6,
    arbitrary: fc.tuple(device, event, intid, icid).map(([d, e, i, c]) => command.mapti(d, e, i, c)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(device, fc.oneof(event, fc.constant(8200)), icid)
      .map(([d, e, c]) => command.mapi(d, e, c)),
  },
  { weight: 3, arbitrary: fc.tuple(device, event, icid).map(([d, e, c]) => command.movi(d, e, c)) },
  { weight: 6, arbitrary: fc.tuple(device, event).map(([d, e]) => command.int(d, e)) },
  { weight: 2, arbitrary: fc.tuple(device, event).map(([d, e]) => command.clear(d, e)) },
  { weight: 1, arbitrary: fc.tuple(device, event).map(([d, e]) => command.discard(d, e)) },
  { weight: 1, arbitrary: fc.tuple(device, event).map(([d, e]) => command.inv(d, e)) },
  { weight: 1, arbitrary: icid.map((c) => command.invall(c)) },
  { weight: 1, arbitrary: fc.tuple(cpu, cpu).map(([from, to]) => command.movall(from, to)) },
  { weight: 1, arbitrary: cpu.map((to) => command.sync(to)) },
  { weight: 1, arbitrary: fc.constantFrom<Words>([0n, 0n, 0n, 0n], [0x2n, 1n, 2n, 3n], [0x7fn, 0n, 0n, 0n]) },
);

/** Devices and collections mapped as a driver would, so that what follows does something. */
const usual: readonly Words[] = [
  ...[0, 1, 2].map((c) => command.mapc(c, c)),
  ...[0, 1, 8].map((d, index) => command.mapd(d, 5, PLACE.itts + index * ITT_STRIDE)),
  ...[0, 1, 2, 3].flatMap((e) =>
    [0, 1, 8].map((d, index) => command.mapti(d, e, 8192 + index * 4 + e, e % 3)),
  ),
];

type Step = { readonly run: readonly Words[] } | { readonly message: number; readonly size: 2 | 4 };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.array(anyCommand, { minLength: 1, maxLength: 6 }).map((run) => ({ run })) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(event, fc.constantFrom(2 as const, 4 as const))
      .map(([message, size]) => ({ message, size })),
  },
);

const configuration = Uint8Array.from({ length: LPIS }, (_, n) => ((n * 40) & 0xfc) | (n % 3 === 0 ? 0 : 1));

describe.skipIf(!haveQemu)('ITS against QEMU', () => {
  let qemu: Qemu;
  beforeAll(() => {
    qemu = new Qemu(['-M', 'gic-version=3,its=on', '-smp', String(CPUS)]);
  });
  afterAll(() => qemu.end());

  const both = async (scenario: (driver: ItsDriver) => Promise<void>): Promise<void> => {
    const ours = new ItsDriver(new EngineIts());
    const theirs = new ItsDriver(new QemuIts(qemu));
    await scenario(theirs);
    await scenario(ours);
    expect(await ours.look()).toStrictEqual(await theirs.look());
  };

  it('reads every register alike', async () => {
    const ours = new EngineIts();
    const theirs = new QemuIts(qemu);
    for (let offset = 0; offset < 0x140; offset += 4) {
      const at = 0x0808_0000 + offset;
      expect((await ours.read(at, 4)).toString(16), offset.toString(16)).toBe(
        (await theirs.read(at, 4)).toString(16),
      );
    }
    for (let at = 0x0808_ffd0; at < 0x0809_0000; at += 4) {
      expect(await ours.read(at, 4), at.toString(16)).toBe(await theirs.read(at, 4));
    }
  });

  for (const twoLevels of [false, true]) {
    it(`carries out sequences of commands alike, ${twoLevels ? 'two levels' : 'flat table'}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.boolean(), fc.array(step, { maxLength: 8 }), async (mapped, steps) => {
          await both(async (driver) => {
            await driver.setUp({ twoLevels });
            await driver.configure(configuration);
            if (mapped) await driver.run(...usual);
            for (const each of steps) {
              if ('run' in each) await driver.run(...each.run);
              else await driver.message(each.message, each.size);
            }
          });
        }),
        { numRuns: 40 },
      );
    }, 60_000);
  }

  it('does nothing for CPUs whose LPIs are off', async () => {
    await both(async (driver) => {
      await driver.setUp({ lpis: false });
      await driver.run(...usual, command.int(0, 0), command.int(0, 1), command.movall(0, 1));
      await driver.message(2);
    });
  });

  it('stops where a table is not in memory', async () => {
    await both(async (driver) => {
      await driver.setUp();
      await driver.run(
        command.mapd(1, 5, 0x0f00_0000),
        command.mapc(0, 0),
        command.mapti(1, 0, 8192, 0),
        command.mapc(1, 1),
      );
    });
  });

  it('ignores a queue position outside the queue', async () => {
    for (const position of [0x1000n, 0xf_ffe0n, 0x1fn, 0xffff_ffff_ffff_ffffn]) {
      await both(async (driver) => {
        await driver.setUp();
        await driver.guest.write(0x0808_0088, 8, position);
      });
    }
  });

  it('keeps registers that are read only while enabled', async () => {
    await both(async (driver) => {
      await driver.setUp();
      for (const offset of [0x80, 0x100, 0x108, 0x110]) {
        await driver.guest.write(0x0808_0000 + offset, 8, 0xffff_ffff_ffff_ffffn);
      }
      await driver.guest.write(0x0808_0000, 4, 0n);
      for (const offset of [0x100, 0x108, 0x110]) {
        await driver.guest.write(0x0808_0000 + offset, 8, 0xffff_ffff_ffff_ffffn);
      }
    });
  });

  it('has room for the test in RAM', () => {
    expect(PLACE.pending + CPUS * 0x1_0000 - RAM).toBeLessThanOrEqual(RAM_BYTES);
  });
});
