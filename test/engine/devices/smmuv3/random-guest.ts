/*
 * Guests that chance wrote: they map, unmap, remap and invalidate, rightly or wrongly, while a bus master works.
 */
import fc from 'fast-check';
import { blockAt, type CdFields, contextDescriptor, pageAt, streamEntry, tableAt } from './guest.ts';
import { type Driver, LAYOUT, RAM, SID } from './two-sides.ts';

/** Where the bus master's data are. */
const DATA = RAM + 0x18_0000;

export interface Format {
  /** log2 of the granule, and its codes in TG0 and in commands. */
  readonly granule: 12 | 14 | 16;
  readonly tg0: number;
  readonly tg: number;
  readonly t0sz: number;
  /** Level of the first table. */
  readonly start: number;
  /** Levels that can hold a leaf. */
  readonly leaves: readonly number[];
}

/** Arm DDI 0487 table D8-14 and following: the first level of each size. */
export const FORMATS: readonly Format[] = [
  { granule: 12, tg0: 0, tg: 1, t0sz: 16, start: 0, leaves: [1, 2, 3] },
  { granule: 12, tg0: 0, tg: 1, t0sz: 25, start: 1, leaves: [1, 2, 3] },
  { granule: 12, tg0: 0, tg: 1, t0sz: 32, start: 1, leaves: [1, 2, 3] },
  { granule: 12, tg0: 0, tg: 1, t0sz: 39, start: 2, leaves: [2, 3] },
  { granule: 14, tg0: 2, tg: 2, t0sz: 17, start: 1, leaves: [2, 3] },
  { granule: 14, tg0: 2, tg: 2, t0sz: 28, start: 2, leaves: [2, 3] },
  { granule: 16, tg0: 1, tg: 3, t0sz: 16, start: 1, leaves: [2, 3] },
  { granule: 16, tg0: 1, tg: 3, t0sz: 23, start: 2, leaves: [2, 3] },
];

type Step =
  | {
      readonly do: 'leaf';
      readonly at: number;
      readonly level: number;
      readonly page: number;
      readonly ro: boolean;
    }
  | { readonly do: 'hole'; readonly at: number; readonly level: number; readonly low: number }
  | { readonly do: 'dma'; readonly at: number; readonly write: boolean; readonly offset: number }
  | {
      readonly do: 'tlbi';
      readonly number: number;
      readonly at: number;
      readonly asid: number;
      readonly tg: boolean;
      readonly num: number;
      readonly scale: number;
      readonly ttl: number;
    }
  | { readonly do: 'cfgi'; readonly number: number; readonly stream: number; readonly range: number }
  | { readonly do: 'context'; readonly fields: CdFields }
  | { readonly do: 'stream'; readonly config: number };

export interface Script {
  readonly format: Format;
  readonly steps: readonly Step[];
}

/** Addresses that scripts use: near to each other and far, all with a physical place in `DATA` under any block. */
function addressOf(format: Format, at: number): number {
  const far = [0, 2 ** 30, 2 ** 33, 2 ** 38, 2 ** 44][at >> 2] ?? 0;
  const base = far < 2 ** (64 - format.t0sz) ? far : 0;
  return base + 0x18_0000 + (at & 3) * 2 ** format.granule;
}
const ADDRESSES = 20;

export function scripts(count: number): Script[] {
  const at = fc.oneof({ weight: 3, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat(ADDRESSES - 1) });
  const asid = fc.constantFrom(0, 1, 2);
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('leaf' as const),
        at,
        level: fc.constantFrom(1, 2, 2, 3, 3, 3, 3),
        page: fc.nat(7),
        ro: fc.boolean(),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('hole' as const),
        at,
        level: fc.constantFrom(1, 2, 3, 3),
        // At level 3 also the reserved code 1.
        low: fc.constantFrom(0, 0, 2, 1),
      }),
    },
    {
      weight: 16,
      arbitrary: fc.record({
        do: fc.constant('dma' as const),
        at,
        write: fc.boolean(),
        offset: fc.nat(0x3ff).map((n) => 4 * n),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('tlbi' as const),
        number: fc.constantFrom(0x10, 0x11, 0x12, 0x12, 0x12, 0x13, 0x13, 0x30),
        at,
        asid,
        tg: fc.boolean(),
        num: fc.nat(3),
        scale: fc.constantFrom(0, 0, 1, 9),
        ttl: fc.constantFrom(0, 0, 3),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('cfgi' as const),
        number: fc.constantFrom(3, 4, 5, 6),
        stream: fc.constantFrom(SID, SID, SID + 1, SID - 1, 0),
        range: fc.constantFrom(0, 2, 4, 31),
      }),
    },
    {
      weight: 2,
      arbitrary: fc
        .record({
          asid,
          r: fc.constantFrom(true, true, true, false),
          epd0: fc.constantFrom(false, false, false, true),
        })
        .map((fields) => ({ do: 'context' as const, fields })),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('stream' as const), config: fc.constantFrom(0, 4, 5, 5, 5, 6) }),
    },
  );
  const script = fc.record({
    format: fc.constantFrom(...FORMATS),
    steps: fc.array(step, { minLength: 70, maxLength: 70, size: 'max' }),
  });
  const list = fc.sample(script, { numRuns: count, seed: 42 });
  // Each format, whatever chance says.
  return list.map((one, n) => ({ ...one, format: FORMATS[n % FORMATS.length]! }));
}

