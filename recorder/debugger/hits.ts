/** What stopped the machine, in words. */
import type { MachineEvent } from '../../engine/base/events.ts';
import type { Machine } from '../../engine/machine.ts';
import { describeCondition } from '../session/conditions.ts';
import { describeEvent } from '../session/describe.ts';
import { readVirtual } from '../session/guest-view.ts';
import type { Operation } from '../session/operation.ts';
import type { Hit } from '../session/probe.ts';
import { hex, type Json } from './answer.ts';
import type { Debugger } from './debugger.ts';

type Watched = NonNullable<Hit['watch']>;

export interface AccessSeen {
  readonly text: string;
  readonly data: { readonly [key: string]: Json | undefined };
}

/** Numbers of the breakpoints that hold, each with what it was. The machine stays where it is. */
export function* describeHits(
  debug: Debugger,
  hits: readonly Hit[],
): Operation<{ lines: string[]; data: Json[] }> {
  const lines: string[] = [];
  const data: Json[] = [];
  for (const hit of hits) {
    const number = [...debug.breakpoints].find(([, each]) => each.condition === hit.condition)?.[0];
    const seen = yield* describeHit(debug, hit);
    lines.push(number === undefined ? seen.text : `breakpoint ${number}: ${seen.text}`);
    data.push({ ...(number === undefined ? {} : { number }), ...seen.data });
  }
  return { lines, data };
}

function* describeHit(debug: Debugger, hit: Hit): Operation<AccessSeen> {
  const { condition, event, watch } = hit;
  if (watch !== undefined) return yield* describeWatch(debug, watch);
  if (event !== undefined && condition.kind !== 'console') {
    return { text: describeEvent(event, debug.maps), data: { event: plainEvent(event) } };
  }
  if (condition.kind === 'address') {
    const text = `at ${debug.addressText(condition.address)}`;
    return { text, data: { address: hex(condition.address) } };
  }
  return { text: describeCondition(condition), data: { condition: describeCondition(condition) } };
}

/** An access that is about to be made: who, where, and what it changes. */
export function* describeWatch(debug: Debugger, watch: Watched): Operation<AccessSeen> {
  const { cpu, virtual, physical, bytes, isWrite, device } = watch;
  const place = device === undefined ? debug.addressText(virtual) : `physical ${hex(physical)}`;
  const by = device === undefined ? `cpu${cpu}` : device;
  const verb = isWrite ? 'write' : 'read';
  const data = {
    access: verb,
    bytes,
    by,
    ...(device === undefined ? { address: hex(virtual) } : {}),
    physical: hex(physical),
  };
  if (device !== undefined || bytes > 16) {
    return { text: `${verb} of ${bytes} bytes at ${place} by ${by}`, data };
  }
  const { timeline } = debug;
  const { position } = timeline;
  const before = contents(debug.machine, cpu, virtual, bytes);
  let after: string | undefined;
  if (isWrite) {
    // The value is known when the instruction is done; a step there and back changes nothing.
    yield* timeline.seek(position + 1);
    after = contents(debug.machine, cpu, virtual, bytes);
    yield* timeline.seek(position);
  }
  const value = before === undefined ? '' : after === undefined ? `: ${before}` : `: ${before} -> ${after}`;
  return {
    text: `${verb} of ${bytes} byte${bytes === 1 ? '' : 's'} at ${place} by ${by}${value}`,
    data: {
      ...data,
      ...(before === undefined ? {} : isWrite ? { before } : { value: before }),
      ...(after === undefined ? {} : { after }),
    },
  };
}

function contents(machine: Machine, cpu: number, address: bigint, length: number): string | undefined {
  const bytes = new Uint8Array(length);
  if (readVirtual(machine, cpu, address, bytes) < length) return undefined;
  return `0x${[...bytes]
    .reverse()
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')}`;
}

/** 64-bit values as hexadecimal text, bytes as base64. */
export function plainEvent(event: MachineEvent): { readonly [key: string]: Json | undefined } {
  const plain: { [key: string]: Json | undefined } = {};
  for (const [key, value] of Object.entries(event)) {
    if (typeof value === 'bigint') plain[key] = hex(value);
    else if (value instanceof Uint8Array) plain[key] = base64(value);
    else plain[key] = value as Json;
  }
  return plain;
}

function base64(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
