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
const PCI_ONLY = ['num-queues', 'vectors', 'disable-legacy', 'iommu_platform'];

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

/**
 * Properties of QEMU's devices, with the values that say what is so here anyway: its defaults, and what a machine
 * whose images are never written to and whose disks have no errors cannot tell apart.
 */
export const DEFAULT_DEVICE_PROPERTIES: { readonly [name: string]: readonly string[] } = {
  // Rings and transports.
  any_layout: ['on', 'true'],
  event_idx: ['on', 'true'],
  indirect_desc: ['on', 'true'],
  notify_on_empty: ['on', 'true'],
  packed: ['off', 'false'],
  'use-disabled-flag': ['on', 'true'],
  'use-started': ['on', 'true'],
  'disable-modern': ['off', 'false'],
  'disable-legacy': ['auto'],
  'modern-pio-notify': ['off', 'false'],
  'page-per-vq': ['off', 'false'],
  ats: ['off', 'false'],
  rombar: ['0', '1'],
  // Disks.
  'config-wce': ['on', 'true'],
  discard: ['on', 'true'],
  'write-zeroes': ['on', 'true'],
  'write-cache': ['on', 'auto'],
  'share-rw': ['on', 'off', 'true', 'false'],
  'request-merging': ['on', 'true'],
  'seg-max-adjust': ['on', 'true'],
  scsi: ['off', 'false'],
  rerror: ['auto', 'report', 'stop', 'ignore'],
  werror: ['auto', 'report', 'stop', 'ignore', 'enospc'],
  logical_block_size: ['512'],
  physical_block_size: ['512'],
  min_io_size: ['0'],
  opt_io_size: ['0'],
  // Networks.
  mq: ['off', 'false'],
  rx_queue_size: ['256'],
  tx_queue_size: ['256'],
  host_mtu: ['0'],
  ...Object.fromEntries(
    [
      'csum',
      'gso',
      'guest_csum',
      'mrg_rxbuf',
      'status',
      'ctrl_vq',
      'ctrl_rx',
      'ctrl_vlan',
      'ctrl_mac_addr',
    ].map((name) => [name, ['on', 'true']]),
  ),
  // Others.
  'emergency-write': ['on', 'true'],
  max_ports: ['31'],
  max_outputs: ['1'],
  blob: ['off', 'false'],
  'disable-acs': ['off', 'false'],
};

const AS_QEMU = "the device has QEMU's default";

/** Properties of QEMU's devices that are refused, each with the reason. */
export const REFUSED_DEVICE_PROPERTIES: { readonly [name: string]: string } = {
  bootindex: 'firmware is not told an order of devices',
  iothread: 'there are no host threads in the machine',
  ...Object.fromEntries(
    ['io-reserve', 'mem-reserve', 'pref32-reserve', 'pref64-reserve', 'bus-reserve'].map((name) => [
      name,
      'a port asks for no more than what is behind it',
    ]),
  ),
  ...Object.fromEntries(
    [
      ...[
        'iommu_platform',
        'queue_reset',
        'x-disable-legacy-check',
        'cyls',
        'heads',
        'secs',
        'lcyls',
        'lheads',
      ],
      ...['lsecs', 'discard_granularity', 'max-discard-sectors', 'max-write-zeroes-sectors', 'num-queues'],
      ...['queue-size', 'report-discard-granularity', 'max-bytes', 'period', 'account-failed', 'vectors'],
      ...['account-invalid', 'backend_defaults', 'x-enable-wce-if-config-wce', 'hotplug', 'romfile'],
      ...[
        'x-speed',
        'x-width',
        'aer',
        'failover',
        'rss',
        'hash',
        'speed',
        'duplex',
        'tx',
        'x-txtimer',
        'hostmem',
      ],
    ].map((name) => [name, AS_QEMU]),
  ),
};

/** QEMU's shorter names. */
export function deviceNamed(name: string): DeviceType | undefined {
  const find = (wanted: string): DeviceType | undefined => DEVICE_TYPES.find((type) => type.name === wanted);
  return find(name) ?? (/^virtio-[a-z]+$/.test(name) ? find(`${name}-pci`) : undefined);
}

/** Devices of QEMU's that people ask for; undefined: not known. */
export function deviceRefusal(name: string): string | undefined {
  const here = name.replace(/-(non-)?transitional$/, '');
  if (here !== name && DEVICE_TYPES.some((type) => type.name === here)) {
    return `QEMU has it, virtrace does not; use ${here}`;
  }
  if (/^(e1000|rtl8139|igb|vmxnet|usb-net)/.test(name)) {
    return 'QEMU has it, virtrace does not; use virtio-net-pci';
  }
  if (/^(x3130|xio3130|i82801b11|pci-bridge|pcie-pci-bridge|pxb|ioh3420)/.test(name)) {
    return 'QEMU has it, virtrace does not; use pcie-root-port, also behind another one';
  }
  if (name === 'virtserialport') return 'QEMU has it, virtrace does not; use virtconsole';
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
