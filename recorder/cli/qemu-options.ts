/**
 * Options that QEMU 7.2 has and virtrace has not, each with the words of its refusal. Whoever adds one moves
 * it to option-table.ts.
 */

const MONITOR = 'use -qmp or -monitor';
const PC = 'not a part of the virt board';
const DISPLAY = 'virtrace has no graphics; the console is the serial port';
const DISK = 'use -drive file=FILE,format=raw';
const HOST = 'it concerns the host process of QEMU';
const SAVE = 'virtrace has no saved machines; record a run and replay it';

const REASONS: { readonly [reason: string]: readonly string[] } = {
  [MONITOR]: ['qmp-pretty'],
  'the guest has its serial port; use -serial': ['debugcon'],
  'give the options themselves': ['readconfig'],
  [PC]: ['fda', 'fdb', 'parallel', 'no-acpi', 'usb', 'usbdevice', 'sd', 'mtdblock', 'option-rom', 'tpmdev'],
  [DISPLAY]: [
    'vnc',
    'spice',
    'sdl',
    'gtk',
    'portrait',
    'rotate',
    'full-screen',
    'k',
    'audio',
    'audiodev',
    'audio-help',
  ],
  [DISK]: ['hda', 'hdb', 'hdc', 'hdd', 'cdrom', 'iscsi'],
  [HOST]: [
    ...[
      'daemonize',
      'pidfile',
      'chroot',
      'runas',
      'sandbox',
      'add-fd',
      'overcommit',
      'mem-path',
      'mem-prealloc',
    ],
    ...['msg', 'trace', 'plugin', 'async-teardown', 'enable-sync-profile', 'compat', 'set', 'L', 'uuid'],
  ],
  [SAVE]: ['loadvm', 'incoming', 'only-migratable', 'dump-vmstate'],
};

const SINGLE: { readonly [name: string]: string } = {
  'enable-kvm': 'what hardware runs between two exits cannot be recorded exactly; leave it out',
  'xen-domid': 'virtrace is no Xen device model',
  'xen-attach': 'virtrace is no Xen device model',
  'xen-domid-restrict': 'virtrace is no Xen device model',
  numa: 'virtrace describes no NUMA nodes yet; leave it out',
  boot: 'virtrace boots what -kernel or -bios gives; there is no boot order',
  smbios: 'virtrace makes no SMBIOS tables yet',
  fw_cfg: 'virtrace adds no files of your own to fw_cfg yet',
  acpitable: 'virtrace makes no ACPI tables yet',
  singlestep: 'use --block-limit 1, which gives the same run',
  dfilter: 'virtrace logs no instructions; record, and use `virtrace events`',
  'no-shutdown': 'virtrace ends when the machine powers off',
  action: 'virtrace ends when the machine powers off; for a reset there is -no-reboot',
  watchdog: 'the virt board has no watchdog device of its own',
  'watchdog-action': 'the virt board has no watchdog device of its own',
  semihosting: 'virtrace has no semihosting; its results would come from the host unseen',
  'semihosting-config': 'virtrace has no semihosting; its results would come from the host unseen',
  'old-param': 'virtrace boots Linux with a device tree only',
  preconfig: 'the machine is built at once; use -S',
  echr: 'the escape character is Ctrl-A',
  tb_size: 'virtrace sizes its code cache itself',
  'win2k-hack': 'not a part of the virt board',
};

const ALL = new Map<string, string>(Object.entries(SINGLE));
for (const [reason, names] of Object.entries(REASONS)) for (const name of names) ALL.set(name, reason);

/** Why virtrace refuses an option of QEMU's; undefined: QEMU has no such option. `name` without dashes. */
export function qemuOptionRefusal(name: string): string | undefined {
  const reason = ALL.get(name);
  return reason === undefined ? undefined : `QEMU has it, virtrace does not: ${reason}`;
}

/** For tests: every name in the table. */
export const REFUSED_OPTIONS: readonly string[] = [...ALL.keys()];
