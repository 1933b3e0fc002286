import { button, h, replace } from '../app/dom.ts';
import { formatBytes, formatCount, formatTime } from '../app/format.ts';
import type { Model } from '../app/model.ts';
import type { Store } from '../app/store.ts';
import { MACHINE_VIEWS, type MachineView } from '../app/view-state.ts';
import type { TraceSource } from '../data/protocol.ts';
import type { CodeView, MachineMoment, MoveResult } from '../engine/protocol.ts';
import { BreakpointBox } from './breakpoint-box.ts';
import { MachineInspector } from './machine-inspector.ts';
import { MachineLink } from './machine-link.ts';
import { SymbolPlacer } from './symbol-placer.ts';

const VIEW_NAMES: { readonly [view in MachineView]: string } = {
  registers: 'Registers',
  system: 'System',
  code: 'Code',
  memory: 'Memory',
  stack: 'Stack',
  pages: 'Pages',
  gic: 'GIC',
  devices: 'Devices',
};

export interface MachineActions {
  /** The machine is somewhere else now. */
  moved(position: number): void;
}

/** The machine as of the cursor, alive in a worker: look at it, step it, run it, in both directions. */
export class MachinePanel {
  readonly element = h('div', { class: 'panel machine' });
  readonly #model: Model;
  readonly #store: Store;
  readonly #actions: MachineActions;
  readonly #head = h('div', { class: 'machine-head' });
  readonly #nav = h('div', { class: 'subtabs', role: 'tablist', 'aria-label': 'Views of the machine' });
  readonly #body = h('div', { class: 'machine-body', tabindex: '0', role: 'tabpanel' });
  readonly #progress = h('div', { class: 'progress small', hidden: true });
  readonly #link: MachineLink;
  readonly #inspector: MachineInspector;
  readonly #breakpoints: BreakpointBox;
  readonly #symbols: SymbolPlacer;
  #drawnState = '';
  /** Steps that were asked for while one was running; a held key must not pile them up. */
  #queued = 0;
  #generation = 0;
  #statusListener: () => void = () => {};
  #followTimer = 0;
  #hasPrepared = false;

