/**
 * Keys and pointer moves as QEMU's protocol spells them (`input-send-event`), made into inputs of the machine. Who has
 * them calls `session.receive(device, what, data)` with what comes out.
 */
import type { VirtConfig } from '../../engine/boards/virt/config.ts';
import {
  AXIS,
  BUTTON_CODES,
  EV,
  type InputEventWords,
  KEY_CODES,
  writeInputEvents,
} from '../../engine/devices/virtio/input-codes.ts';
import type { InputKind } from '../../engine/devices/virtio/virtio-input.ts';

/** A key by QEMU's name (QKeyCode), or by its number as of a PC's keyboard, plus 0x80 for the grey ones. */
export type KeyValue =
  | { readonly type: 'qcode'; readonly data: string }
  | { readonly type: 'number'; readonly data: number };

/** As QEMU's protocol has it (InputEvent). */
export type InputEvent =
  | { readonly type: 'key'; readonly data: { readonly down: boolean; readonly key: KeyValue } }
  | { readonly type: 'btn'; readonly data: { readonly down: boolean; readonly button: string } }
  /** Steps of the pointer. */
  | { readonly type: 'rel'; readonly data: { readonly axis: 'x' | 'y'; readonly value: number } }
  /** Places from 0 to 0x7fff. */
  | { readonly type: 'abs'; readonly data: { readonly axis: 'x' | 'y'; readonly value: number } };

export interface InputDevice {
  readonly id: string;
  readonly kind: InputKind;
}

/** An input of the machine. */
export interface DeviceEvents {
  readonly device: string;
  readonly what: 'events';
  readonly data: Uint8Array;
}

/** Something that no device can be given: one line. */
export class InputError extends Error {
  override readonly name = 'InputError';
}

/** The input devices of a machine, those on PCI last. */
export function inputDevices(config: Pick<VirtConfig, 'virtioMmio' | 'pciDevices'>): InputDevice[] {
  return [...config.virtioMmio, ...config.pciDevices].flatMap(({ type, id }) => {
    const kind = /^virtio-(keyboard|mouse|tablet)(-pci)?$/.exec(type)?.[1];
    return kind === undefined ? [] : [{ id, kind: kind as InputKind }];
  });
}

/** Other names of keys in QEMU's protocol. */
const SAME_KEYS: { readonly [name: string]: string } = { asterisk: 'kp_multiply', print: 'sysrq' };

/** Grey keys of a PC's keyboard (scan code set 1 with 0x80 for the prefix e0), as Linux numbers them. */
const GREY_KEYS: { readonly [number: number]: number } = {
  156: 96,
  157: 97,
  181: 98,
  183: 99,
  184: 100,
  198: 119,
  199: 102,
  200: 103,
  201: 104,
  203: 105,
  205: 106,
  207: 107,
  208: 108,
  209: 109,
  210: 110,
  211: 111,
  219: 125,
  220: 126,
  221: 127,
};

/** Linux's number of a key. @throws InputError */
export function keyCode(key: KeyValue): number {
  if (key.type === 'qcode') {
    const name = SAME_KEYS[key.data] ?? key.data;
    const code = Object.hasOwn(KEY_CODES, name) ? KEY_CODES[name] : undefined;
    if (code === undefined) throw new InputError(`key '${key.data}': there is no such key`);
    return code;
  }
  const plain = key.data >= 1 && key.data <= 88 && Object.values(KEY_CODES).includes(key.data);
  const code = plain ? key.data : GREY_KEYS[key.data];
  if (code === undefined) throw new InputError(`key number ${key.data}: there is no such key`);
  return code;
}

/**
 * Events for the devices that they are meant for: keys for the first keyboard, steps for the first mouse, places for
 * the first tablet; buttons for whichever of the two moves at the same time, else for the tablet, if there is one.
 * @param device this one only
 * @throws InputError
 */
export function eventsFor(
  devices: readonly InputDevice[],
  events: readonly InputEvent[],
  device?: string,
): DeviceEvents[] {
  const among = device === undefined ? devices : devices.filter(({ id }) => id === device);
  if (device !== undefined && among.length === 0) {
    const there =
      devices.length === 0 ? 'there is none' : `there are ${devices.map(({ id }) => id).join(', ')}`;
    throw new InputError(`device '${device}': no such input device; ${there}`);
  }
  const first = (kind: InputKind): string | undefined => among.find((one) => one.kind === kind)?.id;
  const moves = events.find(({ type }) => type === 'rel' || type === 'abs')?.type;
  const pointer = moves === 'rel' ? (first('mouse') ?? first('tablet')) : (first('tablet') ?? first('mouse'));
  const reports = new Map<string, InputEventWords[]>();
  for (const event of events) {
    const targets = { key: first('keyboard'), btn: pointer, rel: first('mouse'), abs: first('tablet') };
    const target = targets[event.type];
    if (target === undefined) {
      const wanted = {
        key: 'virtio-keyboard',
        btn: 'virtio-mouse',
        rel: 'virtio-mouse',
        abs: 'virtio-tablet',
      };
      const who = device === undefined ? 'the machine has no input device' : `device '${device}' is none`;
      throw new InputError(`${event.type} event: ${who} for it; it needs a ${wanted[event.type]}-pci`);
    }
    const report = reports.get(target) ?? [];
    reports.set(target, report);
    report.push(wordsOf(event));
  }
  return [...reports].map(([id, report]) => ({
    device: id,
    what: 'events',
    data: writeInputEvents([...report, { type: EV.SYN, code: 0, value: 0 }]),
  }));
}

function wordsOf(event: InputEvent): InputEventWords {
  switch (event.type) {
    case 'key':
      return { type: EV.KEY, code: keyCode(event.data.key), value: event.data.down ? 1 : 0 };
    case 'btn': {
      const { button, down } = event.data;
      const code = Object.hasOwn(BUTTON_CODES, button) ? BUTTON_CODES[button] : undefined;
      if (code === undefined) {
        throw new InputError(`button '${button}': allowed are ${Object.keys(BUTTON_CODES).join(', ')}`);
      }
      // A turn of the wheel is a step of it, and its end is a button that goes up (QEMU).
      if (down && button.startsWith('wheel-')) {
        return { type: EV.REL, code: AXIS.REL_WHEEL, value: button === 'wheel-up' ? 1 : -1 };
      }
      return { type: EV.KEY, code, value: down ? 1 : 0 };
    }
    case 'rel':
    case 'abs': {
      const { axis, value } = event.data;
      if (axis !== 'x' && axis !== 'y') throw new InputError(`axis '${String(axis)}': allowed are x, y`);
      if (!Number.isInteger(value) || Math.abs(value) > 0x7fff_ffff) {
        throw new InputError(`${event.type} event: ${value} is no whole number of 32 bits`);
      }
      return { type: event.type === 'rel' ? EV.REL : EV.ABS, code: axis === 'x' ? AXIS.X : AXIS.Y, value };
    }
  }
}

/** Presses keys one after the other, as QEMU's `send-key` does before it holds them. */
export function pressKeys(keys: readonly KeyValue[]): InputEvent[] {
  return keys.map((key) => ({ type: 'key', data: { down: true, key } }));
}

/** And lets go of them, the last one first. */
export function releaseKeys(keys: readonly KeyValue[]): InputEvent[] {
  return keys.toReversed().map((key) => ({ type: 'key', data: { down: false, key } }));
}
