import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Machine } from '../../engine/machine.ts';
import { NODE_CODEC } from '../../recorder/host/lz4.ts';
import { openTrace } from '../../recorder/host/open-trace.ts';
import { ReplaySession } from '../../recorder/session/replay.ts';
import { screensOf } from '../../recorder/session/screen.ts';
import { temporary, virtrace } from '../recorder/cli/support.ts';
import { serveProbe } from '../support/http-probe.ts';
import { linesBeyond } from '../support/kernel-log.ts';
import { hasLinux, LINUX_IMAGE } from '../support/machines.ts';
import { DOWNLOAD, makeProbeDisk, type Probe, readProbe, runProbeOnQemu } from '../support/pci-probe.ts';
import { qemu } from '../support/qemu.ts';

/*
 * Debian's kernel with disk, network, graphics, random numbers and console on PCI Express, on every way a message can
 * take to a CPU: what it sees and what comes of using it, beside QEMU; then an exact replay, with the network gone.
 * Five of the combinations run always, all with PCIE_MATRIX=all, some with PCIE_MATRIX=part of a name.
 */

const MiB = 2 ** 20;
const disk = Uint8Array.from({ length: 4 * MiB }, (_, n) => (n * 13 + (n >> 9)) & 0xff);
const wanted = process.env.PCIE_MATRIX ?? '';

interface Setup {
  readonly name: string;
  /** Runs when nothing else is asked for. */
  readonly always?: boolean;
  readonly machine: string;
  readonly cpus: number;
  readonly options: readonly string[];
  readonly append?: string;
}

/** The five devices; `more` are properties of each. QEMU's network device has an option ROM unless told otherwise. */
const devices = (more = ''): string[] => [
  ...['-device', `virtio-blk-pci,drive=d,serial=PROBE-1${more}`],
  ...['-netdev', 'user,id=n', '-device', `virtio-net-pci,netdev=n,romfile=${more}`],
  ...['-device', `virtio-gpu-pci${more}`],
  ...['-device', `virtio-rng-pci${more}`],
  ...['-device', `virtio-serial-pci${more}`, '-device', 'virtconsole,chardev=c'],
];
const TRANSLATED = ',disable-legacy=on,iommu_platform=on';

const controllers: readonly (Omit<Setup, 'cpus' | 'always'> & { readonly always: readonly number[] })[] = [
  { name: 'GICv2 with v2m', machine: 'gic-version=2', options: devices(), always: [4] },
  { name: 'GICv3 with ITS', machine: 'gic-version=3', options: devices(), always: [1] },
  {
    name: 'SMMU, strict',
    machine: 'gic-version=3,iommu=smmuv3',
    options: devices(TRANSLATED),
    append: 'iommu.strict=1',
    always: [4],
  },
  {
    name: 'SMMU, lazy',
    machine: 'gic-version=3,iommu=smmuv3',
    options: devices(TRANSLATED),
    append: 'iommu.strict=0',
    always: [],
  },
  {
    name: 'SMMU, passthrough',
    machine: 'gic-version=3,iommu=smmuv3',
    options: devices(TRANSLATED),
    append: 'iommu.passthrough=1',
    always: [1],
  },
  {
    name: 'SMMU for messages only',
    machine: 'gic-version=3,iommu=smmuv3',
    options: devices(),
    always: [],
  },
];

/** Odd but legal: what is behind what, and how many. Of these `e` is a second disk, which cannot be written to. */
const SECOND_DISK = 'if=none,id=e,format=raw,readonly=on,file=';
const topologies: readonly Setup[] = [
  {
    name: 'topology: functions of one device, ports behind ports, two NICs',
    machine: 'gic-version=3',
    cpus: 4,
    options: [
      ...['-device', 'pcie-root-port,id=a,chassis=1,slot=1,addr=2,multifunction=on'],
      ...['-device', 'pcie-root-port,id=b,chassis=2,slot=2,addr=2.1'],
      ...['-device', 'pcie-root-port,id=c,chassis=3,slot=3,bus=b'],
      ...['-device', 'virtio-blk-pci,drive=d,bus=a,num-queues=2', '-drive', SECOND_DISK],
      ...['-device', 'virtio-blk-pci,drive=e,bus=c', '-netdev', 'user,id=n', '-netdev', 'user,id=m'],
      ...['-device', 'virtio-net-pci,netdev=n,romfile=,addr=5.0,multifunction=on'],
      ...['-device', 'virtio-net-pci,netdev=m,romfile=,addr=5.1', '-device', 'virtio-rng-pci,addr=0x1f'],
      ...['-device', 'virtio-serial-pci', '-device', 'virtconsole,chardev=c'],
    ],
  },
  {
    name: 'topology: behind transports and on PCI, without messages, all below 4 GiB',
    always: true,
    machine: 'gic-version=3,its=off,highmem=off',
    cpus: 1,
    options: [
      ...['-device', 'virtio-blk-device,drive=d', '-drive', SECOND_DISK, '-device', 'virtio-blk-pci,drive=e'],
      ...[
        '-netdev',
        'user,id=n',
        '-device',
        'virtio-net-pci,netdev=n,romfile=',
        '-device',
        'virtio-rng-device',
      ],
      ...['-device', 'virtio-serial-pci', '-device', 'virtconsole,chardev=c'],
    ],
  },
  {
    name: 'topology: functions behind one port, through the SMMU',
    machine: 'gic-version=3,iommu=smmuv3',
    cpus: 2,
    options: [
      ...['-device', 'pcie-root-port,id=a,chassis=1', '-drive', SECOND_DISK],
      ...['-device', `virtio-blk-pci,drive=d,bus=a,addr=0.0,multifunction=on${TRANSLATED}`],
      ...['-device', `virtio-blk-pci,drive=e,bus=a,addr=0.3${TRANSLATED}`, '-netdev', 'user,id=n'],
      ...[
        '-device',
        `virtio-net-pci,netdev=n,romfile=${TRANSLATED}`,
        '-device',
        `virtio-rng-pci,addr=9${TRANSLATED}`,
      ],
      ...['-device', 'virtio-serial-pci', '-device', 'virtconsole,chardev=c'],
    ],
  },
];

