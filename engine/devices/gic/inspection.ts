import { NO_INTERRUPT } from './constants.ts';
import type { GicCore } from './gic-core.ts';
import type { CpuInterruptStatus, HeldBack, InterruptStatus } from './interrupt-controller.ts';

/** Every interrupt as a CPU sees it, and what keeps each from being taken. For debuggers: changes nothing. */
export function inspectCpu(gic: GicCore, cpu: number): CpuInterruptStatus {
  const interrupts: InterruptStatus[] = [];
  for (let intid = 0; intid < gic.intids; intid++) interrupts.push(inspectInterrupt(gic, cpu, intid));
  return {
    cpu,
    irq: gic.irq(cpu),
    fiq: gic.fiq(cpu),
    priorityMask: gic.priorityMask(cpu),
    runningPriority: gic.runningPriority(cpu),
    interrupts,
  };
}

function inspectInterrupt(gic: GicCore, cpu: number, intid: number): InterruptStatus {
  const slot = gic.slotOf(cpu, intid);
  const has = (bitmap: Uint32Array) => gic.bitOf(bitmap, slot) !== 0;
  const targets: number[] = [];
  for (let other = 0; other < gic.cpus; other++) if (gic.isTarget(slot, other)) targets.push(other);
  const sources: number[] = [];
  if (intid < 16) {
    const mask = gic.sgiSources(cpu, intid);
    for (let source = 0; source < 8; source++) if ((mask >>> source) & 1) sources.push(source);
  }
  const route = gic.routeText(slot);
  const reason = heldBack(gic, cpu, intid, slot);
  return {
    intid,
    enabled: has(gic.enabled),
    pending: has(gic.pending),
    latched: has(gic.latch),
    active: has(gic.active),
    priority: gic.priority[slot]!,
    group: gic.groupName(slot),
    trigger: has(gic.edge) ? 'edge' : 'level',
    line: has(gic.level),
    targets,
    sources,
    ...(route === undefined ? {} : { route }),
    ...(reason === undefined ? {} : { heldBack: reason }),
  };
}

function heldBack(gic: GicCore, cpu: number, intid: number, slot: number): HeldBack | undefined {
  const has = (bitmap: Uint32Array) => gic.bitOf(bitmap, slot) !== 0;
  if (!has(gic.pending)) return 'not pending';
  if (!has(gic.enabled)) return 'not enabled';
  if (has(gic.active)) return 'active already';
  if (!has(gic.ready)) return 'group disabled in the distributor';
  if (!gic.isTarget(slot, cpu)) return 'not routed to this CPU';
  const first = gic.first[cpu]!;
  if (first !== NO_INTERRUPT && (first & 0xffff) !== intid) return 'another pending interrupt is first';
  return gic.signalHeldBack(cpu, slot, gic.priority[slot]!);
}
