/** `-serial`, `-chardev`, `-d`, `-D`: where characters go and come from. */
import { parseOnOff } from '../../engine/boards/virt/properties.ts';
import { HelpAnswer, OptionError } from './errors.ts';
import { readKeyValues } from './key-values.ts';
import { loopbackAddress, type SocketAddress } from './socket-address.ts';

/** What a serial port or console is connected to. `none`: as `null`, kept apart since QEMU has both. */
export type CharacterTarget =
  | { readonly kind: 'stdio' }
  | { readonly kind: 'null' }
  | { readonly kind: 'none' }
  | { readonly kind: 'file'; readonly path: string };

/** A socket, which monitors can be connected to. */
export interface SocketTarget {
  readonly kind: 'socket';
  readonly address: SocketAddress;
  readonly server: boolean;
  /** The machine waits for the first client. */
  readonly wait: boolean;
}

export type CharacterDevice = CharacterTarget | SocketTarget;

const BACKENDS = ['stdio', 'null', 'file', 'socket'];
const OTHER_BACKENDS = ['udp', 'pipe', 'pty', 'vc', 'ringbuf', 'msmouse', 'serial', 'parallel', 'braille'];
const OTHER_TARGETS = ['tcp', 'telnet', 'unix', 'websocket', 'dev', 'COM', ...OTHER_BACKENDS];

/** `-chardev TYPE,id=ID[,path=][,mux=]`, several. @throws OptionError */
export function readCharacterDevices(texts: readonly string[]): Map<string, CharacterDevice> {
  const found = new Map<string, CharacterDevice>();
  for (const text of texts) {
    if (/^(backend=)?socket(,|$)/.test(text)) {
      readSocket(text, found);
      continue;
    }
    const values = readKeyValues('-chardev', text, {
      implied: 'backend',
      allowed: ['backend', 'id', 'path', 'mux', 'signal'],
      switches: true,
    });
    const backend = values.get('backend') ?? '';
    if (!BACKENDS.includes(backend)) {
      const known = OTHER_BACKENDS.includes(backend) ? 'QEMU has it, virtrace does not' : 'unknown type';
      throw new OptionError(`-chardev ${backend}: ${known}; allowed are ${BACKENDS.join(', ')}`);
    }
    const id = values.get('id');
    if (id === undefined) throw new OptionError(`-chardev ${backend}: id= is missing`);
    if (found.has(id)) throw new OptionError(`-chardev id=${id}: this id is used twice`);
    const path = values.get('path');
    if (backend === 'file') {
      if (path === undefined) throw new OptionError('-chardev file: path= is missing');
      found.set(id, { kind: 'file', path });
    } else found.set(id, { kind: backend as 'stdio' | 'null' });
  }
  return found;
}

const SOCKET_KEYS = ['backend', 'id', 'path', 'host', 'port', 'server', 'wait', 'nodelay', 'ipv4', 'mux'];

/** `-chardev socket,id=ID,path=PATH|host=,port=[,server=on][,wait=off]` */
function readSocket(text: string, found: Map<string, CharacterDevice>): void {
  const given = text.replace(/(^|,)nowait(?=,|$)/, '$1wait=off');
  const values = readKeyValues('-chardev', given, {
    implied: 'backend',
    allowed: SOCKET_KEYS,
    switches: true,
  });
  const id = values.get('id');
  if (id === undefined) throw new OptionError('-chardev socket: id= is missing');
  if (found.has(id)) throw new OptionError(`-chardev id=${id}: this id is used twice`);
  const option = `-chardev socket,id=${id}`;
  const isOn = (key: string, otherwise: boolean): boolean =>
    values.has(key) ? parseOnOff(`${option},${key}`, values.get(key)!) : otherwise;
  const path = values.get('path');
  const port = values.get('port');
  if ((path === undefined) === (port === undefined))
    throw new OptionError(`${option}: either path= or port= is needed`);
  const server = isOn('server', false);
  found.set(id, {
    kind: 'socket',
    address:
      path === undefined ? loopbackAddress(option, values.get('host') ?? '', port!, 'a monitor') : { path },
    server,
    wait: server && isOn('wait', true),
  });
}

/** One `-serial`. @throws OptionError */
export function readSerial(text: string, devices: ReadonlyMap<string, CharacterDevice>): CharacterTarget {
  if (text === 'stdio' || text === 'mon:stdio') return { kind: 'stdio' };
  if (text === 'null' || text === 'none') return { kind: text };
  if (text.startsWith('file:')) {
    const path = text.slice('file:'.length);
    if (path === '') throw new OptionError('-serial file: a file name is missing');
    return { kind: 'file', path };
  }
  if (text.startsWith('chardev:')) return characterDevice('-serial chardev', text.slice(8), devices);
  const known = OTHER_TARGETS.some(
    (name) => text === name || text.startsWith(`${name}:`) || text.startsWith('/dev/'),
  );
  const why = known ? 'QEMU has it, virtrace does not' : 'unknown target';
  throw new OptionError(
    `-serial ${text}: ${why}; allowed are stdio, mon:stdio, null, none, file:FILE, chardev:ID`,
  );
}

/** @throws OptionError if there is none of this id */
export function characterDevice(
  option: string,
  id: string,
  devices: ReadonlyMap<string, CharacterDevice>,
): CharacterTarget {
  const target = devices.get(id);
  if (target?.kind === 'socket')
    throw new OptionError(`${option}=${id}: QEMU has it, virtrace has sockets for monitors only (-mon)`);
  if (target !== undefined) return target;
  throw new OptionError(`${option}=${id}: there is no -chardev with id=${id}`);
}

/** What `-d` can log. */
export const LOG_ITEMS = ['guest_errors', 'unimp', 'int'] as const;
export type LogItem = (typeof LOG_ITEMS)[number];

const LOG_HELP = `Items for -d, separated by commas:
  guest_errors  what the guest does that no document defines
  unimp         what virtrace does not have yet, when the guest uses it
  int           exceptions and interrupts, as they are taken
For device accesses and more, record the run and use \`virtrace events\`.
`;

const OTHER_ITEMS = [
  ...[
    'out_asm',
    'in_asm',
    'op',
    'op_opt',
    'op_ind',
    'exec',
    'cpu',
    'fpu',
    'mmu',
    'pcall',
    'cpu_reset',
    'page',
  ],
  ...['nochain', 'plugin', 'strace', 'tid'],
];

/** @throws OptionError, HelpAnswer */
export function readLogItems(text: string | undefined): LogItem[] {
  if (text === undefined) return [];
  const items = text.split(',');
  if (items.includes('help') || items.includes('?')) throw new HelpAnswer(LOG_HELP);
  return items.map((item) => {
    if ((LOG_ITEMS as readonly string[]).includes(item)) return item as LogItem;
    const known = OTHER_ITEMS.includes(item) || item.startsWith('trace:');
    const why = known ? 'QEMU has it, virtrace does not' : 'unknown item';
    throw new OptionError(`-d ${item}: ${why}; allowed are ${LOG_ITEMS.join(', ')}`);
  });
}
