/**
 * The gdb remote protocol over a machine, sans I/O: bytes in with `receive`, bytes out through `send`, and long
 * operations a piece at a time with `work`. One gdb at a time; its breakpoints go with it.
 *
 * References are to the gdb manual, appendix "gdb Remote Serial Protocol".
 */
import type { Condition, WatchKind } from '../session/conditions.ts';
import type { Debuggee } from '../session/debuggee.ts';
import type { Operation } from '../session/operation.ts';
import { ERROR, MAX_MEMORY, OK, type Reply, Threads, UNKNOWN } from './packet-text.ts';
import { frame, fromHex, fromLatin1, type Incoming, latin1, PacketParser, toHex } from './packets.ts';
import { QueryPackets } from './query-packets.ts';
import { describe, parseActions, type Resume, resume, SIGTRAP, stopReply } from './resume.ts';
import { StatePackets } from './state-packets.ts';
import { GdbTarget } from './target.ts';

export interface StubPorts {
  send(bytes: Uint8Array): void;
  /** gdb has gone: the connection is to be closed. `kill`: it wants the session to end. */
  leave(how: 'detach' | 'kill'): void;
  /** A line for the person at the server. */
  say(line: string): void;
  /** Carries out a monitor command; text for gdb's console. `cpu` is the selected one. */
  monitor(command: string, cpu: number): Operation<string>;
}

const MAX_WATCHED = 1 << 20;
const SILENCE_MS = 1000;

export class GdbStub {
  readonly #debuggee: Debuggee;
  readonly #ports: StubPorts;
  readonly #parser = new PacketParser();
  readonly #threads: Threads;
  readonly #state: StatePackets;
  readonly #queries: QueryPackets;
  /** Breakpoint ids by the text of their Z packet. */
  readonly #breakpoints = new Map<string, number>();
  readonly #queue: string[] = [];
  #acks = true;
  #last: Uint8Array | undefined;
  #operation: Operation<string> | undefined;
  #interrupted = false;
  #stopReply: string;
  /** Where a watched access was last told of. */
  #watchedAt = -1;
  /** Lines for gdb's console, which can be sent only while it waits for the machine. */
  #notices: string[] = [];

  constructor(debuggee: Debuggee, ports: StubPorts) {
    this.#debuggee = debuggee;
    this.#ports = ports;
    const { machine } = debuggee;
    const target = new GdbTarget(machine);
    this.#threads = new Threads(machine.cluster.states.length, machine.currentCpu);
    this.#state = new StatePackets(debuggee, target, this.#threads, (text) => this.#notice(text));
    this.#queries = new QueryPackets(debuggee, target, this.#threads, this.#state);
    this.#stopReply = stopReply(SIGTRAP, this.#threads.general);
  }

  /** Whether `work` has something to do. */
  get isRunning(): boolean {
    return this.#operation !== undefined;
  }

