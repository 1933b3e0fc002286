/** The page: finds out which trace is meant, and keeps drops and keys together. */
import { App, applyTheme } from './app/app.ts';
import { pressKey } from './app/keys.ts';
import { type Note, readNotes } from './app/notes.ts';
import { decodeState } from './app/view-state.ts';
import { welcome } from './app/welcome.ts';
import type { TraceSource } from './data/protocol.ts';
import type { PlainError } from './data/rpc.ts';
import './styles/theme.css';
import './styles/page.css';
import './styles/timeline.css';
import './styles/panels.css';

const root = document.getElementById('app')!;
let app: App | undefined;

function show(source: TraceSource, notesUrl?: string, notes: readonly Note[] = []): void {
  app?.close();
  app = new App({
    source,
    notesUrl,
    notes,
    openAnother: (other) => show(other),
    failed: (error) => showWelcome(error),
  });
  root.replaceChildren(app.element);
  // For tests and benches.
  Object.assign(globalThis, { virtrace: app });
  void app.start();
}

function showWelcome(error?: PlainError): void {
  app?.close();
  app = undefined;
  document.documentElement.dataset.ready = error === undefined ? 'welcome' : 'failed';
  root.replaceChildren(welcome((file) => openFile(file), error));
}

function openFile(file: File): void {
  // Another trace: what the link says of the one before does not hold.
  if (app !== undefined) history.replaceState(null, '', location.pathname + location.search);
  show({ kind: 'blob', blob: file, name: file.name });
}

/** The trace inside a one-file report, as text of base64. */
function embedded(): TraceSource | undefined {
  const element = document.getElementById('trace-data');
  if (element === null) return undefined;
  const text = (element.textContent ?? '').trim();
  element.remove();
  const step = 1 << 20;
  const bytes = new Uint8Array(
    Math.floor((text.length * 3) / 4) - (text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0),
  );
  let at = 0;
  for (let from = 0; from < text.length; from += step) {
    const part = atob(text.slice(from, from + step));
    for (let i = 0; i < part.length; i++) bytes[at++] = part.charCodeAt(i);
  }
  return { kind: 'bytes', bytes, name: element.dataset.name ?? 'trace.vtrace' };
}

/** Notes in a one-file report. */
function embeddedNotes(): Note[] {
  try {
    return readNotes(JSON.parse(document.getElementById('trace-notes')?.textContent ?? '{}'));
  } catch {
    return [];
  }
}

addEventListener('dragover', (event) => {
  if (event.dataTransfer?.types.includes('Files') !== true) return;
  event.preventDefault();
  document.body.classList.add('dropping');
});
addEventListener('dragleave', (event) => {
  if (event.relatedTarget === null) document.body.classList.remove('dropping');
});
addEventListener('drop', async (event) => {
  const file = event.dataTransfer?.files[0];
  if (file === undefined) return;
  event.preventDefault();
  document.body.classList.remove('dropping');
  if (app === undefined || file.name.endsWith('.vtrace')) openFile(file);
  else await app.machine.takeFile(file);
});
addEventListener('keydown', (event) => {
  if (app !== undefined && pressKey(app, event)) event.preventDefault();
});
addEventListener('hashchange', () => {
  if (app !== undefined) app.store.set(decodeState(location.hash));
});

applyTheme();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => app?.timeline.recolor());

const inFile = embedded();
const wanted = new URLSearchParams(location.search).get('trace');
const given = document.querySelector<HTMLMetaElement>('meta[name=virtrace-trace]')?.content;
if (inFile !== undefined) show(inFile, undefined, embeddedNotes());
else if (wanted !== null || given !== undefined) {
  const url = new URL(wanted ?? given!, document.baseURI);
  const name =
    document.querySelector<HTMLMetaElement>('meta[name=virtrace-name]')?.content ??
    decodeURIComponent(url.pathname.split('/').at(-1) ?? 'trace.vtrace');
  const notes = document.querySelector<HTMLMetaElement>('meta[name=virtrace-notes]')?.content;
  show(
    { kind: 'url', url: url.href, name },
    notes === undefined ? undefined : new URL(notes, document.baseURI).href,
  );
} else showWelcome();
