/** Notes that a person has made on a trace: kept beside it, in the browser or in a report. */

export interface Note {
  readonly position: number;
  readonly time: number;
  readonly text: string;
}

const LIMIT = 10_000;
const TEXT_LIMIT = 10_000;

/** Notes out of a file or a store, whatever it may hold. */
export function readNotes(data: unknown): Note[] {
  const list: unknown =
    typeof data === 'object' && data !== null ? (data as { notes?: unknown }).notes : undefined;
  if (!Array.isArray(list)) return [];
  const notes: Note[] = [];
  for (const item of list.slice(0, LIMIT) as unknown[]) {
    if (typeof item !== 'object' || item === null) continue;
    const { position, time, text } = item as { [key: string]: unknown };
    if (!Number.isSafeInteger(position) || (position as number) < 0 || typeof text !== 'string') continue;
    notes.push({
      position: position as number,
      time: typeof time === 'number' && Number.isFinite(time) ? time : 0,
      text: text.slice(0, TEXT_LIMIT),
    });
  }
  return notes.sort((a, b) => a.position - b.position);
}

/** A list for an issue, that reads well and leads back. */
export function notesList(notes: readonly Note[]): string {
  const lines = notes.map(({ position, time, text }) => {
    const [first = '', ...rest] = text.split('\n');
    const more = rest.map((line) => `\n  ${line}`).join('');
    return `- **${(time / 1e6).toFixed(6)} ms**, position ${position}: ${first}${more}`;
  });
  return lines.join('\n');
}
