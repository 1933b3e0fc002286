import { type NoteStore, readNotes } from './notes.ts';

/** In the browser, by the identity of the trace. */
export function browserStore(identity: string): NoteStore {
  const key = `virtrace-notes-${identity}`;
  return {
    where: 'in this browser',
    load: async () => {
      try {
        return readNotes(JSON.parse(localStorage.getItem(key) ?? '{}'));
      } catch {
        return [];
      }
    },
    save: async (file) => localStorage.setItem(key, JSON.stringify(file)),
  };
}
