import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DebugError } from '../../../recorder/debugger/answer.ts';
import { COMMANDS, complete, parseLine, runLine } from '../../../recorder/debugger/commands.ts';
import { complete as runToEnd } from '../../../recorder/session/operation.ts';
import { FOUR_CPUS, recordTrace } from '../session/debug-support.ts';
import { openDebugger } from './support.ts';

const WORDS = [
  ...[
    '0',
    '1',
    '34',
    '0x40200000',
    '$pc',
    '$sp',
    '*$sp',
    '-1',
    '+100',
    '99999999999',
    '0xffffffffffffffff',
    '1ms',
  ],
  ...[
    'uart0',
    'gicd',
    'gicd.GICD_CTLR',
    'uart0.UARTCR.UARTEN',
    '== 1',
    '==',
    'read',
    'write',
    'change',
    'phys',
    'cpu',
    'irq',
  ],
  ...[
    'all',
    'any',
    'start',
    'end',
    'there',
    '#1',
    'before',
    'after',
    'access',
    'exception',
    'sync',
    'console',
    '"text"',
    'v',
  ],
  ...[
    '/8gx',
    '/4i',
    '/s',
    '/0x',
    '/9999999gx',
    '*',
    'TTBR*',
    '(',
    '\\',
    '"',
    '.',
    '..',
    'a.b.c.d',
    '𝄞',
    '#',
    '/',
  ],
];

describe('whatever is typed', () => {
  const debug = openDebugger(recordTrace({ kernel: FOUR_CPUS, cpus: 4, until: 60_000 }));
  const names = COMMANDS.flatMap(({ name, aliases = [] }) => [name, ...aliases]);

  it('is answered, or refused in one line', () => {
    const line = fc.tuple(fc.constantFrom(...names), fc.array(fc.constantFrom(...WORDS), { maxLength: 4 }));
    fc.assert(
      fc.property(line, ([name, rest]) => {
        debug.breakpoints.clear();
        debug.timeline.breakpoints.clear();
        try {
          const parsed = parseLine(`${name} ${rest.join(' ')}`);
          const answer = runToEnd(runLine(debug, parsed!));
          expect(typeof answer.text).toBe('string');
          expect(() => JSON.stringify(answer.data)).not.toThrow();
        } catch (error) {
          expect(error).toBeInstanceOf(DebugError);
          expect((error as Error).message).not.toContain('\n');
        }
      }),
      { numRuns: 1500 },
    );
  });

  it('can be completed', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.array(fc.constantFrom(...WORDS), { maxLength: 3 }),
        (name, rest) => {
          const { words, typed } = complete(debug, [name, ...rest].join(' '));
          for (const word of words) expect(word.toLowerCase().startsWith(typed.toLowerCase())).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});
