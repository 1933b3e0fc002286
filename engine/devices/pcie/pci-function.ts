import type { RequesterId } from '../../base/address-space.ts';
import type { Device, DevicePorts, DeviceState, DmaPort, StateValue } from '../../base/device.ts';
import { bits, type RegisterMap } from '../../base/register-map.ts';
import type { AccessSize } from '../../base/units.ts';
import { addBridgeHeader, addEndpointHeader, type PciIdentity } from './config-header.ts';
import { COMMAND, CONFIG, type ConfigSize, ConfigSpace, STATUS_INTX } from './config-space.ts';

/** What a function needs of the bus it sits on. */
export interface PciSlot {
  /** Device number << 3 | function number. */
  readonly devfn: number;
  /** The bus is that of a PCI Express port, not the root complex. */
  readonly express: boolean;
  requesterId(): RequesterId;
  /** The level of the wire of an interrupt pin (1 = INTA) may have changed. */
  setIntx(pin: number): void;
  /** BARs, windows, bus numbers or what enables them changed. */
  decodeChanged(): void;
}

export interface PciPorts extends DevicePorts {
  readonly slot: PciSlot;
  /** Memory as this function reaches it: through the IOMMU, if there is one. */
  readonly dma: DmaPort;
  /** Memory around the IOMMU, for devices that do not know of one; default: `dma`. */
  readonly directDma?: DmaPort;
}

/** A window onto registers or memory of a function. Offsets count from the window's beginning. */
export interface Bar {
  readonly kind: 'io' | 'memory32' | 'memory64';
  readonly prefetchable?: boolean;
  /** A power of two; I/O at least 4, memory at least 16. */
  readonly size: number;
  readonly registers: RegisterMap;
  read(offset: number, size: 1 | 2 | 4): number;
  write(offset: number, size: 1 | 2 | 4, value: number): void;
  /** False: the access is aborted. */
  accepts?(offset: number, size: AccessSize, isWrite: boolean): boolean;
}

export interface PciFunctionOptions {
  readonly identity: PciIdentity;
  readonly configSize: ConfigSize;
  readonly multiFunction?: boolean;
  /** Document the registers are from. */
  readonly reference: string;
  readonly bridge?: boolean;
}

const IO_MASK = 0xffff_fffc;
const MEMORY_MASK = 0xffff_fff0;

/** Name a BAR's accesses are observed under. */
export function barDevice(id: string, index: number): string {
  return `${id}.bar${index}`;
}

/**
 * A PCI function (PCI 3.0, PCI Express 4.0): configuration space, BARs and the INTx pin. As a `Device` its
 * registers are the configuration space.
 */
export abstract class PciFunction implements Device {
  readonly id: string;
  readonly config: ConfigSpace;
  readonly bars: (Bar | undefined)[] = [];
  readonly slot: PciSlot;
  readonly ports: PciPorts;
  readonly #registers: RegisterMap;
  readonly #pin: number;
  /** The function asks for its INTx, whether it is allowed to or not. */
  #asserted = false;

