/** The options of `run` and `record` as data: what translate.ts accepts and the help shows. */

export interface OptionRow {
  /** Canonical long name without dashes. */
  readonly name: string;
  /** Other spellings, without dashes. */
  readonly aliases?: readonly string[];
  /** What stands for the value in the help; absent: a switch. */
  readonly value?: string;
  /** May be given several times; otherwise the last one counts, as in QEMU. */
  readonly repeat?: boolean;
  readonly description: string;
  /** Only for these commands; absent: run and record. */
  readonly only?: 'run' | 'record';
  readonly group: OptionGroup;
}

export type OptionGroup = 'machine' | 'boot' | 'devices' | 'time' | 'console' | 'recording' | 'other';

export const GROUP_TITLES: { readonly [group in OptionGroup]: string } = {
  machine: 'Machine',
  boot: 'What it boots',
  devices: 'Devices',
  time: 'Time and chance',
  console: 'Console and logs',
  recording: 'Recording',
  other: 'Other',
};

export const OPTION_ROWS: readonly OptionRow[] = [
  {
    name: 'machine',
    aliases: ['M'],
    value: 'virt[,prop=value...]',
    repeat: true,
    description: 'board and its properties; -M help, -M virt,help',
    group: 'machine',
  },
  { name: 'cpu', value: 'MODEL', description: 'CPU type; -cpu help', group: 'machine' },
  {
    name: 'smp',
    value: '[cpus=]N[,...]',
    description: 'number of CPUs and their topology',
    group: 'machine',
  },
  { name: 'm', value: 'SIZE', description: 'RAM in MiB, or with a suffix k, M, G, T', group: 'machine' },
  { name: 'accel', value: 'tcg', description: 'accepted for tcg only', group: 'machine' },
  { name: 'kernel', value: 'FILE', description: 'arm64 Image (also gzipped), ELF, or raw', group: 'boot' },
  { name: 'initrd', value: 'FILE', description: 'RAM disk for Linux', group: 'boot' },
  { name: 'append', value: 'TEXT', description: 'kernel command line', group: 'boot' },
  { name: 'dtb', value: 'FILE', description: 'device tree instead of the generated one', group: 'boot' },
  { name: 'bios', value: 'FILE', description: 'firmware in flash bank 0', group: 'boot' },
  {
    name: 'drive',
    value: 'file=FILE,...',
    repeat: true,
    description:
      'disk image: if=virtio|none|pflash, id=, format=raw|qcow2, readonly=, unit=; never written to',
    group: 'devices',
  },
  {
    name: 'blockdev',
    value: 'driver=...,node-name=ID',
    repeat: true,
    description: 'the same in parts, driver=raw|qcow2|file, file=NODE or file.filename=FILE; or as JSON',
    group: 'devices',
  },
  {
    name: 'pflash',
    value: 'FILE',
    repeat: true,
    description: 'flash image, first bank 0, then bank 1',
    group: 'devices',
  },
  {
    name: 'device',
    value: 'TYPE[,...]',
    repeat: true,
    description: 'virtio-mmio or PCI device; -device help',
    group: 'devices',
  },
  {
    name: 'object',
    value: 'TYPE,id=ID',
    repeat: true,
    description: 'rng-builtin or rng-random, a source of random bytes',
    group: 'devices',
  },
  {
    name: 'global',
    value: 'virtio-mmio.force-legacy=off',
    repeat: true,
    description: 'virtio-mmio transports of version 2 instead of 1',
    group: 'devices',
  },
  {
    name: 'fsdev',
    value: 'local,id=ID,path=DIR,security_model=none,readonly=on',
    repeat: true,
    description: 'folder of the host for -device virtio-9p-pci; only read',
    group: 'devices',
  },
  {
    name: 'virtfs',
    value: 'local,path=DIR,mount_tag=TAG,security_model=none,readonly=on',
    repeat: true,
    description: 'the same with its device',
    group: 'devices',
  },
  {
    name: 'netdev',
    value: 'TYPE,id=ID[,...]',
    repeat: true,
    description: 'network: user, stream, dgram or socket; -netdev help',
    group: 'devices',
  },
  {
    name: 'nic',
    value: 'TYPE[,...]',
    repeat: true,
    description: 'the same with its device: model=virtio-net-pci, mac=; or none',
    group: 'devices',
  },
  {
    name: 'net',
    value: 'nic|user|none[,...]',
    repeat: true,
    description: 'the older way: -net nic -net user',
    group: 'devices',
  },
  {
    name: 'rtc',
    value: 'base=...[,clock=vm]',
    description: 'time of day at the start: utc, localtime or a date',
    group: 'time',
  },
  {
    name: 'icount',
    value: 'shift=N',
    description: 'one instruction takes 2^N ns, N from 0 (the default) to 10',
    group: 'time',
  },
  {
    name: 'input',
    value: 'FILE',
    description: 'keys and pointer moves at virtual times, a line each: 1.5s key ctrl-c',
    group: 'console',
  },
  { name: 'seed', value: 'N', description: 'random bytes for the guest from this number', group: 'time' },
  {
    name: 'serial',
    value: 'TARGET',
    repeat: true,
    description: 'stdio, mon:stdio, null, none, file:FILE or chardev:ID',
    group: 'console',
  },
  {
    name: 'chardev',
    value: 'TYPE,id=ID',
    repeat: true,
    description: 'stdio, null, file with path=, or, for -mon, socket with path= or port=',
    group: 'console',
  },
  { name: 'nographic', description: 'accepted: virtrace always behaves so', group: 'console' },
  { name: 'display', value: 'none', description: 'accepted for none only', group: 'console' },
  { name: 'vga', value: 'none', description: 'accepted for none only', group: 'console' },
  {
    name: 'monitor',
    value: 'TARGET',
    repeat: true,
    description:
      "QEMU's human monitor: stdio, unix:PATH or tcp:127.0.0.1:PORT, with ,server=on,wait=off; none",
    group: 'console',
  },
  {
    name: 'qmp',
    value: 'TARGET',
    repeat: true,
    description: 'the QEMU Machine Protocol, at the same places',
    group: 'console',
  },
  {
    name: 'mon',
    value: 'chardev=ID,mode=MODE',
    repeat: true,
    description: 'monitor on a -chardev; mode control is QMP, readline the human monitor',
    group: 'console',
  },
  { name: 'd', value: 'ITEM[,...]', description: 'log what the guest does; -d help', group: 'console' },
  { name: 'D', value: 'FILE', description: 'write that log to a file', group: 'console' },
  { name: 's', description: 'gdb may connect: the same as -gdb tcp::1234', group: 'console' },
  {
    name: 'gdb',
    value: 'tcp::PORT',
    description: 'gdb may connect, from this host only; tcp:127.0.0.1:PORT, port 0: any; unix:PATH; none',
    group: 'console',
  },
  { name: 'S', description: 'executes nothing before gdb or a monitor says so', group: 'console' },
  { name: 'name', value: 'TEXT', description: 'name of the machine, for monitors', group: 'other' },
  { name: 'no-reboot', description: 'a reset ends the run', group: 'other' },
  { name: 'snapshot', description: 'accepted: images are never written to', group: 'other' },
  {
    name: 'nodefaults',
    description: 'accepted: there are no default devices but the console',
    group: 'other',
  },
  { name: 'no-user-config', description: 'accepted: there is none', group: 'other' },
  { name: 'version', description: 'version of virtrace', group: 'other' },
  { name: 'help', aliases: ['h'], description: 'this text', group: 'other' },
  { name: 'o', value: 'FILE', description: 'the trace', only: 'record', group: 'recording' },
  {
    name: 'level',
    value: 'inputs|devices|full',
    description: 'how much is kept (devices)',
    only: 'record',
    group: 'recording',
  },
  {
    name: 'no-embed',
    description: 'refer to images by hash instead of embedding them',
    only: 'record',
    group: 'recording',
  },
  {
    name: 'hash-interval',
    value: 'N',
    description: 'state hash every N million instructions; 0: only at start and end',
    only: 'record',
    group: 'recording',
  },
  {
    name: 'checkpoints',
    value: 'auto|none|N',
    description:
      'save the whole state for replays to begin there: in long recordings; never; every N million instructions',
    only: 'record',
    group: 'recording',
  },
  {
    name: 'block-limit',
    value: 'N',
    description: 'at most N instructions per block; the result is the same, only slower',
    group: 'other',
  },
  {
    name: 'tier',
    value: 'interpreted|compiled',
    description: 'interpret only, or compile all code at once; the result is the same',
    group: 'other',
  },
  {
    name: 'limit',
    value: 'N',
    description: 'stop after N instructions; suffixes k, M and G are powers of 1000',
    group: 'other',
  },
  { name: 'json', description: 'print how the run ended as JSON on stderr', group: 'other' },
];
