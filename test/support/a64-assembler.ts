/**
 * An assembler of the few A64 instructions that guests written inside tests need (Arm ARM DDI 0487, C4.1). Registers
 * are numbers; 31 is SP or the zero register, as the instruction has it.
 */

export type Cond = 'eq' | 'ne' | 'hs' | 'lo' | 'mi' | 'pl' | 'hi' | 'ls' | 'ge' | 'lt' | 'gt' | 'le';
const CONDITIONS: readonly Cond[] = ['eq', 'ne', 'hs', 'lo', 'mi', 'pl'];
const CONDITIONS_HIGH: readonly Cond[] = ['hi', 'ls', 'ge', 'lt', 'gt', 'le'];
const conditionOf = (cond: Cond): number =>
  CONDITIONS.includes(cond) ? CONDITIONS.indexOf(cond) : 8 + CONDITIONS_HIGH.indexOf(cond);

/** The bits of a system register or SYS operation: op0, op1, CRn, CRm, op2. */
export const system = (op0: number, op1: number, crn: number, crm: number, op2: number): number =>
  (op0 << 19) | (op1 << 16) | (crn << 12) | (crm << 8) | (op2 << 5);

export const REG = {
  SCTLR_EL1: system(3, 0, 1, 0, 0),
  CPACR_EL1: system(3, 0, 1, 0, 2),
  TTBR0_EL1: system(3, 0, 2, 0, 0),
  TTBR1_EL1: system(3, 0, 2, 0, 1),
  TCR_EL1: system(3, 0, 2, 0, 2),
  SPSR_EL1: system(3, 0, 4, 0, 0),
  ELR_EL1: system(3, 0, 4, 0, 1),
  ESR_EL1: system(3, 0, 5, 2, 0),
  FAR_EL1: system(3, 0, 6, 0, 0),
  PAR_EL1: system(3, 0, 7, 4, 0),
  MAIR_EL1: system(3, 0, 10, 2, 0),
  VBAR_EL1: system(3, 0, 12, 0, 0),
} as const;

export const SYS = {
  TLBI_VMALLE1IS: system(1, 0, 8, 3, 0),
  TLBI_VMALLE1: system(1, 0, 8, 7, 0),
  TLBI_VAE1IS: system(1, 0, 8, 3, 1),
  TLBI_ASIDE1IS: system(1, 0, 8, 3, 2),
  TLBI_VAALE1: system(1, 0, 8, 7, 7),
  AT_S1E1R: system(1, 0, 7, 8, 0),
  AT_S1E0W: system(1, 0, 7, 8, 3),
  DC_ZVA: system(1, 3, 7, 4, 1),
} as const;

/** Loads and stores with an unscaled offset, by name: the bits above the offset. */
const UNSCALED = {
  strb: 0x3800_0000,
  ldrb: 0x3840_0000,
  strh: 0x7800_0000,
  ldrh: 0x7840_0000,
  strw: 0xb800_0000,
  ldrw: 0xb840_0000,
  str: 0xf800_0000,
  ldr: 0xf840_0000,
  strq: 0x3c80_0000,
  ldrq: 0x3cc0_0000,
  sttr: 0xf800_0800,
  ldtr: 0xf840_0800,
} as const;
export type Unscaled = keyof typeof UNSCALED;

export class Assembler {
  /** Address of the first instruction. */
  readonly base: number;
  readonly words: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #fixups: { at: number; label: string; shift: number; bits: number }[] = [];

  constructor(base: number) {
    this.base = base;
  }

  word(word: number): void {
    this.words.push(word >>> 0);
  }
  label(name: string): void {
    if (this.#labels.has(name)) throw new Error(`label '${name}' twice`);
    this.#labels.set(name, this.words.length);
  }
  address(label: string): number {
    const at = this.#labels.get(label);
    if (at === undefined) throw new Error(`no label '${label}'`);
    return this.base + at * 4;
  }
  /** Fills with NOP up to an offset from the base. */
  to(offset: number): void {
    if (this.words.length * 4 > offset) throw new Error(`0x${offset.toString(16)} is passed`);
    while (this.words.length * 4 < offset) this.word(0xd503201f);
  }
  align(bytes: number): void {
    this.to(Math.ceil((this.words.length * 4) / bytes) * bytes);
  }
  bytes(): Uint8Array {
    for (const { at, label, shift, bits } of this.#fixups) {
      const distance = (this.address(label) - this.base) / 4 - at;
      this.words[at] = (this.words[at]! | ((distance & (2 ** bits - 1)) << shift)) >>> 0;
    }
    this.#fixups.length = 0;
    return new Uint8Array(Uint32Array.from(this.words).buffer);
  }
  #jump(word: number, label: string, shift: number, bits: number): void {
    this.#fixups.push({ at: this.words.length, label, shift, bits });
    this.word(word);
  }