  constructor(model: Model, store: Store, source: TraceSource, actions: MachineActions) {
    this.#model = model;
    this.#store = store;
    this.#actions = actions;
    this.#link = new MachineLink(source, () => this.#linkChanged());
    this.#inspector = new MachineInspector(model, store, this.#link, {
      refresh: () => void this.refresh(),
      breakAt: (address) => void this.addBreakpoint(address),
      width: () => this.#body.clientWidth,
    });
    this.#breakpoints = new BreakpointBox(model, this.#link, () => this.#drawHead());
    this.#symbols = new SymbolPlacer(model, this.#link);
    this.element.append(this.#head, this.#progress, this.#nav, this.#body, this.#breakpoints.element);
    store.listen((state, changed) => {
      if (changed.has('machineView') || changed.has('cpu') || changed.has('address')) void this.refresh();
      if (changed.has('cursor') && state.tab === 'machine') this.#follow();
    });
    this.#draw();
  }

  onStatus(listener: () => void): void {
    this.#statusListener = listener;
  }

  close(): void {
    this.#link.close();
  }

  statusText(): string {
    return this.#link.statusText();
  }

  /** The panel has come into view. */
  shown(): void {
    if (!this.#model.indexed && this.#model.facts === undefined) return;
    void this.travel(this.#store.state.cursor);
  }

  #linkChanged(): void {
    const { state, progress } = this.#link;
    this.#progress.hidden = progress === undefined;
    if (progress !== undefined) this.#progress.style.setProperty('--done', `${100 * progress.done}%`);
    if (this.#drawnState !== state.kind) this.#draw();
    else if (progress !== undefined) {
      const text = this.#head.querySelector('.machine-message');
      if (text !== null) text.textContent = progress.text;
    } else this.#drawHead();
    this.#statusListener();
  }

  /* ------------------------------------------------------------------ moving */

  /** The cursor moved: go there when it has come to rest. */
  #follow(): void {
    clearTimeout(this.#followTimer);
    this.#followTimer = setTimeout(() => {
      const { cursor } = this.#store.state;
      if (this.#link.moment?.position !== cursor) void this.travel(cursor);
    }, 60) as unknown as number;
  }

  async travel(position: number): Promise<void> {
    if (this.#link.moment?.position === position && this.#link.state.kind === 'ready') {
      await this.refresh();
      return;
    }
    const result = await this.#link.move('seek', position);
    if (result !== undefined) await this.#arrived(result, false);
  }

  /** One instruction on or back, from the cursor. */
  async step(count: number): Promise<void> {
    if (this.#link.isRunning) {
      // A key that is held down: at most one step waits.
      this.#queued = count;
      return;
    }
    this.#showTab();
    const { cursor } = this.#store.state;
    if (this.#link.state.kind !== 'ready' || this.#link.moment?.position !== cursor) {
      const there = await this.#link.move('seek', cursor);
      if (there === undefined) return;
    }
    const result = await this.#link.move('step', count, -1);
    if (result === undefined) return;
    await this.#arrived(result, true);
    const next = this.#queued;
    this.#queued = 0;
    if (next !== 0 && result.reason === 'there') await this.step(next);
  }

  async continueForward(): Promise<void> {
    await this.#continue('continueForward');
  }

  async continueBackward(): Promise<void> {
    await this.#continue('continueBackward');
  }

  async #continue(method: 'continueForward' | 'continueBackward'): Promise<void> {
    this.#showTab();
    const { cursor } = this.#store.state;
    if (this.#link.state.kind !== 'ready' || this.#link.moment?.position !== cursor) {
      const there = await this.#link.move('seek', cursor);
      if (there === undefined) return;
    }
    const result = await this.#link.move(method);
    if (result === undefined) return;
    await this.#breakpoints.refresh();
    await this.#arrived(result, true);
  }

  #showTab(): void {
    const { tab } = this.#store.state;
    if (tab !== 'machine' && tab !== 'console') this.#store.set({ tab: 'machine' });
  }

  async #arrived({ moment }: MoveResult, byItself: boolean): Promise<void> {
    const { position } = moment;
    if (byItself) {
      const { selected } = this.#store.state;
      this.#store.set({
        cursor: position,
        ...(selected?.position === position ? {} : { selected: undefined }),
      });
      this.#actions.moved(position);
    }
    await this.refresh();
  }

  async #stop(): Promise<void> {
    this.#queued = 0;
    await this.#link.stop();
  }

  /** Replays everything once, so that every later jump is quick. */
  async #prepare(): Promise<void> {
    const result = await this.#link.move('prepare');
    if (result !== undefined) {
      this.#hasPrepared = result.reason !== 'interrupted';
      await this.#arrived(result, true);
    }
  }

  /** Hash of the whole state at a position; for tests. */
  async stateHash(position: number): Promise<string> {
    const result = await this.#link.move('seek', position);
    if (result === undefined) throw new Error(this.statusText());
    return (await this.#link.call<{ readonly all: string }>('hash')).all;
  }

  /** For the details of an event: the instruction at its PC, if the machine is there, or may `go` there. */
  async instructionAt(position: number, cpu: number, pc: string, go: boolean): Promise<string | undefined> {
    if (go && (await this.#link.move('seek', position)) === undefined) return undefined;
    const { state, moment, isRunning } = this.#link;
    if (state.kind !== 'ready' || isRunning || moment === undefined) return undefined;
    if (Math.abs(moment.position - position) > 1) return undefined;
    const view = await this.#link.call<CodeView>('code', Math.max(0, cpu), pc, 0, 1);
    return view.rows[0]?.text;
  }

  /** A file came in that is no trace: an image that is missing, or symbols. */
  async takeFile(file: File): Promise<void> {
    const { state } = this.#link;
    this.#store.set({ tab: 'machine' });
    if (state.kind === 'failed' && state.needsImages) {
      await this.#giveImage(file);
      return;
    }
    const said = await this.#symbols.add(file);
    // Placing them may have moved the machine.
    await this.travel(this.#store.state.cursor);
    this.#link.message = said;
    this.#drawHead();
  }

  async #giveImage(file: File): Promise<void> {
    if (await this.#link.give([file])) await this.travel(this.#store.state.cursor);
  }

  addBreakpoint(text: string): Promise<void> {
    return this.#breakpoints.add(text);
  }

  /* ------------------------------------------------------------------ drawing */

  #draw(): void {
    const { state } = this.#link;
    this.#drawnState = state.kind;
    this.#drawHead();
    this.#drawNav();
    if (state.kind === 'failed') replace(this.#body, this.#failure(state.message, state.needsImages));
    else if (state.kind !== 'ready') {
      const text =
        state.kind === 'building' ? 'Building the machine …' : 'The machine is built when it is needed.';
      replace(this.#body, h('div', { class: 'empty' }, text));
    }
  }

  #failure(message: string, needsImages: boolean): HTMLElement {
    const choose = (): void => {
      const input = h('input', { type: 'file' });
      input.addEventListener('change', () => {
        const [file] = input.files ?? [];
        if (file !== undefined) void this.#giveImage(file);
      });
      input.click();
    };
    return h(
      'div',
      { class: 'empty', role: 'alert' },
      h('p', { class: 'strong' }, 'The machine cannot be replayed here.'),
      // What is said of the command line has a button here.
      message
        .replace(/; give it with --image \S+=FILE/g, '')
        .split('; ')
        .map((line) => h('p', {}, `${line}.`)),
      needsImages
        ? [
            h('p', {}, 'Drop the file onto this page, or choose it; it stays on this machine.'),
            button('Choose the file …', 'An image that the trace only names', choose, { class: 'primary' }),
            h('p', { class: 'muted' }, 'Traces recorded without --no-embed have everything inside.'),
          ]
        : undefined,
    );
  }

  #drawHead(): void {
    const { moment, isRunning, progress, message } = this.#link;
    const { cpu } = this.#store.state;
    replace(
      this.#head,
      h(
        'div',
        { class: 'transport' },
        button(
          '|◀',
          'Run back to the last breakpoint or watch (Shift+←)',
          () => void this.continueBackward(),
        ),
        button('◀', 'Reverse-step (←)', () => void this.step(-1)),
        button('▶', 'Step (→)', () => void this.step(1)),
        button('▶|', 'Run to the next breakpoint or watch (Shift+→)', () => void this.continueForward()),
        isRunning ? button('■', 'Stop', () => void this.#stop()) : undefined,
        this.#hasPrepared || this.#link.state.kind !== 'ready'
          ? undefined
          : button('⤓', 'Replay all of it once, so that every jump is quick', () => void this.#prepare(), {
              class: 'quiet',
            }),
        moment === undefined || moment.cpus.length === 1 ? undefined : this.#cpuChoice(moment, cpu),
      ),
      moment === undefined
        ? undefined
        : h(
            'div',
            { class: 'moment' },
            h('span', { class: 'mono' }, formatCount(moment.position)),
            h('span', { class: 'muted' }, formatTime(moment.time)),
            h('span', { class: 'muted' }, this.#cpuText(moment)),
            moment.checkpoints === 0
              ? undefined
              : h(
                  'span',
                  { class: 'muted', title: 'Moments that are kept, so that jumps are quick' },
                  `${moment.checkpoints} checkpoints, ${formatBytes(moment.checkpointBytes)}`,
                ),
          ),
      h('div', { class: 'machine-message', role: 'status' }, progress?.text ?? message),
    );
  }

  #cpuText(moment: MachineMoment): string {
    if (moment.ended !== undefined) return `end: ${moment.ended}`;
    const chosen = moment.cpus[this.#store.state.cpu];
    if (chosen === undefined) return '';
    if (chosen.power === 'off') return `CPU ${chosen.cpu} is off`;
    return chosen.wait === 'none' ? `EL${chosen.el}` : `CPU ${chosen.cpu} waits (${chosen.wait})`;
  }

  #cpuChoice(moment: MachineMoment, chosen: number): HTMLElement {
    const select = h(
      'select',
      { 'aria-label': 'CPU', on: { change: () => this.#store.set({ cpu: Number(select.value) }) } },
      moment.cpus.map(({ cpu, power, wait }) =>
        h(
          'option',
          { value: String(cpu), selected: cpu === chosen },
          `CPU ${cpu}${cpu === moment.cpu ? ' ▸' : ''}${power === 'off' ? ' off' : wait === 'none' ? '' : ` ${wait}`}`,
        ),
      ),
    );
    return select;
  }

  #drawNav(): void {
    const { machineView } = this.#store.state;
    replace(
      this.#nav,
      MACHINE_VIEWS.map((view) =>
        h(
          'button',
          {
            type: 'button',
            role: 'tab',
            'aria-selected': String(view === machineView),
            on: { click: () => this.#store.set({ machineView: view }) },
          },
          VIEW_NAMES[view],
        ),
      ),
    );
  }

  /** Asks for the view that is shown, and shows it. */
  async refresh(): Promise<void> {
    this.#drawHead();
    this.#drawNav();
    const { moment, state, isRunning } = this.#link;
    if (moment === undefined || state.kind !== 'ready' || isRunning) return;
    const generation = ++this.#generation;
    const { machineView } = this.#store.state;
    const cpu = Math.min(this.#store.state.cpu, moment.cpus.length - 1);
    try {
      const element = await this.#inspector.show(machineView, cpu, moment);
      if (generation !== this.#generation) return;
      const { scrollTop } = this.#body;
      const isSame = this.#body.dataset.view === machineView;
      this.#body.dataset.view = machineView;
      replace(this.#body, element);
      const next = this.#body.querySelector('.code .next');
      if (machineView === 'code' && next !== null) next.scrollIntoView({ block: 'center' });
      else this.#body.scrollTop = isSame ? scrollTop : 0;
      this.element.dataset.position = String(moment.position);
    } catch (error) {
      if (generation === this.#generation)
        replace(this.#body, h('p', { class: 'empty' }, (error as Error).message));
    }
  }
}
