/** `-netdev`, `-nic` and `-net`: networks, and the devices that QEMU makes for some of them. */
import { parseOnOff } from '../../engine/boards/virt/properties.ts';
import { formatIpv4, isLoopback, LOOPBACK, parseIpv4 } from '../host/net/addresses.ts';
import type { NetworkRequest } from '../host/net/network.ts';
import { type PortForward, userAddresses } from '../host/net/user-options.ts';
import { HelpAnswer, OptionError } from './errors.ts';
import { readKeyValues, readNumber } from './key-values.ts';

export interface NetdevRequests {
  /** By id of the `-netdev`. */
  readonly netdevs: ReadonlyMap<string, NetworkRequest>;
  /** Texts of `-device` for `-nic` and `-net nic`; QEMU makes them before all others. */
  readonly devices: readonly string[];
}

const KINDS = ['user', 'stream', 'dgram', 'socket'] as const;
type Kind = (typeof KINDS)[number];

const USER_KEYS = [
  ...['net', 'host', 'dns', 'dhcpstart', 'hostname', 'domainname', 'dnssearch', 'restrict', 'hostfwd'],
  ...['ipv4', 'ipv6'],
];
const USER_REFUSED: { readonly [key: string]: string } = {
  guestfwd: 'commands of the host are not started; use a server on loopback and the address of the gateway',
  tftp: 'the network has no TFTP server',
  bootfile: 'the network has no TFTP server',
  'tftp-server-name': 'the network has no TFTP server',
  smb: 'the network has no file server',
  smbserver: 'the network has no file server',
  'ipv6-net': 'the network has IPv4 only',
  'ipv6-host': 'the network has IPv4 only',
  'ipv6-prefix': 'the network has IPv4 only',
  'ipv6-prefixlen': 'the network has IPv4 only',
  'ipv6-dns': 'the network has IPv4 only',
};
const STREAM_KEYS = ['server', 'addr.type', 'addr.host', 'addr.port', 'addr.path', 'addr.ipv4', 'addr.ipv6'];
const DGRAM_KEYS = ['local', 'remote'].flatMap((end) => [
  `${end}.type`,
  `${end}.host`,
  `${end}.port`,
  `${end}.ipv4`,
  `${end}.ipv6`,
]);
const SOCKET_KEYS = ['listen', 'connect', 'udp', 'localaddr'];
const KEYS: { readonly [kind in Kind]: readonly string[] } = {
  user: USER_KEYS,
  stream: STREAM_KEYS,
  dgram: DGRAM_KEYS,
  socket: SOCKET_KEYS,
};
const REFUSED: { readonly [kind in Kind]: { readonly [key: string]: string } } = {
  user: USER_REFUSED,
  stream: {
    'addr.str': 'use addr.type=inet or addr.type=unix',
    'addr.abstract': 'Node has no abstract sockets',
  },
  dgram: {
    'local.path': 'Node has no Unix datagram sockets',
    'remote.path': 'Node has no Unix datagram sockets',
  },
  socket: { fd: 'use listen=, connect= or udp=', mcast: 'nothing beyond loopback is reached this way' },
};
/** What `-nic` has for the device. */
const NIC_KEYS = ['model', 'mac', 'addr'];
/** Names of the one kind of device there is. */
const MODELS = ['virtio', 'virtio-net-pci', 'virtio-net'];

/**
 * @param nics texts of `-nic`
 * @param nets texts of `-net`
 * @throws OptionError, HelpAnswer
 */
export function readNetdevs(
  texts: readonly string[],
  nics: readonly string[],
  nets: readonly string[],
): NetdevRequests {
  const netdevs = new Map<string, NetworkRequest>();
  const devices: string[] = [];
  const add = (option: string, id: string, request: NetworkRequest): void => {
    if (netdevs.has(id)) throw new OptionError(`${option},id=${id}: this id is used twice`);
    netdevs.set(id, request);
  };
  for (const text of texts) {
    const kind = kindOf('-netdev', text);
    const values = readPairs('-netdev', kind, text, []);
    const id = values.one.get('id');
    if (id === undefined) throw new OptionError(`-netdev ${kind}: id= is missing`);
    add('-netdev', id, readNetwork(`-netdev ${kind}`, kind, values));
  }
  nics.forEach((text, index) => {
    if (text === 'none') return;
    const kind = kindOf('-nic', text);
    const values = readPairs('-nic', kind, text, NIC_KEYS);
    const id = values.one.get('id') ?? `nic${index}`;
    add('-nic', id, readNetwork(`-nic ${kind}`, kind, values));
    devices.push(nicDevice('-nic', id, values.one));
  });
  readOldNets(nets, add, devices);
  return { netdevs, devices };
}

