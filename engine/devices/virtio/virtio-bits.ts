/** Names and numbers of virtio 1.2 that every device and transport shares. */

/** Device-independent feature bits (section 6). */
export const VIRTIO_F = {
  /** Legacy (6.3): interrupt whenever the queue runs empty, even if suppressed. */
  NOTIFY_ON_EMPTY: 24,
  /** Legacy (6.3): the device makes no assumption about how messages are split into descriptors. */
  ANY_LAYOUT: 27,
  INDIRECT_DESC: 28,
  EVENT_IDX: 29,
  VERSION_1: 32,
  ACCESS_PLATFORM: 33,
  RING_PACKED: 34,
  NOTIFICATION_DATA: 38,
  RING_RESET: 40,
} as const;

/** Device status bits (2.1). */
export const STATUS = {
  ACKNOWLEDGE: 1,
  DRIVER: 2,
  DRIVER_OK: 4,
  FEATURES_OK: 8,
  DEVICE_NEEDS_RESET: 0x40,
  FAILED: 0x80,
} as const;

/** Interrupt status bits (4.2.2, 4.1.4.5). */
export const ISR = { QUEUE: 1, CONFIG: 2 } as const;

/** Device IDs (section 5). */
export const VIRTIO_ID = {
  NET: 1,
  BLOCK: 2,
  CONSOLE: 3,
  ENTROPY: 4,
  BALLOON: 5,
  SCSI: 8,
  P9: 9,
  GPU: 16,
  INPUT: 18,
} as const;

/** The mask of one feature bit. */
export function feature(bit: number): bigint {
  return 1n << BigInt(bit);
}
