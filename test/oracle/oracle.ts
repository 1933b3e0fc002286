import type { CpuModelName } from '../../engine/cpu/cpu-models.ts';
import type { Batch, Case, Outcome } from './batch.ts';
import { compareOutcomes, fieldDifferences } from './compare.ts';
import { type Backend, EngineExecutor } from './engine.ts';
import { Generator, UNALLOCATED } from './generate.ts';
import { QemuError, runInQemu } from './qemu.ts';
import { describeFinding, type Finding, saveCase } from './report.ts';
import { shrink } from './shrink.ts';

export interface OracleOptions {
  readonly cpu: CpuModelName;
  readonly backends: readonly Backend[];
  readonly count: number;
  readonly seed: number;
  readonly batchSize: number;
  readonly classes?: RegExp;
  /** Differences that are shrunk and shown; all are counted. */
  readonly show: number;
  readonly progress?: (done: number, differences: number) => void;
  readonly print: (text: string) => void;
}

export interface OracleResult {
  readonly cases: number;
  readonly instructions: number;
  readonly differences: number;
  readonly findings: readonly Finding[];
  /** Instructions compared, by class. */
  readonly classes: { readonly [name: string]: number };
  readonly differencesByClass: { readonly [name: string]: number };
}

/** Compares the engine with QEMU on `count` random cases. */
export class Oracle {
  readonly #options: OracleOptions;
  readonly #generator: Generator;
  readonly #executors: readonly { readonly backend: Backend; readonly executor: EngineExecutor }[];
  readonly #classes = new Map<string, number>();
  readonly #byClass = new Map<string, number>();
  readonly #findings: Finding[] = [];
  #differences = 0;
  #instructions = 0;

  constructor(options: OracleOptions) {
    this.#options = options;
    this.#generator = new Generator(options);
    this.#executors = options.backends.map((backend) => ({
      backend,
      executor: new EngineExecutor(options.cpu, backend),
    }));
  }

  className(index: number): string {
    return index === UNALLOCATED ? 'UNALLOCATED' : this.#generator.encodings[index]!.name;
  }

  async run(): Promise<OracleResult> {
    const { count, batchSize, seed, progress } = this.#options;
    let done = 0;
    for (let k = 0; done < count; k++) {
      // Far apart, so that runs with neighbouring seeds have no batch in common
      const batchSeed = (Math.imul(seed, 0x9e37_79b1) + Math.imul(k, 0x85eb_ca6b)) | 0;
      const batch = this.#generator.batch(batchSeed, Math.min(batchSize, count - done));
      await this.#runBatch(batch, batchSeed);
      done += batch.cases.length;
      progress?.(done, this.#differences);
    }
    return {
      cases: done,
      instructions: this.#instructions,
      differences: this.#differences,
      findings: this.#findings,
      classes: Object.fromEntries([...this.#classes].sort()),
      differencesByClass: Object.fromEntries([...this.#byClass].sort()),
    };
  }

  async #runBatch(batch: Batch, seed: number): Promise<void> {
    const { cpu } = this.#options;
    const pending = runInQemu(batch, cpu).catch((error: unknown) => error);
    // QEMU runs beside, in its own process.
    const ours = this.#executors.map(({ backend, executor }) => ({
      backend,
      executor,
      outcome: executor.run(batch),
    }));
    const theirs = await pending;
    if (theirs instanceof QemuError) {
      const text = batch.cases[theirs.ran]?.words.map((w) => w.toString(16)).join(' ');
      throw new Error(`${theirs.message} in case ${theirs.ran} of batch ${seed}: ${text}`);
    }
    if (theirs instanceof Error) throw theirs;
    const qemu = theirs as Outcome;
    this.#count(batch);
    for (const { backend, executor, outcome } of ours) {
      const { differing, windowDiffers } = compareOutcomes(batch, cpu, outcome, qemu);
      for (const index of differing) {
        this.#differences += 1;
        const c = batch.cases[index]!;
        const name = this.#blame(c);
        const seen = this.#byClass.get(name) ?? 0;
        this.#byClass.set(name, seen + 1);
        if (seen < 2 && this.#findings.length < this.#options.show)
          await this.#find(batch, index, seed, backend, executor, outcome, qemu);
      }
      if (windowDiffers && differing.length === 0) {
        this.#differences += 1;
        this.#options.print(
          `${backend.name}, batch ${seed}: memory differs outside of what cases are compared by`,
        );
      }
    }
  }

  #count(batch: Batch): void {
    for (const c of batch.cases) {
      this.#instructions += c.classes.length;
      for (const i of c.classes)
        this.#classes.set(this.className(i), (this.#classes.get(this.className(i)) ?? 0) + 1);
    }
  }

  #blame(c: Case): string {
    return this.className(c.classes[c.classes.length - 1]!);
  }

  async #find(
    batch: Batch,
    index: number,
    seed: number,
    backend: Backend,
    executor: EngineExecutor,
    ours: Outcome,
    theirs: Outcome,
  ): Promise<void> {
    const { cpu } = this.#options;
    const original = batch.cases[index]!;
    const small = await shrink(
      original,
      batch,
      async (b) => compareOutcomes(b, cpu, executor.run(b), await runInQemu(b, cpu)).differing,
    );
    const c = small ?? original;
    const alone: Batch = { ...batch, cases: [c] };
    const differences =
      small === undefined
        ? fieldDifferences(batch, index, ours, theirs)
        : await (async () => {
            const [a, b] = [executor.run(alone), await runInQemu(alone, cpu)];
            compareOutcomes(alone, cpu, a, b); // corrects what QEMU left
            return fieldDifferences(alone, 0, a, b);
          })();
    const finding: Finding = {
      backend: backend.name,
      seed,
      index,
      className: this.#blame(c) + (small === undefined ? ', only after other cases' : ''),
      case: saveCase(c, batch.surroundings),
      differences,
    };
    this.#findings.push(finding);
    this.#options.print(describeFinding(finding, c, batch.surroundings));
  }
}
