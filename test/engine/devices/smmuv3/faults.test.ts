/* Every event of Arm IHI 0070 section 7.3 that this SMMU has, its record, and what happens when it cannot be told. */
import { describe, expect, it } from 'vitest';
import { SMMU_7_2, SMMU_9_1, SMMU_9_2 } from '../../../../engine/devices/smmuv3/features.ts';
import { Fixture, IPA_OFFSET, STAGE2_TABLES } from './fixture.ts';
import { tableAt } from './guest.ts';
import { LAYOUT, RAM } from './two-sides.ts';

const PAGE = RAM + 0x18_0000;
const NOWHERE = 0x0b00_0000;
const attributes = 'privileged=false instruction=false';

describe('stage 1 faults', () => {
  const cases: [
    name: string,
    set: (f: Fixture) => void,
    iova: number | bigint,
    write: boolean,
    record: string,
  ][] = [
    ['no descriptor', () => {}, 0x1234, false, 'F_TRANSLATION address=0x1234 write=false'],
    ['beyond T0SZ', () => {}, 2 ** 39, true, 'F_TRANSLATION address=0x8000000000 write=true'],
    ['between the halves', () => {}, 2n ** 60n, true, 'F_TRANSLATION address=0x1000000000000000 write=true'],
    [
      'walks disabled',
      (f) => f.context(LAYOUT.context, { epd0: true }),
      0,
      false,
      'F_TRANSLATION address=0x0 write=false',
    ],
    ['page above OAS', (f) => f.map(0, 2 ** 44), 8, false, 'F_ADDR_SIZE address=0x8 write=false'],
    [
      'page above IPS',
      (f) => {
        f.context(LAYOUT.context, { ips: 0 });
        f.map(0, 2 ** 32);
      },
      8,
      true,
      'F_ADDR_SIZE address=0x8 write=true',
    ],
    [
      'table above OAS',
      (f) => f.put(LAYOUT.tables, tableAt(2 ** 45)),
      0,
      false,
      'F_ADDR_SIZE address=0x0 write=false',
    ],
    ['Access flag', (f) => f.map(1, PAGE - 0x400), 0x1000, false, 'F_ACCESS address=0x1000 write=false'],
    ['read-only', (f) => f.map(1, PAGE, 0x80), 0x1004, true, 'F_PERMISSION address=0x1004 write=true'],
    [
      'APTable',
      (f) => {
        f.map(1, PAGE);
        f.put(LAYOUT.tables + 4, [0x4000_0000]);
      },
      0x1004,
      true,
      'F_PERMISSION address=0x1004 write=true',
    ],
  ];
  it.each(cases)('%s', (_name, set, iova, write, record) => {
    const f = new Fixture();
    set(f);
    f.access(iova, write);
    const [name, ...rest] = record.split(' ');
    expect(f.events()).toEqual([`${name} stream=0 ${rest.join(' ')} ${attributes} stage=1 class=IN`]);
  });

  it.each(cases)('%s: not recorded without CD.R', (_name, set, iova, write) => {
    const f = new Fixture();
    set(f);
    // R is bit 45 of the descriptor.
    const bytes = f.bench.memory('dma', 0);
    bytes[LAYOUT.context - RAM + 5]! &= ~0x20;
    expect(f.translate(iova, write).ok).toBe(false);
    expect(f.events()).toEqual([]);
  });

  it('an aborted walk is recorded without CD.R, with the address of the descriptor', () => {
    const f = new Fixture();
    f.context(LAYOUT.context, { r: false });
    f.put(LAYOUT.tables + 0x1000, tableAt(NOWHERE));
    expect(f.access(0x3008)).toBe('F_WALK_EABT');
    expect(f.events()).toEqual([
      `F_WALK_EABT stream=0 address=0x3008 write=false ${attributes} stage=1 class=TT fetch=0xb000018`,
    ]);
  });

  it('permits what AFFD and HAD permit', () => {
    const f = new Fixture();
    f.context(LAYOUT.context, { affd: true, had0: true });
    f.map(1, PAGE - 0x400);
    f.put(LAYOUT.tables + 4, [0x4000_0000]);
    expect(f.access(0x1004, true)).toBe(PAGE + 4);
  });

  it('carries privilege, instruction and substream of the transaction', () => {
    const f = new Fixture();
    f.smmu.translate(0, undefined, 0x5000, { write: false, privileged: true, instruction: true });
    f.translate(0x5000, false, 0, 0x1234);
    expect(f.events()).toEqual([
      'F_TRANSLATION stream=0 address=0x5000 write=false privileged=true instruction=true stage=1 class=IN',
      'C_BAD_SUBSTREAMID stream=0 substream=4660',
    ]);
  });
});

