/**
 * One TCP connection between the guest and a stream of the host (RFC 9293). The guest is the only one who hears
 * us, and what it sends never gets lost on the way; what we send may, if it has no room. So this side has windows,
 * retransmission and half-close, but no congestion control, and it takes data in order only.
 */
import type { Ns } from '../../../engine/base/units.ts';
import { SendBuffer } from './send-buffer.ts';
import { seqAdd, seqDiff, TCP_FLAG, type TcpSegment } from './tcp-segment.ts';

/** The stream of the host at the other end. */
export interface HostStream {
  write(bytes: Uint8Array): void;
  /** The guest sends no more. */
  end(): void;
  /** The connection is gone. */
  destroy(): void;
  /** Whether more may be read from it. */
  setReading(on: boolean): void;
  /** Bytes written that it did not pass on yet. */
  backlog(): number;
}

export interface TcpPorts {
  /** Sends a segment; ports are filled in. */
  send(segment: Omit<TcpSegment, 'sourcePort' | 'destinationPort'>): void;
  now(): Ns;
  /** Takes it out of the table. */
  closed(): void;
}

/** Ours; the guest may ask for less. */
const MSS = 1460;
const DEFAULT_MSS = 536;
const SCALE = 4;
/** What the guest may send ahead of the host's stream. */
const RECEIVE_BUFFER = 512 * 1024;
/** The host's stream is not read on while so much waits for the guest. */
const PAUSE_ABOVE = 1024 * 1024;
const RESUME_BELOW = 256 * 1024;
const FIRST_TIMEOUT: Ns = 1e9;
const LAST_TIMEOUT: Ns = 60e9;
const TRIES = 10;
const DUPLICATES = 3;
const NOTHING = new Uint8Array(0);

type State =
  /** The guest asks for a connection, and the host does not have it yet. */
  | 'connecting'
  /** Our SYN waits for its acknowledgement; in `syn-sent`, for the guest's SYN as well. */
  | 'syn-sent'
  | 'syn-received'
  | 'open'
  | 'closed';

export class TcpConnection {
  readonly #ports: TcpPorts;
  readonly #host: HostStream;
  #state: State;
  readonly #buffer = new SendBuffer();
  /** First sequence number that is not acknowledged, the next to be sent, and the highest that was. */
  #una: number;
  #next: number;
  #highest: number;
  /** What the guest can take beyond `una`. */
  #window = 0;
  #windowScale = 0;
  #mss = DEFAULT_MSS;
  #scaled = false;
  #duplicates = 0;
  /** Next sequence number of the guest. */
  #expected = 0;
  /** End of the window the guest was told last. */
  #advertised = 0;
  #ackOwed = false;
  #guestEnded = false;
  #hostEnded = false;
  /** Sequence number of our FIN once it was sent. */
  #fin: number | undefined;
  #reading = true;
  #deadline: Ns = Number.POSITIVE_INFINITY;
  #timeout = FIRST_TIMEOUT;
  #tries = 0;

  private constructor(ports: TcpPorts, host: HostStream, initial: number, state: State) {
    this.#ports = ports;
    this.#host = host;
    this.#una = initial;
    this.#next = initial;
    this.#highest = initial;
    this.#state = state;
  }

  /** The guest's SYN came; `connected` or `hostFailed` follow. */
  static fromGuest(ports: TcpPorts, host: HostStream, initial: number, syn: TcpSegment): TcpConnection {
    const connection = new TcpConnection(ports, host, initial, 'connecting');
    connection.#takeSyn(syn);
    return connection;
  }

