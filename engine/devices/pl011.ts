import type { AccessSource, Device, DevicePorts, DeviceState, InterruptLine } from '../base/device.ts';
import { bit, bits, type RegisterField, type RegisterMap } from '../base/register-map.ts';

/*
 * UART, Arm DDI 0183 (PrimeCell UART PL011). Follows QEMU 7.2 where the machine can tell the difference:
 * the transmitter is never busy and never disabled, the receive trigger is always one character, baud rate,
 * loopback and DMA are stored and have no effect.
 */

const interrupts: readonly RegisterField[] = [
  bit('RIMINT', 0, 'nUARTRI modem'),
  bit('CTSMINT', 1, 'nUARTCTS modem'),
  bit('DCDMINT', 2, 'nUARTDCD modem'),
  bit('DSRMINT', 3, 'nUARTDSR modem'),
  bit('RXINT', 4, 'receive'),
  bit('TXINT', 5, 'transmit'),
  bit('RTINT', 6, 'receive timeout'),
  bit('FEINT', 7, 'framing error'),
  bit('PEINT', 8, 'parity error'),
  bit('BEINT', 9, 'break error'),
  bit('OEINT', 10, 'overrun error'),
];

const idBytes = [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1];
const idNames = [
  'UARTPeriphID0',
  'UARTPeriphID1',
  'UARTPeriphID2',
  'UARTPeriphID3',
  'UARTPCellID0',
  'UARTPCellID1',
  'UARTPCellID2',
  'UARTPCellID3',
];

