/** What a disk's geometry is guessed from. */
interface Disk {
  readonly sizeBytes: number;
  read(offset: number, into: Uint8Array): void;
}

const SECTOR = 512;
const CYLINDERS_MAX = 16383;

/**
 * Cylinders, heads and sectors that suit a disk. If it has an MBR partition table whose first used entry ends
 * on a full cylinder, that says heads and sectors; else 16 heads and 63 sectors. QEMU does the same, and a
 * guest sees the numbers in the configuration space of virtio-blk.
 */
export function guessGeometry(disk: Disk): { cylinders: number; heads: number; sectors: number } {
  const total = Math.floor(disk.sizeBytes / SECTOR);
  const fromTable = total > 0 ? partitionGeometry(disk, total) : undefined;
  // More than 16 heads mean that a BIOS translated them: then the physical geometry is another.
  if (fromTable !== undefined && fromTable.heads <= 16) return fromTable;
  const cylinders = Math.min(CYLINDERS_MAX, Math.max(2, Math.floor(total / (16 * 63))));
  return { cylinders, heads: 16, sectors: 63 };
}

function partitionGeometry(disk: Disk, total: number) {
  const mbr = new Uint8Array(SECTOR);
  disk.read(0, mbr);
  if (mbr[510] !== 0x55 || mbr[511] !== 0xaa) return undefined;
  const view = new DataView(mbr.buffer);
  for (let entry = 0x1be; entry < 0x1fe; entry += 16) {
    const endHead = mbr[entry + 5]!;
    const sectors = mbr[entry + 6]! & 63;
    if (view.getUint32(entry + 12, true) === 0 || endHead === 0 || sectors === 0) continue;
    const heads = endHead + 1;
    const cylinders = Math.floor(total / (heads * sectors));
    if (cylinders >= 1 && cylinders <= CYLINDERS_MAX) return { cylinders, heads, sectors };
  }
  return undefined;
}
