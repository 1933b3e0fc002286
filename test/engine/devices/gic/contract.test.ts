import { describe, expect, it } from 'vitest';
import type { Device } from '../../../../engine/base/device.ts';
import type { GicCore } from '../../../../engine/devices/gic/gic-core.ts';
import { Gicv2 } from '../../../../engine/devices/gic/gicv2.ts';
import { Gicv3 } from '../../../../engine/devices/gic/gicv3.ts';
import { GICV3_CPU_INTERFACE } from '../../../../engine/devices/gic/gicv3-sysregs.ts';
import type { GicOptions } from '../../../../engine/devices/gic/interrupt-controller.ts';
import type { Bench } from '../bench.ts';
import { checkRegisterMap, deviceContract } from '../contract.ts';

const controllers = new WeakMap<Device, GicCore>();

function options(bench: Bench, more: Partial<GicOptions>): GicOptions {
  return {
    cpus: 1,
    outputs: (cpu, { irq, fiq }) => void bench.log.push(`cpu ${cpu} irq ${irq} fiq ${fiq}`),
    observer: (what, intid, target) => void bench.log.push(`${what} ${intid} ${target}`),
    guestError: (device, offset, message) => bench.ports(device).observer.guestError(offset, message),
    ...more,
  };
}

/** One face; the controller is the unit of state, which only its first face saves. */
function face(gic: GicCore, id: string): Device {
  const device = {
    ...gic.devices.find((d) => d.id === id)!,
    reset: () => gic.reset(),
    save: () => gic.save(),
    load: (state: ReturnType<Device['save']>) => gic.load(state),
  };
  controllers.set(device, gic);
  return device;
}

const inputs = {
  spi: (device: Device, value: number) => {
    const gic = controllers.get(device)!;
    gic.spi(32 + (value % (gic.intids - 32))).set((value & 0x1_0000) !== 0);
  },
  ppi: (device: Device, value: number) => {
    const gic = controllers.get(device)!;
    gic.ppi(value % gic.cpus, 16 + ((value >>> 8) % 16)).set((value & 0x1_0000) !== 0);
  },
};

const cpus = 3;
const runs = 12;
for (const hasSecurity of [false, true]) {
  const name = hasSecurity ? ', two security states' : '';
  const more = { cpus, hasSecurity };
  // Reset values of the map are those of the Secure view.
  const common = {
    cpus,
    runs,
    inputs,
    resetSource: { cpu: 0, secure: hasSecurity },
    // They show the wires, which are not the controller's to reset.
    survivesReset: ['GICD_ISPENDR', 'GICD_ICPENDR', 'GICR_ISPENDR0', 'GICR_ICPENDR0'],
  };
  deviceContract(`GICv2 distributor${name}`, (b) => face(new Gicv2(options(b, more)), 'gicd'), common);
  deviceContract(`GICv2 CPU interface${name}`, (b) => face(new Gicv2(options(b, more)), 'gicc'), {
    ...common,
    size: 0x2000,
  });
  deviceContract(`GICv3 distributor${name}`, (b) => face(new Gicv3(options(b, more)), 'gicd'), {
    ...common,
    size: 0x10000,
  });
  deviceContract(`GICv3 redistributor${name}`, (b) => face(new Gicv3(options(b, more)), 'gicr0'), {
    ...common,
    size: 0x20000,
  });
}

describe('GICv3 system registers', () => {
  it('are a well-formed register map', () => checkRegisterMap(GICV3_CPU_INTERFACE.registers));
});

describe('GIC state', () => {
  it('of another shape is refused, and nothing is changed', () => {
    const gic = new Gicv3({ cpus: 2, outputs: () => {} });
    gic.spi(40).set(true);
    const before = gic.save();
    expect(() => gic.load(new Gicv3({ cpus: 1, outputs: () => {} }).save())).toThrow(
      /GIC state: 'group' is not/,
    );
    expect(() => gic.load({})).toThrow(/GIC state/);
    expect(gic.save()).toStrictEqual(before);
  });
});
