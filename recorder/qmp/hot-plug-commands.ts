/** Commands of QMP that plug and pull devices of a live machine, and what stands behind them. */
import type { PciDeviceConfig } from '../../engine/boards/virt/config.ts';
import { encodePciDevice } from '../../engine/boards/virt/pci-hot-plug.ts';
import { DEVICE_ADD, MACHINE } from '../../engine/machine-input.ts';
import { textOf } from './common-commands.ts';
import type { LiveControl } from './control.ts';
import { type JsonObject, type QmpCommand, QmpError } from './protocol.ts';

/** What the host has for devices that come later. Methods throw, with a line that says why. */
export interface Backends {
  /** A device and what of the host it is connected to, from properties as `-device` has them. */
  read(text: string): { readonly device: PciDeviceConfig; connect(): Promise<void>; disconnect(): void };
  /** The device has gone. */
  gone(id: string): void;
  addObject(text: string): void;
  removeObject(id: string): void;
  addNetwork(text: string): void;
  removeNetwork(id: string): void;
}

/** ns of virtual time after which a guest that has not let go may be asked again (QEMU). */
const PATIENCE_NS = 5e9;

export function hotPlugCommands(control: LiveControl, backends: Backends): [string, QmpCommand][] {
  const { machine } = control;
  const { hotPlug } = machine.board.pcie;
  /** Devices that the guest has been asked to let go of, and when. */
  const asked = new Map<string, number>();
  const before = hotPlug.onChange;
  hotPlug.onChange = (gone) => {
    before(gone);
    for (const { id, type } of gone) {
      asked.delete(id);
      backends.gone(id);
      const path = `/machine/peripheral/${id}`;
      if (type.startsWith('virtio'))
        control.tell({ event: 'DEVICE_DELETED', data: { path: `${path}/virtio-backend` } });
      control.tell({ event: 'DEVICE_DELETED', data: { device: id, path } });
    }
  };
  const id = { id: { type: 'string' } } as const;
  return [
    [
      'device_add',
      {
        arguments: { driver: { type: 'string' } },
        takesMore: true,
        run: async (args) => {
          const { driver, ...properties } = args;
          const { device, connect, disconnect } = generic(() =>
            backends.read(optionText(driver as string, properties)),
          );
          const why = hotPlug.refusal(device);
          if (why !== undefined) throw new QmpError(why);
          await connect();
          try {
            await control.press(MACHINE, DEVICE_ADD, encodePciDevice(device));
          } catch (error) {
            disconnect();
            throw error;
          }
          return {};
        },
      },
    ],
    [
      'device_del',
      {
        arguments: id,
        run: async (args) => {
          const name = textOf(args, 'id');
          const device = hotPlug.devices.find((other) => other.id === name);
          const slots = machine.config.virtioMmio;
          if (device === undefined && !slots.some((other) => other.id === name))
            throw new QmpError(`there is no device '${name}'`, 'DeviceNotFound');
          const port = hotPlug.portOf(name);
          if (port === undefined) throw new QmpError(`'${name}' is not behind a pcie-root-port`);
          if (port.isBusy)
            throw new QmpError(`'${name}': the guest is busy with it, its power indicator blinks`);
          const since = machine.time - (asked.get(name) ?? Number.NEGATIVE_INFINITY);
          if (since < PATIENCE_NS) throw new QmpError(`'${name}': the guest has been asked already`);
          asked.set(name, machine.time);
          await control.press(port.id, 'unplug');
          return {};
        },
      },
    ],
    [
      'object-add',
      {
        arguments: { 'qom-type': { type: 'string' }, ...id },
        takesMore: true,
        run: (args) => {
          const { 'qom-type': type, ...properties } = args;
          generic(() => backends.addObject(optionText(type as string, properties)));
          return {};
        },
      },
    ],
    [
      'object-del',
      {
        arguments: id,
        run: (args) => {
          generic(() => backends.removeObject(textOf(args, 'id')));
          return {};
        },
      },
    ],
    [
      'netdev_add',
      {
        arguments: { type: { type: 'string' }, ...id },
        takesMore: true,
        run: (args) => {
          const { type, ...properties } = args;
          generic(() => backends.addNetwork(optionText(type as string, properties)));
          return {};
        },
      },
    ],
    [
      'netdev_del',
      {
        arguments: id,
        run: (args) => {
          generic(() => backends.removeNetwork(textOf(args, 'id')));
          return {};
        },
      },
    ],
  ];
}

/** What a person did wrong is an error of QMP's, whoever found it. */
function generic<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new QmpError((error as Error).message);
  }
}

/** JSON as the command line would have it: `driver,key=value`; of lists and objects, dots and numbers. */
export function optionText(first: string, properties: JsonObject): string {
  const parts = [first];
  const add = (key: string, value: unknown): void => {
    if (typeof value === 'object' && value !== null) {
      for (const [inner, each] of Object.entries(value)) add(`${key}.${inner}`, each);
      return;
    }
    if (!/^[-\w.]{1,64}$/.test(key)) throw new QmpError(`there is no property '${key.slice(0, 64)}'`);
    parts.push(`${key}=${value === true ? 'on' : value === false ? 'off' : String(value)}`);
  };
  for (const [key, value] of Object.entries(properties)) add(key, value);
  return parts.map((part) => part.replaceAll(',', ',,')).join(',');
}
