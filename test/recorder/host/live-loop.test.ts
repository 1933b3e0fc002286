import { describe, expect, it } from 'vitest';
import { InputQueue } from '../../../recorder/host/console-input.ts';
import { type LiveLoop, runLive } from '../../../recorder/host/live-loop.ts';
import type { Network } from '../../../recorder/host/net/network.ts';
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

  interrupt(): void {
    this.log.push('interrupt');
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

  it('gives inputs of a timetable at their times, whether the machine runs or sleeps', async () => {
    const waiting = (deadline: number): LiveStop => ({ reason: 'waiting', deadline });
    const session = new ScriptedSession([LIMIT, waiting(1000), waiting(600_000), LIMIT, IDLE]);
    session.time = 100;
    const input = (time: number) => ({
      time,
      device: 'kbd',
      what: 'events' as const,
      data: Uint8Array.of(time % 256),
    });
    const inputs = [input(500), input(1000), input(1001), input(300_000)];
    await runLive(loopOf(session, { timetable: { inputs, nsPerInstruction: 1 } }));
    expect(inputs).toEqual([]);
    expect(session.log.slice(0, 12)).toEqual([
      // 400 instructions later.
      'run pausing: limit',
      'kbd events 244 at 400',
      'run pausing: waiting',
      // Not before the deadline, and the machine of this test does not move its clock.
      'deadline',
      'run pausing: waiting',
      'kbd events 232 at 400, 1000 ns',
      'run pausing: limit',
      'kbd events 233 at 901',
      'run pausing: idle',
      'kbd events 224 at 901, 300000 ns',
      'run jumping: power-off',
    ]);
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

  describe('with a network', () => {
    /** A network that answers the guest at once, and perhaps expects something of the host. */
    function fakeNetwork(expects = false) {
      let sent = (): void => {};
      let wake = (): void => {};
      const frames: number[] = [];
      const network = {
        connect: (loop: { sent(): void; wake(): void }) => ({ sent, wake } = loop),
        get hasFrames() {
          return frames.length > 0;
        },
        expects,
        deadline: Number.POSITIVE_INFINITY,
        poll: () => {},
        give: (session: ScriptedSession, at?: number) => {
          const given = frames.length > 0;
          for (const byte of frames.splice(0)) session.receive('net0', 'frame', Uint8Array.of(byte), at);
          return given;
        },
      };
      return {
        network: network as unknown as Network,
        answer: (byte: number): void => {
          frames.push(byte);
          sent();
        },
        fromHost: (byte: number): void => {
          frames.push(byte);
          wake();
        },
      };
    }

    /** Sends a frame at a position in the middle of its first slice. */
    class SendingSession extends ScriptedSession {
      interrupted = false;
      sendAt: number | undefined = 100_001;
      send: () => void = () => {};

      override run(until: number, pause: boolean): LiveStop {
        if (this.sendAt !== undefined && until > this.sendAt) {
          this.position = this.sendAt;
          this.sendAt = undefined;
          this.send();
          if (this.interrupted) return { reason: 'stopped' };
        }
        return super.run(until, pause);
      }

      override interrupt(): void {
        this.interrupted = true;
      }
    }

    it('gives the answer to a frame at the next multiple of the step, whatever the slice', async () => {
      const session = new SendingSession([LIMIT, LIMIT]);
      const { network, answer } = fakeNetwork();
      session.send = () => answer(7);
      await runLive(loopOf(session, { network }));
      expect(session.interrupted).toBe(true);
      expect(session.log.filter((line) => line.startsWith('net0'))).toEqual(['net0 frame 7 at 114688']);
    });

    it('does not let time jump over an answer', async () => {
      const session = new SendingSession([{ reason: 'waiting', deadline: 1e9 }]);
      const { network, answer } = fakeNetwork();
      session.send = () => answer(7);
      await runLive(loopOf(session, { network }));
      expect(session.log.slice(0, 2)).toEqual(['run pausing: waiting', 'net0 frame 7 at 100001']);
    });

    it('really waits while the host may send something', async () => {
      const session = new ScriptedSession([{ reason: 'waiting', deadline: 10_000_000_000 }]);
      const { network, fromHost } = fakeNetwork(true);
      setTimeout(() => fromHost(9), 20);
      await runLive(loopOf(session, { network }));
      const line = session.log.find((entry) => entry.startsWith('net0'))!;
      expect(Number(/, (\d+) ns/.exec(line)![1])).toBeGreaterThan(10_000_000);
      expect(session.log).not.toContain('deadline');
    });

    it('lets time jump while nothing is expected', async () => {
      const session = new ScriptedSession([LIMIT]);
      await runLive(loopOf(session, { network: fakeNetwork().network }));
      expect(session.log[0]).toBe('run jumping: limit');
    });
  });
});
