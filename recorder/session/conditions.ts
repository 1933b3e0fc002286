/** What a debugger can stop for, as plain data; and whether an event is it. */
import type { EventKind, MachineEvent } from '../../engine/base/events.ts';
import type { Observed } from '../../engine/machine.ts';
import {
  type EventFilter,
  parseRegisterName,
  type RegisterMaps,
  type RegisterRange,
  resolveRegister,
  touchedBits,
} from '../../traces/index.ts';

export type WatchKind = 'read' | 'write' | 'access' | 'change';

export type Condition =
  /** An instruction is about to be executed. */
  | { readonly kind: 'address'; readonly address: bigint; readonly cpu?: number }
  /** An instruction is about to touch memory; `change`: it will make a difference. */
  | {
      readonly kind: 'watch';
      readonly space: 'virtual' | 'physical';
      readonly address: bigint;
      readonly length: number;
      readonly access: WatchKind;
    }
  /** An exception is taken, or returned from. `class`: EC of the syndrome. */
  | {
      readonly kind: 'exception';
      readonly what?: 'sync' | 'irq' | 'fiq' | 'serror' | 'return';
      readonly class?: number;
      readonly toEl?: number;
      readonly cpu?: number;
    }
  /** An interrupt changes its state in the controller. */
  | { readonly kind: 'interrupt'; readonly intid: number; readonly what?: string; readonly cpu?: number }
  /** A device register is about to be accessed. */
  | {
      readonly kind: 'access';
      readonly device: string;
      /** `REGISTER` or `REGISTER.FIELD` of the device. */
      readonly register?: string;
      readonly write?: boolean;
      /** Of the field, or of the register, or as accessed. */
      readonly value?: bigint;
    }
  /** A text has been printed. */
  | { readonly kind: 'console'; readonly text: string; readonly device?: string };

export type EventCondition = Extract<Condition, { kind: 'exception' | 'interrupt' | 'access' | 'console' }>;

export function isEventCondition(condition: Condition): condition is EventCondition {
  return condition.kind !== 'address' && condition.kind !== 'watch';
}

/** Finds the events of a condition, in a trace or as they happen. */
export interface EventMatcher {
  readonly condition: EventCondition;
  /** What the machine has to make known. */
  readonly observed: Observed;
  readonly kinds: readonly EventKind[];
  /** Events that can match. */
  readonly filter: EventFilter;
  /** Whether the event is it. Console texts are found by searching output in order. */
  matches(event: MachineEvent): boolean;
  /** How far behind the event's position the machine stops: 1 when its effect is to be seen. */
  readonly behind: 0 | 1;
}

const QUIET: Observed = { accesses: false, exceptions: false, dma: false };

/** @throws RangeError for a register that does not exist, with the names that do */
export function matcherOf(condition: EventCondition, maps: RegisterMaps): EventMatcher {
  switch (condition.kind) {
    case 'exception': {
      const { what, toEl, cpu } = condition;
      const ec = condition.class;
      return {
        condition,
        observed: { ...QUIET, exceptions: true },
        kinds: ['exception'],
        filter: { kinds: ['exception'], ...(what === undefined ? {} : { whats: [what] }) },
        matches: (event) =>
          event.kind === 'exception' &&
          (what === undefined || event.what === what) &&
          (ec === undefined || (event.what === 'sync' && Number(event.syndrome >> 26n) === ec)) &&
          (toEl === undefined || event.toEl === toEl) &&
          (cpu === undefined || event.cpu === cpu),
        behind: 0,
      };
    }
    case 'interrupt': {
      const { intid, what, cpu } = condition;
      return {
        condition,
        observed: QUIET,
        kinds: ['interrupt'],
        filter: { kinds: ['interrupt'], intids: [intid], ...(what === undefined ? {} : { whats: [what] }) },
        matches: (event) =>
          event.kind === 'interrupt' &&
          event.intid === intid &&
          (what === undefined || event.what === what) &&
          (cpu === undefined || event.target === cpu),
        behind: 0,
      };
    }
    case 'access':
      return accessMatcher(condition, maps);
    case 'console': {
      const text = new TextSearch(condition.text);
      const { device } = condition;
      return {
        condition,
        observed: QUIET,
        kinds: ['output'],
        filter: { kinds: ['output'], ...(device === undefined ? {} : { devices: [device] }) },
        matches: (event) =>
          event.kind === 'output' &&
          (device === undefined || event.device === device) &&
          text.feed(event.device, event.bytes),
        behind: 1,
      };
    }
  }
}

