/** What `-device` takes, as data for parser and help: behind virtio-mmio, on PCI Express, and consoles. */
import { COMMON_PCI_PROPERTIES, PCI_DEVICE_TYPES } from '../../engine/boards/virt/pci-devices.ts';

export interface DeviceTypeProperty {
  readonly name: string;
  readonly description: string;
  readonly type: 'text' | 'number' | 'on/off';
}

export interface DeviceType {
  /** As on the command line. */
  readonly name: string;
  readonly description: string;
  readonly bus: 'virtio-mmio' | 'pci' | 'console';
  /** Kind of virtio device, if it is one. */
  readonly virtio?: string;
  readonly properties: readonly DeviceTypeProperty[];
}

function text(name: string, description: string): DeviceTypeProperty {
  return { name, description, type: 'text' };
}

const ID = text('id', 'name of the device, also in events');
const BUS = text('bus', 'virtio-mmio-bus.N, N from 0 to 31; default: the highest free one');

/** Properties that belong to PCI and to the number of queues there. */
const PCI_ONLY = ['num-queues', 'disable-legacy', 'iommu_platform'];

/** Every virtio device has a form for each transport. */
const MMIO_TYPES: readonly DeviceType[] = PCI_DEVICE_TYPES.flatMap((type) =>
  type.virtio === undefined
    ? []
    : {
        name: `${type.virtio}-device`,
        description: type.description,
        bus: 'virtio-mmio' as const,
        virtio: type.virtio,
        properties: [...type.properties.filter(({ name }) => !PCI_ONLY.includes(name)), ID, BUS],
      },
);

const PCI_TYPES: readonly DeviceType[] = PCI_DEVICE_TYPES.map((type) => ({
  ...type,
  bus: 'pci',
  properties: [...type.properties, ...COMMON_PCI_PROPERTIES],
}));

export const DEVICE_TYPES: readonly DeviceType[] = [
  ...MMIO_TYPES,
  ...PCI_TYPES,
  {
    name: 'virtconsole',
    description: 'console behind the console controller',
    bus: 'console',
    properties: [
      text('chardev', 'id of the -chardev it is connected to'),
      text('name', 'not seen by the guest'),
      ID,
      text('bus', 'ID.0 of the controller; not needed'),
      text('nr', '0'),
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

/** Devices of QEMU's that people ask for; undefined: not known. */
export function deviceRefusal(name: string): string | undefined {
  const here = name.replace(/-(non-)?transitional$/, '');
  if (here !== name && DEVICE_TYPES.some((type) => type.name === here)) {
    return `QEMU has it, virtrace does not; use ${here}`;
  }
  if (/^(e1000|rtl8139|igb|vmxnet|usb-net)/.test(name)) {
    return 'QEMU has it, virtrace does not; use virtio-net-pci';
  }
  if (/^(virtio-gpu|ramfb|bochs|VGA|vga|qxl|cirrus)/.test(name)) {
    return 'QEMU has it, virtrace does not; use virtio-gpu-pci';
  }
  const families =
    'virtio|vhost|nvme|ide|ahci|scsi|usb|qemu-xhci|pci|ioh|pvpanic|i6300|tpm|nvdimm|pc-dimm|loader|guest-loader|sd';
  if (new RegExp(`^(${families})`).test(name)) {
    return 'QEMU has it, virtrace does not; -device help lists what there is';
  }
  return undefined;
}
