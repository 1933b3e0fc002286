/** The parts of the machine panel: what the engine's worker answers, as elements. */
import { button, h } from '../app/dom.ts';
import { formatCount } from '../app/format.ts';
import type {
  BreakpointView,
  CodeView,
  DeviceView,
  GicView,
  MemoryView,
  RegistersView,
  StackView,
  SystemRegisterView,
  WalkView,
} from '../engine/protocol.ts';

/** Names for addresses; null: none. */
export type Names = ReadonlyMap<string, string>;

/** What a click on an address does. */
export type GoTo = (address: string) => void;

function addressLink(value: string, go: GoTo): HTMLElement {
  return button(value, `Show memory at ${value}`, () => go(value), { class: 'link mono' });
}

export function registersElement(
  view: RegistersView,
  before: RegistersView | undefined,
  names: Names,
  go: GoTo,
): HTMLElement {
  const row = (name: string, value: string, old: string | undefined): HTMLElement =>
    h(
      'tr',
      { class: old !== undefined && old !== value ? 'changed' : '' },
      h('th', {}, name),
      h(
        'td',
        { class: 'mono', title: old !== undefined && old !== value ? `was ${old}` : '' },
        addressLink(value, go),
      ),
      h('td', { class: 'muted cut' }, names.get(value) ?? ''),
    );
  return h(
    'div',
    {},
    h(
      'p',
      { class: 'flags' },
      view.flags.map(({ name, value, meaning }, i) =>
        h(
          'span',
          {
            class:
              before !== undefined && before.flags[i]?.value !== value
                ? 'flag changed'
                : value === '0'
                  ? 'flag off'
                  : 'flag',
            title: meaning,
          },
          h('b', {}, name),
          ` ${value}`,
        ),
      ),
      h('span', { class: 'muted' }, ` PSTATE ${view.pstate}`),
    ),
    h(
      'table',
      { class: 'registers' },
      row('PC', view.pc, before?.pc),
      row('SP', view.sp, before?.sp),
      view.x.map((value, n) => row(`X${n}`, value, before?.x[n])),
    ),
    h(
      'details',
      {},
      h('summary', {}, `SIMD and floating point: FPCR ${view.fpcr}, FPSR ${view.fpsr}`),
      h(
        'table',
        { class: 'registers' },
        view.v.map((value, n) =>
          h(
            'tr',
            { class: before !== undefined && before.v[n] !== value ? 'changed' : '' },
            h('th', {}, `V${n}`),
            h('td', { class: 'mono' }, value),
          ),
        ),
      ),
    ),
  );
}

export function systemElement(
  rows: readonly SystemRegisterView[],
  before: readonly SystemRegisterView[] | undefined,
): HTMLElement {
  const old = new Map(before?.map(({ name, value }) => [name, value] as const));
  const groups = new Map<string, SystemRegisterView[]>();
  for (const row of rows) groups.set(row.group, [...(groups.get(row.group) ?? []), row]);
  return h(
    'div',
    {},
    [...groups].map(([group, members]) =>
      h(
        'details',
        { open: group !== 'identification' && group !== 'debug' && group !== 'others' },
        h('summary', {}, group, h('span', { class: 'muted' }, ` ${members.length}`)),
        h(
          'table',
          { class: 'registers' },
          members.map(({ name, value }) => {
            const was = old.get(name);
            const changed = was !== undefined && was !== value;
            return h(
              'tr',
              { class: changed ? 'changed' : value === '0x0' ? 'off' : '' },
              h('th', {}, name),
              h('td', { class: 'mono', title: changed ? `was ${was}` : '' }, value),
            );
          }),
        ),
      ),
    ),
  );
}

