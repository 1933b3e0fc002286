import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporary, virtrace } from '../recorder/cli/support.ts';
import { downloadOf, serveProbe } from '../support/http-probe.ts';
import { hasLinux, LINUX_IMAGE, LINUX_INITRD } from '../support/machines.ts';
import { project, qemu } from '../support/qemu.ts';

/*
 * Debian's kernel on a network, beside QEMU with the same options: DHCP, ping, a download and an upload with
 * checksums from a server of this test, a port that nobody listens on, a forwarded port. Then the recording is
 * replayed with the server gone.
 */

const MiB = 2 ** 20;
const down = downloadOf(3 * MiB);
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

interface Setup {
  readonly name: string;
  readonly options: readonly string[];
}

const setups: readonly Setup[] = [
  {
    name: 'virtio-net-pci, ITS',
    options: ['-M', 'virt,gic-version=3', '-netdev', 'user,id=n', '-device', 'virtio-net-pci,netdev=n'],
  },
  {
    name: 'virtio-net-device, another network, 4 CPUs',
    options: [
      ...['-M', 'virt,gic-version=3', '-smp', '4'],
      ...['-netdev', 'user,id=n,net=10.0.2.0/25,dhcpstart=10.0.2.50,hostname=guest,domainname=example.org'],
      ...['-device', 'virtio-net-device,netdev=n,mac=52:54:00:aa:bb:cc'],
    ],
  },
  { name: '-nic user, GICv2m', options: ['-M', 'virt,gic-version=2', '-nic', 'user,model=virtio-net-pci'] },
  {
    name: 'behind the SMMU',
    options: [
      ...['-M', 'virt,gic-version=3,iommu=smmuv3', '-netdev', 'user,id=n'],
      ...['-device', 'virtio-net-pci,netdev=n,disable-legacy=on,iommu_platform=on'],
    ],
  },
];

describe.skipIf(!hasLinux)('Linux on a network', () => {
  const dir = temporary();
  const initrd = dir.file('initrd.cpio');
  let server: Server;
  let port = 0;

  beforeAll(async () => {
    const root = join(dir.path, 'root');
    mkdirSync(root);
    for (const name of ['init', 'udhcpc']) {
      copyFileSync(`${project}guests/net-probe/${name}`, join(root, name));
      spawnSync('chmod', ['755', join(root, name)]);
    }
    const overlay = dir.file('overlay.cpio');
    spawnSync(process.execPath, [`${project}scripts/make-initramfs.mjs`, root, overlay]);
    writeFileSync(initrd, Buffer.concat([gunzipSync(readFileSync(LINUX_INITRD)), readFileSync(overlay)]));
    server = await serveProbe(down);
    port = (server.address() as { port: number }).port;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
    dir.remove();
  });

  const options = (setup: readonly string[], append = ''): string[] => [
    ...setup,
    ...['-cpu', 'cortex-a57', '-m', '512', '-nographic', '-kernel', LINUX_IMAGE, '-initrd', initrd],
    ...['-append', `console=ttyAMA0 cryptomgr.notests=1 quiet web=${port}${append}`],
  ];
  const probeOf = (text: string): string => {
    const plain = text.replaceAll('\r', '');
    return plain.slice(plain.indexOf('NET-BEGIN'), plain.indexOf('NET-END'));
  };

  /** What the same guest prints under QEMU; asynchronous, so that the server here can answer it. */
  function theirs(args: readonly string[]): Promise<string> {
    return new Promise((resolve) => {
      const child = spawn(qemu!, [...args, '-icount', 'shift=0'], { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.setEncoding('latin1').on('data', (part) => {
        text += part;
      });
      child.on('close', () => resolve(text));
    });
  }

  it.each(setups)('works as on QEMU, and replays without it: $name', async (setup) => {
    const trace = dir.file('net.vtrace');
    const args = options(setup.options);
    const recorded = await virtrace(['record', '-o', trace, ...args]);
    expect(recorded.err).toContain('the guest powered off');
    const probe = probeOf(recorded.out);
    expect(probe).toContain(`${md5(down)}  /down`);
    expect(probe).toContain(`got ${3 * MiB} ${md5(new Uint8Array(3 * MiB).fill(0x76))}`);
    expect(probe).toContain('2 packets transmitted, 2 packets received');
    expect(probe).toContain('refused');
    if (qemu !== undefined) expect(probe).toBe(probeOf(await theirs(args)));
    const replayed = await virtrace(['replay', trace, '--verify', '--json']);
    expect(JSON.parse(replayed.out)).toMatchObject({ result: 'ok', verified: true, exitCode: 0 });
  });

  it('answers a program of the host on a forwarded port; tshark finds nothing wrong in the frames', async () => {
    const trace = dir.file('forward.vtrace');
    const hostPort = await freePort();
    const sent = Buffer.alloc(MiB, 'to the guest ');
    let answer = '';
    const client = (): void => {
      const socket = connect({ port: hostPort, host: '127.0.0.1', allowHalfOpen: true });
      let got = '';
      socket.on('error', () => setTimeout(client, 20));
      socket.on('data', (bytes) => {
        got += String(bytes);
      });
      socket.on('end', () => {
        socket.end();
        // Before the guest listens, it resets.
        if (got === '') setTimeout(client, 20);
        else answer = got;
      });
      socket.write(sent);
    };
    setTimeout(client, 100);
    const setup = ['-M', 'virt,gic-version=3', '-nic', `user,hostfwd=tcp::${hostPort}-:7777`];
    const recorded = await virtrace(['record', '-o', trace, ...options(setup, ' listen=7777')]);
    expect(recorded.out).toContain('LISTENING');
    expect(recorded.out.replaceAll('\r', '')).toContain(`${md5(sent)}  -`);
    expect(answer).toContain('/up');
    const replayed = await virtrace(['replay', trace, '--verify', '--json']);
    expect(JSON.parse(replayed.out)).toMatchObject({ result: 'ok' });
    const capture = dir.file('forward.pcapng');
    const made = await virtrace(['pcap', trace, '-o', capture, '--json']);
    const counts = JSON.parse(made.out);
    expect(Math.min(counts.sent, counts.received)).toBeGreaterThan(1000);
    const wrong =
      '_ws.malformed or tcp.checksum.status==0 or udp.checksum.status==0 or ip.checksum.status==0 or (tcp.analysis.retransmission and tcp.len > 0)';
    const checks = ['tcp', 'udp', 'ip'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]);
    const tshark = spawnSync('tshark', ['-r', capture, ...checks, '-Y', wrong], { encoding: 'utf8' });
    if (tshark.status !== null) expect(tshark.stdout).toBe('');
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
