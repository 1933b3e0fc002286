import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { segmentsOf, VerifyJobs, type VerifyThread } from '../../../recorder/cli/verify-jobs.ts';
import { type VerifyTask, verifySegment, type WorkerMessage } from '../../../recorder/cli/verify-worker.ts';
import { openTrace } from '../../../recorder/host/open-trace.ts';
import type { Segment } from '../../../recorder/session/replay.ts';
import { recordTrace, STORM } from '../session/debug-support.ts';
import { forge } from '../session/forge.ts';
import { ROOT, temporary } from './support.ts';

const COMMAND = [process.execPath, '--import', 'tsx', join(ROOT, 'recorder/cli/main.ts')] as const;
const dir = temporary();
afterAll(() => dir.remove());
const good = dir.file('good.vtrace');
/** Two events differ, in the second and the fourth of six parts. */
const bad = dir.file('bad.vtrace');
const none = dir.file('none.vtrace');

beforeAll(() => {
  const storm = recordTrace({ kernel: STORM, checkpoints: 2_000_000 });
  writeFileSync(good, storm);
  const wrong = [3_000_000, 7_000_000];
  writeFileSync(
    bad,
    forge(storm, {
      event: (event) => {
        if (event.kind !== 'access' || wrong.length === 0 || event.position < wrong[0]!) return event;
        wrong.shift();
        return { ...event, value: event.value ^ 1n };
      },
    }),
  );
  writeFileSync(none, forge(storm, { checkpoint: () => undefined }));
});

function task(file: string): VerifyTask {
  return { task: 'verify', file, images: [], running: {}, silent: [] };
}

/** Threads whose segments end in an order that a test chooses: the later ones first. */
function lateFirst(started: Segment[]): (task: VerifyTask) => VerifyThread {
  let waiting = 0;
  return (verifyTask) => {
    let hear: (message: WorkerMessage) => void = () => {};
    let isEnded = false;
    return {
      on: (event: string, listener: (argument: never) => void) => {
        if (event === 'message') hear = listener as (message: WorkerMessage) => void;
      },
      postMessage: (segment) => {
        started.push(segment);
        const delay = 50 - 10 * waiting++;
        setTimeout(() => {
          if (isEnded) return;
          const result = verifySegment(verifyTask, segment, (message) => hear(message));
          hear({ kind: 'done', result });
        }, delay);
      },
      terminate: () => {
        isEnded = true;
      },
    };
  };
}

async function verified(file: string, jobs: number) {
  const trace = openTrace(file);
  const started: Segment[] = [];
  let console = '';
  const all = new VerifyJobs(trace.reader, jobs, task(file), lateFirst(started), (bytes) => {
    console += Buffer.from(bytes).toString('latin1');
  });
  await all.run();
  const { isWhole, ...result } = all.result();
  trace.close();
  return { isWhole, result, console, started };
}

function sequential(file: string) {
  let console = '';
  const result = verifySegment(task(file), {}, (message) => {
    if (message.kind === 'output') console += Buffer.from(message.bytes).toString('latin1');
  });
  return { result, console };
}

describe('several threads', () => {
  test('come to what one comes to, whoever ends first, and print in order', async () => {
    const one = sequential(good);
    const { result, console, isWhole } = await verified(good, 3);
    expect(result).toEqual(one.result);
    expect(console).toBe(one.console);
    expect(isWhole).toBe(true);
  });

  test('report the first difference, also if a later one is found before it', async () => {
    const one = sequential(bad);
    expect(one.result.divergence!.position).toBeGreaterThanOrEqual(3_000_000);
    const { result, console } = await verified(bad, 4);
    expect(result).toEqual(one.result);
    expect(console).toBe(one.console);
  });

  test('have parts of some length, however many checkpoints there are', () => {
    const { reader, close } = openTrace(good);
    expect(segmentsOf(reader, 1).length).toBeGreaterThan(1);
    expect(segmentsOf(reader, 1).length).toBeLessThanOrEqual(segmentsOf(reader, 16).length);
    close();
  });
});

describe('replay --verify --jobs', () => {
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(COMMAND[0], [...COMMAND.slice(1), 'replay', ...args], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    return { status, stdout, stderr };
  };

  test('ends like one without, to the letter', () => {
    for (const [file, how] of [
      [good, '--json'],
      [bad, '--verify'],
    ] as const) {
      const [two, one] = [['--jobs', '2'], []].map((jobs) => run(file, '--verify', how, ...jobs));
      expect(two).toEqual(one);
    }
  });

  test('says that one thread does it where no checkpoint is, and that it is for verifying', () => {
    const { status, stderr } = run(none, '--verify', '--no-console', '--jobs', '2');
    expect(status).toBe(0);
    expect(stderr).toContain('has no checkpoints to begin at, so one thread verifies it');
    expect(run(good, '--jobs', '2')).toMatchObject({ status: 2 });
    expect(run(good, '--verify', '--jobs', '0').stderr).toContain('--jobs');
  });

  test('is ended by a signal', async () => {
    const child = spawn(
      COMMAND[0],
      [...COMMAND.slice(1), 'replay', good, '--verify', '--jobs', '2', '--block-limit', '1'],
      {
        cwd: ROOT,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let err = '';
    child.stderr.on('data', (data) => {
      err += data;
    });
    const done = new Promise<number | null>((resolve) => child.on('close', resolve));
    await once(child.stdout, 'data');
    child.stdout.resume();
    child.kill('SIGINT');
    expect(await done).toBe(130);
    expect(err).toMatch(/interrupted at position \d+/);
  });
});
