/** What was typed at the debugger's prompt in earlier sessions. Nothing depends on it, so nothing here fails. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

export const HISTORY_LINES = 1000;

function historyFile(): string {
  const state = process.env['XDG_STATE_HOME'];
  return join(
    state === undefined || state === '' ? join(homedir(), '.local/state') : state,
    'virtrace/history',
  );
}

/** The newest first. */
export function readHistory(): string[] {
  try {
    const lines = readFileSync(historyFile(), 'utf8').split('\n');
    return lines
      .filter((line) => line !== '')
      .slice(-HISTORY_LINES)
      .reverse();
  } catch {
    return [];
  }
}

/** @param history the newest first */
export function writeHistory(history: readonly string[]): void {
  try {
    const file = historyFile();
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(
      file,
      history
        .slice(0, HISTORY_LINES)
        .toReversed()
        .map((line) => `${line}\n`)
        .join(''),
      { mode: 0o600 },
    );
  } catch {
    // A home that cannot be written to has no history.
  }
}
