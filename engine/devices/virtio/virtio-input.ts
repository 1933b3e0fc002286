import type { DeviceState } from '../../base/device.ts';
import type { Register } from '../../base/register-map.ts';
import {
  AXIS,
  BUTTON_CODES,
  EV,
  INPUT_EVENT_BYTES,
  KEY_CODES,
  readInputEvents,
  writeInputEvents,
} from './input-codes.ts';
import { STATUS, VIRTIO_ID } from './virtio-bits.ts';
import type { VirtioBackend, VirtioHost } from './virtio-device.ts';
import type { Chain } from './virtqueue.ts';

export type InputKind = 'keyboard' | 'mouse' | 'tablet';

export interface VirtioInputOptions {
  readonly kind: InputKind;
  /** ID_SERIAL; absent: there is none. */
  readonly serial?: string;
}

const EVENTS = 0;
const STATUS_QUEUE = 1;

/** What the driver may select (virtio 1.2, 5.8.4). */
const SELECT = {
  UNSET: 0,
  ID_NAME: 1,
  ID_SERIAL: 2,
  ID_DEVIDS: 3,
  PROP_BITS: 0x10,
  EV_BITS: 0x11,
  ABS_INFO: 0x12,
};
const PAYLOAD = 8;
/** QEMU: as long as the longest answer, at most this. */
const PAYLOAD_MAX = 128;

/** Events that wait for the end of their report. */
const REPORT_MAX = 64;
/** Largest position on an axis of a tablet (QEMU). */
export const TABLET_MAX = 0x7fff;
const BUS_VIRTUAL = 6;
const VENDOR = 0x0627;
const LEDS = ['num', 'caps', 'scroll'] as const;

interface Answer {
  readonly select: number;
  readonly subsel: number;
  readonly bytes: Uint8Array;
}

const IDENTITY = {
  keyboard: { name: 'QEMU Virtio Keyboard', product: 1, version: 1 },
  mouse: { name: 'QEMU Virtio Mouse', product: 2, version: 2 },
  tablet: { name: 'QEMU Virtio Tablet', product: 3, version: 2 },
} as const;

/**
 * Input device (virtio 1.2, section 5.8): keyboard, mouse or tablet, which tell the guest what QEMU's do. Events
 * come from outside (`receive('events')`) and reach the guest by whole reports.
 */
export class VirtioInput implements VirtioBackend {
  readonly name = 'input';
  readonly deviceId = VIRTIO_ID.INPUT;
  readonly queueSizes = [64, 64];
  readonly configBytes: number;
  readonly configRegisters: readonly Register[];
  readonly kind: InputKind;
  readonly #answers: readonly Answer[];
  #host!: VirtioHost;
  #select = 0;
  #subsel = 0;
  /** The report that is not complete yet. */
  #report: Uint8Array = new Uint8Array(0);
  #leds = 0;

  constructor({ kind, serial }: VirtioInputOptions) {
    this.kind = kind;
    this.#answers = answersOf(kind, serial);
    this.configBytes = PAYLOAD + Math.max(...this.#answers.map(({ bytes }) => bytes.length));
    this.configRegisters = configRegisters(this.configBytes - PAYLOAD);
  }

  features(): bigint {
    return 0n;
  }

  attach(host: VirtioHost): void {
    this.#host = host;
  }

  /** All zero if there is no such answer (QEMU: even what was selected). */
  readConfig(config: DataView): void {
    const answer = this.#answers.find(
      ({ select, subsel }) => select === this.#select && subsel === this.#subsel,
    );
    if (answer === undefined) return;
    config.setUint8(0, answer.select);
    config.setUint8(1, answer.subsel);
    config.setUint8(2, answer.bytes.length);
    answer.bytes.forEach((byte, index) => {
      config.setUint8(PAYLOAD + index, byte);
    });
  }

  writeConfig(config: DataView, offset: number, size: number): void {
    if (offset === 0) this.#select = config.getUint8(0);
    if (offset <= 1 && offset + size > 1) this.#subsel = config.getUint8(1);
    // QEMU: whatever is written counts as a change.
    this.#host.configChanged();
  }

  handleQueue(index: number): void {
    if (index === STATUS_QUEUE) this.#takeStatus();
  }

