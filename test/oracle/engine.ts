import { readFileSync } from 'node:fs';
import { defaultVirtConfig } from '../../engine/boards/virt/config.ts';
import { type CompilerOptions, DEFAULT_COMPILER, FORCED_COMPILER } from '../../engine/cpu/compiler.ts';
import { SYS_ESR_EL1 } from '../../engine/cpu/helpers/layout.ts';
import { Machine } from '../../engine/machine.ts';
import { type Batch, buildImage, casesRun, type Outcome, outcomeSizes } from './batch.ts';
import { CODE_PA, DUMPS_PA, RAM_BYTES, RESULTS_PA, WINDOW_PA } from './layout.ts';
import { HARNESS } from './qemu.ts';

/** One way to run the engine. */
export interface Backend {
  readonly name: string;
  readonly tier: 'interpreted' | CompilerOptions;
  /** For batches of few cases, with which `tier` would not compile anything: when a difference is shrunk. */
  readonly tierOfFew?: CompilerOptions;
  readonly blockLimit?: number;
  /** Times a batch is run; the last one counts. */
  readonly passes: number;
  /** Only the first cases of every batch, for a backend that is slow. */
  readonly cases?: number;
}

export const BACKENDS: readonly Backend[] = [
  { name: 'interpreter', tier: 'interpreted', passes: 1 },
  // Every block is one instruction long: what the cutting of blocks changes is a bug.
  { name: 'interpreter-single', tier: 'interpreted', blockLimit: 1, passes: 1 },
  // As machines run: what is hot, the program that runs the cases above all, is compiled beside interpreted cases.
  { name: 'compiler-default', tier: DEFAULT_COMPILER, passes: 1 },
  // Every block is compiled before it runs for the first time, in a module of its own: a millisecond for each case.
  { name: 'compiler-eager', tier: FORCED_COMPILER, passes: 1, cases: 128 },
  /*
   * The first pass makes the blocks, so that the second one can join them to regions when each asks to be compiled;
   * the third one runs what was made, many regions in a module.
   */
  {
    name: 'compiler',
    tier: { ...FORCED_COMPILER, threshold: 2, patience: 1 << 30, batch: 64 },
    tierOfFew: { ...FORCED_COMPILER, threshold: 2 },
    passes: 3,
  },
];

/** The cases that a backend runs. */
export function partOf(batch: Batch, backend: Backend): Batch {
  if (backend.cases === undefined || batch.cases.length <= backend.cases) return batch;
  return {
    ...batch,
    cases: batch.cases.slice(0, backend.cases),
    following: batch.cases.slice(backend.cases),
  };
}

/** Instructions no case comes near, set-up and results included. */
const INSTRUCTIONS_PER_CASE = 4000;

/** The engine as an executor of batches; the machine is made once. */
export class EngineExecutor {
  readonly #machine: Machine;

  readonly #passes: number;

  constructor(cpu: string, backend: Backend) {
    this.#passes = backend.passes;
    const base = defaultVirtConfig();
    this.#machine = new Machine({
      config: {
        ...base,
        cpu: { ...base.cpu, model: cpu },
        ram: { size: RAM_BYTES, maxSize: RAM_BYTES, slots: 0 },
        serial: ['none'],
      },
      images: { kernel: { name: 'harness.elf', bytes: readFileSync(HARNESS) } },
      baseSeconds: 0,
      inputs: { entropy: (_, length) => new Uint8Array(length) },
      tier: backend.tier,
      ...(backend.blockLimit === undefined ? {} : { blockLimit: backend.blockLimit }),
    });
  }

  run(batch: Batch): Outcome {
    const machine = this.#machine;
    const sizes = outcomeSizes(batch);
    const { cluster } = machine;
    const image = buildImage(batch);
    const empty = new Uint8Array(Math.max(sizes.results, sizes.dumps));
    for (let pass = 0; pass < this.#passes; pass++) {
      machine.reset();
      for (const [pa, bytes] of image) {
        // Code that is written again loses its blocks.
        if (pass === 0 || pa !== CODE_PA) machine.memory.write(pa, bytes);
      }
      machine.memory.write(RESULTS_PA, empty.subarray(0, sizes.results));
      machine.memory.write(DUMPS_PA, empty.subarray(0, sizes.dumps));
      /*
       * The cluster runs without the machine's turns: the end of a turn clears the exclusive monitor, as it may, and
       * a store-exclusive would then fail now and then.
       */
      let left = 100_000 + batch.cases.length * INSTRUCTIONS_PER_CASE;
      while (left > 0 && cluster.power[0] === 'on') {
        cluster.run(0, left);
        left -= cluster.executed;
        // WFE: nobody else is there to send an event.
        cluster.wake(0);
      }
    }
    const read = (pa: number, length: number): Uint8Array => {
      const bytes = new Uint8Array(length);
      machine.memory.read(pa, bytes);
      return bytes;
    };
    const outcome: Outcome = {
      results: read(RESULTS_PA, sizes.results),
      dumps: read(DUMPS_PA, sizes.dumps),
      window: read(WINDOW_PA, sizes.window),
    };
    const ran = casesRun(outcome);
    if (ran !== batch.cases.length) {
      const s = cluster.states[0]!;
      const words = batch.cases[ran]!.words.map((w) => w.toString(16)).join(' ');
      const where = `PC 0x${s.pc.toString(16)} EL${s.el} ESR_EL1 0x${s.sysreg(SYS_ESR_EL1).toString(16)}`;
      throw new Error(
        `the engine stopped after ${ran} of ${batch.cases.length} cases, at ${where}; next is ${words}`,
      );
    }
    return outcome;
  }
}
