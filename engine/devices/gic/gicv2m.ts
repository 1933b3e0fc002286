import type { Doorbell } from '../../base/address-space.ts';
import type { Device, DevicePorts, InterruptLine } from '../../base/device.ts';
import { bits, findRegister, type RegisterMap } from '../../base/register-map.ts';
import type { IntId } from '../../base/units.ts';
import { identification } from './gicv2-registers.ts';

export interface Gicv2mPorts extends DevicePorts {
  /** Wires of the SPIs the messages become, first one first. */
  readonly lines: readonly InterruptLine[];
}

const TYPER = 0x008;
const SETSPI_NS = 0x040;
const IIDR = 0xfcc;
/** QEMU's frame: product "0x51", no implementer. */
const IIDR_VALUE = 0x0510_0000;
const ID = new Array<number>(12).fill(0);

/**
 * GICv2m: a frame that turns messages into shared interrupts, for a GIC without an ITS (Arm Server Base
 * System Architecture 3.0, appendix E). A message is a pulse, so that only an edge-triggered SPI takes it.
 */
export class Gicv2m implements Device {
  readonly id: string;
  readonly registers: RegisterMap;
  readonly #ports: Gicv2mPorts;
  readonly #first: IntId;

  constructor(ports: Gicv2mPorts, firstIntId: IntId) {
    this.id = ports.id;
    this.#ports = ports;
    this.#first = firstIntId;
    this.registers = {
      device: 'gicv2m',
      reference: 'Arm SBSA 3.0 appendix E',
      registers: [
        {
          name: 'MSI_TYPER',
          offset: TYPER,
          width: 4,
          access: 'RO',
          reset: this.#typer,
          fields: [bits('Count', 9, 0, 'SPIs'), bits('Base', 25, 16, 'first INTID')],
        },
        {
          name: 'MSI_SETSPI_NS',
          offset: SETSPI_NS,
          width: 4,
          access: 'WO',
          meaning: 'the message: an INTID of the frame',
          fields: [bits('SPI', 9, 0)],
        },
        { name: 'MSI_IIDR', offset: IIDR, width: 4, access: 'RO', reset: IIDR_VALUE },
        ...identification(ID, 0xfd0)('MSI'),
      ],
    };
  }

  get #typer(): number {
    return (this.#first << 16) | this.#ports.lines.length;
  }

  /** The register messages are written to, for bus masters; `base` is the frame's address. */
  doorbell(base: number): Doorbell {
    return {
      base: base + SETSPI_NS,
      size: 4,
      message: (_offset, _size, value, requester) => this.#message(value, requester),
    };
  }

  read(offset: number, size: 1 | 2 | 4): number {
    if (size === 4) {
      if (offset === TYPER) return this.#typer;
      if (offset === IIDR) return IIDR_VALUE;
      if (offset >= 0xfd0 && offset <= 0xffc && (offset & 3) === 0) return 0;
    }
    return this.#undefined(offset, false);
  }

  write(offset: number, size: 1 | 2 | 4, value: number): void {
    if (offset === SETSPI_NS && size !== 1) this.#message(value, -1);
    else this.#undefined(offset, true);
  }

  /** `requester` -1: a CPU wrote it. */
  #message(value: number, requester: number): void {
    const index = (value & 0x3ff) - this.#first;
    const line = this.#ports.lines[index];
    if (line === undefined) {
      this.#ports.observer.guestError(SETSPI_NS, `message ${value & 0x3ff}: no SPI of this frame`);
      return;
    }
    this.#ports.observer.note('msi', { requester, intid: value & 0x3ff });
    line.set(true);
    line.set(false);
  }

  #undefined(offset: number, isWrite: boolean): 0 {
    const name = findRegister(this.registers, offset)?.name ?? 'an offset without a register';
    this.#ports.observer.guestError(offset, `${isWrite ? 'write to' : 'read of'} ${name}`);
    return 0;
  }

  reset(): void {}

  save(): Record<string, never> {
    return {};
  }

  load(): void {}
}
