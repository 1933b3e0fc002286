import { type Answer, DebugError } from '../../../recorder/debugger/answer.ts';
import { parseLine, runLine } from '../../../recorder/debugger/commands.ts';
import { Debugger } from '../../../recorder/debugger/debugger.ts';
import { complete } from '../../../recorder/session/operation.ts';
import { openTimeline } from '../session/debug-support.ts';

/** A debugger over a trace in memory; `files` are what `symbols` can read. */
export function openDebugger(trace: Uint8Array, files: { readonly [name: string]: string } = {}): Debugger {
  const timeline = openTimeline(trace);
  const { reader } = timeline.playback;
  return new Debugger({
    timeline,
    reader,
    host: {
      readFile: (path) => {
        const text = files[path];
        if (text === undefined) throw new DebugError(`symbols ${path}: no such file`);
        return new TextEncoder().encode(text);
      },
    },
  });
}

export function run(debug: Debugger, line: string): Answer {
  const parsed = parseLine(line);
  if (parsed === undefined) throw new Error('an empty line');
  return complete(runLine(debug, parsed));
}

export function text(debug: Debugger, line: string): string {
  return run(debug, line).text;
}

// biome-ignore lint/suspicious/noExplicitAny: answers have as many shapes as there are commands
export function data(debug: Debugger, line: string): any {
  return run(debug, line).data;
}

/** The line that a mistake is answered with. */
export function problem(debug: Debugger, line: string): string {
  try {
    run(debug, line);
  } catch (error) {
    if (error instanceof DebugError) return error.message;
    throw error;
  }
  throw new Error(`${line} is understood`);
}
