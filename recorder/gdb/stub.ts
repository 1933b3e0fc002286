/**
 * The gdb remote protocol over a timeline, sans I/O: bytes in with `receive`, bytes out through `send`, and long
 * operations a piece at a time with `work`. One gdb at a time; its breakpoints go with it.
 *
 * References are to the gdb manual, appendix "gdb Remote Serial Protocol".
 */
import type { Machine } from '../../engine/machine.ts';
import type { Condition } from '../session/conditions.ts';
import { readVirtual, translateVirtual, writeVirtual } from '../session/guest-view.ts';
import type { Operation } from '../session/operation.ts';
import { describeStop, type Timeline, type TimelineStop } from '../session/timeline.ts';
import {
  frame,
  fromHex,
  fromLatin1,
  type Incoming,
  latin1,
  MAX_PACKET,
  PacketParser,
  toHex,
} from './packets.ts';
import { GdbTarget, GENERAL_REGISTERS } from './target.ts';

export interface StubPorts {
  send(bytes: Uint8Array): void;
  /** gdb has gone: the connection is to be closed. `kill`: it wants the session to end. */
  leave(how: 'detach' | 'kill'): void;
  /** A line for the person at the server. */
  say(line: string): void;
  /** Carries out a monitor command; text for gdb's console. `cpu` is the selected one. */
  monitor(command: string, cpu: number): Operation<string>;
}

type Direction = 'forward' | 'backward';

/** What one CPU is to do, when it is not the whole machine that goes on. */
interface Step {
  readonly cpu: number;
  /** gdb said nothing of the others: it would not understand if one of them stopped. */
  readonly alone?: boolean;
  /** Goes on while PC is in there. */
  readonly range?: StepRange;
}

interface StepRange {
  readonly start: bigint;
  readonly end: bigint;
}

/** Signals as gdb numbers them. */
const SIGINT = 2;
const SIGTRAP = 5;
const ERROR = 'E01';
const MAX_MEMORY = MAX_PACKET / 2 - 16;

export class GdbStub {
  readonly #timeline: Timeline;
  readonly #ports: StubPorts;
  readonly #target: GdbTarget;
  readonly #parser = new PacketParser();
  /** Breakpoint ids by the text of their Z packet. */
  readonly #breakpoints = new Map<string, number>();
  readonly #queue: string[] = [];
  #acks = true;
  #last: Uint8Array | undefined;
  #operation: Operation<string> | undefined;
  #interrupted = false;
  /** CPU for registers and memory, and the one for `bs`, `s`: indices. */
  #general = 0;
  #resume: number | undefined;
  #physical = false;
  #stopReply = '';
  /** Lines for gdb's console, which can be sent only while it waits for the machine. */
  #notices: string[] = [];

  constructor(timeline: Timeline, ports: StubPorts) {
    this.#timeline = timeline;
    this.#ports = ports;
    this.#target = new GdbTarget(timeline.machine);
    this.#general = timeline.machine.currentCpu;
    this.#stopReply = this.#reply(SIGTRAP, this.#general);
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
    for (const id of this.#breakpoints.values()) this.#timeline.removeBreakpoint(id);
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
      let reply: string | Operation<string> | undefined;
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

  get #machine(): Machine {
    return this.#timeline.machine;
  }

  get #cpus(): number {
    return this.#machine.cluster.states.length;
  }

  /* ---------------------------------------------------------------- packets */

