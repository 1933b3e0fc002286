/**
 * Questions and answers between the page and a worker. A later question may be cancelled; what a worker says
 * without having been asked is a notice.
 */

/** The part of a worker, or of a worker's own scope, that is needed. */
export interface Port {
  postMessage(message: unknown, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

interface Question {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** An error as it travels; `code` is that of a TraceError. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
}

export class RemoteError extends Error {
  readonly code: string | undefined;

  constructor({ name, message, code }: PlainError) {
    super(message);
    this.name = name;
    this.code = code;
  }
}

export interface Call {
  /** True as soon as nobody wants the answer any more. */
  readonly cancelled: boolean;
}

export type Handlers = {
  readonly [method: string]: (call: Call, ...args: never[]) => unknown;
};

const transfers = new WeakMap<object, Transferable[]>();

/** Marks an answer whose buffers are given away instead of copied. */
export function handOver<T extends object>(answer: T, buffers: Transferable[]): T {
  transfers.set(answer, buffers);
  return answer;
}

/** The worker's side. Returns the function that sends notices. */
export function serve(
  port: Port,
  handlers: Handlers,
): (name: string, value: unknown, give?: Transferable[]) => void {
  const calls = new Map<number, { cancelled: boolean }>();
  port.onmessage = ({ data }) => {
    if (data.cancel !== undefined) {
      const call = calls.get(data.cancel as number);
      if (call !== undefined) call.cancelled = true;
      return;
    }
    const { id, method, args } = data as Question;
    const call = { cancelled: false };
    calls.set(id, call);
    const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
    Promise.resolve()
      .then(() => {
        if (handler === undefined) throw new Error(`no method ${method}`);
        return (handler as (call: Call, ...args: unknown[]) => unknown)(call, ...args);
      })
      .then(
        (result) => {
          const give = typeof result === 'object' && result !== null ? transfers.get(result) : undefined;
          port.postMessage({ id, result }, give ?? []);
        },
        (error: unknown) => port.postMessage({ id, error: plain(error) }, []),
      )
      .finally(() => calls.delete(id));
  };
  return (name, value, give = []) => port.postMessage({ notice: name, value }, give);
}

export function plain(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const code: unknown = (error as { code?: unknown }).code;
  return { name: error.name, message: error.message, ...(typeof code === 'string' ? { code } : {}) };
}

export interface Pending<T> extends Promise<T> {
  cancel(): void;
}

/** The page's side. */
export class Client {
  readonly #port: Port;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #next = 1;

  constructor(port: Port, notice: (name: string, value: unknown) => void) {
    this.#port = port;
    port.onmessage = ({ data }) => {
      if (data.notice !== undefined) {
        notice(data.notice as string, data.value);
        return;
      }
      const waiting = this.#waiting.get(data.id as number);
      this.#waiting.delete(data.id as number);
      if (data.error !== undefined) waiting?.reject(new RemoteError(data.error as PlainError));
      else waiting?.resolve(data.result as never);
    };
  }

  call<T>(method: string, ...args: readonly unknown[]): Pending<T> {
    const id = this.#next++;
    const promise = new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: never) => void, reject });
      this.#port.postMessage({ id, method, args } satisfies Question, []);
    });
    return Object.assign(promise, {
      cancel: () => {
        if (this.#waiting.has(id)) this.#port.postMessage({ cancel: id }, []);
      },
    });
  }

  /** Every question that is open fails, e.g. because the worker died. */
  fail(message: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(message));
    this.#waiting.clear();
  }
}
