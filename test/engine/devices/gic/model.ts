/*
 * A slow and plain model of a GIC with one security state, to compare the fast one with: one object per
 * interrupt, and every question answered by looking at all of them. Written from IHI 0048 and IHI 0069, not
 * from the engine.
 */

interface Interrupt {
  enabled: boolean;
  latched: boolean;
  line: boolean;
  edge: boolean;
  active: boolean;
  priority: number;
  group: 0 | 1;
  /** CPUs it may go to. */
  targets: number[];
  /** SGIs of GICv2: who asked. */
  sources: Set<number>;
}

interface Cpu {
  mask: number;
  points: [number, number];
  enabled: [boolean, boolean];
  split: boolean;
  /** Active priorities as `group:priority`. */
  running: Set<string>;
}

export class GicModel {
  readonly interrupts: Interrupt[][];
  readonly cpus: Cpu[];
  enabled: [boolean, boolean] = [false, false];
  readonly version: 2 | 3;
  readonly intids: number;

  constructor(version: 2 | 3, cpus: number, intids: number) {
    this.version = version;
    this.intids = intids;
    const minimum = version === 2 ? 0 : 2;
    this.cpus = Array.from({ length: cpus }, () => ({
      mask: 0,
      points: [minimum, minimum + 1],
      enabled: [false, false],
      split: false,
      running: new Set(),
    }));
    const make = (intid: number, cpu: number): Interrupt => ({
      enabled: version === 2 && intid < 16,
      latched: false,
      line: false,
      edge: intid < 16,
      active: false,
      priority: 0,
      group: 0,
      targets: intid < 32 ? [cpu] : version === 3 ? [0] : [],
      sources: new Set(),
    });
    const shared = Array.from({ length: intids }, (_, intid) => make(intid, -1));
    this.interrupts = this.cpus.map((_, cpu) =>
      shared.map((interrupt, intid) => (intid < 32 ? make(intid, cpu) : interrupt)),
    );
  }

  at(cpu: number, intid: number): Interrupt {
    return this.interrupts[cpu]![intid]!;
  }

  setLine(cpu: number, intid: number, level: boolean): void {
    const interrupt = this.at(cpu, intid);
    if (level && !interrupt.line && interrupt.edge) interrupt.latched = true;
    interrupt.line = level;
  }

  isPending(cpu: number, intid: number): boolean {
    const { latched, line, edge } = this.at(cpu, intid);
    return latched || (line && !edge);
  }

  /** Highest priority pending interrupt forwarded to a CPU. */
  first(cpu: number): number | undefined {
    let best: number | undefined;
    for (let intid = 0; intid < this.intids; intid++) {
      const interrupt = this.at(cpu, intid);
      if (!interrupt.enabled || interrupt.active || !this.isPending(cpu, intid)) continue;
      if (!interrupt.targets.includes(cpu) || !this.enabled[interrupt.group]) continue;
      if (best === undefined || interrupt.priority < this.at(cpu, best).priority) best = intid;
    }
    return best;
  }

  groupMask(cpu: number, group: 0 | 1): number {
    const point = this.cpus[cpu]!.points[group];
    return 256 - 2 ** (group === 0 ? point + 1 : point);
  }

  runningPriority(cpu: number): number {
    let running = 0x100;
    for (const entry of this.cpus[cpu]!.running) running = Math.min(running, Number(entry.split(':')[1]));
    return running;
  }

  /** What the CPU is interrupted for. */
  signalled(cpu: number): number | undefined {
    const intid = this.first(cpu);
    if (intid === undefined) return undefined;
    const { priority, group } = this.at(cpu, intid);
    const state = this.cpus[cpu]!;
    if (!state.enabled[group] || priority >= state.mask) return undefined;
    const running = this.runningPriority(cpu);
    if (running === 0x100) return intid;
    if (this.version === 2) return priority < running ? intid : undefined;
    const mask = this.groupMask(cpu, group);
    return (priority & mask) < (running & mask) ? intid : undefined;
  }

  /** Takes the signalled interrupt; returns INTID with, on GICv2, the source of an SGI. */
  acknowledge(cpu: number): number {
    const intid = this.signalled(cpu);
    if (intid === undefined) return 1023;
    const interrupt = this.at(cpu, intid);
    const { group, priority } = interrupt;
    this.cpus[cpu]!.running.add(`${group}:${priority & this.groupMask(cpu, group)}`);
    interrupt.active = true;
    if (this.version === 3 || intid >= 16) {
      interrupt.latched = false;
      return intid;
    }
    const source = Math.min(...interrupt.sources);
    interrupt.sources.delete(source);
    interrupt.latched = interrupt.sources.size > 0;
    return intid | (source << 10);
  }

  /** The priority drop goes to the group of the interrupt (v2), or of the running priority (v3). */
  end(cpu: number, intid: number): void {
    const state = this.cpus[cpu]!;
    if (state.running.size === 0) return;
    const group = this.version === 2 ? this.at(cpu, intid).group : this.runningGroup(cpu);
    const inGroup = [...state.running].filter((entry) => entry.startsWith(`${group}:`));
    const urgency = (entry: string) => Number(entry.split(':')[1]);
    inGroup.sort((a, b) => urgency(a) - urgency(b));
    if (inGroup[0] !== undefined) state.running.delete(inGroup[0]);
    if (!state.split) this.at(cpu, intid).active = false;
  }

  runningGroup(cpu: number): 0 | 1 {
    return this.cpus[cpu]!.running.has(`0:${this.runningPriority(cpu)}`) ? 0 : 1;
  }

  deactivate(cpu: number, intid: number): void {
    if (this.cpus[cpu]!.split) this.at(cpu, intid).active = false;
  }

  sendSgi(from: number, to: number, intid: number): void {
    const interrupt = this.at(to, intid);
    interrupt.latched = true;
    interrupt.sources.add(from);
  }
}
