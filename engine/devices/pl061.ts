import type { AccessSource, Device, DevicePorts, DeviceState, InterruptLine } from '../base/device.ts';
import { bits, type RegisterMap } from '../base/register-map.ts';

/* GPIO with eight lines, Arm DDI 0190 (PrimeCell GPIO PL061). */

const idBytes = [0x00, 0x00, 0x00, 0x00, 0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1];
const idNames = [
  'GPIOPeriphID4',
  'GPIOPeriphID5',
  'GPIOPeriphID6',
  'GPIOPeriphID7',
  'GPIOPeriphID0',
  'GPIOPeriphID1',
  'GPIOPeriphID2',
  'GPIOPeriphID3',
  'GPIOPCellID0',
  'GPIOPCellID1',
  'GPIOPCellID2',
  'GPIOPCellID3',
];

const lines = [bits('LINES', 7, 0)];

export const pl061Registers: RegisterMap = {
  device: 'pl061',
  reference: 'Arm DDI 0190',
  registers: [
    {
      name: 'GPIODATA',
      offset: 0x000,
      width: 4,
      access: 'RW',
      reset: 0,
      count: 0x100,
      meaning: 'data; address bits 9:2 are the mask of the lines concerned',
      fields: lines,
    },
    {
      name: 'GPIODIR',
      offset: 0x400,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: '1 = output',
      fields: lines,
    },
    {
      name: 'GPIOIS',
      offset: 0x404,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: '1 = level interrupt',
      fields: lines,
    },
    {
      name: 'GPIOIBE',
      offset: 0x408,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: '1 = both edges',
      fields: lines,
    },
    {
      name: 'GPIOIEV',
      offset: 0x40c,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: '1 = rising edge or high level',
      fields: lines,
    },
    {
      name: 'GPIOIE',
      offset: 0x410,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: 'interrupt mask, 1 = enabled',
      fields: lines,
    },
    {
      name: 'GPIORIS',
      offset: 0x414,
      width: 4,
      access: 'RO',
      reset: 0,
      meaning: 'raw interrupts',
      fields: lines,
    },
    {
      name: 'GPIOMIS',
      offset: 0x418,
      width: 4,
      access: 'RO',
      reset: 0,
      meaning: 'masked interrupts',
      fields: lines,
    },
    { name: 'GPIOIC', offset: 0x41c, width: 4, access: 'WO', meaning: 'interrupt clear', fields: lines },
    {
      name: 'GPIOAFSEL',
      offset: 0x420,
      width: 4,
      access: 'RW',
      reset: 0,
      meaning: 'alternate function; without effect',
      fields: lines,
    },
    ...idBytes.map((reset, index) => ({
      name: idNames[index]!,
      offset: 0xfd0 + 4 * index,
      width: 4 as const,
      access: 'RO' as const,
      reset,
    })),
  ],
};

/** How long the power button stays pressed: 100 ms (virt-board.md, section 12). */
const BUTTON_NS = 100_000_000;
const BUTTON_LINE = 3;

export interface Pl061Ports extends DevicePorts {
  /** GPIOINTR, the combined interrupt. */
  readonly irq: InterruptLine;
  /** Called when what line `line` (0–7) drives outwards changes. All are low (or pulled up) at power-on. */
  readonly output?: (line: number, level: boolean) => void;
}

export interface Pl061Options {
  /** Lines pulled up, pulled down while they are not outputs. Default 0x00 and 0xFF; others keep their level. */
  readonly pullUps?: number;
  readonly pullDowns?: number;
}

interface State {
  /** Levels of all lines, in and out: GPIODATA. */
  data: number;
  dir: number;
  is: number;
  ibe: number;
  iev: number;
  ie: number;
  ris: number;
  afsel: number;
  /** What was driven outwards, and the levels at the last look for edges. */
  driven: number;
  seen: number;
}

export class Pl061 implements Device {
  readonly id: string;
  readonly registers = pl061Registers;
  readonly #ports: Pl061Ports;
  readonly #pullUps: number;
  readonly #pullDowns: number;
  #state: State;

  constructor(ports: Pl061Ports, options: Pl061Options = {}) {
    this.id = ports.id;
    this.#ports = ports;
    this.#pullUps = (options.pullUps ?? 0x00) & 0xff;
    this.#pullDowns = (options.pullDowns ?? 0xff) & 0xff;
    this.#state = this.#powerOn();
  }

