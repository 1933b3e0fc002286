import type { AccessSource, Device, DevicePorts, DeviceState, InterruptLine } from '../base/device.ts';
import { bit, type RegisterMap } from '../base/register-map.ts';

/* Real time clock, Arm DDI 0224 (PrimeCell RTC PL031). Counts seconds of virtual time from a given base. */

const idBytes = [0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1];
const idNames = [
  'RTCPeriphID0',
  'RTCPeriphID1',
  'RTCPeriphID2',
  'RTCPeriphID3',
  'RTCPCellID0',
  'RTCPCellID1',
  'RTCPCellID2',
  'RTCPCellID3',
];

export const pl031Registers: RegisterMap = {
  device: 'pl031',
  reference: 'Arm DDI 0224',
  registers: [
    { name: 'RTCDR', offset: 0x00, width: 4, access: 'RO', meaning: 'the time in seconds' },
    { name: 'RTCMR', offset: 0x04, width: 4, access: 'RW', reset: 0, meaning: 'alarm; a write arms it' },
    { name: 'RTCLR', offset: 0x08, width: 4, access: 'RW', reset: 0, meaning: 'a write sets the time' },
    {
      name: 'RTCCR',
      offset: 0x0c,
      width: 4,
      access: 'RO',
      reset: 1,
      meaning: 'always enabled; writes are ignored',
      fields: [bit('RTCStart', 0)],
    },
    {
      name: 'RTCIMSC',
      offset: 0x10,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: 'interrupt mask, 1 = enabled',
      fields: [bit('RTCIMSC', 0)],
    },
    {
      name: 'RTCRIS',
      offset: 0x14,
      width: 4,
      access: 'RO',
      reset: 0,
      meaning: 'raw interrupt',
      fields: [bit('RTCRIS', 0)],
    },
    {
      name: 'RTCMIS',
      offset: 0x18,
      width: 4,
      access: 'RO',
      reset: 0,
      meaning: 'masked interrupt',
      fields: [bit('RTCMIS', 0)],
    },
    {
      name: 'RTCICR',
      offset: 0x1c,
      width: 4,
      access: 'WO',
      meaning: 'interrupt clear',
      fields: [bit('RTCICR', 0)],
    },
    ...idBytes.map((reset, index) => ({
      name: idNames[index]!,
      offset: 0xfe0 + 4 * index,
      width: 4 as const,
      access: 'RO' as const,
      reset,
    })),
  ],
};

const NS_PER_SECOND = 1_000_000_000;

export interface Pl031Ports extends DevicePorts {
  /** RTCINTR. */
  readonly irq: InterruptLine;
}

export interface Pl031Options {
  /** Time of day at virtual time 0, seconds since 1970. A recorded input. */
  readonly baseSeconds: number;
}

interface State {
  /** RTCDR at virtual time 0, modulo 2^32. */
  offset: number;
  mr: number;
  lr: number;
  imsc: number;
  ris: number;
}

export class Pl031 implements Device {
  readonly id: string;
  readonly registers = pl031Registers;
  readonly #ports: Pl031Ports;
  #state: State;

  constructor(ports: Pl031Ports, options: Pl031Options) {
    this.id = ports.id;
    this.#ports = ports;
    this.#state = { offset: modulo32(Math.floor(options.baseSeconds)), mr: 0, lr: 0, imsc: 0, ris: 0 };
  }

  read(offset: number, _size: 1 | 2 | 4, _source: AccessSource): number {
    const s = this.#state;
    switch (offset) {
      case 0x00:
        return this.#count();
      case 0x04:
        return s.mr;
      case 0x08:
        return s.lr;
      case 0x0c:
        return 1;
      case 0x10:
        return s.imsc;
      case 0x14:
        return s.ris;
      case 0x18:
        return s.ris & s.imsc;
      case 0x1c:
        this.#ports.observer.guestError(offset, 'read of the write-only RTCICR');
        return 0;
      default:
        if (offset >= 0xfe0 && offset < 0x1000) return idBytes[(offset - 0xfe0) >> 2]!;
        this.#ports.observer.guestError(offset, 'read of an unknown register');
        return 0;
    }
  }

  write(offset: number, _size: 1 | 2 | 4, value: number, _source: AccessSource): void {
    const s = this.#state;
    switch (offset) {
      case 0x04:
        s.mr = value;
        this.#setAlarm();
        break;
      case 0x08:
        s.lr = value;
        s.offset = modulo32(s.offset + value - this.#count());
        this.#ports.observer.note('time-set', { seconds: value });
        this.#setAlarm();
        break;
      case 0x0c:
        break;
      case 0x10:
        s.imsc = value & 1;
        this.#updateInterrupt();
        break;
      case 0x1c:
        s.ris &= ~value;
        this.#updateInterrupt();
        break;
      default: {
        const known = [0x00, 0x14, 0x18].includes(offset) || offset >= 0xfe0;
        this.#ports.observer.guestError(
          offset,
          known ? 'write to a read-only register' : 'write to an unknown register',
        );
      }
    }
  }

  timer(kind: string): void {
    if (kind !== 'alarm') return;
    this.#state.ris = 1;
    this.#updateInterrupt();
  }

  /** QEMU: the clock outlives a system reset, with its alarm and its mask (devices.md, section 2). */
  reset(): void {}

  save(): DeviceState {
    return { ...this.#state };
  }

  load(state: DeviceState): void {
    this.#state = { ...(state as unknown as State) };
  }

  #count(): number {
    return modulo32(this.#state.offset + Math.floor(this.#ports.timers.now() / NS_PER_SECOND));
  }

  /**
   * The alarm comes when the count reaches RTCMR, modulo 2^32. QEMU: whole seconds from now, not at the next
   * change of the count.
   */
  #setAlarm(): void {
    const seconds = modulo32(this.#state.mr - this.#count());
    const { timers } = this.#ports;
    if (seconds === 0) {
      timers.cancel('alarm');
      this.timer('alarm');
    } else {
      timers.schedule('alarm', timers.now() + seconds * NS_PER_SECOND);
    }
  }

  #updateInterrupt(): void {
    this.#ports.irq.set((this.#state.ris & this.#state.imsc) !== 0);
  }
}

/** Into 0 … 2^32 − 1. Exact for anything below 2^53. */
function modulo32(value: number): number {
  const rest = value % 0x1_0000_0000;
  return rest < 0 ? rest + 0x1_0000_0000 : rest;
}
