/**
 * A small WebAssembly assembler: enough of the binary format (WebAssembly Core 2.0, chapter 5) to build the
 * interpreter and compiled regions. Only syntax; whoever uses it keeps the stack balanced, and the engine's
 * validator says so if not.
 */

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;
export type ValueType = typeof I32 | typeof I64 | typeof F32 | typeof F64 | typeof V128;
/** Block type without a result. */
export const VOID = 0x40;

/** One-byte instructions without immediates, by their textual names with `.` as `_`. */
export const OP = {
  unreachable: 0x00,
  else: 0x05,
  end: 0x0b,
  return: 0x0f,
  drop: 0x1a,
  select: 0x1b,
  i32_eqz: 0x45,
  i32_eq: 0x46,
  i32_ne: 0x47,
  i32_lt_s: 0x48,
  i32_lt_u: 0x49,
  i32_gt_s: 0x4a,
  i32_gt_u: 0x4b,
  i32_le_s: 0x4c,
  i32_le_u: 0x4d,
  i32_ge_s: 0x4e,
  i32_ge_u: 0x4f,
  i64_eqz: 0x50,
  i64_eq: 0x51,
  i64_ne: 0x52,
  i64_lt_s: 0x53,
  i64_lt_u: 0x54,
  i64_gt_s: 0x55,
  i64_gt_u: 0x56,
  i64_le_s: 0x57,
  i64_le_u: 0x58,
  i64_ge_s: 0x59,
  i64_ge_u: 0x5a,
  i32_clz: 0x67,
  i32_ctz: 0x68,
  i32_popcnt: 0x69,
  i32_add: 0x6a,
  i32_sub: 0x6b,
  i32_mul: 0x6c,
  i32_div_s: 0x6d,
  i32_div_u: 0x6e,
  i32_rem_u: 0x70,
  i32_and: 0x71,
  i32_or: 0x72,
  i32_xor: 0x73,
  i32_shl: 0x74,
  i32_shr_s: 0x75,
  i32_shr_u: 0x76,
  i32_rotl: 0x77,
  i32_rotr: 0x78,
  i64_clz: 0x79,
  i64_ctz: 0x7a,
  i64_popcnt: 0x7b,
  i64_add: 0x7c,
  i64_sub: 0x7d,
  i64_mul: 0x7e,
  i64_div_s: 0x7f,
  i64_div_u: 0x80,
  i64_rem_u: 0x82,
  i64_and: 0x83,
  i64_or: 0x84,
  i64_xor: 0x85,
  i64_shl: 0x86,
  i64_shr_s: 0x87,
  i64_shr_u: 0x88,
  i64_rotl: 0x89,
  i64_rotr: 0x8a,
  f32_add: 0x92,
  f32_sub: 0x93,
  f32_mul: 0x94,
  f32_div: 0x95,
  f64_add: 0xa0,
  f64_sub: 0xa1,
  f64_mul: 0xa2,
  f64_div: 0xa3,
  i32_reinterpret_f32: 0xbc,
  i64_reinterpret_f64: 0xbd,
  f32_reinterpret_i32: 0xbe,
  f64_reinterpret_i64: 0xbf,
  i32_wrap_i64: 0xa7,
  i64_extend_i32_s: 0xac,
  i64_extend_i32_u: 0xad,
  i32_extend8_s: 0xc0,
  i32_extend16_s: 0xc1,
  i64_extend8_s: 0xc2,
  i64_extend16_s: 0xc3,
  i64_extend32_s: 0xc4,
} as const;

/** Loads and stores: opcode and natural alignment (log2). */
export const MEM = {
  i32_load: [0x28, 2],
  i64_load: [0x29, 3],
  i32_load8_s: [0x2c, 0],
  i32_load8_u: [0x2d, 0],
  i32_load16_s: [0x2e, 1],
  i32_load16_u: [0x2f, 1],
  i64_load8_s: [0x30, 0],
  i64_load8_u: [0x31, 0],
  i64_load16_s: [0x32, 1],
  i64_load16_u: [0x33, 1],
  i64_load32_s: [0x34, 2],
  i64_load32_u: [0x35, 2],
  i32_store: [0x36, 2],
  i64_store: [0x37, 3],
  i32_store8: [0x3a, 0],
  i32_store16: [0x3b, 1],
  i64_store8: [0x3c, 0],
  i64_store16: [0x3d, 1],
  i64_store32: [0x3e, 2],
} as const satisfies { [name: string]: readonly [number, number] };

