import { interruptName } from '../../recorder/session/interrupt-words.ts';
import { button, h } from '../app/dom.ts';
import type { Model } from '../app/model.ts';
import type { Store } from '../app/store.ts';
import type { MachineView } from '../app/view-state.ts';
import type {
  CodeView,
  DeviceView,
  GicView,
  MachineMoment,
  MemoryView,
  RegistersView,
  StackView,
  SystemRegisterView,
  WalkView,
} from '../engine/protocol.ts';
import type { MachineLink } from './machine-link.ts';
import * as views from './machine-views.ts';

const MEMORY_BYTES = 512;

/** A view, and that of the moment before, to show what is different. */
interface Remembered<T> {
  now: T | undefined;
  before: T | undefined;
  at: string;
}

function nothing<T>(): Remembered<T> {
  return { now: undefined, before: undefined, at: '' };
}

export interface InspectorActions {
  /** What a view depends on has changed. */
  readonly refresh: () => void;
  readonly breakAt: (address: string) => void;
  /** Pixels there are for a view. */
  readonly width: () => number;
}

/** Asks the machine for what a view shows, and makes the view. */
export class MachineInspector {
  readonly #model: Model;
  readonly #store: Store;
  readonly #link: MachineLink;
  readonly #refresh: () => void;
  readonly #breakAt: (address: string) => void;
  readonly #width: () => number;
  readonly #registers = nothing<RegistersView>();
  readonly #system = nothing<SystemRegisterView[]>();
  readonly #deviceBefore = nothing<DeviceView>();
  #device = 'uart0';
  #space: 'virtual' | 'physical' = 'virtual';
  #allInterrupts = false;

  constructor(model: Model, store: Store, link: MachineLink, actions: InspectorActions) {
    this.#model = model;
    this.#store = store;
    this.#link = link;
    this.#refresh = actions.refresh;
    this.#breakAt = actions.breakAt;
    this.#width = actions.width;
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

  /** The view of a CPU as of the moment at which the machine is. */
  async show(view: MachineView, cpu: number, moment: MachineMoment): Promise<HTMLElement> {
    const go = (address: string): void => this.#store.set({ address, machineView: 'memory' });
    const at = `${moment.position} ${cpu}`;
    switch (view) {
      case 'registers': {
        const now = await this.#link.call<RegistersView>('registers', cpu);
        const names = await this.#names([now.pc, now.sp, ...now.x]);
        remember(this.#registers, now, at);
        return views.registersElement(now, this.#registers.before, names, go);
      }
      case 'system': {
        const now = await this.#link.call<SystemRegisterView[]>('system', cpu);
        remember(this.#system, now, at);
        return views.systemElement(now, this.#system.before);
      }
      case 'code': {
        const pc = moment.cpus[cpu]!.pc;
        const now = await this.#link.call<CodeView>('code', cpu, pc, 32, 48);
        const names = await this.#names(now.rows.map(({ address }) => address));
        return views.codeElement(now, names, (address) => void this.#breakAt(address));
      }
      case 'memory':
        return this.#memory(cpu);
      case 'stack': {
        const now = await this.#link.call<StackView>('stack', cpu);
        const names = await this.#names([
          ...now.frames.map(({ pc }) => pc),
          ...now.words.map(({ value }) => value),
        ]);
        return views.stackElement(now, names, go);
      }
      case 'pages':
        return this.#pages(cpu, moment);
      case 'gic': {
        const now = await this.#link.call<GicView>('gic', cpu, this.#allInterrupts);
        const virtio = new Map(this.#model.facts?.virtio ?? []);
        const all = h('input', {
          type: 'checkbox',
          checked: this.#allInterrupts,
          on: {
            change: () => {
              this.#allInterrupts = all.checked;
              void this.#refresh();
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
        if (!this.#link.devices.includes(this.#device)) this.#device = this.#link.devices[0] ?? '';
        const now = await this.#link.call<DeviceView>('device', this.#device);
        remember(this.#deviceBefore, now, `${at} ${this.#device}`);
        const select = h(
          'select',
          {
            'aria-label': 'Device',
            on: {
              change: () => {
                this.#device = select.value;
                void this.#refresh();
              },
            },
          },
          this.#link.devices.map((id) => h('option', { value: id, selected: id === this.#device }, id)),
        );
        return h('div', {}, select, views.deviceElement(now, this.#deviceBefore.before));
      }
    }
  }

  async #memory(cpu: number): Promise<HTMLElement> {
    const { address } = this.#store.state;
    const wanted = await this.#addressOf(cpu, address === '' ? 'sp' : address);
    const space = this.#space;
    const start = wanted === undefined ? undefined : BigInt.asUintN(64, wanted & ~15n);
    const page =
      start === undefined
        ? undefined
        : await this.#link.call<MemoryView>('memory', cpu, `0x${start.toString(16)}`, MEMORY_BYTES, space);
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
            void this.#refresh();
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
        : views.memoryElement(page, this.#width() < 620 ? 8 : 16),
    );
  }

  async #pages(cpu: number, moment: MachineMoment): Promise<HTMLElement> {
    const { address } = this.#store.state;
    const text = address === '' ? 'pc' : address;
    const wanted = text === 'pc' ? BigInt(moment.cpus[cpu]!.pc) : await this.#addressOf(cpu, text);
    if (wanted === undefined)
      return h('div', {}, this.#addressInput(text), h('p', { class: 'empty' }, `'${text}' is no address`));
    const walk = await this.#link.call<WalkView>('walk', cpu, `0x${wanted.toString(16)}`);
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
  async #addressOf(cpu: number, text: string): Promise<bigint | undefined> {
    if (/^(0x)?[0-9a-f]+$/i.test(text) && (text.startsWith('0x') || /^\d+$/.test(text))) return BigInt(text);
    if (/^(sp|pc|x\d+)$/i.test(text)) {
      const view = await this.#link.call<RegistersView>('registers', cpu);
      const name = text.toLowerCase();
      const value = name === 'sp' ? view.sp : name === 'pc' ? view.pc : view.x[Number(name.slice(1))];
      return value === undefined ? undefined : BigInt(value);
    }
    const found = await this.#model.client.call<string | null>('symbolAddress', text);
    return found === null ? undefined : BigInt(found);
  }
}

function remember<T>(slot: Remembered<T>, now: T, at: string): void {
  if (slot.at !== at) slot.before = slot.now;
  slot.now = now;
  slot.at = at;
}