  constructor(ports: PciPorts, options: PciFunctionOptions) {
    this.id = ports.id;
    this.ports = ports;
    this.slot = ports.slot;
    this.#pin = options.identity.pin;
    this.config = new ConfigSpace(options.configSize);
    const multiFunction = options.multiFunction ?? false;
    if (options.bridge === true) addBridgeHeader(this.config, options.identity, multiFunction);
    else addEndpointHeader(this.config, options.identity, multiFunction);
    this.#registers = {
      device: 'pci-config',
      reference: options.reference,
      registers: this.config.registers,
    };
  }

  get registers(): RegisterMap {
    return this.#registers;
  }

  /** Register maps of everything in it, by the name it is observed under. */
  registerMaps(): { [device: string]: RegisterMap } {
    const maps: { [device: string]: RegisterMap } = { [this.id]: this.registers };
    this.bars.forEach((bar, index) => {
      if (bar !== undefined) maps[barDevice(this.id, index)] = bar.registers;
    });
    return maps;
  }

  /** Adds a window and its BAR; a 64-bit one takes two places. */
  protected addBar(index: number, bar: Bar): void {
    this.bars[index] = bar;
    const io = bar.kind === 'io';
    const type = io ? 1 : (bar.kind === 'memory64' ? 4 : 0) | (bar.prefetchable === true ? 8 : 0);
    const mask = (-bar.size & (io ? IO_MASK : MEMORY_MASK)) >>> 0;
    this.config.add({
      name: `BAR${index}`,
      offset: CONFIG.BAR0 + 4 * index,
      width: 4,
      reset: type,
      write: bar.size > 0x8000_0000 ? 0 : mask,
      meaning: `${bar.size} bytes of ${io ? 'I/O ports' : 'memory'}`,
      fields: io
        ? [bits('Address', 31, 2)]
        : [bits('Type', 2, 1, '2: 64 bits'), bits('Prefetchable', 3, 3), bits('Address', 31, 4)],
    });
    if (bar.kind !== 'memory64') return;
    this.config.add({
      name: `BAR${index}H`,
      offset: CONFIG.BAR0 + 4 * index + 4,
      width: 4,
      write: bar.size > 0x8000_0000 ? -(bar.size / 2 ** 32) >>> 0 : 0xffff_ffff,
      meaning: 'bits 63:32',
    });
  }

  /** Bus address of a BAR; undefined while it cannot be decoded. */
  barBase(index: number): number | undefined {
    const bar = this.bars[index];
    if (bar === undefined) return undefined;
    const enable = bar.kind === 'io' ? COMMAND.IO : COMMAND.MEMORY;
    if ((this.command & enable) === 0) return undefined;
    const low = this.config.long(CONFIG.BAR0 + 4 * index);
    if (bar.kind === 'io') return (low & IO_MASK) >>> 0;
    const high = bar.kind === 'memory64' ? this.config.long(CONFIG.BAR0 + 4 * index + 4) : 0;
    const base = high * 2 ** 32 + ((low & MEMORY_MASK) >>> 0);
    // An address with every bit set is what sizing leaves behind, not a place.
    const top = bar.kind === 'memory64' ? 2 ** 53 : 2 ** 32;
    return base + bar.size < top ? base : undefined;
  }

  get command(): number {
    return this.config.word(CONFIG.Command);
  }

  /** May read and write memory, and send messages. */
  get isMaster(): boolean {
    return (this.command & COMMAND.MASTER) !== 0;
  }

  /** Reads memory as a bus master; false also while the guest has not allowed it. */
  dmaRead(address: number, into: Uint8Array): boolean {
    return this.isMaster && this.ports.dma.read(address, into);
  }

  dmaWrite(address: number, from: Uint8Array): boolean {
    return this.isMaster && this.ports.dma.write(address, from);
  }

  /** The INTx wire: level for as long as the function has something to say. */
  setIntx(level: boolean): void {
    if (this.#pin === 0) return;
    this.#asserted = level;
    this.updateIntx();
  }

  /** Level on the wire. */
  get intx(): boolean {
    return this.#asserted && (this.command & COMMAND.INTX_DISABLE) === 0;
  }

  get intxPin(): number {
    return this.#pin;
  }

  protected updateIntx(): void {
    const status = this.config.word(CONFIG.Status) & ~STATUS_INTX;
    this.config.set(CONFIG.Status, 2, status | (this.#asserted ? STATUS_INTX : 0));
    if (this.#pin !== 0) this.slot.setIntx(this.#pin);
  }

  read(offset: number, size: 1 | 2 | 4): number {
    if (offset >= this.config.size) return 2 ** (8 * size) - 1;
    return this.readConfig(offset, size);
  }

  write(offset: number, size: 1 | 2 | 4, value: number): void {
    if (offset >= this.config.size) return;
    const before = this.command;
    this.writeConfig(offset, size, value >>> 0);
    const after = this.command;
    if (offset < CONFIG.CapabilitiesPointer || offset + size > CONFIG.BridgeControl)
      this.slot.decodeChanged();
    if (before !== after) {
      this.updateIntx();
      this.commandChanged(before, after);
    }
  }

  /** Hooks around configuration accesses; `offset` is inside the space. */
  protected readConfig(offset: number, size: 1 | 2 | 4): number {
    return this.config.read(offset, size);
  }

  protected writeConfig(offset: number, size: 1 | 2 | 4, value: number): void {
    this.config.write(offset, size, value);
  }

  protected commandChanged(_before: number, _after: number): void {}

  /** Puts the function into its state after power-on, all but configuration space and INTx. */
  protected abstract resetFunction(): void;
  protected abstract saveFunction(): DeviceState;
  protected abstract loadFunction(state: DeviceState): void;

  reset(): void {
    this.resetFunction();
    this.config.reset();
    this.#asserted = false;
    this.updateIntx();
    this.slot.decodeChanged();
  }

  save(): DeviceState {
    return {
      config: this.config.bytes.slice(),
      asserted: this.#asserted,
      function: this.saveFunction() as StateValue,
    };
  }

  load(state: DeviceState): void {
    this.config.bytes.set((state.config as Uint8Array).subarray(0, this.config.size));
    this.#asserted = state.asserted === true;
    this.loadFunction(state.function as DeviceState);
    this.slot.decodeChanged();
  }
}
