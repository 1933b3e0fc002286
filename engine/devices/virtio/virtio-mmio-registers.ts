import { bit, bits, type Register, type RegisterMap } from '../../base/register-map.ts';

/** Offsets of virtio 1.2, table 4.1 (4.2.2), and of its legacy variant, table 4.4 (4.2.4). */
export const MMIO = {
  MagicValue: 0x000,
  Version: 0x004,
  DeviceID: 0x008,
  VendorID: 0x00c,
  DeviceFeatures: 0x010,
  DeviceFeaturesSel: 0x014,
  DriverFeatures: 0x020,
  DriverFeaturesSel: 0x024,
  GuestPageSize: 0x028,
  QueueSel: 0x030,
  QueueNumMax: 0x034,
  QueueNum: 0x038,
  QueueAlign: 0x03c,
  QueuePFN: 0x040,
  QueueReady: 0x044,
  QueueNotify: 0x050,
  InterruptStatus: 0x060,
  InterruptACK: 0x064,
  Status: 0x070,
  QueueDescLow: 0x080,
  QueueDescHigh: 0x084,
  QueueDriverLow: 0x090,
  QueueDriverHigh: 0x094,
  QueueDeviceLow: 0x0a0,
  QueueDeviceHigh: 0x0a4,
  SHMSel: 0x0ac,
  SHMLenLow: 0x0b0,
  SHMLenHigh: 0x0b4,
  SHMBaseLow: 0x0b8,
  SHMBaseHigh: 0x0bc,
  ConfigGeneration: 0x0fc,
  Config: 0x100,
} as const;

/** Bytes of one transport. */
export const MMIO_BYTES = 0x200;

const ONES = 0xffffffff;

const statusFields = [
  bit('ACKNOWLEDGE', 0, 'the guest has found the device'),
  bit('DRIVER', 1, 'the guest knows how to drive it'),
  bit('DRIVER_OK', 2, 'the driver is ready'),
  bit('FEATURES_OK', 3, 'features are agreed on'),
  bit('DEVICE_NEEDS_RESET', 6, 'the device cannot go on'),
  bit('FAILED', 7, 'the driver gave up'),
];
const isrFields = [bit('QUEUE', 0, 'a buffer was used'), bit('CONFIG', 1, 'the configuration changed')];

function register(
  name: keyof typeof MMIO,
  access: Register['access'],
  meaning: string,
  more: Partial<Register> = {},
): Register {
  return { name, offset: MMIO[name], width: 4, access, meaning, ...more };
}

/**
 * The register map of one transport: of an empty one, or with a device behind it whose configuration space
 * begins at 0x100. Registers of the other version read as zero, and writes to them are guest errors.
 */
export function mmioRegisterMap(
  legacy: boolean,
  device?: { readonly name: string; readonly deviceId: number; readonly config: readonly Register[] },
): RegisterMap {
  const empty = device === undefined;
  const present = (access: Register['access']) => (empty ? 'RAZ/WI' : access);
  const old = (access: Register['access']) => (empty || !legacy ? 'RAZ/WI' : access);
  const modern = (access: Register['access']) => (empty || legacy ? 'RAZ/WI' : access);
  return {
    device: empty ? 'virtio-mmio' : `virtio-mmio-${device.name}`,
    reference: 'virtio 1.2, 4.2',
    registers: [
      register('MagicValue', 'RO', '"virt"', { reset: 0x74726976 }),
      register('Version', 'RO', 'register layout', {
        reset: legacy ? 1 : 2,
        fields: [{ ...bits('VERSION', 31, 0), values: { 1: 'legacy', 2: 'modern' } }],
      }),
      register('DeviceID', 'RO', 'kind of device; 0: none', {
        reset: device?.deviceId ?? 0,
        fields: [{ ...bits('ID', 31, 0), values: { 0: 'none', 1: 'net', 2: 'blk', 3: 'console', 4: 'rng' } }],
      }),
      register('VendorID', 'RO', '"QEMU"', { reset: 0x554d4551 }),
      register('DeviceFeatures', present('RO'), 'features offered, 32 bits of DeviceFeaturesSel'),
      register('DeviceFeaturesSel', present('WO'), 'which word of DeviceFeatures'),
      register('DriverFeatures', present('WO'), 'features accepted, 32 bits of DriverFeaturesSel'),
      register('DriverFeaturesSel', present('WO'), 'which word of DriverFeatures'),
      register('GuestPageSize', old('WO'), 'unit of QueuePFN in bytes, a power of two'),
      register('QueueSel', present('WO'), 'queue the Queue registers are about'),
      register('QueueNumMax', present('RO'), 'most entries the queue can have; 0: no such queue'),
      register('QueueNum', present('WO'), 'entries of the queue'),
      register('QueueAlign', old('WO'), 'alignment of the used ring in bytes'),
      register('QueuePFN', old('RW'), 'page of the queue; 0 resets the device', { reset: 0 }),
      register('QueueReady', modern('RW'), 'the queue is in use', { reset: 0 }),
      register('QueueNotify', present('WO'), 'index of a queue with new buffers'),
      register('InterruptStatus', present('RO'), 'why the line is high', { reset: 0, fields: isrFields }),
      register('InterruptACK', present('WO'), 'clears bits of InterruptStatus', { fields: isrFields }),
      register('Status', present('RW'), 'how far the driver has come; 0 resets', {
        reset: 0,
        fields: statusFields,
      }),
      register('QueueDescLow', modern('WO'), 'descriptor table'),
      register('QueueDescHigh', modern('WO'), 'descriptor table'),
      register('QueueDriverLow', modern('WO'), 'available ring'),
      register('QueueDriverHigh', modern('WO'), 'available ring'),
      register('QueueDeviceLow', modern('WO'), 'used ring'),
      register('QueueDeviceHigh', modern('WO'), 'used ring'),
      register('SHMSel', 'RAZ/WI', 'shared memory region; there are none'),
      register('SHMLenLow', present('RO'), 'length of the region; all ones: none', {
        reset: empty ? 0 : ONES,
      }),
      register('SHMLenHigh', present('RO'), 'length of the region', { reset: empty ? 0 : ONES }),
      register('SHMBaseLow', 'RAZ/WI', 'address of the region', { reset: 0 }),
      register('SHMBaseHigh', 'RAZ/WI', 'address of the region', { reset: 0 }),
      register('ConfigGeneration', modern('RO'), 'changes whenever the configuration does'),
      ...(device?.config ?? []).map((entry) => ({ ...entry, offset: entry.offset + MMIO.Config })),
    ],
  };
}
