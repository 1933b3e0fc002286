/** Packets that ask what there is: q and Q. */
import type { Debuggee } from '../session/debuggee.ts';
import { ERROR, OK, type Threads, threadId, UNKNOWN } from './packet-text.ts';
import { latin1, MAX_PACKET, toHex } from './packets.ts';
import type { StatePackets } from './state-packets.ts';
import type { GdbTarget } from './target.ts';

export class QueryPackets {
  readonly #debuggee: Debuggee;
  readonly #target: GdbTarget;
  readonly #threads: Threads;
  readonly #state: StatePackets;

  constructor(debuggee: Debuggee, target: GdbTarget, threads: Threads, state: StatePackets) {
    this.#debuggee = debuggee;
    this.#target = target;
    this.#threads = threads;
    this.#state = state;
  }

  ask(packet: string): string {
    const colon = packet.indexOf(':');
    const name = colon < 0 ? packet.split(',')[0]! : packet.slice(0, colon);
    switch (name) {
      case 'qSupported':
        return [
          `PacketSize=${(MAX_PACKET - 4).toString(16)}`,
          'qXfer:features:read+',
          ...(this.#debuggee.canReverse ? ['ReverseStep+', 'ReverseContinue+'] : []),
          'vContSupported+',
          'QStartNoAckMode+',
          'qXfer:threads:read+',
          'binary-upload+',
        ].join(';');
      case 'qXfer':
        return this.#transfer(packet.slice(colon + 1));
      case 'qC':
        return `QC${threadId(this.#threads.general)}`;
      case 'qfThreadInfo':
        return `m${Array.from({ length: this.#threads.count }, (_, i) => threadId(i)).join(',')}`;
      case 'qsThreadInfo':
        return 'l';
      case 'qThreadExtraInfo': {
        const cpu = this.#threads.parse(packet.split(',')[1] ?? '');
        return cpu === undefined ? ERROR : toHex(latin1(this.#threadName(cpu)));
      }
      case 'qAttached':
        return '1';
      case 'qSymbol':
        return OK;
      // QEMU's own.
      case 'qqemu.PhyMemMode':
        return this.#state.physical ? '1' : '0';
      case 'qqemu.sstepbits':
        return 'ENABLE=1';
      case 'qqemu.sstep':
        return '0x1';
      default:
        return UNKNOWN;
    }
  }

  set(packet: string): string {
    const physical = /^Qqemu\.PhyMemMode:([01])$/.exec(packet);
    if (physical !== null) {
      this.#state.physical = physical[1] === '1';
      return OK;
    }
    // A step follows what happens, interrupts and timers included: QEMU's bits that hide them cannot be set.
    const step = /^Qqemu\.sstep=(?:0x)?0*([0-9a-fA-F]+)$/.exec(packet);
    if (step !== null) return step[1] === '1' ? OK : 'E22';
    return UNKNOWN;
  }

  #threadName(cpu: number): string {
    const { power, wait } = this.#debuggee.machine.cluster;
    const state =
      power[cpu] === 'off' ? 'off' : wait[cpu] === 'none' ? 'running' : `in ${wait[cpu]!.toUpperCase()}`;
    return `CPU ${cpu}, ${state}`;
  }

  #transfer(request: string): string {
    const match = /^(features:read:target\.xml|threads:read:):([0-9a-fA-F]{1,8}),([0-9a-fA-F]{1,8})$/.exec(
      request,
    );
    if (match === null) return 'E00';
    const whole = match[1]!.startsWith('features') ? this.#target.xml : this.#threadsXml();
    const start = Number.parseInt(match[2]!, 16);
    const length = Math.min(Number.parseInt(match[3]!, 16), MAX_PACKET / 2);
    const part = whole.slice(start, start + length);
    return `${start + length >= whole.length ? 'l' : 'm'}${part}`;
  }

  #threadsXml(): string {
    const threads = Array.from(
      { length: this.#threads.count },
      (_, i) => `<thread id="${threadId(i)}" core="${i}" name="CPU ${i}">${this.#threadName(i)}</thread>`,
    );
    return `<?xml version="1.0"?>\n<threads>\n${threads.join('\n')}\n</threads>\n`;
  }
}
