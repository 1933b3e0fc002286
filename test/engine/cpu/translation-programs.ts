import { randomNumbers } from '../../support/determinism.ts';
import {
  buildRuntime,
  CODE_PA,
  FUNCTION_PAGES,
  FUNCTIONS,
  FUNCTIONS_PA,
  fixedTables,
  functionPage,
  HEADER_WORDS,
  HEADERS_PA,
  type Header,
  LINEAR,
  LOG_BYTES,
  LOGS_PA,
  linear,
  MAIR,
  OPERATIONS_BYTES,
  OPERATIONS_PA,
  type OperationName,
  RECORD_WORDS,
  SCTLR,
  TCR_FIXED,
  UPPER_FIXED,
} from './translation-guest.ts';

/*
 * Random programs for the guest: translation tables of every shape over few pages, and operations that change them
 * and use them. Everything is drawn from small sets, so that what is changed is what is used.
 */

const TABLES_PA = 0x4110_0000;
/** Tables of 16 KiB and 64 KiB granules, each aligned to its size. */
const WIDE_PA = 0x4120_0000;
const DATA_PA = 0x4300_0000;
const DATA_PAGES = 8;
const ZERO_PA = 0x4400_0000;
const PAGE = 4096;

export interface ProgramOptions {
  readonly seed: number;
  readonly operations: number;
  readonly cpus?: number;
  /** cortex-a57 without it. */
  readonly cpu?: string;
  /**
   * The program does what the architecture asks for, so that its outcome is defined for any implementation: TLB
   * maintenance and barriers after every change, and nothing that a change of its own might translate.
   */
  readonly defined?: boolean;
}

export interface Program {
  readonly entry: number;
  readonly segments: readonly { readonly physical: number; readonly bytes: Uint8Array }[];
  readonly cpus: number;
  readonly cpu: string;
  /** Names of the operations of each CPU, for messages. */
  readonly names: readonly (readonly string[])[];
}

type Operation = [OperationName, ...bigint[]];

/** How TTBR0 is used: bits of TCR_EL1, the granule, and the level of the first table. */
interface Shape {
  readonly tcr: bigint;
  readonly granule: 12 | 14 | 16;
  readonly first: 0 | 1 | 2 | 3;
  /** Bytes of the first table where it is smaller than a granule. */
  readonly rootBytes?: number;
}
const TG0_64K = 1n << 14n;
const TG0_16K = 2n << 14n;
const SHAPES: readonly Shape[] = [
  { tcr: 16n, granule: 12, first: 0 },
  { tcr: 25n, granule: 12, first: 1 },
  { tcr: 34n, granule: 12, first: 2 },
  { tcr: 34n, granule: 12, first: 2 },
  { tcr: 39n, granule: 12, first: 2, rootBytes: 128 },
  { tcr: 34n | TG0_64K, granule: 16, first: 2, rootBytes: 64 },
  { tcr: 39n | TG0_64K, granule: 16, first: 3 },
  { tcr: 34n | TG0_16K, granule: 14, first: 2, rootBytes: 256 },
];
const TBI0 = 1n << 37n;
/** FEAT_HAFDBS: the access flag, and the dirty state of pages with DBM, are kept by hardware. */
const HA = 1n << 39n;
const HD = 1n << 40n;
const DBM = 1n << 51n;

type Granule = Shape['granule'];
const tableShift = (granule: Granule, level: number): number => granule + (granule - 3) * (3 - level);

/**
 * Virtual pages: of the lower half and, with UPPER added, of the upper. Blocks of 1 GiB map them to tables and
 * unused memory, never to what the guest itself needs.
 */
const VIRTUAL = [0, 1, 2, 3, 4, 5, 511, 512, 513, 1024, 1023, 7 * 512].map(
  (page) => 0x100_0000 + page * PAGE,
);
const UPPER = LINEAR + (2n << 30n);

export function makeProgram(options: ProgramOptions): Program {
  return new Generator(options).program();
}

class Generator {
  readonly #random: () => number;
  readonly #defined: boolean;
  readonly #cpus: number;
  readonly #cpu: string;
  readonly #count: number;
  /** Memory at the start, by page. */
  readonly #pages = new Map<number, BigUint64Array<ArrayBuffer>>();
  readonly #shapes: readonly Shape[];
  readonly #roots: { readonly shape: Shape; readonly at: number }[] = [];
  readonly #uppers: number[] = [];
  /** The few places that this part of the program is about. */
  #focus: number[] = [];

