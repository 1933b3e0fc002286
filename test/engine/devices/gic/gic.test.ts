/* The life of an interrupt, step by step, and the values a guest finds at power-on. */
import { describe, expect, it } from 'vitest';
import type { Device } from '../../../../engine/base/device.ts';
import { Gicv2 } from '../../../../engine/devices/gic/gicv2.ts';
import { Gicv3 } from '../../../../engine/devices/gic/gicv3.ts';
import * as R from '../../../../engine/devices/gic/gicv3-sysregs.ts';
import type { GicOptions } from '../../../../engine/devices/gic/interrupt-controller.ts';
import { busRead, busWrite } from '../bench.ts';

const UART = 33;
const TIMER = 27;

function log() {
  const lines: string[] = [];
  const options: GicOptions = {
    cpus: 1,
    outputs: (cpu, { irq, fiq }) => void lines.push(`cpu${cpu} ${irq ? 'IRQ' : '-'} ${fiq ? 'FIQ' : '-'}`),
    observer: (what, intid, target) => void lines.push(`${what} ${intid} ${target}`),
  };
  return { lines, options, take: () => lines.splice(0) };
}

function at(device: Device, cpu = 0, secure = false) {
  const source = { cpu, secure };
  return {
    read: (offset: number, size: 1 | 4 | 8 = 4) => Number(busRead(device, offset, size, source)!),
    read64: (offset: number) => busRead(device, offset, 8, source)!,
    write: (offset: number, value: number, size: 1 | 4 | 8 = 4) =>
      busWrite(device, offset, size, BigInt(value), source),
  };
}

/** GICv2 with everything in Group 0, SPI 33 and PPI 27 on for CPU 0, as Linux has it. */
function startedV2(more: Partial<GicOptions> = {}) {
  const seen = log();
  const gic = new Gicv2({ ...seen.options, ...more });
  const [gicd, gicc] = [gic.devices[0]!, gic.devices[1]!];
  at(gicd).write(0x000, 1);
  at(gicd).write(0x104, 1 << (UART & 31));
  at(gicd).write(0x100, 2 ** TIMER);
  at(gicd).write(0x800 + UART, 1, 1);
  for (let cpu = 0; cpu < gic.cpus; cpu++) {
    at(gicc, cpu).write(0x004, 0xf0);
    at(gicc, cpu).write(0x000, 1);
  }
  seen.take();
  return { gic, gicd: at(gicd), gicc: at(gicc), take: seen.take, on: (cpu: number) => at(gicc, cpu) };
}

function startedV3(more: Partial<GicOptions> = {}) {
  const seen = log();
  const gic = new Gicv3({ ...seen.options, ...more });
  const [gicd, gicr] = [at(gic.devices[0]!), at(gic.devices[1]!)];
  const context = R.SINGLE_STATE_CONTEXT;
  const mrs = (key: number, cpu = 0) => gic.readSysreg(cpu, key, context)!;
  const msr = (key: number, low: number, high = 0, cpu = 0) => gic.writeSysreg(cpu, key, low, high, context);
  gicd.write(0x0000, 3);
  gicd.write(0x0084, 0xffff_ffff);
  gicd.write(0x0104, 1 << (UART & 31));
  for (let cpu = 0; cpu < gic.cpus; cpu++) {
    gicr.write(cpu * 0x20000 + 0x10080, 0xffff_ffff);
    gicr.write(cpu * 0x20000 + 0x10100, 2 ** TIMER + 0xffff);
    msr(R.ICC_PMR_EL1, 0xf8, 0, cpu);
    msr(R.ICC_IGRPEN1_EL1, 1, 0, cpu);
  }
  seen.take();
  return { gic, gicd, gicr, mrs, msr, take: seen.take };
}

