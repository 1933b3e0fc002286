/** A live session on this host: console, files, signals and logs around the loop. */
import type { MachineEvent } from '../../engine/base/events.ts';
import type { CharacterTarget } from '../cli/character-options.ts';
import type { CommandIo } from '../cli/io.ts';
import type { LiveSession } from '../session/live.ts';
import { InputQueue } from './console-input.ts';
import { FileSink } from './files.ts';
import { type LoopEnd, type Press, runLive, type Timetable } from './live-loop.ts';
import type { Network } from './net/network.ts';
import { StopSignals } from './signals.ts';
import { CONSOLE_HELP, type ConsoleCommand, EscapeFilter, RawTerminal } from './terminal.ts';

/** Bytes of console output that may wait for a slow reader. */
const WRITE_AT_ONCE = 16_384;

export interface HostOptions {
  readonly io: CommandIo;
  /** What each serial port or console is connected to. */
  readonly characters: ReadonlyMap<string, CharacterTarget>;
  readonly timetable?: Timetable;
  /** Open; whoever opened it closes it. */
  readonly network?: Network;
  readonly limit?: number;
  /** A monitor is there: sleep is real, and a machine that sleeps for ever is waited for. */
  readonly isControlled?: boolean;
  /** Called about every slice, e.g. to flush a recording. True: the run has to end. */
  readonly tick?: () => boolean;
}

export type HostEnd =
  | LoopEnd
  | { readonly reason: 'quit' }
  | { readonly reason: 'signal'; readonly signal: string };

export class LiveHost {
  readonly #options: HostOptions;
  readonly #files = new Map<string, FileSink>();
  readonly #stdoutDevice: string | undefined;
  readonly #queue = new InputQueue();
  readonly #presses: Press[] = [];
  readonly #signals = new StopSignals();
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #quit = false;
  #wake: () => void = () => {};
  #terminal: RawTerminal | undefined;
  #ask: () => void = () => {};
  /** Resolves once the run is asked to end. */
  readonly #asked = new Promise<void>((resolve) => {
    this.#ask = resolve;
  });

  /** Opens the files of the consoles. @throws OptionError */
  constructor(options: HostOptions) {
    this.#options = options;
    for (const [device, target] of options.characters) {
      if (target.kind === 'file') this.#files.set(device, new FileSink('-serial file:', target.path));
    }
    this.#stdoutDevice = [...options.characters].find(([, target]) => target.kind === 'stdio')?.[0];
    this.#signals.onReceive(() => {
      this.#ask();
      this.#wake();
    });
    this.#queue.onPressure = (full) => {
      const { stdin } = options.io;
      if (full) stdin.pause();
      else if (stdin.isPaused()) stdin.resume();
    };
  }

  /** For the session's sink. */
  output(event: MachineEvent): void {
    if (event.kind !== 'output') return;
    if (event.device === this.#stdoutDevice) {
      this.#pending.push(event.bytes.slice());
      this.#pendingBytes += event.bytes.length;
      if (this.#pendingBytes >= WRITE_AT_ONCE) this.#flush();
    } else {
      this.#files.get(event.device)?.write(event.bytes);
      this.#options.network?.output(event.device, event.bytes);
    }
  }

  #flush(): void {
    if (this.#pendingBytes === 0) return;
    this.#options.io.out(Buffer.concat(this.#pending));
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  /** A line of virtrace's own between the guest's output; in raw mode a line feed alone does not go home. */
  say(line: string): void {
    this.#flush();
    this.#options.io.talk(this.#terminal === undefined ? `${line}\n` : `\r${line}\r\n`);
  }

  /** Ends the run, as Ctrl-A x does. */
  quit(): void {
    this.#command('quit');
  }

  /** Gives the machine something at the next chance. */
  press(press: Press): void {
    this.#presses.push(press);
    this.#wake();
  }

  /** Resolves once the run is asked to end. */
  get asked(): Promise<void> {
    return this.#asked;
  }

  async run(session: LiveSession): Promise<HostEnd> {
    const { io, limit, tick, network, timetable, isControlled = false } = this.#options;
    const interactive = this.#connect() || isControlled;
    try {
      const end = await runLive({
        session,
        ...(this.#stdoutDevice === undefined
          ? {}
          : { input: { device: this.#stdoutDevice, queue: this.#queue } }),
        presses: this.#presses,
        interactive,
        isControlled,
        ...(network === undefined ? {} : { network }),
        ...(timetable === undefined ? {} : { timetable }),
        ...(limit === undefined ? {} : { limit }),
        afterSlice: async () => {
          this.#flush();
          // A reader of stdout that hangs must not keep Ctrl-C from working.
          await Promise.race([io.drained(), this.#asked]);
          return tick?.() === true || this.#quit || this.#signals.received !== undefined || io.outClosed;
        },
        onWake: (wake) => {
          this.#wake = wake;
        },
      });
      if (end.reason !== 'asked') return end;
      const signal = this.#signals.received;
      return this.#quit || signal === undefined ? { reason: 'quit' } : { reason: 'signal', signal };
    } finally {
      this.#flush();
      this.#terminal?.restore();
      this.#terminal = undefined;
      io.stdin.removeAllListeners('data').removeAllListeners('end').removeAllListeners('error');
      io.stdin.pause();
      this.#signals.dispose();
      for (const file of this.#files.values()) file.close();
    }
  }

  /** Connects stdin. @returns whether a person sits there */
  #connect(): boolean {
    const { stdin } = this.#options.io;
    if (this.#stdoutDevice === undefined) {
      this.#queue.end();
      return false;
    }
    if (stdin.isTTY) {
      const filter = new EscapeFilter();
      this.#terminal = new RawTerminal(stdin);
      stdin.on('data', (bytes: Buffer) => {
        filter.feed(
          new Uint8Array(bytes),
          (guest) => this.#queue.push(guest),
          (command) => this.#command(command),
        );
      });
      stdin.resume();
      return true;
    }
    const file = this.#options.io.stdinFile();
    if (file !== undefined) {
      this.#queue.push(file);
      this.#queue.end();
      return false;
    }
    stdin.on('data', (bytes: Buffer) => this.#queue.push(new Uint8Array(bytes)));
    stdin.on('end', () => this.#queue.end());
    stdin.on('error', () => this.#queue.end());
    stdin.resume();
    return false;
  }

  #command(command: ConsoleCommand): void {
    switch (command) {
      case 'quit':
        this.#quit = true;
        this.#ask();
        break;
      case 'help':
        for (const line of CONSOLE_HELP) this.say(line);
        break;
      case 'break':
        if (this.#stdoutDevice?.startsWith('uart'))
          this.#presses.push({ device: this.#stdoutDevice, what: 'break' });
        break;
      case 'power-button':
        this.#presses.push({ device: 'gpio', what: 'power-button' });
        break;
      case 'no-monitor':
        this.say('virtrace has no monitor here; -monitor gives it a place of its own');
    }
    this.#wake();
  }
}
