import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { OPTION_ROWS } from '../../../recorder/cli/option-table.ts';
import { qemuOptionRefusal, REFUSED_OPTIONS } from '../../../recorder/cli/qemu-options.ts';
import { translateArguments } from '../../../recorder/cli/translate.ts';

const QEMU = 'qemu-system-aarch64';
const hasQemu = spawnSync(QEMU, ['--version']).status === 0;

describe('translateArguments', () => {
  it.each([
    ['one dash', '-cpu cortex-a57', '--cpu=cortex-a57'],
    ['two dashes', '--cpu cortex-a57', '--cpu=cortex-a57'],
    ['an equals sign after two dashes', '--cpu=cortex-a57', '--cpu=cortex-a57'],
    ['an alias', '-M virt', '--machine=virt'],
    ['a switch', '-nographic -no-reboot', '--nographic --no-reboot'],
    ['a value that begins with a dash', '-append -x', '--append=-x'],
    ['a value with equals signs', '-M virt,gic-version=3', '--machine=virt,gic-version=3'],
    ['letters of either case', '-m 1 -M virt -d int -D f', '--m=1 --machine=virt --d=int --D=f'],
  ])('takes %s', (_what, given, expected) => {
    expect(translateArguments('run', given.split(' '))).toEqual(expected.split(' '));
  });

  it('keeps a value with spaces in one piece', () => {
    expect(translateArguments('run', ['-append', 'a b  c'])).toEqual(['--append=a b  c']);
  });

  it.each([
    ['-foo', '-foo: unknown option'],
    ['-kernle x', '-kernle: unknown option; did you mean -kernel?'],
    ['-cpu', '-cpu: a value is missing (MODEL)'],
    ['--limit', '--limit: a value is missing (N)'],
    ['--nographic=1', '-nographic: takes no value'],
    ['disk.img', "'disk.img': unexpected; a disk image needs -drive, a kernel -kernel"],
    ['-o x', '-o: only for `virtrace record`'],
    [
      '--enable-kvm',
      '-enable-kvm: QEMU has it, virtrace does not: what hardware runs between two exits cannot be recorded exactly; leave it out',
    ],
  ])('refuses %s', (given, message) => {
    expect(() => translateArguments('run', given.split(' '))).toThrow(message);
  });

  it('has no option that is both there and refused', () => {
    const names = OPTION_ROWS.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
    expect(REFUSED_OPTIONS.filter((name) => names.includes(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });

  it.skipIf(!hasQemu)("knows every option of QEMU's help, as there or as refused", () => {
    const help = spawnSync(QEMU, ['-help'], { encoding: 'utf8' }).stdout;
    const names = new Set<string>();
    for (const line of help.split('\n')) {
      if (!line.startsWith('-')) continue;
      // "-hda/-hdb file", "-h or -help"
      for (const word of line
        .split(/\s+/)
        .slice(0, 3)
        .join(' ')
        .matchAll(/(?:^|\/|or )--?([A-Za-z][-\w]*)/g)) {
        names.add(word[1]!);
      }
    }
    expect(names.size).toBeGreaterThan(100);
    const known = new Set(OPTION_ROWS.flatMap(({ name, aliases = [] }) => [name, ...aliases]));
    const unknown = [...names].filter((name) => !known.has(name) && qemuOptionRefusal(name) === undefined);
    expect(unknown).toEqual([]);
  });
});
