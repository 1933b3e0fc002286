/** Symbols that a trace brings with it: of its images that are ELF files. */
import type { SyncTraceReader } from '../../traces/index.ts';
import { parseSymbols, SymbolFileError, SymbolTable } from './symbols.ts';

const MAX_IMAGE = 256 << 20;

/** @throws TraceError */
export function symbolsOf(reader: SyncTraceReader): SymbolTable {
  let symbols = new SymbolTable([]);
  const embedded = reader.embeddedImages();
  for (const ref of reader.header.images) {
    if (!embedded.has(ref.sha256) || ref.size > MAX_IMAGE || ref.size < 64) continue;
    const head = reader.imageRange(ref, 0, 4);
    if (head[0] !== 0x7f || head[1] !== 0x45 || head[2] !== 0x4c || head[3] !== 0x46) continue;
    try {
      symbols = symbols.with(parseSymbols(reader.image(ref)));
    } catch (error) {
      // A stripped image is none that is wrong.
      if (!(error instanceof SymbolFileError)) throw error;
    }
  }
  return symbols;
}
