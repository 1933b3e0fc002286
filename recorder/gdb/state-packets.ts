/** Packets that read and write registers and memory: g G p P m M x X. */
import type { Debuggee, DebuggerWrite } from '../session/debuggee.ts';
import { readVirtual, translateVirtual } from '../session/guest-view.ts';
import { ERROR, MAX_MEMORY, OK, type Threads } from './packet-text.ts';
import { fromHex, fromLatin1, latin1, toHex } from './packets.ts';
import { type GdbTarget, GENERAL_REGISTERS } from './target.ts';

const PAGE = 4096;
const ADDRESS_AND_LENGTH = /^([0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,8})$/;

export class StatePackets {
  /** QEMU's PhyMemMode: memory packets take physical addresses. */
  physical = false;
  readonly #debuggee: Debuggee;
  readonly #target: GdbTarget;
  readonly #threads: Threads;
  readonly #notice: (text: string) => void;

  /** @param notice hears what the person has to be told after a write */
  constructor(debuggee: Debuggee, target: GdbTarget, threads: Threads, notice: (text: string) => void) {
    this.#debuggee = debuggee;
    this.#target = target;
    this.#threads = threads;
    this.#notice = notice;
  }

  readGeneral(): string {
    let text = '';
    for (let i = 0; i < GENERAL_REGISTERS; i++) text += toHex(this.#target.read(this.#threads.general, i)!);
    return text;
  }

  writeGeneral(rest: string): string {
    const bytes = fromHex(rest);
    if (bytes === undefined) return ERROR;
    const writes: DebuggerWrite[] = [];
    let at = 0;
    for (let i = 0; i < GENERAL_REGISTERS && at < bytes.length; i++) {
      const size = this.#target.sizeOf(i);
      const part = bytes.slice(at, at + size);
      at += size;
      if (part.length !== size) return ERROR;
      if (!this.#holds(i, part)) writes.push({ what: this.#name(i), data: part });
    }
    return this.#write(writes);
  }

  readRegister(rest: string): string {
    // lldb names the thread after the number.
    const number = /^([0-9a-fA-F]{1,4})$/.exec(rest)?.[1];
    if (number === undefined) return ERROR;
    const bytes = this.#target.read(this.#threads.general, Number.parseInt(number, 16));
    return bytes === undefined ? ERROR : toHex(bytes);
  }

  writeRegister(rest: string): string {
    const match = /^([0-9a-fA-F]{1,4})=([0-9a-fA-F]+)$/.exec(rest);
    const bytes = match === null ? undefined : fromHex(match[2]!);
    if (match === null || bytes === undefined) return ERROR;
    const register = Number.parseInt(match[1]!, 16);
    if (bytes.length === 0 || bytes.length !== this.#target.sizeOf(register)) return ERROR;
    // gdb writes back what it has read when it returns from a call; that changes nothing.
    if (this.#holds(register, bytes)) return OK;
    return this.#write([{ what: this.#name(register), data: bytes }]);
  }

  #name(register: number): string {
    return `cpu${this.#threads.general}.${this.#target.nameOf(register)}`;
  }

  #holds(register: number, bytes: Uint8Array): boolean {
    return toHex(this.#target.read(this.#threads.general, register)!) === toHex(bytes);
  }

  readMemory(rest: string, isBinary: boolean): string {
    const match = ADDRESS_AND_LENGTH.exec(rest);
    if (match === null) return ERROR;
    const into = new Uint8Array(Math.min(Number.parseInt(match[2]!, 16), MAX_MEMORY));
    const count = this.#read(BigInt(`0x${match[1]}`), into);
    if (count === 0 && into.length > 0) return ERROR;
    const bytes = into.subarray(0, count);
    return isBinary ? `b${fromLatin1(bytes)}` : toHex(bytes);
  }

  #read(address: bigint, into: Uint8Array): number {
    const { machine } = this.#debuggee;
    if (!this.physical) return readVirtual(machine, this.#threads.general, address, into);
    return machine.memory.read(Number(address), into) ? into.length : 0;
  }

  writeMemory(rest: string, isBinary: boolean): string {
    const colon = rest.indexOf(':');
    const match = ADDRESS_AND_LENGTH.exec(rest.slice(0, Math.max(colon, 0)));
    const data = rest.slice(colon + 1);
    const bytes = isBinary ? latin1(data) : fromHex(data);
    if (match === null || bytes === undefined || bytes.length !== Number.parseInt(match[2]!, 16))
      return ERROR;
    // gdb asks with nothing whether X is there.
    if (bytes.length === 0) return OK;
    const writes = this.#pages(BigInt(`0x${match[1]}`), bytes);
    return writes === undefined ? ERROR : this.#write(writes);
  }

  /** A write by physical addresses; undefined: something of it is not mapped. */
  #pages(address: bigint, bytes: Uint8Array): DebuggerWrite[] | undefined {
    const writes: DebuggerWrite[] = [];
    for (let done = 0; done < bytes.length; ) {
      const at = BigInt.asUintN(64, address + BigInt(done));
      const count = Math.min(PAGE - Number(at & 4095n), bytes.length - done);
      const physical = this.physical
        ? Number(at)
        : translateVirtual(this.#debuggee.machine, this.#threads.general, at);
      if (physical === undefined) return undefined;
      writes.push({ what: `memory.0x${physical.toString(16)}`, data: bytes.slice(done, done + count) });
      done += count;
    }
    return writes;
  }

  #write(writes: readonly DebuggerWrite[]): string {
    const { done, notice } = this.#debuggee.write(writes);
    if (notice !== undefined) this.#notice(notice);
    return done ? OK : ERROR;
  }
}
