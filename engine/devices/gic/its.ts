import type { Doorbell } from '../../base/address-space.ts';
import type { Device, DevicePorts, DeviceState, DmaPort } from '../../base/device.ts';
import { findRegister, type RegisterMap } from '../../base/register-map.ts';
import type { Gicv3 } from './gicv3.ts';
import { COMMAND_BYTES, decodeCommand, type ItsCommand, isLpi } from './its-commands.ts';
import {
  BASER_COLLECTIONS,
  BASER_COUNT,
  BASER_DEVICES,
  BASER_READ_ONLY_HIGH,
  BASER_RESET,
  COLLECTION_ID_BITS,
  DEVICE_ID_BITS,
  EVENT_ID_BITS,
  GIC_ITS,
  GITS,
  GITS_CTLR_ENABLED,
  GITS_CTLR_QUIESCENT,
  GITS_TYPER,
  ITS_ID,
} from './its-registers.ts';
import {
  type DeviceEntry,
  type InterruptEntry,
  ItsTables,
  type TableSetup,
  tableSetup,
} from './its-tables.ts';
import { LpiRedistributors } from './lpi-tables.ts';

export interface ItsPorts extends DevicePorts {
  /** Physical memory, where tables and command queue are. */
  readonly dma: DmaPort;
}

/** DeviceID of a message that a CPU writes (QEMU). */
const CPU_DEVICE_ID = 0;
/** GITS_CREADR.Stalled, GITS_CWRITER.Retry. */
const STALLED = 1;
const RETRY = 1;
const OFFSET_MASK = 0xf_ffe0;

/** What came of a command: done or skipped, or memory it needs is not there. */
type Outcome = 'next' | 'stall';

/** Who wants an interrupt: a command, or a message. */
type Asker = ItsCommand['name'] | 'message';

/** What can be wrong, as the names of command errors end in the specification: MAPD_DEVICE_OOR. */
type Fault =
  | 'DEVICE_OOR'
  | 'ITTSIZE_OOR'
  | 'PROCNUM_OOR'
  | 'COLLECTION_OOR'
  | 'UNMAPPED_DEVICE'
  | 'ID_OOR'
  | 'PHYSICALID_OOR'
  | 'UNMAPPED_INTERRUPT'
  | 'UNMAPPED_COLLECTION';

/** What DeviceID and EventID lead to. */
interface Route {
  readonly device: DeviceEntry;
  readonly interrupt: InterruptEntry;
  readonly cpu: number;
}

/**
 * Interrupt Translation Service (Arm IHI 0069, chapter 5): turns (DeviceID, EventID) into an LPI of a CPU by
 * tables that the guest's commands fill. Everything is done at once: when a write to GITS_CWRITER returns,
 * the commands before it are carried out.
 */
export class Its implements Device {
  readonly id: string;
  readonly registers: RegisterMap = GIC_ITS;
  readonly lpis: LpiRedistributors;
  readonly #ports: ItsPorts;
  readonly #gic: Gicv3;
  readonly #tables: ItsTables;
  #control = GITS_CTLR_QUIESCENT;
  /** Low and high words. */
  readonly #commandBase = new Uint32Array(2);
  readonly #commandWrite = new Uint32Array(2);
  readonly #commandRead = new Uint32Array(2);
  readonly #tableBase = new Uint32Array(2 * BASER_COUNT);
  readonly #command = new Uint8Array(COMMAND_BYTES);
  readonly #commandView = new DataView(this.#command.buffer);

  constructor(ports: ItsPorts, gic: Gicv3) {
    this.id = ports.id;
    this.#ports = ports;
    this.#gic = gic;
    this.#tables = new ItsTables(ports.dma);
    this.lpis = new LpiRedistributors(gic, ports.dma);
    this.reset();
  }

  /** GITS_TRANSLATER, for bus masters; `base` is the address of the control frame. */
  doorbell(base: number): Doorbell {
    return {
      base: base + GITS.TRANSLATER,
      size: 4,
      message: (_offset, _size, value, requester) => this.translate(requester, value),
    };
  }

