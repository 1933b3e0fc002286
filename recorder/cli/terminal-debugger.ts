/** The debugger in the terminal: where commands come from, and where answers go. */
import { createInterface } from 'node:readline';
import type { SyncTraceReader } from '../../traces/index.ts';
import { type Answer, DebugError } from '../debugger/answer.ts';
import { COMMANDS, complete, isQuit, type ParsedLine, parseLine, runLine } from '../debugger/commands.ts';
import { Debugger } from '../debugger/debugger.ts';
import { seconds } from '../debugger/machine-view.ts';
import { readImage } from '../host/files.ts';
import { Prompt } from '../host/prompt.ts';
import { completeAsync, type Progress } from '../session/operation.ts';
import type { Timeline } from '../session/timeline.ts';
import { EXIT, type ExitCode, OptionError } from './errors.ts';
import type { CommandIo } from './io.ts';

export interface TerminalOptions {
  /** Files with commands. */
  readonly x?: readonly string[];
  readonly command?: readonly string[];
  readonly json?: boolean;
}

export interface OpenRecording {
  readonly file: string;
  readonly timeline: Timeline;
  readonly reader: SyncTraceReader;
}

const PROMPT = '(virtrace) ';
const PROGRESS_AFTER_MS = 300;
const PROGRESS_EVERY_MS = 100;

/** Runs commands until there are no more. @throws OptionError */
export async function debugInTerminal(
  recording: OpenRecording,
  options: TerminalOptions,
  io: CommandIo,
): Promise<number> {
  const scripts = readScripts(options);
  const debug = new Debugger({ ...recording, host: { readFile } });
  const session = new TerminalSession(debug, options.json === true, io);
  if (scripts !== undefined) return await session.script(scripts, true);
  const file = io.stdin.isTTY === true ? undefined : io.stdinFile();
  if (file !== undefined) return await session.script(new TextDecoder().decode(file).split('\n'), false);
  if (io.stdin.isTTY === true) return await session.prompt(recording.file);
  return await session.script(createInterface({ input: io.stdin, terminal: false }), false);
}

/** Commands of `-x` and `--command`, these last. @throws OptionError */
function readScripts({ x = [], command = [] }: TerminalOptions): string[] | undefined {
  if (x.length === 0 && command.length === 0) return undefined;
  const lines: string[] = [];
  for (const path of x) {
    const { size, read } = readImage('-x', path);
    const text = new TextDecoder().decode(read(0, size));
    if (text.includes('\0')) throw new OptionError(`-x ${path}: this is no text with commands`);
    lines.push(...text.split(/\r?\n/));
  }
  return [...lines, ...command];
}

/** For `symbols`. @throws DebugError */
export function readFile(path: string): Uint8Array {
  try {
    const { size, read } = readImage('symbols', path);
    return read(0, size);
  } catch (error) {
    if (error instanceof OptionError) throw new DebugError(error.message);
    throw error;
  }
}

class TerminalSession {
  readonly #debug: Debugger;
  readonly #json: boolean;
  readonly #io: CommandIo;
  #stop = false;
  #exit: ExitCode = EXIT.ok;
  #isRunning = false;

  constructor(debug: Debugger, json: boolean, io: CommandIo) {
    this.#debug = debug;
    this.#json = json;
    this.#io = io;
  }

