import type { DeviceState } from '../../base/device.ts';
import {
  addBridgeSubsystem,
  addRootPortAcs,
  addRootPortAer,
  addRootPortExpress,
  EXPRESS,
  LINK_ACTIVE,
  SLOT,
} from './capabilities.ts';
import { COMMAND, CONFIG } from './config-space.ts';
import { VENDOR_REDHAT } from './host-bridge.ts';
import { Msix } from './msix.ts';
import { PciFunction, type PciPorts } from './pci-function.ts';
import { type AddressRange, type BridgeFunction, PciBus, swizzle } from './pcie-host.ts';

export interface RootPortOptions {
  /** Number of the physical slot (default 0). */
  readonly slot?: number;
  /** Nothing is connected behind it at power-on, until `receive('plug')`. */
  readonly empty?: boolean;
  readonly multiFunction?: boolean;
  /** Called when the device was pulled: it is gone. Absent: it can be plugged again. */
  readonly ejected?: () => void;
}

const SUBSYSTEM_AT = 0x40;
const MSIX_AT = 0x48;
const EXPRESS_AT = 0x54;
const SLTCTL = EXPRESS_AT + EXPRESS.SLTCTL;
const SLTSTA = EXPRESS_AT + EXPRESS.SLTSTA;
const LNKSTA = EXPRESS_AT + EXPRESS.LNKSTA;
const AER_AT = 0x100;
const ACS_AT = 0x148;
/** Bridge Control: secondary bus reset. */
const BUS_RESET = 0x40;
/** Speed and width of a link to a device, and of the port alone. */
const LINK_UP = 0x0011 | LINK_ACTIVE;
const LINK_DOWN = 0x0204;
/** Events the slot can have. */
const EVENTS = SLOT.ATTENTION_BUTTON | SLOT.PRESENCE_CHANGED | SLOT.COMMAND_COMPLETED;

/**
 * A root port of QEMU's (`pcie-root-port`): a bridge with room for one PCI Express device in a slot that can
 * be plugged and pulled, and error reporting that has nothing to report.
 *
 * What may be plugged is part of the machine from the beginning; plugging connects it.
 */
export class RootPort extends PciFunction implements BridgeFunction {
  readonly secondary: PciBus;
  readonly #msix: Msix;
  readonly #startsEmpty: boolean;
  readonly #ejected: () => void;
  #occupied = false;
  /** An enabled slot event is there that the guest was told of. */
  #notified = false;