  /** A program of the host connected to a forwarded port. */
  static fromHost(ports: TcpPorts, host: HostStream, initial: number): TcpConnection {
    const connection = new TcpConnection(ports, host, initial, 'syn-sent');
    connection.#scaled = true;
    connection.#sendSyn();
    return connection;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** When `tick` has something to do. */
  get deadline(): Ns {
    return this.#deadline;
  }

  /* --- The host's side ---------------------------------------------------------------------------------- */

  connected(): void {
    if (this.#state !== 'connecting') return;
    this.#state = 'syn-received';
    this.#sendSyn();
  }

  /** The stream could not be opened, or broke. */
  hostFailed(): void {
    if (this.#state === 'closed') return;
    this.#reset();
    this.#close();
  }

  hostData(bytes: Uint8Array): void {
    if (this.#state === 'closed' || this.#hostEnded) return;
    this.#buffer.push(bytes);
    if (this.#reading && this.#buffer.length > PAUSE_ABOVE) this.#setReading(false);
    this.#transmit();
  }

  hostEnded(): void {
    if (this.#state === 'closed' || this.#hostEnded) return;
    this.#hostEnded = true;
    this.#transmit();
  }

  /** The stream passed on what it was given: the guest may send more. */
  hostDrained(): void {
    if (this.#state !== 'open' || this.#guestEnded) return;
    const more = seqDiff(seqAdd(this.#expected, this.#receiveRoom()), this.#advertised);
    if (more >= 2 * this.#mss) this.#ackOwed = true;
  }

  /* --- The guest's side --------------------------------------------------------------------------------- */

  receive(segment: TcpSegment): void {
    const { flags } = segment;
    if (this.#state === 'closed') return;
    if (this.#state === 'syn-sent') {
      this.#receiveInSynSent(segment);
      return;
    }
    const ahead = seqDiff(segment.seq, this.#expected);
    if ((flags & TCP_FLAG.RST) !== 0) {
      // RFC 5961: only where the next byte belongs; anywhere else it may be an old one.
      if (ahead === 0 || this.#state === 'connecting') this.#close();
      return;
    }
    if (this.#state === 'connecting') return;
    if ((flags & TCP_FLAG.SYN) !== 0) {
      if (this.#state === 'syn-received') this.#sendSyn();
      else this.#ackOwed = true;
      return;
    }
    if ((flags & TCP_FLAG.ACK) === 0) return;
    if (!this.#receiveAck(segment)) return;
    this.#receiveData(segment, ahead);
    this.#transmit();
    this.#finish();
  }

  #receiveInSynSent(segment: TcpSegment): void {
    const { flags, ack } = segment;
    const acked = (flags & TCP_FLAG.ACK) !== 0 && ack === seqAdd(this.#una, 1);
    if ((flags & TCP_FLAG.RST) !== 0) {
      if (acked) this.#close();
    } else if (acked && (flags & TCP_FLAG.SYN) !== 0) {
      this.#takeSyn(segment);
      this.#opened(segment);
      this.#ackOwed = true;
      this.#transmit();
    }
  }

  #takeSyn(syn: TcpSegment): void {
    this.#expected = seqAdd(syn.seq, 1);
    this.#advertised = this.#expected;
    this.#mss = Math.max(64, Math.min(syn.mss ?? DEFAULT_MSS, MSS));
    this.#scaled = syn.scale !== undefined;
    this.#windowScale = syn.scale ?? 0;
    this.#window = syn.window;
  }

  /** Our SYN is acknowledged. */
  #opened({ ack, window, flags }: TcpSegment): void {
    this.#state = 'open';
    this.#una = ack;
    this.#next = ack;
    this.#highest = ack;
    // The window of a SYN is never scaled.
    this.#window = (flags & TCP_FLAG.SYN) !== 0 ? window : window * 2 ** this.#windowScale;
    this.#stopTimer();
  }

  /** False: the acknowledgement makes no sense, and the segment does not count. */
  #receiveAck(segment: TcpSegment): boolean {
    const { ack } = segment;
    if (this.#state === 'syn-received') {
      if (ack !== seqAdd(this.#una, 1)) {
        this.#reset(ack);
        return false;
      }
      this.#opened(segment);
      return true;
    }
    const window = segment.window * 2 ** this.#windowScale;
    const acked = seqDiff(ack, this.#una);
    if (seqDiff(ack, this.#highest) > 0) {
      this.#ackOwed = true;
      return false;
    }
    if (acked > 0) {
      this.#buffer.drop(acked);
      this.#una = ack;
      if (seqDiff(this.#next, ack) < 0) this.#next = ack;
      this.#duplicates = 0;
      this.#stopTimer();
      if (!this.#reading && this.#buffer.length < RESUME_BELOW) this.#setReading(true);
    } else if (acked === 0 && segment.data.length === 0 && window === this.#window && ack !== this.#next) {
      this.#duplicates++;
      if (this.#duplicates === DUPLICATES) this.#next = this.#una;
    }
    if (acked >= 0) {
      // What was sent into a window of zero was thrown away.
      if (this.#window === 0 && window > 0) this.#next = this.#una;
      this.#window = window;
    }
    // Somebody is there, so a window may stay closed as long as it likes.
    this.#tries = 0;
    return true;
  }

  #receiveData({ data, flags, seq }: TcpSegment, ahead: number): void {
    const hasFin = (flags & TCP_FLAG.FIN) !== 0;
    if (data.length === 0 && !hasFin) {
      // A segment from before the window, as keep-alives are, asks where we are.
      if (ahead < 0) this.#ackOwed = true;
      return;
    }
    this.#ackOwed = true;
    if (ahead > 0 || this.#guestEnded) return;
    const room = Math.max(0, this.#receiveRoom());
    const fresh = data.subarray(Math.min(-ahead, data.length));
    const taken = fresh.subarray(0, room);
    if (taken.length > 0) {
      // Frames are reused by who gave them.
      this.#host.write(taken.slice());
      this.#expected = seqAdd(this.#expected, taken.length);
    }
    if (hasFin && seqAdd(seq, data.length) === this.#expected) {
      this.#expected = seqAdd(this.#expected, 1);
      this.#guestEnded = true;
      this.#host.end();
    }
  }

  /* --- What we send ------------------------------------------------------------------------------------- */

  /** Sends an acknowledgement that is owed; called when no more of the guest's is to be looked at for now. */
  flush(): void {
    if (this.#ackOwed && this.#state === 'open') this.#send(0, this.#next, NOTHING);
    this.#finish();
  }

  /** Time has passed. */
  tick(): void {
    if (this.#state === 'closed' || this.#ports.now() < this.#deadline) return;
    this.#tries++;
    if (this.#tries > TRIES) {
      this.#reset();
      this.#close();
      return;
    }
    this.#timeout = Math.min(2 * this.#timeout, LAST_TIMEOUT);
    this.#deadline = Number.POSITIVE_INFINITY;
    if (this.#state === 'syn-sent' || this.#state === 'syn-received') {
      this.#sendSyn();
      return;
    }
    this.#next = this.#una;
    // A window of zero is asked about with one byte (RFC 9293, 3.8.6.1).
    this.#transmit(this.#window === 0 ? 1 : 0);
  }

  #transmit(probe = 0): void {
    if (this.#state !== 'open') return;
    for (;;) {
      const sent = seqDiff(this.#next, this.#una);
      const waiting = this.#buffer.length - sent;
      const room = Math.max(this.#window, probe) - sent;
      const count = Math.min(waiting, room, this.#mss);
      // Small pieces of a window would stay small for ever: only the last one may be small, or the only one.
      if (count <= 0 || (count < this.#mss && count < waiting && sent > 0)) break;
      const last = count === waiting;
      this.#send(last ? TCP_FLAG.PSH : 0, this.#next, this.#buffer.slice(sent, count));
      this.#advance(count);
    }
    const allSent = seqDiff(this.#next, this.#una) === this.#buffer.length;
    if (this.#hostEnded && allSent && (this.#fin === undefined || this.#fin === this.#next)) {
      this.#fin = this.#next;
      this.#send(TCP_FLAG.FIN, this.#next, NOTHING);
      this.#advance(1);
    }
    const waitsForGuest = this.#next !== this.#una || this.#buffer.length > 0;
    if (waitsForGuest && this.#deadline === Number.POSITIVE_INFINITY) {
      this.#deadline = this.#ports.now() + this.#timeout;
    }
  }

  #advance(count: number): void {
    this.#next = seqAdd(this.#next, count);
    if (seqDiff(this.#next, this.#highest) > 0) this.#highest = this.#next;
  }

  #sendSyn(): void {
    const isAnswer = this.#state === 'syn-received';
    this.#ports.send({
      seq: this.#una,
      ack: isAnswer ? this.#expected : 0,
      flags: TCP_FLAG.SYN | (isAnswer ? TCP_FLAG.ACK : 0),
      window: 0xffff,
      mss: MSS,
      ...(this.#scaled ? { scale: SCALE } : {}),
      data: NOTHING,
    });
    if (isAnswer) this.#advertised = seqAdd(this.#expected, 0xffff);
    this.#highest = seqAdd(this.#una, 1);
    this.#deadline = this.#ports.now() + this.#timeout;
  }

  #send(flags: number, seq: number, data: Uint8Array): void {
    const room = Math.max(this.#receiveRoom(), 0);
    const shift = this.#scaled ? SCALE : 0;
    const window = Math.min(room >>> shift, 0xffff);
    this.#advertised = seqAdd(this.#expected, window << shift);
    this.#ackOwed = false;
    this.#ports.send({ seq, ack: this.#expected, flags: flags | TCP_FLAG.ACK, window, data });
  }

  #receiveRoom(): number {
    return RECEIVE_BUFFER - this.#host.backlog();
  }

  #reset(seq = this.#next): void {
    const known = this.#state !== 'syn-sent';
    this.#ports.send({
      seq,
      ack: known ? this.#expected : 0,
      flags: TCP_FLAG.RST | (known ? TCP_FLAG.ACK : 0),
      window: 0,
      data: NOTHING,
    });
  }

  /** Both sides have ended, and the guest knows. */
  #finish(): void {
    if (this.#state !== 'open' || !this.#guestEnded || this.#fin === undefined) return;
    if (seqDiff(this.#una, this.#fin) <= 0) return;
    if (this.#ackOwed) this.#send(0, this.#next, NOTHING);
    this.#state = 'closed';
    this.#stopTimer();
    this.#ports.closed();
  }

  #setReading(on: boolean): void {
    this.#reading = on;
    this.#host.setReading(on);
  }

  #stopTimer(): void {
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#timeout = FIRST_TIMEOUT;
    this.#tries = 0;
  }

  #close(): void {
    this.#state = 'closed';
    this.#stopTimer();
    this.#host.destroy();
    this.#ports.closed();
  }
}
