import { MULTIPLE_STRUCTURES } from './encodings-simd-ldst.ts';

/** One element's access. */
export interface StructureElement {
  /** V register. */
  readonly reg: number;
  /** Index of the element in the register. */
  readonly lane: number;
  /** log2 of the element's bytes. */
  readonly sizeLog2: number;
  /** Bytes from the base address. */
  readonly offset: number;
}

/** A run of memory that is one register's bytes from its byte 0 upwards. */
export interface StructureRun {
  readonly reg: number;
  readonly offset: number;
  readonly bytes: 8 | 16;
}

export interface Structure {
  readonly isLoad: boolean;
  /** LD1R to LD4R: the element (lane 0) goes to every lane of the register. */
  readonly replicate: boolean;
  /** In the architecture's order of accesses. */
  readonly elements: readonly StructureElement[];
  /** Registers in order, from Rt on, modulo 32. */
  readonly registers: readonly number[];
  /** Loads: registers whose bits 127:64 become zero. The single-structure loads keep all other lanes. */
  readonly clearedUpper: readonly number[];
  /**
   * LD1 and ST1 of whole registers: the same bytes as `elements` in accesses of 8 or 16 bytes. These are only
   * as strong as `elements` when memory is plain and little-endian, and no page boundary lies inside.
   */
  readonly runs: readonly StructureRun[] | undefined;
  readonly totalBytes: number;
  /** Lanes in a register of the datasize: 8 << Q bytes. */
  readonly lanes: number;
  /** Base register; 31 is SP. */
  readonly rn: number;
  /** Absent without write-back. `rm` 31: add totalBytes, otherwise add Xm. */
  readonly postIndex: { readonly rm: number } | undefined;
}

/** The accesses of a word that one of SIMD_LDST_ENCODINGS matches (DDI 0487, C7.2, LD1 ... ST4 pseudocode). */
export function expandStructure(word: number): Structure {
  const q = (word >>> 30) & 1;
  const isSingle = ((word >>> 24) & 1) === 1;
  const isPost = ((word >>> 23) & 1) === 1;
  const isLoad = ((word >>> 22) & 1) === 1;
  const rt = word & 31;
  const common = {
    isLoad,
    rn: (word >>> 5) & 31,
    postIndex: isPost ? { rm: (word >>> 16) & 31 } : undefined,
  };
  const elements: StructureElement[] = [];
  let sizeLog2 = (word >>> 10) & 3;

  if (!isSingle) {
    const shape = MULTIPLE_STRUCTURES.get((word >>> 12) & 15);
    if (!shape) throw new Error(`not a load or store of multiple structures: ${word.toString(16)}`);
    const { rpt, selem } = shape;
    const lanes = (8 << q) >> sizeLog2;
    for (let r = 0; r < rpt; r++) {
      for (let lane = 0; lane < lanes; lane++) {
        for (let s = 0; s < selem; s++) {
          elements.push({ reg: (rt + r + s) & 31, lane, sizeLog2, offset: elements.length << sizeLog2 });
        }
      }
    }
    const registers = Array.from({ length: rpt * selem }, (_, i) => (rt + i) & 31);
    const bytes = q ? 16 : 8;
    return {
      ...common,
      replicate: false,
      elements,
      registers,
      clearedUpper: isLoad && !q ? registers : [],
      runs: selem === 1 ? registers.map((reg, i) => ({ reg, offset: i * bytes, bytes })) : undefined,
      totalBytes: registers.length * bytes,
      lanes,
    };
  }

  const selem = (((word >>> 12) & 2) | ((word >>> 21) & 1)) + 1;
  const s = (word >>> 12) & 1;
  const scale = (word >>> 14) & 3;
  const replicate = scale === 3;
  // The index is Q:S:size, of which larger elements use fewer bits.
  let lane = (q << 3) | (s << 2) | sizeLog2;
  if (replicate) {
    lane = 0;
  } else {
    const isDoubleword = scale === 2 && (sizeLog2 & 1) === 1;
    sizeLog2 = isDoubleword ? 3 : scale;
    lane >>= sizeLog2;
  }
  const registers = Array.from({ length: selem }, (_, i) => (rt + i) & 31);
  for (const reg of registers) elements.push({ reg, lane, sizeLog2, offset: elements.length << sizeLog2 });
  return {
    ...common,
    replicate,
    elements,
    registers,
    clearedUpper: replicate && !q ? registers : [],
    runs: undefined,
    totalBytes: selem << sizeLog2,
    lanes: (8 << q) >> sizeLog2,
  };
}