  constructor(ports: PciPorts, options: RootPortOptions = {}) {
    super(ports, {
      identity: {
        vendor: VENDOR_REDHAT,
        device: 0x000c,
        revision: 0,
        classCode: 0x06_04_00,
        subsystemVendor: 0,
        subsystem: 0,
        pin: 1,
      },
      configSize: 4096,
      reference: 'PCI Express 4.0 section 7.5',
      bridge: true,
      ...(options.multiFunction === undefined ? {} : { multiFunction: options.multiFunction }),
    });
    this.#startsEmpty = options.empty ?? false;
    this.#ejected = options.ejected ?? (() => {});
    this.secondary = new PciBus(
      {
        number: () => this.config.bytes[CONFIG.SecondaryBus]!,
        isConnected: () => this.#occupied && this.#hasPower,
        intxChanged: (device, pin) => ports.slot.setIntx(swizzle(device, pin) + 1),
        decodeChanged: () => ports.slot.decodeChanged(),
      },
      true,
    );
    addBridgeSubsystem(this.config, SUBSYSTEM_AT, VENDOR_REDHAT, 0);
    this.#msix = new Msix(this, 1, MSIX_AT, 0);
    this.addBar(0, this.#msix.bar());
    addRootPortExpress(this.config, EXPRESS_AT, options.slot ?? 0);
    addRootPortAer(this.config, AER_AT);
    addRootPortAcs(this.config, ACS_AT);
  }

  /** Ends construction, when everything is plugged that ever will be: the slot shows what is there. */
  complete(): void {
    this.#occupied = !this.#startsEmpty && this.secondary.sorted.length > 0;
    const { config } = this;
    const { control, status, link } = this.#slotState();
    config.setReset(SLTCTL, 2, control);
    config.setReset(SLTSTA, 2, status);
    config.setReset(LNKSTA, 2, link);
  }

  busRange(): readonly [number, number] {
    return [this.config.bytes[CONFIG.SecondaryBus]!, this.config.bytes[CONFIG.SubordinateBus]!];
  }

  forwards(space: 'io' | 'memory'): readonly AddressRange[] {
    const { config } = this;
    if ((this.command & (space === 'io' ? COMMAND.IO : COMMAND.MEMORY)) === 0) return [];
    if (space === 'io') {
      const base = (config.bytes[CONFIG.IOBase]! & 0xf0) << 8;
      return range(base, ((config.bytes[CONFIG.IOLimit]! & 0xf0) << 8) | 0xfff);
    }
    const megabytes = (offset: number): number => (config.word(offset) & 0xfff0) * 0x1_0000;
    const upper = (offset: number): number => config.long(offset) * 2 ** 32;
    return [
      ...range(megabytes(CONFIG.MemoryBase), megabytes(CONFIG.MemoryLimit) + 0xf_ffff),
      ...range(
        megabytes(CONFIG.PrefetchableBase) + upper(CONFIG.PrefetchableBaseUpper),
        megabytes(CONFIG.PrefetchableLimit) + upper(CONFIG.PrefetchableLimitUpper) + 0xf_ffff,
      ),
    ];
  }

  /** `plug`: the device is put into the slot. `unplug`: somebody presses the attention button. */
  receive(kind: string): void {
    if (kind === 'plug') this.insert();
    else if (kind === 'unplug' && this.#occupied) {
      if (isPoweredOff(this.config.word(SLTCTL))) this.#eject();
      else this.#event(SLOT.ATTENTION_BUTTON);
    }
  }

  /** What is on the secondary bus has been put into the slot. */
  insert(): void {
    if (this.#occupied || this.secondary.sorted.length === 0) return;
    for (const fn of this.secondary.sorted) fn.reset();
    this.#setOccupied(true);
    this.#event(SLOT.PRESENCE_CHANGED | SLOT.ATTENTION_BUTTON);
  }

  /** The power controller (PCI Express 4.0, 6.7.1.8): without power nothing behind the port answers. */
  get #hasPower(): boolean {
    return (this.config.word(SLTCTL) & SLOT.POWER_OFF) === 0;
  }

  /** The guest has been asked to let the device go, and is about to: another press would call that off. */
  get isBusy(): boolean {
    return (this.config.word(SLTCTL) & SLOT.POWER_INDICATOR) === SLOT.POWER_INDICATOR_BLINKING;
  }

  get isOccupied(): boolean {
    return this.#occupied;
  }

  protected override writeConfig(offset: number, size: 1 | 2 | 4, value: number): void {
    const bridge = this.config.word(CONFIG.BridgeControl);
    const control = this.config.word(SLTCTL);
    const status = this.config.word(SLTSTA);
    super.writeConfig(offset, size, value);
    if (this.#msix.covers(offset, size)) this.#msix.controlChanged();
    if ((this.config.word(CONFIG.BridgeControl) & ~bridge & BUS_RESET) !== 0) {
      for (const fn of this.secondary.connected()) fn.reset();
    }
    const bytesOf = (register: number): number => writtenBits(register, offset, size, value);
    if (overlaps(SLTSTA, offset, size)) {
      // QEMU: a guest that clears what is not set would lose events that come meanwhile: nothing is cleared.
      if ((bytesOf(SLTSTA) & ~status & EVENTS) !== 0) {
        this.config.set(SLTSTA, 2, (this.config.word(SLTSTA) & ~EVENTS) | (status & EVENTS));
      }
      this.#updateNotified(false);
    }
    if (overlaps(SLTCTL, offset, size)) this.#slotCommand(control, bytesOf(SLTCTL));
  }

  /** PCI Express 4.0, 6.7.3.2: every write to Slot Control is a command, and is done at once. */
  #slotCommand(before: number, written: number): void {
    if ((written & SLOT.INTERLOCK) !== 0) {
      this.config.set(SLTSTA, 2, this.config.word(SLTSTA) ^ SLOT.INTERLOCK_STATUS);
    }
    // Powered off with the indicator off too: the device may be pulled, and is.
    if (this.#occupied && isPoweredOff(this.config.word(SLTCTL)) && !isPoweredOff(before)) this.#eject();
    if (((this.config.word(SLTCTL) ^ before) & SLOT.POWER_OFF) !== 0) {
      if (!this.#hasPower) for (const fn of this.secondary.sorted) fn.reset();
      this.slot.decodeChanged();
    }
    this.#updateNotified(true);
    this.#event(SLOT.COMMAND_COMPLETED);
  }

  #eject(): void {
    for (const fn of this.secondary.sorted) fn.reset();
    this.#setOccupied(false);
    this.#event(SLOT.PRESENCE_CHANGED);
    this.#ejected();
  }

  #setOccupied(occupied: boolean): void {
    this.#occupied = occupied;
    this.ports.observer.note(occupied ? 'slot-plugged' : 'slot-unplugged', {});
    const { config } = this;
    config.set(LNKSTA, 2, occupied ? LINK_UP : LINK_DOWN);
    config.set(SLTSTA, 2, (config.word(SLTSTA) & ~SLOT.PRESENCE) | (occupied ? SLOT.PRESENCE : 0));
    this.slot.decodeChanged();
  }

  #event(events: number): void {
    const status = this.config.word(SLTSTA);
    if ((status & events) === events) return;
    this.config.set(SLTSTA, 2, status | events);
    this.#updateNotified(true);
  }

