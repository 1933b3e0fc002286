import { SyncTraceReader } from '../../traces/index.ts';
import { openTraceFile } from './files.ts';
import { NODE_CODEC } from './lz4.ts';

/** @throws OptionError if the file cannot be opened, TraceError if it is no trace */
export function openTrace(path: string): { reader: SyncTraceReader; bytes: number; close(): void } {
  const source = openTraceFile(path);
  try {
    const reader = SyncTraceReader.open(source, { codec: NODE_CODEC });
    return { reader, bytes: source.size, close: () => source.close() };
  } catch (error) {
    source.close();
    throw error;
  }
}