  /** `events`: events in the format of 5.8.6; each report ends with SYN_REPORT. */
  receive(what: string, data: Uint8Array): void {
    if (what !== 'events') return;
    for (const event of readInputEvents(data)) {
      if ((this.#host.status & STATUS.DRIVER_OK) === 0) {
        this.#lose(1, 'the guest does not listen');
        continue;
      }
      if (this.#report.length < REPORT_MAX * INPUT_EVENT_BYTES) {
        const report = new Uint8Array(this.#report.length + INPUT_EVENT_BYTES);
        report.set(this.#report);
        report.set(writeInputEvents([event]), this.#report.length);
        this.#report = report;
      } else this.#lose(1, 'the report is too long');
      if (event.type === EV.SYN && event.code === 0) this.#deliver();
    }
  }

  reset(): void {
    this.#select = 0;
    this.#subsel = 0;
    this.#report = new Uint8Array(0);
    this.#leds = 0;
  }

  save(): DeviceState {
    return { select: this.#select, subsel: this.#subsel, report: this.#report.slice(), leds: this.#leds };
  }

  load(state: DeviceState): void {
    this.#select = Number(state.select) & 0xff;
    this.#subsel = Number(state.subsel) & 0xff;
    this.#report = (state.report as Uint8Array).slice(0, REPORT_MAX * INPUT_EVENT_BYTES);
    this.#leds = Number(state.leds);
  }

  /** A report goes to the guest whole or not at all (QEMU), one event a buffer. */
  #deliver(): void {
    const queue = this.#host.queue(EVENTS);
    const report = this.#report;
    const count = report.length / INPUT_EVENT_BYTES;
    this.#report = new Uint8Array(0);
    const chains: Chain[] = [];
    while (chains.length < count) {
      const chain = queue.pop();
      if (chain === undefined) break;
      chains.push(chain);
    }
    if (this.#host.broken) return;
    if (chains.length < count) {
      queue.unpop(chains);
      this.#lose(count, 'the guest offers no buffers');
      return;
    }
    for (const [index, chain] of chains.entries()) {
      const at = index * INPUT_EVENT_BYTES;
      const bytes = report.subarray(at, at + Math.min(INPUT_EVENT_BYTES, chain.inBytes));
      if (!queue.writeIn(chain, 0, bytes)) return;
      queue.push(chain, bytes.length);
    }
    queue.signal();
  }

  #lose(events: number, why: string): void {
    this.#host.observer.note('input-lost', { events, why });
  }

  /** The guest tells of its LEDs and repeat rates. */
  #takeStatus(): void {
    const queue = this.#host.queue(STATUS_QUEUE);
    let used = false;
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) {
      const bytes = new Uint8Array(Math.min(INPUT_EVENT_BYTES, chain.outBytes));
      if (!queue.readOut(chain, 0, bytes)) return;
      for (const { type, code, value } of readInputEvents(bytes)) {
        if (this.kind === 'keyboard' && type === EV.LED) this.#setLed(code, value);
      }
      queue.push(chain, bytes.length);
      used = true;
    }
    if (used) queue.signal();
  }

  #setLed(code: number, value: number): void {
    if (code >= LEDS.length) return;
    const leds = value === 0 ? this.#leds & ~(1 << code) : this.#leds | (1 << code);
    if (leds === this.#leds) return;
    this.#leds = leds;
    this.#host.observer.note(
      'leds',
      Object.fromEntries(LEDS.map((name, bit) => [name, (leds & (1 << bit)) !== 0])),
    );
  }
}

function configRegisters(payload: number): Register[] {
  return [
    {
      name: 'select',
      offset: 0,
      width: 1,
      access: 'RW',
      reset: 0,
      fields: [
        {
          name: 'SELECT',
          hi: 7,
          lo: 0,
          values: Object.fromEntries(Object.entries(SELECT).map(([name, value]) => [value, name])),
        },
      ],
    },
    { name: 'subsel', offset: 1, width: 1, access: 'RW', reset: 0, meaning: 'type of event, or axis' },
    { name: 'size', offset: 2, width: 1, access: 'RO', reset: 0, meaning: 'bytes of the answer' },
    { name: 'payload', offset: PAYLOAD, width: 1, count: payload, access: 'RO', reset: 0 },
  ];
}

function answersOf(kind: InputKind, serial: string | undefined): Answer[] {
  const { name, product, version } = IDENTITY[kind];
  const answers: Answer[] = [];
  const add = (select: number, subsel: number, bytes: Uint8Array): void => {
    answers.push({ select, subsel, bytes: bytes.subarray(0, PAYLOAD_MAX) });
  };
  // QEMU: the name with the zero at its end, the serial number without.
  add(SELECT.ID_NAME, 0, new TextEncoder().encode(`${name}\0`));
  if (serial !== undefined) add(SELECT.ID_SERIAL, 0, new TextEncoder().encode(serial));
  add(SELECT.ID_DEVIDS, 0, new Uint8Array(Uint16Array.of(BUS_VIRTUAL, VENDOR, product, version).buffer));
  if (kind === 'keyboard') {
    add(SELECT.EV_BITS, EV.KEY, bitmap(Object.values(KEY_CODES)));
    add(SELECT.EV_BITS, EV.LED, bitmap(LEDS.map((_, led) => led)));
    add(SELECT.EV_BITS, EV.REP, new Uint8Array(1));
    return answers;
  }
  add(SELECT.EV_BITS, EV.KEY, bitmap(Object.values(BUTTON_CODES)));
  if (kind === 'mouse') {
    add(SELECT.EV_BITS, EV.REL, bitmap([AXIS.X, AXIS.Y, AXIS.REL_WHEEL]));
    return answers;
  }
  add(SELECT.EV_BITS, EV.REL, bitmap([AXIS.REL_WHEEL]));
  add(SELECT.EV_BITS, EV.ABS, bitmap([AXIS.X, AXIS.Y]));
  for (const axis of [AXIS.X, AXIS.Y]) {
    const info = new Uint8Array(20);
    new DataView(info.buffer).setUint32(4, TABLET_MAX, true);
    add(SELECT.ABS_INFO, axis, info);
  }
  return answers;
}

function bitmap(codes: readonly number[]): Uint8Array {
  const bytes = new Uint8Array((Math.max(...codes) >> 3) + 1);
  for (const code of codes) bytes[code >> 3]! |= 1 << (code & 7);
  return bytes;
}
