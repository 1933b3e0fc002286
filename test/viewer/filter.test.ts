import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Pl011 } from '../../engine/devices/pl011.ts';
import { MemorySource, SyncTraceReader, type TraceEvent } from '../../traces/index.ts';
import { EventText } from '../../viewer/data/event-text.ts';
import { compileFilter, type FilterContext } from '../../viewer/data/filter/compile.ts';
import { completeFilter } from '../../viewer/data/filter/complete.ts';
import { FilterError, parseFilter, quote, tokens } from '../../viewer/data/filter/syntax.ts';
import { writeSmallTrace } from '../traces/support.ts';

const uart = new Pl011({
  id: 'uart0',
  timers: { now: () => 0, schedule: () => {}, cancel: () => {} },
  observer: { guestError: () => {}, output: () => {}, note: () => {} },
  irq: { set: () => {} },
});
const maps = (device: string) => (device === 'uart0' ? uart.registers : undefined);
const words = new EventText(maps, new Map());
const context: FilterContext = {
  maps,
  text: (event) => words.text(event),
  subject: (event) => words.subject(event),
  symbol: (pc) => (pc === 0xffff_8000_1008_0000n ? 'pl011_putc+0x10' : undefined),
  devices: ['uart0'],
};
const events = [...SyncTraceReader.open(new MemorySource(writeSmallTrace())).events()];

function found(filter: string): TraceEvent[] {
  const { test } = compileFilter(filter, context);
  return events.filter(test);
}

const isAccess = (event: TraceEvent): boolean => event.kind === 'access';

