import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TcpConnection } from '../../../../recorder/host/net/tcp-connection.ts';
import { seqAdd, seqDiff, TCP_FLAG, type TcpSegment } from '../../../../recorder/host/net/tcp-segment.ts';

/** A stream of the host that keeps what it is given, and may be slow. */
class FakeStream {
  readonly written: number[] = [];
  ended = false;
  destroyed = false;
  reading = true;
  waiting = 0;

  write(bytes: Uint8Array): void {
    this.written.push(...bytes);
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    this.destroyed = true;
  }

  setReading(on: boolean): void {
    this.reading = on;
  }

  backlog(): number {
    return this.waiting;
  }
}

type Sent = Omit<TcpSegment, 'sourcePort' | 'destinationPort'>;

const ISN = 0xffff_fff0;

/** The guest as the simplest TCP that RFC 9293 allows: it takes segments in order only, and acknowledges all. */
class Bench {
  readonly host = new FakeStream();
  readonly sent: Sent[] = [];
  readonly got: number[] = [];
  now = 0;
  closed = false;
  seq = ISN;
  expected = 0;
  guestSawEnd = false;
  readonly window: number;
  readonly connection: TcpConnection;

  constructor(window = 60_000) {
    this.window = window;
    this.connection = TcpConnection.fromGuest(
      {
        send: (segment) => this.sent.push(segment),
        now: () => this.now,
        closed: () => {
          this.closed = true;
        },
      },
      this.host,
      0xffff_ff00,
      this.segment(TCP_FLAG.SYN, [], { mss: 1000, scale: 0 }),
    );
    this.seq = seqAdd(this.seq, 1);
  }

  segment(flags: number, data: readonly number[] = [], more: Partial<TcpSegment> = {}): TcpSegment {
    const { seq, expected: ack, window } = this;
    return {
      sourcePort: 1,
      destinationPort: 2,
      seq,
      ack,
      flags,
      window,
      data: Uint8Array.from(data),
      ...more,
    };
  }

  open(): void {
    this.connection.connected();
    const syn = this.sent.shift()!;
    expect(syn.flags).toBe(TCP_FLAG.SYN | TCP_FLAG.ACK);
    this.expected = seqAdd(syn.seq, 1);
    this.connection.receive(this.segment(TCP_FLAG.ACK));
  }

  /** Sends bytes and moves on. */
  send(data: readonly number[], flags: number = TCP_FLAG.ACK): void {
    this.connection.receive(this.segment(flags, data));
    this.seq = seqAdd(this.seq, data.length + (flags & TCP_FLAG.FIN));
  }

  /** Takes what was sent to the guest, but for what gets lost, and acknowledges each. */
  deliver(lost: (index: number) => boolean = () => false): void {
    this.sent.splice(0).forEach((segment, index) => {
      if (lost(index)) return;
      const fresh = segment.data.length > 0 || (segment.flags & TCP_FLAG.FIN) !== 0;
      if (seqDiff(segment.seq, this.expected) === 0) {
        this.got.push(...segment.data);
        this.expected = seqAdd(this.expected, segment.data.length + (segment.flags & TCP_FLAG.FIN));
        if ((segment.flags & TCP_FLAG.FIN) !== 0) this.guestSawEnd = true;
      }
      if (fresh) this.connection.receive(this.segment(TCP_FLAG.ACK));
    });
  }
}

function opened(window?: number): Bench {
  const bench = new Bench(window);
  bench.open();
  return bench;
}

const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => (i * 7) & 0xff);

