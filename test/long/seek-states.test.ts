import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { NODE_CODEC } from '../../recorder/host/lz4.ts';
import { complete } from '../../recorder/session/operation.ts';
import { Playback } from '../../recorder/session/playback.ts';
import type { RunningChoices } from '../../recorder/session/setup.ts';
import { Timeline } from '../../recorder/session/timeline.ts';
import { MemorySource, SyncTraceReader } from '../../traces/index.ts';
import { virtrace } from '../support/command.ts';
import { randomNumbers } from '../support/determinism.ts';
import { hasLinux, LINUX_IMAGE, LINUX_INITRD } from '../support/machines.ts';

/** The state at a position is the same whichever way led there: hash for hash, at a thousand random positions. */
const PLACES = 1000;

const ways: readonly (readonly [name: string, running: RunningChoices, instructions: string])[] = [
  ['the interpreter alone', { tier: 'interpreted' }, '1G'],
  ['the compiler where it pays', {}, '1G'],
  // It compiles anew after every jump; the whole boot would take hours.
  ['the compiler for everything', { tier: 'compiled' }, '20M'],
];

const folder = mkdtempSync(join(tmpdir(), 'virtrace-seek-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Recordings, random places, and the hashes there of a run straight from the start; by length. */
const made = new Map<string, { reader: SyncTraceReader; straight: Map<number, string> }>();

function recorded(instructions: string): { reader: SyncTraceReader; straight: Map<number, string> } {
  let boot = made.get(instructions);
  if (boot !== undefined) return boot;
  const file = join(folder, `boot-${instructions}.vtrace`);
  const machine = ['-M', 'virt,gic-version=3', '-cpu', 'cortex-a57', '-smp', '4', '-m', '512'];
  const guest = ['-kernel', LINUX_IMAGE, '-initrd', LINUX_INITRD, '-nographic', '--limit', instructions];
  const append = 'console=ttyAMA0 cryptomgr.notests=1';
  expect(virtrace(['record', '-o', file, ...machine, ...guest, '-append', append]).code).toBe(0);
  const reader = SyncTraceReader.open(new MemorySource(readFileSync(file)), { codec: NODE_CODEC });
  const random = randomNumbers(5);
  const places = Array.from({ length: PLACES }, () => Math.floor(random() * reader.end!.position));
  const playback = new Playback({ reader, codec: NODE_CODEC });
  playback.machine.cluster.armed = false;
  const hashes = new Map<number, string>();
  for (const place of [...places].sort((a, b) => a - b)) {
    expect(playback.run(place)).toEqual({ reason: 'there' });
    hashes.set(place, playback.machine.hash().all);
  }
  boot = { reader, straight: new Map(places.map((place) => [place, hashes.get(place)!])) };
  made.set(instructions, boot);
  return boot;
}

describe.skipIf(!hasLinux)('a jump in a boot of Linux on 4 CPUs', () => {
  it.each(ways)('gives the state of a straight run, with %s', (_name, running, instructions) => {
    const { reader, straight } = recorded(instructions);
    const timeline = new Timeline({ reader, codec: NODE_CODEC, running });
    const wrong: number[] = [];
    for (const [place, hash] of straight) {
      complete(timeline.seek(place));
      if (timeline.position !== place || timeline.machine.hash().all !== hash) wrong.push(place);
    }
    expect(wrong).toEqual([]);
  });
});
