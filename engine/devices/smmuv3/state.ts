/* Registers of the SMMUv3 as they are kept, and the queues they describe. */
import type { SmmuFeatures } from './features.ts';
import { GBPA, QUEUE_RESET } from './registers.ts';
import { addressOf, alignDown } from './structures.ts';

export interface State {
  cr0: number;
  cr1: number;
  cr2: number;
  gbpa: number;
  irqCtrl: number;
  gerror: number;
  gerrorn: number;
  /** CFG0 as two words, CFG1, CFG2: stored, without effect (SMMU_IDR0.MSI = 0). */
  gerrorIrqCfg: number[];
  strtabBaseLo: number;
  strtabBaseHi: number;
  strtabBaseCfg: number;
  twoLevel: boolean;
  split: number;
  cmdqBaseLo: number;
  cmdqBaseHi: number;
  cmdqProd: number;
  cmdqCons: number;
  eventqBaseLo: number;
  eventqBaseHi: number;
  eventqProd: number;
  eventqCons: number;
}

export function initialState({ gbpa }: SmmuFeatures): State {
  return {
    cr0: 0,
    cr1: 0,
    cr2: 0,
    gbpa: gbpa ? GBPA.RESET : 0,
    irqCtrl: 0,
    gerror: 0,
    gerrorn: 0,
    gerrorIrqCfg: [0, 0, 0, 0],
    strtabBaseLo: 0,
    strtabBaseHi: 0,
    strtabBaseCfg: 0,
    twoLevel: false,
    split: 0,
    cmdqBaseLo: QUEUE_RESET,
    cmdqBaseHi: 0,
    cmdqProd: 0,
    cmdqCons: 0,
    eventqBaseLo: QUEUE_RESET,
    eventqBaseHi: 0,
    eventqProd: 0,
    eventqCons: 0,
  };
}

export interface Queue {
  readonly base: number;
  readonly entries: number;
  /** Bits of an index with its wrap bit. */
  readonly wrapMask: number;
  readonly misaligned: boolean;
}

/** Section 6.3.26: the base counts as aligned to the size of the queue, and to 32 bytes at least. */
export function queueOf(lo: number, hi: number, entrySize: number, largest: number): Queue {
  const entries = 2 ** Math.min(lo & 0x1f, largest);
  const address = addressOf(lo, hi, 5);
  const base = alignDown(address, Math.max(entries * entrySize, 32));
  return { base, entries, wrapMask: 2 * entries - 1, misaligned: base !== address };
}
