import type { StateValue } from '../../base/device.ts';

const MAC_BYTES = 6;
/** Addresses of both kinds that fit (QEMU). */
const TABLE_MAX = 64;
const VLAN_MAX = 4096;
const ETHER_VLAN = 0x8100;

/** Receive modes, by number of the command (virtio 1.2, 5.1.6.5.1). */
const MODES = [
  'promiscuous',
  'allMulticast',
  'allUnicast',
  'noMulticast',
  'noUnicast',
  'noBroadcast',
] as const;
type Mode = (typeof MODES)[number];
type Modes = { [mode in Mode]: boolean };

/** After a reset everything is let through, since a driver without the control queue needs that. */
function initialModes(): Modes {
  return {
    promiscuous: true,
    allMulticast: false,
    allUnicast: false,
    noMulticast: false,
    noUnicast: false,
    noBroadcast: false,
  };
}

interface Table {
  addresses: Uint8Array[];
  /** More than fit: then all of this kind pass. */
  overflow: boolean;
}

/** Which frames a network device lets through to the guest. */
export class NetFilter {
  readonly mac: Uint8Array;
  #modes = initialModes();
  #unicast: Table = { addresses: [], overflow: false };
  #multicast: Table = { addresses: [], overflow: false };
  readonly #vlans = new Uint8Array(VLAN_MAX / 8).fill(0xff);

  constructor(mac: Uint8Array) {
    this.mac = mac.slice();
  }

  reset(mac: Uint8Array): void {
    this.mac.set(mac);
    this.#modes = initialModes();
    this.#unicast = { addresses: [], overflow: false };
    this.#multicast = { addresses: [], overflow: false };
    this.#vlans.fill(0xff);
  }

  accepts(frame: Uint8Array): boolean {
    if (this.#modes.promiscuous) return true;
    if ((((frame[12] ?? 0) << 8) | (frame[13] ?? 0)) === ETHER_VLAN) {
      const vlan = (((frame[14] ?? 0) << 8) | (frame[15] ?? 0)) & 0xfff;
      if ((this.#vlans[vlan >>> 3]! & (1 << (vlan & 7))) === 0) return false;
    }
    const isGroup = ((frame[0] ?? 0) & 1) !== 0;
    if (!isGroup) {
      if (this.#modes.noUnicast) return false;
      if (this.#modes.allUnicast || this.#unicast.overflow) return true;
      return isFor(frame, this.mac) || this.#unicast.addresses.some((address) => isFor(frame, address));
    }
    if (frame.subarray(0, MAC_BYTES).every((byte) => byte === 0xff)) return !this.#modes.noBroadcast;
    if (this.#modes.noMulticast) return false;
    if (this.#modes.allMulticast || this.#multicast.overflow) return true;
    return this.#multicast.addresses.some((address) => isFor(frame, address));
  }

  /** False: there is no such mode. */
  setMode(command: number, on: boolean): boolean {
    const mode = MODES[command];
    if (mode === undefined) return false;
    this.#modes[mode] = on;
    return true;
  }

  setVlans(all: boolean): void {
    this.#vlans.fill(all ? 0xff : 0);
  }

  /** Adds (0) or removes (1) a VLAN. */
  vlanCommand(command: number, vlan: number): boolean {
    if (vlan >= VLAN_MAX || command > 1) return false;
    if (command === 0) this.#vlans[vlan >>> 3]! |= 1 << (vlan & 7);
    else this.#vlans[vlan >>> 3]! &= ~(1 << (vlan & 7));
    return true;
  }

  /** Sets the tables (0): for each of unicast and multicast a count u32 and addresses; or the address (1). */
  macCommand(command: number, data: Uint8Array): boolean {
    if (command === 1) {
      if (data.length !== MAC_BYTES) return false;
      this.mac.set(data);
      return true;
    }
    if (command !== 0) return false;
    const unicast = readTable(data, 0, TABLE_MAX);
    if (unicast === undefined) return false;
    const multicast = readTable(data, unicast.end, TABLE_MAX - unicast.table.addresses.length);
    if (multicast === undefined || multicast.end !== data.length) return false;
    this.#unicast = unicast.table;
    this.#multicast = multicast.table;
    return true;
  }

  save(): { [key: string]: StateValue } {
    const table = ({ addresses, overflow }: Table): StateValue => ({
      addresses: addresses.map((address) => address.slice()),
      overflow,
    });
    return {
      mac: this.mac.slice(),
      modes: { ...this.#modes },
      unicast: table(this.#unicast),
      multicast: table(this.#multicast),
      vlans: this.#vlans.slice(),
    };
  }

  load(state: { [key: string]: StateValue }): void {
    this.mac.set((state.mac as Uint8Array).subarray(0, MAC_BYTES));
    this.#modes = { ...(state.modes as Modes) };
    const table = (value: StateValue): Table => {
      const { addresses, overflow } = value as { addresses: Uint8Array[]; overflow: boolean };
      return { addresses: addresses.map((address) => address.slice()), overflow };
    };
    this.#unicast = table(state.unicast!);
    this.#multicast = table(state.multicast!);
    this.#vlans.set(state.vlans as Uint8Array);
  }
}

function isFor(frame: Uint8Array, address: Uint8Array): boolean {
  for (let i = 0; i < MAC_BYTES; i++) if (frame[i] !== address[i]) return false;
  return true;
}

/** A count and that many addresses; undefined if they are not all there. */
function readTable(data: Uint8Array, start: number, room: number): { table: Table; end: number } | undefined {
  if (start + 4 > data.length) return undefined;
  const count = new DataView(data.buffer, data.byteOffset, data.length).getUint32(start, true);
  const end = start + 4 + count * MAC_BYTES;
  if (end > data.length) return undefined;
  if (count > room) return { table: { addresses: [], overflow: true }, end };
  const addresses = Array.from({ length: count }, (_, i) =>
    data.slice(start + 4 + i * MAC_BYTES, start + 4 + (i + 1) * MAC_BYTES),
  );
  return { table: { addresses, overflow: false }, end };
}
