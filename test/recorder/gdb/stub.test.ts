import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { frame, fromHex, fromLatin1, latin1, PacketParser, toHex } from '../../../recorder/gdb/packets.ts';
import { GdbStub } from '../../../recorder/gdb/stub.ts';
import { RecordedDebuggee } from '../../../recorder/session/debuggee.ts';
import { complete } from '../../../recorder/session/operation.ts';
import type { Timeline } from '../../../recorder/session/timeline.ts';
import { FOUR_CPUS, openTimeline, recordTrace, STORM } from '../session/debug-support.ts';

/** gdb's side: sends packets, keeps what comes back. */
class Client {
  readonly stub: GdbStub;
  readonly timeline: Timeline;
  readonly said: string[] = [];
  readonly left: string[] = [];
  #out: number[] = [];
  readonly #parser = new PacketParser();

  constructor(timeline: Timeline) {
    this.timeline = timeline;
    this.stub = new GdbStub(new RecordedDebuggee(timeline), {
      send: (bytes) => this.#out.push(...bytes),
      leave: (how) => this.left.push(how),
      say: (line) => this.said.push(line),
      *monitor(command) {
        if (!command.startsWith('goto ')) return `no such command: ${command}`;
        yield* timeline.seek(Number(command.slice(5)));
        return `position ${timeline.position}`;
      },
    });
  }