export type OpName = keyof typeof OP;
export type MemName = keyof typeof MEM;

/** A growing run of bytes with the instruction encodings as methods. Methods return `this` for chaining. */
export class Code {
  bytes: Uint8Array;
  length = 0;

  constructor(capacity = 1024) {
    this.bytes = new Uint8Array(capacity);
  }

  #room(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const bigger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    bigger.set(this.bytes.subarray(0, this.length));
    this.bytes = bigger;
  }

  byte(value: number): this {
    this.#room(1);
    this.bytes[this.length++] = value;
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  unsigned(input: number): this {
    this.#room(5);
    let value = input >>> 0;
    while (value >= 0x80) {
      this.bytes[this.length++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    this.bytes[this.length++] = value;
    return this;
  }

  signed32(input: number): this {
    this.#room(5);
    let value = input | 0;
    for (;;) {
      const low = value & 0x7f;
      value >>= 7;
      if ((value === 0 && (low & 0x40) === 0) || (value === -1 && (low & 0x40) !== 0)) {
        this.bytes[this.length++] = low;
        return this;
      }
      this.bytes[this.length++] = low | 0x80;
    }
  }

  /** Signed LEB128 of the 64-bit value hi:lo (two's complement halves). */
  signed64(lowHalf: number, highHalf: number): this {
    this.#room(10);
    let lo = lowHalf | 0;
    let hi = highHalf | 0;
    for (;;) {
      const low = lo & 0x7f;
      lo = (lo >>> 7) | (hi << 25);
      hi >>= 7;
      if ((lo === 0 && hi === 0 && (low & 0x40) === 0) || (lo === -1 && hi === -1 && (low & 0x40) !== 0)) {
        this.bytes[this.length++] = low;
        return this;
      }
      this.bytes[this.length++] = low | 0x80;
    }
  }

  op(name: OpName): this {
    return this.byte(OP[name]);
  }
  mem(name: MemName, offset = 0): this {
    const [opcode, align] = MEM[name];
    return this.byte(opcode).unsigned(align).unsigned(offset);
  }
  i32(value: number): this {
    return this.byte(0x41).signed32(value);
  }
  i64(lo: number, hi: number = lo < 0 ? -1 : 0): this {
    return this.byte(0x42).signed64(lo, hi);
  }
  get(local: number): this {
    return this.byte(0x20).unsigned(local);
  }
  set(local: number): this {
    return this.byte(0x21).unsigned(local);
  }
  tee(local: number): this {
    return this.byte(0x22).unsigned(local);
  }
  globalGet(index: number): this {
    return this.byte(0x23).unsigned(index);
  }
  globalSet(index: number): this {
    return this.byte(0x24).unsigned(index);
  }
  block(type: number = VOID): this {
    return this.byte(0x02).byte(type);
  }
  loop(type: number = VOID): this {
    return this.byte(0x03).byte(type);
  }
  if(type: number = VOID): this {
    return this.byte(0x04).byte(type);
  }
  else(): this {
    return this.byte(OP.else);
  }
  end(): this {
    return this.byte(OP.end);
  }
  br(depth: number): this {
    return this.byte(0x0c).unsigned(depth);
  }
  brIf(depth: number): this {
    return this.byte(0x0d).unsigned(depth);
  }
  brTable(depths: readonly number[], fallback: number): this {
    this.byte(0x0e).unsigned(depths.length);
    for (const depth of depths) this.unsigned(depth);
    return this.unsigned(fallback);
  }
  call(index: number): this {
    return this.byte(0x10).unsigned(index);
  }
  callIndirect(type: number, table = 0): this {
    return this.byte(0x11).unsigned(type).unsigned(table);
  }
  /** A vector instruction (prefix 0xFD) without immediates. */
  simd(opcode: number): this {
    return this.byte(0xfd).unsigned(opcode);
  }
  simdMem(opcode: number, align: number, offset: number): this {
    return this.byte(0xfd).unsigned(opcode).unsigned(align).unsigned(offset);
  }
}

export interface FunctionType {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** One module: imports first, then functions; types are shared. */
export class ModuleBuilder {
  readonly #types: string[] = [];
  readonly #typeCode = new Code();
  readonly #imports = new Code();
  #importCount = 0;
  #importedFunctions = 0;
  readonly #functionTypes: number[] = [];
  readonly #bodies: { locals: readonly ValueType[]; code: Code }[] = [];
  readonly #exports = new Code();
  #exportCount = 0;

  type(type: FunctionType): number {
    const key = `${type.params.join()}>${type.results.join()}`;
    const known = this.#types.indexOf(key);
    if (known >= 0) return known;
    this.#typeCode.byte(0x60).unsigned(type.params.length);
    for (const t of type.params) this.#typeCode.byte(t);
    this.#typeCode.unsigned(type.results.length);
    for (const t of type.results) this.#typeCode.byte(t);
    return this.#types.push(key) - 1;
  }

  #name(code: Code, name: string): void {
    code.unsigned(name.length);
    for (let i = 0; i < name.length; i++) code.byte(name.charCodeAt(i));
  }

  #import(module: string, name: string): Code {
    this.#importCount += 1;
    this.#name(this.#imports, module);
    this.#name(this.#imports, name);
    return this.#imports;
  }

  /** All imported functions must be declared before the first own function. Returns the function index. */
  importFunction(module: string, name: string, type: FunctionType): number {
    if (this.#functionTypes.length > 0) throw new Error('imports come first');
    const index = this.type(type);
    this.#import(module, name).byte(0x00).unsigned(index);
    return this.#importedFunctions++;
  }

  importMemory(module: string, name: string, initialPages: number): void {
    this.#import(module, name).byte(0x02).byte(0x00).unsigned(initialPages);
  }

  importTable(module: string, name: string): void {
    this.#import(module, name).byte(0x01).byte(0x70).byte(0x00).unsigned(0);
  }

  /** Adds a function; its code must not hold the closing `end`. Returns the function index. */
  function(type: FunctionType, locals: readonly ValueType[], code: Code, exportName?: string): number {
    this.#functionTypes.push(this.type(type));
    this.#bodies.push({ locals, code });
    const index = this.#importedFunctions + this.#functionTypes.length - 1;
    if (exportName !== undefined) {
      this.#exportCount += 1;
      this.#name(this.#exports, exportName);
      this.#exports.byte(0x00).unsigned(index);
    }
    return index;
  }

  build(): Uint8Array<ArrayBuffer> {
    const out = new Code(4096);
    out.raw(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
    const section = (id: number, count: number, content: Code): void => {
      if (count === 0) return;
      const head = new Code(8).unsigned(count);
      out.byte(id).unsigned(head.length + content.length);
      out.raw(head.bytes.subarray(0, head.length)).raw(content.bytes.subarray(0, content.length));
    };
    section(1, this.#types.length, this.#typeCode);
    section(2, this.#importCount, this.#imports);
    const functions = new Code();
    for (const type of this.#functionTypes) functions.unsigned(type);
    section(3, this.#functionTypes.length, functions);
    section(7, this.#exportCount, this.#exports);
    const bodies = new Code(4096);
    for (const { locals, code } of this.#bodies) {
      const head = new Code();
      const runs: [number, ValueType][] = [];
      for (const type of locals) {
        const last = runs.at(-1);
        if (last !== undefined && last[1] === type) last[0] += 1;
        else runs.push([1, type]);
      }
      head.unsigned(runs.length);
      for (const [count, type] of runs) head.unsigned(count).byte(type);
      bodies.unsigned(head.length + code.length + 1);
      bodies.raw(head.bytes.subarray(0, head.length)).raw(code.bytes.subarray(0, code.length)).end();
    }
    section(10, this.#bodies.length, bodies);
    return out.bytes.slice(0, out.length);
  }
}