  /** A message: the event of a device becomes pending as an LPI. */
  translate(deviceId: number, eventId: number): void {
    if (!this.#enabled) {
      this.#error(GITS.TRANSLATER, `message while disabled, from ${deviceText(deviceId)}`);
      return;
    }
    const route = this.#route('message', deviceId, eventId);
    if (typeof route === 'string') {
      if (route === 'stall') {
        this.#error(GITS.TRANSLATER, `message from ${deviceText(deviceId)}: a table is not in memory`);
      }
      return;
    }
    const { intid } = route.interrupt;
    this.#ports.observer.note('lpi', { deviceId, eventId, intid, cpu: route.cpu });
    this.lpis.setPending(route.cpu, intid, true);
  }

  /* --- Registers ---------------------------------------------------------------------------------------- */

  read(offset: number, size: 1 | 2 | 4): number {
    if (size !== 4) return this.#undefined(offset, false);
    switch (offset) {
      case GITS.CTLR:
        return this.#control >>> 0;
      case GITS.IIDR:
        return 0x43b;
      case GITS.TYPER:
        return GITS_TYPER.low;
      case GITS.TYPER + 4:
        return GITS_TYPER.high;
      case GITS.CBASER:
      case GITS.CBASER + 4:
        return this.#commandBase[(offset >>> 2) & 1]!;
      case GITS.CWRITER:
      case GITS.CWRITER + 4:
        return this.#commandWrite[(offset >>> 2) & 1]!;
      case GITS.CREADR:
      case GITS.CREADR + 4:
        return this.#commandRead[(offset >>> 2) & 1]!;
    }
    if (offset >= GITS.BASER && offset < GITS.BASER + 8 * BASER_COUNT && offset % 4 === 0) {
      return this.#tableBase[(offset - GITS.BASER) / 4]!;
    }
    if (offset >= GITS.ID && offset < GITS.ID + 0x30) return ITS_ID[(offset - GITS.ID) >>> 2]!;
    return this.#undefined(offset, false);
  }