describe('TcpConnection', () => {
  it('is reset when the host refuses', () => {
    const bench = new Bench();
    bench.connection.hostFailed();
    expect(bench.sent.map(({ flags, ack }) => ({ flags, ack }))).toEqual([
      { flags: TCP_FLAG.RST | TCP_FLAG.ACK, ack: seqAdd(ISN, 1) },
    ]);
    expect(bench.closed).toBe(true);
  });

  it('brings what the host sends to the guest whatever gets lost on the way', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20_000 }),
        fc.integer({ min: 500, max: 9000 }),
        fc.array(fc.boolean(), { maxLength: 60 }),
        (count, window, losses) => {
          const bench = opened(window);
          bench.connection.hostData(bytes(count));
          bench.connection.hostEnded();
          let index = 0;
          for (let round = 0; round < 200 && !bench.guestSawEnd; round++) {
            bench.deliver(() => losses[index++] === true);
            if (bench.sent.length === 0 && bench.connection.deadline !== Number.POSITIVE_INFINITY) {
              bench.now = bench.connection.deadline;
              bench.connection.tick();
            }
          }
          expect(bench.guestSawEnd).toBe(true);
          expect(bench.got).toEqual([...bytes(count)]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('never sends more than the window or the segment size of the guest', () => {
    const bench = opened(2500);
    bench.connection.hostData(bytes(10_000));
    expect(bench.sent.map(({ data }) => data.length)).toEqual([1000, 1000]);
    bench.deliver();
    expect(bench.sent.every(({ data }) => data.length <= 1000)).toBe(true);
  });

  it('asks about a closed window, however long it stays closed, and goes on when it opens', () => {
    const bench = new Bench(0);
    bench.open();
    bench.connection.hostData(bytes(3000));
    expect(bench.sent).toEqual([]);
    for (let i = 0; i < 40; i++) {
      bench.now = bench.connection.deadline;
      bench.connection.tick();
      expect(bench.sent.splice(0).map(({ data }) => data.length)).toEqual([1]);
      bench.connection.receive(bench.segment(TCP_FLAG.ACK));
    }
    expect(bench.closed).toBe(false);
    bench.connection.receive(bench.segment(TCP_FLAG.ACK, [], { window: 60_000 }));
    bench.deliver();
    expect(bench.got).toEqual([...bytes(3000)]);
  });

  it('gives up on a guest that does not answer', () => {
    const bench = opened();
    bench.connection.hostData(bytes(10));
    for (let i = 0; i < 20 && !bench.closed; i++) {
      bench.now = bench.connection.deadline;
      bench.connection.tick();
    }
    expect(bench.closed).toBe(true);
    expect(bench.host.destroyed).toBe(true);
  });

  it('takes the data of the guest once and in order, overlaps and gaps included', () => {
    const bench = opened();
    const start = bench.seq;
    bench.connection.receive(bench.segment(TCP_FLAG.ACK, [1, 2, 3]));
    bench.connection.receive(bench.segment(TCP_FLAG.ACK, [2, 3, 4], { seq: seqAdd(start, 1) }));
    bench.connection.receive(bench.segment(TCP_FLAG.ACK, [9], { seq: seqAdd(start, 9) }));
    bench.connection.receive(bench.segment(TCP_FLAG.ACK, [1], { seq: start }));
    expect(bench.host.written).toEqual([1, 2, 3, 4]);
    bench.connection.flush();
    expect(bench.sent.at(-1)!.ack).toBe(seqAdd(start, 4));
  });

  it('closes its window while the host is slow, and tells when there is room again', () => {
    const bench = opened();
    bench.host.waiting = 512 * 1024;
    bench.connection.receive(bench.segment(TCP_FLAG.ACK, [1]));
    bench.connection.flush();
    expect(bench.sent.at(-1)).toMatchObject({ window: 0 });
    expect(bench.host.written).toEqual([]);
    bench.host.waiting = 0;
    bench.connection.hostDrained();
    bench.connection.flush();
    // In units of 16 bytes, since the guest's SYN had a scale.
    expect(bench.sent.at(-1)!.window).toBe((512 * 1024) / 16);
  });

  it('stops reading from the host while much waits for the guest', () => {
    const bench = opened();
    bench.connection.hostData(bytes(1024 * 1024 + 1));
    expect(bench.host.reading).toBe(false);
    for (let i = 0; i < 1000 && !bench.host.reading; i++) bench.deliver();
    expect(bench.host.reading).toBe(true);
  });

  it('goes on sending after the guest has ended, and closes when both have', () => {
    const bench = opened();
    bench.send([5], TCP_FLAG.ACK | TCP_FLAG.FIN);
    expect(bench.host).toMatchObject({ ended: true, destroyed: false });
    bench.connection.hostData(bytes(10));
    bench.connection.hostEnded();
    bench.deliver();
    expect(bench.got).toEqual([...bytes(10)]);
    expect(bench).toMatchObject({ guestSawEnd: true, closed: true });
    expect(bench.host.destroyed).toBe(false);
  });

  it('takes a reset only where the next byte belongs', () => {
    const bench = opened();
    bench.connection.receive(bench.segment(TCP_FLAG.RST, [], { seq: seqAdd(bench.seq, 1000) }));
    expect(bench.closed).toBe(false);
    bench.connection.receive(bench.segment(TCP_FLAG.RST));
    expect(bench).toMatchObject({ closed: true });
    expect(bench.host.destroyed).toBe(true);
  });

  it('survives any segment', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            seq: fc.integer({ min: -5, max: 3000 }),
            ack: fc.integer({ min: -5, max: 3000 }),
            flags: fc.integer({ min: 0, max: 63 }),
            window: fc.integer({ min: 0, max: 65_535 }),
            data: fc.uint8Array({ maxLength: 20 }),
          }),
          { maxLength: 40 },
        ),
        (segments) => {
          const bench = opened();
          bench.connection.hostData(bytes(2000));
          for (const { seq, ack, ...rest } of segments) {
            const at = { seq: seqAdd(bench.seq, seq), ack: seqAdd(bench.expected, ack) };
            bench.connection.receive({ ...bench.segment(0), ...rest, ...at });
            bench.connection.flush();
          }
          expect(bench.sent.length).toBeLessThan(500);
        },
      ),
    );
  });
});
