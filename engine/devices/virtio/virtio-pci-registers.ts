import { bit, bits, type Register, type RegisterMap } from '../../base/register-map.ts';

/** Common configuration structure (virtio 1.2, 4.1.4.3). */
export const COMMON = {
  device_feature_select: 0x00,
  device_feature: 0x04,
  driver_feature_select: 0x08,
  driver_feature: 0x0c,
  config_msix_vector: 0x10,
  num_queues: 0x12,
  device_status: 0x14,
  config_generation: 0x15,
  queue_select: 0x16,
  queue_size: 0x18,
  queue_msix_vector: 0x1a,
  queue_enable: 0x1c,
  queue_notify_off: 0x1e,
  queue_desc: 0x20,
  queue_driver: 0x28,
  queue_device: 0x30,
  queue_reset: 0x3a,
} as const;

/** Legacy registers in I/O space (4.1.4.10). */
export const LEGACY = {
  DeviceFeatures: 0x00,
  DriverFeatures: 0x04,
  QueueAddress: 0x08,
  QueueSize: 0x0c,
  QueueSelect: 0x0e,
  QueueNotify: 0x10,
  DeviceStatus: 0x12,
  ISRStatus: 0x13,
  /** With MSI-X enabled; the device's configuration begins here without. */
  ConfigVector: 0x14,
  QueueVector: 0x16,
} as const;

export const NO_VECTOR = 0xffff;

/** The structures in the modern BAR (QEMU): a page each. */
export const STRUCTURES = {
  common: { type: 1, offset: 0x0000, name: 'COMMON' },
  isr: { type: 3, offset: 0x1000, name: 'ISR' },
  device: { type: 4, offset: 0x2000, name: 'DEVICE' },
  notify: { type: 2, offset: 0x3000, name: 'NOTIFY' },
} as const;
export const STRUCTURE_BYTES = 0x1000;
/** Distance of the notification addresses of two queues. */
export const NOTIFY_MULTIPLIER = 4;

const statusFields = [
  bit('ACKNOWLEDGE', 0, 'the guest has found the device'),
  bit('DRIVER', 1, 'the guest knows how to drive it'),
  bit('DRIVER_OK', 2, 'the driver is ready'),
  bit('FEATURES_OK', 3, 'features are agreed on'),
  bit('DEVICE_NEEDS_RESET', 6, 'the device cannot go on'),
  bit('FAILED', 7, 'the driver gave up'),
];
const isrFields = [bit('QUEUE', 0, 'a buffer was used'), bit('CONFIG', 1, 'the configuration changed')];

interface Described {
  readonly name: string;
  readonly queues: number;
  readonly config: readonly Register[];
}

/** Registers of the modern BAR. */
export function modernRegisterMap({ name, queues, config }: Described): RegisterMap {
  const common = (
    field: keyof typeof COMMON,
    width: 1 | 2 | 4 | 8,
    access: Register['access'],
    meaning: string,
    more: Partial<Register> = {},
  ): Register => ({ name: field, offset: COMMON[field], width, access, meaning, ...more });
  return {
    device: `virtio-pci-${name}`,
    reference: 'virtio 1.2, 4.1.4',
    registers: [
      common('device_feature_select', 4, 'RW', 'which word of device_feature', { reset: 0 }),
      common('device_feature', 4, 'RO', 'features offered'),
      common('driver_feature_select', 4, 'RW', 'which word of driver_feature', { reset: 0 }),
      common('driver_feature', 4, 'RW', 'features accepted', { reset: 0 }),
      common('config_msix_vector', 2, 'RW', 'vector for changes of configuration', { reset: NO_VECTOR }),
      common('num_queues', 2, 'RO', 'queues at most'),
      common('device_status', 1, 'RW', 'how far the driver has come; 0 resets', {
        reset: 0,
        fields: statusFields,
      }),
      common('config_generation', 1, 'RO', 'changes whenever the configuration does'),
      common('queue_select', 2, 'RW', 'queue the queue registers are about', { reset: 0 }),
      common('queue_size', 2, 'RW', 'entries of the queue; 0: no such queue'),
      common('queue_msix_vector', 2, 'RW', 'vector for used buffers', { reset: NO_VECTOR }),
      common('queue_enable', 2, 'RW', 'the queue is in use', { reset: 0 }),
      common('queue_notify_off', 2, 'RO', 'place of the queue among the notification addresses'),
      common('queue_desc', 8, 'RW', 'descriptor table', { reset: 0 }),
      common('queue_driver', 8, 'RW', 'available ring', { reset: 0 }),
      common('queue_device', 8, 'RW', 'used ring', { reset: 0 }),
      common('queue_reset', 2, 'RW', 'takes the rings away', { reset: 0 }),
      {
        name: 'isr',
        offset: STRUCTURES.isr.offset,
        width: 1,
        access: 'RO',
        reset: 0,
        meaning: 'why INTx is asserted; reading clears it',
        fields: isrFields,
      },
      // Some devices have fields that are called as ones of the common structure.
      ...config.map((entry) => ({
        ...entry,
        name: `config_${entry.name}`,
        offset: entry.offset + STRUCTURES.device.offset,
      })),
      {
        name: 'notify',
        offset: STRUCTURES.notify.offset,
        width: 2,
        access: 'WO',
        count: queues,
        stride: NOTIFY_MULTIPLIER,
        meaning: 'new buffers in this queue',
        fields: [bits('Queue', 15, 0)],
      },
    ],
  };
}

/**
 * Registers of the legacy BAR, as they lie while MSI-X is enabled; with it disabled the device's configuration
 * begins four bytes earlier.
 */
export function legacyRegisterMap({ name, config }: Described, hasMsix: boolean): RegisterMap {
  const register = (
    field: keyof typeof LEGACY,
    width: 1 | 2 | 4,
    access: Register['access'],
    meaning: string,
    more: Partial<Register> = {},
  ): Register => ({ name: field, offset: LEGACY[field], width, access, meaning, ...more });
  const start = hasMsix ? 0x18 : 0x14;
  return {
    device: `virtio-pci-legacy-${name}`,
    reference: 'virtio 1.2, 4.1.4.10',
    registers: [
      register('DeviceFeatures', 4, 'RO', 'features offered'),
      register('DriverFeatures', 4, 'RW', 'features accepted'),
      register('QueueAddress', 4, 'RW', 'page of the queue; 0 resets the device', { reset: 0 }),
      register('QueueSize', 2, 'RO', 'entries of the queue; 0: no such queue'),
      register('QueueSelect', 2, 'RW', 'queue the queue registers are about', { reset: 0 }),
      register('QueueNotify', 2, 'WO', 'index of a queue with new buffers'),
      register('DeviceStatus', 1, 'RW', 'how far the driver has come; 0 resets', {
        reset: 0,
        fields: statusFields,
      }),
      register('ISRStatus', 1, 'RO', 'why INTx is asserted; reading clears it', {
        reset: 0,
        fields: isrFields,
      }),
      ...(hasMsix
        ? [
            register('ConfigVector', 2, 'RW', 'vector for changes of configuration'),
            register('QueueVector', 2, 'RW', 'vector for used buffers'),
          ]
        : []),
      ...config.map(({ reset: _, ...entry }) => ({ ...entry, offset: entry.offset + start })),
    ],
  };
}
