// biome-ignore-all format: chains of emitted instructions read best as written
/**
 * The interpreter backend (tier 0): a WebAssembly function, generated from the operation table, that finds blocks
 * and runs their micro-ops until something needs the host side; a second one has the rare micro-ops.
 */

import { pushCondition, setArithmeticFlags, setLogicalFlags } from './flags.ts';
import {
  ACC_SINGLE, BLOCK_COMPILED, BLOCK_COUNT, BLOCK_HEADER, BLOCK_HEAT, EXIT_BUDGET, EXIT_HOST, EXIT_HOT, EXIT_IRQ, EXIT_NO_BLOCK,
  TLB_BYTES, TLB_ENTRIES, TLB_SET, UOP_BYTES,
} from './helpers/heap-layout.ts';
import {
  CPU_ADDR, CPU_BUDGET, CPU_C, CPU_DAIF, CPU_EXIT, CPU_FLAG_KIND, CPU_IRQ, CPU_N, CPU_PC, CPU_PENDING_INSNS, CPU_TLB, CPU_V, CPU_XTLB, CPU_Z,
} from './helpers/layout.ts';
import { type Backend, type Flag, HELPERS, type Helper, type Operand, UOPS, type Uop } from './uops.ts';
import { Code, type FunctionType, I32, I64, ModuleBuilder, type ValueType } from './wasm/emitter.ts';

/** Locals of both functions; the first five are the parameters of `rare`. */
const CPU = 0;
const OP = 1; // address of the current micro-op
const BLOCK = 2; // address of the current block
const TLB = 3;
const BLOCK_PC = 4; // i64
const ENTRY = 5; // scratch
const I32_SCRATCH = 6; // 6–9
const I64_SCRATCH = 10; // 10–13
const RARE_PARAMS: ValueType[] = [I32, I32, I32, I32, I64];
const RARE_LOCALS: ValueType[] = [I32, I32, I32, I32, I32, I64, I64, I64, I64];
/** Of `run` alone. */
const PC = 14; // i64: where to go next
const XTLB = 15;
const RUN_LOCALS: ValueType[] = [I32, I32, I32, I64, ...RARE_LOCALS, I64, I32];

/**
 * Micro-ops that `run` leaves to a second function: V8 compiles a function of too many values with a quicker register
 * allocator (docs/performance.md says what that costs). Which side one is on changes nothing else.
 */
const RARE =
  /^(v|f(add|sub|mul|div)|ld(add|clr|eor|set|[su]m|update)|swp|cas|pac_|[ax]+flag|cfinv|rmif|setf|stxp|adcs|rbit|smulh|zva|maintain|.*_u$)/;
const isRare = ({ name, kind }: Uop): boolean => kind === 'plain' && RARE.test(name);

const FLAG_OFFSET = { N: CPU_N, Z: CPU_Z, C: CPU_C, V: CPU_V } as const;
const OPERAND_BYTE = { a: 3, d: 4, n: 5, m: 6 } as const;

function wasmType(name: 'i32' | 'i64'): ValueType {
  return name === 'i32' ? I32 : I64;
}

/** Operands from the record at local OP, registers in CPU state. */
class InterpreterBackend implements Backend {
  readonly c: Code;
  readonly #helpers: ReadonlyMap<Helper, number>;
  readonly #instructionHelperType: number;
  /** Labels around a handler, as branch depths from its top level: `#nesting` is added inside. */
  #nesting = 0;
  readonly #exitDepth: number;

  constructor(c: Code, helpers: ReadonlyMap<Helper, number>, instructionHelperType: number, exitDepth: number) {
    this.c = c;
    this.#helpers = helpers;
    this.#instructionHelperType = instructionHelperType;
    this.#exitDepth = exitDepth;
  }

