import { FIRST_LPI } from './constants.ts';
import { EVENT_ID_BITS } from './its-registers.ts';

/*
 * ITS commands (Arm IHI 0069, 5.3): 32 bytes, four double words. Decoded here, carried out by the ITS.
 */

export const COMMAND_BYTES = 32;

export type ItsCommand =
  | { readonly name: 'MOVI'; readonly device: number; readonly event: number; readonly collection: number }
  | { readonly name: 'INT' | 'CLEAR' | 'INV' | 'DISCARD'; readonly device: number; readonly event: number }
  | { readonly name: 'SYNC'; readonly cpu: number }
  | {
      readonly name: 'MAPD';
      readonly device: number;
      /** EventID bits - 1. */
      readonly size: number;
      readonly itt: number;
      readonly valid: boolean;
    }
  | { readonly name: 'MAPC'; readonly collection: number; readonly cpu: number; readonly valid: boolean }
  | {
      readonly name: 'MAPTI' | 'MAPI';
      readonly device: number;
      readonly event: number;
      readonly intid: number;
      readonly collection: number;
    }
  | { readonly name: 'INVALL'; readonly collection: number }
  | { readonly name: 'MOVALL'; readonly from: number; readonly to: number }
  | { readonly name: 'unknown'; readonly number: number };

const MOVI = 0x01;
const INT = 0x03;
const CLEAR = 0x04;
const SYNC = 0x05;
const MAPD = 0x08;
const MAPC = 0x09;
const MAPTI = 0x0a;
const MAPI = 0x0b;
const INV = 0x0c;
const INVALL = 0x0d;
const MOVALL = 0x0e;
const DISCARD = 0x0f;

export function decodeCommand(view: DataView): ItsCommand {
  const word = (index: number): number => view.getUint32(index * 4, true);
  const number = word(0) & 0xff;
  const device = word(1);
  const event = word(2);
  const collection = word(4) & 0xffff;
  const valid = (word(5) & 0x8000_0000) !== 0;
  // RDbase is in bits 50:16 of its double word; with PTA 0 it is the number of a CPU.
  const cpu = (at: number): number => (word(at + 1) & 0x7_ffff) * 2 ** 16 + (word(at) >>> 16);
  switch (number) {
    case MOVI:
      return { name: 'MOVI', device, event, collection };
    case INT:
      return { name: 'INT', device, event };
    case CLEAR:
      return { name: 'CLEAR', device, event };
    case INV:
      return { name: 'INV', device, event };
    case DISCARD:
      return { name: 'DISCARD', device, event };
    case SYNC:
      return { name: 'SYNC', cpu: cpu(4) };
    case MAPD: {
      // Bits 51:8.
      const itt = (word(5) & 0xf_ffff) * 2 ** 32 + ((word(4) & 0xffff_ff00) >>> 0);
      return { name: 'MAPD', device, size: event & 0x1f, itt, valid };
    }
    case MAPC:
      return { name: 'MAPC', collection, cpu: cpu(4), valid };
    case MAPTI:
      return { name: 'MAPTI', device, event, intid: word(3), collection };
    case MAPI:
      return { name: 'MAPI', device, event, intid: event, collection };
    case INVALL:
      return { name: 'INVALL', collection };
    case MOVALL:
      return { name: 'MOVALL', from: cpu(4), to: cpu(6) };
    default:
      return { name: 'unknown', number };
  }
}

export function isLpi(intid: number): boolean {
  return intid >= FIRST_LPI && intid < 2 ** EVENT_ID_BITS;
}
