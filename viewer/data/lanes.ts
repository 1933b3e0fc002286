import { interruptName, interruptNumber } from '../../recorder/session/interrupt-words.ts';
import type { Site } from '../../traces/index.ts';
import {
  CPU_STATES,
  INTERRUPT_STATES,
  LANE_GROUPS,
  type LaneGroup,
  type LaneInfo,
  type LaneKind,
  SLEEP_STATES,
} from './protocol.ts';

/** Bits of an interrupt lane's mask. */
export const LINE = 1;
export const PENDING = 2;
export const ACTIVE = 4;
/** Bits of a CPU lane's mask: EL0 to EL3, then these. */
export const IN_INTERRUPT = 16;
export const CPU_OFF = 32;

interface LaneFacts {
  readonly kind: LaneKind;
  readonly group: LaneGroup;
  readonly label: string;
  readonly title: string;
  readonly states: readonly string[];
  readonly device?: string;
  readonly intid?: number;
  readonly cpu?: number;
}

/** Lanes in the order of their first event; their numbers stay. */
export class LaneTable {
  readonly #lanes: (LaneFacts & { readonly id: string; total: number })[] = [];
  readonly #byId = new Map<string, number>();
  readonly #virtio: ReadonlyMap<number, string>;
  readonly #networks: ReadonlySet<string>;
  readonly #cpus: number;

  /** @param networks devices whose output is frames */
  constructor(cpus: number, virtio: ReadonlyMap<number, string>, networks: readonly string[]) {
    this.#networks = new Set(networks);
    this.#cpus = cpus;
    this.#virtio = virtio;
  }

  get count(): number {
    return this.#lanes.length;
  }

  lane(index: number): LaneFacts {
    return this.#lanes[index]!;
  }

  /** All lanes, with the numbers of events given. */
  infos(totals: (lane: number) => number): LaneInfo[] {
    return this.#lanes.map((lane, index) => ({ ...lane, index, total: totals(index) }));
  }

  #add(id: string, facts: () => LaneFacts): number {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    const index = this.#lanes.push({ id, ...facts(), total: 0 }) - 1;
    this.#byId.set(id, index);
    return index;
  }

  cpu(cpu: number): number {
    return this.#add(`cpu:${cpu}`, () => ({
      kind: 'cpu',
      group: 'CPUs',
      label: `CPU ${cpu}`,
      title: `CPU ${cpu}: exception level, interrupts, power`,
      states: CPU_STATES,
      cpu,
    }));
  }

  sleep(): number {
    return this.#add('sleep', () => ({
      kind: 'sleep',
      group: 'CPUs',
      label: 'all asleep',
      title: 'Every CPU waits (WFI, WFE): virtual time jumps to the next deadline',
      states: SLEEP_STATES,
    }));
  }

  /** Private interrupts have a lane for each CPU. */
  interrupt(intid: number, target: number): number {
    const cpu = intid < 32 && target >= 0 ? target : -1;
    return this.#add(cpu < 0 ? `irq:${intid}` : `irq:${intid}:${cpu}`, () => {
      const name = interruptName(intid, this.#virtio);
      const where = cpu >= 0 && this.#cpus > 1 ? ` · CPU ${cpu}` : '';
      return {
        kind: 'interrupt',
        group: 'Interrupts',
        label: `${intid} ${name}${where}`,
        title: `${interruptNumber(intid)}, INTID ${intid}${name === '' ? '' : `: ${name}`}${where}`,
        states: INTERRUPT_STATES,
        intid,
        ...(cpu >= 0 ? { cpu } : {}),
      };
    });
  }

  device(device: string): number {
    return this.#add(`dev:${device}`, () => ({
      kind: 'device',
      // Thirty transports without a device behind them would hide the rest.
      group: /^virtio-mmio\d+$/.test(device) ? 'Empty virtio slots' : 'Devices',
      label: device,
      title: `Register accesses of ${device}`,
      states: [],
      device,
    }));
  }

  dma(device: string): number {
    return this.#add(`dma:${device}`, () => ({
      kind: 'dma',
      group: 'DMA',
      label: device,
      title: `Memory accesses by ${device}`,
      states: [],
      device,
    }));
  }

  isNetwork(device: string): boolean {
    return this.#networks.has(device);
  }

  /** Of what a device sends: text, or frames. */
  output(device: string): number {
    if (this.isNetwork(device)) {
      return this.#add(`net:${device}`, () => ({
        kind: 'frames',
        group: 'Network',
        label: `${device} frames`,
        title: `Frames sent by ${device}`,
        states: [],
        device,
      }));
    }
    return this.#add(`out:${device}`, () => ({
      kind: 'console',
      group: 'Console',
      label: device,
      title: `Console output of ${device}`,
      states: [],
      device,
    }));
  }

  /** Where errors, notes and the power of a device or CPU are shown. */
  notes(device: string): number {
    if (/^smmu/.test(device)) {
      return this.#add(`smmu:${device}`, () => ({
        kind: 'smmu',
        group: 'DMA',
        label: `${device} translations`,
        title: `What ${device} translated for devices, its commands and its faults`,
        states: [],
        device,
      }));
    }
    return this.#add('notes', () => ({
      kind: 'notes',
      group: 'Notes and inputs',
      label: 'errors, notes',
      title: 'Guest errors, notes of devices, CPUs switched on and off',
      states: [],
    }));
  }

  inputs(): number {
    return this.#add('inputs', () => ({
      kind: 'inputs',
      group: 'Notes and inputs',
      label: 'inputs',
      title: 'What came from outside: keys, entropy, time of day',
      states: [],
    }));
  }

  /** The lane an event of this site is shown on. */
  ofSite(site: Site): number {
    switch (site.kind) {
      case 'access':
        return this.device(site.device);
      case 'interrupt':
        return this.interrupt(site.intid, site.target);
      case 'exception':
        return this.cpu(site.cpu);
      case 'dma':
        return this.dma(site.device);
      case 'output':
        return this.output(site.device);
      case 'input':
        return this.inputs();
      default:
        return this.notes(site.device);
    }
  }
}

const GROUP_ORDER = new Map(LANE_GROUPS.map((group, i) => [group, i] as const));

/** Order of lanes on the page: groups, then numbers and names. */
export function compareLanes(a: LaneInfo, b: LaneInfo): number {
  const groups = GROUP_ORDER.get(a.group)! - GROUP_ORDER.get(b.group)!;
  if (groups !== 0) return groups;
  if (a.kind !== b.kind) return a.kind === 'sleep' || a.kind === 'inputs' ? 1 : -1;
  if (a.kind === 'interrupt') return a.intid! - b.intid! || (a.cpu ?? -1) - (b.cpu ?? -1);
  if (a.kind === 'cpu') return a.cpu! - b.cpu!;
  return a.label.localeCompare(b.label, 'en', { numeric: true });
}
