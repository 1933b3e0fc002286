import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VERSION } from '../../../recorder/qmp/common-commands.ts';
import { type QmpCommand, QmpError, QmpSession } from '../../../recorder/qmp/protocol.ts';
import { ENGINE_VERSION } from '../../../recorder/session/version.ts';

const COMMANDS = new Map<string, QmpCommand>([
  [
    'echo',
    { arguments: { text: { type: 'string' }, n: { type: 'integer', optional: true } }, run: (a) => a },
  ],
  ['any', { takesMore: true, run: (a) => a }],
  [
    'slow',
    {
      run: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return { slow: true };
      },
    },
  ],
  [
    'fails',
    {
      run: async () => {
        throw new QmpError('there is none', 'DeviceNotFound');
      },
    },
  ],
]);

function open(): { said: string[]; session: QmpSession; send(text: string): void } {
  const said: string[] = [];
  const session = new QmpSession(COMMANDS, VERSION, {
    send: (text) => said.push(text),
    now: () => ({ seconds: 12, microseconds: 34 }),
  });
  return { said, session, send: (text) => session.receive(new TextEncoder().encode(text)) };
}

function ready(): ReturnType<typeof open> {
  const client = open();
  client.send('{"execute": "qmp_capabilities"}');
  client.said.length = 0;
  return client;
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

test('a session begins with a greeting and the negotiation, in QEMU’s spelling', () => {
  const { said, session, send } = open();
  session.event({ event: 'STOP' });
  send('{"execute": "echo", "arguments": {"text": "x"}}\r\n');
  send('{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}');
  send('{"execute": "qmp_capabilities", "id": [1]}{"execute": "qmp_capabilities"}');
  session.event({ event: 'STOP' });
  expect(said).toEqual([
    `{"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": "virtrace ${ENGINE_VERSION}"}, "capabilities": []}}\r\n`,
    '{"error": {"class": "CommandNotFound", "desc": "\'qmp_capabilities\' has to come first"}}\r\n',
    '{"error": {"class": "GenericError", "desc": "there is no capability \'oob\'"}}\r\n',
    '{"return": {}, "id": [1]}\r\n',
    '{"error": {"class": "CommandNotFound", "desc": "capabilities have been negotiated already"}}\r\n',
    '{"timestamp": {"seconds": 12, "microseconds": 34}, "event": "STOP"}\r\n',
  ]);
});

// The classes are those that QEMU 7.2 answered with.
describe.each([
  ['5', 'GenericError'],
  ['[1]', 'GenericError'],
  ['{"foo": 1}', 'GenericError'],
  ['{"execute": 1}', 'GenericError'],
  ['{"execute": "echo", "x": 1}', 'GenericError'],
  ['{"execute": "echo", "arguments": []}', 'GenericError'],
  ['{"execute": "echo"}', 'GenericError'],
  ['{"execute": "echo", "arguments": {"text": 7}}', 'GenericError'],
  ['{"execute": "echo", "arguments": {"text": "x", "n": 1.5}}', 'GenericError'],
  ['{"execute": "echo", "arguments": {"text": "x", "z": 1}}', 'GenericError'],
  ['{"execute": "nope"}', 'CommandNotFound'],
  ['{"execute": "__proto__"}', 'CommandNotFound'],
  ['{"execute": "fails"}', 'DeviceNotFound'],
  ['}', 'GenericError'],
])('%s', (text, errorClass) => {
  test(`is a ${errorClass}, and the session goes on`, async () => {
    const { said, send } = ready();
    send(`${text}\n`);
    await settled();
    expect(said).toHaveLength(1);
    expect(JSON.parse(said[0]!)).toMatchObject({ error: { class: errorClass } });
    send('{"execute": "any", "arguments": {"a": {"__proto__": 1}}}');
    expect(said[1]).toBe('{"return": {"a": {"__proto__": 1}}}\r\n');
  });
});

test('answers come in the order of the questions', async () => {
  const { said, send } = ready();
  send('{"execute": "slow", "id": 1} }\n {"execute": "any", "id": 2} {"execute": "fails", "id": 3}');
  await settled();
  expect(said.map((text) => JSON.parse(text))).toMatchObject([
    { return: { slow: true }, id: 1 },
    { error: { class: 'GenericError' } },
    { return: {}, id: 2 },
    { error: { class: 'DeviceNotFound' }, id: 3 },
  ]);
});

test('a client that asks faster than it is answered is made to wait', async () => {
  const pressure: boolean[] = [];
  const said: string[] = [];
  const session = new QmpSession(COMMANDS, VERSION, {
    send: (text) => said.push(text),
    now: () => ({ seconds: 0, microseconds: 0 }),
    pressure: (full) => pressure.push(full),
  });
  session.receive(
    new TextEncoder().encode(`{"execute": "qmp_capabilities"}${'{"execute": "slow"}'.repeat(200)}`),
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(pressure).toEqual([true, false]);
  expect(said).toHaveLength(202);
});

test('any JSON and any bytes get answers that are JSON', async () => {
  const request = fc.record(
    {
      execute: fc.oneof(fc.constantFrom('echo', 'any', 'fails', 'qmp_capabilities'), fc.jsonValue()),
      arguments: fc.jsonValue(),
      id: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(request, fc.jsonValue(), fc.uint8Array({ maxLength: 40 }))),
      async (things) => {
        const { said, session } = ready();
        for (const thing of things) {
          const bytes = thing instanceof Uint8Array ? thing : new TextEncoder().encode(JSON.stringify(thing));
          session.receive(bytes);
          session.receive(Uint8Array.of(0x0a));
        }
        await settled();
        for (const text of said) expect(Object.keys(JSON.parse(text))[0]).toMatch(/^(return|error)$/);
      },
    ),
    { numRuns: 50 },
  );
});
