/** Hardware addresses of the guest's, and packets that wait for one. */
import type { Ns } from '../../../engine/base/units.ts';
import { BROADCAST_IP, BROADCAST_MAC, type Ipv4, MAC_BYTES, type Mac } from './addresses.ts';
import { ARP_OPERATION, type ArpPacket } from './arp.ts';

/** Packets that wait for the answer, for each address; more are lost, as on any network. */
const WAITING_MAX = 16;
const NEIGHBOURS_MAX = 1024;
const ASK_AGAIN: Ns = 1e9;

interface Unresolved {
  readonly packets: Uint8Array[];
  asked: Ns;
}

export interface NeighbourPorts {
  now(): Ns;
  sendArp(to: Mac, packet: Pick<ArpPacket, 'operation' | 'target' | 'targetMac'>): void;
  sendPacket(to: Mac, packet: Uint8Array): void;
}

export class Neighbours {
  readonly #ports: NeighbourPorts;
  readonly #known = new Map<Ipv4, Mac>();
  readonly #waiting = new Map<Ipv4, Unresolved>();
  readonly #broadcast: Ipv4;

  /** @param broadcast the network's own broadcast address */
  constructor(ports: NeighbourPorts, broadcast: Ipv4) {
    this.#ports = ports;
    this.#broadcast = broadcast;
  }

  learn(address: Ipv4, mac: Mac): void {
    if (address === 0 || address === BROADCAST_IP || (mac[0]! & 1) !== 0) return;
    if (!this.#known.has(address) && this.#known.size >= NEIGHBOURS_MAX) return;
    this.#known.set(address, mac.slice());
    const waiting = this.#waiting.get(address);
    if (waiting === undefined) return;
    this.#waiting.delete(address);
    for (const packet of waiting.packets) this.#ports.sendPacket(mac.slice(), packet);
  }

  send(address: Ipv4, packet: Uint8Array): void {
    if (address === BROADCAST_IP || address === this.#broadcast) {
      this.#ports.sendPacket(BROADCAST_MAC, packet);
      return;
    }
    const mac = this.#known.get(address);
    if (mac !== undefined) this.#ports.sendPacket(mac, packet);
    else this.#ask(address, packet);
  }

  #ask(address: Ipv4, packet: Uint8Array): void {
    const now = this.#ports.now();
    let waiting = this.#waiting.get(address);
    if (waiting === undefined) {
      waiting = { packets: [], asked: Number.NEGATIVE_INFINITY };
      if (this.#waiting.size >= WAITING_MAX) return;
      this.#waiting.set(address, waiting);
    }
    if (waiting.packets.length < WAITING_MAX) waiting.packets.push(packet);
    if (now - waiting.asked < ASK_AGAIN) return;
    waiting.asked = now;
    this.#ports.sendArp(BROADCAST_MAC, {
      operation: ARP_OPERATION.REQUEST,
      target: address,
      targetMac: new Uint8Array(MAC_BYTES),
    });
  }
}