describe('GICv2', () => {
  it('has the reset values of the virt board', () => {
    const gic = new Gicv2(log().options);
    const [gicd, gicc] = [at(gic.devices[0]!), at(gic.devices[1]!)];
    expect([0x000, 0x004, 0x008, 0x100, 0x180, 0xc00, 0xc04].map((o) => gicd.read(o))).toEqual([
      0, 8, 0x43b, 0xffff, 0xffff, 0xaaaa_aaaa, 0,
    ]);
    const id = Array.from({ length: 12 }, (_, i) => gicd.read(0xfd0 + i * 4));
    expect(id).toEqual([4, 0, 0, 0, 0x90, 0xb4, 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1]);
    expect([0x000, 0x004, 0x008, 0x00c, 0x014, 0x018, 0x01c, 0x0fc].map((o) => gicc.read(o))).toEqual([
      0, 0, 0, 0x3ff, 0xff, 0x3ff, 1, 0x2043b,
    ]);
    const secure = new Gicv2({ ...log().options, hasSecurity: true, cpus: 4 });
    expect(at(secure.devices[0]!).read(0x004)).toBe(0x468);
  });

  it('keeps a level-sensitive interrupt pending until its line drops', () => {
    const { gic, gicd, gicc, take } = startedV2();
    gic.spi(UART).set(true);
    expect(take()).toEqual([`line-high ${UART} -1`, `pending ${UART} -1`, 'cpu0 IRQ -']);
    expect(gicc.read(0x0c)).toBe(UART);
    expect(take()).toEqual([`acknowledge ${UART} 0`, 'cpu0 - -']);
    expect(gicd.read(0x204) & 2).toBe(2);
    gicc.write(0x10, UART);
    expect(take()).toEqual([`complete ${UART} 0`, 'cpu0 IRQ -']);
    expect(gicc.read(0x0c)).toBe(UART);
    gic.spi(UART).set(false);
    gicc.write(0x10, UART);
    expect(take().slice(2)).toEqual([`line-low ${UART} -1`, `not-pending ${UART} -1`, `complete ${UART} 0`]);
    expect(gicc.read(0x0c)).toBe(1023);
  });

  it('latches an edge, also one that comes while the interrupt is active', () => {
    const { gic, gicd, gicc } = startedV2();
    gicd.write(0xc08, 2 << ((UART & 15) * 2));
    const pulse = () => {
      gic.spi(UART).set(true);
      gic.spi(UART).set(false);
    };
    pulse();
    expect(gicc.read(0x0c)).toBe(UART);
    expect(gicd.read(0x204)).toBe(0);
    pulse();
    pulse();
    expect(gic.irq(0)).toBe(false);
    gicc.write(0x10, UART);
    expect(gicc.read(0x0c)).toBe(UART);
    gicc.write(0x10, UART);
    expect(gicc.read(0x0c)).toBe(1023);
  });

  it('does not see a line set to the level it has', () => {
    const { gic, take } = startedV2();
    gic.spi(UART).set(false);
    gic.spi(UART).set(true);
    take();
    gic.spi(UART).set(true);
    expect(take()).toEqual([]);
  });

  it('preempts by group priority only, and returns to the outer priority', () => {
    const { gic, gicd, gicc } = startedV2();
    gicc.write(0x08, 3); // group priority: bits 7:4
    gicd.write(0x400 + UART, 0x58, 1);
    gicd.write(0x400 + TIMER, 0x50, 1);
    gic.spi(UART).set(true);
    expect(gicc.read(0x0c)).toBe(UART);
    expect(gicc.read(0x14)).toBe(0x50);
    gic.ppi(0, TIMER).set(true);
    expect(gic.irq(0)).toBe(false);
    expect(gic.inspect(0).interrupts[TIMER]!.heldBack).toBe('running priority is not lower');
    gicd.write(0x400 + TIMER, 0x4f, 1);
    expect(gic.irq(0)).toBe(true);
    expect(gicc.read(0x0c)).toBe(TIMER);
    expect(gicc.read(0x14)).toBe(0x40);
    gicc.write(0x10, TIMER);
    expect(gicc.read(0x14)).toBe(0x50);
    gicc.write(0x10, UART);
    expect(gicc.read(0x14)).toBe(0xff);
  });

  it('splits priority drop and deactivation with EOImode', () => {
    const { gic, gicd, gicc } = startedV2();
    gicc.write(0x00, 0x201);
    gic.spi(UART).set(true);
    expect(gicc.read(0x0c)).toBe(UART);
    gicc.write(0x10, UART);
    expect(gicc.read(0x14)).toBe(0xff);
    expect(gicd.read(0x304)).toBe(2);
    expect(gic.irq(0)).toBe(false);
    gicc.write(0x1000, UART);
    expect(gicd.read(0x304)).toBe(0);
    expect(gic.irq(0)).toBe(true);
  });

  it('hands an SGI over once per source, lowest CPU first', () => {
    const { gic, gicd, on } = startedV2({ cpus: 3 });
    const from = (cpu: number, value: number) =>
      busWrite(gic.devices[0]!, 0xf00, 4, BigInt(value), { cpu, secure: false });
    from(2, (1 << 16) | 5);
    from(1, (1 << 24) | 5); // all but itself
    expect([gic.irq(0), gic.irq(1), gic.irq(2)]).toEqual([true, false, true]);
    expect(gicd.read(0xf24)).toBe(0x0600);
    expect(on(0).read(0x0c)).toBe((1 << 10) | 5);
    expect(on(0).read(0x0c)).toBe(1023);
    on(0).write(0x10, (1 << 10) | 5);
    expect(on(0).read(0x0c)).toBe((2 << 10) | 5);
    on(0).write(0x10, (2 << 10) | 5);
    expect(on(0).read(0x0c)).toBe(1023);
    expect(on(2).read(0x0c)).toBe((1 << 10) | 5);
  });

  it('gives a shared interrupt to one of its targets only', () => {
    const { gic, gicd, on } = startedV2({ cpus: 2 });
    gicd.write(0x800 + UART, 3, 1);
    gic.spi(UART).set(true);
    expect([gic.irq(0), gic.irq(1)]).toEqual([true, true]);
    expect(on(1).read(0x0c)).toBe(UART);
    expect([gic.irq(0), gic.irq(1)]).toEqual([false, false]);
    expect(on(0).read(0x0c)).toBe(1023);
  });

  it('does not let a disabled group hide the other one', () => {
    const { gic, gicd, gicc } = startedV2();
    gicd.write(0x080, 2 ** TIMER); // Group 1, which is off in GICD_CTLR
    gicd.write(0x400 + UART, 0x80, 1);
    gic.ppi(0, TIMER).set(true);
    expect(gic.irq(0)).toBe(false);
    expect(gic.inspect(0).interrupts[TIMER]!.heldBack).toBe('group disabled in the distributor');
    gic.spi(UART).set(true);
    expect(gicc.read(0x0c)).toBe(UART);
  });

  it('signals Group 0 as FIQ with FIQEn, and shows Group 1 to GICC_IAR only with AckCtl', () => {
    const { gic, gicd, gicc } = startedV2();
    gicc.write(0x00, 0xb);
    gic.spi(UART).set(true);
    expect([gic.irq(0), gic.fiq(0)]).toEqual([false, true]);
    gicd.write(0x084, 2);
    gicd.write(0x000, 3);
    expect([gic.irq(0), gic.fiq(0)]).toEqual([true, false]);
    expect(gicc.read(0x0c)).toBe(1022);
    expect(gicc.read(0x28)).toBe(UART);
    expect(gicc.read(0x20)).toBe(UART);
    gicc.write(0x24, UART);
    gicc.write(0x00, 0xf);
    expect(gicc.read(0x0c)).toBe(UART);
  });

  it('resets to the Non-secure side for a direct kernel boot', () => {
    const gic = new Gicv2({ ...log().options, hasSecurity: true, nonSecureReset: true });
    const [gicd, gicc] = [at(gic.devices[0]!, 0, true), at(gic.devices[1]!, 0, true)];
    expect([gicd.read(0x080), gicd.read(0x0a0), gicd.read(0x400), gicc.read(0x04)]).toEqual([
      0xffff_ffff, 0xffff_ffff, 0x8080_8080, 0x80,
    ]);
  });
});

