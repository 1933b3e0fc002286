import type { CompiledEncoding } from '../../engine/cpu/a64/encoding.ts';
import { FP_ENCODINGS } from '../../engine/cpu/a64/encodings-fp.ts';
import { BRANCH_ENCODINGS, DATA_ENCODINGS, MEMORY_ENCODINGS } from '../../engine/cpu/a64/encodings-int.ts';
import { SIMD_LDST_ENCODINGS } from '../../engine/cpu/a64/encodings-simd.ts';
import { instructionSet } from '../../engine/cpu/a64/instruction-set.ts';
import { type CpuModelName, makeCpuConfig } from '../../engine/cpu/cpu-models.ts';
import type { Batch, Case, CodeAddress, Surroundings } from './batch.ts';
import { isNeverGenerated, isNotYet, isOnlyLast, spsrCompared } from './differences.ts';
import {
  CASE,
  DUMP_BYTES,
  FLAG_MEMORY,
  FLAG_SYSTEM,
  MODES,
  RECORD_WORDS,
  SCTLR_BASE,
  TCR_BASE,
} from './layout.ts';
import {
  type Aim,
  immediateOffset,
  isUnpredictable,
  registerOffset,
  targetAddress,
} from './memory-operands.ts';
import { OperandPool, randomFpcr } from './operands.ts';
import { makePageTables } from './page-tables.ts';
import { Random } from './random.ts';
import {
  ELR_EL1,
  moveFromSysreg,
  moveToSysreg,
  PAR_EL1,
  randomMrs,
  randomMsr,
  randomSys,
  SPSR_EL1,
  type SystemWord,
  signingWord,
} from './system-operands.ts';

/** The class of words that nothing in the table claims. */
export const UNALLOCATED = -1;

const names = (list: readonly { name: string }[]): ReadonlySet<string> => new Set(list.map((e) => e.name));
const DATA = names(DATA_ENCODINGS);
const BRANCH = names(BRANCH_ENCODINGS);
const MEMORY = names(MEMORY_ENCODINGS);
const STRUCTURE = names(SIMD_LDST_ENCODINGS);
const FLOATING = names(FP_ENCODINGS);

const NOP = 0xd503_201f;

const JUMPS = /^(B|BL|B_cond|CBZ|TBZ|BRA?|BRAZ|BLRA?|BLRAZ|RETA?|ERETA?)$/;

/** Fields that may name a destination. */
const DESTINATIONS = ['Rd', 'Rt', 'Rt2', 'Rs'];
/** Encodings with an address in Xn that the generator aims; `aligned` ones fault otherwise. */
const isAligned = (name: string): boolean => /^(LDX|STX|LDA|LDL|STL|LDOP|SWP|CAS)/.test(name);

export interface GeneratorOptions {
  readonly cpu: CpuModelName;
  /** Classes to choose from; all without it. */
  readonly classes?: RegExp;
}

/** Makes batches of cases from the encodings table. A batch is a function of options and seed. */
export class Generator {
  readonly encodings: readonly CompiledEncoding[];
  readonly #find: (word: number) => number;
  readonly #cpu: CpuModelName;
  readonly #features: ReadonlySet<string>;
  readonly #half: boolean;
  /** Indices into `encodings`, repeated by weight. */
  readonly #lottery: number[] = [];
  readonly #data: number[] = [];
  readonly #index = new Map<string, number>();
  /** Every word that the table does not claim must be UNDEFINED. */
  readonly #unallocated: boolean;
  readonly #notYet: (word: number) => boolean;
  readonly #spsrCompared: number;

