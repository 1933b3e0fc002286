import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Json } from '../../recorder/qmp/json-stream.ts';
import { temporary, virtrace } from '../recorder/cli/support.ts';
import { QmpClient } from '../recorder/qmp/support.ts';
import { hasLinux, LINUX_IMAGE, LINUX_INITRD } from '../support/machines.ts';
import { project, qemu } from '../support/qemu.ts';

/*
 * Debian's kernel on a machine whose devices come and go, beside QEMU with the same QMP commands: a disk, random
 * numbers and a network device are plugged into root ports, used and pulled. pciehp, the PCI core and the drivers say
 * the same, and the recording replays.
 */

const MiB = 2 ** 20;
const disk = Uint8Array.from({ length: MiB }, (_, n) => (n * 7 + (n >> 9)) & 0xff);

/** A machine that runs, with its console and its monitor. */
class Running {
  console = '';
  readonly #process: ChildProcess;
  readonly ended: Promise<number | null>;
  client!: QmpClient;
  #wake: () => void = () => {};

  constructor(command: string, args: readonly string[]) {
    this.#process = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process.stdout!.on('data', (bytes: Buffer) => {
      this.console += bytes.toString('latin1');
      this.#wake();
    });
    this.ended = new Promise((resolve) => this.#process.on('exit', resolve));
  }

  async says(what: RegExp, from = 0): Promise<void> {
    while (!what.test(this.console.slice(from))) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Runs a line in the guest. @returns what it printed, without messages of the kernel */
  async shell(line: string): Promise<string[]> {
    // A line of the kernel may be on its way.
    const from = this.console.lastIndexOf('\n') + 1;
    this.type(line);
    await this.says(/^DONE\r?\n/m, from);
    const lines = this.console.slice(from).replaceAll('\r', '').split('\n');
    const isSaid = (each: string): boolean => each !== '' && each !== 'DONE';
    return lines.filter((each) => isSaid(each) && !/^\[ +\d/.test(each));
  }

  type(line: string): void {
    this.#process.stdin!.write(`${line}\n`);
  }

  async plug(
    driver: string,
    bus: string,
    id: string,
    more: { readonly [name: string]: string },
    done: RegExp,
  ) {
    const from = this.console.length;
    expect(await this.client.ask('device_add', { driver, bus, id, ...more })).toEqual({});
    await this.says(done, from);
  }

  async pull(id: string): Promise<void> {
    expect(await this.client.ask('device_del', { id })).toEqual({});
    const isGone = ({ event, data }: { readonly [key: string]: unknown }): boolean =>
      event === 'DEVICE_DELETED' && (data as { device?: string }).device === id;
    await this.client.until(() => this.client.events.some(isGone));
    this.client.events.length = 0;
  }

  end(): void {
    this.#process.kill('SIGKILL');
  }
}

/** What the kernel says of PCI and of devices on it, without times; lines of other CPUs may come in between. */
function messages(console: string): string[] {
  return console
    .replaceAll('\r', '')
    .split('\n')
    .filter((line) => /^\[ +[\d.]+\] (pciehp|pci |pcieport|virtio|vda)/.test(line))
    .map((line) => line.replace(/^\[ +[\d.]+\] /, ''));
}

describe.skipIf(!hasLinux)('Linux with devices that come and go', () => {
  const dir = temporary();
  const initrd = dir.file('initrd.cpio');
  let machine: Running | undefined;

  beforeAll(() => {
    const root = join(dir.path, 'root');
    mkdirSync(root);
    copyFileSync(`${project}guests/hotplug-probe/init`, join(root, 'init'));
    spawnSync('chmod', ['755', join(root, 'init')]);
    const overlay = dir.file('overlay.cpio');
    spawnSync(process.execPath, [`${project}scripts/make-initramfs.mjs`, root, overlay]);
    writeFileSync(initrd, Buffer.concat([gunzipSync(readFileSync(LINUX_INITRD)), readFileSync(overlay)]));
    writeFileSync(dir.file('disk'), disk);
  });
  afterEach(() => machine?.end());
  afterAll(() => dir.remove());

  const options = (socket: string): string[] => [
    ...['-M', 'virt,gic-version=3', '-cpu', 'cortex-a57', '-m', '512', '-nographic', '-monitor', 'none'],
    ...['-kernel', LINUX_IMAGE, '-initrd', initrd],
    ...['-append', 'console=ttyAMA0 cryptomgr.notests=1 pciehp.pciehp_debug=1'],
    ...['-device', 'pcie-root-port,id=rp1,chassis=1,slot=1,addr=2'],
    ...['-device', 'pcie-root-port,id=rp2,chassis=2,slot=2,addr=3'],
    ...['-drive', `if=none,id=d,format=raw,file=${dir.file('disk')}`],
    ...['-qmp', `unix:${socket},server=on,wait=off`],
  ];

  /** What is done to both. @returns what the guest printed */
  async function story(
    running: Running,
    socket: string,
  ): Promise<{ said: string[]; pci: Json; log: string[] }> {
    machine = running;
    await running.says(/BOOT-OK[^\n]*\n/);
    running.client = await QmpClient.open(socket);
    const said: string[] = [];
    await running.plug('virtio-blk-pci', 'rp1', 'b1', { drive: 'd' }, /\[vda\][^\n]*\n/);
    said.push(...(await running.shell('while ! [ -b /dev/vda ]; do sleep 0.1; done; md5sum /dev/vda')));
    await running.plug('virtio-rng-pci', 'rp2', 'r1', {}, /pci 0000:02:00.0: BAR 1 .*assigned[^\n]*\n/);
    said.push(...(await running.shell('sleep 1; dd if=/dev/hwrng bs=16 count=1 2>/dev/null | wc -c')));
    said.push(
      ...(await running.shell(
        'ls /sys/bus/pci/devices /sys/bus/virtio/devices; cat /sys/bus/pci/slots/*/power',
      )),
    );
    await running.pull('b1');
    await running.pull('r1');
    said.push(
      ...(await running.shell(
        'sleep 1; ls /sys/bus/pci/devices; cat /sys/bus/pci/slots/*/power; ls /dev/vda 2>&1',
      )),
    );
    const net = { mac: '52:54:00:ab:cd:ef', romfile: '' };
    await running.plug(
      'virtio-net-pci',
      'rp1',
      'n1',
      net,
      /virtio-pci 0000:01:00.0: enabling device[^\n]*\n/,
    );
    said.push(
      ...(await running.shell(
        'sleep 1; cat /sys/class/net/eth0/address; grep -c virtio0-input /proc/interrupts',
      )),
    );
    const pci = await running.client.ask('query-pci');
    running.type('poweroff -f');
    await running.client.event('SHUTDOWN');
    expect(await running.ended).toBe(0);
    return { said, pci, log: messages(running.console) };
  }

  it('tells the same as under QEMU, and replays', async () => {
    const ours = dir.file('ours');
    const trace = dir.file('hot-plug.vtrace');
    const record = [`${project}bin/virtrace.js`, 'record', '-o', trace, ...options(ours)];
    const recorded = await story(new Running(process.execPath, record), ours);
    const md5 = createHash('md5').update(disk).digest('hex');
    expect(recorded.said[0]).toBe(`${md5}  /dev/vda`);
    if (qemu !== undefined) {
      const theirs = dir.file('theirs');
      const args = ['-nodefaults', '-nic', 'none', '-serial', 'stdio', ...options(theirs)];
      expect(recorded).toEqual(await story(new Running(qemu, args), theirs));
    }
    const { code, out } = await virtrace(['replay', trace, '--verify', '--json']);
    expect({ code, ...JSON.parse(out) }).toMatchObject({ code: 0, result: 'ok', ended: 'system-off' });
  });
});
