/** All networks of a machine: who is connected to what, and the frames that wait for the guest. */
import type { Ns } from '../../../engine/base/units.ts';
import { DgramLink, type DgramOptions } from './dgram-link.ts';
import type { LinkBackend, LinkPorts } from './link.ts';
import { StreamLink, type StreamOptions } from './stream-link.ts';
import { UserNetwork } from './user-network.ts';
import type { UserNetworkOptions } from './user-options.ts';

export type NetworkRequest =
  | { readonly kind: 'user'; readonly options: UserNetworkOptions }
  | { readonly kind: 'stream'; readonly options: StreamOptions }
  | { readonly kind: 'dgram'; readonly options: DgramOptions };

/** Frames that wait for the guest, for each device; more are lost, as on any network. */
const WAITING_MAX = 16_384;
/** Longer ones no device takes. */
const FRAME_MAX = 65_550;

/** The part of a session that networks need. */
export interface NetworkMachine {
  readonly time: Ns;
  receive(device: string, what: string, data: Uint8Array, at?: Ns): void;
  receiveCapacity(device: string): number;
}

/** The live loop, as networks see it. */
export interface NetworkLoop {
  /** Virtual time; while the machine sleeps for real it goes on. */
  now(): Ns;
  /** Something came from the host: a wait is over. */
  wake(): void;
  /** The guest has sent a frame. */
  sent(): void;
}

interface Link {
  readonly device: string;
  readonly backend: LinkBackend;
  readonly waiting: Uint8Array[];
}

export class Network {
  #links: Link[];
  readonly #make: (request: NetworkRequest, ports: LinkPorts) => LinkBackend;
  #loop: NetworkLoop = { now: () => 0, wake: () => {}, sent: () => {} };

  /** @param requests by id of the network device */
  constructor(
    requests: ReadonlyMap<string, NetworkRequest>,
    make: (request: NetworkRequest, ports: LinkPorts) => LinkBackend = makeBackend,
  ) {
    this.#make = make;
    this.#links = [...requests].map(([device, request]) => this.#link(device, request));
  }

  #link(device: string, request: NetworkRequest): Link {
    const waiting: Uint8Array[] = [];
    const ports: LinkPorts = {
      toGuest: (frame) => {
        if (waiting.length < WAITING_MAX && frame.length > 0 && frame.length <= FRAME_MAX) {
          waiting.push(frame);
        }
        this.#loop.wake();
      },
      now: () => this.#loop.now(),
      wake: () => this.#loop.wake(),
    };
    return { device, waiting, backend: this.#make(request, ports) };
  }

  /** For a device that is plugged while the machine runs. @throws OptionError if an address is not to be had */
  async attach(device: string, request: NetworkRequest): Promise<void> {
    const link = this.#link(device, request);
    await link.backend.open();
    this.#links.push(link);
  }

  /** The device is gone. */
  detach(device: string): void {
    const gone = this.#links.filter((link) => link.device === device);
    this.#links = this.#links.filter((link) => link.device !== device);
    for (const { backend } of gone) backend.close();
  }

  /** @throws OptionError if an address is not to be had */
  async open(): Promise<void> {
    for (const { backend } of this.#links) await backend.open();
  }

  connect(loop: NetworkLoop): void {
    this.#loop = loop;
  }

  /** Output of a device: a frame, if it is one of these networks'. */
  output(device: string, bytes: Uint8Array): void {
    const link = this.#links.find((candidate) => candidate.device === device);
    if (link === undefined) return;
    link.backend.fromGuest(bytes);
    this.#loop.sent();
  }

  /** Frames wait for the guest. */
  get hasFrames(): boolean {
    return this.#links.some(({ waiting }) => waiting.length > 0);
  }

  /** Something may come from the host: a machine that sleeps has to sleep for real. */
  get expects(): boolean {
    return this.#links.some(({ backend }) => backend.expects());
  }

  /** The next moment at which `poll` has something to do. */
  get deadline(): Ns {
    return Math.min(...this.#links.map(({ backend }) => backend.deadline));
  }

  poll(): void {
    for (const { backend } of this.#links) backend.poll();
  }

  /** Gives the devices what they have room for. @returns true if anything was given */
  give(machine: NetworkMachine, at: Ns | undefined): boolean {
    let given = false;
    for (const { device, waiting } of this.#links) {
      if (waiting.length === 0) continue;
      const count = Math.min(waiting.length, machine.receiveCapacity(device));
      for (const frame of waiting.splice(0, count)) {
        machine.receive(device, 'frame', frame, at);
        given = true;
      }
    }
    return given;
  }

  close(): void {
    for (const { backend } of this.#links) backend.close();
  }
}

function makeBackend(request: NetworkRequest, ports: LinkPorts): LinkBackend {
  switch (request.kind) {
    case 'user':
      return new UserNetwork(request.options, ports);
    case 'stream':
      return new StreamLink(request.options, ports);
    case 'dgram':
      return new DgramLink(request.options, ports);
  }
}
