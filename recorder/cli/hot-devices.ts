/** What devices that are plugged into a machine that runs can be connected to: drives, networks, objects. */
import type { Machine } from '../../engine/machine.ts';
import type { Network, NetworkRequest } from '../host/net/network.ts';
import type { Backends } from '../qmp/hot-plug-commands.ts';
import { readHotDevice, readObjects } from './device-options.ts';
import { HelpAnswer, OptionError } from './errors.ts';
import type { MachineRequest } from './machine-request.ts';
import { readNetdevs } from './netdev-options.ts';

export class HotDevices implements Backends {
  readonly #request: MachineRequest;
  readonly #machine: Machine;
  readonly #network: Network;
  readonly #objects: Set<string>;
  readonly #netdevs: Map<string, NetworkRequest>;
  /** Networks in use, by id of their device. */
  readonly #used: Map<string, NetworkRequest>;

  constructor(request: MachineRequest, machine: Machine, network: Network) {
    this.#request = request;
    this.#machine = machine;
    this.#network = network;
    this.#objects = new Set(request.objects);
    this.#netdevs = new Map(request.netdevs);
    this.#used = new Map(request.networks);
  }

  read(text: string): ReturnType<Backends['read']> {
    const { device, network } = withoutHelp(() =>
      readHotDevice(text, {
        drives: this.#request.drives,
        netdevs: this.#netdevs,
        folders: new Map(),
        characters: new Map(),
        objects: this.#objects,
        forceLegacy: undefined,
        present: this.#machine.board.pcie.hotPlug.devices,
        isTaken: (id) => this.#machine.devices.has(id),
        networks: this.#used,
      }),
    );
    return {
      device,
      connect: async () => {
        if (network === undefined) return;
        await this.#network.attach(device.id, network);
        this.#used.set(device.id, network);
      },
      disconnect: () => this.gone(device.id),
    };
  }

  gone(id: string): void {
    this.#used.delete(id);
    this.#network.detach(id);
  }

  addObject(text: string): void {
    for (const id of withoutHelp(() => readObjects([text]))) {
      if (this.#objects.has(id)) throw new OptionError(`object-add id=${id}: this id is in use`);
      this.#objects.add(id);
    }
  }

  removeObject(id: string): void {
    if (!this.#objects.delete(id)) throw new OptionError(`object-del: there is no object '${id}'`);
  }

  addNetwork(text: string): void {
    const { netdevs } = withoutHelp(() => readNetdevs([text], [], []));
    for (const [id, network] of netdevs) {
      if (this.#netdevs.has(id)) throw new OptionError(`netdev_add id=${id}: this id is in use`);
      this.#netdevs.set(id, network);
    }
  }

  removeNetwork(id: string): void {
    const network = this.#netdevs.get(id);
    if (network === undefined) throw new OptionError(`netdev_del: there is no netdev '${id}'`);
    if ([...this.#used.values()].includes(network))
      throw new OptionError(`netdev_del: a device has the netdev '${id}'`);
    this.#netdevs.delete(id);
  }
}

/** Whoever asks over a protocol wants no help text. */
function withoutHelp<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof HelpAnswer) throw new OptionError("'help' is for the command line");
    throw error;
  }
}
