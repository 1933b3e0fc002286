import { formatCount } from '../app/format.ts';
import type { Model } from '../app/model.ts';
import type { KernelMoment, SymbolFile } from '../data/protocol.ts';
import type { SystemRegisterView } from '../engine/protocol.ts';
import type { MachineLink } from './machine-link.ts';

/** Linux moves itself by multiples of this (arm64: 2 MiB, and less where pages are larger). */
const SLIDE_UNIT = 1n << 16n;
const NEAR = 1n << 28n;

/**
 * Takes files with symbols. A kernel that has moved itself is where its vectors are: what VBAR_EL1 says, held
 * against the symbol of the vectors.
 */
export class SymbolPlacer {
  readonly #model: Model;
  readonly #link: MachineLink;

  constructor(model: Model, link: MachineLink) {
    this.#model = model;
    this.#link = link;
  }

  /** Returns what there is to say about it. */
  async add(file: File): Promise<string> {
    const { client } = this.#model;
    try {
      const read = await client.call<SymbolFile>('readSymbols', new Uint8Array(await file.arrayBuffer()));
      const slide = read.vectors.length === 0 ? 0n : await this.#slide(read);
      await client.call('placeSymbols', (slide ?? 0n).toString());
      const found = `${file.name}: ${formatCount(read.count)} symbols`;
      const by = (slide ?? 0n) < 0n ? `-0x${(-slide!).toString(16)}` : `0x${(slide ?? 0n).toString(16)}`;
      const said =
        slide === undefined
          ? `${found}, where the file says; where the kernel was could not be found out.`
          : slide === 0n
            ? `${found}.`
            : `${found}; the kernel was moved by ${by} (KASLR), and they with it.`;
      this.#model.symbolFiles.push(said);
      return said;
    } catch (error) {
      return `${file.name}: ${(error as Error).message}`;
    }
  }

  /** Bytes from where the file puts the kernel to where it ran; undefined: not found out. */
  async #slide({ vectors, text }: SymbolFile): Promise<bigint | undefined> {
    const moments = await this.#model.client.call<KernelMoment[]>('kernelMoments');
    for (const { position, cpu, pc } of moments) {
      if ((await this.#link.move('seek', position)) === undefined) return undefined;
      const registers = await this.#link.call<SystemRegisterView[]>('system', cpu);
      const vbar = BigInt(registers.find(({ name }) => name === 'VBAR_EL1')?.value ?? 0);
      for (const address of vectors) {
        const slide = vbar - BigInt(address);
        const at = BigInt(pc) - slide;
        // Without ends, code is taken to be about the vectors.
        const from = text === undefined ? BigInt(address) - NEAR : BigInt(text.from);
        const to = text === undefined ? BigInt(address) + NEAR : BigInt(text.to);
        if (slide % SLIDE_UNIT === 0n && at >= from && at < to) return slide;
      }
    }
    return undefined;
  }
}
