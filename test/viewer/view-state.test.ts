import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCount, formatDuration, formatTime } from '../../viewer/app/format.ts';
import { notesMarkdown, readNotes } from '../../viewer/app/notes.ts';
import { decodeState, encodeState, START_STATE, TABS, type ViewState } from '../../viewer/app/view-state.ts';

const names = fc.array(fc.stringMatching(/^[a-z0-9:]{1,12}$/), { maxLength: 4 });
const states: fc.Arbitrary<ViewState> = fc.record({
  axis: fc.constantFrom('time' as const, 'instructions' as const),
  from: fc.integer({ min: 0, max: 2 ** 50 }),
  to: fc.integer({ min: 0, max: 2 ** 50 }),
  cursor: fc.nat(),
  selected: fc.option(fc.record({ position: fc.nat(), ordinal: fc.nat(1000) }), { nil: undefined }),
  query: fc.string({ maxLength: 60 }),
  only: fc.boolean(),
  tab: fc.constantFrom(...TABS),
  machineView: fc.constantFrom('registers' as const, 'code' as const, 'gic' as const),
  cpu: fc.nat(511),
  address: fc.string({ maxLength: 20 }),
  folded: names,
  pinned: names,
  hidden: names,
  order: names,
  lanes: fc.string({ maxLength: 20 }),
});

describe('a link', () => {
  it('brings back the view that it was made from', () => {
    fc.assert(
      fc.property(states, (state) => {
        const window = state.to > state.from ? {} : { from: 0, to: 0 };
        const back = { ...START_STATE, ...decodeState(`#${encodeState(state)}`) };
        expect(back).toEqual({ ...state, ...window });
      }),
    );
  });

  it('never fails, whatever it says', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        const state = decodeState(text);
        if (state.from !== undefined) expect(state.to! > state.from).toBe(true);
        if (state.selected !== undefined) expect(Number.isSafeInteger(state.selected.position)).toBe(true);
      }),
    );
    expect(decodeState('#w=5-3&sel=1.x&at=-4&tab=evil&cpu=1e9&m=<b>')).toEqual({});
  });
});

describe('numbers', () => {
  it.each([
    [0, 1, '0 ns'],
    [999, 1, '999 ns'],
    [1500, 1, '1.5 µs'],
    [8_242_314, 1, '8.242314 ms'],
    [8_242_314, 1000, '8.242 ms'],
    [2_000_000_000, 1e8, '2 s'],
    [14_000_000, 2_000_000, '14 ms'],
  ])('%i ns in steps of %i is %s', (ns, step, text) => {
    expect(formatTime(ns, step)).toBe(text);
  });

  it.each([
    [0, '0'],
    [228, '228 ns'],
    [1234, '1.23 µs'],
    [5_998_060, '6 ms'],
  ])('%i ns long is %s', (ns, text) => {
    expect(formatDuration(ns)).toBe(text);
  });

  it('groups digits', () => {
    expect(formatCount(12664288)).toBe('12\u2009664\u2009288');
  });
});

describe('notes', () => {
  it('come out of a file in order, and what is none is left out', () => {
    const notes = [
      { position: 5, time: 5, text: 'b' },
      { position: 1, time: 1, text: 'a' },
      { position: -1, time: 1, text: 'no' },
      { position: 1.5, time: 1, text: 'no' },
      { position: 2, text: 7 },
      null,
      'x',
    ];
    expect(readNotes({ notes }).map(({ text }) => text)).toEqual(['a', 'b']);
  });

  it('never fail, whatever the file holds', () => {
    fc.assert(fc.property(fc.anything(), (data) => Array.isArray(readNotes(data))));
  });

  it('are exported as a list', () => {
    const facts = { name: 'boot.vtrace', board: 'virt-7.2', cpus: 1, cpuModel: 'cortex-a57' } as never;
    expect(notesMarkdown(facts, [{ position: 7, time: 1_500_000, text: 'first\nsecond' }])).toBe(
      'Notes on `boot.vtrace` (virt-7.2, 1 × cortex-a57):\n\n- **1.500000 ms**, position 7: first\n  second\n',
    );
  });
});
