/** Holds what a replay does against what was recorded. */
import type { MachineEvent } from '../../engine/base/events.ts';
import type { Ns, Position } from '../../engine/base/units.ts';
import type { RegisterMaps, StateHashes } from '../../traces/index.ts';
import { describeEvent, deviceOf, showBytes } from './describe.ts';

/** The first difference between a replay and its recording. */
export interface Divergence {
  readonly position: Position;
  readonly time: Ns;
  /** Device id, `cpuN`, `memory`, `gic` or `machine`. */
  readonly device: string;
  /** What differs: `event`, `event missing`, `state`, `input` or `run`. */
  readonly what: 'event' | 'state' | 'input' | 'run';
  readonly expected: string;
  readonly actual: string;
}

/** One line for a person. */
export function divergenceText({ position, device, expected, actual }: Divergence): string {
  return `replay diverged at position ${position}, ${device}: expected ${expected}, got ${actual}`;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Whether two events are the same, ordinals aside. */
export function sameEvent(a: MachineEvent, b: MachineEvent): boolean {
  if (a.kind !== b.kind || a.position !== b.position || a.time !== b.time || a.cpu !== b.cpu) return false;
  switch (a.kind) {
    case 'access': {
      const c = b as typeof a;
      if (a.device !== c.device || a.offset !== c.offset || a.size !== c.size) return false;
      return a.write === c.write && a.value === c.value && a.pc === c.pc;
    }
    case 'interrupt': {
      const c = b as typeof a;
      return a.what === c.what && a.intid === c.intid && a.target === c.target;
    }
    case 'exception': {
      const c = b as typeof a;
      if (a.what !== c.what || a.fromEl !== c.fromEl || a.toEl !== c.toEl) return false;
      return a.syndrome === c.syndrome && a.faultAddress === c.faultAddress && a.pc === c.pc;
    }
    case 'output': {
      const c = b as typeof a;
      return a.device === c.device && sameBytes(a.bytes, c.bytes);
    }
    case 'input': {
      const c = b as typeof a;
      const mode = (a.mode ?? 'push') === (c.mode ?? 'push');
      return mode && a.device === c.device && a.what === c.what && sameBytes(a.data, c.data);
    }
    case 'dma': {
      const c = b as typeof a;
      const place = a.address === c.address && a.length === c.length;
      // Recordings of older versions do not say who.
      const who = a.requester === undefined || c.requester === undefined || a.requester === c.requester;
      return place && who && a.device === c.device && a.write === c.write;
    }
    case 'guest-error': {
      const c = b as typeof a;
      return a.device === c.device && a.offset === c.offset && a.message === c.message;
    }
    case 'note': {
      const c = b as typeof a;
      const names = Object.keys(a.fields);
      if (a.device !== c.device || a.what !== c.what || names.length !== Object.keys(c.fields).length)
        return false;
      return names.every((name) => Object.is(a.fields[name], c.fields[name]));
    }
    case 'power': {
      const c = b as typeof a;
      return a.what === c.what && a.target === c.target;
    }
  }
}

/** How two events differ that should be the same; either may be missing. */
export function eventDivergence(
  expected: MachineEvent | undefined,
  actual: MachineEvent | undefined,
  maps: RegisterMaps,
): Divergence {
  // The earlier of the two is where the runs part.
  const first =
    expected === undefined || (actual !== undefined && actual.position < expected.position)
      ? actual!
      : expected;
  const say = (event: MachineEvent | undefined): string => {
    if (event === undefined) return 'nothing';
    const text = describeEvent(event, maps);
    const other = event === expected ? actual : expected;
    if (other === undefined) return text;
    const where: string[] = [];
    if (event.position !== other.position) where.push(`at position ${event.position}`);
    else if (event.time !== other.time) where.push(`at ${event.time} ns`);
    if (event.cpu !== other.cpu) where.push(`on CPU ${event.cpu}`);
    if (event.kind === 'access' && other.kind === 'access' && event.pc !== other.pc) {
      where.push(`by the instruction at 0x${event.pc.toString(16)}`);
    }
    return [text, ...where].join(' ');
  };
  return {
    position: first.position,
    time: first.time,
    device: deviceOf(first),
    what: 'event',
    expected: say(expected),
    actual: say(actual),
  };
}

/** The first component whose state differs; undefined: none. */
export function stateDivergence(
  at: { readonly position: Position; readonly time: Ns },
  expected: StateHashes,
  actual: StateHashes,
): Divergence | undefined {
  const components = (hashes: StateHashes): Map<string, string> =>
    new Map([
      ...hashes.cpus.map((hash, i) => [`cpu${i}`, hash] as const),
      ...Object.entries(hashes.devices),
      ['memory', hashes.memory],
    ]);
  const wanted = components(expected);
  const got = components(actual);
  for (const device of new Set([...wanted.keys(), ...got.keys()])) {
    const a = wanted.get(device);
    const b = got.get(device);
    if (a === b) continue;
    const text = (hash: string | undefined): string =>
      hash === undefined ? 'no such device' : `state hash ${hash}`;
    return {
      position: at.position,
      time: at.time,
      device,
      what: 'state',
      expected: text(a),
      actual: text(b),
    };
  }
  return undefined;
}

/** An answer that the log has not, or has otherwise. */
export function inputDivergence(
  at: { readonly position: Position; readonly time: Ns },
  device: string,
  expected:
    | {
        readonly position: Position;
        readonly device: string;
        readonly what: string;
        readonly data: Uint8Array;
      }
    | undefined,
  what: string,
  length: number | undefined,
): Divergence {
  const asked = length === undefined ? what : `${what} of ${length} bytes`;
  return {
    position: at.position,
    time: at.time,
    device,
    what: 'input',
    expected:
      expected === undefined
        ? 'no further question'
        : `${expected.device} asking for ${expected.what} at position ${expected.position}, answered ${showBytes(expected.data)}`,
    actual: `${device} asking for ${asked} at position ${at.position}`,
  };
}