describe('a filter', () => {
  it.each<[string, (event: TraceEvent) => boolean]>([
    ['', () => true],
    ['kind:access', isAccess],
    ['kind:access,dma', (e) => e.kind === 'access' || e.kind === 'dma'],
    ['kind!=access', (e) => e.kind !== 'access'],
    ['is:write', (e) => (e.kind === 'access' || e.kind === 'dma') && e.write],
    ['is:write kind:access', (e) => e.kind === 'access' && e.write],
    ['kind:access and not is:write', (e) => e.kind === 'access' && !e.write],
    ['kind:access -is:write', (e) => e.kind === 'access' && !e.write],
    ['kind:dma or kind:power', (e) => e.kind === 'dma' || e.kind === 'power'],
    ['kind:dma | kind:power', (e) => e.kind === 'dma' || e.kind === 'power'],
    ['(kind:dma or kind:access) is:write', (e) => (e.kind === 'dma' || e.kind === 'access') && e.write],
    ['reg:UARTDR', (e) => e.kind === 'access' && e.offset === 0],
    ['reg:uart0.UARTFR', (e) => e.kind === 'access' && e.offset === 0x18],
    ['reg:UART*', isAccess],
    ['reg:*FR', (e) => e.kind === 'access' && e.offset === 0x18],
    ['field:TXFE=1', (e) => e.kind === 'access' && e.offset === 0x18],
    ['field:TXFE=0', () => false],
    ['value:0x41', (e) => e.kind === 'access' && e.value === 0x41n],
    ['value&0x80', (e) => e.kind === 'access' && (e.value & 0x80n) !== 0n],
    ['value:65..67', (e) => e.kind === 'access' && e.value >= 65n && e.value <= 67n],
    ['value>=0x4a', (e) => e.kind === 'access' && e.value >= 0x4an],
    ['irq:33', (e) => e.kind === 'interrupt'],
    ['irq:33 what:acknowledge', (e) => e.kind === 'interrupt' && e.what === 'acknowledge'],
    ['what:line-*', (e) => e.kind === 'interrupt' && e.what.startsWith('line-')],
    ['el:1', (e) => e.kind === 'exception'],
    ['pos:1000..1500', (e) => e.position >= 1000 && e.position <= 1500],
    ['pos<1000', (e) => e.position < 1000],
    ['time<1.5us', (e) => e.time < 1500],
    ['time>=4000ns', (e) => e.time >= 4000],
    ['in:pl011_putc', (e) => 'pc' in e && e.pc === 0xffff_8000_1008_0000n],
    ['addr:0x40100000', (e) => e.kind === 'dma'],
    ['text:"no such register"', (e) => e.kind === 'guest-error'],
    ['is:error', (e) => e.kind === 'guest-error'],
    ['storm', (e) => e.kind === 'note'],
    ['UARTDR', (e) => e.kind === 'access' && e.offset === 0],
    ['cpu:0', (e) => e.cpu === 0 || ((e.kind === 'interrupt' || e.kind === 'power') && e.target === 0)],
  ])('%s finds what a plain test finds', (filter, test) => {
    expect(found(filter)).toEqual(events.filter(test));
  });

  it('finds nothing that its narrowing leaves out', () => {
    const reader = SyncTraceReader.open(new MemorySource(writeSmallTrace()));
    const part = fc.constantFrom(
      'kind:access',
      'is:write',
      'irq:33',
      'pos:1000..2000',
      'pos>1500',
      'pos<=1106',
      'reg:UARTDR',
      'what:pending',
      'not kind:access',
      '(kind:dma or irq:33)',
      'value:0x41',
      'kind:access,interrupt',
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
        const { narrow, test } = compileFilter(parts.join(' '), context);
        const isPossible = narrow.kinds?.length !== 0 && narrow.intids?.length !== 0;
        const wide = isPossible ? [...reader.events(narrow)] : [];
        expect(wide.filter(test)).toEqual(events.filter(test));
      }),
    );
  });

  it.each([
    ['nokey:1', "there is no key 'nokey'"],
    ['kind:nothing', "there is no kind 'nothing'"],
    ['irq:many', "'many' is no number"],
    ['time<5parsec', "'5parsec' is no time"],
    ['kind:', 'needs a value'],
    ['(kind:dma', 'closing )'],
    ['kind:dma )', "')' cannot stand here"],
    ['not', 'ends where a condition is expected'],
    ['or', "'or'"],
    ['is:green', 'is:green is not known'],
  ])('%s is refused with words', (filter, words) => {
    let message = '';
    try {
      const { test } = compileFilter(filter, context);
      for (const event of events) test(event);
    } catch (error) {
      expect(error).toBeInstanceOf(FilterError);
      message = (error as Error).message;
    }
    if (filter !== 'or') expect(message).toContain(words);
  });

  it('never fails otherwise, whatever is typed', () => {
    const pieces = fc.constantFrom(
      'kind',
      ':',
      '=',
      '(',
      ')',
      '"',
      'or',
      'not',
      '-',
      '..',
      '*',
      ',',
      ' ',
      'é',
      '0x1',
      '&',
      '!',
      '|',
    );
    fc.assert(
      fc.property(
        fc.array(pieces, { maxLength: 30 }).map((list) => list.join('')),
        (text) => {
          try {
            parseFilter(text);
          } catch (error) {
            expect(error).toBeInstanceOf(FilterError);
          }
          for (const { from, to } of tokens(text)) expect(to).toBeGreaterThan(from);
        },
      ),
    );
  });

  it('takes back a value that was quoted', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 20 }), (value) => {
        const wanted = value.replaceAll('"', '');
        if (wanted.trim() === '') return;
        const tree = parseFilter(`text:${quote(value)}`);
        expect(tree).toMatchObject({ kind: 'term', key: 'text' });
      }),
    );
  });
});

describe('completion', () => {
  const vocabulary = {
    devices: ['uart0', 'gicd'],
    registers: [
      { name: 'UARTDR', device: 'uart0' },
      { name: 'GICD_ISENABLER*', device: 'gicd' },
    ],
    fields: [{ name: 'EOImode', register: 'ICC_CTLR_EL1' }],
    interrupts: [{ intid: 27, name: 'virtual timer' }],
    symbols: (prefix: string) => ['gic_enable'].filter((name) => name.startsWith(prefix)),
    cpus: 2,
  };
  const texts = (text: string, caret = text.length): string[] =>
    completeFilter(text, caret, vocabulary).options.map((option) => option.text);

  it.each([
    ['', 'kind:'],
    ['dev', 'device:'],
    ['device:', 'uart0'],
    ['device:g', 'gicd'],
    ['reg:isen', 'GICD_ISENABLER*'],
    ['kind:access reg:', 'UARTDR'],
    ['kind:access,inter', 'interrupt'],
    ['field:EOI', 'EOImode'],
    ['irq:virt', '27'],
    ['in:gic', 'gic_enable'],
    ['cpu:', '1'],
    ['ISEN', 'reg:GICD_ISENABLER*'],
  ])('after %s offers %s', (text, option) => {
    expect(texts(text)).toContain(option);
  });

  it('replaces what has been typed of the word', () => {
    expect(completeFilter('kind:access reg:UAR', 19, vocabulary)).toMatchObject({ from: 16, to: 19 });
  });
});
