import { frameText } from '../../recorder/session/frame-words.ts';
import { interruptName, interruptNumber } from '../../recorder/session/interrupt-words.ts';
import { busAddressText, functionName, noteText } from '../../recorder/session/message-words.ts';
import { decodeAccess, type RegisterMaps, type TraceEvent } from '../../traces/index.ts';
import { readable } from './console-text.ts';
import type { Severity } from './protocol.ts';

/** Events in words: what it is about, and what happened. */
export class EventText {
  readonly #maps: RegisterMaps;
  readonly #virtio: ReadonlyMap<number, string>;
  readonly #networks: ReadonlySet<string>;
  readonly #accesses = new Map<string, string>();

  constructor(maps: RegisterMaps, virtio: ReadonlyMap<number, string>, networks: readonly string[] = []) {
    this.#networks = new Set(networks);
    this.#maps = maps;
    this.#virtio = virtio;
  }

  subject(event: TraceEvent): string {
    switch (event.kind) {
      case 'interrupt': {
        const name = interruptName(event.intid, this.#virtio);
        return name === '' ? `INTID ${event.intid}` : `${event.intid} ${name}`;
      }
      case 'exception':
        return `CPU ${event.cpu}`;
      case 'power':
        return event.target >= 0 ? `CPU ${event.target}` : 'machine';
      default:
        return event.device;
    }
  }

  /** Whether what an event carries is an Ethernet frame. */
  isFrame(event: TraceEvent): boolean {
    if (event.kind === 'output') return this.#networks.has(event.device);
    return event.kind === 'input' && event.mode !== 'pull' && this.#networks.has(event.device);
  }

  text(event: TraceEvent): string {
    switch (event.kind) {
      case 'access': {
        // A search asks for the text of millions of events, of which only a few differ.
        const { device, offset, size, write, value } = event;
        const key = `${device} ${offset} ${size} ${write} ${value}`;
        let text = this.#accesses.get(key);
        if (text === undefined) {
          const decoded = decodeAccess(event, this.#maps).text;
          text = decoded.startsWith(`${device} `) ? decoded.slice(device.length + 1) : decoded;
          if (this.#accesses.size > 200_000) this.#accesses.clear();
          this.#accesses.set(key, text);
        }
        return text;
      }
      case 'interrupt':
        return `${interruptNumber(event.intid)} ${event.what}${event.target < 0 ? '' : ` CPU ${event.target}`}`;
      case 'exception': {
        const { what, fromEl, toEl, pc, syndrome } = event;
        if (what === 'return') return `return EL${fromEl} → EL${toEl}`;
        const why = what === 'sync' ? `${exceptionClass(syndrome)} ` : '';
        return `${what} ${why}EL${fromEl} → EL${toEl} at 0x${pc.toString(16)}`;
      }
      case 'output':
        return this.isFrame(event) ? frameText(event.bytes) : `“${visible(event.bytes)}”`;
      case 'input':
        if (this.isFrame(event)) return `${event.what}: ${frameText(event.data)}`;
        return `${event.mode === 'pull' ? 'answer' : 'input'} ${event.what} ${bytesText(event.data)}`;
      case 'dma': {
        const range = `${busAddressText(event.address)}, ${event.length} bytes`;
        const by = event.requester === undefined ? '' : ` by ${functionName(event.requester)}`;
        return `${event.write ? 'write' : 'read'} ${range}${by}`;
      }
      case 'guest-error':
        return event.message;
      case 'note':
        return noteText(event);
      case 'power':
        return event.what.replace('-', ' ');
    }
  }
}

export function severityOf(event: TraceEvent): Severity {
  if (event.kind === 'guest-error' || (event.kind === 'note' && event.what === 'fault')) return 'error';
  return event.kind === 'note' || event.kind === 'power' ? 'note' : 'normal';
}

/** Exception classes of ESR_ELx.EC (Arm DDI 0487, D17.2.37) in short. */
const CLASSES: { readonly [ec: number]: string } = {
  0: 'unknown',
  1: 'WFI/WFE trap',
  7: 'FP/SIMD trap',
  14: 'illegal state',
  17: 'SVC (A32)',
  21: 'SVC',
  22: 'HVC',
  23: 'SMC',
  24: 'system register trap',
  32: 'instruction abort',
  33: 'instruction abort',
  34: 'PC alignment',
  36: 'data abort',
  37: 'data abort',
  38: 'SP alignment',
  44: 'floating point',
  47: 'SError',
  48: 'breakpoint',
  49: 'breakpoint',
  50: 'software step',
  51: 'software step',
  52: 'watchpoint',
  53: 'watchpoint',
  60: 'BRK',
};

export function exceptionClass(syndrome: bigint): string {
  const ec = Number((syndrome >> 26n) & 63n);
  return CLASSES[ec] ?? `EC 0x${ec.toString(16)}`;
}

/** Console bytes on one line. */
export function visible(bytes: Uint8Array, limit = 80): string {
  const text = readable(bytes.subarray(0, 4 * limit));
  if (text === '' && bytes.length > 0) return escapes(bytes.subarray(0, 16));
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return cut.replaceAll('\n', '⏎');
}

/** Control characters, which a terminal obeys and nobody sees. */
function escapes(bytes: Uint8Array): string {
  const names: { readonly [byte: number]: string } = { 8: '\\b', 9: '\\t', 13: '\\r', 27: '\\e' };
  return [...bytes].map((byte) => names[byte] ?? `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}

export function hexBytes(bytes: Uint8Array, limit: number): string {
  const shown = [...bytes.subarray(0, limit)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return bytes.length > limit ? `${shown} … ${bytes.length} bytes` : shown;
}

function bytesText(bytes: Uint8Array): string {
  const isText = bytes.length > 0 && bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
  return isText ? `“${visible(bytes)}”` : hexBytes(bytes, 16);
}
