/** What `-device` takes: the devices behind virtio-mmio, as data for parser and help. */

export interface DeviceType {
  /** As on the command line. */
  readonly name: string;
  readonly description: string;
  readonly properties: readonly {
    readonly name: string;
    readonly description: string;
  }[];
}

const ID = { name: 'id', description: 'name of the device, also in events' };
const BUS = { name: 'bus', description: 'virtio-mmio-bus.N, N from 0 to 31; default: the highest free one' };

export const DEVICE_TYPES: readonly DeviceType[] = [
  {
    name: 'virtio-blk-device',
    description: 'disk',
    properties: [
      { name: 'drive', description: 'id of the -drive with its image' },
      { name: 'serial', description: 'serial number the guest sees' },
      ID,
      BUS,
    ],
  },
  {
    name: 'virtio-rng-device',
    description: 'source of random bytes',
    properties: [{ name: 'rng', description: 'id of an -object; not needed' }, ID, BUS],
  },
  {
    name: 'virtio-serial-device',
    description: 'console controller; needs one virtconsole',
    properties: [ID, BUS],
  },
  {
    name: 'virtconsole',
    description: 'console behind the controller',
    properties: [
      { name: 'chardev', description: 'id of the -chardev it is connected to' },
      { name: 'name', description: 'not seen by the guest' },
      ID,
      { name: 'bus', description: 'ID.0 of the controller; not needed' },
      { name: 'nr', description: '0' },
    ],
  },
];

/** Properties of QEMU's virtio devices that are refused. */
export const REFUSED_DEVICE_PROPERTIES: { readonly [name: string]: string } = Object.fromEntries(
  [
    ...[
      'any_layout',
      'event_idx',
      'indirect_desc',
      'iommu_platform',
      'notify_on_empty',
      'packed',
      'queue_reset',
    ],
    ...[
      'use-disabled-flag',
      'use-started',
      'x-disable-legacy-check',
      'bootindex',
      'config-wce',
      'cyls',
      'discard',
    ],
    ...[
      'discard_granularity',
      'heads',
      'iothread',
      'lcyls',
      'lheads',
      'logical_block_size',
      'lsecs',
      'max_ports',
    ],
    ...[
      'max-discard-sectors',
      'max-write-zeroes-sectors',
      'min_io_size',
      'num-queues',
      'opt_io_size',
      'queue-size',
    ],
    ...[
      'physical_block_size',
      'report-discard-granularity',
      'request-merging',
      'rerror',
      'scsi',
      'secs',
      'werror',
    ],
    ...[
      'seg-max-adjust',
      'share-rw',
      'write-cache',
      'write-zeroes',
      'emergency-write',
      'max-bytes',
      'period',
    ],
    ...['account-failed', 'account-invalid', 'backend_defaults', 'x-enable-wce-if-config-wce'],
  ].map((name) => [name, "the device has QEMU's default"]),
);

/** Devices of QEMU's that people ask for, with the way to go. */
export function deviceRefusal(name: string): string | undefined {
  const mmio = DEVICE_TYPES.find(
    (type) => type.name === name.replace(/-pci(-non-transitional|-transitional)?$/, '-device'),
  );
  if (mmio !== undefined) return `virtrace has no PCIe yet; use ${mmio.name}`;
  if (/^(virtio-net|e1000|rtl8139|igb|vmxnet|usb-net)/.test(name))
    return 'QEMU has it, virtrace does not: there is no network yet';
  if (/^(virtio-gpu|ramfb|bochs|VGA|vga|qxl|cirrus)/.test(name))
    return 'QEMU has it, virtrace does not: there are no graphics';
  if (
    /^(virtio|vhost|nvme|ide|ahci|scsi|usb|qemu-xhci|pci|ioh|edu|pvpanic|i6300|tpm|nvdimm|pc-dimm|loader|guest-loader|sd)/.test(
      name,
    )
  ) {
    return 'QEMU has it, virtrace does not; -device help lists what there is';
  }
  return undefined;
}
