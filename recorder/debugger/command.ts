/** What a command is. */
import type { Operation } from '../session/operation.ts';
import type { Answer } from './answer.ts';
import type { Debugger } from './debugger.ts';

/** `View`: what it needs to know; commands that only look at a machine do without a recording. */
export interface Command<View = Debugger> {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** What follows the name: `[COUNT]`. */
  readonly usage: string;
  /** One line. */
  readonly help: string;
  /** More lines, for `help NAME`. */
  readonly more?: readonly string[];
  /** An empty line after it does it again. */
  readonly repeats?: boolean;
  run(debug: View, rest: string): Operation<Answer>;
  /** Words that can stand where the last of these begins. */
  complete?(debug: View, words: readonly string[]): Iterable<string>;
}
