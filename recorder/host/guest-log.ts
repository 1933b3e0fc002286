/** `-d`: what the guest does, a line per event, on stderr or in a file. */
import type { MachineEvent } from '../../engine/base/events.ts';
import type { LogItem } from '../cli/character-options.ts';
import { describeEvent } from '../session/describe.ts';
import { FileSink } from './files.ts';

export class GuestLog {
  readonly #items: ReadonlySet<LogItem>;
  readonly #file: FileSink | undefined;
  readonly #say: (line: string) => void;

  /** @throws OptionError if the file cannot be made */
  constructor(items: readonly LogItem[], path: string | undefined, say: (line: string) => void) {
    this.#items = new Set(items);
    this.#file = path === undefined || items.length === 0 ? undefined : new FileSink('-D', path);
    this.#say = say;
  }

  /** Exceptions have to be asked of the machine. */
  get wantsExceptions(): boolean {
    return this.#items.has('int');
  }

  add(event: MachineEvent): void {
    if (!this.#wants(event)) return;
    const who = event.cpu < 0 ? '' : ` cpu${event.cpu}`;
    const line = `${event.position}${who} ${describeEvent(event, () => undefined)}`;
    if (this.#file === undefined) this.#say(line);
    else this.#file.write(new TextEncoder().encode(`${line}\n`));
  }

  #wants(event: MachineEvent): boolean {
    switch (event.kind) {
      case 'guest-error':
        // What virtrace lacks is reported by the CPU; everything else is the guest's own doing.
        return this.#items.has(event.device.startsWith('cpu') ? 'unimp' : 'guest_errors');
      case 'exception':
        return this.#items.has('int');
      case 'interrupt':
        return this.#items.has('int') && (event.what === 'acknowledge' || event.what === 'complete');
      default:
        return false;
    }
  }

  close(): void {
    this.#file?.close();
  }
}
