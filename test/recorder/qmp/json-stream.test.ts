import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type JsonPiece, JsonStream, MAX_DEPTH, MAX_VALUE_BYTES } from '../../../recorder/qmp/json-stream.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const places = [...new Set(at.map((n) => n % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...places, bytes.length].map((end, i) => bytes.subarray(i === 0 ? 0 : places[i - 1], end));
}

describe('values', () => {
  test('come out as they went in, however they are cut and whatever is between them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.json(), { maxLength: 6 }),
        fc.constantFrom('\n', ' ', '\r\n', '\t\n '),
        fc.array(fc.nat(3000)),
        (texts, between, places) => {
          const stream = new JsonStream();
          const all = bytesOf(texts.map((text) => text + between).join(''));
          const pieces = cut(all, places).flatMap((piece) => stream.feed(piece));
          expect(pieces).toEqual(texts.map((text) => ({ kind: 'value', value: JSON.parse(text) })));
        },
      ),
    );
  });

  test('need nothing between them when brackets end them', () => {
    expect(new JsonStream().feed(bytesOf('{"a":1}{"b":"}"}[]"x"'))).toEqual<JsonPiece[]>([
      { kind: 'value', value: { a: 1 } },
      { kind: 'value', value: { b: '}' } },
      { kind: 'value', value: [] },
      { kind: 'value', value: 'x' },
    ]);
  });
});

describe('what is no value', () => {
  test.each([
    ['nonsense\n', 'this is no JSON value'],
    ['}\n', 'a closing bracket without an opening one'],
    ['{"a" 1}', 'this is no JSON value'],
    ['{"a": "b\n', 'a control character in a string'],
    ['['.repeat(MAX_DEPTH + 1), `more than ${MAX_DEPTH} levels`],
    [`"${'x'.repeat(MAX_VALUE_BYTES)}`, `more than ${MAX_VALUE_BYTES} bytes`],
    ['{"a": \xff', 'the value was broken off'],
  ])('%.20j is one error, and the next line is read', (bad, why) => {
    const stream = new JsonStream();
    const bytes = Uint8Array.from(bad, (c) => c.charCodeAt(0));
    expect(stream.feed(bytes)).toEqual([{ kind: 'error', message: `JSON parse error: ${why}` }]);
    expect(stream.feed(bytesOf('\n{"a":1}'))).toEqual([{ kind: 'value', value: { a: 1 } }]);
  });

  test('any bytes at all are taken, and a client can begin anew', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (pieces) => {
        const stream = new JsonStream();
        for (const piece of pieces) stream.feed(piece);
        stream.feed(Uint8Array.of(0xff));
        expect(stream.feed(bytesOf('{"a":1}'))).toEqual([{ kind: 'value', value: { a: 1 } }]);
      }),
    );
  });
});
