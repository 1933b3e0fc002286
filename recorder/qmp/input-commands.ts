/** Commands of QMP that press keys and move pointers: `input-send-event` and `send-key`. */
import {
  eventsFor,
  InputError,
  type InputEvent,
  inputDevices,
  type KeyValue,
  pressKeys,
  releaseKeys,
} from '../session/input-events.ts';
import type { LiveControl } from './control.ts';
import type { Json } from './json-stream.ts';
import { isObject, type JsonObject, type QmpCommand, QmpError } from './protocol.ts';

/** ms that `send-key` holds keys (QEMU). */
const HOLD_MS = 100;
const HOLD_MAX_MS = 60_000;
const EVENTS_MAX = 1024;

export function inputCommands(control: LiveControl): [string, QmpCommand][] {
  const give = async (events: readonly InputEvent[], device?: string): Promise<void> => {
    const { config, board } = control.machine;
    const devices = inputDevices({
      virtioMmio: config.virtioMmio,
      pciDevices: [...board.pcie.hotPlug.devices],
    });
    try {
      for (const input of eventsFor(devices, events, device))
        await control.press(input.device, input.what, input.data);
    } catch (error) {
      if (error instanceof InputError) throw new QmpError(error.message);
      throw error;
    }
  };
  return [
    [
      'input-send-event',
      {
        arguments: {
          events: { type: 'list' },
          device: { type: 'string', optional: true },
          head: { type: 'integer', optional: true },
        },
        run: async (args) => {
          const events = args.events as readonly Json[];
          if (events.length > EVENTS_MAX) throw new QmpError(`more than ${EVENTS_MAX} events at a time`);
          await give(events.map(readEvent), args.device as string | undefined);
          return {};
        },
      },
    ],
    [
      'send-key',
      {
        arguments: { keys: { type: 'list' }, 'hold-time': { type: 'integer', optional: true } },
        run: async (args) => {
          const keys = (args.keys as readonly Json[]).map(readKey);
          const hold = (args['hold-time'] as number | undefined) ?? HOLD_MS;
          if (keys.length > EVENTS_MAX || hold < 0 || hold > HOLD_MAX_MS)
            throw new QmpError(`allowed are ${EVENTS_MAX} keys for 0 to ${HOLD_MAX_MS} ms`);
          await give(pressKeys(keys));
          // If the machine is gone by then, so are its keys.
          setTimeout(() => void give(releaseKeys(keys)).catch(() => {}), hold).unref();
          return {};
        },
      },
    ],
  ];
}

/** Keys joined by minus signs, as the human monitor's `sendkey` has them. */
export function keysOfText(text: string): Json[] {
  return text.split('-').map((data) => {
    const isNumber = /^0x[0-9a-f]{1,3}$/i.test(data);
    return isNumber ? { type: 'number', data: Number(data) } : { type: 'qcode', data };
  });
}

function wrong(what: string): QmpError {
  return new QmpError(`an event of input needs ${what}`);
}

function readEvent(event: Json): InputEvent {
  if (!isObject(event) || !Object.hasOwn(event, 'data') || !isObject(event.data!))
    throw wrong("'type' and 'data'");
  const data: JsonObject = event.data;
  switch (event.type) {
    case 'key':
      return { type: 'key', data: { down: isDown(data), key: readKey(data.key ?? null) } };
    case 'btn':
      if (typeof data.button !== 'string') throw wrong("'button', a string");
      return { type: 'btn', data: { down: isDown(data), button: data.button } };
    case 'rel':
    case 'abs': {
      const { axis, value } = data;
      if (axis !== 'x' && axis !== 'y') throw wrong("'axis', x or y");
      if (typeof value !== 'number') throw wrong("'value', a number");
      return { type: event.type, data: { axis, value } };
    }
    default:
      throw wrong("a 'type' of key, btn, rel or abs");
  }
}

function isDown({ down }: JsonObject): boolean {
  if (typeof down !== 'boolean') throw wrong("'down', a boolean");
  return down;
}

function readKey(key: Json): KeyValue {
  if (isObject(key)) {
    const { type, data } = key;
    if (type === 'qcode' && typeof data === 'string') return { type, data };
    if (type === 'number' && typeof data === 'number') return { type, data };
  }
  throw wrong("a key: {'type': 'qcode', 'data': name} or {'type': 'number', 'data': number}");
}
