/** Events in words, for listings and for the report of a difference. */
import type { MachineEvent } from '../../engine/base/events.ts';
import { describeInputEvents } from '../../engine/devices/virtio/input-codes.ts';
import { decodeAccess, type RegisterMaps } from '../../traces/index.ts';
import { isFolderInput, splitAnswer } from './folder-inputs.ts';
import { busAddressText, functionName, noteText } from './message-words.ts';

const HEX = (value: bigint | number): string => `0x${value.toString(16)}`;
const SHOWN_BYTES = 48;

/** Printable text as it is, everything else escaped; long data is cut. */
export function showBytes(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes.subarray(0, SHOWN_BYTES)) {
    if (byte === 0x0a) text += '\\n';
    else if (byte === 0x0d) text += '\\r';
    else if (byte === 0x22 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `"${text}"${bytes.length > SHOWN_BYTES ? `... ${bytes.length} bytes` : ''}`;
}

/** Interrupt numbers as Arm names their kinds. */
function interruptName(intid: number): string {
  if (intid < 16) return `SGI ${intid}`;
  if (intid < 32) return `PPI ${intid - 16} (INTID ${intid})`;
  if (intid < 1020) return `SPI ${intid - 32} (INTID ${intid})`;
  return `INTID ${intid}`;
}

/** One line without position, time and CPU. */
export function describeEvent(event: MachineEvent, maps: RegisterMaps): string {
  switch (event.kind) {
    case 'access':
      return decodeAccess(event, maps).text;
    case 'interrupt': {
      const target = event.target < 0 ? '' : ` CPU ${event.target}`;
      return `${interruptName(event.intid)} ${event.what}${target}`;
    }
    case 'exception': {
      const { what, fromEl, toEl, pc, syndrome, faultAddress } = event;
      const levels = `EL${fromEl} to EL${toEl}`;
      if (what === 'return') return `exception return ${levels}, to ${HEX(pc)}`;
      return `${what} exception ${levels} at ${HEX(pc)}, syndrome ${HEX(syndrome)}, fault address ${HEX(faultAddress)}`;
    }
    case 'output':
      return `${event.device} output ${showBytes(event.bytes)}`;
    case 'input': {
      const verb = event.mode === 'pull' ? 'answer' : 'input';
      // Keys and pointer moves.
      if (event.what === 'events') return `${event.device} ${verb} ${describeInputEvents(event.data)}`;
      const folder = isFolderInput(event.what) ? splitAnswer(event.data) : undefined;
      if (folder !== undefined) {
        return `${event.device} ${verb} ${event.what} ${folder.question}: ${folder.answer.length} bytes`;
      }
      return `${event.device} ${verb} ${event.what} ${showBytes(event.data)}`;
    }
    case 'dma': {
      const by = event.requester === undefined ? '' : ` by ${functionName(event.requester)}`;
      return `${event.device} DMA ${event.write ? 'write' : 'read'} ${busAddressText(event.address)}, ${event.length} bytes${by}`;
    }
    case 'guest-error':
      return `${event.device} guest error at +${HEX(event.offset)}: ${event.message}`;
    case 'note':
      return `${event.device} ${noteText(event)}`;
    case 'power':
      return event.target < 0 ? event.what : `${event.what} CPU ${event.target}`;
  }
}

/** The device an event is about; `machine` if it is about none. */
export function deviceOf(event: MachineEvent): string {
  switch (event.kind) {
    case 'interrupt':
      return 'gic';
    case 'exception':
      return `cpu${event.cpu}`;
    case 'power':
      return 'machine';
    default:
      return event.device;
  }
}