describe('configuration faults', () => {
  const beyond = (f: Fixture) => f.write(0x88, 0n);
  const cases: [name: string, set: (f: Fixture) => void, event: string[]][] = [
    ['beyond the table', beyond, ['C_BAD_STREAMID stream=1']],
    ['STE.V = 0', (f) => f.stream(1, { config: 5, valid: false }), ['C_BAD_STE stream=1']],
    ['abort', (f) => f.stream(1, { config: 0 }), []],
    ['stage 2 absent', (f) => f.stream(1, { config: 6 }), ['C_BAD_STE stream=1']],
    ['both stages absent', (f) => f.stream(1, { config: 7 }), ['C_BAD_STE stream=1']],
    ['S1CDMax', (f) => f.stream(1, { config: 5, cdMax: 2 }), ['C_BAD_STE stream=1']],
    ['S1STALLD', (f) => f.stream(1, { config: 5, stallDisable: true }), ['C_BAD_STE stream=1']],
    ['table nowhere', (f) => f.write(0x80, BigInt(NOWHERE), 8), ['F_STE_FETCH stream=1 fetch=0xb000040']],
    [
      'CD nowhere',
      (f) => f.stream(1, { config: 5, context: NOWHERE }),
      ['F_CD_FETCH stream=1 fetch=0xb000000'],
    ],
    ['CD.V = 0', (f) => f.context(LAYOUT.context, { valid: false }), ['C_BAD_CD stream=1']],
    ['CD.S', (f) => f.context(LAYOUT.context, { s: true }), ['C_BAD_CD stream=1']],
    ['T0SZ', (f) => f.context(LAYOUT.context, { t0sz: 40 }), ['C_BAD_CD stream=1']],
    ['TG0', (f) => f.context(LAYOUT.context, { tg0: 3 }), ['C_BAD_CD stream=1']],
    ['TTB0 above IPS', (f) => f.context(LAYOUT.context, { ips: 0, ttb0: 2 ** 32 }), ['C_BAD_CD stream=1']],
  ];
  it.each(cases)('%s', (_name, set, events) => {
    const f = new Fixture();
    f.stream(1, { config: 5 });
    set(f);
    expect(f.translate(0, false, 1).ok).toBe(false);
    expect(f.events()).toEqual(events);
  });

  it('remembers no configuration that is bad', () => {
    const f = new Fixture();
    f.stream(1, { config: 4, valid: false });
    expect(f.access(PAGE, false, 1)).toBe('C_BAD_STE');
    f.stream(1, { config: 4 });
    expect(f.access(PAGE, false, 1)).toBe(PAGE);
  });

  describe('two-level Stream table', () => {
    const level2 = LAYOUT.streamTable + 0x1000;
    function twoLevel(span: number, pointer = level2): Fixture {
      const f = new Fixture();
      f.put(LAYOUT.streamTable + 8, [pointer + span, 0]);
      // 2^8 streams, 2^6 to a table.
      f.write(0x88, BigInt(8 + 6 * 64 + 0x1_0000));
      f.put(level2 + 64 * 3, [1 + 4 * 2]);
      return f;
    }
    it.each([
      [7, 67, PAGE],
      [2, 67, PAGE],
      [1, 67, 'C_BAD_STE'],
      [0, 67, 'C_BAD_STREAMID'],
      [7, 256, 'C_BAD_STREAMID'],
      [7, 68, 'C_BAD_STE'],
    ])('span %i, stream %i: %s', (span, stream, outcome) => {
      expect(twoLevel(span).access(PAGE, false, stream)).toBe(outcome);
    });
    it('a table that is nowhere', () => {
      const f = twoLevel(7, NOWHERE);
      f.access(PAGE, false, 67);
      f.write(0x80, BigInt(NOWHERE), 8);
      f.access(PAGE, false, 68);
      expect(f.events()).toEqual([
        'F_STE_FETCH stream=67 fetch=0xb0000c0',
        'F_STE_FETCH stream=68 fetch=0xb000008',
      ]);
    });
  });
});

