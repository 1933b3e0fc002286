/* Strict mode: each missing invalidation shows. Hostile guests: an error or an event, never more. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PhysicalSpace } from '../../../../engine/base/address-space.ts';
import { SMMU_7_2, SMMU_9_2 } from '../../../../engine/devices/smmuv3/features.ts';
import { SmmuSpace } from '../../../../engine/devices/smmuv3/smmu-dma.ts';
import { Fixture } from './fixture.ts';
import { blockAt, pageAt, tableAt } from './guest.ts';
import { LAYOUT, RAM, RAM_SIZE } from './two-sides.ts';

const PAGE = RAM + 0x18_0000;
const NG = 0x800;

describe('strict mode', () => {
  const strict = () => new Fixture(SMMU_7_2, true);

  it('remembers bad entries until the command that names them', () => {
    const f = strict();
    f.stream(1, { config: 4, valid: false });
    expect(f.access(PAGE, false, 1)).toBe('C_BAD_STE');
    f.stream(1, { config: 4 });
    expect(f.access(PAGE, false, 1)).toBe('C_BAD_STE');
    f.command(0x05, 1);
    expect(f.access(PAGE, false, 1)).toBe('C_BAD_STE');
    f.command(0x03, 1);
    expect(f.access(PAGE, false, 1)).toBe(PAGE);
  });

  it('CFGI_CD drops the Context descriptor and not the entry', () => {
    const f = strict();
    f.map(0, PAGE, NG);
    f.access(0);
    f.context(LAYOUT.context, { epd0: true });
    f.stream(0, { config: 4 });
    expect(f.access(0)).toBe(PAGE);
    f.command(0x05, 0);
    expect(f.access(0)).toBe('F_TRANSLATION');
    f.command(0x03, 0);
    expect(f.access(0)).toBe(0);
  });

  it('a leaf invalidation keeps the level-1 descriptor of the Stream table', () => {
    const f = strict();
    const level2 = LAYOUT.streamTable + 0x1000;
    f.put(LAYOUT.streamTable, [level2 + 7, 0]);
    f.write(0x88, BigInt(8 + 6 * 64 + 0x1_0000));
    f.put(level2, [1 + 4 * 2]);
    expect(f.access(PAGE)).toBe(PAGE);
    f.put(LAYOUT.streamTable, [0, 0]);
    f.command(0x03, 0, 1);
    expect(f.access(PAGE)).toBe(PAGE);
    f.command(0x03, 0, 0);
    expect(f.access(PAGE)).toBe('C_BAD_STREAMID');
  });

  it('a leaf invalidation of an address keeps the tables that led to it', () => {
    const f = strict();
    f.map(0, PAGE, NG);
    f.access(0);
    f.put(LAYOUT.tables + 0x1000, tableAt(LAYOUT.tables + 0x3000));
    f.put(LAYOUT.tables + 0x3000, pageAt(PAGE + 0x5000, NG));
    f.command(0x12, 0x1_0000, 1);
    expect(f.access(0)).toBe(PAGE);
    f.command(0x12, 0x1_0000, 0);
    expect(f.access(0)).toBe(PAGE + 0x5000);
    const lax = new Fixture();
    lax.map(0, PAGE, NG);
    lax.access(0);
    lax.put(LAYOUT.tables + 0x1000, tableAt(LAYOUT.tables + 0x3000));
    lax.put(LAYOUT.tables + 0x3000, pageAt(PAGE + 0x5000, NG));
    lax.command(0x12, 0x1_0000, 1);
    expect(lax.access(0)).toBe(PAGE + 0x5000);
  });

  it('takes TTL and TG at their word', () => {
    const f = strict();
    f.put(LAYOUT.tables + 0x1000, blockAt(RAM, NG));
    f.access(0);
    f.put(LAYOUT.tables + 0x1000, [0, 0]);
    const range = [0x12, 0x1_0000];
    f.command(...range, 0x400 + 0x300);
    expect(f.access(0)).toBe(RAM);
    f.command(...range, 0x800 + 0x200);
    expect(f.access(0)).toBe(RAM);
    f.command(...range, 0x400 + 0x200);
    expect(f.access(0)).toBe('F_TRANSLATION');
  });

  it('shares global entries between ASIDs', () => {
    const f = strict();
    f.stream(1, { config: 5, context: LAYOUT.context + 64 });
    f.context(LAYOUT.context + 64, { asid: 2 });
    f.map(0, PAGE, 0);
    f.access(0);
    f.map(0, undefined);
    expect(f.access(0, false, 1)).toBe(PAGE);
    f.command(0x11, 0x1_0000);
    expect(f.access(0, false, 1)).toBe(PAGE);
    f.command(0x12, 0x2_0000, 0);
    expect(f.access(0)).toBe('F_TRANSLATION');
  });

  it('remembers what was not permitted', () => {
    const f = strict();
    f.map(0, PAGE, NG + 0x80);
    expect(f.access(0, true)).toBe('F_PERMISSION');
    f.map(0, PAGE, NG);
    expect(f.access(0, true)).toBe('F_PERMISSION');
    f.command(0x30);
    expect(f.access(0, true)).toBe(PAGE);
  });

  describe('tells of what is stale: what was used, and what memory says', () => {
    const stale = (f: Fixture) => f.log('note smmu stale ').map((line) => JSON.parse(line) as object);
    /** Uses page 0 and, through it, the entry of stream 0 and its Context descriptor. */
    function used(): Fixture {
      const f = strict();
      f.map(0, PAGE, NG);
      f.access(8);
      expect(stale(f)).toEqual([]);
      return f;
    }
    const at8 = { stream: 0, address: '0x8', write: false };
    const here = `0x${(PAGE + 8).toString(16)} rw`;
    const cases: [name: string, change: (f: Fixture) => void, memory: string, command: number[]][] = [
      ['a page that went', (f) => f.map(0, undefined), 'F_TRANSLATION', [0x12, 0x1_0000, 0]],
      ['a page that moved', (f) => f.map(0, PAGE + 0x1000, NG), '0x40181008 rw', [0x11, 0x1_0000]],
      ['a page made read-only', (f) => f.map(0, PAGE, NG + 0x80), '0x40180008 r-', [0x10]],
      ['a table that went', (f) => f.put(LAYOUT.tables, [0, 0]), 'F_TRANSLATION', [0x30]],
      ['an STE that went', (f) => f.stream(0, { config: 5, valid: false }), 'C_BAD_STE', [0x03, 0, 1]],
      ['an STE that became bypass', (f) => f.stream(0, { config: 4 }), '0x8 rw', [0x03, 0]],
      ['a bad CD', (f) => f.context(LAYOUT.context, { valid: false }), 'C_BAD_CD', [0x05, 0]],
      ['a CD without walks', (f) => f.context(LAYOUT.context, { epd0: true }), 'F_TRANSLATION', [0x06, 0]],
    ];
    it.each(cases)('%s', (_name, change, memory, command) => {
      const f = used();
      change(f);
      f.access(8);
      expect(stale(f)).toEqual([{ ...at8, used: here, memory }]);
      f.command(...command);
      const after = f.access(8);
      expect([stale(f), typeof after === 'string' ? after : `0x${after.toString(16)}`]).toEqual([
        [],
        memory.split(' ')[0],
      ]);
    });

    it('a fault that is remembered, though the page is good now', () => {
      const f = strict();
      f.map(0, PAGE, NG + 0x80);
      f.access(8, true);
      f.map(0, PAGE, NG);
      f.bench.log.length = 0;
      expect(f.access(8, true)).toBe('F_PERMISSION');
      expect(stale(f)).toEqual([{ ...at8, write: true, used: 'F_PERMISSION', memory: here }]);
    });

    it('nothing, without strict mode', () => {
      const f = new Fixture();
      f.map(0, PAGE, NG);
      f.access(8);
      f.map(0, undefined);
      expect(f.access(8)).toBe(PAGE + 8);
      expect(stale(f)).toEqual([]);
    });
  });

  it('never remembers a hole, as the architecture demands', () => {
    const f = strict();
    expect(f.access(0)).toBe('F_TRANSLATION');
    f.map(0, PAGE, NG);
    expect(f.access(0)).toBe(PAGE);
  });
});