  #slot(operand: Operand): void {
    // cpu + 8 × slot
    this.c.get(CPU).get(OP).mem('i32_load8_u', OPERAND_BYTE[operand]).i32(3).op('i32_shl').op('i32_add');
  }
  reg(operand: Operand): void {
    this.#slot(operand);
    this.c.mem('i64_load');
  }
  setReg(operand: Operand, value: () => void): void {
    this.#slot(operand);
    value();
    this.c.mem('i64_store');
  }
  imm(): void {
    this.c.get(OP).mem('i64_load', 8);
  }
  imm32(): void {
    this.c.get(OP).mem('i32_load', 8);
  }
  x(): void {
    this.c.get(OP).mem('i32_load8_u', 7);
  }
  flag(flag: Flag): void {
    this.c.get(CPU).mem(flag === 'N' || flag === 'Z' ? 'i64_load' : 'i32_load', FLAG_OFFSET[flag]);
  }
  setFlag(flag: Flag, value: () => void): void {
    this.c.get(CPU);
    value();
    this.c.mem(flag === 'N' || flag === 'Z' ? 'i64_store' : 'i32_store', FLAG_OFFSET[flag]);
  }
  arithmeticFlags(subtract: boolean, wide: boolean): void {
    setArithmeticFlags(this, subtract, wide);
  }
  logicalFlags(wide: boolean): void {
    setLogicalFlags(this, wide);
  }
  condition(cond: number): void {
    pushCondition(this, cond);
  }
  get64(index: number): void {
    this.c.get(I64_SCRATCH + index);
  }
  set64(index: number): void {
    this.c.set(I64_SCRATCH + index);
  }
  tee64(index: number): void {
    this.c.tee(I64_SCRATCH + index);
  }
  get32(index: number): void {
    this.c.get(I32_SCRATCH + index);
  }
  set32(index: number): void {
    this.c.set(I32_SCRATCH + index);
  }
  tee32(index: number): void {
    this.c.tee(I32_SCRATCH + index);
  }
  cpu(): void {
    this.c.get(CPU);
  }
  budget(beforeBlock: boolean): void {
    this.c.get(CPU).mem('i32_load', CPU_BUDGET);
    if (beforeBlock) this.c.get(BLOCK).mem('i32_load', BLOCK_COUNT).op('i32_add');
  }
  blockPc(): void {
    this.c.get(BLOCK_PC);
  }
  vreg(operand: Operand): void {
    this.c.get(CPU).get(OP).mem('i32_load8_u', OPERAND_BYTE[operand]).i32(4).op('i32_shl').op('i32_add');
  }
  access(write: boolean, unprivileged: boolean, bytes: number, hit: () => void, miss: () => void, aligned = false): void {
    const { c } = this;
    const offset = (write ? TLB_BYTES : 0) + (unprivileged ? TLB_SET : 0);
    tlbEntry(c, TLB, () => this.get64(0));
    c.tee(ENTRY).mem('i64_load', offset);
    this.get64(0);
    if (bytes > 1 && !aligned) c.i64(bytes - 1).op('i64_add');
    // Of an aligned access the low bits must be clear, as those of the tag are.
    c.i64(aligned ? -4096 | (bytes - 1) : -4096, -1).op('i64_and').op('i64_eq').if();
    this.get64(0);
    c.op('i32_wrap_i64').get(ENTRY).mem('i32_load', offset + 8).op('i32_add');
    this.set32(0);
    this.#nesting += 1;
    hit();
    c.else();
    miss();
    this.#nesting -= 1;
    c.end();
  }
  call(helper: Helper): void {
    this.c.call(this.#helpers.get(helper)!);
  }
  desc(flags: number): void {
    // ACC_SINGLE when the block is this one instruction
    this.c.get(BLOCK).mem('i32_load', BLOCK_COUNT).i32(1).op('i32_eq').i32(3).op('i32_shl');
    if (flags !== 0) this.c.i32(flags).op('i32_or');
    // Device accesses need the address of the instruction.
    this.c.get(CPU).get(BLOCK_PC).mem('i64_store', CPU_PC);
  }
  exitIfAsked(): void {
    this.c.get(CPU).mem('i32_load', CPU_EXIT).brIf(this.#exitDepth + this.#nesting);
  }
  instructionHelper(): void {
    const { c } = this;
    c.get(CPU).get(OP).mem('i32_load', 8).get(OP).mem('i32_load', 12).callIndirect(this.#instructionHelperType);
  }
}

function tlbEntry(c: Code, base: number, address: () => void): void {
  c.get(base);
  address();
  c.i64(12).op('i64_shr_u').op('i32_wrap_i64').i32(TLB_ENTRIES - 1).op('i32_and').i32(4).op('i32_shl').op('i32_add');
}

export interface InterpreterModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Builds the interpreter. Imports: `env.memory`, `env.table` (instruction helpers, then compiled regions) and
 * the helpers by name. Export: `run(cpu): void`, which returns with a reason in CPU_EXIT, the next
 * instruction's address in CPU_PC, and in CPU_PENDING_INSNS how many instructions were charged but not run.
 */
export function buildInterpreter(): InterpreterModule {
  if (ACC_SINGLE !== 8) throw new Error('desc() shifts by three');
  const module = new ModuleBuilder();
  module.importMemory('env', 'memory', 1);
  module.importTable('env', 'table');
  const helpers = new Map<Helper, number>();
  for (const name of Object.keys(HELPERS) as Helper[]) {
    const { params, result } = HELPERS[name];
    helpers.set(
      name,
      module.importFunction('env', name, {
        params: params.map(wasmType),
        results: result === undefined ? [] : [wasmType(result)],
      }),
    );
  }
  const instructionHelperType = module.type({ params: [I32, I32], results: [] });
  const regionType = module.type({ params: [I32], results: [I64] });
  const rareType: FunctionType = { params: RARE_PARAMS, results: [I32] };
  const rare = module.function(rareType, RARE_LOCALS, emitRare(helpers, instructionHelperType));

  const c = new Code(65536);
  c.get(CPU).mem('i32_load', CPU_TLB).set(TLB);
  c.get(CPU).mem('i32_load', CPU_XTLB).set(XTLB);
  c.get(CPU).mem('i64_load', CPU_PC).set(PC);
  c.get(CPU).i32(0).mem('i32_store', CPU_PENDING_INSNS);
  c.block(); // $exitAtOp: leave at the instruction of the current micro-op
  c.loop(); // $dispatch: go to PC
  emitDispatch(c, helpers, regionType);
  // A block is found: run it.
  c.get(PC).set(BLOCK_PC);
  c.get(BLOCK).i32(BLOCK_HEADER).op('i32_add').set(OP);
  c.loop(); // $next: run the micro-op at OP
  const own = UOPS.filter((uop) => !isRare(uop));
  emitSwitch(c, own);
  own.forEach((uop, i) => {
    // After the label of a handler is closed, those of the later ones and of the rest remain.
    emitHandler(c, uop, helpers, instructionHelperType, own.length - i);
    c.end();
  });
  c.get(CPU).get(OP).get(BLOCK).get(TLB).get(BLOCK_PC).call(rare).brIf(2);
  c.get(OP).i32(UOP_BYTES).op('i32_add').set(OP).br(0);
  c.end(); // $next
  c.end(); // $dispatch
  c.end(); // $exitAtOp
  // PC and count at the current micro-op's instruction.
  c.get(CPU);
  c.get(BLOCK_PC).get(OP).mem('i32_load8_u', 2).i32(2).op('i32_shl').op('i64_extend_i32_u').op('i64_add');
  c.mem('i64_store', CPU_PC);
  c.get(CPU);
  c.get(BLOCK).mem('i32_load', BLOCK_COUNT).get(OP).mem('i32_load8_u', 2).op('i32_sub').i32(1).op('i32_sub');
  c.mem('i32_store', CPU_PENDING_INSNS);

  module.function({ params: [I32], results: [] }, RUN_LOCALS, c, 'run');
  return { bytes: module.build() };
}

/** Opens a label for each handler and one for the rest, and branches by the operation at OP. */
function emitSwitch(c: Code, handled: readonly Uop[]): void {
  const label = new Map(handled.map((uop, i) => [uop, i]));
  for (let i = 0; i <= handled.length; i++) c.block();
  c.get(OP).mem('i32_load16_u');
  c.brTable(UOPS.map((uop) => label.get(uop) ?? handled.length), handled.length);
  c.end();
}

/** The function for rare micro-ops: runs the one at OP, and returns 1 if the block is to be left there. */
function emitRare(helpers: ReadonlyMap<Helper, number>, instructionHelperType: number): Code {
  const c = new Code(65536);
  c.block(); // $exitAtOp
  const rare = UOPS.filter(isRare);
  emitSwitch(c, rare);
  rare.forEach((uop, i) => {
    uop.emit(new InterpreterBackend(c, helpers, instructionHelperType, rare.length - i));
    c.i32(0).op('return');
    c.end();
  });
  c.op('unreachable');
  c.end();
  c.i32(1);
  return c;
}

/** From PC to a charged block in BLOCK; inside `$dispatch` at depth 0, `$exitAtOp` at depth 1. */
function emitDispatch(c: Code, helpers: ReadonlyMap<Helper, number>, regionType: number): void {
  const leave = (reason: number): void => {
    c.get(CPU).get(PC).mem('i64_store', CPU_PC);
    c.get(CPU).i32(reason).mem('i32_store', CPU_EXIT);
    c.op('return');
  };
  tlbEntry(c, XTLB, () => c.get(PC));
  c.tee(ENTRY).mem('i64_load');
  c.get(PC).i64(-4093, -1).op('i64_and').op('i64_eq').if(I32);
  c.get(ENTRY).mem('i32_load', 8).get(PC).op('i32_wrap_i64').i32(0xffc).op('i32_and').op('i32_add').mem('i32_load');
  c.else();
  c.get(CPU).get(PC).call(helpers.get('fetch_block')!);
  c.end();
  c.tee(BLOCK).op('i32_eqz').if();
  leave(EXIT_NO_BLOCK);
  c.end();
  // Compiled code charges for itself.
  c.get(BLOCK).mem('i32_load', BLOCK_COMPILED).tee(ENTRY).if();
  c.get(CPU).get(PC).mem('i64_store', CPU_PC);
  c.get(CPU).get(ENTRY).callIndirect(regionType).set(PC);
  c.get(CPU).mem('i32_load', CPU_EXIT).op('i32_eqz').brIf(1);
  c.get(CPU).get(PC).mem('i64_store', CPU_PC).op('return');
  c.end();
  c.get(CPU).mem('i32_load', CPU_BUDGET).get(BLOCK).mem('i32_load', BLOCK_COUNT).op('i32_sub').tee(ENTRY);
  c.i32(0).op('i32_lt_s').if();
  leave(EXIT_BUDGET);
  c.end();
  // Heat counts down; at zero the block is reported, before it runs.
  c.get(BLOCK).get(BLOCK).mem('i32_load', BLOCK_HEAT).i32(1).op('i32_sub').tee(I32_SCRATCH).mem('i32_store', BLOCK_HEAT);
  c.get(I32_SCRATCH).op('i32_eqz').if();
  leave(EXIT_HOT);
  c.end();
  c.get(CPU).get(ENTRY).mem('i32_store', CPU_BUDGET);
  // Compiled code may have left the flags as operands.
  c.get(CPU).mem('i32_load', CPU_FLAG_KIND).if();
  c.get(CPU).call(helpers.get('plain_flags')!);
  c.end();
}

function emitHandler(
  c: Code,
  uop: Uop,
  helpers: ReadonlyMap<Helper, number>,
  instructionHelperType: number,
  next: number,
): void {
  const dispatch = next + 1;
  const exitAtOp = next + 2;
  const backend = new InterpreterBackend(c, helpers, instructionHelperType, exitAtOp);
  const target = (offset: number): void => {
    c.get(BLOCK_PC).get(OP).mem('i64_load32_s', 8 + offset).op('i64_add');
  };
  switch (uop.kind) {
    case 'plain':
      uop.emit(backend);
      c.get(OP).i32(UOP_BYTES).op('i32_add').set(OP).br(next);
      return;
    case 'branch':
      target(0);
      c.set(PC).br(dispatch);
      return;
    case 'branch-register':
      backend.reg('n');
      c.set(PC).br(dispatch);
      return;
    case 'branch-if':
      // imm holds both distances: pick by condition
      c.get(BLOCK_PC).get(OP);
      c.i32(0).i32(4);
      uop.emit(backend);
      c.op('select').op('i32_add').mem('i64_load32_s', 8).op('i64_add').set(PC).br(dispatch);
      return;
    case 'host':
      c.get(CPU).i32(EXIT_HOST).mem('i32_store', CPU_EXIT);
      c.get(CPU).get(OP).mem('i64_load32_u', 8).mem('i64_store', CPU_ADDR);
      c.br(exitAtOp);
      return;
    case 'unmask':
      uop.emit(backend);
      target(0);
      c.set(PC);
      c.get(CPU).mem('i32_load', CPU_IRQ);
      c.get(CPU).mem('i32_load', CPU_DAIF).i32(-1).op('i32_xor').op('i32_and').op('i32_eqz').brIf(dispatch);
      c.get(CPU).get(PC).mem('i64_store', CPU_PC);
      c.get(CPU).i32(EXIT_IRQ).mem('i32_store', CPU_EXIT);
      c.op('return');
      return;
  }
}