  write(offset: number, size: 1 | 2 | 4, value: number): void {
    if (offset === GITS.TRANSLATER && size !== 1) {
      this.translate(CPU_DEVICE_ID, value >>> 0);
      return;
    }
    if (size !== 4) {
      this.#undefined(offset, true);
      return;
    }
    const word = (offset >>> 2) & 1;
    switch (offset) {
      case GITS.CTLR:
        this.#control = (GITS_CTLR_QUIESCENT | (value & GITS_CTLR_ENABLED)) >>> 0;
        if (this.#enabled) this.#runCommands();
        return;
      case GITS.CBASER:
      case GITS.CBASER + 4:
        if (this.#enabled) {
          this.#readOnlyNow(offset);
          return;
        }
        this.#commandBase[word] = value;
        this.#commandRead.fill(0);
        return;
      case GITS.CWRITER:
      case GITS.CWRITER + 4:
        this.#commandWrite[word] = word === 0 ? value & ~RETRY : value;
        // IHI 0069, GITS_CWRITER.Retry: what is stalled goes on with this bit alone.
        if (word === 0 && (!this.#stalled || (value & RETRY) !== 0)) this.#runCommands();
        return;
      case GITS.CREADR:
      case GITS.CREADR + 4:
        // QEMU: only with one security state.
        if (!this.#gic.singleState) {
          this.#readOnlyNow(offset);
          return;
        }
        this.#commandRead[word] = word === 0 ? value & ~STALLED : value;
        return;
    }
    if (offset >= GITS.BASER && offset < GITS.BASER + 8 * BASER_COUNT && offset % 4 === 0) {
      this.#writeTableBase(offset, value);
      return;
    }
    this.#undefined(offset, true);
  }

  read64(offset: number): bigint {
    if (!isLong(offset)) return BigInt(this.#undefined(offset, false));
    return BigInt(this.read(offset, 4)) | (BigInt(this.read(offset + 4, 4)) << 32n);
  }

  write64(offset: number, value: bigint): void {
    if (!isLong(offset)) {
      this.#undefined(offset, true);
      return;
    }
    // The high half first: the low one of GITS_CWRITER starts the commands.
    this.write(offset + 4, 4, Number((value >> 32n) & 0xffff_ffffn));
    this.write(offset, 4, Number(value & 0xffff_ffffn));
  }

  #writeTableBase(offset: number, value: number): void {
    const index = (offset - GITS.BASER) / 4;
    if (BASER_RESET[index >>> 1] === undefined) return;
    if (this.#enabled) {
      this.#readOnlyNow(offset);
      return;
    }
    const isHigh = (index & 1) === 1;
    const fixed = isHigh ? BASER_READ_ONLY_HIGH : 0;
    this.#tableBase[index] = (this.#tableBase[index]! & fixed) | (value & ~fixed);
  }

  get #enabled(): boolean {
    return (this.#control & GITS_CTLR_ENABLED) !== 0;
  }

  get #stalled(): boolean {
    return (this.#commandRead[0]! & STALLED) !== 0;
  }

  /* --- Commands ----------------------------------------------------------------------------------------- */

  #runCommands(): void {
    if (!this.#enabled) return;
    const [low = 0, high = 0] = this.#commandBase;
    const count = (high & 0x8000_0000) === 0 ? 0 : ((low & 0xff) + 1) * (0x1000 / COMMAND_BYTES);
    const base = (high & 0xf_ffff) * 2 ** 32 + ((low & 0xffff_f000) >>> 0);
    const end = (this.#commandWrite[0]! & OFFSET_MASK) / COMMAND_BYTES;
    let at = (this.#commandRead[0]! & OFFSET_MASK) / COMMAND_BYTES;
    if (end === at) return;
    if (end >= count || at >= count) {
      this.#error(GITS.CWRITER, `OUTSIDE: command ${Math.max(end, at)} of a queue of ${count}`);
      return;
    }
    while (at !== end) {
      if (!this.#ports.dma.read(base + at * COMMAND_BYTES, this.#command))
        return this.#stall('the command queue');
      const command = decodeCommand(this.#commandView);
      this.#ports.observer.note('its-command', { ...command });
      if (this.#carryOut(command) === 'stall') return this.#stall(command.name);
      at = (at + 1) % count;
      this.#commandRead[0] = at * COMMAND_BYTES;
      this.#commandRead[1] = 0;
    }
  }

  #stall(what: string): void {
    this.#commandRead[0]! |= STALLED;
    this.#error(GITS.CREADR, `stalled: ${what}: no memory`);
  }

  #carryOut(command: ItsCommand): Outcome {
    switch (command.name) {
      case 'INT':
      case 'CLEAR':
      case 'DISCARD':
        return this.#event(command.name, command.device, command.event);
      case 'MAPD':
        return this.#mapDevice(command.device, command.size, command.itt, command.valid);
      case 'MAPC':
        return this.#mapCollection(command.collection, command.cpu, command.valid);
      case 'MAPTI':
      case 'MAPI':
        return this.#mapInterrupt(command);
      case 'MOVI':
        return this.#moveInterrupt(command.device, command.event, command.collection);
      case 'INV': {
        const route = this.#route('INV', command.device, command.event);
        if (typeof route === 'string') return route;
        this.lpis.refresh(route.cpu);
        return 'next';
      }
      case 'INVALL': {
        const cpu = this.#collectionCpu('INVALL', command.collection);
        if (typeof cpu === 'string') return cpu;
        this.lpis.refresh(cpu);
        return 'next';
      }
      case 'MOVALL': {
        const { from, to } = command;
        if (!this.#hasCpu('MOVALL', from) || !this.#hasCpu('MOVALL', to)) return 'next';
        this.lpis.moveAll(from, to);
        return 'next';
      }
      case 'SYNC':
        // Nothing is ever under way.
        this.#hasCpu('SYNC', command.cpu);
        return 'next';
      case 'unknown':
        this.#error(GITS.CREADR, `UNKNOWN: there is no command 0x${command.number.toString(16)}`);
        return 'next';
    }
  }

  #event(name: 'INT' | 'CLEAR' | 'DISCARD', device: number, event: number): Outcome {
    const route = this.#route(name, device, event);
    if (typeof route === 'string') return route;
    const { intid } = route.interrupt;
    if (name === 'INT') {
      this.#ports.observer.note('lpi', { deviceId: device, eventId: event, intid, cpu: route.cpu });
    }
    this.lpis.setPending(route.cpu, intid, name === 'INT');
    if (name !== 'DISCARD') return 'next';
    return this.#tables.writeInterrupt(route.device, event, undefined) ? 'next' : 'stall';
  }

  #mapDevice(id: number, size: number, ittAddress: number, valid: boolean): Outcome {
    const table = this.#deviceTable();
    if (table === undefined || id >= table.entries) return this.#skip('MAPD', 'DEVICE_OOR', deviceText(id));
    if (valid && size >= EVENT_ID_BITS) return this.#skip('MAPD', 'ITTSIZE_OOR', `${size + 1} bits`);
    const written = this.#tables.writeDevice(table, id, valid ? { size, ittAddress } : undefined);
    if (written === 'absent') return this.#skip('MAPD', 'DEVICE_OOR', `no page for ${deviceText(id)}`);
    return written === 'failed' ? 'stall' : 'next';
  }

  #mapCollection(collection: number, cpu: number, valid: boolean): Outcome {
    const table = this.#collectionTable();
    if (table === undefined || collection >= table.entries) {
      return this.#skip('MAPC', 'COLLECTION_OOR', `collection ${collection}`);
    }
    if (valid && !this.#hasCpu('MAPC', cpu)) return 'next';
    const written = this.#tables.writeCollection(table, collection, valid ? cpu : undefined);
    if (written === 'absent') {
      return this.#skip('MAPC', 'COLLECTION_OOR', `no page for collection ${collection}`);
    }
    return written === 'failed' ? 'stall' : 'next';
  }

  #mapInterrupt(command: {
    name: 'MAPTI' | 'MAPI';
    device: number;
    event: number;
    intid: number;
    collection: number;
  }): Outcome {
    const { name, device: id, event, intid, collection } = command;
    const device = this.#device(name, id, event);
    if (typeof device === 'string') return device;
    if (!isLpi(intid)) return this.#skip(name, 'PHYSICALID_OOR', `${intid} is no LPI`);
    if (collection >= (this.#collectionTable()?.entries ?? 0)) {
      return this.#skip(name, 'COLLECTION_OOR', `collection ${collection}`);
    }
    return this.#tables.writeInterrupt(device, event, { intid, collection }) ? 'next' : 'stall';
  }

  #moveInterrupt(id: number, event: number, collection: number): Outcome {
    const route = this.#route('MOVI', id, event);
    if (typeof route === 'string') return route;
    const cpu = this.#collectionCpu('MOVI', collection);
    if (typeof cpu === 'string') return cpu;
    const { intid } = route.interrupt;
    this.lpis.move(route.cpu, cpu, intid);
    return this.#tables.writeInterrupt(route.device, event, { intid, collection }) ? 'next' : 'stall';
  }

  /* --- Lookups: the entry, or what the command has come to without it ------------------------------------ */

  #deviceTable(): TableSetup | undefined {
    return this.#table(BASER_DEVICES, DEVICE_ID_BITS);
  }

  #collectionTable(): TableSetup | undefined {
    return this.#table(BASER_COLLECTIONS, COLLECTION_ID_BITS);
  }

  #table(index: number, idBits: number): TableSetup | undefined {
    return tableSetup(this.#tableBase[2 * index]!, this.#tableBase[2 * index + 1]!, idBits);
  }

  #device(who: Asker, id: number, event: number): DeviceEntry | Outcome {
    const table = this.#deviceTable();
    if (table === undefined || id >= table.entries) return this.#skip(who, 'DEVICE_OOR', deviceText(id));
    const device = this.#tables.readDevice(table, id);
    if (device === 'failed') return 'stall';
    if (device === 'absent') return this.#skip(who, 'DEVICE_OOR', `no page for ${deviceText(id)}`);
    if (device === 'invalid') return this.#skip(who, 'UNMAPPED_DEVICE', deviceText(id));
    if (event >= 2 ** (device.size + 1)) {
      return this.#skip(who, 'ID_OOR', `${deviceText(id)} has no event ${event}`);
    }
    return device;
  }