  /** The reply; an operation that ends in one; or undefined where there is none. */
  #command(packet: string): string | Operation<string> | undefined {
    const rest = packet.slice(1);
    switch (packet[0]) {
      case '?':
        return this.#stopReply;
      case 'g':
        return this.#readGeneral();
      case 'G':
        return this.#writeGeneral(rest);
      case 'p':
        return this.#readRegister(rest);
      case 'P':
        return this.#writeRegister(rest);
      case 'm':
      case 'x':
        return this.#readMemory(rest, packet[0] === 'x');
      case 'M':
      case 'X':
        return this.#writeMemory(rest, packet[0] === 'X');
      case 'H':
        return this.#selectThread(rest);
      case 'T':
        return this.#thread(rest) === undefined ? ERROR : 'OK';
      case 'Z':
      case 'z':
        return this.#breakpoint(rest, packet[0] === 'Z');
      case 'c':
      case 'C':
        return this.#go('forward', undefined);
      case 's':
      case 'S':
        return this.#go('forward', { cpu: this.#resumeCpu() });
      case 'b':
        if (rest === 's') return this.#go('backward', { cpu: this.#resumeCpu() });
        if (rest === 'c') return this.#go('backward', undefined);
        return '';
      case 'v':
        return this.#verbose(packet);
      case 'q':
        return this.#query(packet);
      case 'Q':
        if (packet !== 'QStartNoAckMode') return this.#set(packet);
        // This reply is the last one to be acknowledged.
        this.#send('OK');
        this.#acks = false;
        return undefined;
      case 'D':
        this.#send('OK');
        this.#ports.leave('detach');
        return undefined;
      case 'k':
        this.#ports.leave('kill');
        return undefined;
      default:
        return '';
    }
  }

  #verbose(packet: string): string | Operation<string> | undefined {
    if (packet === 'vCont?') return 'vCont;c;C;s;S;r';
    if (packet.startsWith('vKill')) {
      this.#send('OK');
      this.#ports.leave('kill');
      return undefined;
    }
    if (!packet.startsWith('vCont;')) return '';
    // Only one CPU can be told to step; all others go on as they are recorded.
    const actions = packet.slice(6).split(';');
    const alone = actions.length === 1 && actions[0]!.includes(':');
    for (const action of actions) {
      const [verb = '', thread] = action.split(':');
      const cpu = (thread === undefined ? undefined : this.#thread(thread)) ?? this.#resumeCpu();
      if (verb === 's' || /^S[0-9a-fA-F]{2}$/.test(verb)) return this.#go('forward', { cpu, alone });
      const range = /^r([0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,16})$/.exec(verb);
      if (range !== null) {
        const [start, end] = [BigInt(`0x${range[1]}`), BigInt(`0x${range[2]}`)];
        return this.#go('forward', { cpu, alone, range: { start, end } });
      }
      if (verb !== 'c' && !/^C[0-9a-fA-F]{2}$/.test(verb)) return ERROR;
    }
    return this.#go('forward', undefined);
  }

  #query(packet: string): string | Operation<string> {
    const colon = packet.indexOf(':');
    const name = colon < 0 ? packet.split(',')[0]! : packet.slice(0, colon);
    switch (name) {
      case 'qSupported':
        return [
          `PacketSize=${(MAX_PACKET - 4).toString(16)}`,
          'QStartNoAckMode+',
          'qXfer:features:read+',
          'qXfer:threads:read+',
          'vContSupported+',
          'ReverseStep+',
          'ReverseContinue+',
        ].join(';');
      case 'qXfer':
        return this.#transfer(packet.slice(colon + 1));
      case 'qC':
        return `QC${(this.#general + 1).toString(16)}`;
      case 'qfThreadInfo':
        return `m${Array.from({ length: this.#cpus }, (_, i) => (i + 1).toString(16)).join(',')}`;
      case 'qsThreadInfo':
        return 'l';
      case 'qThreadExtraInfo': {
        const cpu = this.#thread(packet.split(',')[1] ?? '');
        return cpu === undefined ? ERROR : toHex(latin1(this.#threadName(cpu)));
      }
      case 'qAttached':
        return '1';
      case 'qSymbol':
        return 'OK';
      case 'qRcmd': {
        const command = fromHex(packet.slice(6));
        return command === undefined ? ERROR : this.#monitor(fromLatin1(command));
      }
      // QEMU's: whether memory packets take physical addresses.
      case 'qqemu.PhyMemMode':
        return this.#physical ? '1' : '0';
      default:
        return '';
    }
  }

  #set(packet: string): string {
    const physical = /^Qqemu\.PhyMemMode:([01])$/.exec(packet);
    if (physical === null) return '';
    this.#physical = physical[1] === '1';
    return 'OK';
  }

  #threadName(cpu: number): string {
    const { power, wait } = this.#machine.cluster;
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
      { length: this.#cpus },
      (_, i) =>
        `<thread id="${(i + 1).toString(16)}" core="${i}" name="CPU ${i}">${this.#threadName(i)}</thread>`,
    );
    return `<?xml version="1.0"?>\n<threads>\n${threads.join('\n')}\n</threads>\n`;
  }

  /** Index of the CPU of a thread id. `-1` and `0` mean any: the selected one. */
  #thread(id: string): number | undefined {
    if (id === '-1' || id === '0') return this.#general;
    if (!/^[0-9a-fA-F]{1,8}$/.test(id)) return undefined;
    const cpu = Number.parseInt(id, 16) - 1;
    return cpu < this.#cpus ? cpu : undefined;
  }

  #selectThread(rest: string): string {
    const cpu = this.#thread(rest.slice(1));
    if (cpu === undefined) return ERROR;
    if (rest[0] === 'g') this.#general = cpu;
    else if (rest[0] === 'c') this.#resume = /^c(-1|0)$/.test(rest) ? undefined : cpu;
    else return ERROR;
    return 'OK';
  }

  #resumeCpu(): number {
    return this.#resume ?? this.#general;
  }

  /* ---------------------------------------------------------------- state */

  #readGeneral(): string {
    let text = '';
    for (let i = 0; i < GENERAL_REGISTERS; i++) text += toHex(this.#target.read(this.#general, i)!);
    return text;
  }

  #writeGeneral(rest: string): string {
    const bytes = fromHex(rest);
    if (bytes === undefined) return ERROR;
    let at = 0;
    let isGood = true;
    this.#change(() => {
      for (let i = 0; i < GENERAL_REGISTERS && at < bytes.length; i++) {
        const size = this.#target.sizeOf(i);
        const part = bytes.subarray(at, at + size);
        at += size;
        const before = this.#target.read(this.#general, i)!;
        if (part.length === size && toHex(part) === toHex(before)) continue;
        if (!this.#target.write(this.#general, i, part)) isGood = false;
      }
    });
    return isGood ? 'OK' : ERROR;
  }

  #readRegister(rest: string): string {
    if (!/^[0-9a-fA-F]{1,4}$/.test(rest)) return ERROR;
    const bytes = this.#target.read(this.#general, Number.parseInt(rest, 16));
    return bytes === undefined ? ERROR : toHex(bytes);
  }

  #writeRegister(rest: string): string {
    const match = /^([0-9a-fA-F]{1,4})=([0-9a-fA-F]+)$/.exec(rest);
    const bytes = match === null ? undefined : fromHex(match[2]!);
    if (match === null || bytes === undefined) return ERROR;
    const register = Number.parseInt(match[1]!, 16);
    const now = this.#target.read(this.#general, register);
    if (now === undefined || now.length !== bytes.length) return ERROR;
    // gdb writes back what it has read when it returns from a call; that changes nothing.
    if (toHex(now) === toHex(bytes)) return 'OK';
    let isGood = false;
    this.#change(() => {
      isGood = this.#target.write(this.#general, register, bytes);
    });
    return isGood ? 'OK' : ERROR;
  }

  #readMemory(rest: string, isBinary: boolean): string {
    const match = /^([0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,8})$/.exec(rest);
    if (match === null) return ERROR;
    const into = new Uint8Array(Math.min(Number.parseInt(match[2]!, 16), MAX_MEMORY));
    const count = this.#read(BigInt(`0x${match[1]}`), into);
    if (count === 0 && into.length > 0) return ERROR;
    const bytes = into.subarray(0, count);
    return isBinary ? `b${fromLatin1(bytes)}` : toHex(bytes);
  }

  #read(address: bigint, into: Uint8Array): number {
    const machine = this.#machine;
    if (!this.#physical) return readVirtual(machine, this.#general, address, into);
    return machine.memory.read(Number(address), into) ? into.length : 0;
  }

  #writeMemory(rest: string, isBinary: boolean): string {
    const colon = rest.indexOf(':');
    const match = /^([0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,8})$/.exec(rest.slice(0, Math.max(colon, 0)));
    const data = rest.slice(colon + 1);
    const bytes = isBinary ? latin1(data) : fromHex(data);
    if (match === null || bytes === undefined || bytes.length !== Number.parseInt(match[2]!, 16))
      return ERROR;
    // gdb asks with nothing whether X is there.
    if (bytes.length === 0) return 'OK';
    const address = BigInt(`0x${match[1]}`);
    // Refused before anything is changed: a branch for nothing would help nobody.
    if (this.#read(address, new Uint8Array(bytes.length)) !== bytes.length) return ERROR;
    let isGood = false;
    this.#change((machine) => {
      isGood = this.#physical
        ? machine.memory.write(Number(address), bytes)
        : writeVirtual(machine, this.#general, address, bytes) === bytes.length;
    });
    return isGood ? 'OK' : ERROR;
  }

  #change(apply: (machine: Machine) => void): void {
    const isNew = this.#timeline.change(apply);
    if (!isNew) return;
    const { number, position } = this.#timeline.branch!;
    const line = `virtrace: this write begins side branch ${number} at position ${position}; the recording is not changed, "monitor leave" goes back to it`;
    this.#ports.say(line);
    this.#notices.push(line);
  }

  /* ---------------------------------------------------------------- breakpoints */

  #breakpoint(rest: string, isSet: boolean): string {
    const match = /^([0-4]),([0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,8})(;.*)?$/.exec(rest);
    if (match === null) return /^[0-9]/.test(rest) ? '' : ERROR;
    const type = match[1]!;
    const address = BigInt(`0x${match[2]}`);
    const length = Number.parseInt(match[3]!, 16);
    const key = `${type},${address},${length}`;
    const known = this.#breakpoints.get(key);
    if (!isSet) {
      if (known !== undefined) this.#timeline.removeBreakpoint(known);
      this.#breakpoints.delete(key);
      return 'OK';
    }
    if (known !== undefined) return 'OK';
    if (Number(type) >= 2 && (length < 1 || length > 1 << 20)) return ERROR;
    const { id } = this.#timeline.addBreakpoint(this.#condition(type, address, length));
    this.#breakpoints.set(key, id);
    return 'OK';
  }

  #condition(type: string, address: bigint, length: number): Condition {
    switch (type) {
      // A write watchpoint of gdb is one of changes: it looks at the value and goes on if it is the same.
      case '2':
        return this.#watch(address, length, 'change');
      case '3':
        return this.#watch(address, length, 'read');
      case '4':
        return this.#watch(address, length, 'access');
      default:
        return { kind: 'address', address };
    }
  }

  #watch(address: bigint, length: number, access: 'change' | 'read' | 'access'): Condition {
    return { kind: 'watch', space: this.#physical ? 'physical' : 'virtual', address, length, access };
  }

  /* ---------------------------------------------------------------- running */

  *#go(direction: Direction, step: Step | undefined): Operation<string> {
    for (const notice of this.#notices) this.#console(`${notice}\n`);
    this.#notices = [];
    const stop = yield* this.#move(direction, step);
    const cpu = step !== undefined && stop.reason !== 'breakpoint' ? step.cpu : this.#machine.currentCpu;
    // A watched access is shown by gdb after one step in its direction, which is a step too far backwards.
    if (direction === 'backward' && watchOf(stop) !== undefined) yield* this.#timeline.stepForward();
    this.#general = cpu;
    this.#resume = undefined;
    this.#stopReply = this.#describe(stop, cpu);
    return this.#stopReply;
  }

  *#move(direction: Direction, step: Step | undefined): Operation<TimelineStop> {
    const timeline = this.#timeline;
    if (step === undefined) {
      return yield* direction === 'forward' ? timeline.continueForward() : timeline.continueBackward();
    }
    const { cpu, alone, range } = step;
    if (direction === 'backward') return yield* timeline.stepBackward(1, cpu);
    for (;;) {
      const stop = yield* timeline.stepForward(1, cpu, alone);
      if (range === undefined || stop.reason !== 'there') return stop;
      const { pc } = this.#machine.cluster.states[cpu]!;
      if (pc < range.start || pc >= range.end || this.#hasBreakpointAt(pc)) return stop;
      if ((yield { what: 'stepping', position: timeline.position }) === true)
        return { reason: 'interrupted' };
    }
  }

  #hasBreakpointAt(pc: bigint): boolean {
    for (const { condition } of this.#timeline.breakpoints.values()) {
      if (condition.kind === 'address' && condition.address === pc) return true;
    }
    return false;
  }

  #describe(stop: TimelineStop, cpu: number): string {
    switch (stop.reason) {
      case 'there':
        return this.#reply(SIGTRAP, cpu);
      case 'breakpoint': {
        const watch = watchOf(stop);
        if (watch !== undefined)
          return this.#reply(SIGTRAP, cpu, `${watch.name}:${watch.address.toString(16)};`);
        const isPlain = stop.hits.every(({ condition }) => condition.kind === 'address');
        if (!isPlain) this.#console(`virtrace: ${describeStop(stop)}\n`);
        return this.#reply(SIGTRAP, cpu);
      }
      case 'begin':
      case 'end':
        if (stop.reason === 'end') this.#console(`virtrace: ${stop.why}\n`);
        return this.#reply(SIGTRAP, cpu, `replaylog:${stop.reason};`);
      case 'branch-begin':
        this.#console('virtrace: the side branch begins here; "monitor leave" goes back to the recording\n');
        return this.#reply(SIGTRAP, cpu, 'replaylog:begin;');
      case 'interrupted':
        return this.#reply(SIGINT, cpu);
      case 'diverged':
        this.#console(`virtrace: ${describeStop(stop)}\n`);
        return this.#reply(SIGTRAP, cpu, 'replaylog:end;');
    }
  }

  #reply(signal: number, cpu: number, rest = ''): string {
    const pc = toHex(this.#target.read(cpu, 32)!);
    return `T${signal.toString(16).padStart(2, '0')}20:${pc};thread:${(cpu + 1).toString(16)};${rest}`;
  }

  /** Text for gdb's console; only while it waits for a stop or a monitor command. */
  #console(text: string): void {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; at += MAX_MEMORY)
      this.#send(`O${toHex(bytes.subarray(at, at + MAX_MEMORY))}`);
  }

  *#monitor(command: string): Operation<string> {
    for (const notice of this.#notices) this.#console(`${notice}\n`);
    this.#notices = [];
    const before = this.#timeline.position;
    const text = yield* this.#ports.monitor(command.trim(), this.#general);
    if (text !== '') this.#console(text.endsWith('\n') ? text : `${text}\n`);
    if (this.#timeline.position !== before) {
      // gdb does not ask which thread is selected, so that stays.
      this.#stopReply = this.#reply(SIGTRAP, this.#general);
      this.#console('(the machine has moved: "maintenance flush register-cache" makes gdb look again)\n');
    }
    return 'OK';
  }

  /** Physical address behind a virtual one for the selected CPU. */
  translate(address: bigint): number | undefined {
    return translateVirtual(this.#machine, this.#general, address);
  }
}

function watchOf(stop: TimelineStop): { name: 'watch' | 'rwatch' | 'awatch'; address: bigint } | undefined {
  if (stop.reason !== 'breakpoint') return undefined;
  for (const { condition } of stop.hits) {
    if (condition.kind !== 'watch') continue;
    const { access, address } = condition;
    return { name: access === 'read' ? 'rwatch' : access === 'access' ? 'awatch' : 'watch', address };
  }
  return undefined;
}
