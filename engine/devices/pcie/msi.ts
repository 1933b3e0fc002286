import { busAddress } from '../../base/address-space.ts';
import { bit, bits } from '../../base/register-map.ts';
import { sendMessage } from './msix.ts';
import type { PciFunction } from './pci-function.ts';

const CAP_MSI = 0x05;
const ENABLE = 1;
const IS_64_BIT = 0x80;
const CAPABILITY_BYTES = 14;

/** MSI with a single message and a 64-bit address (PCI Express 4.0, 7.7.1). Its state is configuration space. */
export class Msi {
  readonly #function: PciFunction;
  readonly #capability: number;
  readonly #message = new Uint8Array(4);
  readonly #view = new DataView(this.#message.buffer);

  constructor(fn: PciFunction, capability: number) {
    this.#function = fn;
    this.#capability = capability;
    const { config } = fn;
    config.addCapability(CAP_MSI, capability, CAPABILITY_BYTES, 'MSI');
    config.add({
      name: 'MSI_CTRL',
      offset: capability + 2,
      width: 2,
      reset: IS_64_BIT,
      write: ENABLE,
      fields: [
        bit('Enable', 0, 'a message instead of INTx'),
        bits('MultipleCapable', 3, 1),
        bits('MultipleEnable', 6, 4),
        bit('Is64Bit', 7),
      ],
    });
    config.add({ name: 'MSI_ADDR', offset: capability + 4, width: 4, write: 0xffff_fffc });
    config.add({ name: 'MSI_ADDRH', offset: capability + 8, width: 4, write: 0xffff_ffff });
    config.add({ name: 'MSI_DATA', offset: capability + 12, width: 2, write: 0xffff });
  }

  get enabled(): boolean {
    return (this.#function.config.word(this.#capability + 2) & ENABLE) !== 0;
  }

  /** Sends the message; nothing while it is not enabled. */
  notify(): void {
    if (!this.enabled) return;
    const { config } = this.#function;
    const address = busAddress(config.long(this.#capability + 4), config.long(this.#capability + 8));
    const data = config.word(this.#capability + 12);
    sendMessage(this.#function, 0, address, this.#message, this.#view, data);
  }
}