  /** Compares events with what the guest enabled; `tell`: a new one is worth a message. */
  #updateNotified(tell: boolean): void {
    const control = this.config.word(SLTCTL);
    const enabled = (control & SLOT.HOTPLUG_INTERRUPT_ENABLE) !== 0;
    const before = this.#notified;
    this.#notified = enabled && (control & this.config.word(SLTSTA) & EVENTS) !== 0;
    if (this.#msix.enabled) {
      if (tell && this.#notified && !before) this.#msix.notify(0);
      this.setIntx(false);
    } else {
      this.setIntx(this.#notified);
    }
  }

  /** Slot and link after a reset: powered if something is there. */
  #slotState(): { control: number; status: number; link: number } {
    const off = this.config.resetValue(SLTCTL, 2) | SLOT.POWER_OFF | SLOT.POWER_INDICATOR;
    if (!this.#occupied) return { control: off, status: 0, link: LINK_DOWN };
    const on = (off & ~(SLOT.POWER_OFF | SLOT.POWER_INDICATOR)) | SLOT.POWER_INDICATOR_ON;
    return { control: on, status: SLOT.PRESENCE, link: LINK_UP };
  }

  override reset(): void {
    super.reset();
    const { control, status, link } = this.#slotState();
    this.config.set(SLTCTL, 2, control);
    this.config.set(SLTSTA, 2, status);
    this.config.set(LNKSTA, 2, link);
  }

  protected resetFunction(): void {
    this.#msix.reset();
    this.#notified = false;
  }

  protected saveFunction(): DeviceState {
    return { msix: this.#msix.save(), occupied: this.#occupied, notified: this.#notified };
  }

  protected loadFunction(state: DeviceState): void {
    this.#msix.load(state.msix!);
    this.#occupied = state.occupied === true;
    this.#notified = state.notified === true;
  }
}

function isPoweredOff(control: number): boolean {
  return (control & SLOT.POWER_OFF) !== 0 && (control & SLOT.POWER_INDICATOR) === SLOT.POWER_INDICATOR_OFF;
}

function overlaps(register: number, offset: number, size: number): boolean {
  return offset < register + 2 && offset + size > register;
}

/** What a write puts on the two bytes of a register. */
function writtenBits(register: number, offset: number, size: number, value: number): number {
  let bits = 0;
  for (let byte = 0; byte < 2; byte++) {
    const at = register + byte - offset;
    if (at >= 0 && at < size) bits |= ((value >>> (8 * at)) & 0xff) << (8 * byte);
  }
  return bits;
}

function range(base: number, last: number): AddressRange[] {
  return last < base ? [] : [{ base, end: last + 1 }];
}
