import { type Note, type NoteStore, readNotes } from './notes.ts';

/**
 * In the browser, by the identity of the trace.
 * @param brought notes that came with the trace; they count until somebody changes them here
 */
export function browserStore(identity: string, brought: readonly Note[]): NoteStore {
  const key = `virtrace-notes-${identity}`;
  return {
    where: 'in this browser',
    load: async () => {
      try {
        const kept = localStorage.getItem(key);
        return kept === null ? [...brought] : readNotes(JSON.parse(kept));
      } catch {
        return [...brought];
      }
    },
    save: async (file) => localStorage.setItem(key, JSON.stringify(file)),
  };
}
