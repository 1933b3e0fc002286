/** What a command of the debugger gives back: data, and the same in words. */
import type { Operation } from '../session/operation.ts';

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

export interface Answer {
  readonly data: Json;
  /** Lines without a line feed at the end; empty: nothing to say. */
  readonly text: string;
}

/** A person's mistake, or a question without an answer: one clear line. */
export class DebugError extends Error {}

/** A command that needs no time, as an operation. */
export function atOnce(answer: () => Answer): Operation<Answer> {
  return (function* () {
    return answer();
  })();
}

export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

/** Columns side by side, each as wide as its widest cell; the last one is not filled up. */
export function table(
  rows: readonly (readonly string[])[],
  indent = '',
  right: readonly number[] = [],
): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return rows
    .map((row) => {
      const cells = row.map((cell, i) =>
        right.includes(i) ? cell.padStart(widths[i]!) : i === row.length - 1 ? cell : cell.padEnd(widths[i]!),
      );
      return `${indent}${cells.join('  ')}`.trimEnd();
    })
    .join('\n');
}
