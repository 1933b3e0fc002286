import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  frame,
  fromHex,
  type Incoming,
  MAX_PACKET,
  PacketParser,
  toHex,
} from '../../../recorder/gdb/packets.ts';

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const anyData = fc.uint8Array({ maxLength: 300 }).map((bytes) => String.fromCharCode(...bytes));

function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const points = [
    0,
    ...[...new Set(at.map((n) => n % (bytes.length + 1)))].sort((a, b) => a - b),
    bytes.length,
  ];
  return points.slice(1).map((end, i) => bytes.subarray(points[i]!, end));
}

describe('packets', () => {
  test('as the manual writes them', () => {
    const parser = new PacketParser();
    expect(parser.feed(bytesOf('+$m0,4#fd-\x03$OK#9a'))).toEqual<Incoming[]>([
      { kind: 'ack' },
      { kind: 'packet', data: 'm0,4' },
      { kind: 'nack' },
      { kind: 'interrupt' },
      { kind: 'packet', data: 'OK' },
    ]);
    expect(String.fromCharCode(...frame('OK'))).toBe('$OK#9a');
    // 0x23 and its kin are sent as 0x7d and the byte xor 0x20.
    expect([...frame('#')]).toEqual([0x24, 0x7d, 0x03, 0x23, ...bytesOf('80')]);
  });

  test('survive any way of being cut', () => {
    fc.assert(
      fc.property(fc.array(anyData, { maxLength: 5 }), fc.array(fc.nat(2000)), (packets, points) => {
        const parser = new PacketParser();
        const whole = Uint8Array.from(packets.flatMap((data) => [...frame(data)]));
        const found = cut(whole, points).flatMap((piece) => parser.feed(piece));
        expect(found).toEqual(packets.map((data) => ({ kind: 'packet', data })));
      }),
    );
  });

  test('with a wrong checksum, or too long, are damaged, and the next one is not', () => {
    const parser = new PacketParser();
    const long = frame('x'.repeat(MAX_PACKET + 1));
    for (const bad of [bytesOf('$m0,4#fe'), bytesOf('$m0,4#zz'), bytesOf('$m0}#1d'), long]) {
      expect(parser.feed(bad)).toEqual([{ kind: 'damaged' }]);
      expect(parser.feed(frame('g'))).toEqual([{ kind: 'packet', data: 'g' }]);
    }
  });

  test('any bytes at all are taken', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (pieces) => {
        const parser = new PacketParser();
        for (const piece of pieces) parser.feed(piece);
        parser.feed(bytesOf('#00'));
        expect(parser.feed(frame('?')).at(-1)).toEqual({ kind: 'packet', data: '?' });
      }),
    );
  });

  test('hexadecimal text goes both ways, and nothing else passes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(bytes);
      }),
    );
    for (const bad of ['0', '0g', ' 00', '0x00']) expect(fromHex(bad)).toBeUndefined();
  });
});