  b(label: string): void {
    this.#jump(0x1400_0000, label, 0, 26);
  }
  bl(label: string): void {
    this.#jump(0x9400_0000, label, 0, 26);
  }
  /** A branch by bytes. */
  bBy(bytes: number): void {
    this.word(0x1400_0000 | ((bytes >> 2) & 0x3ff_ffff));
  }
  bCond(cond: Cond, label: string): void {
    this.#jump(0x5400_0000 | conditionOf(cond), label, 5, 19);
  }
  bCondBy(cond: Cond, bytes: number): void {
    this.word(0x5400_0000 | conditionOf(cond) | (((bytes >> 2) & 0x7_ffff) << 5));
  }
  cbz(rt: number, label: string): void {
    this.#jump(0xb400_0000 | rt, label, 5, 19);
  }
  cbnz(rt: number, label: string): void {
    this.#jump(0xb500_0000 | rt, label, 5, 19);
  }
  br(rn: number): void {
    this.word(0xd61f_0000 | (rn << 5));
  }
  blr(rn: number): void {
    this.word(0xd63f_0000 | (rn << 5));
  }
  ret(): void {
    this.word(0xd65f_03c0);
  }
  eret(): void {
    this.word(0xd69f_03e0);
  }
  svc(): void {
    this.word(0xd400_0001);
  }
  hvc(): void {
    this.word(0xd400_0002);
  }
  isb(): void {
    this.word(0xd503_3fdf);
  }
  dsb(): void {
    this.word(0xd503_3b9f);
  }
  yield(): void {
    this.word(0xd503_203f);
  }

  /** 64 bits, in as many instructions as it takes. */
  movImm(rd: number, value: bigint | number): void {
    const bits = BigInt.asUintN(64, BigInt(value));
    let first = true;
    for (let half = 0; half < 4; half++) {
      const imm = Number((bits >> BigInt(half * 16)) & 0xffffn);
      if (imm === 0 && !(half === 3 && first)) continue;
      this.word((first ? 0xd280_0000 : 0xf280_0000) | (half << 21) | (imm << 5) | rd);
      first = false;
    }
  }
  /** The address of a label, relative to the code. */
  adr(rd: number, label: string): void {
    this.#jump(0x1000_0000 | rd, label, 5, 19);
  }
  mov(rd: number, rm: number): void {
    this.word(0xaa00_03e0 | (rm << 16) | rd);
  }
  addImm(rd: number, rn: number, imm: number): void {
    this.word(0x9100_0000 | (imm << 10) | (rn << 5) | rd);
  }
  subsImm(rd: number, rn: number, imm: number): void {
    this.word(0xf100_0000 | (imm << 10) | (rn << 5) | rd);
  }
  add(rd: number, rn: number, rm: number): void {
    this.word(0x8b00_0000 | (rm << 16) | (rn << 5) | rd);
  }
  sub(rd: number, rn: number, rm: number): void {
    this.word(0xcb00_0000 | (rm << 16) | (rn << 5) | rd);
  }
  cmp(rn: number, rm: number): void {
    this.word(0xeb00_001f | (rm << 16) | (rn << 5));
  }
  and(rd: number, rn: number, rm: number): void {
    this.word(0x8a00_0000 | (rm << 16) | (rn << 5) | rd);
  }
  eor(rd: number, rn: number, rm: number): void {
    this.word(0xca00_0000 | (rm << 16) | (rn << 5) | rd);
  }
  ror(rd: number, rn: number, by: number): void {
    this.word(0x93c0_0000 | (rn << 16) | (by << 10) | (rn << 5) | rd);
  }
  lsr(rd: number, rn: number, by: number): void {
    this.word(0xd340_fc00 | (by << 16) | (rn << 5) | rd);
  }
  mul(rd: number, rn: number, rm: number): void {
    this.word(0x9b00_7c00 | (rm << 16) | (rn << 5) | rd);
  }
  csel(rd: number, rn: number, rm: number, cond: Cond): void {
    this.word(0x9a80_0000 | (rm << 16) | (conditionOf(cond) << 12) | (rn << 5) | rd);
  }

  access(name: Unscaled, rt: number, rn: number, offset = 0): void {
    this.word(UNSCALED[name] | ((offset & 0x1ff) << 12) | (rn << 5) | rt);
  }
  /** With the base increased afterwards; not `ldtr` and `sttr`. */
  accessPost(name: Unscaled, rt: number, rn: number, by: number): void {
    this.word(UNSCALED[name] | 0x400 | ((by & 0x1ff) << 12) | (rn << 5) | rt);
  }
  ldp(rt: number, rt2: number, rn: number, offset = 0): void {
    this.word(0xa940_0000 | (((offset / 8) & 0x7f) << 15) | (rt2 << 10) | (rn << 5) | rt);
  }
  stp(rt: number, rt2: number, rn: number, offset = 0): void {
    this.word(0xa900_0000 | (((offset / 8) & 0x7f) << 15) | (rt2 << 10) | (rn << 5) | rt);
  }
  ldpPost(rt: number, rt2: number, rn: number, by: number): void {
    this.word(0xa8c0_0000 | (((by / 8) & 0x7f) << 15) | (rt2 << 10) | (rn << 5) | rt);
  }
  ldxr(rt: number, rn: number): void {
    this.word(0xc85f_7c00 | (rn << 5) | rt);
  }
  stxr(rs: number, rt: number, rn: number): void {
    this.word(0xc800_7c00 | (rs << 16) | (rn << 5) | rt);
  }
  /** FEAT_LSE */
  ldadd(rs: number, rt: number, rn: number): void {
    this.word(0xf820_0000 | (rs << 16) | (rn << 5) | rt);
  }
  /** FEAT_LSE; registers in pairs. */
  casp(rs: number, rt: number, rn: number): void {
    this.word(0x4820_7c00 | (rs << 16) | (rn << 5) | rt);
  }

  msr(register: number, rt: number): void {
    this.word(0xd500_0000 | register | rt);
  }
  mrs(rt: number, register: number): void {
    this.word(0xd520_0000 | register | rt);
  }
  sys(operation: number, rt = 31): void {
    this.word(0xd500_0000 | operation | rt);
  }
}
