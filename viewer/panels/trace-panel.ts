import { button, h, replace } from '../app/dom.ts';
import { formatBytes, formatCount, formatTime, plural } from '../app/format.ts';
import type { Model } from '../app/model.ts';
import type { Store } from '../app/store.ts';

/** What was recorded, and how it ended. */
export class TracePanel {
  readonly element = h('div', { class: 'panel trace-panel' });
  readonly #model: Model;
  readonly #store: Store;
  readonly #takeFile: (file: File) => void;

  /** @param takeFile a file with symbols, or an image that is missing */
  constructor(model: Model, store: Store, takeFile: (file: File) => void) {
    this.#takeFile = takeFile;
    this.#model = model;
    this.#store = store;
    store.listen((_state, changed) => {
      if (changed.has('hidden')) this.refresh();
    });
  }

  refresh(): void {
    const { facts, indexMilliseconds, indexed, symbolFiles } = this.#model;
    if (facts === undefined) {
      replace(this.element, h('div', { class: 'empty' }, 'No trace is open.'));
      return;
    }
    const list = h('dl', { class: 'facts' });
    const add = (name: string, value: string): void => list.append(h('dt', {}, name), h('dd', {}, value));
    add('file', `${facts.name}, ${formatBytes(facts.bytes)}`);
    add(
      'machine',
      `${facts.board}, ${facts.cpus} × ${facts.cpuModel}, GICv${facts.gicVersion}, ${formatBytes(facts.ramBytes)} of RAM`,
    );
    if (facts.commandLine !== undefined) add('command line', facts.commandLine);
    add('recorded', `by virtrace ${facts.engine}, level ${facts.level}`);
    for (const image of facts.images) {
      add(
        image.role,
        `${image.name}, ${formatBytes(image.size)}, ${image.embedded ? 'in the trace' : 'not in the trace'}`,
      );
    }
    add('events', formatCount(facts.events));
    const { end } = facts;
    add(
      'end',
      end === undefined
        ? `the recording was not ended; complete up to position ${formatCount(facts.complete)}`
        : `${end.detail ?? end.reason}, at position ${formatCount(end.position)}, ${formatTime(end.time)}`,
    );
    if (indexed) add('read in', `${(indexMilliseconds / 1000).toFixed(2)} s`);
    const damage = this.#model.damage ?? facts.damage;
    const { hidden } = this.#store.state;
    replace(
      this.element,
      damage === undefined
        ? undefined
        : h(
            'p',
            { class: 'warning', role: 'alert' },
            `The file is damaged: ${damage}. What comes before the damage is shown.`,
          ),
      list,
      hidden.length === 0
        ? undefined
        : h(
            'p',
            {},
            `${plural(hidden.length, 'lane is', 'lanes are')} hidden. `,
            button('Show all', 'Show hidden lanes again', () => this.#store.set({ hidden: [] })),
          ),
      h('h3', {}, 'Symbols'),
      h(
        'p',
        { class: 'muted' },
        'Addresses are named by the symbols of ELF images in the trace. A vmlinux, an ELF file, a System.map or a copy of /proc/kallsyms adds more; drop it onto the page, or',
      ),
      button('Add symbols …', 'Choose a file with symbols', () => this.#chooseSymbols()),
      symbolFiles.map((line) => h('p', {}, line)),
    );
  }

  #chooseSymbols(): void {
    const input = h('input', { type: 'file' });
    input.addEventListener('change', () => {
      const [file] = input.files ?? [];
      if (file !== undefined) this.#takeFile(file);
    });
    input.click();
  }
}