  /** Commands that nobody types. @param endsAtError the first that fails ends it */
  async script(lines: Iterable<string> | AsyncIterable<string>, endsAtError: boolean): Promise<number> {
    let wasInterrupted = false;
    const onSignal = (): void => {
      if (wasInterrupted || !this.#isRunning) process.exit(EXIT.interrupted);
      wasInterrupted = true;
      this.#stop = true;
    };
    process.on('SIGINT', onSignal);
    try {
      for await (const line of lines) {
        const how = await this.#run(line, true);
        await this.#io.drained();
        if (wasInterrupted) return EXIT.interrupted;
        if (how === 'quit' || this.#io.outClosed || (how === 'failed' && endsAtError)) break;
      }
    } finally {
      process.off('SIGINT', onSignal);
    }
    return this.#exit;
  }

  async prompt(file: string): Promise<number> {
    const debug = this.#debug;
    const { timeline } = debug;
    const prompt = new Prompt(this.#io.stdin, {
      text: PROMPT,
      complete: (line) => complete(debug, line),
      interrupt: () => {
        if (this.#isRunning) this.#stop = true;
        else {
          this.#io.talk('^C  (quit or Ctrl-D leaves)\n');
          prompt.clear();
        }
      },
    });
    const end = debug.reader.end?.time;
    const length = `${timeline.length} instructions${end === undefined ? '' : `, ${seconds(end)}`}`;
    this.#io.talk(
      `${file}: ${length}, ${debug.symbols.size} symbols. \`help\` lists the ${COMMANDS.length} commands.\n`,
    );
    if (!this.#json) this.#io.out(`${debug.where().text}\n`);
    let last = '';
    try {
      for (let line = await prompt.line(); line !== undefined; line = await prompt.line()) {
        // An empty line takes the same step again.
        const text = line.trim() === '' ? last : line;
        const how = await this.#run(text, false);
        if (how === 'quit') break;
        last = how === 'repeats' ? text.replace(/^(\s*xp?\s*(?:\/\s*\S*)?)\s.*$/, '$1') : '';
      }
    } finally {
      prompt.close();
    }
    return EXIT.ok;
  }

  async #run(line: string, echoes: boolean): Promise<'done' | 'repeats' | 'failed' | 'quit'> {
    let parsed: ParsedLine | undefined;
    try {
      parsed = parseLine(line);
      if (parsed === undefined) return 'done';
      if (echoes && !this.#json) this.#io.out(`${PROMPT}${line.trim()}\n`);
      if (isQuit(parsed.command)) return 'quit';
      const answer = await this.#complete(parsed);
      this.#tell(line, answer);
      if (isDiverged(answer)) this.#exit = EXIT.diverged;
      return parsed.command.repeats === true ? 'repeats' : 'done';
    } catch (error) {
      this.#clearProgress();
      if (!(error instanceof DebugError)) throw error;
      if (echoes && !this.#json && parsed === undefined) this.#io.out(`${PROMPT}${line.trim()}\n`);
      this.#tellError(line, error.message);
      if (this.#exit === EXIT.ok) this.#exit = EXIT.failure;
      return 'failed';
    }
  }

  /** Runs a command in slices, between which keys and signals come in. */
  async #complete(parsed: ParsedLine): Promise<Answer> {
    this.#stop = false;
    this.#isRunning = true;
    const began = performance.now();
    try {
      return await completeAsync(runLine(this.#debug, parsed), async (progress) => {
        this.#showProgress(progress, began);
        await new Promise<void>((resolve) => setImmediate(resolve));
        // Each Ctrl-C stops one thing: what is done to get back to a place is stopped by another.
        const stop = this.#stop;
        this.#stop = false;
        return stop;
      });
    } finally {
      this.#isRunning = false;
      this.#clearProgress();
    }
  }

  #shown = Number.NEGATIVE_INFINITY;

  #showProgress({ what, position, done }: Progress, began: number): void {
    const now = performance.now();
    if (!this.#io.talkIsTerminal || now - began < PROGRESS_AFTER_MS || now - this.#shown < PROGRESS_EVERY_MS)
      return;
    this.#shown = now;
    const part = done === undefined ? `position ${position}` : `${Math.floor(100 * done)} %`;
    this.#io.talk(`\r${what} ${part} (Ctrl-C stops)\x1b[K`);
  }

  #clearProgress(): void {
    if (this.#shown !== Number.NEGATIVE_INFINITY) this.#io.talk('\r\x1b[K');
    this.#shown = Number.NEGATIVE_INFINITY;
  }

  #tell(line: string, { data, text }: Answer): void {
    if (this.#json)
      this.#object({ command: line.trim(), ok: true, position: this.#debug.timeline.position, result: data });
    else if (text !== '') this.#io.out(`${text}\n`);
  }

  #tellError(line: string, message: string): void {
    if (this.#json) this.#object({ command: line.trim(), ok: false, error: message });
    else this.#io.error(message);
  }

  #object(value: object): void {
    this.#io.out(`${JSON.stringify(value)}\n`);
  }
}

function isDiverged({ data }: Answer): boolean {
  return typeof data === 'object' && data !== null && 'stop' in data && data.stop === 'diverged';
}
