/** What a person has made of the page: everything that a link carries. */
import type { Axis, EventPlace } from '../data/protocol.ts';

export const TABS = ['event', 'machine', 'console', 'statistics', 'notes', 'trace'] as const;
export type Tab = (typeof TABS)[number];

export const MACHINE_VIEWS = [
  'registers',
  'system',
  'code',
  'memory',
  'stack',
  'pages',
  'gic',
  'devices',
] as const;
export type MachineView = (typeof MACHINE_VIEWS)[number];

export interface ViewState {
  readonly axis: Axis;
  /** The window, in units of the axis. */
  readonly from: number;
  readonly to: number;
  /** The moment that console, registers and memory show: before the instruction at this position. */
  readonly cursor: number;
  readonly selected: EventPlace | undefined;
  readonly query: string;
  /** The list shows only what the query finds. */
  readonly only: boolean;
  readonly tab: Tab;
  readonly machineView: MachineView;
  readonly cpu: number;
  /** Address that the memory view shows. */
  readonly address: string;
  readonly folded: readonly string[];
  readonly pinned: readonly string[];
  readonly hidden: readonly string[];
  /** Lanes that were moved, in their order. */
  readonly order: readonly string[];
  /** Only lanes with this in their names. */
  readonly lanes: string;
}

export const START_STATE: ViewState = {
  axis: 'time',
  from: 0,
  to: 0,
  cursor: 0,
  selected: undefined,
  query: '',
  only: false,
  tab: 'event',
  machineView: 'registers',
  cpu: 0,
  address: '',
  folded: ['Empty virtio slots'],
  pinned: [],
  hidden: [],
  order: [],
  lanes: '',
};

/** The state as the part of a link behind `#`; what is as at the start is left out. */
export function encodeState(state: ViewState): string {
  const out = new URLSearchParams();
  if (state.axis === 'instructions') out.set('x', 'i');
  if (state.to > state.from) out.set('w', `${round(state.from)}-${round(state.to)}`);
  if (state.cursor !== 0) out.set('at', String(state.cursor));
  if (state.selected !== undefined) out.set('sel', `${state.selected.position}.${state.selected.ordinal}`);
  if (state.query !== '') out.set('q', state.query);
  if (state.only) out.set('only', '1');
  if (state.tab !== START_STATE.tab) out.set('tab', state.tab);
  if (state.machineView !== START_STATE.machineView) out.set('m', state.machineView);
  if (state.cpu !== 0) out.set('cpu', String(state.cpu));
  if (state.address !== '') out.set('a', state.address);
  for (const name of ['folded', 'pinned', 'hidden', 'order'] as const) {
    if (!sameList(state[name], START_STATE[name])) out.set(name, state[name].join('|'));
  }
  if (state.lanes !== '') out.set('lanes', state.lanes);
  return out.toString();
}

function round(value: number): string {
  return String(Number.isInteger(value) ? value : Math.round(value * 1000) / 1000);
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

/** The state that a link carries; what makes no sense in it is left out. */
export function decodeState(text: string): Partial<ViewState> {
  const params = new URLSearchParams(text.replace(/^#/, ''));
  const state: { -readonly [key in keyof ViewState]?: ViewState[key] } = {};
  if (params.get('x') === 'i') state.axis = 'instructions';
  const window = /^(-?[\d.]+)-(-?[\d.]+)$/.exec(params.get('w') ?? '');
  if (window !== null) {
    const [from, to] = [Number(window[1]), Number(window[2])];
    if (Number.isFinite(from) && Number.isFinite(to) && to > from) Object.assign(state, { from, to });
  }
  const cursor = count(params.get('at'));
  if (cursor !== undefined) state.cursor = cursor;
  const selected = /^(\d+)\.(\d+)$/.exec(params.get('sel') ?? '');
  if (selected !== null) {
    const place = { position: Number(selected[1]), ordinal: Number(selected[2]) };
    if (Number.isSafeInteger(place.position) && Number.isSafeInteger(place.ordinal)) state.selected = place;
  }
  if (params.has('q')) state.query = params.get('q')!.slice(0, 4000);
  if (params.get('only') === '1') state.only = true;
  const tab = TABS.find((name) => name === params.get('tab'));
  if (tab !== undefined) state.tab = tab;
  const view = MACHINE_VIEWS.find((name) => name === params.get('m'));
  if (view !== undefined) state.machineView = view;
  const cpu = count(params.get('cpu'));
  if (cpu !== undefined) state.cpu = cpu;
  if (params.has('a')) state.address = params.get('a')!.slice(0, 200);
  for (const name of ['folded', 'pinned', 'hidden', 'order'] as const) {
    if (params.has(name))
      state[name] = params
        .get(name)!
        .split('|')
        .filter((item) => item !== '')
        .slice(0, 2000);
  }
  if (params.has('lanes')) state.lanes = params.get('lanes')!.slice(0, 200);
  return state;
}

function count(text: string | null): number | undefined {
  if (text === null || !/^\d+$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}
