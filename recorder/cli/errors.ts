/** The ways a command can end, and the errors that lead to them. */
import { OptionError } from '../../engine/boards/option-error.ts';

export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  diverged: 3,
  trace: 4,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export { OptionError };

/** Something went wrong that is neither a mistake in the options nor in a trace: one line, exit code 1. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = EXIT.failure) {
    super(message);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}

/** Not an error: the answer of `-M help`, `--help`, `--version`; printed on stdout, exit code 0. */
export class HelpAnswer extends Error {
  readonly text: string;

  constructor(text: string) {
    super('help');
    this.name = 'HelpAnswer';
    this.text = text;
  }
}
