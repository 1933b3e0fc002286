import { BREAKPOINT_HELP } from '../../recorder/session/breakpoint-text.ts';
import { interruptName } from '../../recorder/session/interrupt-words.ts';
import { button, h, replace } from '../app/dom.ts';
import { formatBytes, formatCount, formatTime } from '../app/format.ts';
import type { Model } from '../app/model.ts';
import type { Store } from '../app/store.ts';
import { MACHINE_VIEWS, type MachineView } from '../app/view-state.ts';
import { startWorker } from '../app/workers.ts';
import type { EventPlace, TraceSource } from '../data/protocol.ts';
import { Client, type Pending, type Port, type RemoteError } from '../data/rpc.ts';
import type {
  BreakpointView,
  CodeView,
  DeviceView,
  EngineProgress,
  GicView,
  MachineMoment,
  MemoryView,
  MoveResult,
  OpenResult,
  RegistersView,
  StackView,
  SystemRegisterView,
  WalkView,
} from '../engine/protocol.ts';
import * as views from './machine-views.ts';

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
const MEMORY_BYTES = 512;

export interface MachineActions {
  select(place: EventPlace): void;
  /** The machine is somewhere else now. */
  moved(position: number): void;
}

type State =
  | { readonly kind: 'off' }
  | { readonly kind: 'building' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly message: string };

