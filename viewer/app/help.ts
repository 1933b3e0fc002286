import { FILTER_KEYS } from '../data/filter/compile.ts';
import { button, h } from './dom.ts';

const KEYS: readonly (readonly [keys: string, meaning: string])[] = [
  ['W  S', 'zoom in, zoom out'],
  ['A  D', 'move left, move right'],
  ['wheel, pinch', 'zoom around the pointer; Shift+wheel scrolls the lanes'],
  ['drag', 'move the timeline; drag on the strip at the top to choose a window'],
  ['double click', 'zoom in there'],
  ['F', 'fit: show the whole trace; again: the selection'],
  ['.  ,', 'next, previous event of the lane'],
  ['N  Shift+N', 'next, previous hit of the search'],
  ['/', 'search'],
  ['→  ←', 'step, reverse-step one instruction'],
  ['Shift+→  Shift+←', 'run to the next, the previous breakpoint or watch'],
  ['G', 'take the machine to the cursor'],
  ['X', 'axis: virtual time or instructions'],
  ['M', 'write a note at the cursor'],
  ['1 … 6', 'the panels at the right'],
  ['Esc', 'close, deselect'],
  ['?', 'this help'],
];

/** Keys and the filter language. */
export function helpDialog(): HTMLDialogElement {
  const dialog = h('dialog', { class: 'help', 'aria-label': 'Help' });
  dialog.append(
    h(
      'header',
      {},
      h('h2', {}, 'Keys'),
      button('×', 'Close', () => dialog.close(), { class: 'quiet' }),
    ),
    h(
      'dl',
      { class: 'keys' },
      KEYS.flatMap(([keys, meaning]) => [
        h(
          'dt',
          {},
          keys.split('  ').map((key) => h('kbd', {}, key)),
        ),
        h('dd', {}, meaning),
      ]),
    ),
    h('h2', {}, 'Searching and filtering'),
    h(
      'p',
      {},
      'Words are looked for in everything: register names, values, interrupt numbers, symbols, console text. Conditions are ',
      h('code', {}, 'key:value'),
      ', with ',
      h('code', {}, '!= < <= > >= &'),
      ' as well; a value may be a list ',
      h('code', {}, 'a,b'),
      ', a range ',
      h('code', {}, '10..20'),
      ' or have ',
      h('code', {}, '*'),
      ' in it. Several conditions must all hold; ',
      h('code', {}, 'or'),
      ', ',
      h('code', {}, 'not'),
      ' (or ',
      h('code', {}, '-'),
      ') and parentheses do what they say.',
    ),
    h(
      'table',
      { class: 'filter-keys' },
      Object.entries(FILTER_KEYS).map(([key, { meaning, example }]) =>
        h(
          'tr',
          {},
          h('td', {}, h('code', {}, `${key}:`)),
          h('td', {}, meaning),
          h('td', {}, h('code', {}, example)),
        ),
      ),
    ),
  );
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  return dialog;
}