  constructor({ seed, operations, cpus = 1, cpu = 'cortex-a57', defined = false }: ProgramOptions) {
    this.#random = randomNumbers(seed * 2_654_435_761);
    for (let i = 0; i < 8; i++) this.#random();
    this.#defined = defined;
    this.#cpus = cpus;
    this.#cpu = cpu;
    this.#count = operations;
    // Cortex-A57 has no granule of 16 KiB.
    this.#shapes = SHAPES.filter(({ granule }) => granule !== 14 || cpu !== 'cortex-a57');
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }
  #chance(share: number): boolean {
    return this.#random() < share;
  }
  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!;
  }

  #word(pa: number, value: bigint): void {
    const page = pa - (pa % PAGE);
    let words = this.#pages.get(page);
    if (words === undefined) this.#pages.set(page, (words = new BigUint64Array(512)));
    words[(pa % PAGE) / 8] = value;
  }

  /* ---------------------------------------------------------------- tables */

  /** Address of a table for a level; the first two data pages are tables now and then. */
  #table(granule: Granule, level: number): number {
    if (granule === 14) return WIDE_PA + ((level - 2) * 2 + this.#below(2)) * 0x4000;
    if (granule === 16) return WIDE_PA + 0x10_0000 + ((level - 2) * 2 + this.#below(2)) * 0x1_0000;
    if (this.#chance(0.08)) return DATA_PA + this.#below(2) * PAGE;
    const of = level === 3 ? 4 : 2;
    return TABLES_PA + (level * 4 + this.#below(of)) * PAGE;
  }

  /** Where the entry for an address is, in a table of a level; no matter which table. */
  #index(granule: Granule, level: number, va: number): number {
    const entries = level === 3 && granule !== 12 ? 2 ** (granule - 3) : 512;
    return Math.floor(va / 2 ** tableShift(granule, level)) % entries;
  }

  #virtualPage(): number {
    return VIRTUAL[
      this.#focus.length > 0 && this.#chance(0.7) ? this.#pick(this.#focus) : this.#below(VIRTUAL.length)
    ]!;
  }

  #attributes(): bigint {
    let bits = this.#chance(0.97) ? 1n << 10n : 0n;
    bits |= BigInt(this.#pick([1, 1, 1, 0, 2, 3])) << 6n;
    bits |= 3n << 8n;
    if (this.#chance(0.15)) bits |= 1n << 53n;
    if (this.#chance(0.15)) bits |= 1n << 54n;
    if (this.#chance(0.15)) bits |= 1n << 2n;
    if (!this.#defined && this.#chance(0.08)) bits |= (2n + BigInt(this.#below(2))) << 2n;
    if (this.#chance(0.3)) bits |= 1n << 11n;
    if (this.#cpu === 'max') {
      if (this.#chance(0.3)) bits &= ~(1n << 10n);
      if (this.#chance(0.4)) bits |= DBM | (1n << 7n);
    }
    return bits;
  }

  /** A page of memory that a leaf leads to. */
  #target(): number {
    const kind = this.#random();
    if (kind < 0.3) return FUNCTIONS_PA + this.#below(FUNCTION_PAGES) * PAGE;
    if (kind < 0.65) return DATA_PA + this.#below(DATA_PAGES) * PAGE;
    if (kind < 0.85) return ZERO_PA + this.#below(40) * PAGE;
    return this.#pick([
      ...[0, 1, 2, 4, 5, 8, 9, 12, 13, 14, 15].map((i) => TABLES_PA + i * PAGE),
      WIDE_PA + 0x10_0000,
      WIDE_PA + 0x12_0000,
    ]);
  }

  /** A descriptor for a level, invalid ones among them. */
  #descriptor(granule: Granule, level: number): bigint {
    if (this.#chance(0.05)) return this.#even();
    if (level < 3 && (level === 0 || this.#chance(level === 1 ? 0.95 : 0.75))) {
      let bits = 3n;
      if (this.#chance(0.1)) bits |= BigInt(this.#pick([1, 2, 3])) << 61n;
      if (this.#chance(0.05)) bits |= BigInt(this.#pick([1, 2, 3])) << 59n;
      return BigInt(this.#table(granule, level + 1)) | bits;
    }
    if (level === 3) {
      const page = this.#target();
      return BigInt(page - (page % 2 ** granule)) | this.#attributes() | (this.#chance(0.97) ? 3n : 1n);
    }
    const base = this.#pick([FUNCTIONS_PA, DATA_PA, ZERO_PA]);
    return BigInt(base - (base % 2 ** tableShift(granule, level))) | this.#attributes() | 1n;
  }

  /** A value that no walk takes for a valid descriptor. Its halves are UNDEFINED as instructions. */
  #even(): bigint {
    const half = (): bigint => BigInt(this.#below(0x1_0000)) << 5n;
    return this.#chance(0.4) ? 0n : half() | (half() << 32n);
  }

  /** A place in some table that an address may go through, and what may stand there. */
  #entry(address = this.#address(0)): { readonly at: number; readonly value: bigint } {
    const va = Number(address & 0x1ff_ffffn);
    const isUpper = ((address >> 55n) & 1n) === 1n;
    const kind = this.#random();
    if (isUpper && kind < 0.3) {
      const index = Number((address >> 30n) & 15n);
      return { at: this.#pick(this.#uppers) + index * 8, value: this.#descriptor(12, 1) };
    }
    if (!isUpper && kind < 0.3) {
      const { shape, at } = this.#pick(this.#roots);
      const entries = Math.min(512, (shape.rootBytes ?? PAGE) / 8);
      const index = this.#index(shape.granule, shape.first, va) % entries;
      return { at: at + index * 8, value: this.#descriptor(shape.granule, shape.first) };
    }
    const granule = isUpper ? 12 : this.#pick(this.#shapes).granule;
    const level = granule === 12 ? this.#pick([1, 2, 2, 3, 3, 3]) : this.#pick([2, 3, 3]);
    const at = this.#table(granule, level) + this.#index(granule, level, va) * 8;
    return { at, value: this.#descriptor(granule, level) };
  }

  #makeTables(): void {
    for (const [pa, words] of fixedTables()) this.#pages.set(pa, words);
    // Functions come first, so that tables may lie over nothing of them.
    for (let i = 0; i < FUNCTION_PAGES; i++) {
      this.#pages.set(
        FUNCTIONS_PA + i * PAGE,
        new BigUint64Array(
          new Uint8Array([...functionPage(i)].concat(Array(PAGE).fill(0)).slice(0, PAGE)).buffer,
        ),
      );
    }
    for (let i = 0; i < DATA_PAGES; i++)
      for (let word = 0; word < 512; word += 1 + this.#below(4))
        this.#word(DATA_PA + i * PAGE + word * 8, this.#even());
    const fill = (granule: Granule, level: number, table: number): void => {
      for (const va of VIRTUAL) {
        const entries = granule === 12 ? 512 : 2 ** (granule - 3);
        const index = Math.floor(va / 2 ** tableShift(granule, level)) % entries;
        this.#word(table + index * 8, this.#descriptor(granule, level));
      }
    };
    for (let level = 0; level < 4; level++)
      for (let i = 0; i < 4; i++) fill(12, level, TABLES_PA + (level * 4 + i) * PAGE);
    for (const level of [2, 3])
      for (let i = 0; i < 2; i++) {
        fill(14, level, WIDE_PA + ((level - 2) * 2 + i) * 0x4000);
        fill(16, level, WIDE_PA + 0x10_0000 + ((level - 2) * 2 + i) * 0x1_0000);
      }
    // Small first tables share pages, with each other and with other things.
    const smallPages = [TABLES_PA + 20 * PAGE, TABLES_PA + 21 * PAGE, TABLES_PA + 22 * PAGE];
    const small = (bytes: number): number => this.#pick(smallPages) + this.#below(PAGE / bytes) * bytes;
    for (let i = 0; i < 12; i++) {
      const shape = this.#pick(this.#shapes);
      const at =
        shape.rootBytes === undefined ? this.#table(shape.granule, shape.first) : small(shape.rootBytes);
      this.#roots.push({ shape, at });
      if (shape.rootBytes === undefined) continue;
      const entries = shape.rootBytes / 8;
      for (const va of VIRTUAL) {
        const index = Math.floor(va / 2 ** tableShift(shape.granule, shape.first)) % entries;
        this.#word(at + index * 8, this.#descriptor(shape.granule, shape.first));
      }
    }
    // Tables of the upper half: what the guest itself needs is in entries that are left alone.
    for (let i = 0; i < 3; i++) {
      const at = TABLES_PA + (24 + (i >> 1)) * PAGE + this.#below(16) * 256 + (i & 1) * 128;
      this.#uppers.push(at);
      UPPER_FIXED.forEach((value, index) => {
        this.#word(at + index * 8, value);
      });
      for (let index = 2; index < 5; index++) this.#word(at + index * 8, this.#descriptor(12, 1));
    }
  }

  /* ---------------------------------------------------------------- operations */

  /** A virtual address whose low bits are those of `offset`. */
  #address(offset: number, tags = true): bigint {
    let va = BigInt(this.#virtualPage() + offset);
    if (this.#chance(0.3)) va += UPPER + (BigInt(this.#below(3)) << 30n);
    if (tags && this.#chance(0.15)) {
      // With TBI a tag; without it for the lower half a fault.
      va = (va & ~(0xffn << 56n)) | (BigInt(this.#pick([0x5a, 0x80, 1])) << 56n);
    }
    return va;
  }

  #wordOffset(): number {
    return this.#pick([0, 8, 16, 0x7f8, 0xff8, this.#below(512) * 8]);
  }

  #storedValue(): bigint {
    if (this.#chance(0.5)) return this.#even();
    const { granule } = this.#pick(this.#shapes);
    return this.#descriptor(granule, this.#pick([2, 3, 3]));
  }

  /** An address in the map of all memory, of something that is not a table. */
  #plainLinear(): bigint {
    return linear(DATA_PA + (2 + this.#below(DATA_PAGES - 2)) * PAGE + this.#below(400) * 8);
  }

  /** Bytes that no descriptor can become valid by, wherever they are put. */
  #harmless(): bigint {
    let value = 0n;
    for (let i = 0; i < 8; i++) value = (value << 8n) | BigInt(this.#pick([0, 0, 0x40, 0x42, 0x44]));
    return value;
  }

  #operation(): Operation {
    const wild = !this.#defined;
    const lse = this.#cpu !== 'cortex-a57';
    const weights: [number, () => Operation][] = [
      [14, () => ['load', this.#address(this.#wordOffset())]],
      [2, () => ['load32', this.#address(this.#wordOffset())]],
      [2, () => ['load8', this.#address(this.#below(PAGE))]],
      [wild ? 3 : 0, () => ['load', this.#address(this.#pick([0xff9, 0xffd, 0xffe, 3]))]],
      [3, () => ['loadPair', this.#address(this.#pick([0, 0x10, wild ? 0xff8 : 0xff0]))]],
      [10, () => ['store', this.#address(this.#wordOffset()), this.#storedValue()]],
      [wild ? 2 : 0, () => ['store32', this.#address(this.#wordOffset()), this.#storedValue()]],
      [wild ? 2 : 0, () => ['store8', this.#address(this.#below(PAGE)), this.#harmless()]],
      [
        wild ? 4 : 0,
        () => ['store', this.#address(this.#pick([0xff9, 0xffd, 0xffe, 0xffc, 3])), this.#harmless()],
      ],
      [
        wild ? 3 : 0,
        () => [
          'storePair',
          this.#address(this.#pick([0, 8, 0xff8])),
          this.#storedValue(),
          this.#storedValue(),
        ],
      ],
      [wild ? 2 : 0, () => ['copyQ', this.#address(this.#wordOffset()), this.#address(this.#wordOffset())]],
      [2, () => ['loadUser', this.#address(this.#wordOffset())]],
      [2, () => ['storeUser', this.#address(this.#wordOffset()), this.#storedValue()]],
      [1, () => ['exclusive', this.#address(this.#wordOffset()), this.#storedValue()]],
      [lse ? 2 : 0, () => ['add', this.#address(this.#wordOffset()), this.#chance(0.5) ? 0n : 0x1000n]],
      [
        lse && wild ? 1 : 0,
        () => ['swapPair', this.#address(16 * this.#below(256)), this.#storedValue(), this.#even()],
      ],
      [wild ? 2 : 0, () => ['zero', this.#address(this.#pick([0, 64, 0xfc0]))]],
      [16, () => this.#changeEntry()],
      [3, () => this.#fill()],
      [
        3,
        () => [
          'sweep',
          this.#address(this.#wordOffset()),
          0n,
          BigInt(2 + this.#below(8)),
          BigInt(this.#pick([PAGE, 8, 2 * PAGE])),
        ],
      ],
      [5, () => this.#switchLower()],
      [3, () => ['ttbr1', BigInt(this.#pick(this.#uppers)) | (BigInt(this.#below(3)) << 48n)]],
      [this.#cpus > 1 ? 5 : 1, () => ['sctlr', this.#sctlr()]],
      [this.#cpus > 1 ? 5 : 0.5, () => ['cpacr', BigInt(this.#pick([0, 1, 3, 3])) << 20n]],
      [wild ? 1 : 0.3, () => ['mair', this.#chance(0.5) ? MAIR : MAIR ^ 0x44n]],
      [
        1,
        () => [
          this.#pick(['tlbiAll', 'tlbiVa', 'tlbiAsid', 'tlbiLast'] as const),
          (this.#address(0) >> 12n) & 0xfff_ffff_ffffn,
        ],
      ],
      [2, () => [this.#pick(['atRead', 'atUser'] as const), this.#address(this.#wordOffset())]],
      [7, () => this.#call('call')],
      [this.#cpus > 1 ? 12 : 5, () => this.#call('user')],
      [1, () => this.#physical()],
      [lse ? 1 : 0, () => ['pan']],
      [this.#cpus > 1 ? 6 : 0.3, () => ['yield']],
    ];
    let at = this.#random() * weights.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, make] of weights) if ((at -= weight) < 0) return make();
    return ['yield'];
  }

  #changeEntry(address?: bigint): Operation {
    const { at, value } = this.#entry(address);
    return ['store', linear(at), value];
  }

  /** A use of an address. */
  #use(va: bigint): Operation {
    const kind = this.#random();
    if (kind < 0.5) return ['load', va];
    if (kind < 0.7) return ['store', va, this.#storedValue()];
    if (kind < 0.8) return ['loadUser', va];
    const name = this.#pick(['constant', 'load', 'store', 'last'] as const);
    const where = this.#defined ? this.#plainLinear() : va;
    const at =
      (va & 0x00ff_ffff_ffff_f000n) |
      (((va >> 55n) & 1n) === 1n ? 0xffn << 56n : 0n) |
      BigInt(FUNCTIONS[name]);
    return [kind < 0.9 ? 'call' : 'user', at, where, this.#storedValue(), 1n];
  }

  /** An address is used, something happens that may or may not have to do with it, and it is used again. */
  #scene(): Operation[] {
    const va = this.#address(this.#wordOffset());
    const operations = [this.#use(va)];
    const again = this.#chance(0.2) ? va ^ (0x40n << 56n) : va;
    for (let changes = 1 + this.#below(3); changes > 0; changes--) {
      const kind = this.#random();
      if (kind < 0.6) operations.push(this.#changeEntry(va));
      else if (kind < 0.75) operations.push(this.#fill(va));
      else if (kind < 0.85) operations.push(this.#switchLower());
      else operations.push(this.#operation());
      if (this.#chance(0.5)) operations.push(this.#use(again));
    }
    operations.push(this.#use(again));
    return operations;
  }

  /** Many stores into one table, over other entries or again and again into one. */
  #fill(address?: bigint): Operation {
    const { at, value } = this.#entry(address);
    const page = at - (at % PAGE);
    const isUpper = page === TABLES_PA + 24 * PAGE || page === TABLES_PA + 25 * PAGE;
    const count = BigInt(this.#pick([5, 62, 70, 130]));
    if (!this.#defined && this.#chance(0.3))
      return [
        'fill',
        this.#address(this.#below(64) * 8),
        this.#chance(0.6) ? this.#even() : value,
        count,
        8n,
      ];
    if (isUpper || this.#chance(0.5)) return ['fill', linear(at), value, count, 0n];
    // Mostly over entries that nothing uses, so that the rest of the table goes on being one.
    const start = page + (this.#chance(0.85) ? 64 + this.#below(100) : this.#below(8)) * 8;
    return ['fill', linear(start), this.#chance(0.6) ? this.#even() : value, count, 8n];
  }

  #switchLower(): Operation {
    const { shape, at } = this.#pick(this.#roots);
    // Tables of other shapes are tables all the same, where nothing has to be foreseen.
    const { tcr } = this.#defined || this.#chance(0.9) ? shape : this.#pick(this.#shapes);
    const asid = BigInt(this.#below(3)) << 48n;
    let bits = TCR_FIXED | tcr;
    if (this.#chance(0.6)) bits |= TBI0;
    if (this.#chance(0.03)) bits |= 1n << 7n; // EPD0
    // QEMU 7.2 takes a clean page for read-only when it decides whether EL1 may execute it, against
    // AArch64.S1ApplyOutputPerms (Arm ARM, shared/translation).
    if (this.#cpu === 'max' && this.#chance(0.6))
      bits |= HA | (!this.#defined && this.#chance(0.6) ? HD : 0n);
    return ['ttbr0', BigInt(at) | asid, bits];
  }

  #sctlr(): bigint {
    let bits = SCTLR;
    if (this.#chance(0.2)) bits |= 1n << 19n; // WXN
    if (this.#chance(0.3)) bits |= 1n << 3n; // SA
    if (this.#chance(0.3)) bits |= 1n << 4n; // SA0
    if (this.#chance(0.3)) bits |= 1n << 14n; // DZE
    if (this.#chance(0.3)) bits |= 1n << 26n; // UCI
    if (this.#chance(0.2)) bits |= 1n << 1n; // A
    if (this.#cpu !== 'cortex-a57' && this.#chance(0.3)) bits &= ~(1n << 23n); // SPAN
    return bits;
  }

  #call(kind: 'call' | 'user'): Operation {
    const name = this.#pick(Object.keys(FUNCTIONS) as (keyof typeof FUNCTIONS)[]);
    const va = this.#address(FUNCTIONS[name], false);
    // A function that stores runs on in a mapping that it may have changed.
    let where = this.#defined ? this.#plainLinear() : this.#address(this.#below(60) * 8);
    if (!this.#defined && kind === 'call' && this.#chance(0.5)) where = linear(this.#entry().at);
    const count = BigInt(name === 'fill' ? this.#pick([3, 66, 100]) : 1 + this.#below(12));
    return [kind, va, where, this.#storedValue(), count];
  }

  #physical(): Operation {
    const { at, value } = this.#entry();
    const where = this.#chance(0.5) ? at : this.#target() + this.#wordOffset();
    return this.#chance(0.6) ? ['physicalStore', BigInt(where), value] : ['physicalLoad', BigInt(where)];
  }

  #refocus(): void {
    this.#focus = Array.from({ length: 2 + this.#below(2) }, () => this.#below(VIRTUAL.length));
  }

  program(): Program {
    this.#makeTables();
    const runtime = buildRuntime(this.#cpus, this.#defined);
    const names: string[][] = [];
    const headers = new BigUint64Array(HEADER_WORDS * this.#cpus);
    const segments: { physical: number; bytes: Uint8Array }[] = [];
    for (let cpu = 0; cpu < this.#cpus; cpu++) {
      const words = new BigUint64Array(this.#count * RECORD_WORDS);
      names.push([]);
      const operations: Operation[] = [];
      while (operations.length < this.#count) {
        if (this.#chance(0.04)) this.#refocus();
        if (this.#chance(0.3)) operations.push(...this.#scene());
        else operations.push(this.#operation());
      }
      for (let i = 0; i < this.#count; i++) {
        const [name, ...given] = operations[i]!;
        words.set([linear(runtime.handlers.get(name)!), this.#defined ? 1n : 0n, ...given], i * RECORD_WORDS);
        names[cpu]!.push(`${name} ${given.map((value) => `0x${value.toString(16)}`).join(' ')}`);
      }
      const first = OPERATIONS_PA + cpu * OPERATIONS_BYTES;
      segments.push({ physical: first, bytes: new Uint8Array(words.buffer) });
      const { shape, at } = this.#pick(this.#roots);
      const header: Header = {
        first: linear(first),
        end: linear(first + words.byteLength),
        log: linear(LOGS_PA + cpu * LOG_BYTES),
        tcr: TCR_FIXED | shape.tcr | TBI0,
        ttbr0: BigInt(at),
        ttbr1: BigInt(this.#pick(this.#uppers)),
      };
      const { end, log, tcr, ttbr0, ttbr1 } = header;
      headers.set([header.first, end, log, tcr, ttbr0, ttbr1], cpu * HEADER_WORDS);
    }
    segments.push({ physical: HEADERS_PA, bytes: new Uint8Array(headers.buffer) });
    const code = { physical: CODE_PA, bytes: runtime.bytes };
    const pages = [...this.#pages].map(([physical, words]) => ({
      physical,
      bytes: new Uint8Array(words.buffer),
    }));
    return {
      entry: runtime.entry,
      segments: [code, ...segments, ...pages],
      cpus: this.#cpus,
      cpu: this.#cpu,
      names,
    };
  }
}