export const pl011Registers: RegisterMap = {
  device: 'pl011',
  reference: 'Arm DDI 0183',
  registers: [
    {
      name: 'UARTDR',
      offset: 0x000,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: 'data: a read takes a received character, a write transmits',
      fields: [bits('DATA', 7, 0), bit('FE', 8), bit('PE', 9), bit('BE', 10), bit('OE', 11)],
    },
    {
      name: 'UARTRSR',
      offset: 0x004,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: 'receive status of the last character read; any write clears (UARTECR)',
      fields: [bit('FE', 0), bit('PE', 1), bit('BE', 2), bit('OE', 3)],
    },
    {
      name: 'UARTFR',
      offset: 0x018,
      width: 4,
      access: 'RO',
      reset: 0x90,
      meaning: 'flags',
      fields: [
        bit('CTS', 0),
        bit('DSR', 1),
        bit('DCD', 2),
        bit('BUSY', 3),
        bit('RXFE', 4, 'receive FIFO empty'),
        bit('TXFF', 5, 'transmit FIFO full'),
        bit('RXFF', 6, 'receive FIFO full'),
        bit('TXFE', 7, 'transmit FIFO empty'),
        bit('RI', 8),
      ],
    },
    {
      name: 'UARTILPR',
      offset: 0x020,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: 'IrDA low-power counter',
      fields: [bits('ILPDVSR', 7, 0)],
    },
    {
      name: 'UARTIBRD',
      offset: 0x024,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: 'integer baud rate',
      fields: [bits('BAUD_DIVINT', 15, 0)],
    },
    {
      name: 'UARTFBRD',
      offset: 0x028,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: 'fractional baud rate',
      fields: [bits('BAUD_DIVFRAC', 5, 0)],
    },
    {
      name: 'UARTLCR_H',
      offset: 0x02c,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: 'line control',
      fields: [
        bit('BRK', 0, 'send break'),
        bit('PEN', 1, 'parity enable'),
        bit('EPS', 2, 'even parity'),
        bit('STP2', 3, 'two stop bits'),
        bit('FEN', 4, 'FIFOs enabled'),
        {
          name: 'WLEN',
          hi: 6,
          lo: 5,
          meaning: 'word length',
          values: { 0: '5 bits', 1: '6 bits', 2: '7 bits', 3: '8 bits' },
        },
        bit('SPS', 7, 'stick parity'),
      ],
    },
    {
      name: 'UARTCR',
      offset: 0x030,
      width: 4,
      access: 'RW',
      reset: 0x300,
      meaning: 'control',
      fields: [
        bit('UARTEN', 0, 'UART enable'),
        bit('SIREN', 1),
        bit('SIRLP', 2),
        bit('LBE', 7, 'loopback'),
        bit('TXE', 8, 'transmit enable'),
        bit('RXE', 9, 'receive enable'),
        bit('DTR', 10),
        bit('RTS', 11),
        bit('Out1', 12),
        bit('Out2', 13),
        bit('RTSEn', 14),
        bit('CTSEn', 15),
      ],
    },
    {
      name: 'UARTIFLS',
      offset: 0x034,
      width: 4,
      access: 'RW',
      reset: 0x12,
      meaning: 'FIFO levels of the interrupts; without effect',
      fields: [bits('TXIFLSEL', 2, 0), bits('RXIFLSEL', 5, 3)],
    },
    {
      name: 'UARTIMSC',
      offset: 0x038,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: 'interrupt mask, 1 = enabled',
      fields: interrupts,
    },
    {
      name: 'UARTRIS',
      offset: 0x03c,
      width: 4,
      access: 'RO',
      reset: 0,
      meaning: 'raw interrupts',
      fields: interrupts,
    },
    {
      name: 'UARTMIS',
      offset: 0x040,
      width: 4,
      access: 'RO',
      reset: 0,
      meaning: 'masked interrupts',
      fields: interrupts,
    },
    {
      name: 'UARTICR',
      offset: 0x044,
      width: 4,
      access: 'WO',
      meaning: 'interrupt clear',
      fields: interrupts,
    },
    {
      name: 'UARTDMACR',
      offset: 0x048,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: 'DMA control; there is no DMA',
      fields: [bit('RXDMAE', 0), bit('TXDMAE', 1), bit('DMAONERR', 2)],
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

const FR_RXFE = 1 << 4;
const FR_RXFF = 1 << 6;
const FR_TXFE = 1 << 7;
const LCR_BRK = 1 << 0;
const LCR_FEN = 1 << 4;
const INT_RX = 1 << 4;
const INT_TX = 1 << 5;
/** A received break as UARTDR shows it: BE, no data. */
const BREAK = 1 << 10;
const FIFO_DEPTH = 16;

export interface Pl011Ports extends DevicePorts {
  /** UARTINTR, the combined interrupt. */
  readonly irq: InterruptLine;
}

interface State {
  rsr: number;
  fr: number;
  ilpr: number;
  ibrd: number;
  fbrd: number;
  lcrH: number;
  cr: number;
  ifls: number;
  imsc: number;
  ris: number;
  dmacr: number;
  /** Ring of 16 characters with their error bits, as in UARTDR. Slots keep what they held after a read. */
  fifo: number[];
  readAt: number;
  count: number;
}

const powerOn = (): State => ({
  rsr: 0,
  fr: FR_TXFE | FR_RXFE,
  ilpr: 0,
  ibrd: 0,
  fbrd: 0,
  lcrH: 0,
  cr: 0x300,
  ifls: 0x12,
  imsc: 0,
  ris: 0,
  dmacr: 0,
  fifo: new Array<number>(FIFO_DEPTH).fill(0),
  readAt: 0,
  count: 0,
});

export class Pl011 implements Device {
  readonly id: string;
  readonly registers = pl011Registers;
  readonly #ports: Pl011Ports;
  #state = powerOn();

  constructor(ports: Pl011Ports) {
    this.id = ports.id;
    this.#ports = ports;
  }

  /** Characters it can take now. Hosts must not send more: what does not fit is lost. */
  receiveCapacity(): number {
    return this.#depth() - this.#state.count;
  }

  /** `bytes`: received characters; `break`: one break condition (data ignored). */
  receive(kind: string, data: Uint8Array): void {
    if (kind === 'bytes') for (const byte of data) this.#push(byte);
    else if (kind === 'break') this.#push(BREAK);
  }

  read(offset: number, _size: 1 | 2 | 4, _source: AccessSource): number {
    const s = this.#state;
    // The two low address bits are not decoded (O7: the bytes of a word all read as its low one).
    switch (offset & ~3) {
      case 0x000:
        return this.#pop();
      case 0x004:
        return s.rsr;
      case 0x018:
        return s.fr;
      case 0x020:
        return s.ilpr;
      case 0x024:
        return s.ibrd;
      case 0x028:
        return s.fbrd;
      case 0x02c:
        return s.lcrH;
      case 0x030:
        return s.cr;
      case 0x034:
        return s.ifls;
      case 0x038:
        return s.imsc;
      case 0x03c:
        return s.ris;
      case 0x040:
        return (s.ris & s.imsc) >>> 0;
      case 0x044:
        return 0;
      case 0x048:
        return s.dmacr;
      default:
        if (offset >= 0xfe0 && offset < 0x1000) return idBytes[(offset - 0xfe0) >> 2]!;
        this.#ports.observer.guestError(offset, 'read of an unknown register');
        return 0;
    }
  }

  write(offset: number, _size: 1 | 2 | 4, value: number, _source: AccessSource): void {
    const s = this.#state;
    switch (offset & ~3) {
      case 0x000:
        this.#transmit(value);
        break;
      case 0x004:
        s.rsr = 0;
        break;
      // QEMU: the baud rate registers keep all 32 bits before 9.1 (O7).
      case 0x020:
        s.ilpr = value;
        break;
      case 0x024:
        s.ibrd = value;
        break;
      case 0x028:
        s.fbrd = value;
        break;
      case 0x02c:
        this.#setLineControl(value);
        break;
      case 0x030:
        s.cr = value;
        break;
      case 0x034:
        s.ifls = value;
        break;
      case 0x038:
        s.imsc = value;
        this.#updateInterrupt();
        break;
      case 0x044:
        s.ris &= ~value;
        this.#updateInterrupt();
        break;
      case 0x048:
        s.dmacr = value;
        if ((value & 3) !== 0) this.#ports.observer.guestError(offset, 'there is no DMA');
        break;
      default: {
        const known = [0x018, 0x03c, 0x040].includes(offset & ~3) || offset >= 0xfe0;
        this.#ports.observer.guestError(
          offset,
          known ? 'write to a read-only register' : 'write to an unknown register',
        );
      }
    }
  }

  /** QEMU: 7.2 has no reset at all and keeps an enabled interrupt across it; mended in 8.0, which we follow. */
  reset(): void {
    this.#state = powerOn();
    this.#updateInterrupt();
  }

  save(): DeviceState {
    return { ...this.#state, fifo: [...this.#state.fifo] };
  }

  load(state: DeviceState): void {
    const loaded = state as unknown as State;
    this.#state = { ...loaded, fifo: [...loaded.fifo] };
  }

  #depth(): number {
    return (this.#state.lcrH & LCR_FEN) !== 0 ? FIFO_DEPTH : 1;
  }

  #transmit(value: number): void {
    this.#ports.observer.output(Uint8Array.of(value & 0xff));
    this.#state.ris |= INT_TX;
    this.#updateInterrupt();
  }

  #push(character: number): void {
    const s = this.#state;
    if (s.count >= this.#depth()) {
      // QEMU asks for free space before it hands over a byte, so an overrun (OE) never happens there either.
      this.#ports.observer.note('overrun', { character });
      return;
    }
    s.fifo[(s.readAt + s.count) % FIFO_DEPTH] = character;
    s.count++;
    s.fr &= ~FR_RXFE;
    if (s.count === this.#depth()) s.fr |= FR_RXFF;
    // Only the first character raises it: after UARTICR with data left it stays low until the FIFO drains.
    if (s.count === 1) s.ris |= INT_RX;
    this.#updateInterrupt();
  }

  #pop(): number {
    const s = this.#state;
    // An empty FIFO gives what its next slot held before.
    const character = s.fifo[s.readAt]!;
    s.fr &= ~FR_RXFF;
    if (s.count > 0) {
      s.count--;
      s.readAt = (s.readAt + 1) % FIFO_DEPTH;
    }
    if (s.count === 0) {
      s.fr |= FR_RXFE;
      s.ris &= ~INT_RX;
    }
    s.rsr = character >> 8;
    this.#updateInterrupt();
    return character;
  }

  #setLineControl(value: number): void {
    const s = this.#state;
    const changed = s.lcrH ^ value;
    s.lcrH = value;
    if ((changed & LCR_FEN) !== 0) {
      s.count = 0;
      s.readAt = 0;
      // QEMU: before 9.2 RXFE and RXFF kept their value, so that an emptied FIFO said it held something.
      s.fr = (s.fr | FR_RXFE) & ~FR_RXFF;
    }
    if ((changed & LCR_BRK) !== 0) this.#ports.observer.note('break', { on: (value & LCR_BRK) !== 0 });
  }

  #updateInterrupt(): void {
    this.#ports.irq.set((this.#state.ris & this.#state.imsc) !== 0);
  }
}
