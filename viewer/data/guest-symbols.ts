import { parseSymbols, SymbolFileError, SymbolTable } from '../../recorder/session/symbols.ts';
import { TraceError, type TraceReader } from '../../traces/index.ts';
import type { SymbolFile, TraceFacts } from './protocol.ts';

const MAX_SYMBOL_IMAGE = 256 << 20;
/** What Linux for arm64 puts into VBAR_EL1 while it runs itself, and not a program. */
const VECTORS = ['vectors', '__bp_harden_el1_vectors'];

/** Names of the guest's addresses: out of the trace's ELF images, and out of files that a person gave. */
export class GuestSymbols {
  #table = new SymbolTable([]);
  /** Read, and not yet placed. */
  #read: SymbolTable | undefined;

  /** Reads symbols out of the images, where they are ELF files. */
  async load(reader: TraceReader, images: TraceFacts['images']): Promise<void> {
    for (const ref of reader.header.images) {
      if (!images.some(({ sha256, embedded }) => embedded && sha256 === ref.sha256)) continue;
      if (ref.size > MAX_SYMBOL_IMAGE || ref.size < 64) continue;
      try {
        const magic = await reader.imageRange(ref, 0, 4);
        if (magic[0] !== 0x7f || magic[1] !== 0x45) continue;
        this.#table = this.#table.with(parseSymbols(await reader.image(ref)));
      } catch (error) {
        if (!(error instanceof SymbolFileError) && !(error instanceof TraceError)) throw error;
      }
    }
  }

  /** A file with symbols, which are not used before they are placed. @throws SymbolFileError */
  read(file: Uint8Array): SymbolFile {
    const table = parseSymbols(file);
    this.#read = table;
    const hex = (name: string): string | undefined => {
      const address = table.addressOf(name);
      return address === undefined ? undefined : `0x${address.toString(16)}`;
    };
    const [from, to] = [hex('_stext') ?? hex('_text'), hex('_etext')];
    return {
      count: table.size,
      vectors: VECTORS.flatMap((name) => hex(name) ?? []),
      ...(from === undefined || to === undefined ? {} : { text: { from, to } }),
    };
  }

  /** Uses the symbols that were read last, `delta` bytes from where their file has them. */
  place(delta: bigint): void {
    if (this.#read === undefined) return;
    this.#table = this.#table.with(delta === 0n ? this.#read : this.#read.movedBy(delta));
    this.#read = undefined;
  }

  describe(pc: bigint): string | undefined {
    return this.#table.describe(pc);
  }

  addressOf(name: string): bigint | undefined {
    return this.#table.addressOf(name);
  }

  /** Names that begin so, whatever the case. */
  startingWith(prefix: string, limit: number): string[] {
    const lower = prefix.toLowerCase();
    const found: string[] = [];
    for (const { name } of this.#table) {
      if (!name.toLowerCase().startsWith(lower)) continue;
      found.push(name);
      if (found.length >= limit) break;
    }
    return found;
  }
}
