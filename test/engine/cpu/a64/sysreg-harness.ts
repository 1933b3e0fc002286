import type { DeviceTimers, InterruptLine } from '../../../../engine/base/device.ts';
import type { SpecialRegister, SysregContext } from '../../../../engine/cpu/a64/sysreg-types.ts';
import { SysregTable } from '../../../../engine/cpu/a64/sysregs.ts';
import { type CpuConfig, type CpuOptions, makeCpuConfig } from '../../../../engine/cpu/cpu-models.ts';
import { GenericTimers, TIMER_NAMES, type TimerName } from '../../../../engine/cpu/generic-timer.ts';
import { CPU_SYSREGS_MAX } from '../../../../engine/cpu/helpers/layout.ts';
import { Pmu } from '../../../../engine/cpu/pmu.ts';
import { MemorySysregSlots } from '../../../../engine/cpu/sysreg-storage.ts';

export function options(more: Partial<CpuOptions> = {}): CpuOptions {
  return { model: 'cortex-a57', el2: false, el3: false, gicVersion: 3, pmu: true, cpuCount: 1, ...more };
}

export class FakeLine implements InterruptLine {
  level = false;
  set(level: boolean): void {
    this.level = level;
  }
}

/** Virtual time that tests move by hand; deadlines come in order, exactly when they are due. */
export class FakeTime implements DeviceTimers {
  time = 0;
  readonly pending = new Map<string, number>();
  fire: (kind: string) => void = () => {};
  now(): number {
    return this.time;
  }
  schedule(kind: string, deadline: number): void {
    this.pending.set(kind, deadline);
  }
  cancel(kind: string): void {
    this.pending.delete(kind);
  }
  next(): number {
    return Math.min(...this.pending.values());
  }
  advanceTo(time: number): void {
    for (let due = this.next(); due <= time; due = this.next()) {
      this.time = Math.max(this.time, due);
      for (const [kind, deadline] of [...this.pending]) {
        if (deadline > this.time) continue;
        this.pending.delete(kind);
        this.fire(kind);
      }
    }
    this.time = time;
  }
}

/** CPUs that consist of system registers only, with every port a fake. */
export class SysregMachine {
  readonly config: CpuConfig;
  readonly table: SysregTable;
  readonly time = new FakeTime();
  readonly slots: MemorySysregSlots[];
  readonly buffers: { readonly buffer: ArrayBuffer }[];
  readonly lines: Record<TimerName, FakeLine>[];
  readonly pmuLines: FakeLine[];
  readonly timers: GenericTimers;
  readonly pmu: Pmu;
  readonly specials = new Map<SpecialRegister, bigint>();
  readonly log: string[] = [];
  el = 1;
  spsel = 1;
  instructions = 0;

  constructor(more: Partial<CpuOptions> = {}) {
    this.config = makeCpuConfig(options(more));
    this.table = new SysregTable(this.config);
    const cpus = [...Array(this.config.cpuCount).keys()];
    this.buffers = cpus.map(() => ({ buffer: new ArrayBuffer(CPU_SYSREGS_MAX * 8) }));
    this.slots = cpus.map((cpu) => new MemorySysregSlots(this.buffers[cpu]!, cpu, 0));
    this.lines = cpus.map(
      () => Object.fromEntries(TIMER_NAMES.map((n) => [n, new FakeLine()])) as Record<TimerName, FakeLine>,
    );
    this.pmuLines = cpus.map(() => new FakeLine());
    const slots = (cpu: number) => this.slots[cpu]!;
    this.timers = new GenericTimers({ timers: this.time, slots, lines: this.lines }, this.config.cntfrq);
    this.pmu = new Pmu(
      {
        timers: this.time,
        slots,
        lines: this.pmuLines,
        el: () => this.el,
        instructions: () => this.instructions,
        nsPerInstruction: 1,
      },
      this.config,
    );
    this.time.fire = (kind) => (kind.startsWith('overflow') ? this.pmu : this.timers).timer(kind);
    for (const cpu of cpus) this.table.reset(slots(cpu), cpu);
    this.el = this.config.highestEl;
  }

  context(cpu = 0): SysregContext {
    return {
      cpu,
      slots: this.slots[cpu]!,
      timers: this.timers,
      pmu: this.pmu,
      gic:
        this.config.gicVersion === 2
          ? undefined
          : { readSysreg: () => 0n, writeSysreg: (_cpu, key, value) => this.log.push(`gic ${key} ${value}`) },
      el: () => this.el,
      spsel: () => this.spsel,
      now: () => this.time.now(),
      random: () => 0x0123_4567_89ab_cdefn,
      readSpecial: (name) => this.specials.get(name) ?? 0n,
      writeSpecial: (name, value) => this.specials.set(name, value),
      pendingInterrupts: () => 0,
      changed: (effect) => this.log.push(`changed ${effect}`),
      translateAddress: (operation) => {
        this.log.push(`at ${operation.stage} ${operation.el}`);
        return undefined;
      },
      flushTlb: (name) => this.log.push(name),
      observe: (device, offset, write, value) =>
        this.log.push(`${device} ${offset} ${write ? 'write' : 'read'} ${value}`),
      unknown: (name, write) => this.log.push(`unknown ${name} ${write ? 'write' : 'read'}`),
    };
  }

  keyOf(name: string): number {
    for (const register of this.table.registers()) if (register.name === name) return register.key;
    throw new Error(`no register ${name}`);
  }

  read(name: string, cpu = 0): bigint {
    const value = this.table.read(this.keyOf(name), 0, this.context(cpu));
    if (typeof value !== 'bigint') throw new Error(`${name} trapped`);
    return value;
  }

  write(name: string, value: bigint, cpu = 0): void {
    const trap = this.table.write(this.keyOf(name), 0, value, this.context(cpu));
    if (trap !== undefined) throw new Error(`${name} trapped`);
  }

  /** Puts a value straight into a register's slot, as a control for what is tested. */
  poke(name: string, value: bigint): void {
    for (const register of this.table.registers()) {
      if (register.name === name) this.slots[0]!.set(register.slot!, value);
    }
  }
}
