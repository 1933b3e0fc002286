import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readable } from '../../recorder/session/readable.ts';
import { styleAfter, styledLine } from '../../viewer/data/console-style.ts';
import { ConsoleText } from '../../viewer/data/console-text.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const styled = (text: string, style = 0) => styledLine(bytes(text), style);

describe('a line of a console', () => {
  it('is plain without a style', () => {
    expect(styled('plain\n')).toBeUndefined();
    expect(styled('\x1b[2Kcleared\x1b[0m\n')).toBeUndefined();
  });

  it('is cut where its style changes, as ECMA-48 has them', () => {
    expect(styled('[\x1b[1;32m OK \x1b[m] \x1b[4mLogin\x1b[24m\x1b[91;44m!\x1b[39;49m.\n')).toEqual([
      { text: '[', classes: '' },
      { text: ' OK ', classes: 'sgr-3 sgr-bold' },
      { text: '] ', classes: '' },
      { text: 'Login', classes: 'sgr-underline' },
      { text: '!', classes: 'sgr-10 sgr-bg-5' },
      { text: '.', classes: '' },
    ]);
    expect(styled('\x1b[31;7mred\n')).toEqual(
      [{ text: 'red', classes: 'sgr-bg-2' }].map((run) => ({ ...run, classes: 'sgr-inverse sgr-bg-2' })),
    );
  });

  it('takes the first of 256 colours, and no other as something else', () => {
    expect(styled('\x1b[38;5;9ma\x1b[38;5;200;1mb\x1b[38;2;1;31;44;3mc')).toEqual([
      { text: 'a', classes: 'sgr-10' },
      { text: 'b', classes: 'sgr-bold' },
      { text: 'c', classes: 'sgr-bold sgr-italic' },
    ]);
  });

  it('goes on in the style of the one before', () => {
    const text = new ConsoleText();
    text.append(bytes('\x1b[33mone\ntwo\n\x1b[0mthree\n'), 1, 0, 1);
    expect([0, 1, 2].map((line) => text.runs(line))).toEqual([
      [{ text: 'one', classes: 'sgr-4' }],
      [{ text: 'two', classes: 'sgr-4' }],
      undefined,
    ]);
  });

  it('has the text that a plain one has, and classes of a fixed set, whatever is sent', () => {
    const part = fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.constantFrom('\r', '\b', '\x07', '<b>', '\x1b[0m', '\x1b[K', '\x1b]0;title\x07'),
      fc.array(fc.nat(255), { maxLength: 5 }).map((list) => `\x1b[${list.join(';')}m`),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), fc.nat(0x7fff), (parts, style) => {
        const line = bytes(parts.join('').replaceAll('\n', ''));
        const runs = styledLine(line, styleAfter(bytes(''), style)) ?? [];
        if (runs.length > 0) expect(runs.map(({ text }) => text).join('')).toBe(readable(line));
        for (const { classes } of runs) expect(classes).toMatch(/^(sgr-[a-z0-9-]+( |$))*$/);
      }),
    );
  });
});
