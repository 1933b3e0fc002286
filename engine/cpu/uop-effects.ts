import { type Backend, type Flag, type Helper, type Operand, UOPS } from './uops.ts';
import { Code } from './wasm/emitter.ts';

/** How the flags are held after a micro-op that sets them (see compiler-backend.ts). */
export const FLAGS = { PLAIN: 0, ADD64: 1, ADD32: 2, SUB64: 3, SUB32: 4, LOGIC: 5, INHERITED: 7 } as const;

/** What a micro-op does to registers and flags, found by running its definition once. */
export interface Effects {
  readonly reads: readonly Operand[];
  readonly writes: readonly Operand[];
  /** Kind of the flags it leaves, or undefined if it leaves them alone. */
  readonly flags: number | undefined;
  /** Calls the instruction helper in its immediate, always or sometimes. */
  readonly helper: boolean;
}

class Recorder implements Backend {
  readonly c = new Code(256);
  readonly reads = new Set<Operand>();
  readonly writes = new Set<Operand>();
  flags: number | undefined;
  helper = false;

  reg(operand: Operand): void {
    this.reads.add(operand);
  }
  setReg(operand: Operand, value: () => void): void {
    value();
    this.writes.add(operand);
  }
  imm(): void {}
  imm32(): void {}
  x(): void {}
  flag(_flag: Flag): void {}
  setFlag(_flag: Flag, value: () => void): void {
    value();
    this.flags = FLAGS.PLAIN;
  }
  arithmeticFlags(subtract: boolean, wide: boolean): void {
    this.flags = subtract ? (wide ? FLAGS.SUB64 : FLAGS.SUB32) : wide ? FLAGS.ADD64 : FLAGS.ADD32;
  }
  logicalFlags(_wide: boolean): void {
    this.flags = FLAGS.LOGIC;
  }
  condition(_cond: number): void {}
  get64(_index: number): void {}
  set64(_index: number): void {}
  tee64(_index: number): void {}
  get32(_index: number): void {}
  set32(_index: number): void {}
  tee32(_index: number): void {}
  cpu(): void {}
  budget(_beforeBlock: boolean): void {}
  blockPc(): void {}
  vreg(_operand: Operand): void {}
  access(_write: boolean, _unprivileged: boolean, _bytes: number, hit: () => void, miss: () => void): void {
    hit();
    miss();
  }
  call(_helper: Helper): void {}
  desc(_flags: number): void {}
  exitIfAsked(): void {}
  instructionHelper(): void {
    this.helper = true;
  }
}

/** By micro-op code. */
export const EFFECTS: readonly Effects[] = UOPS.map((definition) => {
  const recorder = new Recorder();
  definition.emit(recorder);
  if (definition.kind === 'branch-register') recorder.reads.add('n');
  return {
    reads: [...recorder.reads],
    writes: [...recorder.writes],
    flags: recorder.flags,
    helper: recorder.helper,
  };
});
