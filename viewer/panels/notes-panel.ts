import { button, h, replace } from '../app/dom.ts';
import { formatCount, formatTime } from '../app/format.ts';
import type { Model } from '../app/model.ts';
import { type Note, type NoteStore, notesFile, notesMarkdown, readNotes } from '../app/notes.ts';
import type { Store } from '../app/store.ts';

/** Notes of the person who looks: written at the cursor, shown on the timeline, exported. */
export class NotesPanel {
  readonly element = h('div', { class: 'panel notes' });
  notes: Note[] = [];
  readonly #model: Model;
  readonly #store: Store;
  readonly #changed: () => void;
  readonly #go: (position: number) => void;
  readonly #input = h('textarea', {
    rows: '3',
    placeholder: 'What happens at this moment?',
    'aria-label': 'Text of the note',
  });
  #keeper: NoteStore | undefined;
  #status = '';
  #position: number | undefined;

  constructor(model: Model, store: Store, changed: () => void, go: (position: number) => void) {
    this.#model = model;
    this.#store = store;
    this.#changed = changed;
    this.#go = go;
    this.#input.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.#add();
      event.stopPropagation();
    });
    store.listen((_state, change) => {
      if (change.has('cursor') && this.#input.value === '') {
        this.#position = undefined;
        this.#draw();
      }
    });
  }

  async open(keeper: NoteStore): Promise<void> {
    this.#keeper = keeper;
    try {
      this.notes = await keeper.load();
      this.#status = '';
    } catch (error) {
      this.#status = `Notes could not be loaded: ${(error as Error).message}`;
    }
    this.#changed();
    this.#draw();
  }

  /** Begins a note at a position. */
  begin(position: number): void {
    this.#position = position;
    this.#draw();
    this.#input.focus();
  }

  #add(): void {
    const text = this.#input.value.trim();
    if (text === '') return;
    const position = this.#position ?? this.#store.state.cursor;
    const time = Math.round(this.#model.timeMap.timeAt(position));
    this.#input.value = '';
    this.#position = undefined;
    this.#set([...this.notes, { position, time, text }]);
  }

  #set(notes: Note[]): void {
    this.notes = notes.sort((a, b) => a.position - b.position);
    this.#changed();
    this.#draw();
    void this.#save();
  }

  async #save(): Promise<void> {
    const { facts } = this.#model;
    if (this.#keeper === undefined || facts === undefined) return;
    try {
      await this.#keeper.save(notesFile(facts, this.notes));
      this.#status = '';
    } catch (error) {
      this.#status = `Not saved: ${(error as Error).message}. Export them to keep them.`;
      this.#draw();
    }
  }

  #export(kind: 'json' | 'md'): void {
    const { facts } = this.#model;
    if (facts === undefined) return;
    const text =
      kind === 'json'
        ? JSON.stringify(notesFile(facts, this.notes), undefined, 2)
        : notesMarkdown(facts, this.notes);
    const type = kind === 'json' ? 'application/json' : 'text/markdown';
    const url = URL.createObjectURL(new Blob([text], { type }));
    const link = h('a', { href: url, download: `${facts.name}.notes.${kind}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  #import(): void {
    const input = h('input', { type: 'file', accept: '.json,application/json' });
    input.addEventListener('change', async () => {
      const file = input.files?.[0];
      if (file === undefined) return;
      try {
        const found = readNotes(JSON.parse(await file.text()));
        const known = new Set(this.notes.map(({ position, text }) => `${position} ${text}`));
        this.#set([
          ...this.notes,
          ...found.filter(({ position, text }) => !known.has(`${position} ${text}`)),
        ]);
      } catch {
        this.#status = `${file.name} is no file of notes`;
        this.#draw();
      }
    });
    input.click();
  }

  #draw(): void {
    const position = this.#position ?? this.#store.state.cursor;
    const hadFocus = document.activeElement === this.#input;
    replace(
      this.element,
      h(
        'section',
        { class: 'new-note' },
        h(
          'p',
          { class: 'muted' },
          `New note at position ${formatCount(position)}, ${formatTime(this.#model.timeMap.timeAt(position))}:`,
        ),
        this.#input,
        h(
          'div',
          { class: 'actions' },
          button('Add note', 'Add the note (Ctrl+Enter)', () => this.#add(), { class: 'primary' }),
        ),
      ),
      this.notes.length === 0
        ? h(
            'div',
            { class: 'empty' },
            'No notes yet. They are kept ',
            this.#keeper?.where ?? 'here',
            ' and can be exported.',
          )
        : h(
            'ul',
            { class: 'note-list' },
            this.notes.map((note) => this.#note(note)),
          ),
      h(
        'div',
        { class: 'actions' },
        button('Export', 'Save the notes as JSON', () => this.#export('json'), {
          disabled: this.notes.length === 0,
        }),
        button('Export Markdown', 'Save the notes as Markdown for an issue', () => this.#export('md'), {
          disabled: this.notes.length === 0,
        }),
        button('Import', 'Read notes from a file', () => this.#import()),
      ),
      this.#status === '' ? undefined : h('p', { class: 'severity-error', role: 'alert' }, this.#status),
    );
    if (hadFocus) this.#input.focus();
  }

  #note(note: Note): HTMLElement {
    return h(
      'li',
      {},
      h(
        'div',
        { class: 'note-head' },
        button(
          formatTime(note.time),
          `Go to position ${formatCount(note.position)}`,
          () => this.#go(note.position),
          { class: 'link' },
        ),
        button('×', 'Delete this note', () => this.#set(this.notes.filter((other) => other !== note)), {
          class: 'quiet',
        }),
      ),
      h('div', { class: 'note-text' }, note.text),
    );
  }
}
