import { describe, expect, it } from 'vitest';
import { readMachineRequest } from '../../../recorder/cli/machine-request.ts';
import type { RawOptions } from '../../../recorder/cli/raw-options.ts';
import { formatIpv4 } from '../../../recorder/host/net/addresses.ts';

const request = (raw: RawOptions) =>
  readMachineRequest({ cpu: 'cortex-a57', device: ['virtio-net-pci,netdev=n'], ...raw });

/** The one network of a machine. */
function network(netdev: string) {
  const [found] = request({ netdev: [netdev] }).networks.values();
  return found!;
}

function user(more = '') {
  const found = network(`user,id=n${more}`);
  if (found.kind !== 'user') throw new Error(found.kind);
  return found.options;
}

describe('-netdev', () => {
  it.each([
    ['', '10.0.2.0 10.0.2.2 10.0.2.3 10.0.2.15'],
    [',net=192.168.76.0/24', '192.168.76.0 192.168.76.2 192.168.76.3 192.168.76.15'],
    [',net=10.1.0.0/255.255.0.0,host=10.1.9.9', '10.1.0.0 10.1.9.9 10.1.0.3 10.1.0.15'],
    [',dhcpstart=10.0.2.100,dns=10.0.2.9', '10.0.2.0 10.0.2.2 10.0.2.9 10.0.2.100'],
  ])('user%s has the addresses that QEMU gives it', (more, expected) => {
    const { network: net, host, dns, dhcpStart } = user(more);
    expect([net, host, dns, dhcpStart].map(formatIpv4).join(' ')).toBe(expected);
  });

  it('forwards several ports, on loopback, to the first client unless another is named', () => {
    const { forwards } = user(',hostfwd=tcp::8022-:22,hostfwd=udp:127.0.0.1:53-10.0.2.20:5353');
    expect(forwards.map((each) => ({ ...each, guestAddress: formatIpv4(each.guestAddress) }))).toEqual([
      { protocol: 'tcp', hostAddress: '127.0.0.1', hostPort: 8022, guestAddress: '10.0.2.15', guestPort: 22 },
      { protocol: 'udp', hostAddress: '127.0.0.1', hostPort: 53, guestAddress: '10.0.2.20', guestPort: 5353 },
    ]);
  });

  it.each([
    ['stream,id=n,server=on,addr.type=unix,addr.path=/s', { server: true, address: { path: '/s' } }],
    [
      'stream,id=n,addr.type=inet,addr.host=localhost,addr.port=4',
      { server: false, address: { host: '127.0.0.1', port: 4 } },
    ],
    ['socket,id=n,listen=:1234', { server: true, address: { host: '127.0.0.1', port: 1234 } }],
    ['socket,id=n,connect=127.0.0.1:1', { server: false, address: { host: '127.0.0.1', port: 1 } }],
  ])('takes %s', (text, expected) => {
    expect(network(text)).toMatchObject({ kind: 'stream', options: expected });
  });

  it.each([
    'dgram,id=n,local.type=inet,local.host=127.0.0.1,local.port=1,remote.type=inet,remote.host=127.0.0.1,remote.port=2',
    'socket,id=n,udp=127.0.0.1:2,localaddr=127.0.0.1:1',
  ])('takes %s', (text) => {
    const ends = { local: { host: '127.0.0.1', port: 1 }, remote: { host: '127.0.0.1', port: 2 } };
    expect(network(text)).toMatchObject({ kind: 'dgram', options: ends });
  });

  it.each([
    ['tap,id=n', '-netdev tap: QEMU has it, virtrace does not; allowed are user, stream, dgram, socket'],
    ['user', '-netdev user: id= is missing'],
    ['user,id=n,net=1.2.3', '-netdev user,net=1.2.3: an IPv4 address is needed'],
    ['user,id=n,host=10.0.3.2', "-netdev user,host=10.0.3.2: not a host's address in 10.0.2.0/24"],
    ['user,id=n,host=10.0.2.20', '-netdev user,dhcpstart=10.0.2.15: host is among the 16 addresses'],
    ['user,id=n,hostfwd=22-22', '-netdev user,hostfwd=22-22: allowed is [tcp|udp]:'],
    ['user,id=n,hostfwd=tcp:0.0.0.0:22-:22', 'virtrace keeps to loopback'],
    ['user,id=n,smb=/', '-netdev user smb=: QEMU has it, virtrace does not'],
    ['user,id=n,ipv6=on', '-netdev user,ipv6=on: the network has IPv4 only'],
    ['stream,id=n,addr.type=inet,addr.host=example.org,addr.port=1', 'virtrace keeps to loopback'],
    ['stream,id=n', '-netdev stream,addr.type=: allowed are inet, unix'],
    ['dgram,id=n,local.type=unix', '-netdev dgram,local.type=unix: allowed is inet'],
    ['socket,id=n', '-netdev socket: one of listen=, connect= and udp= is needed'],
  ])('refuses %s in one line', (text, message) => {
    expect(() => network(text)).toThrow(message);
  });

  it('belongs to one device', () => {
    expect(() => request({ netdev: ['user,id=n', 'user,id=m'] })).toThrow(
      '-netdev user,id=m: no -device has netdev=m',
    );
    const device = ['virtio-net-pci,netdev=n', 'virtio-net-pci,netdev=n'];
    expect(() => request({ netdev: ['user,id=n'], device })).toThrow('another device has this -netdev');
  });

  it('gives devices without mac= addresses of their own', () => {
    const { config } = request({
      netdev: ['user,id=n'],
      device: ['virtio-net-pci,netdev=n', 'virtio-net-pci,mac=52:54:00:12:34:57', 'virtio-net-pci'],
    });
    expect(config.pciDevices.map(({ properties }) => properties.mac)).toEqual([
      undefined,
      '52:54:00:12:34:57',
      '52:54:00:12:34:58',
    ]);
  });
});

describe('-nic and -net', () => {
  it('make a device before all others', () => {
    const { config, networks } = request({ nic: ['user,mac=52:54:00:00:00:01'], device: ['virtio-rng-pci'] });
    expect(config.pciDevices.map(({ type, devfn }) => [type, devfn])).toEqual([
      ['virtio-net-pci', 8],
      ['virtio-rng-pci', 16],
    ]);
    expect([...networks.keys()]).toEqual(['virtio-net0']);
    expect(config.pciDevices[0]!.properties.mac).toBe('52:54:00:00:00:01');
  });

  it('-net nic and -net user are one of each', () => {
    expect(request({ net: ['nic,model=virtio', 'user'], device: [] }).networks.size).toBe(1);
    expect(() => request({ net: ['nic,model=e1000', 'user'], device: [] })).toThrow(
      '-net nic,model=e1000: virtrace has virtio-net-pci',
    );
  });

  it('none is none', () => {
    const { networks, config } = request({ nic: ['none'], net: ['none'], device: [] });
    expect([networks.size, config.pciDevices.length]).toEqual([0, 0]);
  });
});
