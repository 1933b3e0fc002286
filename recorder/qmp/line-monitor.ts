/** The human monitor on a line of characters: a prompt, an echo as a terminal wants it, one command a line. */

import { VERSION } from './common-commands.ts';
import type { HumanMonitor } from './human-monitor.ts';

/** QEMU's, since scripts wait for it. */
const PROMPT = '(qemu) ';
const MAX_LINE = 4096;
const WAITING_MAX = 64;

export interface LinePorts {
  send(text: string): void;
  pressure?(full: boolean): void;
}

export class LineMonitor {
  readonly #monitor: HumanMonitor;
  readonly #ports: LinePorts;
  readonly #waiting: string[] = [];
  #line = '';
  #isBusy = false;
  #isClosed = false;

  constructor(monitor: HumanMonitor, ports: LinePorts) {
    this.#monitor = monitor;
    this.#ports = ports;
    const { major, minor, micro } = VERSION.qemu;
    this.#send(
      `QEMU ${major}.${minor}.${micro} monitor (${VERSION.package}) - type 'help' for more information\r\n`,
    );
    this.#send(PROMPT);
  }

  receive(bytes: Uint8Array): void {
    for (const byte of bytes) this.#take(byte);
    if (this.#waiting.length >= WAITING_MAX) this.#ports.pressure?.(true);
    if (!this.#isBusy) void this.#work();
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
  }

  #take(byte: number): void {
    if (byte === 0x0a || byte === 0x0d) {
      // A terminal sends CR, a file LF, and telnet both; an empty line does nothing anyway.
      this.#waiting.push(this.#line);
      this.#line = '';
    } else if (byte === 0x08 || byte === 0x7f) this.#line = this.#line.slice(0, -1);
    else if (byte === 0x15 || byte === 0x03) this.#line = '';
    else if (byte >= 0x20 && byte < 0x7f && this.#line.length < MAX_LINE)
      this.#line += String.fromCharCode(byte);
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    for (let line = this.#waiting.shift(); line !== undefined; line = this.#waiting.shift()) {
      if (line.trim() !== '') {
        this.#send(`${line}\r\n`);
        this.#send(await this.#monitor.run(line));
        this.#send(PROMPT);
      }
      if (this.#waiting.length === WAITING_MAX - 1) this.#ports.pressure?.(false);
    }
    this.#isBusy = false;
  }

  #send(text: string): void {
    if (!this.#isClosed) this.#ports.send(text);
  }
}
