/**
 * What an event means, apart from when it was: the sequence it belongs to, and what in it has to be the same.
 *
 * Two runs of one system differ in positions and times, in the values of clocks, in how often a loop polled, and in
 * the addresses of their code. None of that is a difference. So accesses are compared per device (those of system
 * registers per CPU, too), by register, direction and value; interrupts by number; synchronous exceptions by class,
 * level and cause; DMA per device, by direction and length; the console by line, without time stamps.
 */
import { findRegister } from '../../engine/base/register-map.ts';
import type { RegisterMaps, TraceEvent } from '../../traces/index.ts';

/** A part of a machine whose events have an order that means something. */
export interface StreamKey {
  readonly kind: 'device' | 'interrupt' | 'console' | 'power' | 'guest-error' | 'exception' | 'dma';
  /** Device id; number of the interrupt as text; class of the exception. */
  readonly id: string;
  /** For what each CPU has of its own; -1: shared. */
  readonly cpu: number;
  /**
   * Its order depends on timing (ticks, messages between CPUs): a difference in it is none, unless one side has
   * nothing of it at all.
   */
  readonly timing: boolean;
}

export interface Meaning {
  readonly stream: StreamKey;
  /** What is compared. */
  readonly token: string;
  /** Right after itself it does not count: polling. */
  readonly repeats: boolean;
}

const PER_CPU = ['timer', 'pmu', 'gic-cpu', 'gicc'];
const TIMING_DEVICES = ['timer', 'pmu'];
/** Acknowledging and ending are compared interrupt by interrupt; the order among them is timing. */
const INTERRUPT_REGISTERS =
  /^(ICC_(IAR|EOIR|HPPIR|RPR|DIR|A?SGI[01]R)\w*|GICC_(A?IAR|A?EOIR|A?HPPIR|RPR|DIR)|GICD_SGIR)$/;
/** Clocks, and what is set from them. */
const CLOCK_REGISTERS = /^(CNT\w*(CT|CVAL|TVAL)\w*|RTC(DR|MR|LR)|PM(CCNTR|EVCNTR\d*|XEVCNTR)\w*)$/;
/** States that are polled. */
const STATUS_REGISTERS = /^(UARTFR|UARTRIS|UARTMIS|GICD_CTLR_RWP|InterruptStatus)$/;
const PRIVATE_INTERRUPTS = 32;
/** Classes of ESR_ELx.EC (Arm DDI 0487, D24.2.40) with a fault status code in bits 5:0. */
const ABORTS = new Set([0x20, 0x21, 0x24, 0x25]);
/** What programs do all the time: calls, page faults, the first use of floating point. Which comes first is timing. */
const USUAL_CLASSES = new Set([0x07, 0x15, 0x18, 0x20, 0x24]);

export class MeaningReader {
  readonly #maps: RegisterMaps;
  readonly #names = new Map<string, string>();
  readonly #streams = new Map<string, StreamKey>();

  constructor(maps: RegisterMaps) {
    this.#maps = maps;
  }

