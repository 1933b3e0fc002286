import type { PlainError } from '../data/rpc.ts';
import { button, h } from './dom.ts';

/** What a person can do about a trace that does not open. */
export function adviceFor({ name, message, code }: PlainError): {
  readonly title: string;
  readonly advice: string;
} {
  switch (code) {
    case 'not-a-trace':
      return {
        title: 'This file is no virtrace trace.',
        advice:
          'Traces end in .vtrace and are written by virtrace record. If this one was sent by mail or chat, ask for it packed in an archive: some programs change files on the way.',
      };
    case 'too-new':
      return {
        title: 'This trace was written by a newer virtrace.',
        advice: `${message}. Update virtrace and open it again.`,
      };
    case 'damaged':
      return {
        title: 'This trace is damaged.',
        advice: `${message}. Copy it again from where it came from; if it was recorded on this machine, virtrace info FILE tells how much of it is whole.`,
      };
    case 'missing':
      return {
        title: 'The trace cannot be read.',
        advice: `${message}. Is the server that was started by virtrace view still running? A file can be dropped onto this page as well.`,
      };
    case 'too-big':
      return { title: 'This trace needs more memory than there is.', advice: message };
    default:
      return { title: 'The trace could not be opened.', advice: `${name}: ${message}` };
  }
}

/** The page without a trace. */
export function welcome(open: (file: File) => void, error: PlainError | undefined): HTMLElement {
  const choose = (): void => {
    const input = h('input', { type: 'file', accept: '.vtrace' });
    input.addEventListener('change', () => {
      const file = input.files?.[0];
      if (file !== undefined) open(file);
    });
    input.click();
  };
  const problem = error === undefined ? undefined : adviceFor(error);
  return h(
    'main',
    { class: 'welcome' },
    h('h1', {}, 'virtrace'),
    problem === undefined
      ? h('p', {}, 'Explore a recorded boot: on a timeline, and alive.')
      : h('div', { class: 'problem', role: 'alert' }, h('h2', {}, problem.title), h('p', {}, problem.advice)),
    h(
      'div',
      { class: 'drop-hint' },
      h('p', {}, 'Drop a .vtrace file here'),
      button('Open a file …', 'Choose a trace', choose, { class: 'primary' }),
      h('p', { class: 'muted' }, 'It stays on this machine: nothing is uploaded.'),
    ),
  );
}