  #route(who: Asker, id: number, event: number): Route | Outcome {
    const device = this.#device(who, id, event);
    if (typeof device === 'string') return device;
    const interrupt = this.#tables.readInterrupt(device, event);
    if (interrupt === 'failed') return 'stall';
    if (interrupt === 'invalid') {
      return this.#skip(who, 'UNMAPPED_INTERRUPT', `event ${event} of ${deviceText(id)}`);
    }
    if (!isLpi(interrupt.intid)) {
      return this.#skip(
        who,
        'UNMAPPED_INTERRUPT',
        `event ${event} names ${interrupt.intid}, which is no LPI`,
      );
    }
    const cpu = this.#collectionCpu(who, interrupt.collection);
    return typeof cpu === 'string' ? cpu : { device, interrupt, cpu };
  }

  #collectionCpu(who: Asker, collection: number): number | Outcome {
    const table = this.#collectionTable();
    if (table === undefined || collection >= table.entries) {
      return this.#skip(who, 'COLLECTION_OOR', `collection ${collection}`);
    }
    const cpu = this.#tables.readCollection(table, collection);
    if (cpu === 'failed') return 'stall';
    if (cpu === 'absent') return this.#skip(who, 'COLLECTION_OOR', `no page for collection ${collection}`);
    if (cpu === 'invalid') return this.#skip(who, 'UNMAPPED_COLLECTION', `collection ${collection}`);
    return this.#hasCpu(who, cpu) ? cpu : 'next';
  }

  #hasCpu(who: Asker, cpu: number): boolean {
    if (cpu < this.#gic.cpus) return true;
    this.#skip(who, 'PROCNUM_OOR', `there is no CPU ${cpu}`);
    return false;
  }

  /**
   * IHI 0069 5.3, command errors: the ITS may ignore the command and report, or stall. Like QEMU's, this one
   * ignores it; the report is the guest error, by the name the specification has for it.
   */
  #skip(who: Asker, fault: Fault, detail: string): 'next' {
    if (who === 'message') this.#error(GITS.TRANSLATER, `message ${fault}: ${detail}`);
    else this.#error(GITS.CREADR, `${who}_${fault}: ${detail}`);
    return 'next';
  }

  #error(offset: number, message: string): void {
    this.#ports.observer.guestError(offset, message);
  }

  #readOnlyNow(offset: number): void {
    const name = findRegister(GIC_ITS, offset)?.name ?? '';
    this.#error(offset, `write to ${name}, which is read only now`);
  }

  #undefined(offset: number, isWrite: boolean): 0 {
    const name = findRegister(GIC_ITS, offset)?.name ?? 'an offset without a register';
    this.#error(offset, `${isWrite ? 'write to' : 'read of'} ${name}`);
    return 0;
  }

  /* --- State -------------------------------------------------------------------------------------------- */

  reset(): void {
    this.#control = GITS_CTLR_QUIESCENT;
    this.#commandBase.fill(0);
    this.#commandWrite.fill(0);
    this.#commandRead.fill(0);
    this.#tableBase.fill(0);
    BASER_RESET.forEach(({ low, high }, index) => {
      this.#tableBase[2 * index] = low;
      this.#tableBase[2 * index + 1] = high;
    });
  }

  save(): DeviceState {
    return {
      control: this.#control,
      commandBase: [...this.#commandBase],
      commandWrite: [...this.#commandWrite],
      commandRead: [...this.#commandRead],
      tableBase: [...this.#tableBase],
    };
  }

  load(state: DeviceState): void {
    this.#control = Number(state.control);
    this.#commandBase.set((state.commandBase as number[]).slice(0, 2));
    this.#commandWrite.set((state.commandWrite as number[]).slice(0, 2));
    this.#commandRead.set((state.commandRead as number[]).slice(0, 2));
    this.#tableBase.set((state.tableBase as number[]).slice(0, 2 * BASER_COUNT));
  }
}

const deviceText = (id: number): string => `device 0x${id.toString(16)}`;

/** Registers of 64 bits. */
function isLong(offset: number): boolean {
  if (offset % 8 !== 0) return false;
  if (offset === GITS.TYPER || (offset >= GITS.CBASER && offset <= GITS.CREADR)) return true;
  return offset >= GITS.BASER && offset < GITS.BASER + 8 * BASER_COUNT;
}