  /** Undefined: the event is no part of the comparison. Consoles are read line by line, not here. */
  of(event: TraceEvent): Meaning | undefined {
    switch (event.kind) {
      case 'access': {
        const { device, offset, size, write, value, cpu } = event;
        const name = this.#register(device, offset);
        if (INTERRUPT_REGISTERS.test(name)) return undefined;
        const isClock = CLOCK_REGISTERS.test(name) || (!write && STATUS_REGISTERS.test(name));
        const isPrivate = PER_CPU.includes(device);
        const stream = this.#stream('device', device, isPrivate ? cpu : -1, TIMING_DEVICES.includes(device));
        const shown = isClock ? '' : ` ${value.toString(16)}`;
        return { stream, token: `${name} ${write ? 'w' : 'r'}${size}${shown}`, repeats: !write };
      }
      case 'interrupt': {
        const { what, intid, target } = event;
        if (what !== 'acknowledge' && what !== 'complete') return undefined;
        const isPrivate = intid < PRIVATE_INTERRUPTS;
        const stream = this.#stream('interrupt', String(intid), isPrivate ? target : -1, isPrivate);
        return { stream, token: what, repeats: false };
      }
      case 'power':
        return {
          stream: this.#stream('power', 'power', -1, false),
          token: `${event.what} ${event.target}`,
          repeats: false,
        };
      case 'guest-error':
        return {
          stream: this.#stream('guest-error', event.device, -1, false),
          token: event.message,
          repeats: true,
        };
      case 'exception': {
        const { what, fromEl, toEl, syndrome } = event;
        // Interrupts are compared as such, and a return follows from what was taken.
        if (what !== 'sync' && what !== 'serror') return undefined;
        const number = Number((syndrome >> 26n) & 63n);
        const cause = ABORTS.has(number) ? ` ${(syndrome & 63n).toString(16)}` : '';
        const id = what === 'serror' ? 'SError' : `class 0x${number.toString(16)}`;
        const isUsual = fromEl === 0 && USUAL_CLASSES.has(number);
        // A task may run on any CPU.
        const stream = this.#stream('exception', `${id} from EL${fromEl}`, -1, isUsual);
        return { stream, token: `EL${toEl}${cause}`, repeats: false };
      }
      case 'dma': {
        const { device, write, length } = event;
        // Frames come when they come.
        const stream = this.#stream('dma', device, -1, /net/.test(device));
        return { stream, token: `${write ? 'w' : 'r'} ${length}`, repeats: !write };
      }
      default:
        return undefined;
    }
  }

  /** Whether an event says something to a reader: no polling, no clock, no single character. */
  isTelling(event: TraceEvent): boolean {
    if (event.kind === 'output') return false;
    if (event.kind !== 'access') return true;
    if (TIMING_DEVICES.includes(event.device)) return false;
    const name = this.#register(event.device, event.offset);
    return name !== 'UARTDR' && (event.write || !STATUS_REGISTERS.test(name)) && !CLOCK_REGISTERS.test(name);
  }

  console(device: string): StreamKey {
    return this.#stream('console', device, -1, false);
  }

  #stream(kind: StreamKey['kind'], id: string, cpu: number, timing: boolean): StreamKey {
    const key = `${kind} ${cpu} ${id}`;
    let stream = this.#streams.get(key);
    if (stream === undefined) this.#streams.set(key, (stream = { kind, id, cpu, timing }));
    return stream;
  }

  /** `UARTDR`, `GICD_ISENABLER1`, `UARTDR+1`, `+0x123`. */
  #register(device: string, offset: number): string {
    const key = `${device} ${offset}`;
    let name = this.#names.get(key);
    if (name === undefined) {
      const map = this.#maps(device);
      const hit = map === undefined ? undefined : findRegister(map, offset);
      if (hit === undefined) name = `+0x${offset.toString(16)}`;
      else name = hit.byte === 0 ? hit.name : `${hit.name}+${hit.byte}`;
      if (this.#names.size < 1 << 16) this.#names.set(key, name);
    }
    return name;
  }
}

/** `[    0.912260] `, `[  1249 us] `, `[ 0.000000][ T1] `: when a line was printed. */
const TIME_STAMP = /^(?:\[\s*[\d.]+\s*(?:us|ms|s|ns)?\]\s?)(?:\[\s*[TC]\d+\]\s?)?/;

/** A line of a console without its time stamp. */
export function lineMeaning(line: string): string {
  return line.replace(TIME_STAMP, '').trimEnd();
}

/** 52 bits of it, in which two different texts are the same once in a few thousand billions. */
export function hashText(text: string): number {
  let a = 0x811c9dc5;
  let b = 0x1000193;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x85ebca6b);
    b ^= b >>> 13;
  }
  return (a >>> 0) * 0x100000 + ((b >>> 0) & 0xfffff);
}
