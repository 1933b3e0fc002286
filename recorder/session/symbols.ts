/*
 * Names of guest addresses: the symbol table of an ELF file (vmlinux or a bare-metal program), System.map, or
 * what the guest's /proc/kallsyms says. Files come from anywhere, so nothing in them is believed: every offset is
 * checked, and memory stays in proportion to the file.
 */

/** A symbol file that cannot be used; the message is one line that says why. */
export class SymbolFileError extends Error {}

export interface GuestSymbol {
  readonly name: string;
  readonly address: bigint;
  /** Bytes; 0 if not known, as in System.map. */
  readonly size: bigint;
  /** Which of several symbols with one address or one name counts: the highest. */
  readonly rank: number;
  /** A constant and not a place: found by name only. */
  readonly isAbsolute: boolean;
}

export interface SymbolAt {
  readonly name: string;
  /** Where the symbol starts. */
  readonly address: bigint;
  /** Bytes from there. */
  readonly offset: bigint;
}

/** How far a symbol of unknown size reaches, unless another follows: what is further away is something else. */
const MAX_UNSIZED_BYTES = 1n << 24n;
/** How many symbols are looked through for one that is around those that come after it. */
const MAX_NESTING = 32;

/** Symbols by address and by name. Immutable. */
export class SymbolTable {
  /** Sorted by address, one symbol each; addresses as two halves, since comparing bigints is slow. */
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  readonly #places: readonly GuestSymbol[];
  readonly #byName = new Map<string, GuestSymbol>();

  constructor(symbols: Iterable<GuestSymbol>) {
    const best = new Map<bigint, GuestSymbol>();
    for (const symbol of symbols) {
      const named = this.#byName.get(symbol.name);
      if (named === undefined || named.rank < symbol.rank) this.#byName.set(symbol.name, symbol);
      if (symbol.isAbsolute) continue;
      const there = best.get(symbol.address);
      if (there === undefined || isBetter(symbol, there)) best.set(symbol.address, symbol);
    }
    this.#places = [...best.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
    this.#high = Uint32Array.from(this.#places, (s) => Number(s.address >> 32n));
    this.#low = Uint32Array.from(this.#places, (s) => Number(s.address & 0xffff_ffffn));
  }

  /** Number of named places. */
  get size(): number {
    return this.#places.length;
  }

  /** All named places by address. */
  [Symbol.iterator](): Iterator<GuestSymbol> {
    return this.#places[Symbol.iterator]();
  }

  /** The symbol that an address is in; undefined outside of all of them. */
  at(address: bigint): SymbolAt | undefined {
    const last = this.#lastUpTo(address);
    for (let i = last; i >= 0 && i > last - MAX_NESTING; i--) {
      const symbol = this.#places[i]!;
      const offset = address - symbol.address;
      // One of unknown size ends where the next one starts.
      const isIn = symbol.size > 0n ? offset < symbol.size : i === last && offset < MAX_UNSIZED_BYTES;
      if (isIn) return { name: symbol.name, address: symbol.address, offset };
    }
    return undefined;
  }

  /** `name` or `name+0x12`; undefined outside of all symbols. */
  describe(address: bigint): string | undefined {
    const symbol = this.at(address);
    if (symbol === undefined) return undefined;
    return symbol.offset === 0n ? symbol.name : `${symbol.name}+0x${symbol.offset.toString(16)}`;
  }

  /** Address by name; of several with one name, a global one. */
  addressOf(name: string): bigint | undefined {
    return this.#byName.get(name)?.address;
  }

  symbol(name: string): GuestSymbol | undefined {
    return this.#byName.get(name);
  }

  /** The same places `delta` bytes further up: a kernel moved by KASLR, a position-independent program. */
  movedBy(delta: bigint): SymbolTable {
    return new SymbolTable(
      this.#all().map((s) => (s.isAbsolute ? s : { ...s, address: BigInt.asUintN(64, s.address + delta) })),
    );
  }