describe('stage 2 faults', () => {
  function stage2(fields = {}): Fixture {
    const f = new Fixture(SMMU_9_2);
    f.mapStage2();
    f.stream(0, { config: 6, s2ttb: STAGE2_TABLES, ...fields });
    return f;
  }
  const IPA = PAGE + IPA_OFFSET;
  const hex = (value: number) => `0x${value.toString(16)}`;
  const tail = (of: number) => `${attributes} stage=2 class=IN ipa=${hex(of - (of % 4096))}`;

  it('translates', () => {
    expect(stage2().access(IPA + 12, true)).toBe(PAGE + 12);
  });
  it.each<[string, (f: Fixture) => void, number, boolean, string]>([
    ['hole', (f) => f.stage2Page(0x180, undefined), IPA + 8, false, 'F_TRANSLATION'],
    ['beyond S2T0SZ', () => {}, 2 ** 39, false, 'F_TRANSLATION'],
    ['no write', (f) => f.stage2Page(0x180, 0x40), IPA + 8, true, 'F_PERMISSION'],
    ['no read', (f) => f.stage2Page(0x180, 0x80), IPA + 8, false, 'F_PERMISSION'],
    ['Access flag', (f) => f.stage2Page(0x180, 0xc0 - 0x400), IPA + 8, false, 'F_ACCESS'],
  ])('%s', (_name, set, iova, write, name) => {
    const f = stage2();
    set(f);
    expect(f.access(iova, write)).toBe(name);
    expect(f.events()).toEqual([`${name} stream=0 address=${hex(iova)} write=${write} ${tail(iova)}`]);
    const quiet = stage2({ s2r: false });
    set(quiet);
    expect(quiet.access(iova, write)).toBe(name);
    expect(quiet.events()).toEqual([]);
  });
  it('an input above IAS is an unrecorded Address size fault of stage 1', () => {
    const f = stage2();
    expect(f.access(2 ** 44)).toBe('F_ADDR_SIZE');
    expect(f.events()).toEqual([]);
  });
  it.each([
    { s2aa64: false },
    { s2endi: true },
    { s2ha: true },
    { s2hd: true },
    { s2s: true },
    { s2t0sz: 19 },
    { s2t0sz: 40 },
    { s2tg: 3 },
    { s2sl0: 3 },
    { s2sl0: 0 },
    { s2ttb: 2 ** 44 },
  ])('refuses %o', (fields) => {
    expect(stage2(fields).access(IPA)).toBe('C_BAD_STE');
  });

  describe('nested', () => {
    function nested(): Fixture {
      const f = stage2({ config: 7, context: LAYOUT.context + IPA_OFFSET });
      f.context(LAYOUT.context, { ttb0: LAYOUT.tables + IPA_OFFSET });
      f.put(LAYOUT.tables, tableAt(LAYOUT.tables + 0x1000 + IPA_OFFSET));
      f.put(LAYOUT.tables + 0x1000, tableAt(LAYOUT.tables + 0x2000 + IPA_OFFSET));
      f.map(0, IPA);
      return f;
    }
    const pageOf = (address: number) => (address - RAM) / 4096;
    it('translates twice', () => {
      const f = nested();
      expect(f.access(0x123, true)).toBe(PAGE + 0x123);
    });
    it.each<[string, (f: Fixture) => void, string]>([
      [
        'Context descriptor',
        (f) => f.stage2Page(pageOf(LAYOUT.context), undefined),
        `class=CD ipa=${hex(LAYOUT.context + IPA_OFFSET)}`,
      ],
      [
        'table',
        (f) => f.stage2Page(pageOf(LAYOUT.tables + 0x1000), undefined),
        `class=TT ipa=${hex(LAYOUT.tables + 0x1000 + IPA_OFFSET)}`,
      ],
      ['output', (f) => f.stage2Page(pageOf(PAGE), undefined), `class=IN ipa=${hex(IPA)}`],
    ])('stage 2 does not map the %s', (_name, set, end) => {
      const f = nested();
      set(f);
      f.access(0x10, true);
      expect(f.events()).toEqual([
        `F_TRANSLATION stream=0 address=0x10 write=true ${attributes} stage=2 ${end}`,
      ]);
    });
    it('says which stage denied, also from the TLB', () => {
      const f = nested();
      f.map(1, IPA + 0x1000, 0x80);
      f.stage2Page(pageOf(PAGE), 0x40);
      for (const page of [0, 1]) f.access(0x1000 * page);
      for (const page of [0, 1]) f.access(0x1000 * page, true);
      expect(f.events()).toEqual([
        `F_PERMISSION stream=0 address=0x0 write=true ${attributes} stage=2 class=IN ipa=${hex(IPA)}`,
        `F_PERMISSION stream=0 address=0x1000 write=true ${attributes} stage=1 class=IN`,
      ]);
    });
  });
});

