import { beforeAll, describe, expect, it } from 'vitest';
import { type Comparison, compareTraces, type Side } from '../../../recorder/compare/compare.ts';
import { hashText, lineMeaning } from '../../../recorder/compare/meaning.ts';
import { registerMapsOf } from '../../../recorder/session/register-maps.ts';
import { recordedConfig } from '../../../recorder/session/setup.ts';
import { MemorySource, PURE_CODEC, SyncTraceReader } from '../../../traces/index.ts';
import { FOUR_CPUS, recordTrace, STORM } from '../session/debug-support.ts';
import { forge } from '../session/forge.ts';

function side(trace: Uint8Array): Side {
  const reader = SyncTraceReader.open(new MemorySource(trace), { codec: PURE_CODEC });
  return { reader, maps: registerMapsOf(recordedConfig(reader.header)) };
}

let bad: Side;
let good: Side;
let comparison: Comparison;

beforeAll(() => {
  bad = side(recordTrace({ kernel: STORM, gic: 3 }));
  good = side(recordTrace({ kernel: STORM, gic: 3, append: 'fix' }));
  comparison = compareTraces(good, bad);
}, 120_000);

const stream = (name: string) => comparison.streams.find((each) => each.name === name)!;

describe('a good and a bad boot', () => {
  it('part at the write that is wrong, whatever was printed before', () => {
    const { first, firstOnConsole, same } = comparison;
    expect(same).toBe(false);
    expect(first?.stream).toBe('gic-cpu on cpu0');
    const wrong = bad.reader.lastWrite(
      { device: 'gic-cpu', register: 'ICC_CTLR_EL1', field: 'EOImode' },
      bad.maps,
    )!;
    expect(first?.b?.position).toBe(wrong.position);
    // The boot arguments are printed earlier.
    expect(firstOnConsole?.order).toBeLessThan(first!.order);
  });

  it('differ in what they were started with', () => {
    expect(comparison.configuration).toEqual([
      { what: 'commandLine', a: '"fix"', b: 'none', isChance: false },
    ]);
  });

  it('take the interrupt twice, and in a storm', () => {
    const rtc = stream('interrupt 34');
    expect(rtc.takenA).toBe(2);
    expect(rtc.takenB).toBeGreaterThan(10_000);
    expect(rtc.hunks).toBe(1);
  });

  it('are in order of their first difference', () => {
    const orders = comparison.streams.flatMap(({ differences }) =>
      differences.slice(0, 1).map(({ order }) => order),
    );
    expect(orders).toEqual(orders.toSorted((x, y) => x - y));
  });

  it('differ in the ticks of the timer, which is timing', () => {
    expect(stream('interrupt 27 on cpu0')).toMatchObject({ counts: false });
    expect(stream('timer on cpu0').counts).toBe(false);
  });

  it('are the same in what is asked for, or not', () => {
    const only = (id: string) => compareTraces(good, bad, { only: (key) => key.id === id });
    expect(only('gicr0').same).toBe(true);
    expect(only('gicr0').configuration).toEqual([]);
    expect(only('rtc').same).toBe(false);
  });
});

describe('two recordings', () => {
  it('of one run are the same', () => {
    const again = compareTraces(bad, bad);
    expect(again.same).toBe(true);
    expect(again.streams.every(({ hunks }) => hunks === 0)).toBe(true);
  });

  it('at other times and with keys typed at other moments are the same but for what is printed', () => {
    const keys = [{ position: 500_000, text: 'abc' }];
    const later = [{ position: 900_000, text: 'abc' }];
    const a = side(recordTrace({ kernel: STORM, gic: 3, append: 'fix', keys }));
    const b = side(recordTrace({ kernel: STORM, gic: 3, append: 'fix', keys: later }));
    const { streams, configuration } = compareTraces(a, b);
    expect(configuration).toEqual([]);
    for (const { name, hunks, counts } of streams) {
      if (counts && !name.startsWith('console')) expect([name, hunks]).toEqual([name, 0]);
    }
  });

  it('of which one was stopped earlier differ in what comes then', () => {
    const cut = side(recordTrace({ kernel: STORM, gic: 3, until: 1_000_000 }));
    const { first, ends, same } = compareTraces(bad, cut);
    expect(same).toBe(false);
    expect(ends).toEqual(['system-off', 'limit']);
    expect(first!.order).toBeGreaterThan(990_000);
  });

  it('of machines with other numbers of CPUs are told so first', () => {
    const four = side(recordTrace({ kernel: FOUR_CPUS, cpus: 4, until: 300_000 }));
    const two = side(recordTrace({ kernel: FOUR_CPUS, cpus: 2, until: 300_000 }));
    const { configuration, first } = compareTraces(four, two);
    expect(configuration.map(({ what }) => what)).toContain('machine.smp.cpus');
    expect(first?.stream).toBe('power');
  });
});

