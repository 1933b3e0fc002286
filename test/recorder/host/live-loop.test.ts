import { describe, expect, it } from 'vitest';
import { InputQueue } from '../../../recorder/host/console-input.ts';
import { type LiveLoop, runLive } from '../../../recorder/host/live-loop.ts';
import type { LiveSession, LiveStop } from '../../../recorder/session/live.ts';

/** A session that does what a list says, and writes down what was asked of it. */
class ScriptedSession implements LiveSession {
  position = 0;
  time = 0;
  readonly log: string[] = [];
  readonly #stops: LiveStop[];
  room = 16;

  constructor(stops: readonly LiveStop[]) {
    this.#stops = [...stops];
  }

  run(until: number, pause: boolean): LiveStop {
    const stop = this.#stops.shift() ?? { reason: 'power-off' };
    if (stop.reason === 'limit') {
      this.time += until - this.position;
      this.position = until;
    }
    this.log.push(`run ${pause ? 'pausing' : 'jumping'}: ${stop.reason}`);
    return stop;
  }

  passToDeadline(): void {
    this.log.push('deadline');
  }

  receive(device: string, what: string, data: Uint8Array, at?: number): void {
    this.log.push(
      `${device} ${what} ${[...data].join(' ')} at ${this.position}${at === undefined ? '' : `, ${at} ns`}`,
    );
  }

  receiveCapacity(): number {
    return this.room;
  }
}

function loopOf(session: ScriptedSession, more: Partial<LiveLoop> = {}): LiveLoop {
  return {
    session,
    presses: [],
    interactive: false,
    afterSlice: async () => false,
    onWake: () => {},
    ...more,
  };
}

const LIMIT: LiveStop = { reason: 'limit' };
const IDLE: LiveStop = { reason: 'idle' };

describe('runLive', () => {
  it('runs until the machine powers off', async () => {
    const session = new ScriptedSession([LIMIT, LIMIT]);
    expect(await runLive(loopOf(session))).toEqual({ reason: 'power-off' });
    expect(session.log).toEqual(['run jumping: limit', 'run jumping: limit', 'run jumping: power-off']);
  });

  it('stops at the limit', async () => {
    const session = new ScriptedSession(Array.from({ length: 100 }, () => LIMIT));
    expect(await runLive(loopOf(session, { limit: 500_000 }))).toEqual({ reason: 'limit' });
    expect(session.position).toBe(500_000);
  });

  it('gives waiting input at the same positions, however fast the host is', async () => {
    const positions = async (speed: number): Promise<string[]> => {
      const session = new ScriptedSession(Array.from({ length: 6 }, () => LIMIT));
      session.room = 2;
      const queue = new InputQueue();
      queue.push(Uint8Array.of(1, 2, 3, 4, 5));
      queue.end();
      let now = 0;
      const clock = (): number => (now += speed);
      await runLive(loopOf(session, { input: { device: 'uart0', queue }, clock }));
      return session.log.filter((line) => line.startsWith('uart0'));
    };
    const slow = await positions(50);
    expect(slow).toEqual([
      'uart0 bytes 1 2 at 65536',
      'uart0 bytes 3 4 at 131072',
      'uart0 bytes 5 at 196608',
    ]);
    expect(await positions(0.1)).toEqual(slow);
  });

  it('holds input back while the device has no room', async () => {
    const session = new ScriptedSession([LIMIT, LIMIT]);
    session.room = 0;
    const queue = new InputQueue();
    queue.push(Uint8Array.of(1));
    await runLive(loopOf(session, { input: { device: 'uart0', queue } }));
    expect(session.log.some((line) => line.startsWith('uart0'))).toBe(false);
    expect(queue.length).toBe(1);
  });

  it('reports a machine that nothing can wake when no input can come', async () => {
    const queue = new InputQueue();
    queue.end();
    const session = new ScriptedSession([IDLE]);
    expect(await runLive(loopOf(session, { input: { device: 'uart0', queue } }))).toEqual({ reason: 'idle' });
  });

  it('waits for an open pipe to wake it', async () => {
    const queue = new InputQueue();
    const session = new ScriptedSession([IDLE, IDLE]);
    setTimeout(() => queue.push(Uint8Array.of(7)), 5);
    await runLive(loopOf(session, { input: { device: 'uart0', queue } }));
    expect(session.log).toContain('uart0 bytes 7 at 0');
  });

  it('really waits for a deadline when a person sits there', async () => {
    const session = new ScriptedSession([{ reason: 'waiting', deadline: 30_000_000 }]);
    const begun = performance.now();
    await runLive(loopOf(session, { interactive: true }));
    expect(performance.now() - begun).toBeGreaterThan(25);
    expect(session.log).toEqual(['run pausing: waiting', 'deadline', 'run pausing: power-off']);
  });

  it('saves up sleeps that are too short to wait for', async () => {
    const session = new ScriptedSession(
      Array.from({ length: 30 }, () => ({ reason: 'waiting', deadline: 1_000_000 }) as const),
    );
    const begun = performance.now();
    await runLive(loopOf(session, { interactive: true }));
    const spent = performance.now() - begun;
    expect(spent).toBeGreaterThan(20);
    expect(session.log.filter((line) => line === 'deadline')).toHaveLength(30);
  });

  it('gives a key the time at which the machine was sleeping', async () => {
    const queue = new InputQueue();
    const session = new ScriptedSession([{ reason: 'waiting', deadline: 10_000_000_000 }]);
    setTimeout(() => queue.push(Uint8Array.of(7)), 20);
    await runLive(loopOf(session, { interactive: true, input: { device: 'uart0', queue } }));
    const line = session.log.find((entry) => entry.startsWith('uart0'))!;
    const time = Number(/, (\d+) ns/.exec(line)![1]);
    expect(time).toBeGreaterThan(10_000_000);
    expect(time).toBeLessThan(5_000_000_000);
    expect(session.log).not.toContain('deadline');
  });

  it('ends a wait when it is asked to end', async () => {
    let wake = (): void => {};
    let asked = false;
    setTimeout(() => {
      asked = true;
      wake();
    }, 10);
    const session = new ScriptedSession([IDLE]);
    const end = await runLive(
      loopOf(session, {
        interactive: true,
        afterSlice: async () => asked,
        onWake: (given) => {
          wake = given;
        },
      }),
    );
    expect(end).toEqual({ reason: 'asked' });
  });
});
