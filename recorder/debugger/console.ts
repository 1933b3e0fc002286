/** The console's text as of now. */
import type { Operation } from '../session/operation.ts';
import { readable } from '../session/readable.ts';
import { DebugError } from './answer.ts';
import type { Command } from './command.ts';
import type { Debugger } from './debugger.ts';
import { hint } from './nearest.ts';
import { words } from './words.ts';

const LINES = 20;
/** Bytes that are kept of each console while reading. */
const KEPT = 1 << 22;

export const consoleCommand: Command = {
  name: 'console',
  aliases: ['con', 'dmesg'],
  usage: '[LINES|all] [DEVICE]',
  help: `what the console shows now: the last ${LINES} lines`,
  *run(debug, rest) {
    const list = words(rest);
    let lines = LINES;
    let device: string | undefined;
    for (const word of list) {
      if (word === 'all') lines = Number.POSITIVE_INFINITY;
      else if (/^\d{1,9}$/.test(word)) lines = Number(word);
      else device = word;
    }
    const outputs =
      debug.keeps('output') && debug.timeline.branch === undefined
        ? yield* fromTrace(debug)
        : yield* byRunning(debug);
    if (device !== undefined && !outputs.has(device)) {
      throw new DebugError(
        `console ${device}: it has printed nothing up to here${hint(device, outputs.keys(), 20)}`,
      );
    }
    const shown = [...outputs].filter(([id]) => device === undefined || id === device);
    const texts = shown.map(([id, bytes]) => {
      const all = readable(bytes).replace(/\n$/, '').split('\n');
      return { device: id, lines: all.slice(Math.max(0, all.length - lines)), total: all.length };
    });
    const parts = texts.map(({ device: id, lines: text }) =>
      texts.length === 1 ? text.join('\n') : `${id}:\n${text.join('\n')}`,
    );
    return {
      data: { consoles: texts },
      text: parts.length === 0 ? 'nothing has been printed yet' : parts.join('\n'),
    };
  },
};

class Kept {
  readonly #parts = new Map<string, { chunks: Uint8Array[]; length: number }>();

  add(device: string, bytes: Uint8Array): void {
    let kept = this.#parts.get(device);
    if (kept === undefined) this.#parts.set(device, (kept = { chunks: [], length: 0 }));
    kept.chunks.push(bytes.slice());
    kept.length += bytes.length;
    if (kept.length > 2 * KEPT) {
      const all = join(kept.chunks, kept.length);
      kept.chunks = [all.slice(all.length - KEPT)];
      kept.length = KEPT;
    }
  }

  finish(): Map<string, Uint8Array> {
    return new Map([...this.#parts].map(([id, { chunks, length }]) => [id, join(chunks, length)]));
  }
}

function join(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

function* fromTrace(debug: Debugger): Operation<Map<string, Uint8Array>> {
  const kept = new Kept();
  for (const batch of debug.reader.batches({ kinds: ['output'], to: debug.timeline.position })) {
    for (const event of batch) if (event.kind === 'output') kept.add(event.device, event.bytes);
    if ((yield { what: 'reading the trace', position: batch[0]!.position }) === true)
      throw new DebugError('interrupted');
  }
  return kept.finish();
}

/** A trace of level `inputs` has no output: the machine prints it again. */
function* byRunning(debug: Debugger): Operation<Map<string, Uint8Array>> {
  const { timeline } = debug;
  if (timeline.branch !== undefined) throw new DebugError('console: not in a side branch');
  const { position } = timeline;
  const kept = new Kept();
  const enabled = [...debug.breakpoints.values()].filter((each) => each.enabled);
  for (const each of enabled) each.enabled = false;
  try {
    yield* timeline.seek(0);
    timeline.onEvent = (event) => {
      if (event.kind === 'output' && event.position < position) kept.add(event.device, event.bytes);
    };
    const stop = yield* timeline.continueForward(position);
    timeline.onEvent = () => {};
    yield* timeline.seek(position);
    if (stop.reason === 'interrupted') throw new DebugError('interrupted');
  } finally {
    timeline.onEvent = () => {};
    for (const each of enabled) each.enabled = true;
  }
  return kept.finish();
}