  constructor(options: GeneratorOptions) {
    this.#cpu = options.cpu;
    const config = makeCpuConfig({
      model: options.cpu,
      el2: false,
      el3: false,
      gicVersion: 2,
      pmu: true,
      cpuCount: 1,
    });
    this.#features = config.features;
    this.#half = config.features.has('FEAT_FP16');
    const { decoder } = instructionSet(config.features);
    this.encodings = decoder.encodings;
    this.#find = (word) => decoder.find(word);
    this.#spsrCompared = spsrCompared(options.cpu, config.features);
    this.#notYet = isNotYet(options.cpu, decoder.encodings, config.features);
    this.encodings.forEach((e, i) => {
      this.#index.set(e.name, i);
      if (options.classes !== undefined && !options.classes.test(e.name)) return;
      const weight = DATA.has(e.name) || MEMORY.has(e.name) ? 8 : BRANCH.has(e.name) ? 4 : 1;
      for (let k = 0; k < weight; k++) this.#lottery.push(i);
      if (DATA.has(e.name)) this.#data.push(i);
    });
    this.#unallocated = options.classes === undefined || options.classes.test('UNALLOCATED');
    if (this.#lottery.length === 0 && !this.#unallocated)
      throw new Error(`no class matches ${options.classes}`);
  }

  get features(): ReadonlySet<string> {
    return this.#features;
  }

  batch(seed: number, count: number): Batch {
    const random = new Random(seed);
    const surroundings = this.#surroundings(random);
    const pool = new OperandPool(random);
    const maker = new CaseMaker(this, random, pool, surroundings);
    const cases: Case[] = [];
    for (let i = 0; i < count; i++) cases.push(maker.make());
    return { surroundings, cases };
  }

  #surroundings(random: Random): Surroundings {
    const template = new Uint8Array(DUMP_BYTES);
    const words = new Uint32Array(template.buffer);
    new OperandPool(random).vectors(words, 0);
    new OperandPool(random).vectors(words, 128);
    let sctlr = SCTLR_BASE;
    const sctlrBits = [9, 10, 14, 15, 16, 26]; // UMA, EnRCTX (RES0 without it), DZE, UCT, nTWI, UCI
    for (const bit of sctlrBits) if (random.chance(60)) sctlr |= 1n << BigInt(bit);
    if (random.chance(15)) sctlr |= 2n; // A
    let tcr = TCR_BASE;
    for (const bit of [37, 38]) if (random.chance(50)) tcr |= 1n << BigInt(bit); // TBI0, TBI1
    // FPEN: nothing trapped, or EL0
    if (this.#features.has('FEAT_PAuth')) {
      // EnDB, EnDA, EnIB, EnIA; TBID0, TBID1
      for (const bit of [13, 27, 30, 31]) if (random.chance(70)) sctlr |= 1n << BigInt(bit);
      // With none enabled, QEMU's XPAC does nothing (`xpac-disabled` in differences.ts).
      if ((sctlr & 0xc800_2000n) === 0n) sctlr |= 1n << 13n;
      if (random.chance(50)) tcr |= 3n << 51n;
      // See `pac-one-tagged-half`.
      if (((tcr >> 37n) & 3n) % 3n !== 0n) tcr |= 3n << 37n;
    }
    if (this.#features.has('FEAT_BTI')) {
      for (const bit of [35, 36]) if (random.chance(50)) sctlr |= 1n << BigInt(bit); // BT0, BT1
    }
    const cpacr = random.chance(90) ? 3n << 20n : 1n << 20n;
    return { tables: makePageTables(random), tcr, sctlr, cpacr, spsrCompared: this.#spsrCompared, template };
  }

  /* What a CaseMaker asks. */

  get hasUnallocated(): boolean {
    return this.#unallocated;
  }
  get lottery(): readonly number[] {
    return this.#lottery;
  }
  get data(): readonly number[] {
    return this.#data;
  }
  get half(): boolean {
    return this.#half;
  }
  find(word: number): number {
    return this.#find(word);
  }
  indexOf(name: string): number {
    return this.#index.get(name)!;
  }
  never(e: CompiledEncoding, word: number): boolean {
    return isUnpredictable(e, word) || isNeverGenerated(this.#cpu, e, word) || this.#notYet(word);
  }
  neverUnallocated(word: number): boolean {
    return isNeverGenerated(this.#cpu, undefined, word) || this.#notYet(word);
  }
  onlyLast(e: CompiledEncoding, word: number): boolean {
    return isOnlyLast(this.#cpu, e, word);
  }
}

/** Makes cases one after another; holds the state of the one being made. */
class CaseMaker {
  readonly #g: Generator;
  readonly #random: Random;
  readonly #pool: OperandPool;
  readonly #around: Surroundings;
  #record = new Uint32Array(RECORD_WORDS);
  #words: number[] = [];
  #classes: number[] = [];
  #codeAddresses: CodeAddress[] = [];
  #length = 0;
  #el = 0;
  #spEl0 = false;
  #flags = 0;
  /** Bit n: Xn (31: SP) has been written by the sequence, or its first value is fixed. */
  #written = 0;
  #fixed = 0;
  #loadExclusive = false;
  #closed = false;
  /** Counter of the loop being made. */
  #counter: number | undefined;

  constructor(g: Generator, random: Random, pool: OperandPool, around: Surroundings) {
    this.#g = g;
    this.#random = random;
    this.#pool = pool;
    this.#around = around;
  }

  make(): Case {
    const random = this.#random;
    this.#record = new Uint32Array(RECORD_WORDS);
    this.#words = [];
    this.#classes = [];
    this.#codeAddresses = [];
    this.#written = 0;
    this.#fixed = 0;
    this.#flags = 0;
    this.#loadExclusive = false;
    this.#closed = false;
    this.#counter = undefined;
    const mode = random.pick(['EL0t', 'EL0t', 'EL1h', 'EL1h', 'EL1t'] as const);
    this.#el = mode === 'EL0t' ? 0 : 1;
    this.#spEl0 = mode !== 'EL1h';
    this.#state(MODES[mode]);
    const kind = random.below(100);
    this.#length = kind < 40 ? 1 : kind < 80 ? 2 + random.below(5) : 7 + random.below(10);
    if (random.below(60) === 0) this.#exclusiveSequence();
    else if (this.#el === 1 && random.below(100) === 0) this.#exceptionReturn();
    else if (random.below(12) === 0 && this.#length > 1) this.#loop();
    while (this.#words.length < this.#length && !this.#closed) this.#next();
    this.#record[CASE.flags] = this.#flags;
    return {
      words: this.#words,
      classes: this.#classes,
      record: this.#record,
      codeAddresses: this.#codeAddresses,
    };
  }

  #state(spsr: number): void {
    const random = this.#random;
    const record = this.#record;
    this.#pool.general(record, CASE.x);
    this.#pool.vectors(record, CASE.v);
    record[CASE.spsr] = (spsr | (random.u32() & 0xf000_0000)) >>> 0;
    record[CASE.fpcr] = randomFpcr(random, this.#g.half);
    record[CASE.fpsr] = random.pick([0, 0, 0x10, 0x9f, 0x0800_0000]);
    for (const at of [CASE.spEl0, CASE.spEl1]) {
      const sp = targetAddress(random, this.#around.tables.kinds, { kinds: ['rw'], aligned: true });
      record[at] = Number(sp & 0xffff_ffffn);
      record[at + 1] = Number(sp >> 32n);
    }
  }

  #emit(word: number, index: number): void {
    this.#words.push(word >>> 0);
    this.#classes.push(index);
    if (index < 0) return;
    const { fields, name } = this.#g.encodings[index]!;
    for (const d of DESTINATIONS) {
      const f = fields.get(d);
      if (f !== undefined) this.#written |= 1 << ((word >>> f.lo) & 31);
    }
    if (name === 'CASP') this.#written |= 2 << ((word >>> 16) & 31);
    if (/_pre|_post|LDST_pair|LDRA/.test(name)) this.#written |= 1 << ((word >>> 5) & 31);
    if (name.startsWith('BL')) this.#written |= 1 << 30;
    // PACIAZ to AUTIBSP and XPACLRI; PACIA1716 and its like
    if ((word & 0xffff_ff1f) >>> 0 === 0xd503_231f || word === 0xd503_20ff) this.#written |= 1 << 30;
    if ((word & 0xffff_ff3f) >>> 0 === 0xd503_211f) this.#written |= 1 << 17;
  }

  /** The first value of Xn (31: the stack pointer in use) can still be chosen. */
  #isFree(n: number): boolean {
    return ((this.#written | this.#fixed) & (1 << n)) === 0;
  }

  #setRegister(n: number, value: bigint): void {
    this.#fixed |= 1 << n;
    const at = n === 31 ? (this.#spEl0 ? CASE.spEl0 : CASE.spEl1) : CASE.x + 2 * n;
    this.#record[at] = Number(value & 0xffff_ffffn);
    this.#record[at + 1] = Number(BigInt.asUintN(64, value) >> 32n);
  }

  /** A random word of an encoding; undefined if none was found that can be used. */
  #randomWord(index: number): number | undefined {
    const random = this.#random;
    const e = this.#g.encodings[index]!;
    for (let tries = 0; tries < 200; tries++) {
      let word = ((random.u32() & ~e.mask) | e.value) >>> 0;
      // Often the same register twice
      if (random.below(4) === 0 && (e.mask & 0x3e0) === 0 && (e.mask & 0x1f) === 0) {
        word = random.below(2) ? (word & ~0x1f) | ((word >>> 5) & 0x1f) : word;
        if ((e.mask & 0x1f_0000) === 0 && random.below(2)) word = (word & ~0x1f) | ((word >>> 16) & 0x1f);
        word >>>= 0;
      }
      if (e.where !== undefined && !e.where(word)) continue;
      if (this.#g.never(e, word) || this.#touchesCounter(e, word)) continue;
      return word;
    }
    return undefined;
  }

  #next(): void {
    const random = this.#random;
    if (this.#g.hasUnallocated && (this.#g.lottery.length === 0 || random.below(50) === 0)) {
      this.#unallocatedWord();
      return;
    }
    const index = random.pick(this.#g.lottery);
    const e = this.#g.encodings[index]!;
    if (BRANCH.has(e.name)) {
      this.#branchOrSystem(e, index);
      return;
    }
    const word = this.#randomWord(index);
    if (word === undefined) return;
    const isMemory = MEMORY.has(e.name) || STRUCTURE.has(e.name);
    if (isMemory && !this.#aimMemory(e, word)) return;
    this.#signBefore(e.name, word);
    this.#put(e, index, isMemory && e.name.startsWith('LDR_lit') ? this.#literal(word) : word);
  }

  /** Mostly, what is authenticated has been signed. */
  #signBefore(name: string, word: number): void {
    const signing = signingWord(name, word);
    const room = this.#length - this.#words.length - (this.#counter === undefined ? 0 : 2);
    if (signing === undefined || room < 2 || !this.#random.chance(75)) return;
    if ((signing[0] & 31) === this.#counter || (signing[1] === 'PAC1716' && this.#counter === 17)) return;
    this.#emit(signing[0], this.#g.indexOf(signing[1]));
  }

  /** Emits; an instruction that QEMU gets wrong in a known way ends the case. */
  #put(e: CompiledEncoding, index: number, word: number): void {
    if (this.#g.onlyLast(e, word)) {
      // What is corrected must have been executed: no branch may have gone past it.
      if (this.#classes.some((i) => JUMPS.test(this.#g.encodings[i]?.name ?? ''))) return;
      this.#closed = true;
      // Branches already know how long the case is.
      while (this.#words.length < this.#length - 1) this.#emit(NOP, this.#g.indexOf('HINT'));
    }
    this.#emit(word, index);
  }

  #unallocatedWord(): void {
    const random = this.#random;
    for (let tries = 0; tries < 100; tries++) {
      // Half of them near something that is allocated
      let word = random.u32();
      if (this.#g.lottery.length > 0 && random.chance(50)) {
        const near = this.#randomWord(random.pick(this.#g.lottery));
        if (near !== undefined) word = (near ^ (1 << random.below(32))) >>> 0;
      }
      if (this.#g.find(word) >= 0 || this.#g.neverUnallocated(word)) continue;
      this.#emit(word, UNALLOCATED);
      return;
    }
  }

  /** Whether a word has no place in a loop, mostly because it could change the counter. */
  #touchesCounter(e: CompiledEncoding, word: number): boolean {
    const counter = this.#counter;
    if (counter === undefined) return false;
    // A store-exclusive that is not armed must not be aimed by what the loop computes.
    if (this.#g.onlyLast(e, word) || e.name.startsWith('STX') || e.name === 'LDAPR') return true;
    // PACIA1716 and its like, hints as well
    if (counter === 17 && (word & 0xffff_ff3f) >>> 0 === 0xd503_211f) return true;
    if (e.name === 'CASP' && (((word >>> 16) & 31) | 1) === counter) return true;
    if (((word >>> 5) & 31) === counter && /_pre|_post|LDST_pair|LDRA/.test(e.name)) return true;
    return DESTINATIONS.some((d) => {
      const f = e.fields.get(d);
      return f !== undefined && ((word >>> f.lo) & 31) === counter;
    });
  }

  /** Goes round a few times, so that blocks become hot, and regions have loops. */
  #loop(): void {
    const random = this.#random;
    const sub = this.#g.indexOf('ADDSUB_imm');
    const cbnz = this.#g.indexOf('CBZ');
    const [a, b] = [this.#g.encodings[sub]!, this.#g.encodings[cbnz]!];
    if (!this.#g.lottery.includes(sub) || !this.#g.lottery.includes(cbnz)) return;
    const counter = random.below(30);
    this.#counter = counter;
    this.#setRegister(counter, BigInt(2 + random.below(12)));
    this.#length += 2;
    const start = random.below(Math.min(2, this.#length - 2));
    while (this.#words.length < this.#length - 2) this.#next();
    this.#counter = undefined;
    const back = start - (this.#length - 1);
    // sub xN, xN, #1; cbnz xN, start
    this.#put(a, sub, (0xd100_0400 | (counter << 5) | counter) >>> 0);
    this.#put(b, cbnz, (0xb500_0000 | ((back & 0x7ffff) << 5) | counter) >>> 0);
  }

  /* ---------------------------------------------------------------- loads and stores */

  #literal(word: number): number {
    // Within the case's own code
    const to = this.#random.below(this.#length + 1) - this.#words.length;
    return ((word & ~(0x7ffff << 5)) | ((to & 0x7ffff) << 5)) >>> 0;
  }

  /** Chooses first values of base and index. False: the registers are taken. */
  #aimMemory(e: CompiledEncoding, word: number): boolean {
    const random = this.#random;
    this.#flags |= FLAG_MEMORY;
    if (e.name.startsWith('LDR_lit')) return true;
    const n = (word >>> 5) & 31;
    if (e.name.startsWith('LDX')) this.#loadExclusive = true;
    // Whether a store-exclusive succeeds after other stores, and what it checks first if not, is open.
    const alone = e.name.startsWith('STX');
    if (alone && this.#loadExclusive) return false;
    // QEMU: LDAPR does not check the alignment.
    const mustAlign = alone || e.name === 'LDAPR';
    if (!this.#isFree(n)) return !mustAlign && (this.#fixed & (1 << n)) !== 0 && random.chance(60);
    const aim: Aim = alone
      ? { kinds: ['rw'], aligned: true }
      : { aligned: e.name === 'LDAPR' || (isAligned(e.name) && random.chance(85)) };
    let base = targetAddress(random, this.#around.tables.kinds, aim);
    if (random.chance(97) || mustAlign) {
      base -= BigInt(immediateOffset(e, word));
      if (e.name === 'LDST_reg') {
        const { rm, value, offset } = registerOffset(word, random);
        if (rm !== n && (rm === 31 || this.#isFree(rm))) {
          if (rm !== 31) this.#setRegister(rm, value);
          base -= offset;
        }
      }
    }
    this.#setRegister(n, base);
    return true;
  }

  /** Load-exclusive, things that do not touch memory, store-exclusive to the same address. */
  #exclusiveSequence(): void {
    const random = this.#random;
    const pair = random.chance(40);
    const load = this.#g.indexOf(pair ? 'LDXP' : 'LDXR');
    const store = this.#g.indexOf(pair ? 'STXP' : 'STXR');
    const n = random.below(32);
    const first = this.#randomWord(load);
    const second = this.#randomWord(store);
    if (first === undefined || second === undefined || !this.#g.lottery.includes(load)) return;
    const withBase = (word: number): number => ((word & ~0x3e0) | (n << 5)) >>> 0;
    const size = first & 0xc000_0000;
    const loadWord = withBase(first);
    const storeWord = ((withBase(second) & 0x3fff_ffff) | size) >>> 0;
    if (
      this.#g.never(this.#g.encodings[load]!, loadWord) ||
      this.#g.never(this.#g.encodings[store]!, storeWord)
    )
      return;
    const destinations = [loadWord & 31, ...(pair ? [(loadWord >>> 10) & 31] : [])];
    if (destinations.includes(n) && n !== 31) return;
    this.#flags |= FLAG_MEMORY;
    this.#setRegister(n, targetAddress(random, this.#around.tables.kinds, { kinds: ['rw'], aligned: true }));
    this.#emit(loadWord, load);
    for (let i = random.below(4); i > 0 && this.#g.data.length > 0; i--) {
      const index = random.pick(this.#g.data);
      const word = this.#randomWord(index);
      if (word !== undefined && (word & 31) !== n) this.#put(this.#g.encodings[index]!, index, word);
    }
    if (random.chance(15)) this.#emit(0xd503_3f5f, this.#g.indexOf('CLREX'));
    this.#emit(storeWord, store);
    this.#loadExclusive = true;
  }

  /* ---------------------------------------------------------------- branches and system */

  /** Words from here to a place inside the case, or its end. */
  #forward(): number {
    const here = this.#words.length;
    const to = here + 1 + this.#random.below(this.#length - here);
    // Not past what counts a loop down
    return (this.#counter !== undefined && to === this.#length - 1 ? this.#length : to) - here;
  }

  /** A register to branch to, with the address of a place in the case, or one that cannot be fetched from. */
  #branchTarget(n: number, before = 0): boolean {
    if (n === 31) return true;
    if (!this.#isFree(n)) return false;
    const random = this.#random;
    if (random.chance(80)) {
      this.#fixed |= 1 << n;
      let to = Math.min(this.#length, this.#words.length + before + this.#forward());
      // Not past what counts a loop down
      if (this.#counter !== undefined && to === this.#length - 1) to = this.#length;
      const offset = to * 4 + (random.chance(5) ? 1 + random.below(3) : 0);
      this.#codeAddresses.push({ register: n, offset });
    } else {
      this.#setRegister(n, targetAddress(random, this.#around.tables.kinds, { aligned: random.chance(70) }));
    }
    return true;
  }

  #branchOrSystem(e: CompiledEncoding, index: number): void {
    const random = this.#random;
    const word = this.#randomWord(index);
    if (word === undefined) return;
    switch (e.name) {
      case 'B':
      case 'BL': {
        // Now and then out of the code area, into nothing
        const imm = random.chance(4) ? -(1 << 24) - random.below(1 << 20) : this.#forward();
        this.#emit((word & 0xfc00_0000) | (imm & 0x3ff_ffff), index);
        break;
      }
      case 'B_cond':
      case 'CBZ':
        this.#emit((word & ~(0x7ffff << 5)) | (this.#forward() << 5), index);
        break;
      case 'TBZ':
        this.#emit((word & ~(0x3fff << 5)) | (this.#forward() << 5), index);
        break;
      case 'BR':
      case 'BLR':
      case 'RET':
        if (this.#branchTarget((word >>> 5) & 31)) this.#emit(word, index);
        break;
      case 'BRA':
      case 'BRAZ':
      case 'BLRA':
      case 'BLRAZ':
      case 'RETA':
        if (this.#branchTarget(e.name === 'RETA' ? 30 : (word >>> 5) & 31, 1)) {
          this.#signBefore(e.name, word);
          this.#emit(word, index);
        }
        break;
      case 'ERETA':
        if (this.#el === 0) this.#emit(word, index);
        break;
      case 'ERET':
        // At EL1 only with ELR and SPSR prepared: exceptionReturn()
        if (this.#el === 0) this.#emit(word, index);
        break;
      case 'HVC':
      case 'SMC':
        // At EL1 the host answers (PSCI); X0 is the function.
        if (this.#el === 0) this.#emit(word, index);
        break;
      case 'HINT': {
        const hint = (word >>> 5) & 127;
        const waits = hint === 3 && (this.#el > 0 || (this.#around.sctlr & (1n << 16n)) !== 0n);
        if (!waits) this.#emit(word, index);
        break;
      }
      case 'MSR_imm':
        this.#put(e, index, word);
        // SPSel changes which register the stack pointer is
        this.#written |= 1 << 31;
        break;
      case 'MRS':
        this.#system(randomMrs(random, this.#el), index);
        break;
      case 'MSR_reg':
        this.#system(randomMsr(random, this.#el, this.#g.features.has('FEAT_PAuth')), index);
        break;
      case 'SYS':
        this.#system(randomSys(random, this.#el), index);
        break;
      default:
        this.#signBefore(e.name, word);
        this.#emit(word, index);
    }
  }

  #system(s: SystemWord, index: number): void {
    this.#flags |= FLAG_SYSTEM;
    const rt = s.word & 31;
    const e = this.#g.encodings[index]!;
    if (this.#g.never(e, s.word) || this.#touchesCounter(e, s.word)) return;
    // What goes round may have another address in the register the next time.
    if (s.mapped === true && this.#counter !== undefined) return;
    if (s.address) {
      if (rt === 31 || !this.#isFree(rt)) return;
      const aim: Aim = s.mapped === true ? { kinds: ['rw'], aligned: false } : { aligned: false };
      this.#setRegister(rt, targetAddress(this.#random, this.#around.tables.kinds, aim));
    }
    if (s.memory) this.#flags |= FLAG_MEMORY;
    this.#put(this.#g.encodings[index]!, index, s.word);
    const isTranslation = (s.word & 0xffff_ff00) >>> 0 === 0xd508_7800;
    const room = this.#length - this.#words.length - (this.#counter === undefined ? 0 : 2);
    if (isTranslation && this.#el > 0 && room > 0) {
      const to = this.#random.below(31);
      if (to !== this.#counter) this.#emit(moveFromSysreg(PAR_EL1, to), this.#g.indexOf('MRS'));
    }
  }

  /** ERET to a place in the case with a random SPSR, legal or not. */
  #exceptionReturn(): void {
    const random = this.#random;
    const index = this.#g.indexOf('ERET');
    if (!this.#g.lottery.includes(index)) return;
    const a = random.below(30);
    const b = a + 1;
    this.#length = Math.max(this.#length, 4);
    const offset = (3 + random.below(this.#length - 2)) * 4 + (random.chance(5) ? 2 : 0);
    this.#fixed |= 1 << a;
    this.#codeAddresses.push({ register: a, offset });
    const mode = random.chance(75) ? random.pick([0, 4, 5]) : random.below(16);
    // M[4]: AArch32 is not compared. D, A, I and F stay masked.
    const spsr = ((random.u32() & 0xffff_fc00 & ~(1 << 22)) | 0x3c0 | mode) >>> 0;
    this.#setRegister(
      b,
      BigInt(random.chance(70) ? (spsr & 0xf000_03ff) >>> 0 : (spsr & this.#around.spsrCompared) >>> 0),
    );
    const msr = this.#g.indexOf('MSR_reg');
    this.#emit(moveToSysreg(ELR_EL1, a), msr);
    this.#emit(moveToSysreg(SPSR_EL1, b), msr);
    // Authenticated, at times
    const reta = this.#g.indexOf('ERETA');
    if (reta !== undefined && random.chance(30)) this.#emit(0xd69f_0bff | (random.below(2) << 10), reta);
    else this.#emit(0xd69f_03e0, index);
    // Whether EL and stack pointer are still those that were planned, is open.
    this.#written |= 1 << 31;
  }
}

/** For counts by kind: what the encodings file calls it. */
export function kindOf(name: string): string {
  if (DATA.has(name)) return 'data';
  if (BRANCH.has(name)) return 'branch and system';
  if (MEMORY.has(name)) return 'memory';
  if (STRUCTURE.has(name)) return 'SIMD structures';
  return FLOATING.has(name) ? 'floating point' : 'SIMD';
}
