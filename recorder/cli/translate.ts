/**
 * From QEMU's spelling to commander's: `-kernel x` and `--kernel x` become `--kernel=x`. Everything about
 * names is decided here, so that each unknown or missing option gets one line that says what is the matter.
 */
import { OptionError } from './errors.ts';
import { OPTION_ROWS, type OptionRow } from './option-table.ts';
import { qemuOptionRefusal } from './qemu-options.ts';

/** Commands that take the options of a machine. */
export type MachineCommand = 'run' | 'record';

function rowNamed(name: string): OptionRow | undefined {
  return OPTION_ROWS.find((row) => row.name === name || row.aliases?.includes(name) === true);
}

/** How an option was meant to be written. */
function dashed({ name }: OptionRow): string {
  return name.length === 1 || !OWN_OPTIONS.has(name) ? `-${name}` : `--${name}`;
}

/** virtrace's own; they are shown with two dashes. */
const OWN_OPTIONS = new Set([
  'level',
  'no-embed',
  'hash-interval',
  'checkpoints',
  'block-limit',
  'tier',
  'limit',
  'input',
  'json',
  'help',
  'version',
]);

/** Edit distance, no more than needed for a hint. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

function hint(name: string): string {
  const near = OPTION_ROWS.map((row) => ({ row, far: distance(name, row.name) }))
    .filter(({ row, far }) => far <= 2 && far < row.name.length - 1)
    .sort((a, b) => a.far - b.far)[0];
  return near === undefined ? '' : `; did you mean ${dashed(near.row)}?`;
}

/**
 * The arguments of a machine command for commander.
 * @throws OptionError for an unknown option, one that only QEMU has, or a missing value
 */
export function translateArguments(command: MachineCommand, given: readonly string[]): string[] {
  const result: string[] = [];
  for (let i = 0; i < given.length; i++) {
    const token = given[i]!;
    if (token === '-' || !token.startsWith('-')) {
      throw new OptionError(`'${token}': unexpected; a disk image needs -drive, a kernel -kernel`);
    }
    const bare = token.replace(/^--?/, '');
    const equals = token.startsWith('--') ? bare.indexOf('=') : -1;
    const name = equals < 0 ? bare : bare.slice(0, equals);
    const row = rowNamed(name);
    if (row === undefined) {
      const refusal = qemuOptionRefusal(name);
      throw new OptionError(
        refusal === undefined ? `${token}: unknown option${hint(name)}` : `-${name}: ${refusal}`,
      );
    }
    if (row.only !== undefined && row.only !== command) {
      throw new OptionError(`${dashed(row)}: only for \`virtrace ${row.only}\``);
    }
    if (row.value === undefined) {
      if (equals >= 0) throw new OptionError(`${dashed(row)}: takes no value`);
      result.push(`--${row.name}`);
      continue;
    }
    let value = equals < 0 ? undefined : bare.slice(equals + 1);
    if (value === undefined) {
      i++;
      value = given[i];
    }
    if (value === undefined) throw new OptionError(`${dashed(row)}: a value is missing (${row.value})`);
    result.push(`--${row.name}=${value}`);
  }
  return result;
}