function accessMatcher(condition: Extract<Condition, { kind: 'access' }>, maps: RegisterMaps): EventMatcher {
  const { device, register, write, value } = condition;
  let range: RegisterRange | undefined;
  if (register !== undefined) {
    const name = parseRegisterName(`${device}.${register}`);
    if (name === undefined) throw new RangeError(`${device}.${register}: allowed is DEVICE.REGISTER[.FIELD]`);
    range = resolveRegister(name, maps).range;
  }
  return {
    condition,
    observed: { ...QUIET, accesses: true },
    kinds: ['access'],
    filter: {
      kinds: ['access'],
      devices: [device],
      ...(range === undefined ? {} : { registers: [range] }),
      ...(write === undefined ? {} : { write }),
    },
    matches: (event) => {
      if (event.kind !== 'access' || event.device !== device) return false;
      if (write !== undefined && event.write !== write) return false;
      if (range === undefined) return value === undefined || event.value === value;
      if (touchedBits(event.offset, event.size, range) === 0n) return false;
      if (value === undefined) return true;
      // The access's bytes at their place in the register, then the field's bits moved down.
      const shift = BigInt(8 * (event.offset - range.offset));
      const bits = BigInt.asUintN(
        8 * range.width,
        shift >= 0n ? event.value << shift : event.value >> -shift,
      );
      const mask = range.mask;
      if (mask === undefined) return bits === value;
      const low = BigInt(mask.toString(2).length - mask.toString(2).lastIndexOf('1') - 1);
      return (bits & mask) >> low === value;
    },
    behind: 0,
  };
}

/** Finds a text in what a device prints byte by byte. */
class TextSearch {
  readonly #wanted: Uint8Array;
  readonly #seen = new Map<string, number[]>();

  constructor(text: string) {
    this.#wanted = new TextEncoder().encode(text);
  }

  /** True if the text ends among these bytes. */
  feed(device: string, bytes: Uint8Array): boolean {
    let tail = this.#seen.get(device);
    if (tail === undefined) this.#seen.set(device, (tail = []));
    let found = false;
    const { length } = this.#wanted;
    for (const byte of bytes) {
      tail.push(byte);
      if (tail.length > length) tail.shift();
      if (tail.length === length && tail.every((each, i) => each === this.#wanted[i])) found = true;
    }
    return found;
  }
}

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** A condition in words. */
export function describeCondition(condition: Condition): string {
  switch (condition.kind) {
    case 'address':
      return `at ${hex(condition.address)}${condition.cpu === undefined ? '' : ` on CPU ${condition.cpu}`}`;
    case 'watch': {
      const { access, space, address, length } = condition;
      return `${access} of ${length} byte${length === 1 ? '' : 's'} at ${space === 'physical' ? 'physical ' : ''}${hex(address)}`;
    }
    case 'exception': {
      const { what, toEl, cpu } = condition;
      const words = [
        what === 'return' ? 'exception return' : what === undefined ? 'exception' : `${what} exception`,
      ];
      if (condition.class !== undefined) words.push(`of class ${hex(condition.class)}`);
      if (toEl !== undefined) words.push(`to EL${toEl}`);
      if (cpu !== undefined) words.push(`on CPU ${cpu}`);
      return words.join(' ');
    }
    case 'interrupt': {
      const { intid, what, cpu } = condition;
      return `interrupt ${intid}${what === undefined ? '' : ` ${what}`}${cpu === undefined ? '' : ` of CPU ${cpu}`}`;
    }
    case 'access': {
      const { device, register, write, value } = condition;
      const verb = write === undefined ? 'access to' : write ? 'write to' : 'read of';
      return `${verb} ${device}${register === undefined ? '' : `.${register}`}${value === undefined ? '' : ` = ${hex(value)}`}`;
    }
    case 'console':
      return `console text ${JSON.stringify(condition.text)}`;
  }
}