/** The machine as of the cursor, alive in a worker: look at it, step it, run it, in both directions. */
export class MachinePanel {
  readonly element = h('div', { class: 'panel machine' });
  readonly #model: Model;
  readonly #store: Store;
  readonly #source: TraceSource;
  readonly #actions: MachineActions;
  readonly #head = h('div', { class: 'machine-head' });
  readonly #nav = h('div', { class: 'subtabs', role: 'tablist' });
  readonly #body = h('div', { class: 'machine-body', tabindex: '0' });
  readonly #progress = h('div', { class: 'progress small', hidden: true });
  readonly #breakBox = h('div', { class: 'breakpoint-box' });
  #worker: Worker | undefined;
  #client: Client | undefined;
  #state: State = { kind: 'off' };
  #opening: Promise<boolean> | undefined;
  #moment: MachineMoment | undefined;
  #devices: readonly string[] = [];
  #device = 'uart0';
  #space: 'virtual' | 'physical' = 'virtual';
  #allInterrupts = false;
  #running: Pending<MoveResult> | undefined;
  /** Steps that were asked for while one was running; a held key must not pile them up. */
  #queued = 0;
  #message = '';
  #progressText = '';
  #generation = 0;
  #registers: { now: RegistersView | undefined; before: RegistersView | undefined; at: string } = {
    now: undefined,
    before: undefined,
    at: '',
  };
  #system: { now: SystemRegisterView[] | undefined; before: SystemRegisterView[] | undefined; at: string } = {
    now: undefined,
    before: undefined,
    at: '',
  };
  #deviceBefore: { now: DeviceView | undefined; before: DeviceView | undefined; at: string } = {
    now: undefined,
    before: undefined,
    at: '',
  };
  #breakpoints: BreakpointView[] = [];
  #statusListener: () => void = () => {};
  #followTimer = 0;
  #hasPrepared = false;

  constructor(model: Model, store: Store, source: TraceSource, actions: MachineActions) {
    this.#model = model;
    this.#store = store;
    this.#source = source;
    this.#actions = actions;
    this.element.append(this.#head, this.#progress, this.#nav, this.#body, this.#breakBox);
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
    this.#worker?.terminate();
  }

  statusText(): string {
    if (this.#state.kind === 'off') return '';
    if (this.#state.kind === 'building') return 'building the machine …';
    if (this.#state.kind === 'failed') return 'no machine';
    if (this.#progressText !== '') return this.#progressText;
    return this.#moment === undefined ? '' : `machine at ${formatCount(this.#moment.position)}`;
  }

  /** The panel has come into view. */
  shown(): void {
    if (!this.#model.indexed && this.#model.facts === undefined) return;
    void this.travel(this.#store.state.cursor);
  }

  /* ------------------------------------------------------------------ the worker */

  /** Starts the machine if it is not there. False: it cannot be had. */
  #open(): Promise<boolean> {
    this.#opening ??= this.#start();
    return this.#opening;
  }

  async #start(): Promise<boolean> {
    this.#state = { kind: 'building' };
    this.#draw();
    const worker = startWorker('engine-worker');
    this.#worker = worker;
    this.#client = new Client(worker as unknown as Port, (name, value) => {
      if (name === 'progress') this.#showProgress(value as EngineProgress);
    });
    worker.onerror = (event) => {
      this.#client?.fail(event.message ?? 'the engine has stopped');
    };
    try {
      const { devices, moment } = await this.#client.call<OpenResult>('open', this.#source);
      this.#devices = devices;
      this.#moment = moment;
      this.#state = { kind: 'ready' };
      this.#draw();
      return true;
    } catch (error) {
      this.#state = { kind: 'failed', message: explain(error as RemoteError) };
      this.#draw();
      return false;
    }
  }

  #showProgress({ what, position, done }: EngineProgress): void {
    this.#progress.hidden = false;
    this.#progress.style.setProperty('--done', `${100 * (done ?? 0)}%`);
    this.#progressText = `${what}: ${formatCount(position)}${done === undefined ? '' : `, ${Math.round(100 * done)} %`}`;
    this.#statusListener();
    const text = this.#head.querySelector('.machine-message');
    if (text !== null) text.textContent = this.#progressText;
  }

  /** Runs an operation; only the last that was asked for counts. */
  async #move(method: string, ...args: readonly unknown[]): Promise<MoveResult | undefined> {
    if (!(await this.#open()) || this.#client === undefined) return undefined;
    this.#running?.cancel();
    const running = this.#client.call<MoveResult>(method, ...args);
    this.#running = running;
    this.#drawHead();
    try {
      const result = await running;
      if (this.#running !== running) return undefined;
      this.#running = undefined;
      this.#progress.hidden = true;
      this.#progressText = '';
      this.#moment = result.moment;
      this.#message = result.reason === 'there' ? '' : result.text;
      if (method === 'continueForward' || method === 'continueBackward') {
        this.#breakpoints = await this.#client.call<BreakpointView[]>('breakpoints');
        this.#drawBreakpoints();
      }
      return result;
    } catch (error) {
      if (this.#running !== running) return undefined;
      this.#running = undefined;
      this.#progress.hidden = true;
      this.#progressText = '';
      this.#message = (error as Error).message;
      this.#drawHead();
      return undefined;
    } finally {
      this.#statusListener();
    }
  }

  /* ------------------------------------------------------------------ moving */

  /** The cursor moved: go there when it has come to rest. */
  #follow(): void {
    clearTimeout(this.#followTimer);
    this.#followTimer = setTimeout(() => {
      const { cursor } = this.#store.state;
      if (this.#moment?.position !== cursor) void this.travel(cursor);
    }, 60) as unknown as number;
  }

  async travel(position: number): Promise<void> {
    if (this.#moment?.position === position && this.#state.kind === 'ready') {
      await this.refresh();
      return;
    }
    const result = await this.#move('seek', position);
    if (result !== undefined) await this.#arrived(result, false);
  }

  /** One instruction on or back, from the cursor. */
  async step(count: number): Promise<void> {
    if (this.#running !== undefined) {
      // A key that is held down: at most one step waits.
      this.#queued = count;
      return;
    }
    this.#showTab();
    const { cursor } = this.#store.state;
    if (this.#state.kind !== 'ready' || this.#moment?.position !== cursor) {
      const there = await this.#move('seek', cursor);
      if (there === undefined) return;
    }
    const result = await this.#move('step', count, -1);
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
    if (this.#state.kind !== 'ready' || this.#moment?.position !== cursor) {
      const there = await this.#move('seek', cursor);
      if (there === undefined) return;
    }
    const result = await this.#move(method);
    if (result !== undefined) await this.#arrived(result, true);
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
    await this.#client?.call('interrupt');
  }

  /** Replays everything once, so that every later jump is quick. */
  async #prepare(): Promise<void> {
    const result = await this.#move('prepare');
    if (result !== undefined) {
      this.#hasPrepared = result.reason !== 'interrupted';
      await this.#arrived(result, true);
    }
  }

  /** Hash of the whole state at a position; for tests. */
  async stateHash(position: number): Promise<string> {
    const result = await this.#move('seek', position);
    if (result === undefined || this.#client === undefined) throw new Error(this.statusText());
    return (await this.#client.call<{ readonly all: string }>('hash')).all;
  }

  /** For the details of an event: the instruction at its PC, if the machine is already there. */
  async instructionAt(position: number, cpu: number, pc: string): Promise<string | undefined> {
    if (this.#state.kind !== 'ready' || this.#client === undefined || this.#running !== undefined)
      return undefined;
    const near = this.#moment !== undefined && Math.abs(this.#moment.position - position) <= 1;
    if (!near) return undefined;
    const view = await this.#client.call<CodeView>('code', Math.max(0, cpu), pc, 0, 1);
    return view.rows[0]?.text;
  }

  /** A file with symbols was dropped. */
  async addSymbols(file: File): Promise<void> {
    try {
      const bytes = new Uint8Array(await file.arrayBuffer());
      const count = await this.#model.client.call<number>('addSymbols', bytes, '0');
      this.#message = `${formatCount(count)} symbols are known now.`;
    } catch (error) {
      this.#message = `${file.name}: ${(error as Error).message}`;
    }
    this.#store.set({ tab: 'machine' });
    this.#drawHead();
    await this.refresh();
  }

  /* ------------------------------------------------------------------ breakpoints */

  async addBreakpoint(text: string): Promise<void> {
    if (!(await this.#open()) || this.#client === undefined) return;
    const words = text.split(/\s+/).filter((word) => /^[A-Za-z_]/.test(word));
    const symbols = await Promise.all(
      words.map(
        async (word) => [word, await this.#model.client.call<string | null>('symbolAddress', word)] as const,
      ),
    );
    const known = symbols.filter((pair): pair is readonly [string, string] => pair[1] !== null);
    try {
      this.#breakpoints = await this.#client.call<BreakpointView[]>('addBreakpoint', text, known);
      this.#message = '';
    } catch (error) {
      this.#message = (error as Error).message;
    }
    this.#drawHead();
    this.#drawBreakpoints();
  }

  #drawBreakpoints(): void {
    const input = h('input', {
      type: 'text',
      class: 'breakpoint-input',
      placeholder: 'break at: 0x…, a symbol, irq 34 acknowledge, write 0x… 8, console WATCHDOG',
      'aria-label': 'New breakpoint or watch',
      title: BREAKPOINT_HELP.map(([example, meaning]) => `${example} — ${meaning}`).join('\n'),
    });
    input.addEventListener('keydown', (event) => {
      event.stopPropagation();
      if (event.key !== 'Enter' || input.value.trim() === '') return;
      void this.addBreakpoint(input.value).then(() => {
        this.#breakBox.querySelector<HTMLInputElement>('.breakpoint-input')?.focus();
      });
    });
    const change = async (method: string, ...args: readonly unknown[]): Promise<void> => {
      this.#breakpoints = (await this.#client?.call<BreakpointView[]>(method, ...args)) ?? [];
      this.#drawBreakpoints();
    };
    replace(
      this.#breakBox,
      views.breakpointsElement(
        this.#breakpoints,
        (id) => void change('removeBreakpoint', id),
        (id, enabled) => void change('enableBreakpoint', id, enabled),
      ),
      input,
    );
  }

  /* ------------------------------------------------------------------ drawing */

  #draw(): void {
    this.#drawHead();
    this.#drawNav();
    this.#drawBreakpoints();
    if (this.#state.kind === 'failed') {
      replace(
        this.#body,
        h(
          'div',
          { class: 'empty', role: 'alert' },
          h('p', { class: 'strong' }, 'The machine cannot be replayed here.'),
          h('p', {}, this.#state.message),
        ),
      );
    } else if (this.#state.kind !== 'ready') {
      replace(
        this.#body,
        h(
          'div',
          { class: 'empty' },
          this.#state.kind === 'building'
            ? 'Building the machine …'
            : 'The machine is built when it is needed.',
        ),
      );
    }
    this.#statusListener();
  }

  #drawHead(): void {
    const moment = this.#moment;
    const isRunning = this.#running !== undefined;
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
        this.#hasPrepared || this.#state.kind !== 'ready'
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
      h(
        'div',
        { class: 'machine-message', role: 'status' },
        this.#progressText !== '' ? this.#progressText : this.#message,
      ),
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
    const client = this.#client;
    const moment = this.#moment;
    if (
      client === undefined ||
      moment === undefined ||
      this.#state.kind !== 'ready' ||
      this.#running !== undefined
    )
      return;
    const generation = ++this.#generation;
    const { machineView } = this.#store.state;
    const cpu = Math.min(this.#store.state.cpu, moment.cpus.length - 1);
    try {
      const element = await this.#view(client, machineView, cpu, moment);
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

  async #names(addresses: readonly string[]): Promise<views.Names> {
    const unique = [...new Set(addresses)];
    const names = await this.#model.client.call<(string | null)[]>('symbols', unique);
    return new Map(
      unique.flatMap((address, i) =>
        names[i] === null || names[i] === undefined ? [] : [[address, names[i]!] as const],
      ),
    );
  }

  async #view(client: Client, view: MachineView, cpu: number, moment: MachineMoment): Promise<HTMLElement> {
    const go = (address: string): void => this.#store.set({ address, machineView: 'memory' });
    const at = `${moment.position} ${cpu}`;
    switch (view) {
      case 'registers': {
        const now = await client.call<RegistersView>('registers', cpu);
        const names = await this.#names([now.pc, now.sp, ...now.x]);
        remember(this.#registers, now, at);
        return views.registersElement(now, this.#registers.before, names, go);
      }
      case 'system': {
        const now = await client.call<SystemRegisterView[]>('system', cpu);
        remember(this.#system, now, at);
        return views.systemElement(now, this.#system.before);
      }
      case 'code': {
        const pc = moment.cpus[cpu]!.pc;
        const now = await client.call<CodeView>('code', cpu, pc, 32, 48);
        const names = await this.#names(now.rows.map(({ address }) => address));
        return views.codeElement(now, names, (address) => void this.addBreakpoint(address));
      }
      case 'memory':
        return this.#memory(client, cpu);
      case 'stack': {
        const now = await client.call<StackView>('stack', cpu);
        const names = await this.#names([
          ...now.frames.map(({ pc }) => pc),
          ...now.words.map(({ value }) => value),
        ]);
        return views.stackElement(now, names, go);
      }
      case 'pages':
        return this.#pages(client, cpu, moment);
      case 'gic': {
        const now = await client.call<GicView>('gic', cpu, this.#allInterrupts);
        const virtio = new Map(this.#model.facts?.virtio ?? []);
        const all = h('input', {
          type: 'checkbox',
          checked: this.#allInterrupts,
          on: {
            change: () => {
              this.#allInterrupts = all.checked;
              void this.refresh();
            },
          },
        });
        return h(
          'div',
          {},
          h('label', {}, all, ' all interrupts'),
          views.gicElement(now, (intid) => interruptName(intid, virtio)),
        );
      }
      case 'devices': {
        if (!this.#devices.includes(this.#device)) this.#device = this.#devices[0] ?? '';
        const now = await client.call<DeviceView>('device', this.#device);
        remember(this.#deviceBefore, now, `${at} ${this.#device}`);
        const select = h(
          'select',
          {
            'aria-label': 'Device',
            on: {
              change: () => {
                this.#device = select.value;
                void this.refresh();
              },
            },
          },
          this.#devices.map((id) => h('option', { value: id, selected: id === this.#device }, id)),
        );
        return h('div', {}, select, views.deviceElement(now, this.#deviceBefore.before));
      }
    }
  }

  async #memory(client: Client, cpu: number): Promise<HTMLElement> {
    const { address } = this.#store.state;
    const wanted = await this.#addressOf(client, cpu, address === '' ? 'sp' : address);
    const space = this.#space;
    const start = wanted === undefined ? undefined : BigInt.asUintN(64, wanted & ~15n);
    const page =
      start === undefined
        ? undefined
        : await client.call<MemoryView>('memory', cpu, `0x${start.toString(16)}`, MEMORY_BYTES, space);
    const move = (by: number): void => {
      if (start !== undefined)
        this.#store.set({ address: `0x${BigInt.asUintN(64, start + BigInt(by)).toString(16)}` });
    };
    const choice = h(
      'select',
      {
        'aria-label': 'Address space',
        on: {
          change: () => {
            this.#space = choice.value === 'physical' ? 'physical' : 'virtual';
            void this.refresh();
          },
        },
      },
      ['virtual', 'physical'].map((name) => h('option', { value: name, selected: name === space }, name)),
    );
    return h(
      'div',
      {},
      h(
        'div',
        { class: 'actions' },
        this.#addressInput(address === '' ? 'sp' : address),
        choice,
        button('▲', 'Up', () => move(-MEMORY_BYTES)),
        button('▼', 'Down', () => move(MEMORY_BYTES)),
      ),
      page === undefined
        ? h('p', { class: 'empty' }, `'${address}' is neither an address nor a register nor a symbol`)
        : views.memoryElement(page, this.#body.clientWidth < 620 ? 8 : 16),
    );
  }

  async #pages(client: Client, cpu: number, moment: MachineMoment): Promise<HTMLElement> {
    const { address } = this.#store.state;
    const text = address === '' ? 'pc' : address;
    const wanted = text === 'pc' ? BigInt(moment.cpus[cpu]!.pc) : await this.#addressOf(client, cpu, text);
    if (wanted === undefined)
      return h('div', {}, this.#addressInput(text), h('p', { class: 'empty' }, `'${text}' is no address`));
    const walk = await client.call<WalkView>('walk', cpu, `0x${wanted.toString(16)}`);
    return h(
      'div',
      {},
      h('div', { class: 'actions' }, this.#addressInput(text)),
      views.walkElement(walk, (physical) => {
        this.#space = 'physical';
        this.#store.set({ address: physical, machineView: 'memory' });
      }),
    );
  }

  #addressInput(text: string): HTMLElement {
    const input = h('input', {
      type: 'text',
      value: text,
      class: 'mono address-input',
      'aria-label': 'Address, register or symbol',
      title: 'An address, a register (sp, pc, x0 …) or a symbol',
      on: {
        change: () => this.#store.set({ address: input.value.trim() }),
        keydown: (event: KeyboardEvent) => event.stopPropagation(),
      },
    });
    return input;
  }

  /** An address as a person writes it: a number, a register, a symbol. */
  async #addressOf(client: Client, cpu: number, text: string): Promise<bigint | undefined> {
    if (/^(0x)?[0-9a-f]+$/i.test(text) && (text.startsWith('0x') || /^\d+$/.test(text))) return BigInt(text);
    if (/^(sp|pc|x\d+)$/i.test(text)) {
      const view = await client.call<RegistersView>('registers', cpu);
      const name = text.toLowerCase();
      const value = name === 'sp' ? view.sp : name === 'pc' ? view.pc : view.x[Number(name.slice(1))];
      return value === undefined ? undefined : BigInt(value);
    }
    const found = await this.#model.client.call<string | null>('symbolAddress', text);
    return found === null ? undefined : BigInt(found);
  }
}

/** Keeps the view of another moment, to show what is different. */
function remember<T>(
  slot: { now: T | undefined; before: T | undefined; at: string },
  now: T,
  at: string,
): void {
  if (slot.at !== at) slot.before = slot.now;
  slot.now = now;
  slot.at = at;
}

function explain({ name, message }: RemoteError): string {
  if (name === 'MissingImages') {
    return `${message}. Traces recorded without --no-embed have everything inside.`;
  }
  return message;
}
