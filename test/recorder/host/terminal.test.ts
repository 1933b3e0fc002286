import { describe, expect, it } from 'vitest';
import { InputQueue } from '../../../recorder/host/console-input.ts';
import { EscapeFilter } from '../../../recorder/host/terminal.ts';

function feed(...chunks: number[][]): string[] {
  const filter = new EscapeFilter();
  const seen: string[] = [];
  for (const chunk of chunks) {
    filter.feed(
      Uint8Array.from(chunk),
      (bytes) => seen.push(String.fromCharCode(...bytes)),
      (command) => seen.push(`<${command}>`),
    );
  }
  return seen;
}

const A = 0x01;
const ascii = (text: string): number[] => [...text].map((c) => c.charCodeAt(0));

describe('EscapeFilter', () => {
  it('passes text through', () => {
    expect(feed(ascii('ls\r'))).toEqual(['ls\r']);
  });

  it('passes Ctrl-C through, which is for the guest', () => {
    expect(feed([0x03])).toEqual(['\x03']);
  });

  it.each([
    ['x', '<quit>'],
    ['h', '<help>'],
    ['b', '<break>'],
    ['p', '<power-button>'],
    ['c', '<no-monitor>'],
  ])('takes Ctrl-A %s', (key, command) => {
    expect(feed([A, ...ascii(key)])).toEqual([command]);
  });

  it('sends Ctrl-A for Ctrl-A Ctrl-A', () => {
    expect(feed([...ascii('a'), A, A, ...ascii('b')])).toEqual(['a\x01b']);
  });

  it('takes a sequence that is split between reads', () => {
    expect(feed([...ascii('a'), A], ascii('xb'))).toEqual(['a', '<quit>', 'b']);
  });

  it('swallows an unknown command, as QEMU does', () => {
    expect(feed([A, ...ascii('zq')])).toEqual(['q']);
  });

  it('keeps the order of text and commands', () => {
    expect(feed([...ascii('1'), A, ...ascii('h2'), A, ...ascii('x3')])).toEqual([
      '1',
      '<help>',
      '2',
      '<quit>',
      '3',
    ]);
  });
});

describe('InputQueue', () => {
  it('gives bytes in order, across the pieces they came in', () => {
    const queue = new InputQueue();
    queue.push(Uint8Array.of(1, 2, 3));
    queue.push(Uint8Array.of(4));
    queue.push(Uint8Array.of(5, 6));
    expect([...queue.take(2)]).toEqual([1, 2]);
    expect([...queue.take(3)]).toEqual([3, 4, 5]);
    expect([...queue.take(9)]).toEqual([6]);
    expect(queue.length).toBe(0);
  });

  it('asks its source to pause and to go on', () => {
    const queue = new InputQueue();
    const asked: boolean[] = [];
    queue.onPressure = (full) => asked.push(full);
    queue.push(new Uint8Array(70_000));
    queue.take(69_000);
    expect(asked).toEqual([true, false]);
  });
});
