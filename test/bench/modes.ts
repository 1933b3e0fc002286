import { spawnSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Measured, measure } from './measure.ts';

/** A guest run from power-on to power-off. */
export interface Workload {
  readonly name: string;
  readonly append: string;
  /** A line that shows that it did its work. */
  readonly proof: string;
  /** RAM disk in .guests/linux-arm64. */
  readonly initrd: 'initrd.cpio.gz' | 'programs.cpio.gz';
  /** It reads a disk on PCI Express, whose throughput is what counts. */
  readonly disk?: DiskWorkload;
}

export interface DiskWorkload {
  readonly machine: string;
  /** Further properties of the device. */
  readonly properties: string;
  /** What the guest says before and after, and how much it reads in between. */
  readonly span: readonly [string, string];
  readonly bytes: number;
}

const CONSOLE = 'console=ttyAMA0';

const INITRD = 'initrd.cpio.gz';

function work(name: string): Workload {
  return { name, append: `${CONSOLE} work=${name}`, proof: `WORK-DONE ${name}`, initrd: INITRD };
}

/** Debian's own programs; without the self-tests of the kernel, so that most of the time is theirs. */
function programs(name: string, works: readonly string[]): Workload {
  const append = `${CONSOLE} cryptomgr.notests=1 work=${works.join(',')}`;
  return { name, append, proof: `WORK-DONE ${works.at(-1)}`, initrd: 'programs.cpio.gz' };
}

/** Sequential reads past the page cache: a request is a megabyte, one descriptor for each page of the guest. */
function diskRead(name: string, machine: string, properties = '', append = ''): Workload {
  return {
    name,
    append: `${CONSOLE} cryptomgr.notests=1 ${append} work=diskread`,
    proof: 'WORK-DONE diskread',
    initrd: INITRD,
    disk: { machine, properties, span: ['READ-BEGIN', 'READ-END'], bytes: 2 ** 29 },
  };
}

const TRANSLATED = ',disable-legacy=on,iommu_platform=on';

/** How a disk is measured: replays read what was recorded, and QEMU records disks with other options only. */
export const DISK_MODES = ['run', 'record', 'icount'];

/** The disk with the SMMU off and on. */
export const PCI_WORKLOADS: readonly Workload[] = [
  diskRead('pci-read', 'gic-version=3'),
  diskRead('pci-read-smmu', 'gic-version=3,iommu=smmuv3', TRANSLATED, 'iommu.strict=0'),
  diskRead('pci-read-smmu-strict', 'gic-version=3,iommu=smmuv3', TRANSLATED, 'iommu.strict=1'),
];

export const WORKLOADS: readonly Workload[] = [
  { name: 'boot', append: CONSOLE, proof: 'BOOT-OK', initrd: INITRD },
  { name: 'boot-notests', append: `${CONSOLE} cryptomgr.notests=1`, proof: 'BOOT-OK', initrd: INITRD },
  ...['sha256', 'md5', 'gzip', 'loop', 'fork'].map(work),
  programs('openssl', ['openssl-dgst', 'openssl-enc', 'openssl-rsa', 'openssl-ec']),
  programs('sqlite', ['sqlite']),
  programs('python', ['python-numeric', 'python-json']),
  ...PCI_WORKLOADS,
];

/** The disk's image, which is not made of zeros. */
export function writeDisk(file: string): void {
  const words = new Uint32Array(2 ** 23);
  for (let i = 0; i < words.length; i++) words[i] = i;
  writeFileSync(file, words);
}

export interface Result extends Measured {
  /** Of the trace, or of QEMU's log, without images. */
  readonly logBytes?: number;
  /** Guest instructions; QEMU does not tell. */
  readonly instructions?: number;
}

/** One way to run a workload. `record` comes before `replay`, which replays what it left. */
export interface Mode {
  readonly name: string;
  readonly program: 'virtrace' | 'qemu';
  run(workload: Workload): Promise<Result>;
}

export interface Places {
  readonly root: string;
  readonly scratch: string;
}

/** Folder of the reference guest. */
export function guestFolder(root: string): string {
  return join(root, '.guests/linux-arm64');
}