describe('a damaged trace', () => {
  it('is compared as far as it goes, or refused, wherever it is cut', () => {
    const whole = recordTrace({ kernel: STORM, gic: 3, until: 500_000 });
    let compared = 0;
    for (let length = 100; length < whole.length; length += Math.ceil(whole.length / 40)) {
      try {
        const cut = side(whole.subarray(0, length));
        expect(compareTraces(bad, cut).same).toBe(false);
        compared += 1;
      } catch (error) {
        expect((error as Error).constructor.name).toBe('TraceError');
      }
    }
    expect(compared).toBeGreaterThan(0);
  });
});

describe('a trace with changed bytes', () => {
  it('is compared or refused, and ends', () => {
    const whole = recordTrace({ kernel: FOUR_CPUS, until: 50_000 });
    const other = side(whole);
    let state = 7;
    const random = (below: number): number => {
      state = (state * 48_271) % 0x7fff_ffff;
      return state % below;
    };
    for (let i = 0; i < 150; i++) {
      const changed = whole.slice();
      for (let n = random(4); n >= 0; n--) changed[random(changed.length)] = random(256);
      try {
        compareTraces(side(changed), other);
      } catch (error) {
        expect(['TraceError', 'OptionError', 'RangeError']).toContain((error as Error).constructor.name);
      }
    }
  });
});

describe('a line', () => {
  it.each([
    ['[    0.912260] input: gpio-keys', 'input: gpio-keys'],
    ['[    0.000000][    T0] Booting Linux', 'Booting Linux'],
    ['[  1249 us] rtc     alarm', 'rtc     alarm'],
    ['[ ok ] Started', '[ ok ] Started'],
    ['plain  ', 'plain'],
  ])('%j is compared as %j', (line, meaning) => {
    expect(lineMeaning(line)).toBe(meaning);
  });

  it('has a hash that others have not', () => {
    const hashes = new Set(
      Array.from({ length: 200_000 }, (_, i) => hashText(`GICD_ISENABLER1 w4 ${i.toString(16)}`)),
    );
    expect(hashes.size).toBe(200_000);
  });
});

describe('exceptions and DMA', () => {
  const base = recordTrace({ kernel: STORM, gic: 3, level: 'full', until: 400_000 });
  const changed = (change: Parameters<typeof forge>[1]['event']) =>
    compareTraces(side(base), side(forge(base, change === undefined ? {} : { event: change })));

  it('are the same in a recording and itself', () => {
    expect(changed(undefined).same).toBe(true);
  });

  it('that one of them has are told by class, level and cause', () => {
    const found = changed((event) =>
      event.kind === 'exception' && event.what === 'irq' && event.position > 200_000
        ? { ...event, what: 'sync', syndrome: (0x25n << 26n) | 0x07n }
        : event,
    );
    expect(found.first?.stream).toBe('exceptions of class 0x25 from EL1');
    expect(found.same).toBe(false);
  });

  it('of a device count by direction and length, not by address', () => {
    const dma = (address: number, length: number) =>
      forge(base, {
        event: (event, index) =>
          index === 9
            ? {
                ...{ position: event.position, time: event.time, ordinal: event.ordinal, cpu: -1 },
                ...({ kind: 'dma', device: 'virtio-mmio0', address, length, write: true } as const),
              }
            : event,
      });
    const compared = (a: Uint8Array, b: Uint8Array) => compareTraces(side(a), side(b));
    expect(compared(dma(0x4000_0000, 64), dma(0x4100_0000, 64)).same).toBe(true);
    expect(compared(dma(0x4000_0000, 64), dma(0x4000_0000, 128)).first?.stream).toBe('DMA of virtio-mmio0');
  });

  it('are left out, with a word, where only one recording has them', () => {
    const devices = recordTrace({ kernel: STORM, gic: 3, until: 400_000 });
    const { same, oneSided } = compareTraces(side(base), side(devices));
    expect(same).toBe(true);
    expect(oneSided).toEqual(['exception', 'dma']);
  });
});