  /** The symbols of both; where both have one, `other` counts if its symbol is of higher rank. */
  with(other: SymbolTable): SymbolTable {
    return new SymbolTable([...this.#all(), ...other.#all()]);
  }

  #all(): GuestSymbol[] {
    return [...new Set([...this.#places, ...this.#byName.values()])];
  }

  /** Index of the last place at or below `address`, or -1. */
  #lastUpTo(address: bigint): number {
    if (address < 0n || address > 0xffff_ffff_ffff_ffffn) return -1;
    const high = Number(address >> 32n);
    const low = Number(address & 0xffff_ffffn);
    let from = 0;
    let to = this.#places.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const h = this.#high[middle]!;
      if (h < high || (h === high && this.#low[middle]! <= low)) from = middle + 1;
      else to = middle;
    }
    return from - 1;
  }
}

const leadingUnderscores = (name: string): number => /^_*/.exec(name)![0].length;

/** Of two names for one place, the more telling one. */
function isBetter(symbol: GuestSymbol, than: GuestSymbol): boolean {
  if (symbol.rank !== than.rank) return symbol.rank > than.rank;
  if (symbol.size > 0n !== than.size > 0n) return symbol.size > 0n;
  return leadingUnderscores(symbol.name) < leadingUnderscores(than.name);
}

/** $x, $d, $a, $t, and with a suffix: what kind of bytes follow, and no name (AAELF64, "Mapping symbols"). */
const isMappingSymbol = (name: string): boolean => /^\$[xdat](\.|$)/.test(name);

/* ELF-64 object file format: file header, section headers, symbol table. */
const SHT_SYMTAB = 2;
const SHT_STRTAB = 3;
const SHT_DYNSYM = 11;
const SHN_UNDEF = 0;
const SHN_ABS = 0xfff1;
const SHN_COMMON = 0xfff2;
const STT_OBJECT = 1;
const STT_FUNC = 2;
const STT_NOTYPE = 0;
const STT_GNU_IFUNC = 10;
const STB_GLOBAL = 1;
const STB_WEAK = 2;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;

interface Section {
  readonly type: number;
  readonly link: number;
  readonly offset: number;
  readonly bytes: number;
  readonly entryBytes: number;
}

class ElfReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #decoder = new TextDecoder();

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < 64 || !isElf(bytes)) throw new SymbolFileError('not an ELF file');
    if (bytes[4] !== 2) throw new SymbolFileError('the ELF file is not a 64-bit one');
    if (bytes[5] !== 1) throw new SymbolFileError('the ELF file is not little-endian');
  }

  u16(at: number): number {
    return this.#view.getUint16(at, true);
  }
  u32(at: number): number {
    return this.#view.getUint32(at, true);
  }
  u64(at: number): bigint {
    return this.#view.getBigUint64(at, true);
  }
  u8(at: number): number {
    return this.#view.getUint8(at);
  }

  /** An offset or a length that must lie in the file. */
  inFile(value: bigint, bytes: bigint, what: string): number {
    if (value + bytes > BigInt(this.#bytes.length)) {
      throw new SymbolFileError(`the ELF file is cut short: ${what} is outside of it`);
    }
    return Number(value);
  }

  section(table: number, index: number): Section {
    const at = table + index * SECTION_HEADER_BYTES;
    const type = this.u32(at + 4);
    const bytes = this.u64(at + 32);
    return {
      type,
      link: this.u32(at + 40),
      offset: this.inFile(this.u64(at + 24), bytes, `section ${index}`),
      bytes: Number(bytes),
      entryBytes: Number(this.u64(at + 56)),
    };
  }

  /** The NUL-terminated string at `at`, which ends before `end` in any case. */
  string(at: number, end: number): string {
    const rest = this.#bytes.subarray(at, end);
    const length = rest.indexOf(0);
    return this.#decoder.decode(length < 0 ? rest : rest.subarray(0, length));
  }
}

const isElf = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;

interface SectionTable {
  readonly offset: number;
  readonly count: number;
}

function sectionTable(elf: ElfReader): SectionTable {
  const offset = elf.u64(0x28);
  if (offset === 0n) throw new SymbolFileError('the ELF file has no sections, and so no symbols');
  if (elf.u16(0x3a) !== SECTION_HEADER_BYTES) {
    throw new SymbolFileError(`the ELF file has section headers of ${elf.u16(0x3a)} bytes`);
  }
  const first = elf.inFile(offset, BigInt(SECTION_HEADER_BYTES), 'the section table');
  // With 0xff00 sections and more, the number is in the first one.
  const count = elf.u16(0x3c) || Number(elf.u64(first + 32));
  elf.inFile(offset, BigInt(count) * BigInt(SECTION_HEADER_BYTES), 'the section table');
  return { offset: first, count };
}

const TYPE_RANK: { readonly [type: number]: number } = {
  [STT_NOTYPE]: 0,
  [STT_OBJECT]: 1,
  [STT_FUNC]: 2,
  [STT_GNU_IFUNC]: 2,
};
const BINDING_RANK: { readonly [binding: number]: number } = { [STB_GLOBAL]: 2, [STB_WEAK]: 1 };

/** Symbols of an ELF-64 file: those of its symbol table, or else of the dynamic one. */
export function parseElfSymbols(bytes: Uint8Array): SymbolTable {
  const elf = new ElfReader(bytes);
  const table = sectionTable(elf);
  // Two sections only are looked into, so a bad one elsewhere does not matter.
  const find = (type: number): number => {
    for (let i = 0; i < table.count; i++) {
      if (elf.u32(table.offset + i * SECTION_HEADER_BYTES + 4) === type) return i;
    }
    return -1;
  };
  const full = find(SHT_SYMTAB);
  const index = full >= 0 ? full : find(SHT_DYNSYM);
  if (index < 0) throw new SymbolFileError('the ELF file has no symbol table (stripped?)');
  const symbols = elf.section(table.offset, index);
  if (symbols.entryBytes !== SYMBOL_BYTES) {
    throw new SymbolFileError(`the ELF file has symbols of ${symbols.entryBytes} bytes`);
  }
  const strings = symbols.link < table.count ? elf.section(table.offset, symbols.link) : undefined;
  if (strings?.type !== SHT_STRTAB) throw new SymbolFileError('the ELF file has symbols without names');
  return new SymbolTable(elfSymbols(elf, symbols, strings));
}

function* elfSymbols(elf: ElfReader, symbols: Section, strings: Section): Generator<GuestSymbol> {
  const end = strings.offset + strings.bytes;
  // Names may share their ends, but a file in which most do is made to use up memory.
  let nameBudget = 65536 + 8 * strings.bytes;
  for (let at = symbols.offset; at + SYMBOL_BYTES <= symbols.offset + symbols.bytes; at += SYMBOL_BYTES) {
    const info = elf.u8(at + 4);
    const section = elf.u16(at + 6);
    const typeRank = TYPE_RANK[info & 15];
    if (typeRank === undefined || section === SHN_UNDEF || section === SHN_COMMON) continue;
    const nameAt = strings.offset + elf.u32(at);
    if (nameAt >= end) throw new SymbolFileError('the ELF file has a symbol name outside of its strings');
    const name = elf.string(nameAt, end);
    nameBudget -= name.length;
    if (nameBudget < 0) throw new SymbolFileError('the ELF file has overlapping symbol names');
    if (name === '' || isMappingSymbol(name)) continue;
    yield {
      name,
      address: elf.u64(at + 8),
      size: elf.u64(at + 16),
      rank: typeRank * 4 + (BINDING_RANK[info >> 4] ?? 0),
      isAbsolute: section === SHN_ABS,
    };
  }
}

/** Type letters of nm: code before data, capitals (global) before small letters. */
function rankOfLetter(letter: string): number {
  const isGlobal = letter !== letter.toLowerCase();
  return ('tTwWvV'.includes(letter) ? 8 : 4) + (isGlobal ? 2 : 0);
}

const LINE = /^([0-9a-fA-F]{1,16}) ([A-Za-z?-]) (\S+)(?:[ \t]+\[(\S+)\])?$/;

/**
 * Symbols of a text with lines `address type name`, as nm, System.map and /proc/kallsyms have them; the latter
 * with `[module]` at the end. Lines of another form are skipped, unless all are.
 */
export function parseSymbolText(text: string): SymbolTable {
  const table = new SymbolTable(textSymbols(text));
  if (table.size > 0) return table;
  if (/^0{16} /m.test(text)) {
    throw new SymbolFileError('all addresses are zero: the guest hides them (kernel.kptr_restrict)');
  }
  throw new SymbolFileError('neither an ELF file nor lines of `address type name`');
}

function* textSymbols(text: string): Generator<GuestSymbol> {
  for (let from = 0; from < text.length; ) {
    const newline = text.indexOf('\n', from);
    const end = newline < 0 ? text.length : newline;
    const match = LINE.exec(text.slice(from, end).trimEnd());
    from = end + 1;
    if (match === null) continue;
    const [, hex, letter, name] = match;
    // An address of zero is one that is hidden, or an undefined symbol.
    const address = BigInt(`0x${hex}`);
    if (address === 0n || letter === 'U' || isMappingSymbol(name!)) continue;
    yield {
      name: name!,
      address,
      size: 0n,
      rank: rankOfLetter(letter!),
      isAbsolute: letter === 'A' || letter === 'a',
    };
  }
}

/** Symbols of a file, whichever of the forms it has. */
export function parseSymbols(file: Uint8Array): SymbolTable {
  return isElf(file) ? parseElfSymbols(file) : parseSymbolText(new TextDecoder().decode(file));
}