  receive(bytes: Uint8Array): void {
    for (const incoming of this.#parser.feed(bytes)) this.#incoming(incoming);
  }

  #incoming(incoming: Incoming): void {
    switch (incoming.kind) {
      case 'packet':
        if (this.#acks) this.#ports.send(latin1('+'));
        this.#queue.push(incoming.data);
        this.#next();
        return;
      case 'damaged':
        if (this.#acks) this.#ports.send(latin1('-'));
        return;
      case 'nack':
        if (this.#acks && this.#last !== undefined) this.#ports.send(this.#last);
        return;
      case 'interrupt':
        if (this.#operation !== undefined) this.#interrupted = true;
        return;
      case 'ack':
        return;
    }
  }

  /** Goes on with what runs, for some milliseconds. */
  work(): void {
    if (this.#operation === undefined) return;
    const step = this.#operation.next(this.#interrupted);
    if (step.done !== true) return;
    this.#operation = undefined;
    this.#interrupted = false;
    this.#send(step.value);
    this.#next();
  }

  /** The connection is lost: what runs ends, and gdb's breakpoints are gone. */
  close(): void {
    this.#queue.length = 0;
    this.#interrupted = true;
    while (this.#operation !== undefined) {
      if (this.#operation.next(true).done === true) this.#operation = undefined;
    }
    for (const id of this.#breakpoints.values()) this.#debuggee.removeBreakpoint(id);
    this.#breakpoints.clear();
  }

  #send(data: string): void {
    this.#last = frame(data);
    this.#ports.send(this.#last);
  }

  #next(): void {
    while (this.#operation === undefined) {
      const packet = this.#queue.shift();
      if (packet === undefined) return;
      let reply: Reply;
      try {
        reply = this.#command(packet);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        reply = ERROR;
      }
      if (typeof reply === 'string') this.#send(reply);
      else if (reply !== undefined) this.#operation = reply;
    }
  }

  #command(packet: string): Reply {
    const rest = packet.slice(1);
    const { resume: cpu } = this.#threads;
    switch (packet[0]) {
      case '?':
        return this.#stopReply;
      case '!':
        return OK;
      case 'g':
        return this.#state.readGeneral();
      case 'G':
        return this.#state.writeGeneral(rest);
      case 'p':
        return this.#state.readRegister(rest);
      case 'P':
        return this.#state.writeRegister(rest);
      case 'm':
      case 'x':
        return this.#state.readMemory(rest, packet[0] === 'x');
      case 'M':
      case 'X':
        return this.#state.writeMemory(rest, packet[0] === 'X');
      case 'H':
        return this.#threads.select(rest);
      case 'T':
        return this.#threads.parse(rest) === undefined ? ERROR : OK;
      case 'Z':
      case 'z':
        return this.#breakpoint(rest, packet[0] === 'Z');
      case 'c':
      case 'C':
        return this.#go({ direction: 'forward' });
      case 's':
      case 'S':
        return this.#go({ direction: 'forward', step: { cpu, alone: false } });
      case 'b':
        if (!this.#debuggee.canReverse) return UNKNOWN;
        if (rest === 's') return this.#go({ direction: 'backward', step: { cpu, alone: false } });
        if (rest === 'c') return this.#go({ direction: 'backward' });
        return UNKNOWN;
      case 'v':
        return this.#verbose(packet);
      case 'q':
        return packet.startsWith('qRcmd,') ? this.#remoteCommand(packet.slice(6)) : this.#queries.ask(packet);
      case 'Q':
        if (packet !== 'QStartNoAckMode') return this.#queries.set(packet);
        // This reply is the last one to be acknowledged.
        this.#send(OK);
        this.#acks = false;
        return undefined;
      case 'D':
        this.#send(OK);
        this.#ports.leave('detach');
        return undefined;
      case 'k':
        this.#ports.leave('kill');
        return undefined;
      default:
        return UNKNOWN;
    }
  }

  #verbose(packet: string): Reply {
    if (packet === 'vCont?') return 'vCont;c;C;s;S;r';
    if (packet.startsWith('vCont;')) {
      const what = parseActions(packet.slice(6), this.#threads);
      return what === undefined ? ERROR : this.#go(what);
    }
    // There is one process; whoever asks for any gets it.
    if (/^vAttach;[0-9a-fA-F]{1,8}$/.test(packet)) return this.#stopReply;
    if (packet.startsWith('vKill')) {
      this.#send(OK);
      this.#ports.leave('kill');
      return undefined;
    }
    return UNKNOWN;
  }

  /* ---------------------------------------------------------------- breakpoints */

  #breakpoint(rest: string, isSet: boolean): string {
    const match = /^([0-4]),([0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,8})(;.*)?$/.exec(rest);
    if (match === null) return /^[0-9]/.test(rest) ? UNKNOWN : ERROR;
    const type = match[1]!;
    const address = BigInt(`0x${match[2]}`);
    const length = Number.parseInt(match[3]!, 16);
    const key = `${type},${address},${length}`;
    const known = this.#breakpoints.get(key);
    if (!isSet) {
      if (known !== undefined) this.#debuggee.removeBreakpoint(known);
      this.#breakpoints.delete(key);
      return OK;
    }
    if (known !== undefined) return OK;
    if (Number(type) >= 2 && (length < 1 || length > MAX_WATCHED)) return ERROR;
    const { id } = this.#debuggee.addBreakpoint(this.#condition(type, address, length));
    this.#breakpoints.set(key, id);
    return OK;
  }

  #condition(type: string, address: bigint, length: number): Condition {
    const watch = (access: WatchKind): Condition => {
      const space = this.#state.physical ? 'physical' : 'virtual';
      return { kind: 'watch', space, address, length, access };
    };
    switch (type) {
      // A write watchpoint of gdb is one of changes: it looks at the value and goes on if it is the same.
      case '2':
        return watch(this.#debuggee.writeWatch);
      case '3':
        return watch('read');
      case '4':
        return watch('access');
      default:
        return { kind: 'address', address };
    }
  }

  /* ---------------------------------------------------------------- running */

  *#go(what: Resume): Operation<string> {
    this.#sendNotices();
    const { position } = this.#debuggee;
    const { stop, cpu, isWatch } = yield* resume(this.#debuggee, what, this.#watchedAt === position);
    this.#watchedAt = isWatch ? this.#debuggee.position : -1;
    this.#threads.stopped(cpu);
    const { reply, text } = describe(stop, cpu);
    if (text !== undefined) this.#console(`virtrace: ${text}\n`);
    this.#stopReply = reply;
    return reply;
  }

  #notice(text: string): void {
    const line = `virtrace: ${text}`;
    this.#ports.say(line);
    this.#notices.push(`${line}\n`);
  }

  #sendNotices(): void {
    for (const notice of this.#notices) this.#console(notice);
    this.#notices = [];
  }

  /** Text for gdb's console; only while it waits for a stop or a monitor command. */
  #console(text: string): void {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += MAX_MEMORY)
      this.#send(`O${toHex(bytes.subarray(at, at + MAX_MEMORY))}`);
  }

  #remoteCommand(hex: string): Reply {
    const command = fromHex(hex);
    return command === undefined ? ERROR : this.#monitor(fromLatin1(command));
  }

  /** gdb takes two seconds of silence after a monitor command for an error. */
  *#lively(operation: Operation<string>): Operation<string> {
    let told = performance.now();
    for (let step = operation.next(); ; ) {
      if (step.done === true) return step.value;
      const now = performance.now();
      if (now - told > SILENCE_MS) {
        told = now;
        const { what, done } = step.value;
        this.#console(`${what}${done === undefined ? '' : `: ${Math.floor(100 * done)} %`}\n`);
      }
      step = operation.next(yield step.value);
    }
  }

  *#monitor(command: string): Operation<string> {
    this.#sendNotices();
    const before = this.#debuggee.position;
    const text = yield* this.#lively(this.#ports.monitor(command.trim(), this.#threads.general));
    if (text !== '') this.#console(text.endsWith('\n') ? text : `${text}\n`);
    if (this.#debuggee.position !== before) {
      // gdb does not ask which thread is selected, so that stays.
      this.#stopReply = stopReply(SIGTRAP, this.#threads.general);
      this.#console('(the machine has moved: "maintenance flush register-cache" makes gdb look again)\n');
    }
    return OK;
  }
}