/** Carries a script out; what the guest can see of it, in order. */
export async function play(driver: Driver, { format, steps }: Script): Promise<string[]> {
  const { granule, t0sz, start, leaves } = format;
  const stride = granule - 3;
  const shiftOf = (level: number) => granule + (3 - level) * stride;
  const seen: string[] = [];
  /** Tables by level and the part of the address above it. */
  const tables = new Map<string, number>();
  const tableFor = (level: number, address: number): number => {
    const key =
      level === start ? 'first' : `${level} ${Math.floor(address / 2 ** (shiftOf(level) + stride))}`;
    const known = tables.get(key);
    if (known !== undefined) return known;
    const table = LAYOUT.tables + tables.size * 2 ** granule;
    tables.set(key, table);
    return table;
  };
  const slot = (level: number, address: number): number => {
    const count = level === start ? 2 ** (64 - t0sz - shiftOf(level)) : 2 ** stride;
    return tableFor(level, address) + 8 * (Math.floor(address / 2 ** shiftOf(level)) % count);
  };
  const pathTo = async (level: number, address: number) => {
    for (let above = start; above < level; above++) {
      await driver.put(slot(above, address), tableAt(tableFor(above + 1, address)));
    }
  };
  const first = tableFor(start, 0);
  const context = (fields: CdFields) =>
    driver.put(LAYOUT.context, contextDescriptor({ t0sz, tg0: format.tg0, ttb0: first, asid: 1, ...fields }));
  const stream = (config: number) =>
    driver.put(LAYOUT.streamTable + 64 * SID, streamEntry({ config, context: LAYOUT.context }));

  await driver.put(
    DATA,
    Array.from({ length: 0x1_0000 }, (_, n) => Math.imul(n + 1, 0x9e37_79b1) >>> 0),
  );
  await driver.start();
  await stream(5);
  await context({});
  for (const step of steps) {
    switch (step.do) {
      case 'leaf': {
        const address = addressOf(format, step.at);
        const level = Math.max(step.level, ...leaves.slice(0, 1), start);
        await pathTo(level, address);
        const shift = shiftOf(level);
        const more = step.ro ? 0x80 : 0;
        const output =
          level === 3 ? DATA + ((step.page * 2 ** granule) % 0x4_0000) : RAM - (RAM % 2 ** shift);
        await driver.put(slot(level, address), (level === 3 ? pageAt : blockAt)(output, more));
        break;
      }
      case 'hole': {
        const address = addressOf(format, step.at);
        const level = Math.max(step.level, start);
        await pathTo(level, address);
        const low = level === 3 ? step.low : step.low & 2;
        await driver.put(slot(level, address), [low === 0 ? 0 : DATA + low, 0]);
        break;
      }
      case 'dma': {
        const address = addressOf(format, step.at) + step.offset;
        if (step.write) await driver.side.dmaWrite(BigInt(address), 4);
        else await driver.side.dmaRead(BigInt(address), 4);
        seen.push(`${step.write ? 'write' : 'read'} ${address.toString(16)}`, ...(await driver.events()));
        break;
      }
      case 'tlbi': {
        const address = addressOf(format, step.at);
        const range = step.tg ? step.num * 2 ** 12 + step.scale * 2 ** 20 : 0;
        const hints = step.tg ? format.tg * 2 ** 10 + step.ttl * 2 ** 8 : 0;
        const words = [
          step.number + range,
          step.asid * 2 ** 16,
          (address % 2 ** 32) + hints,
          Math.floor(address / 2 ** 32),
        ];
        seen.push(`tlbi ${await driver.command(words)}`);
        break;
      }
      case 'cfgi':
        seen.push(`cfgi ${await driver.command([step.number, step.stream, step.range, 0])}`);
        break;
      case 'context':
        await context(step.fields);
        break;
      case 'stream':
        await stream(step.config);
        break;
    }
  }
  const data = await driver.side.peek(DATA, 0x8_0000);
  let sum = 0;
  for (const byte of data) sum = (Math.imul(sum, 31) + byte) | 0;
  seen.push(`data ${sum}`);
  return seen;
}
