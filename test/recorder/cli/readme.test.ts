import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT, temporary, virtrace } from './support.ts';

/*
 * What README.md shows is what happens: its commands are run, and their output is what stands there. After a change
 * of the guest or of its device tree the positions are others; the failing comparison has the new ones.
 */
const dir = temporary();
afterAll(() => dir.remove());
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```\n(.*?)^```$/gms)].map(([, text]) => text!);

/** Arguments of a command, with the trace and the guest where they are. */
function argumentsOf(line: string): string[] {
  return line
    .replace(/^(\$ )?npx virtrace /, '')
    .split(' ')
    .map((word) =>
      word.endsWith('.vtrace') ? dir.file(word) : word.startsWith('guests/') ? join(ROOT, word) : word,
    );
}

const commands = blocks.find((block) => block.includes('npx virtrace record -o storm.vtrace'))!.split('\n');

beforeAll(async () => {
  expect(await virtrace(argumentsOf(commands[0]!))).toMatchObject({ code: 0 });
}, 120_000);

describe('README.md', () => {
  it('shows the beginning of what the interrupt did', async () => {
    const line = commands.find((each) => each.includes('--intid'))!;
    const { out } = await virtrace(argumentsOf(line));
    const shown = blocks.find((block) => block.endsWith(' ...\n'))!;
    expect(out.startsWith(shown.replace(/ +\.\.\.\n$/, ''))).toBe(true);
    expect(shown.split('\n').slice(0, -2)).toEqual(out.split('\n').slice(0, shown.split('\n').length - 2));
  });

  it('shows the writes to the register', async () => {
    const [line, ...rest] = blocks.find((block) => block.startsWith('$ npx virtrace events'))!.split('\n');
    const { out } = await virtrace(argumentsOf(line!));
    expect(out).toBe(rest.join('\n'));
  });

  it('tells the way back from the symptom to the cause', async () => {
    const [line, ...rest] = blocks.find((block) => block.startsWith('$ npx virtrace debug'))!.split('\n');
    const typed = rest.flatMap((each) => (each.startsWith('(virtrace) ') ? [each.slice(11)] : []));
    expect(typed.length).toBeGreaterThan(5);
    const { out, code } = await virtrace(argumentsOf(line!), typed.join('\n'));
    expect(out.split('\n')).toEqual(rest);
    expect(code).toBe(0);
  });
});