/** `-net nic -net user`: one of each, which makes a device with its network. */
function readOldNets(
  nets: readonly string[],
  add: (option: string, id: string, request: NetworkRequest) => void,
  devices: string[],
): void {
  let nic: ReadonlyMap<string, string> | undefined;
  let network: NetworkRequest | undefined;
  const id = 'hub0';
  for (const text of nets) {
    if (text === 'none') continue;
    if (/^nic(,|$)/.test(text)) {
      if (nic !== undefined) throw new OptionError('-net nic: virtrace has one with -net; use -nic for more');
      nic = readKeyValues('-net nic', text, {
        implied: 'type',
        allowed: ['type', 'model', 'macaddr', 'addr'],
        refused: { vectors: "the device has QEMU's default", netdev: 'use -device virtio-net-pci,netdev=' },
      });
    } else {
      const kind = kindOf('-net', text);
      if (network !== undefined) throw new OptionError('-net: virtrace has no hub for several networks');
      network = readNetwork(`-net ${kind}`, kind, readPairs('-net', kind, text, []));
    }
  }
  if (nic === undefined && network === undefined) return;
  if (nic === undefined) throw new OptionError('-net: -net nic is missing, which is the device');
  if (network === undefined) throw new OptionError('-net nic: a network is missing, e.g. -net user');
  add('-net', id, network);
  const mac = nic.get('macaddr');
  devices.push(
    nicDevice('-net nic', id, new Map([...nic, ...(mac === undefined ? [] : [['mac', mac] as const])])),
  );
}

function nicDevice(option: string, netdev: string, values: ReadonlyMap<string, string>): string {
  const model = values.get('model');
  if (model === 'help' || model === '?') {
    throw new HelpAnswer('Available NIC models:\nvirtio-net-pci\n');
  }
  if (model !== undefined && !MODELS.includes(model)) {
    throw new OptionError(`${option},model=${model}: virtrace has virtio-net-pci`);
  }
  const rest = ['mac', 'addr'].flatMap((key) => {
    const value = values.get(key);
    return value === undefined ? [] : `,${key}=${value}`;
  });
  return `virtio-net-pci,netdev=${netdev.replaceAll(',', ',,')}${rest.join('')}`;
}

function kindOf(option: string, text: string): Kind {
  const name = text.split(',')[0]!.replace(/^type=/, '');
  if (name === 'help' || name === '?') {
    throw new HelpAnswer(`Available netdev backend types:\n${KINDS.join('\n')}\n`);
  }
  if ((KINDS as readonly string[]).includes(name)) return name as Kind;
  const known = ['tap', 'bridge', 'l2tpv3', 'vde', 'netmap', 'vhost-user', 'vhost-vdpa', 'hubport', 'passt'];
  const why = known.includes(name) ? 'QEMU has it, virtrace does not' : 'unknown kind of network';
  throw new OptionError(`${option} ${name}: ${why}; allowed are ${KINDS.join(', ')}`);
}

interface Pairs {
  readonly one: ReadonlyMap<string, string>;
  /** What may be given several times. */
  readonly forwards: readonly string[];
  readonly search: readonly string[];
}

function readPairs(option: string, kind: Kind, text: string, more: readonly string[]): Pairs {
  const one = readKeyValues(`${option} ${kind}`, text, {
    implied: 'type',
    allowed: ['type', 'id', ...KEYS[kind], ...more],
    refused: REFUSED[kind],
    switches: true,
  });
  const every = (key: string): string[] =>
    text
      .replaceAll(',,', '\0')
      .split(',')
      .flatMap((part) =>
        part.startsWith(`${key}=`) ? part.slice(key.length + 1).replaceAll('\0', ',') : [],
      );
  return { one, forwards: every('hostfwd'), search: every('dnssearch') };
}

function readNetwork(option: string, kind: Kind, pairs: Pairs): NetworkRequest {
  switch (kind) {
    case 'user':
      return readUser(option, pairs);
    case 'stream':
      return readStream(option, pairs.one);
    case 'dgram':
      return readDgram(option, pairs.one);
    case 'socket':
      return readSocket(option, pairs.one);
  }
}

function readUser(option: string, { one, forwards, search }: Pairs): NetworkRequest {
  const flag = (key: string): boolean | undefined => {
    const text = one.get(key);
    return text === undefined ? undefined : parseOnOff(`${option},${key}`, text);
  };
  if (flag('ipv4') === false) throw new OptionError(`${option},ipv4=off: the network has IPv4 only`);
  if (flag('ipv6') === true) throw new OptionError(`${option},ipv6=on: the network has IPv4 only`);
  const given: { [key: string]: string } = {};
  for (const key of ['net', 'host', 'dns', 'dhcpstart']) {
    const value = one.get(key);
    if (value !== undefined) given[key] = value;
  }
  const addresses = userAddresses(given);
  const name = (key: string): string | undefined => {
    const text = one.get(key);
    if (text !== undefined && (text.length > 255 || !/^[-\w.]*$/.test(text))) {
      throw new OptionError(`${option},${key}=${text}: this is no name of a host or domain`);
    }
    return text;
  };
  const hostname = name('hostname');
  const domain = name('domainname');
  return {
    kind: 'user',
    options: {
      ...addresses,
      restricted: flag('restrict') ?? false,
      ...(hostname === undefined ? {} : { hostname }),
      ...(domain === undefined ? {} : { domain }),
      search,
      forwards: forwards.map((text) => readForward(option, text, addresses)),
    },
  };
}

