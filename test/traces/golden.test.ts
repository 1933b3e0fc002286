import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { MemorySource, SyncTraceReader } from '../../traces/index.ts';
import { HEADER, smallEvents, withOrdinals, writeSmallTrace } from './support.ts';

/** Files of each format version that was ever released. They must keep opening: never rewrite one. */
const FOLDER = new URL('golden/', import.meta.url);

describe('golden traces', () => {
  test('exist', () => {
    expect(readdirSync(FOLDER).sort()).toEqual(['v1-closed.vtrace', 'v1-killed.vtrace']);
  });

  test('v1-closed opens with all that was recorded', () => {
    const reader = SyncTraceReader.open(new MemorySource(readFileSync(new URL('v1-closed.vtrace', FOLDER))));
    expect(reader.file.openedBy).toBe('index');
    expect(reader.header).toEqual(HEADER);
    expect([...reader.events()]).toEqual(withOrdinals(smallEvents()));
    expect(reader.verify()).toBe(reader.chunks.length);
    expect(reader.end?.reason).toBe('system-off');
    expect(reader.checkpoint(6000)?.pages[0]?.address).toBe(0x4000_0000);
    expect(reader.hashes()[0]?.devices).toEqual({ uart0: '1234' });
  });

  test('v1-killed opens up to its last whole chunk', () => {
    const reader = SyncTraceReader.open(new MemorySource(readFileSync(new URL('v1-killed.vtrace', FOLDER))));
    expect(reader.file.openedBy).toBe('scan');
    expect(reader.damage?.message).toMatch(/the file ends inside a chunk/);
    expect(reader.end).toBeUndefined();
    expect(reader.complete).toBe(3000);
    const events = withOrdinals(smallEvents()).filter(({ position }) => position < 3000);
    expect([...reader.events({ to: 3000 })]).toEqual(events);
  });

  // When the writer learns to choose better, this becomes a comparison of sizes; the files stay.
  test('of the current version are what the writer still writes', () => {
    const golden = readFileSync(new URL('v1-closed.vtrace', FOLDER));
    expect(Buffer.compare(golden, writeSmallTrace())).toBe(0);
  });
});
