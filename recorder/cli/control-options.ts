/** `-qmp`, `-monitor` and `-mon`: who may control a machine, and where from. */
import { readCharacterDevices, type SocketTarget } from './character-options.ts';
import { OptionError } from './errors.ts';
import { readKeyValues, readWord } from './key-values.ts';
import type { RawOptions } from './raw-options.ts';
import { readSocketAddress } from './socket-address.ts';

export interface ControlRequest {
  /** As given, for messages. */
  readonly option: string;
  readonly protocol: 'qmp' | 'human';
  readonly place: { readonly kind: 'stdio' } | SocketTarget;
}

export type MonitorOptions = Pick<RawOptions, 'qmp' | 'monitor' | 'mon' | 'chardev'>;

/** @throws OptionError */
export function readControls({
  qmp = [],
  monitor = [],
  mon = [],
  chardev = [],
}: MonitorOptions): ControlRequest[] {
  const devices = readCharacterDevices(chardev);
  const requests: ControlRequest[] = [];
  const add = (option: string, protocol: 'qmp' | 'human', target: string): void => {
    if (target === 'none' || target === 'null') return;
    if (target === 'stdio') {
      requests.push({ option, protocol, place: { kind: 'stdio' } });
      return;
    }
    if (target.startsWith('chardev:')) {
      fromDevice(option, protocol, target.slice('chardev:'.length));
      return;
    }
    requests.push({ option, protocol, place: readSocketTarget(option, target) });
  };
  const fromDevice = (option: string, protocol: 'qmp' | 'human', id: string): void => {
    const device = devices.get(id);
    if (device === undefined) throw new OptionError(`${option}: there is no -chardev with id=${id}`);
    if (device.kind === 'null') return;
    if (device.kind !== 'socket' && device.kind !== 'stdio')
      throw new OptionError(`${option}: a monitor needs a -chardev socket or stdio`);
    requests.push({ option, protocol, place: device });
  };
  for (const target of monitor) add(`-monitor ${target}`, 'human', target);
  for (const target of qmp) add(`-qmp ${target}`, 'qmp', target);
  for (const text of mon) {
    const values = readKeyValues('-mon', text, {
      implied: 'chardev',
      allowed: ['chardev', 'mode', 'pretty', 'default'],
      switches: true,
    });
    const mode = readWord('-mon mode', values.get('mode') ?? 'readline', ['control', 'readline'] as const);
    const id = values.get('chardev');
    if (id === undefined) throw new OptionError('-mon: chardev= is missing');
    fromDevice(`-mon ${text}`, mode === 'control' ? 'qmp' : 'human', id);
  }
  const [, second] = requests.filter(({ place }) => place.kind === 'stdio');
  if (second !== undefined) throw new OptionError(`${second.option}: stdin and stdout are in use by another`);
  return requests;
}

function readSocketTarget(option: string, target: string): SocketTarget {
  const [place = '', ...options] = target.split(',');
  let server = false;
  let wait = true;
  for (const each of options) {
    if (each === 'server' || each === 'server=on') server = true;
    else if (each === 'server=off') server = false;
    else if (each === 'wait' || each === 'wait=on') wait = true;
    else if (each === 'nowait' || each === 'wait=off') wait = false;
    else if (!/^(no)?delay(=(on|off))?$/.test(each))
      throw new OptionError(
        `${option}: '${each}' is not known here; allowed are server=on|off and wait=on|off`,
      );
  }
  const address = readSocketAddress(option, place, 'a monitor');
  if (address === undefined) {
    throw new OptionError(
      `${option}: allowed are unix:PATH and tcp:127.0.0.1:PORT (port 0: any free one), both with ,server=on,wait=off, stdio, chardev:ID and none`,
    );
  }
  return { kind: 'socket', address, server, wait: server && wait };
}

/** `-name TEXT` or `-name guest=TEXT,...`; what QEMU does with the rest is about its process. */
export function readName(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const values = readKeyValues('-name', text, {
    implied: 'guest',
    allowed: ['guest', 'process', 'debug-threads'],
  });
  return values.get('guest');
}