/** `[tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport` */
function readForward(
  option: string,
  text: string,
  { dhcpStart, network, netmask }: ReturnType<typeof userAddresses>,
): PortForward {
  const match = /^(tcp|udp|):([^:]*):(\d+)-([^:]*):(\d+)$/.exec(text);
  if (match === null) {
    throw new OptionError(
      `${option},hostfwd=${text}: allowed is [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport`,
    );
  }
  const [, protocol, host, hostPort, guest, guestPort] = match as unknown as [string, ...string[]];
  const where = `${option},hostfwd=${text}`;
  const hostAddress = host === '' ? LOOPBACK : host!;
  checkLoopback(where, hostAddress);
  const guestAddress = guest === '' ? dhcpStart : parseIpv4(where, guest!);
  if ((guestAddress & netmask) >>> 0 !== network) {
    throw new OptionError(`${where}: ${formatIpv4(guestAddress)} is not in the network`);
  }
  return {
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    hostAddress,
    hostPort: readNumber(where, hostPort!, 0, 65_535),
    guestAddress,
    guestPort: readNumber(where, guestPort!, 1, 65_535),
  };
}

function checkLoopback(option: string, host: string): void {
  if (!isLoopback(host)) {
    throw new OptionError(`${option}: virtrace keeps to loopback; allowed are 127.0.0.1, ::1 and localhost`);
  }
}

function readStream(option: string, values: ReadonlyMap<string, string>): NetworkRequest {
  const server = values.has('server') && parseOnOff(`${option},server`, values.get('server')!);
  const type = values.get('addr.type');
  if (type === 'unix') {
    const path = values.get('addr.path');
    if (path === undefined || path === '') throw new OptionError(`${option}: addr.path= is missing`);
    return { kind: 'stream', options: { option, server, address: { path } } };
  }
  if (type !== 'inet') {
    throw new OptionError(`${option},addr.type=${type ?? ''}: allowed are inet, unix`);
  }
  return { kind: 'stream', options: { option, server, address: readEnd(option, 'addr', values) } };
}

function readEnd(
  option: string,
  end: string,
  values: ReadonlyMap<string, string>,
): { host: string; port: number } {
  const host = values.get(`${end}.host`) || LOOPBACK;
  checkLoopback(`${option},${end}.host=${host}`, host);
  const port = values.get(`${end}.port`);
  if (port === undefined) throw new OptionError(`${option}: ${end}.port= is missing`);
  return {
    host: host === 'localhost' ? LOOPBACK : host,
    port: readNumber(`${option},${end}.port`, port, 0, 65_535),
  };
}

function readDgram(option: string, values: ReadonlyMap<string, string>): NetworkRequest {
  for (const end of ['local', 'remote']) {
    const type = values.get(`${end}.type`);
    if (type !== 'inet') {
      throw new OptionError(
        `${option},${end}.type=${type ?? ''}: allowed is inet, with both local and remote`,
      );
    }
  }
  const local = readEnd(option, 'local', values);
  return { kind: 'dgram', options: { option, local, remote: readEnd(option, 'remote', values) } };
}

/** `-netdev socket`, the older way to write stream and dgram. */
function readSocket(option: string, values: ReadonlyMap<string, string>): NetworkRequest {
  const given = ['listen', 'connect', 'udp'].filter((key) => values.has(key));
  const [key] = given;
  if (given.length !== 1 || key === undefined) {
    throw new OptionError(`${option}: one of listen=, connect= and udp= is needed`);
  }
  const address = (name: string): { host: string; port: number } => {
    const text = values.get(name) ?? '';
    const match = /^(.*):(\d+)$/.exec(text);
    if (match === null) throw new OptionError(`${option},${name}=${text}: allowed is [host]:port`);
    const parts = new Map([
      [`${name}.host`, match[1]!],
      [`${name}.port`, match[2]!],
    ]);
    return readEnd(option, name, parts);
  };
  if (key === 'udp') {
    if (!values.has('localaddr')) throw new OptionError(`${option},udp=: localaddr= is missing`);
    return { kind: 'dgram', options: { option, local: address('localaddr'), remote: address('udp') } };
  }
  if (values.has('localaddr')) throw new OptionError(`${option},localaddr=: only with udp=`);
  return { kind: 'stream', options: { option, server: key === 'listen', address: address(key) } };
}
