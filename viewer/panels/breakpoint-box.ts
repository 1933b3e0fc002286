import { BREAKPOINT_HELP } from '../../recorder/session/breakpoint-text.ts';
import { h, replace } from '../app/dom.ts';
import type { Model } from '../app/model.ts';
import type { BreakpointView } from '../engine/protocol.ts';
import type { MachineLink } from './machine-link.ts';
import { breakpointsElement } from './machine-views.ts';

/** Breakpoints and watches: a list, and a line to write one in. */
export class BreakpointBox {
  readonly element = h('div', { class: 'breakpoint-box' });
  readonly #model: Model;
  readonly #link: MachineLink;
  readonly #said: () => void;
  #list: readonly BreakpointView[] = [];

  /** @param said the link's message has changed */
  constructor(model: Model, link: MachineLink, said: () => void) {
    this.#model = model;
    this.#link = link;
    this.#said = said;
    this.#draw();
  }

  async add(text: string): Promise<void> {
    if (!(await this.#link.open())) return;
    const words = text.split(/\s+/).filter((word) => /^[A-Za-z_]/.test(word));
    const symbols = await Promise.all(
      words.map(
        async (word) => [word, await this.#model.client.call<string | null>('symbolAddress', word)] as const,
      ),
    );
    const known = symbols.filter((pair): pair is readonly [string, string] => pair[1] !== null);
    this.#link.message = '';
    try {
      this.#list = await this.#link.call<BreakpointView[]>('addBreakpoint', text, known);
    } catch (error) {
      this.#link.message = (error as Error).message;
    }
    this.#said();
    this.#draw();
  }

  /** Counts of hits have changed. */
  async refresh(): Promise<void> {
    this.#list = await this.#link.call<BreakpointView[]>('breakpoints');
    this.#draw();
  }

  async #change(method: string, ...args: readonly unknown[]): Promise<void> {
    this.#list = await this.#link.call<BreakpointView[]>(method, ...args);
    this.#draw();
  }

  #draw(): void {
    const input = h('input', {
      type: 'text',
      class: 'breakpoint-input',
      placeholder: 'stop at: address, symbol, irq 34, write 0x…, console TEXT',
      'aria-label': 'New breakpoint or watch',
      title: BREAKPOINT_HELP.map(([example, meaning]) => `${example} — ${meaning}`).join('\n'),
    });
    input.addEventListener('keydown', (event) => {
      event.stopPropagation();
      if (event.key !== 'Enter' || input.value.trim() === '') return;
      void this.add(input.value).then(() => {
        this.element.querySelector<HTMLInputElement>('.breakpoint-input')?.focus();
      });
    });
    replace(
      this.element,
      breakpointsElement(
        this.#list,
        (id) => void this.#change('removeBreakpoint', id),
        (id, enabled) => void this.#change('enableBreakpoint', id, enabled),
      ),
      input,
    );
  }
}