const setups: readonly Setup[] = controllers
  .flatMap(({ always, ...setup }): Setup[] =>
    [1, 4].map((cpus) => ({
      ...setup,
      name: `${setup.name}, ${cpus} CPUs`,
      cpus,
      always: always.includes(cpus),
    })),
  )
  .concat(topologies);
const chosen = setups.filter(({ name, always }) =>
  wanted === '' ? always : wanted === 'all' || name.includes(wanted),
);

describe.skipIf(!hasLinux)('Linux with everything on PCI Express', () => {
  const dir = temporary();
  const initrd = dir.file('initrd.cpio');
  const image = dir.file('disk');
  const second = dir.file('second');
  let server: Server;
  let port = 0;

  beforeAll(async () => {
    makeProbeDisk(dir.path, initrd);
    writeFileSync(second, disk.subarray(0, MiB));
    server = await serveProbe(DOWNLOAD);
    port = (server.address() as { port: number }).port;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
    dir.remove();
  });

  /** Options both programs understand; the serial port goes into a file. */
  const options = ({ machine, cpus, options, append = '' }: Setup, serial: string): string[] => [
    ...['-M', `virt,${machine}`, '-cpu', 'cortex-a57', '-smp', String(cpus), '-m', '512'],
    ...['-nodefaults', '-display', 'none', '-serial', `file:${serial}`, '-chardev', 'stdio,id=c'],
    ...['-drive', `if=none,id=d,format=raw,file=${image}`],
    ...options.map((text) => (text === SECOND_DISK ? text + second : text)),
    ...['-kernel', LINUX_IMAGE, '-initrd', initrd, '-append'],
    `console=ttyAMA0 cryptomgr.notests=1 vt.global_cursor_default=0 web=${port} ${append}`.trim(),
  ];

  async function record(setup: Setup, trace: string): Promise<{ probe: Probe; out: string }> {
    const serial = dir.file('ours.txt');
    writeFileSync(image, disk);
    const ran = await virtrace(
      ['record', '-o', trace, ...options(setup, serial), '-monitor', 'none'],
      'hello console\ngo on\n',
    );
    expect(ran.err).toContain('the guest powered off');
    return { probe: readProbe(readFileSync(serial, 'latin1')), out: ran.out };
  }

  /** Replays all of it, and gives what was on the screen after the last change. */
  async function replay(trace: string): Promise<Uint8Array | undefined> {
    const last = await virtrace([
      'events',
      trace,
      '--kind',
      'note',
      '--what',
      'flush',
      '--backward',
      '--limit',
      '1',
      '--json',
    ]);
    const opened = openTrace(trace);
    try {
      const session = new ReplaySession({ reader: opened.reader, codec: NODE_CODEC, verify: true });
      let rgb: Uint8Array | undefined;
      if (last.out !== '') {
        expect(session.run(JSON.parse(last.out).position + 1)).toEqual({ reason: 'limit' });
        const [screen] = screensOf(session.machine as Machine).values();
        rgb = screen?.rgba.filter((_, i) => i % 4 !== 3);
      }
      expect(session.run(Number.POSITIVE_INFINITY)).toEqual({ reason: 'end' });
      return rgb;
    } finally {
      opened.close();
    }
  }

  it.each(chosen)('is seen and used as on QEMU, and replayed exactly: $name', async (setup) => {
    const trace = dir.file('matrix.vtrace');
    const { probe, out } = await record(setup, trace);
    expect(probe.use).toContain(`${createHash('md5').update(DOWNLOAD).digest('hex')}  /down`);
    expect(probe.use).toContain('2 packets transmitted, 2 packets received');
    expect(probe.use).toMatch(/^rng virtio_rng\.\d 1024$/m);
    expect(probe.use).toContain('console hello console');
    expect(out).toContain('back hello console');
    const rgb = await replay(trace);
    if (qemu === undefined) return;
    writeFileSync(image, disk);
    const serial = dir.file('theirs.txt');
    const theirRun = await runProbeOnQemu(options(setup, serial), dir.path);
    const theirs = readProbe(readFileSync(serial, 'latin1'));
    if (process.env.PCIE_MATRIX_KEEP !== undefined) {
      const keep = (name: string, text: string): void =>
        writeFileSync(`${process.env.PCIE_MATRIX_KEEP}/${setup.name.replaceAll(/\W+/g, '-')}.${name}`, text);
      keep('ours', readFileSync(dir.file('ours.txt'), 'latin1'));
      keep('theirs', readFileSync(serial, 'latin1'));
    }
    expect(probe.use).toBe(theirs.use);
    expect(theirRun.out).toContain('back hello console');
    expect(probe.functions).toBe(theirs.functions);
    expect(probe.lspci).toBe(theirs.lspci);
    expect(probe.interrupts).toBe(theirs.interrupts);
    expect(linesBeyond(probe.log, theirs.log)).toEqual([]);
    expect(linesBeyond(theirs.log, probe.log)).toEqual([]);
    expect(rgb === undefined).toBe(!setup.options.some((text) => text.startsWith('virtio-gpu')));
    if (rgb === undefined) return;
    expect(new Set(rgb).size).toBeGreaterThan(200);
    expect(Buffer.compare(rgb, theirRun.rgb!)).toBe(0);
  });
});
