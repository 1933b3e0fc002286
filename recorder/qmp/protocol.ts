/**
 * The QEMU Machine Protocol without I/O: greeting, negotiation, commands one after the other, events. Shapes and
 * error classes are those of QEMU's documentation, docs/interop/qmp-spec.
 */
import { type Json, JsonStream } from './json-stream.ts';

export type JsonObject = { readonly [key: string]: Json };

export type QmpErrorClass =
  | 'GenericError'
  | 'CommandNotFound'
  | 'DeviceNotActive'
  | 'DeviceNotFound'
  | 'KVMMissingCap';

/** What a client did wrong, or asked for in vain. */
export class QmpError extends Error {
  readonly errorClass: QmpErrorClass;

  constructor(message: string, errorClass: QmpErrorClass = 'GenericError') {
    super(message);
    this.name = 'QmpError';
    this.errorClass = errorClass;
  }
}

export type ArgumentType = 'string' | 'integer' | 'boolean' | 'list' | 'object';

export interface QmpArgument {
  readonly type: ArgumentType;
  readonly optional?: boolean;
}

export interface QmpCommand {
  readonly arguments?: { readonly [name: string]: QmpArgument };
  /** Takes whatever else is given, too. */
  readonly takesMore?: boolean;
  /** @throws QmpError */
  run(args: JsonObject): Json | Promise<Json>;
}

export type QmpCommands = ReadonlyMap<string, QmpCommand>;

export interface QmpEvent {
  readonly event: string;
  readonly data?: JsonObject;
}

/** Time of day on the host, for events. */
export interface Timestamp {
  readonly seconds: number;
  readonly microseconds: number;
}

export interface QmpPorts {
  send(text: string): void;
  now(): Timestamp;
  /** True: no more bytes for now; false: they are welcome again. */
  pressure?(full: boolean): void;
}

/** Requests that may wait while one is being carried out. */
const WAITING_MAX = 64;
const REQUEST_MEMBERS = ['execute', 'arguments', 'id', 'control'];

export interface Version {
  /** As QEMU's clients want it: what they decide by. */
  readonly qemu: { readonly major: number; readonly minor: number; readonly micro: number };
  readonly package: string;
}

/** One client's connection. */
export class QmpSession {
  readonly #commands: QmpCommands;
  readonly #ports: QmpPorts;
  readonly #stream = new JsonStream();
  readonly #waiting: (Json | BadJson)[] = [];
  #isReady = false;
  #isBusy = false;
  #isClosed = false;

  /** Greets. */
  constructor(commands: QmpCommands, version: Version, ports: QmpPorts) {
    this.#commands = commands;
    this.#ports = ports;
    this.#send({ QMP: { version: version as unknown as Json, capabilities: [] } });
  }

  receive(bytes: Uint8Array): void {
    for (const piece of this.#stream.feed(bytes)) {
      if (piece.kind === 'value') this.#waiting.push(piece.value);
      // In its turn, too: answers come in the order of what was asked.
      else this.#waiting.push(new BadJson(piece.message));
    }
    if (this.#waiting.length >= WAITING_MAX) this.#ports.pressure?.(true);
    if (!this.#isBusy) void this.#work();
  }

  /** Tells an event, if the client is ready for events. */
  event({ event, data }: QmpEvent): void {
    if (!this.#isReady || this.#isClosed) return;
    const timestamp = this.#ports.now() as unknown as Json;
    this.#send({ timestamp, event, ...(data === undefined ? {} : { data }) });
  }

  /** The client is gone: what it had asked for and was not begun is dropped. */
  close(): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const answer = this.#answer(next);
      this.#send(answer instanceof Promise ? await answer : answer);
      if (this.#waiting.length === WAITING_MAX - 1) this.#ports.pressure?.(false);
    }
    this.#isBusy = false;
  }

  #send(value: Json): void {
    if (!this.#isClosed) this.#ports.send(`${jsonText(value)}\r\n`);
  }

  #answer(request: Json | BadJson): Json | Promise<Json> {
    let id: { readonly id?: Json } = {};
    const failed = (error: unknown): Json => {
      const isKnown = error instanceof QmpError;
      const desc = (error as Error).message ?? String(error);
      return { error: { class: isKnown ? error.errorClass : 'GenericError', desc }, ...id };
    };
    try {
      if (request instanceof BadJson) throw new QmpError(request.message);
      if (!isObject(request)) throw new QmpError('what is sent has to be a JSON object');
      if (Object.hasOwn(request, 'id')) id = { id: request.id! };
      const result = this.#execute(request);
      if (!(result instanceof Promise)) return { return: result, ...id };
      return result.then((value): Json => ({ return: value, ...id }), failed);
    } catch (error) {
      return failed(error);
    }
  }

  #execute(request: JsonObject): Json | Promise<Json> {
    for (const member of Object.keys(request)) {
      if (!REQUEST_MEMBERS.includes(member)) throw new QmpError(`a request has no member '${member}'`);
    }
    const name = Object.hasOwn(request, 'execute') ? request.execute : undefined;
    if (name === undefined) throw new QmpError("the request has no member 'execute'");
    if (typeof name !== 'string') throw new QmpError("the member 'execute' has to be a string");
    const args = Object.hasOwn(request, 'arguments') ? request.arguments! : {};
    if (!isObject(args)) throw new QmpError("the member 'arguments' has to be an object");
    if (name === 'qmp_capabilities') return this.#negotiate(args);
    if (!this.#isReady) throw new QmpError("'qmp_capabilities' has to come first", 'CommandNotFound');
    const command = this.#commands.get(name);
    if (command === undefined) throw new QmpError(`there is no command '${name}'`, 'CommandNotFound');
    checkArguments(command, args);
    return command.run(args);
  }

  #negotiate(args: JsonObject): Json {
    if (this.#isReady) throw new QmpError('capabilities have been negotiated already', 'CommandNotFound');
    checkArguments({ arguments: { enable: { type: 'list', optional: true } } }, args);
    for (const capability of (args.enable ?? []) as readonly Json[])
      throw new QmpError(`there is no capability '${String(capability)}'`);
    this.#isReady = true;
    return {};
  }
}

/** Spaces where QEMU has them: there are scripts that look for `"return": {}`. */
function jsonText(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(jsonText).join(', ')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, each]) => `${JSON.stringify(key)}: ${jsonText(each)}`)
    .join(', ')}}`;
}

/** Stands in the queue for what could not be read. */
class BadJson {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

export function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkArguments(
  { arguments: known = {}, takesMore }: Omit<QmpCommand, 'run'>,
  given: JsonObject,
): void {
  for (const [name, { type, optional }] of Object.entries(known)) {
    if (!Object.hasOwn(given, name)) {
      if (optional === true) continue;
      throw new QmpError(`the argument '${name}' is missing`);
    }
    if (!isOfType(given[name]!, type)) throw new QmpError(`the argument '${name}' has to be of type ${type}`);
  }
  if (takesMore === true) return;
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(known, name)) throw new QmpError(`there is no argument '${name}'`);
  }
}

function isOfType(value: Json, type: ArgumentType): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string';
    case 'integer':
      return Number.isSafeInteger(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'list':
      return Array.isArray(value);
    case 'object':
      return isObject(value);
  }
}
