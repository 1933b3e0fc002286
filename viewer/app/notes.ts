/** Bookmarks and notes: kept beside the trace by the server, or by the browser, and exported as a file. */
import { type Note, notesList, readNotes } from '../../recorder/session/notes.ts';
import type { TraceFacts } from '../data/protocol.ts';

export { type Note, readNotes };

export function notesFile(facts: TraceFacts, notes: readonly Note[]): object {
  return { format: 'virtrace-notes', version: 1, trace: facts.name, identity: facts.identity, notes };
}

/** For the body of an issue. */
export function notesMarkdown(facts: TraceFacts, notes: readonly Note[]): string {
  return `Notes on \`${facts.name}\` (${facts.board}, ${facts.cpus} × ${facts.cpuModel}):\n\n${notesList(notes)}\n`;
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