export function codeElement(view: CodeView, names: Names, run: (address: string) => void): HTMLElement {
  if (view.problem !== undefined) return h('p', { class: 'empty' }, view.problem);
  const rows: HTMLElement[] = [];
  let last = '';
  for (const { address, word, text, isNext } of view.rows) {
    const name = names.get(address);
    const base = name?.replace(/\+0x[0-9a-f]+$/, '');
    if (base !== undefined && base !== last) {
      rows.push(h('tr', { class: 'symbol' }, h('td', { colspan: '4' }, base)));
      last = base;
    }
    // Branch targets are addresses, too.
    rows.push(
      h(
        'tr',
        { class: isNext ? 'next' : '' },
        h(
          'td',
          { class: 'mono' },
          button('●', `Break at ${address}`, () => run(address), { class: 'quiet dot' }),
        ),
        h('td', { class: 'mono muted', title: name ?? '' }, address.replace(/^0x/, '')),
        h('td', { class: 'mono muted' }, word),
        h('td', { class: 'mono' }, isNext ? h('strong', {}, text) : text),
      ),
    );
  }
  return h('table', { class: 'code' }, rows);
}

/** @param perRow bytes on a line, 8 or 16 */
export function memoryElement(view: MemoryView, perRow: number): HTMLElement {
  const { bytes, readable } = view;
  const start = BigInt(view.address);
  if (readable === 0)
    return h('p', { class: 'empty' }, `Nothing is mapped at ${view.address} (${view.space}).`);
  const rows: HTMLElement[] = [];
  for (let at = 0; at < readable; at += perRow) {
    const line = [...bytes.subarray(at, Math.min(readable, at + perRow))];
    const pairs = line.map((byte) => byte.toString(16).padStart(2, '0'));
    rows.push(
      h(
        'tr',
        {},
        h('td', { class: 'mono muted' }, (start + BigInt(at)).toString(16).padStart(8, '0')),
        h('td', { class: 'mono' }, `${pairs.slice(0, 8).join(' ')}  ${pairs.slice(8).join(' ')}`),
        h(
          'td',
          { class: 'mono muted' },
          line.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '·')).join(''),
        ),
      ),
    );
  }
  return h('table', { class: 'memory' }, rows);
}

export function stackElement(view: StackView, names: Names, go: GoTo): HTMLElement {
  return h(
    'div',
    {},
    h('h3', {}, 'Calls'),
    h(
      'table',
      { class: 'registers' },
      view.frames.map(({ pc, fp }, i) =>
        h(
          'tr',
          {},
          h('th', {}, `#${i}`),
          h('td', { class: 'mono' }, addressLink(pc, go)),
          h('td', {}, names.get(pc) ?? ''),
          h('td', { class: 'muted mono' }, fp),
        ),
      ),
    ),
    h('h3', {}, `Stack at SP = ${view.sp}`),
    view.words.length === 0
      ? h('p', { class: 'empty' }, 'The stack pointer leads to nothing that is mapped.')
      : h(
          'table',
          { class: 'registers' },
          view.words.map(({ address, value }) =>
            h(
              'tr',
              {},
              h('td', { class: 'muted mono' }, address),
              h('td', { class: 'mono' }, addressLink(value, go)),
              h('td', { class: 'muted cut' }, names.get(value) ?? ''),
            ),
          ),
        ),
  );
}

export function walkElement(view: WalkView, go: (physical: string) => void): HTMLElement {
  return h(
    'div',
    {},
    h('p', { class: 'muted' }, view.facts.join(' · ')),
    view.steps.length === 0
      ? undefined
      : h(
          'table',
          { class: 'walk' },
          h(
            'thead',
            {},
            h(
              'tr',
              {},
              ['level', 'index', 'at', 'descriptor', 'what'].map((head) => h('th', {}, head)),
            ),
          ),
          h(
            'tbody',
            {},
            view.steps.map((step) =>
              h(
                'tr',
                {},
                h('td', {}, step.level),
                h('td', { class: 'number' }, step.index),
                h(
                  'td',
                  { class: 'mono' },
                  button(step.address, 'Show this table', () => go(step.table), { class: 'link mono' }),
                ),
                h('td', { class: 'mono' }, step.descriptor),
                h('td', {}, h('b', {}, step.kind), ` ${step.fields.join(', ')}`),
              ),
            ),
          ),
        ),
    h('p', {}, h('strong', {}, `${view.address} → ${view.physical ?? 'no address'}`), ` ${view.result}`),
  );
}