describe('what becomes of events', () => {
  it('an event pulses its interrupt if SMMU_IRQ_CTRL says so', () => {
    const f = new Fixture();
    f.bench.log.length = 0;
    f.access(0);
    expect(f.log('line ')).toEqual(['eventq high', 'eventq low']);
    f.write(0x50, 1n);
    f.access(0);
    expect(f.log('line ')).toEqual([]);
  });

  it('is lost while the queue is disabled', () => {
    const f = new Fixture();
    f.write(0x20, 9n);
    f.access(0);
    expect(f.log('note smmu event-lost ')).toHaveLength(1);
    expect(f.read(0xa8)).toBe(0n);
    expect(f.read(0x60)).toBe(0n);
  });

  it.each([
    ['full', (f: Fixture) => f.write(0xac, 16n)],
    ['nowhere', (f: Fixture) => f.write(0xa0, BigInt(NOWHERE + 4), 8)],
  ])('a queue that is %s raises EVENTQ_ABT_ERR once', (_name, set) => {
    const f = new Fixture();
    set(f);
    f.bench.log.length = 0;
    f.access(0);
    f.access(0);
    expect(f.read(0x60)).toBe(4n);
    expect(f.read(0xa8)).toBe(0n);
    expect(f.log('line ')).toEqual(['gerror high', 'gerror low']);
  });

  it('tells the observer fault and record', () => {
    const f = new Fixture();
    f.bench.log.length = 0;
    f.access(0x5008, true);
    const log = f.bench.log.filter((line) => /^note smmu (fault|event|translation)/.test(line));
    expect(log).toEqual([
      'note smmu translation {"stream":0,"address":"0x5008","write":true,"config":"fetched","fault":"F_TRANSLATION","walk":"S1L1@0x40200000=0x40201003 S1L2@0x40201000=0x40202003 S1L3@0x40202028=0x0"}',
      'note smmu fault {"event":"F_TRANSLATION","stream":0,"address":"0x5008","write":true,"recorded":true,"why":"no valid descriptor maps the address"}',
      'note smmu event {"name":"F_TRANSLATION","index":0,"stream":0,"address":"0x5008","write":true,"privileged":false,"instruction":false,"stage":1,"class":"IN"}',
    ]);
  });
});

describe('while translation is off', () => {
  it('addresses pass', () => {
    const f = new Fixture();
    f.write(0x20, 0xcn);
    expect(f.access(0x1234, true, 99)).toBe(0x1234);
  });
  it('SMMU_GBPA.ABORT aborts without an event, where the register is', () => {
    const f = new Fixture(SMMU_9_1);
    f.write(0x20, 0xcn);
    expect(f.read(0x44)).toBe(0x1000n);
    f.write(0x44, 0x10_0000n);
    expect(f.access(0x1234)).toBe(0x1234);
    f.write(0x44, 0x8010_0000n);
    expect(f.read(0x44)).toBe(0x10_0000n);
    expect(f.access(0x1234)).toBe('abort');
    expect(f.events()).toEqual([]);
    const old = new Fixture(SMMU_7_2);
    old.write(0x44, 0x8010_0000n);
    expect(old.read(0x44)).toBe(0n);
  });
});