  raw(bytes: Uint8Array): string[] {
    this.#out = [];
    this.stub.receive(bytes);
    while (this.stub.isRunning) this.stub.work();
    return this.#parser
      .feed(Uint8Array.from(this.#out))
      .flatMap((each) => (each.kind === 'packet' ? [each.data] : []));
  }

  /** The last packet of the answer. */
  ask(packet: string): string | undefined {
    return this.raw(frame(packet)).at(-1);
  }
}

let storm: Uint8Array;
let four: Uint8Array;

beforeAll(() => {
  storm = recordTrace({ kernel: STORM });
  four = recordTrace({ kernel: FOUR_CPUS, cpus: 4, until: 400_000 });
});

/** PC after a move. */
const pcAfter = (client: Client, packet: string): bigint => {
  expect(client.ask(packet)).toMatch(/^T05thread:01;/);
  return pcOf(client);
};
const pcOf = (client: Client): bigint =>
  new DataView(fromHex(client.ask('p20')!)!.buffer).getBigUint64(0, true);

describe('the gdb stub', () => {
  test('says what it can', () => {
    const client = new Client(openTimeline(storm));
    const supported = client.ask('qSupported:multiprocess+')!.split(';');
    for (const feature of ['ReverseStep+', 'ReverseContinue+', 'QStartNoAckMode+', 'qXfer:features:read+']) {
      expect(supported).toContain(feature);
    }
    expect(client.ask('vMustReplyEmpty')).toBe('');
    expect(client.ask('qAttached')).toBe('1');
    expect(client.ask('vCont?')).toBe('vCont;c;C;s;S;r');
  });

  test('acknowledges until it is told not to, and repeats what was not understood', () => {
    const client = new Client(openTimeline(storm));
    const out: string[] = [];
    const stub = new GdbStub(new RecordedDebuggee(client.timeline), {
      send: (bytes) => out.push(fromLatin1(bytes)),
      leave: () => {},
      say: () => {},
      *monitor() {
        return '';
      },
    });
    stub.receive(frame('qC'));
    stub.receive(latin1('-'));
    stub.receive(latin1('$qC#00'));
    stub.receive(frame('QStartNoAckMode'));
    stub.receive(frame('qC'));
    expect(out).toEqual(['+', '$QC01#f5', '$QC01#f5', '-', '+', '$OK#9a', '$QC01#f5']);
  });

  test('describes registers that it also reads, at their size', () => {
    const client = new Client(openTimeline(storm));
    let xml = '';
    for (;;) {
      const reply = client.ask(`qXfer:features:read:target.xml:${xml.length.toString(16)},800`)!;
      xml += reply.slice(1);
      if (reply[0] === 'l') break;
    }
    const registers = [...xml.matchAll(/<reg name="([^"]+)" bitsize="(\d+)" regnum="(\d+)"/g)];
    expect(registers.length).toBeGreaterThan(150);
    expect(new Set(registers.map((match) => match[1])).size).toBe(registers.length);
    registers.forEach(([, , bits, number], i) => {
      expect(Number(number)).toBe(i);
      expect(client.ask(`p${i.toString(16)}`)).toHaveLength(Number(bits) / 4);
    });
    expect(client.ask(`p${registers.length.toString(16)}`)).toBe('E01');
    const general = client.ask('g')!;
    expect(general.startsWith(client.ask('p0')!)).toBe(true);
    expect(general).toHaveLength((33 * 8 + 4 + 32 * 16 + 8) * 2);
  });

  test('steps both ways and tells of both ends', () => {
    const client = new Client(openTimeline(storm));
    const first = pcAfter(client, '?');
    expect(client.ask('bs')).toContain('replaylog:begin;');
    const second = pcAfter(client, 'vCont;s:1');
    expect(second).toBe(first + 4n);
    expect(pcAfter(client, 'bs')).toBe(first);
    expect(client.ask('c')).toContain('replaylog:end;');
    expect(client.ask('bc')).toContain('replaylog:begin;');
    expect(client.timeline.position).toBe(0);
  });

  test('breakpoints and watchpoints stop with their reasons, in both directions', () => {
    const client = new Client(openTimeline(storm));
    // storm: irqs_taken and irq_entry
    expect(client.ask('Z1,4010333c,4')).toBe('OK');
    expect(pcAfter(client, 'vCont;c')).toBe(0x4010333cn);
    const { position } = client.timeline;
    expect(pcAfter(client, 'vCont;c')).toBe(0x4010333cn);
    expect(pcAfter(client, 'bc')).toBe(0x4010333cn);
    expect(client.timeline.position).toBe(position);
    expect(client.ask('z1,4010333c,4')).toBe('OK');
    expect(client.ask('Z2,4010c508,4')).toBe('OK');
    expect(client.ask('vCont;c')).toMatch(/^T05.*;watch:4010c508;$/);
    expect(client.ask('z2,4010c508,4')).toBe('OK');
    expect(client.ask('Z9,0,0')).toBe('');
  });

  test('memory is read by virtual and by physical address, as much as there is', () => {
    const client = new Client(openTimeline(storm));
    const word = client.ask('m40100000,4')!;
    expect(word).toBe(
      toHex(STORM.subarray(0x10000, 0x10004)) === word ? word : client.ask('x40100000,4') && word,
    );
    expect(client.ask('x40100000,4')).toBe(`b${fromLatin1(fromHex(word)!)}`);
    expect(client.ask('m0,4')).toBe('E01');
    expect(client.ask('Qqemu.PhyMemMode:1')).toBe('OK');
    expect(client.ask('m40100000,4')).toBe(word);
    // The last bytes of memory, and what is beyond.
    expect(client.ask('m41fffffc,8')).toBe('E01');
    expect(client.ask('Qqemu.PhyMemMode:0')).toBe('OK');
    expect(client.ask('m41fffffc,8')).toHaveLength(8);
  });

  test('a write begins a side branch and says so; what changes nothing does not', () => {
    const client = new Client(openTimeline(storm));
    complete(client.timeline.seek(1000));
    const x0 = client.ask('p0')!;
    expect(client.ask(`P0=${x0}`)).toBe('OK');
    expect(client.timeline.branch).toBeUndefined();
    expect(client.ask('M0,1:00')).toBe('E01');
    expect(client.timeline.branch).toBeUndefined();
    expect(client.ask('P0=0100000000000000')).toBe('OK');
    expect(client.timeline.branch?.position).toBe(1000);
    expect(client.said).toHaveLength(1);
    expect(client.ask('X40100000,0:')).toBe('OK');
    expect(client.ask('X41000000,2:}\x03\x01')).toBe('E01');
    expect(client.raw(frame('X41000000,2:#\x01')).at(-1)).toBe('OK');
    expect(client.ask('m41000000,2')).toBe('2301');
    // The next command that gdb waits for tells its user.
    const replies = client.raw(frame('vCont;s:1'));
    expect(replies[0]![0]).toBe('O');
    expect(fromLatin1(fromHex(replies[0]!.slice(1))!)).toContain('side branch 1');
  });

  test('threads are CPUs', () => {
    const client = new Client(openTimeline(four));
    complete(client.timeline.seek(200_000));
    expect(client.ask('qfThreadInfo')).toBe('m01,02,03,04');
    expect(client.ask('qsThreadInfo')).toBe('l');
    expect(client.ask('qXfer:threads:read::0,1000')).toContain('core="3"');
    for (const [id, known] of [
      ['1', 'OK'],
      ['4', 'OK'],
      ['5', 'E01'],
      ['x', 'E01'],
    ]) {
      expect(client.ask(`T${id}`)).toBe(known);
    }
    for (const cpu of [0, 1, 2, 3]) {
      expect(client.ask(`Hg${cpu + 1}`)).toBe('OK');
      const before = client.timeline.machine.retired(cpu);
      expect(client.ask(`vCont;s:${cpu + 1};c`)).toContain(`thread:0${cpu + 1};`);
      expect(client.timeline.machine.retired(cpu)).toBe(before + 1);
      expect(client.ask('bs')).toContain(`thread:0${cpu + 1};`);
      expect(client.timeline.machine.retired(cpu)).toBe(before);
    }
  });

  test('Ctrl-C stops what runs', () => {
    const timeline = openTimeline(storm);
    const out: string[] = [];
    const stub = new GdbStub(new RecordedDebuggee(timeline), {
      send: (bytes) => out.push(fromLatin1(bytes)),
      leave: () => {},
      say: () => {},
      *monitor() {
        return '';
      },
    });
    stub.receive(frame('c'));
    stub.work();
    stub.receive(Uint8Array.of(3));
    while (stub.isRunning) stub.work();
    expect(out.at(-1)).toContain('T02');
    expect(timeline.position).toBeGreaterThan(0);
    expect(timeline.position).toBeLessThan(timeline.length);
  });

  test('a lost connection leaves the session usable, without its breakpoints', () => {
    const client = new Client(openTimeline(storm));
    client.ask('Z0,4010333c,4');
    client.stub.receive(frame('c'));
    client.stub.close();
    expect(client.timeline.breakpoints.size).toBe(0);
    const next = new Client(client.timeline);
    expect(next.ask('vCont;s:1')).toMatch(/^T05/);
  });
});

describe('hostile packets', () => {
  const letters = fc.constantFrom(
    ...[
      'g',
      'G',
      'p',
      'P',
      'm',
      'M',
      'x',
      'X',
      'H',
      'T',
      'Z',
      'z',
      'b',
      'v',
      'q',
      'Q',
      '!',
      '?',
      'vCont;',
      'vCont;s:',
      'vCont;r',
      'qXfer:',
      'qXfer:features:read:target.xml:',
      'qRcmd,',
      'Z2,',
      'Z0,',
      'qThreadExtraInfo,',
    ],
  );
  const rest = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.stringMatching(/^[0-9a-f,:;=]{0,40}$/),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => String.fromCharCode(...bytes)),
  );

  test('never throw, and are answered', () => {
    const timeline = openTimeline(storm);
    complete(timeline.seek(5000));
    const client = new Client(timeline);
    fc.assert(
      fc.property(letters, rest, (head, tail) => {
        const packet = head + tail;
        fc.pre(!/^(D|k|vKill|vCont;[cC]|bc|c|C)/.test(packet));
        const replies = client.raw(frame(packet));
        expect(replies.length).toBeGreaterThan(0);
      }),
      { numRuns: 1500 },
    );
    timeline.leaveBranch();
    complete(timeline.seek(5000));
    const plain = openTimeline(storm);
    complete(plain.seek(5000));
    expect(timeline.machine.hash()).toEqual(plain.machine.hash());
  }, 60_000);

  test('looking at everything changes nothing', () => {
    const timeline = openTimeline(storm);
    complete(timeline.seek(8_000_000));
    const before = timeline.machine.hash();
    const client = new Client(timeline);
    for (let i = 0; i < 400; i++) client.ask(`p${i.toString(16)}`);
    client.ask('g');
    for (const address of ['0', '8000000', '9000000', '40000000', 'ffffffffffffff00'])
      client.ask(`m${address},100`);
    expect(timeline.machine.hash()).toEqual(before);
  });
});
