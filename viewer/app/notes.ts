/** Bookmarks and notes: kept beside the trace by the server, or by the browser, and exported as a file. */
import type { TraceFacts } from '../data/protocol.ts';

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

export function notesFile(facts: TraceFacts, notes: readonly Note[]): object {
  return { format: 'virtrace-notes', version: 1, trace: facts.name, identity: facts.identity, notes };
}

/** For an issue: a list that reads well and leads back. */
export function notesMarkdown(facts: TraceFacts, notes: readonly Note[]): string {
  const lines = notes.map(({ position, time, text }) => {
    const [first = '', ...rest] = text.split('\n');
    const more = rest.map((line) => `\n  ${line}`).join('');
    return `- **${(time / 1e6).toFixed(6)} ms**, position ${position}: ${first}${more}`;
  });
  return `Notes on \`${facts.name}\` (${facts.board}, ${facts.cpus} × ${facts.cpuModel}):\n\n${lines.join('\n')}\n`;
}

/** Where notes are kept. */
export interface NoteStore {
  readonly where: string;
  load(): Promise<Note[]>;
  save(file: object): Promise<void>;
}

/** Beside the trace, by the server that `virtrace view` runs. */
export function serverStore(url: string): NoteStore {
  return {
    where: 'beside the trace',
    load: async () => {
      const response = await fetch(url);
      if (response.status === 404) return [];
      if (!response.ok) throw new Error(`the server answers ${response.status}`);
      return readNotes(await response.json());
    },
    save: async (file) => {
      const body = JSON.stringify(file, undefined, 2);
      const response = await fetch(url, {
        method: 'PUT',
        body,
        headers: { 'content-type': 'application/json' },
      });
      if (!response.ok) throw new Error(`the server answers ${response.status}`);
    },
  };
}
