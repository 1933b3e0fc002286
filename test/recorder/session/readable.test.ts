import { describe, expect, it } from 'vitest';
import { readable } from '../../../recorder/session/readable.ts';

const of = (text: string): string => readable(new TextEncoder().encode(text));

describe('console output as a person reads it', () => {
  it.each([
    [
      'colours and cursor movements (ECMA-48, 5.4)',
      '\x1b[1;31mred\x1b[0m \x1b[2J\x1b[10;5Hthere',
      'red there',
    ],
    ['titles, ended by BEL or ST', '\x1b]0;title\x07a\x1b]2;other\x1b\\b', 'ab'],
    ['device control strings', '\x1bP1$r0m\x1b\\a', 'a'],
    ['choices of a character set, and saved cursors', '\x1b(Ba\x1b)0b\x1b7c\x1b8d\x1b=e', 'abcde'],
    ['a sequence that never ends', 'a\x1b]0;never', 'a'],
    ['other control characters', 'a\x00\x07\x0eb\x7f', 'ab'],
  ])('%s are left out', (_what, text, shown) => {
    expect(of(text)).toBe(shown);
  });

  it('shows the last of what carriage returns and backspaces overwrote', () => {
    expect(of('10 %\r100 %\r\nabx\bc\r\n')).toBe('100 %\nabc\n');
  });

  it('does not lose the lines after a title that is not ended', () => {
    expect(of('\x1b]0;title\nsecond')).toBe('\nsecond');
  });
});