export function gicElement(view: GicView, name: (intid: number) => string): HTMLElement {
  return h(
    'div',
    {},
    h(
      'p',
      { class: 'flags' },
      h(
        'span',
        { class: view.irq ? 'flag' : 'flag off' },
        h('b', {}, 'IRQ'),
        view.irq ? ' asserted' : ' low',
      ),
      h(
        'span',
        { class: view.fiq ? 'flag' : 'flag off' },
        h('b', {}, 'FIQ'),
        view.fiq ? ' asserted' : ' low',
      ),
      h('span', { class: 'flag' }, h('b', {}, 'priority mask'), ` ${view.priorityMask}`),
      h('span', { class: 'flag' }, h('b', {}, 'running priority'), ` ${view.runningPriority}`),
    ),
    view.rows.length === 0
      ? h('p', { class: 'empty' }, 'No interrupt is enabled, pending or active.')
      : h(
          'table',
          { class: 'gic-table' },
          h(
            'thead',
            {},
            h(
              'tr',
              {},
              ['INTID', '', 'state', 'line', 'priority', 'not taken because'].map((head) =>
                h('th', {}, head),
              ),
            ),
          ),
          h(
            'tbody',
            {},
            view.rows.map((row) =>
              h(
                'tr',
                { class: row.heldBack === undefined ? 'changed' : '' },
                h('td', { class: 'number' }, row.intid),
                h('td', {}, name(row.intid)),
                h('td', {}, row.state),
                h('td', {}, `${row.line ? 'high' : 'low'}, ${row.trigger}`),
                h('td', { class: 'mono', title: `${row.group}; to ${row.targets}` }, row.priority),
                h('td', { class: 'muted' }, row.heldBack ?? 'it is being taken'),
              ),
            ),
          ),
        ),
  );
}

export function deviceElement(view: DeviceView, before: DeviceView | undefined): HTMLElement {
  if (view.problem !== undefined) return h('p', { class: 'empty' }, view.problem);
  const old = new Map(
    before?.device === view.device ? before.rows.map(({ name, value }) => [name, value] as const) : [],
  );
  return h(
    'div',
    {},
    h(
      'table',
      { class: 'registers' },
      view.rows.map(({ name, offset, value, fields, meaning }) => {
        const was = old.get(name);
        const changed = was !== undefined && was !== value;
        return h(
          'tr',
          { class: changed ? 'changed' : value === '0x0' ? 'off' : '' },
          h('th', { title: `${offset} ${meaning}` }, name),
          h('td', { class: 'mono', title: changed ? `was ${was}` : '' }, value),
          h('td', { class: 'muted' }, fields),
        );
      }),
    ),
    h('p', { class: 'muted' }, view.reference),
  );
}

export function breakpointsElement(
  rows: readonly BreakpointView[],
  remove: (id: number) => void,
  enable: (id: number, enabled: boolean) => void,
): HTMLElement {
  return h(
    'ul',
    { class: 'breakpoints' },
    rows.map(({ id, text, enabled, hits }) => {
      const box = h('input', {
        type: 'checkbox',
        checked: enabled,
        'aria-label': `Breakpoint ${text}`,
        on: { change: () => enable(id, box.checked) },
      });
      return h(
        'li',
        {},
        h('label', {}, box, ' ', text),
        h('span', { class: 'muted' }, hits === 0 ? '' : ` hit ${formatCount(hits)}×`),
        button('×', 'Remove', () => remove(id), { class: 'quiet' }),
      );
    }),
  );
}
