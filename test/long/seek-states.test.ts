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
/** A third of a second for a million instructions that are compiled anew. */
const COMPILED_PLACES = 120;
const COMPILED_DISTANCE = 400_000;

const ways: readonly (readonly [name: string, running: RunningChoices, instructions: string])[] = [
  ['the interpreter alone', { tier: 'interpreted' }, '1G'],
  ['the compiler where it pays', {}, '1G'],
  // It compiles anew after every jump; the whole boot would take hours. Places near checkpoints are below.
  ['the compiler for everything', { tier: 'compiled' }, '20M'],
];

const folder = mkdtempSync(join(tmpdir(), 'virtrace-seek-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Recordings, random places, and the hashes there of a run straight from the start; by length. */
const made = new Map<string, { reader: SyncTraceReader; straight: Map<number, string> }>();

const MACHINE_OPTIONS = ['-M', 'virt,gic-version=3', '-cpu', 'cortex-a57', '-smp', '4', '-m', '512'];

function recordBoot(file: string, ...more: string[]): SyncTraceReader {
  const guest = ['-kernel', LINUX_IMAGE, '-initrd', LINUX_INITRD, '-nographic', ...more];
  const append = 'console=ttyAMA0 cryptomgr.notests=1';
  expect(virtrace(['record', '-o', file, ...MACHINE_OPTIONS, ...guest, '-append', append]).code).toBe(0);
  return SyncTraceReader.open(new MemorySource(readFileSync(file)), { codec: NODE_CODEC });
}

/** The hashes at places of a run straight from the start. */
function straightHashes(reader: SyncTraceReader, places: readonly number[]): Map<number, string> {
  const playback = new Playback({ reader, codec: NODE_CODEC });
  playback.machine.cluster.armed = false;
  const hashes = new Map<number, string>();
  for (const place of [...places].sort((a, b) => a - b)) {
    expect(playback.run(place)).toEqual({ reason: 'there' });
    hashes.set(place, playback.machine.hash().all);
  }
  return new Map(places.map((place) => [place, hashes.get(place)!]));
}

/** Places that have another state after a jump than on the straight way. */
function wrongPlaces(timeline: Timeline, straight: ReadonlyMap<number, string>): number[] {
  const wrong: number[] = [];
  for (const [place, hash] of straight) {
    complete(timeline.seek(place));
    if (timeline.position !== place || timeline.machine.hash().all !== hash) wrong.push(place);
  }
  return wrong;
}

function recorded(instructions: string): { reader: SyncTraceReader; straight: Map<number, string> } {
  let boot = made.get(instructions);
  if (boot !== undefined) return boot;
  const file = join(folder, `boot-${instructions}.vtrace`);
  const reader = recordBoot(file, '--limit', instructions);
  const random = randomNumbers(5);
  const places = Array.from({ length: PLACES }, () => Math.floor(random() * reader.end!.position));
  boot = { reader, straight: straightHashes(reader, places) };
  made.set(instructions, boot);
  return boot;
}

describe.skipIf(!hasLinux)('a jump in a boot of Linux on 4 CPUs', () => {
  it.each(ways)('gives the state of a straight run, with %s', (_name, running, instructions) => {
    const { reader, straight } = recorded(instructions);
    const timeline = new Timeline({ reader, codec: NODE_CODEC, running });
    expect(wrongPlaces(timeline, straight)).toEqual([]);
  });

  it('to checkpoints in the file, all over the boot, gives it with the compiler for everything, too', () => {
    const reader = recordBoot(join(folder, 'checkpoints.vtrace'), '--checkpoints', '20');
    const random = randomNumbers(6);
    const { checkpoints } = reader;
    expect(checkpoints.length).toBeGreaterThan(10);
    const places = Array.from({ length: COMPILED_PLACES }, () => {
      return (
        checkpoints[Math.floor(random() * checkpoints.length)]! + Math.floor(random() * COMPILED_DISTANCE)
      );
    });
    const straight = straightHashes(reader, places);
    const timeline = new Timeline({ reader, codec: NODE_CODEC, running: { tier: 'compiled' } });
    expect(wrongPlaces(timeline, straight)).toEqual([]);
    expect(timeline.playback.checkpointProblem).toBeUndefined();
  });
});