  /** `line`: bytes in pairs, number (0–7) and level (0 or 1) of an external line. */
  receive(kind: string, data: Uint8Array): void {
    if (kind === 'line') {
      for (let i = 0; i + 1 < data.length; i += 2) this.#setLine(data[i]!, data[i + 1] !== 0);
    } else if (kind === 'power-button') this.powerButton();
  }

  /** Presses the button on line 3 for 100 ms. Also as the input `power-button` (data ignored). */
  powerButton(): void {
    this.#setLine(BUTTON_LINE, true);
    this.#ports.timers.schedule('button-release', this.#ports.timers.now() + BUTTON_NS);
  }

  timer(kind: string): void {
    if (kind === 'button-release') this.#setLine(BUTTON_LINE, false);
  }

  read(offset: number, _size: 1 | 2 | 4, _source: AccessSource): number {
    const s = this.#state;
    if (offset < 0x400) return s.data & (offset >> 2);
    switch (offset) {
      case 0x400:
        return s.dir;
      case 0x404:
        return s.is;
      case 0x408:
        return s.ibe;
      case 0x40c:
        return s.iev;
      case 0x410:
        return s.ie;
      case 0x414:
        return s.ris;
      case 0x418:
        return s.ris & s.ie;
      case 0x41c:
        this.#ports.observer.guestError(offset, 'read of the write-only GPIOIC');
        return 0;
      case 0x420:
        return s.afsel;
      default:
        if (offset >= 0xfd0 && offset < 0x1000) return idBytes[(offset - 0xfd0) >> 2]!;
        this.#ports.observer.guestError(offset, 'read of an unknown register');
        return 0;
    }
  }

  write(offset: number, _size: 1 | 2 | 4, value: number, _source: AccessSource): void {
    const s = this.#state;
    const lineBits = value & 0xff;
    if (offset < 0x400) {
      const mask = (offset >> 2) & s.dir;
      s.data = (s.data & ~mask) | (lineBits & mask);
      this.#update();
      return;
    }
    switch (offset) {
      case 0x400:
        s.dir = lineBits;
        break;
      case 0x404:
        s.is = lineBits;
        break;
      case 0x408:
        s.ibe = lineBits;
        break;
      case 0x40c:
        s.iev = lineBits;
        break;
      case 0x410:
        s.ie = lineBits;
        break;
      case 0x41c:
        s.ris &= ~lineBits;
        break;
      case 0x420:
        s.afsel = lineBits;
        break;
      default: {
        const known = offset === 0x414 || offset === 0x418 || offset >= 0xfd0;
        this.#ports.observer.guestError(
          offset,
          known ? 'write to a read-only register' : 'write to an unknown register',
        );
        return;
      }
    }
    this.#update();
  }

  reset(): void {
    const { driven } = this.#state;
    this.#state = this.#powerOn();
    this.#drive(driven);
    this.#ports.irq.set(false);
  }

  save(): DeviceState {
    return { ...this.#state };
  }

  load(state: DeviceState): void {
    this.#state = { ...(state as unknown as State) };
  }

  #powerOn(): State {
    return {
      data: 0,
      dir: 0,
      is: 0,
      ibe: 0,
      iev: 0,
      ie: 0,
      ris: 0,
      afsel: 0,
      driven: this.#pullUps,
      seen: 0,
    };
  }

  /** QEMU: a level at a line that is an output is lost, not kept for later. */
  #setLine(line: number, level: boolean): void {
    const s = this.#state;
    const mask = 1 << (line & 7);
    if ((s.dir & mask) !== 0) return;
    s.data = level ? s.data | mask : s.data & ~mask;
    this.#update();
  }

  #update(): void {
    const s = this.#state;
    const before = s.driven;
    const inputs = ~s.dir & 0xff;
    const floating = ~(this.#pullUps | this.#pullDowns);
    s.driven = (s.data & s.dir) | (inputs & (this.#pullUps | (floating & before)));
    this.#drive(before);

    const changed = (s.seen ^ s.data) & inputs;
    if (changed !== 0) {
      s.seen = s.data;
      const rightWay = ~(s.data ^ s.iev);
      s.ris |= changed & ~s.is & (s.ibe | rightWay);
    }
    // Levels latch: they stay in GPIORIS until GPIOIC. Outputs count too, as in QEMU.
    s.ris |= s.is & ~(s.data ^ s.iev);
    this.#ports.irq.set((s.ris & s.ie) !== 0);
  }

  #drive(before: number): void {
    const changed = before ^ this.#state.driven;
    for (let line = 0; line < 8; line++) {
      if ((changed & (1 << line)) !== 0) this.#ports.output?.(line, (this.#state.driven & (1 << line)) !== 0);
    }
  }
}
