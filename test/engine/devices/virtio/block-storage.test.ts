import fc from 'fast-check';
import { expect, it } from 'vitest';
import { CowBlockStorage } from '../../../../engine/devices/virtio/block-storage.ts';

const IMAGE = 20_000;
const DISK = 30_000;
const image = Uint8Array.from({ length: IMAGE }, (_, n) => (n * 11 + 3) & 0xff);

type Step =
  | { readonly do: 'write'; readonly at: number; readonly length: number; readonly value: number }
  | { readonly do: 'zero'; readonly at: number; readonly length: number }
  | { readonly do: 'save' }
  | { readonly do: 'restore' };

const place = fc
  .tuple(fc.nat(DISK), fc.oneof(fc.nat(100), fc.nat(9000), fc.constant(4096)))
  .map(([at, length]) => ({ at, length: Math.min(length, DISK - at) }));
const aligned = fc.nat(6).map((n) => ({ at: n * 4096, length: 4096 }));
const somewhere = fc.oneof(place, aligned);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(somewhere, fc.nat(255)).map(([where, value]) => ({ do: 'write' as const, ...where, value })),
  somewhere.map((where) => ({ do: 'zero' as const, ...where })),
  fc.constant({ do: 'save' as const }),
  fc.constant({ do: 'restore' as const }),
);

it('reads as a plain array would after any writes, zeroing, saves and loads; the image stays', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
      const original = image.slice();
      const storage = new CowBlockStorage(original, { sizeBytes: DISK });
      let model = new Uint8Array(DISK);
      model.set(image);
      let saved: { state: ReturnType<CowBlockStorage['save']>; model: Uint8Array<ArrayBuffer> } | undefined;
      for (const it of steps) {
        if (it.do === 'write') {
          const bytes = Uint8Array.from({ length: it.length }, (_, n) => (n + it.value) & 0xff);
          storage.write(it.at, bytes);
          model.set(bytes, it.at);
        } else if (it.do === 'zero') {
          storage.zero(it.at, it.length);
          model.fill(0, it.at, it.at + it.length);
        } else if (it.do === 'save') {
          saved = { state: storage.save(), model: model.slice() };
        } else if (saved !== undefined) {
          storage.load(saved.state);
          model = saved.model.slice();
        }
        const all = new Uint8Array(DISK);
        storage.read(0, all);
        expect(Buffer.from(all).equals(model)).toBe(true);
        const part = new Uint8Array(5000);
        storage.read(3333, part);
        expect(Buffer.from(part).equals(model.subarray(3333, 8333))).toBe(true);
      }
      expect(original).toStrictEqual(image);
    }),
  );
});

it('does not change a saved state by later writes', () => {
  const storage = new CowBlockStorage(image);
  storage.write(10, Uint8Array.of(1, 2, 3));
  const state = storage.save();
  const copy = structuredClone(state);
  storage.write(10, Uint8Array.of(9, 9, 9));
  storage.zero(0, 8192);
  expect(state).toStrictEqual(copy);
});

it('costs nothing but a reference for a chunk that is zeroed', () => {
  const storage = new CowBlockStorage(new Uint8Array(0), { sizeBytes: 2 ** 40 });
  storage.zero(2 ** 39, 64 * 4096);
  const chunks = storage.save().chunks as Uint8Array[];
  expect(new Set(chunks).size).toBe(1);
});