describe('hostile guests', () => {
  it('a queue base that is not aligned counts as aligned, and is reported', () => {
    const f = new Fixture();
    f.write(0x20, 0n);
    f.write(0x90, BigInt(LAYOUT.cmdq + 0x40 + 4), 8);
    f.bench.log.length = 0;
    f.write(0x20, 0xdn);
    expect(f.log('guest-error')).toHaveLength(1);
    expect(f.command(0x46)).toBe(true);
  });

  it('a table that points to itself ends at level 3', () => {
    const f = new Fixture();
    f.put(LAYOUT.tables, tableAt(LAYOUT.tables));
    // At level 3 the descriptor reads as a page, whose Access flag is 0.
    expect(f.access(0)).toBe('F_ACCESS');
  });

  it('a queue as long as it can be, and wrap bits that make no sense, end', () => {
    const f = new Fixture();
    f.write(0x90, BigInt(RAM + 0x1f), 8);
    f.write(0x98, 0xffff_ffffn);
    expect(f.read(0x60) & 1n).toBe(1n);
  });

  it('a transfer over good and bad pages fails, moves the good ones and tells each bad one', () => {
    const f = new Fixture();
    f.map(0, PAGE);
    f.map(2, PAGE + 0x2000);
    const messages: string[] = [];
    const space = new PhysicalSpace(f.bench.dma(RAM, RAM_SIZE), [
      {
        base: 0x808_0040,
        size: 4,
        message: (_at, _size, value, id) => void messages.push(`${id}: ${value}`),
      },
    ]);
    const port = new SmmuSpace(f.smmu, space);
    expect(port.write(0x800, new Uint8Array(0x2000).fill(7), 0)).toBe(false);
    const memory = f.bench.memory('dma', 0);
    expect([memory[PAGE - RAM + 0x800], memory[PAGE - RAM + 0x2000]]).toEqual([7, 7]);
    expect(f.events()).toHaveLength(1);
    // Messages are writes like others: not mapped, mapped.
    const message = Uint8Array.of(5, 0, 0, 0);
    expect(port.write(0x9040, message, 0)).toBe(false);
    f.map(9, 0x808_0000);
    expect(port.write(0x9040, message, 0)).toBe(true);
    expect(messages).toEqual(['0: 5']);
  });

  it('whatever lies in tables and queues, nothing throws and nothing takes long', () => {
    const word = fc.oneof(
      fc.integer({ min: 0, max: 0xffff_ffff }),
      fc.constantFrom(3, 0x403, 5, 7, 11, 0x46, LAYOUT.tables + 3),
    );
    const poke = fc.record({
      at: fc.constantFrom(
        LAYOUT.cmdq,
        LAYOUT.streamTable,
        LAYOUT.context,
        LAYOUT.tables,
        LAYOUT.tables + 0x1000,
      ),
      offset: fc.nat(31),
      word,
    });
    const write = fc.record({ register: fc.nat(0x33), value: word });
    const access = fc.record({
      iova: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      bits: fc.nat(64),
      stream: fc.nat(300),
    });
    const step = fc.oneof(poke, write, access);
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60, size: 'max' }),
        fc.boolean(),
        fc.boolean(),
        (steps, two, strict) => {
          const f = new Fixture(two ? SMMU_9_2 : SMMU_7_2, strict);
          for (const s of steps) {
            if ('at' in s) f.put(s.at + 4 * s.offset, [s.word]);
            else if ('register' in s) f.write(4 * s.register, BigInt(s.value));
            else {
              const result = f.translate(s.iova >> BigInt(s.bits), true, s.stream);
              if (result.ok) {
                expect(result.physicalAddress).toBeGreaterThanOrEqual(0);
                expect(result.length).toBeGreaterThan(0);
              }
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
