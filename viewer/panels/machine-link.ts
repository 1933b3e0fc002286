import { formatCount } from '../app/format.ts';
import { startWorker } from '../app/workers.ts';
import type { TraceSource } from '../data/protocol.ts';
import { Client, type Pending, type Port, type RemoteError } from '../data/rpc.ts';
import type { EngineProgress, GivenFile, MachineMoment, MoveResult, OpenResult } from '../engine/protocol.ts';

export type LinkState =
  | { readonly kind: 'off' }
  | { readonly kind: 'building' }
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'failed';
      readonly message: string;
      /** Files would help. */
      readonly needsImages: boolean;
    };

/** The worker in which the machine lives: started when it is needed, one movement at a time. */
export class MachineLink {
  state: LinkState = { kind: 'off' };
  moment: MachineMoment | undefined;
  devices: readonly string[] = [];
  /** What there is to say about the last movement, or the one that is on its way. */
  message = '';
  progress: { readonly text: string; readonly done: number } | undefined;
  readonly #source: TraceSource;
  readonly #changed: () => void;
  readonly #files: GivenFile[] = [];
  #worker: Worker | undefined;
  #client: Client | undefined;
  #opening: Promise<boolean> | undefined;
  #running: Pending<MoveResult> | undefined;

  constructor(source: TraceSource, changed: () => void) {
    this.#source = source;
    this.#changed = changed;
  }

  close(): void {
    this.#worker?.terminate();
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** For the line at the bottom of the page. */
  statusText(): string {
    switch (this.state.kind) {
      case 'off':
        return '';
      case 'building':
        return 'building the machine …';
      case 'failed':
        return 'no machine';
      case 'ready':
        if (this.progress !== undefined) return this.progress.text;
        return this.moment === undefined ? '' : `machine at ${formatCount(this.moment.position)}`;
    }
  }

  /** Starts the machine if it is not there. False: it cannot be had. */
  open(): Promise<boolean> {
    this.#opening ??= this.#start();
    return this.#opening;
  }

  async #start(): Promise<boolean> {
    this.state = { kind: 'building' };
    this.#changed();
    const worker = startWorker('engine-worker');
    this.#worker = worker;
    const client = new Client(worker as unknown as Port, (name, value) => {
      if (name === 'progress') this.#tell(value as EngineProgress);
    });
    this.#client = client;
    worker.onerror = (event) => client.fail(event.message ?? 'the engine has stopped');
    try {
      const { devices, moment } = await client.call<OpenResult>('open', this.#source, this.#files);
      this.devices = devices;
      this.moment = moment;
      this.state = { kind: 'ready' };
    } catch (error) {
      const { name, message } = error as RemoteError;
      this.state = { kind: 'failed', message, needsImages: name === 'MissingImages' };
    }
    this.#changed();
    return this.state.kind === 'ready';
  }

  /** Images that the trace only names; tries again with them. */
  async give(files: readonly File[]): Promise<boolean> {
    this.#files.push(...files.map((file) => ({ name: file.name, blob: file })));
    this.#worker?.terminate();
    this.#client?.fail('started anew');
    this.#opening = undefined;
    return this.open();
  }

  #tell({ what, position, done }: EngineProgress): void {
    const share = done === undefined ? '' : `, ${Math.round(100 * done)} %`;
    this.progress = { text: `${what}: ${formatCount(position)}${share}`, done: done ?? 0 };
    this.#changed();
  }

  /** Asks about the machine. @throws RemoteError */
  call<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    if (this.#client === undefined) return Promise.reject(new Error('the machine has not been built yet'));
    return this.#client.call<T>(method, ...args);
  }

  /** Runs an operation; only the last that was asked for counts, the others end with undefined. */
  async move(method: string, ...args: readonly unknown[]): Promise<MoveResult | undefined> {
    if (!(await this.open()) || this.#client === undefined) return undefined;
    this.#running?.cancel();
    const running = this.#client.call<MoveResult>(method, ...args);
    this.#running = running;
    this.#changed();
    try {
      const result = await running;
      if (this.#running !== running) return undefined;
      this.#settle(result.reason === 'there' ? '' : result.text);
      this.moment = result.moment;
      return result;
    } catch (error) {
      if (this.#running === running) this.#settle((error as Error).message);
      return undefined;
    } finally {
      this.#changed();
    }
  }

  #settle(message: string): void {
    this.#running = undefined;
    this.progress = undefined;
    this.message = message;
  }

  /** Ends the movement that is on its way where it is. */
  async stop(): Promise<void> {
    await this.#client?.call('interrupt');
  }
}