describe('GICv3', () => {
  it('has the reset values of the virt board', () => {
    const gic = new Gicv3({ ...log().options, cpus: 2 });
    const [gicd, gicr] = [at(gic.devices[0]!), at(gic.devices[1]!)];
    expect([0x0000, 0x0004, 0x0008, 0x000c, 0xffe8].map((o) => gicd.read(o))).toEqual([
      0x50, 0x037a_0007, 0x43b, 0, 0x3b,
    ]);
    expect([0x0000, 0x0004, 0x0014, 0xffe0, 0xffe8].map((o) => gicr.read(o))).toEqual([
      2, 0x43b, 6, 0x93, 0x3b,
    ]);
    expect(gicr.read64(0x0008)).toBe(0x0100_0001n);
    expect(gicr.read64(0x20008)).toBe(0x0000_0001_0100_0111n);
    expect([0x10080, 0x10100, 0x10c00, 0x10c04].map((o) => gicr.read(o))).toEqual([0, 0, 0xaaaa_aaaa, 0]);
    const context = R.SINGLE_STATE_CONTEXT;
    const keys = [
      R.ICC_PMR_EL1,
      R.ICC_BPR0_EL1,
      R.ICC_BPR1_EL1,
      R.ICC_CTLR_EL1,
      R.ICC_SRE_EL1,
      R.ICC_RPR_EL1,
    ];
    expect(keys.map((key) => gic.readSysreg(0, key, context))).toEqual([0, 2, 3, 0x8c00, 7, 0xff]);
    expect(gic.readSysreg(0, R.ICC_CTLR_EL3, context)).toBeUndefined();
  });

  it('shows the Secure and the Non-secure view of GICD_CTLR', () => {
    const gic = new Gicv3({ ...log().options, hasSecurity: true });
    expect(at(gic.devices[0]!, 0, true).read(0)).toBe(0x30);
    expect(at(gic.devices[0]!, 0, false).read(0)).toBe(0x10);
    expect(at(gic.devices[0]!).read(4)).toBe(0x037a_0407);
    at(gic.devices[0]!, 0, true).write(0, 0x77);
    expect(at(gic.devices[0]!, 0, false).read(0)).toBe(0x53);
    at(gic.devices[0]!, 0, true).write(0, 0);
    expect(at(gic.devices[0]!, 0, true).read(0)).toBe(0x50);
  });

  it('lays out 512 CPUs in two regions, with Last at the end of each', () => {
    const gic = new Gicv3({ ...log().options, cpus: 512 });
    expect(gic.devices.map((d) => d.id)).toEqual(['gicd', 'gicr0', 'gicr1']);
    const [first, second] = [at(gic.devices[1]!), at(gic.devices[2]!)];
    expect(first.read64(122 * 0x20000 + 8)).toBe(0x0000_070a_0100_7a11n);
    expect(second.read64(8)).toBe(0x0000_070b_0100_7b01n);
    expect(second.read64(388 * 0x20000 + 8)).toBe(0x0000_1f0f_0101_ff11n);
    expect(second.read64(389 * 0x20000 + 8)).toBe(0n);
  });

  it('takes a level-sensitive Group 1 interrupt and ends it', () => {
    const { gic, mrs, msr, take } = startedV3();
    gic.ppi(0, TIMER).set(true);
    expect(take()).toEqual([`line-high ${TIMER} 0`, `pending ${TIMER} 0`, 'cpu0 IRQ -']);
    expect(mrs(R.ICC_IAR0_EL1)).toBe(1023);
    expect(mrs(R.ICC_HPPIR1_EL1)).toBe(TIMER);
    expect(mrs(R.ICC_IAR1_EL1)).toBe(TIMER);
    expect(mrs(R.ICC_AP1R0_EL1)).toBe(1);
    gic.ppi(0, TIMER).set(false);
    msr(R.ICC_EOIR1_EL1, TIMER);
    expect(mrs(R.ICC_IAR1_EL1)).toBe(1023);
    expect(mrs(R.ICC_RPR_EL1)).toBe(0xff);
  });

  it('routes an SPI by affinity, and nowhere if nobody has it', () => {
    const { gic, gicd } = startedV3({ cpus: 20 });
    gic.spi(UART).set(true);
    expect(gic.irq(0)).toBe(true);
    gicd.write(0x6000 + UART * 8, 0x8000_0103, 8);
    expect([gic.irq(0), gic.irq(19)]).toEqual([false, true]);
    expect(gic.inspect(19).interrupts[UART]).toMatchObject({ route: '0.0.1.3', targets: [19] });
    gicd.write(0x6000 + UART * 8, 0x104, 8);
    expect(gic.inspect(19).interrupts[UART]).toMatchObject({
      targets: [],
      heldBack: 'not routed to this CPU',
    });
    expect(gicd.read(0x6000 + UART * 8)).toBe(0x104);
  });

  it('sends SGIs to a target list of one cluster, or to all others', () => {
    const { gic, msr, mrs } = startedV3({ cpus: 20 });
    msr(R.ICC_SGI1R_EL1, (7 << 24) | (1 << 16) | 0b1001);
    const who = () => Array.from({ length: 20 }, (_, cpu) => cpu).filter((cpu) => gic.irq(cpu));
    expect(who()).toEqual([16, 19]);
    expect(mrs(R.ICC_IAR1_EL1, 19)).toBe(7);
    expect(who()).toEqual([16]);
    msr(R.ICC_SGI1R_EL1, 8 << 24, 1 << 8, 3);
    expect(who()).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]);
    msr(R.ICC_SGI0R_EL1, (9 << 24) | 8);
    expect(gic.irq(3), 'SGI 9 is in Group 1').toBe(false);
  });

  it('deactivates from another CPU with EOImode', () => {
    const { gic, gicd, mrs, msr } = startedV3({ cpus: 2 });
    msr(R.ICC_CTLR_EL1, 2, 0, 0);
    msr(R.ICC_CTLR_EL1, 2, 0, 1);
    gic.spi(UART).set(true);
    expect(mrs(R.ICC_IAR1_EL1)).toBe(UART);
    msr(R.ICC_EOIR1_EL1, UART);
    expect(gicd.read(0x304)).toBe(2);
    expect(gic.irq(0)).toBe(false);
    msr(R.ICC_DIR_EL1, UART, 0, 1);
    expect(gicd.read(0x304)).toBe(0);
    expect(gic.irq(0)).toBe(true);
  });

  it('chooses IRQ or FIQ by group and by the state of the CPU', () => {
    const gic = new Gicv3({ ...log().options, hasSecurity: true });
    const [gicd, gicr] = [at(gic.devices[0]!, 0, true), at(gic.devices[1]!, 0, true)];
    gicd.write(0, 7);
    gicr.write(0x10100, 2 ** TIMER);
    const el3 = { el: 3, nonSecure: false, fiqToEl3: false, irqToEl3: false };
    gic.writeSysreg(0, R.ICC_PMR_EL1, 0xf8, 0, el3);
    gic.writeSysreg(0, R.ICC_IGRPEN0_EL1, 1, 0, el3);
    gic.writeSysreg(0, R.ICC_IGRPEN1_EL3, 3, 0, el3);
    gic.ppi(0, TIMER).set(true);
    const groups = { group0: [0, 0], secure1: [0, 1], nonSecure1: [1, 0] };
    const states = { el3: [3, false], secureEl1: [1, false], nonSecureEl1: [1, true] } as const;
    const table = Object.entries(groups).map(([name, [group, modifier]]) => {
      gicr.write(0x10080, group! * 2 ** TIMER);
      gicr.write(0x10d00, modifier! * 2 ** TIMER);
      const row = Object.values(states).map(([el, nonSecure]) => {
        gic.setCpuState(0, el, nonSecure);
        return gic.irq(0) ? 'IRQ' : gic.fiq(0) ? 'FIQ' : '-';
      });
      return [name, ...row].join(' ');
    });
    // IHI 0069 table 4-3.
    expect(table).toEqual(['group0 FIQ FIQ FIQ', 'secure1 FIQ IRQ FIQ', 'nonSecure1 FIQ FIQ IRQ']);
  });

  it('tells EL3 about interrupts of the other state by special INTIDs', () => {
    const gic = new Gicv3({ ...log().options, hasSecurity: true });
    const [gicd, gicr] = [at(gic.devices[0]!, 0, true), at(gic.devices[1]!, 0, true)];
    const el3 = { el: 3, nonSecure: false, fiqToEl3: false, irqToEl3: false };
    gicd.write(0, 7);
    gicr.write(0x10100, 2 ** TIMER);
    gicr.write(0x10080, 2 ** TIMER);
    gic.writeSysreg(0, R.ICC_PMR_EL1, 0xf8, 0, el3);
    gic.writeSysreg(0, R.ICC_IGRPEN1_EL3, 3, 0, el3);
    gic.ppi(0, TIMER).set(true);
    expect(gic.readSysreg(0, R.ICC_IAR0_EL1, el3)).toBe(1021);
    gicr.write(0x10080, 0);
    gicr.write(0x10d00, 2 ** TIMER);
    expect(gic.readSysreg(0, R.ICC_IAR0_EL1, el3)).toBe(1020);
    expect(gic.readSysreg(0, R.ICC_IAR1_EL1, el3)).toBe(TIMER);
  });

  it('delivers the LPI it is offered, while LPIs are enabled, and tells when it was taken', () => {
    const { gic, gicr, mrs, msr } = startedV3();
    const calls: string[] = [];
    gic.connectLpis({
      enabled: (cpu, enabled) => void calls.push(`enabled ${cpu} ${enabled}`),
      acknowledged: (cpu, intid) => {
        calls.push(`acknowledged ${cpu} ${intid}`);
        gic.setPendingLpi(cpu, { intid: 8200, priority: 0x90 });
      },
    });
    gic.setPendingLpi(0, { intid: 8193, priority: 0x80 });
    expect(gic.irq(0)).toBe(false);
    gicr.write(0, 1);
    expect(gic.irq(0)).toBe(true);
    expect(mrs(R.ICC_IAR1_EL1)).toBe(8193);
    expect(mrs(R.ICC_RPR_EL1)).toBe(0x80);
    expect(mrs(R.ICC_HPPIR1_EL1)).toBe(8200);
    msr(R.ICC_EOIR1_EL1, 8193);
    expect(mrs(R.ICC_RPR_EL1)).toBe(0xff);
    expect(gic.irq(0)).toBe(true);
    gicr.write(0, 0);
    expect(gic.irq(0)).toBe(false);
    expect(calls).toEqual(['enabled 0 true', 'acknowledged 0 8193', 'enabled 0 false']);
  });

  it('puts everything into Group 1 for a direct kernel boot with EL3', () => {
    const gic = new Gicv3({ ...log().options, hasSecurity: true, nonSecureReset: true });
    expect(at(gic.devices[0]!, 0, true).read(0x84)).toBe(0xffff_ffff);
    expect(at(gic.devices[1]!, 0, true).read(0x10080)).toBe(0xffff_ffff);
  });
});

describe('GIC construction', () => {
  it('refuses what cannot exist', () => {
    const { options } = log();
    expect(() => new Gicv2({ ...options, cpus: 9 })).toThrow(/9 CPUs: must be 1 to 8/);
    expect(() => new Gicv3({ ...options, cpus: 513 })).toThrow(RangeError);
    expect(() => new Gicv3({ ...options, redistributorRegions: [1], cpus: 2 })).toThrow(/hold 1 CPUs/);
    expect(() => new Gicv3({ ...options, priorityBits: 4 })).toThrow(RangeError);
    const gic = new Gicv3(options);
    expect(() => gic.spi(288)).toThrow(RangeError);
    expect(() => gic.ppi(1, 27)).toThrow(RangeError);
  });
});