function guestOptions({ root, scratch }: Places, { append, initrd, disk }: Workload): string[] {
  const guest = guestFolder(root);
  const image = join(scratch, 'disk.raw');
  if (disk !== undefined && !existsSync(image)) writeDisk(image);
  const board = disk === undefined ? 'virt' : `virt,${disk.machine}`;
  return [
    ...['-M', board, '-cpu', 'cortex-a57', '-m', '512', '-nographic', '-net', 'none'],
    ...(disk === undefined
      ? []
      : [
          ...['-drive', `if=none,id=d,format=raw,readonly=on,file=${image}`],
          ...['-device', `virtio-blk-pci,drive=d${disk.properties}`],
        ]),
    ...['-kernel', join(guest, 'Image'), '-initrd', join(guest, initrd), '-append', append],
  ];
}

function checked(measured: Measured, { name, proof }: Workload): Measured {
  if (!measured.out.includes(proof)) throw new Error(`${name}: no '${proof}' on the console`);
  return measured;
}

function virtraceModes(places: Places): Mode[] {
  const { root, scratch } = places;
  const command = [process.execPath, join(root, 'bin/virtrace.js')] as const;
  const trace = join(scratch, 'bench.vtrace');
  const execute = async (args: readonly string[], workload: Workload): Promise<Result> => {
    const measured = checked(
      await measure(command[0], [command[1], ...args], root, workload.disk?.span),
      workload,
    );
    const ended = /^\{.*"position":(\d+)/m.exec(measured.err);
    return { ...measured, ...(ended === null ? {} : { instructions: Number(ended[1]) }) };
  };
  const record =
    (level: string) =>
    async (workload: Workload): Promise<Result> => {
      const args = ['record', ...guestOptions(places, workload), '-level', level, '-json', '-o', trace];
      return { ...(await execute(args, workload)), logBytes: traceBytes(command, trace) };
    };
  return [
    {
      name: 'run',
      program: 'virtrace',
      run: (w) => execute(['run', ...guestOptions(places, w), '-json'], w),
    },
    { name: 'record inputs', program: 'virtrace', run: record('inputs') },
    { name: 'record', program: 'virtrace', run: record('devices') },
    { name: 'replay', program: 'virtrace', run: (w) => execute(['replay', trace], w) },
    { name: 'replay --verify', program: 'virtrace', run: (w) => execute(['replay', trace, '--verify'], w) },
  ];
}

/** Bytes of a trace that are not contents of images. */
function traceBytes(command: readonly [string, string], trace: string): number {
  const { stdout } = spawnSync(command[0], [command[1], 'info', trace, '--json'], { encoding: 'utf8' });
  const kinds = JSON.parse(stdout).kinds as { [kind: string]: { bytes: number } };
  return Object.entries(kinds).reduce((sum, [kind, { bytes }]) => (kind === 'pieces' ? sum : sum + bytes), 0);
}

const QEMU = 'qemu-system-aarch64';

function qemuModes(places: Places): Mode[] {
  const log = join(places.scratch, 'qemu.rr');
  const mode = (name: string, rr: string): Mode => ({
    name,
    program: 'qemu',
    run: async (workload) => {
      const args = [...guestOptions(places, workload), '-icount', `shift=0,sleep=off${rr}`];
      const measured = checked(await measure(QEMU, args, places.root, workload.disk?.span), workload);
      return rr === '' ? measured : { ...measured, logBytes: statSync(log).size };
    },
  });
  return [
    mode('icount', ''),
    mode('rr=record', `,rr=record,rrfile=${log}`),
    mode('rr=replay', `,rr=replay,rrfile=${log}`),
  ];
}

/** The version of QEMU, or undefined if there is none. */
export function qemuVersion(): string | undefined {
  return /version (\S+)/.exec(spawnSync(QEMU, ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1];
}

/** In an order that lets the two programs take turns, so that a busy moment of the host hits both. */
export function allModes(places: Places, withQemu: boolean): Mode[] {
  const ours = virtraceModes(places);
  const theirs = withQemu ? qemuModes(places) : [];
  return ours.flatMap((mode, i) => (theirs[i] === undefined ? [mode] : [mode, theirs[i]]));
}
