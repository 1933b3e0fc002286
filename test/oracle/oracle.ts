import type { CpuModelName } from '../../engine/cpu/cpu-models.ts';
import type { Batch, Case, Outcome } from './batch.ts';
import { compareOutcomes, correctOutcome, fieldDifferences } from './compare.ts';
import { type Backend, EngineExecutor, partOf } from './engine.ts';
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
  /** Batches left out at the start: to repeat one of a long run. */
  readonly skip: number;
  readonly classes?: RegExp;
  /** Differences that are shrunk and shown; all are counted. */
  readonly show: number;
  /** How to run a batch again, for whoever reads of a difference. */
  readonly repeat: (batch: number, cases: number) => string;
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
  /** Classes most of whose cases differ: name, differing cases, all cases that have it. */
  readonly suspects: readonly (readonly [name: string, differing: number, cases: number])[];
  /** Where the time went, in seconds. QEMU runs beside the backends: what was left to wait for it. */
  readonly seconds: { readonly [part: string]: number };
}

/** Compares the engine with QEMU on `count` random cases. */
export class Oracle {
  readonly #options: OracleOptions;
  readonly #generator: Generator;
  readonly #executors: readonly { readonly backend: Backend; readonly executor: EngineExecutor }[];
  readonly #classes = new Map<string, number>();
  /** Cases, and differing cases, that have an instruction of a class. */
  readonly #inCases = new Map<string, number>();
  readonly #inDiffering = new Map<string, number>();
  /** Findings by class: more than two of one are not shrunk. */
  readonly #found = new Map<string, number>();
  readonly #findings: Finding[] = [];
  readonly #seconds: { [part: string]: number } = {};
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
    const { count, batchSize, seed, skip, progress } = this.#options;
    let done = 0;
    for (let k = skip; done < count; k++) {
      // Far apart, so that runs with neighbouring seeds have no batch in common
      const batchSeed = (Math.imul(seed, 0x9e37_79b1) + Math.imul(k, 0x85eb_ca6b)) | 0;
      const size = Math.min(batchSize, count - done);
      const batch = this.#timed('generating', () => this.#generator.batch(batchSeed, size));
      await this.#runBatch(batch, k);
      done += batch.cases.length;
      progress?.(done, this.#differences);
    }
    return {
      cases: done,
      instructions: this.#instructions,
      differences: this.#differences,
      findings: this.#findings,
      classes: Object.fromEntries([...this.#classes].sort()),
      suspects: this.#suspects(),
      seconds: this.#seconds,
    };
  }

  #timed<T>(part: string, work: () => T): T {
    const start = performance.now();
    const result = work();
    this.#seconds[part] = (this.#seconds[part] ?? 0) + (performance.now() - start) / 1000;
    return result;
  }

  #suspects(): [string, number, number][] {
    const share = ([, differing, cases]: [string, number, number]): number => differing / cases;
    const all = [...this.#inDiffering].map(([name, n]): [string, number, number] => [
      name,
      n,
      this.#inCases.get(name) ?? n,
    ]);
    return all.sort((a, b) => share(b) - share(a)).slice(0, 20);
  }

  async #runBatch(batch: Batch, number: number): Promise<void> {
    const { cpu } = this.#options;
    const repeat = this.#options.repeat(number, batch.cases.length);
    const pending = this.#timed('QEMU', () => runInQemu(batch, cpu).catch((error: unknown) => error));
    // QEMU runs beside, in its own process.
    const ours = this.#executors.map(({ backend, executor }) => {
      const part = partOf(batch, backend);
      const outcome = this.#timed(backend.name, () => executor.run(part));
      return { backend, executor, part, outcome };
    });
    const start = performance.now();
    const theirs = await pending;
    this.#seconds['QEMU']! += (performance.now() - start) / 1000;
    if (theirs instanceof QemuError) {
      const text = batch.cases[theirs.ran]?.words.map((w) => w.toString(16)).join(' ');
      throw new Error(`${theirs.message} in case ${theirs.ran}: ${text}\nagain: ${repeat}`);
    }
    if (theirs instanceof Error) throw theirs;
    const qemu = theirs as Outcome;
    this.#timed('comparing', () => correctOutcome(batch, cpu, qemu));
    this.#count(batch);
    for (const { backend, executor, part, outcome } of ours) {
      const { differing, windowDiffers } = this.#timed('comparing', () =>
        compareOutcomes(part, outcome, qemu),
      );
      for (const index of differing) {
        this.#differences += 1;
        const c = batch.cases[index]!;
        for (const name of this.#namesIn(c))
          this.#inDiffering.set(name, (this.#inDiffering.get(name) ?? 0) + 1);
        // A class with two findings most likely explains this one.
        const isKnown = [...this.#namesIn(c)].some((name) => (this.#found.get(name) ?? 0) >= 2);
        if (!isKnown && this.#findings.length < this.#options.show)
          await this.#find(part, index, repeat, backend, executor, outcome, qemu);
      }
      if (windowDiffers && part === batch && differing.length === 0) {
        this.#differences += 1;
        this.#options.print(
          `${backend.name}: memory differs outside of what cases are compared by\n  again: ${repeat}`,
        );
      }
    }
  }

  #namesIn(c: Case): Set<string> {
    return new Set(c.classes.map((i) => this.className(i)));
  }

  #count(batch: Batch): void {
    const backends = this.#executors.length;
    for (const c of batch.cases) {
      this.#instructions += c.classes.length;
      for (const name of this.#namesIn(c)) this.#inCases.set(name, (this.#inCases.get(name) ?? 0) + backends);
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
    repeat: string,
    backend: Backend,
    executor: EngineExecutor,
    ours: Outcome,
    theirs: Outcome,
  ): Promise<void> {
    const { cpu } = this.#options;
    const original = batch.cases[index]!;
    const inQemu = async (b: Batch): Promise<Outcome> => {
      const outcome = await runInQemu(b, cpu);
      correctOutcome(b, cpu, outcome);
      return outcome;
    };
    // Not the one that made the batch: what it has compiled could matter.
    const shrinker =
      backend.tierOfFew === undefined
        ? executor
        : new EngineExecutor(cpu, { ...backend, tier: backend.tierOfFew });
    const small = await shrink(
      original,
      batch,
      async (b) => compareOutcomes(b, shrinker.run(b), await inQemu(b)).differing,
    );
    const c = small ?? original;
    const alone: Batch = { ...batch, cases: [c], following: [] };
    const differences =
      small === undefined
        ? fieldDifferences(batch, index, ours, theirs)
        : fieldDifferences(alone, 0, shrinker.run(alone), await inQemu(alone));
    const finding: Finding = {
      backend: backend.name,
      repeat,
      index,
      className: this.#blame(c) + (small === undefined ? ', only after other cases' : ''),
      case: saveCase(c, batch.surroundings),
      differences,
    };
    this.#findings.push(finding);
    const name = this.#blame(c);
    this.#found.set(name, (this.#found.get(name) ?? 0) + 1);
    this.#options.print(describeFinding(finding, c, batch.surroundings));
  }
}
