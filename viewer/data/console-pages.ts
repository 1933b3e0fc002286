import type { EventFilter, TraceReader } from '../../traces/index.ts';
import { type ConsoleText, readable } from './console-text.ts';
import type { ConsoleLine, ConsolePage, SearchHit } from './protocol.ts';

function lineOf(text: ConsoleText, line: number, bytes: Uint8Array): ConsoleLine {
  const runs = text.runs(line, bytes);
  return {
    position: text.position(line),
    time: text.time(line),
    text: readable(bytes),
    ...(runs === undefined ? {} : { runs }),
  };
}

/** What was printed, by lines and as of a moment. */
export class ConsolePages {
  readonly #reader: TraceReader;
  readonly #consoles: ReadonlyMap<string, ConsoleText>;

  constructor(reader: TraceReader, consoles: ReadonlyMap<string, ConsoleText>) {
    this.#reader = reader;
    this.#consoles = consoles;
  }

  /** Lines of a console, oldest first. */
  lines(device: string, first: number, count: number): ConsolePage {
    const text = this.#consoles.get(device);
    if (text === undefined) return { device, first: 0, total: 0, lines: [] };
    const from = Math.max(0, Math.min(first, text.lines));
    const lines = [];
    for (let line = from; line < Math.min(text.lines, from + count); line++) {
      lines.push(lineOf(text, line, text.bytes(line)));
    }
    return { device, first: from, total: text.lines, lines };
  }

  /** The last lines of a console as of a position: what was sent by instructions before it. */
  async at(device: string, position: number, count: number): Promise<ConsolePage> {
    const text = this.#consoles.get(device);
    if (text === undefined) return { device, first: 0, total: 0, lines: [] };
    const last = text.lineBefore(position);
    const page = this.lines(device, last - count + 1, Math.min(count, last + 1));
    if (last < 0 || page.lines.length === 0) return { ...page, total: last + 1 };
    // The last line may have been half written.
    const cut = await this.#partialLine(device, text.position(last), text.ordinal(last), position);
    const whole = page.lines.at(-1)!;
    return {
      ...page,
      total: last + 1,
      lines: [...page.lines.slice(0, -1), cut === undefined ? whole : lineOf(text, last, cut)],
    };
  }

  async #partialLine(
    device: string,
    from: number,
    ordinal: number,
    to: number,
  ): Promise<Uint8Array | undefined> {
    const bytes: number[] = [];
    const filter: EventFilter = {
      kinds: ['output'],
      devices: [device],
      from: { position: from, ordinal },
      to,
    };
    let isFirst = true;
    for await (const event of this.#reader.events({ ...filter, limit: 4000 })) {
      if (event.kind !== 'output') continue;
      let data = event.bytes;
      // An event that ends one line may begin the next.
      if (isFirst && data.indexOf(10) >= 0 && data.indexOf(10) < data.length - 1) {
        data = data.subarray(data.lastIndexOf(10) + 1);
      }
      isFirst = false;
      bytes.push(...data);
      if (data.includes(10)) return undefined;
    }
    return Uint8Array.from(bytes);
  }

  /** A console sends a character at a time, so what a person looks for is in no single event. */
  hits(line: (text: string) => boolean, limit: number): SearchHit[] {
    const found: SearchHit[] = [];
    for (const [device, text] of this.#consoles) {
      for (let i = 0; i < text.lines && found.length < limit; i++) {
        const shown = text.text(i);
        if (!line(shown)) continue;
        found.push({
          position: text.position(i),
          ordinal: text.ordinal(i),
          time: text.time(i),
          text: `${device} “${shown.trimEnd()}”`,
        });
      }
    }
    return found.sort((a, b) => a.position - b.position || a.ordinal - b.ordinal);
  }
}
