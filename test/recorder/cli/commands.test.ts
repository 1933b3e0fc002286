import { copyFileSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MachineEvent } from '../../../engine/base/events.ts';
import { ENGINE_VERSION } from '../../../recorder/session/version.ts';
import {
  bytesSource,
  MemorySource,
  SyncTraceReader,
  type TraceEvent,
  TraceWriter,
} from '../../../traces/index.ts';
import { MACHINE, ROOT, STORM, temporary, virtrace } from './support.ts';

const dir = temporary();
afterAll(() => dir.remove());
const STORM_ARGS = [...MACHINE, '-kernel', STORM];
const trace = dir.file('storm.vtrace');
let recorded: Awaited<ReturnType<typeof virtrace>>;

beforeAll(async () => {
  recorded = await virtrace(['record', '-o', trace, ...STORM_ARGS, '-device', 'virtio-rng-device']);
});

describe('run and record', () => {
  it('print the same console text and exit with 0 when the guest powers off', async () => {
    const ran = await virtrace(['run', ...STORM_ARGS]);
    expect(ran).toMatchObject({ code: 0, err: '' });
    expect(ran.out).toContain('WATCHDOG: no progress for 5 ms');
    const without = await virtrace(['record', '-o', dir.file('same.vtrace'), ...STORM_ARGS]);
    expect(without.out).toBe(ran.out);
  });

  it('options alone mean run', async () => {
    expect((await virtrace(STORM_ARGS)).code).toBe(0);
  });

  it('tell how it ended and what to do next, on stderr', () => {
    expect(recorded.code).toBe(0);
    expect(recorded.err).toContain('the guest powered off');
    expect(recorded.err).toContain(`virtrace replay ${trace} --verify`);
  });

  it('stop at --limit', async () => {
    const ran = await virtrace(['run', ...STORM_ARGS, '--limit', '1M', '--json']);
    expect(JSON.parse(ran.err)).toMatchObject({ reason: 'limit', position: 1_000_000, exitCode: 0 });
  });

  // Not the same bytes: what is pending goes into the file once a second of the host's time.
  it('record the same events and states twice with a seed and a date', async () => {
    const fixed = [...STORM_ARGS, '-seed', '5', '-rtc', 'base=2024-01-01', '-device', 'virtio-rng-device'];
    await virtrace(['record', '-o', dir.file('one.vtrace'), ...fixed], 'keys');
    await virtrace(['record', '-o', dir.file('two.vtrace'), ...fixed], 'keys');
    const contents = (name: string) => {
      const reader = SyncTraceReader.open(new MemorySource(new Uint8Array(readFileSync(dir.file(name)))));
      return { events: [...reader.events()], hashes: reader.hashes(), end: reader.end };
    };
    expect(contents('one.vtrace')).toEqual(contents('two.vtrace'));
  });

  it('give stdin to the guest, which echoes it, and replay it without stdin', async () => {
    const file = dir.file('keys.vtrace');
    const ran = await virtrace(['record', '-o', file, ...STORM_ARGS], 'Q'.repeat(40));
    expect(ran.out).toContain('Q');
    const replayed = await virtrace(['replay', file, '--verify']);
    expect(replayed).toMatchObject({ code: 0, out: ran.out });
  });

  it('put the console into a file with -serial file:', async () => {
    const ran = await virtrace(['run', ...STORM_ARGS, '-serial', `file:${dir.file('console')}`]);
    expect(ran.out).toBe('');
    expect(readFileSync(dir.file('console'), 'latin1')).toContain('WATCHDOG');
  });

  it('log what -d asks for', async () => {
    const log = dir.file('log');
    await virtrace(['run', ...STORM_ARGS, '-d', 'int', '-D', log, '--limit', '300k']);
    expect(readFileSync(log, 'latin1')).toMatch(/cpu0 SPI 2 \(INTID 34\) acknowledge CPU 0/);
  });

  it('end when the guest can never wake again', async () => {
    // wfi; b . - 4
    const kernel = dir.file('sleeper');
    writeFileSync(kernel, Uint8Array.of(0x7f, 0x20, 0x03, 0xd5, 0xff, 0xff, 0xff, 0x17));
    const ran = await virtrace(['record', '-o', dir.file('idle.vtrace'), ...MACHINE, '-kernel', kernel]);
    expect(ran.code).toBe(1);
    expect(ran.err).toContain('the machine can never wake again');
    expect((await virtrace(['replay', dir.file('idle.vtrace'), '--verify'])).code).toBe(0);
  });
});

describe('a guest that resets itself', () => {
  const kernel = dir.file('resetter');
  // mov w0, #0x84000009 (PSCI SYSTEM_RESET); hvc #0
  beforeAll(() => {
    writeFileSync(kernel, new Uint8Array(Uint32Array.of(0x52800120, 0x72b08000, 0xd4000002).buffer));
  });

  it('starts again, with new seeds in its device tree, and replays', async () => {
    const file = dir.file('resets.vtrace');
    await virtrace(['record', '-o', file, ...MACHINE, '-kernel', kernel, '--limit', '100']);
    const ran = await virtrace(['replay', file, '--verify', '--json']);
    expect(JSON.parse(ran.out)).toMatchObject({ result: 'ok', position: 100, ended: 'limit' });
    const resets = await virtrace(['events', file, '--what', 'system-reset', '--count']);
    expect(resets.out).toBe('33\n');
    const seeds = await virtrace(['events', file, '--device', 'device-tree', '--count']);
    expect(Number(seeds.out)).toBeGreaterThan(33);
  });

  it('ends with -no-reboot', async () => {
    const file = dir.file('no-reboot.vtrace');
    const ran = await virtrace(['record', '-o', file, ...MACHINE, '-kernel', kernel, '-no-reboot', '--json']);
    expect(JSON.parse(ran.err)).toMatchObject({ reason: 'system-reset', position: 3, exitCode: 0 });
    expect((await virtrace(['replay', file, '--verify'])).code).toBe(0);
  });
});

describe('replay', () => {
  it('verifies every event and prints the same console', async () => {
    const ran = await virtrace(['replay', trace, '--verify']);
    expect(ran).toMatchObject({ code: 0, out: recorded.out });
    expect(ran.err).toMatch(/\d+ events and 2 state hashes are the same/);
  });

  it('gives the same with blocks of any length', async () => {
    for (const limit of ['1', '3']) {
      const ran = await virtrace(['replay', trace, '--verify', '--block-limit', limit]);
      expect(ran).toMatchObject({ code: 0, out: recorded.out });
    }
  });

  it('tells the result as JSON', async () => {
    const ran = await virtrace(['replay', trace, '--verify', '--json']);
    expect(JSON.parse(ran.out)).toMatchObject({
      result: 'ok',
      verified: true,
      ended: 'system-off',
      exitCode: 0,
    });
  });

  it.each(['inputs', 'full'])('works at level %s', async (level) => {
    const file = dir.file(`${level}.vtrace`);
    const ran = await virtrace([
      'record',
      '-o',
      file,
      '--level',
      level,
      '--hash-interval',
      '1',
      ...STORM_ARGS,
    ]);
    const replayed = await virtrace(['replay', file, '--verify']);
    expect(replayed).toMatchObject({ code: 0, out: ran.out });
  });

  it('works on other machines', async () => {
    for (const machine of ['virt,gic-version=2', 'virt-6.2,gic-version=3']) {
      for (const cpu of ['cortex-a53', 'cortex-a72']) {
        const file = dir.file('other.vtrace');
        await virtrace(['record', '-o', file, '-M', machine, '-cpu', cpu, '-smp', '2', '-kernel', STORM]);
        expect((await virtrace(['replay', file, '--verify'])).code).toBe(0);
      }
    }
  });

  it('reports a changed access with position, device, expected and actual value, and exit code 3', async () => {
    const { events, forge } = forger(trace);
    const index = events.findIndex(
      (event) => event.kind === 'access' && event.device === 'rtc' && !event.write,
    );
    const original = events[index]!;
    const file = dir.file('access.vtrace');
    forge(file, (event, i) =>
      i === index && event.kind === 'access' ? { ...event, value: event.value ^ 4n } : event,
    );
    const ran = await virtrace(['replay', file, '--verify', '--no-console']);
    expect(ran.code).toBe(3);
    expect(ran.err).toMatch(
      new RegExp(
        `^virtrace: replay diverged at position ${original.position}, rtc: expected rtc RTC\\w+ read 0x\\w+.*, got rtc RTC\\w+ read 0x\\w+\\n$`,
      ),
    );
  });

  it('reports a changed input, with exit code 3', async () => {
    const { events, forge } = forger(trace);
    const index = events.findIndex((event) => event.kind === 'input' && event.device === 'virtio-rng0');
    expect(index).toBeGreaterThan(0);
    const file = dir.file('input.vtrace');
    forge(file, (event, i) =>
      i === index && event.kind === 'input'
        ? { ...event, data: event.data.map((b, j) => (j === 0 ? b ^ 1 : b)) }
        : event,
    );
    const ran = await virtrace(['replay', file, '--verify', '--json']);
    expect(ran.code).toBe(3);
    const { divergence } = JSON.parse(ran.out);
    expect(divergence.position).toBeGreaterThanOrEqual(events[index]!.position);
    expect(divergence).toMatchObject({ device: expect.any(String), expected: expect.any(String) });
  });

  it('opens a file cut at any byte up to its last whole chunk, or refuses it with exit code 4', async () => {
    const whole = readFileSync(trace).length;
    const codes = new Set<number>();
    for (const part of [0.999, 0.9, 0.75, 0.5, 0.1, 0.001]) {
      const file = dir.file('cut.vtrace');
      copyFileSync(trace, file);
      truncateSync(file, Math.floor(whole * part));
      const ran = await virtrace(['replay', file, '--verify']);
      expect(ran.err.startsWith('virtrace: ')).toBe(true);
      codes.add(ran.code);
      expect([0, 1, 4]).toContain(ran.code);
      if (ran.code === 0) expect(recorded.out.startsWith(ran.out)).toBe(true);
    }
    expect(codes).toContain(4);
  });

  it('names the chunk and offset of damage, with exit code 4', async () => {
    const file = dir.file('damaged.vtrace');
    const bytes = readFileSync(trace);
    const { chunks } = SyncTraceReader.open(new MemorySource(new Uint8Array(bytes)));
    const chunk = chunks.find(({ count }) => count > 1000)!;
    bytes[chunk.offset + 60]! ^= 1;
    writeFileSync(file, bytes);
    const ran = await virtrace(['replay', file, '--verify', '--no-console']);
    expect(ran.code).toBe(4);
    expect(ran.err).toMatch(
      new RegExp(`checksum is wrong \\(chunk ${chunk.number}, offset ${chunk.offset}\\)\n$`),
    );
  });

  it('names images that were not embedded and are missing or differ', async () => {
    const file = dir.file('bare.vtrace');
    await virtrace(['record', '-o', file, '--no-embed', ...STORM_ARGS]);
    const missing = await virtrace(['replay', file]);
    expect(missing.code).toBe(1);
    expect(missing.err).toMatch(
      /^virtrace: image kernel 'storm\.elf' \(\d+ bytes, SHA-256 [0-9a-f]{64}\) is not in the trace; give it with --image kernel=FILE\n$/,
    );
    const other = await virtrace(['replay', file, '--image', `kernel=${trace}`]);
    expect(other).toMatchObject({ code: 1 });
    expect(other.err).toContain('is another one');
    expect((await virtrace(['replay', file, '--verify', '--image', `kernel=${STORM}`])).code).toBe(0);
  });
});

describe('info', () => {
  it('tells what was recorded', async () => {
    const ran = await virtrace(['info', trace]);
    expect(ran.out).toContain('virt-7.2, 1 × cortex-a57, GICv3, 128 MiB of RAM');
    expect(ran.out).toContain('the guest powered off');
  });

  it('the same as JSON', async () => {
    const info = JSON.parse((await virtrace(['info', trace, '--json'])).out);
    expect(info).toMatchObject({
      board: 'virt-7.2',
      level: 'devices',
      engine: ENGINE_VERSION,
      images: [{ role: 'kernel', name: 'storm.elf', embedded: true, size: readFileSync(STORM).length }],
      end: { reason: 'system-off' },
    });
  });
});

describe('events', () => {
  const lines = async (...filter: string[]): Promise<string[]> => {
    const ran = await virtrace(['events', trace, ...filter]);
    expect(ran).toMatchObject({ code: 0, err: '' });
    return ran.out.split('\n').slice(0, -1);
  };

  it('agree with what the guest counted itself', async () => {
    const taken = /INTID 34: rtc, interrupts taken (\d+)/.exec(recorded.out)![1];
    const ran = await lines('--intid', '34', '--what', 'acknowledge', '--count');
    // The guest goes on taking it while it prints.
    expect(Number(ran[0])).toBeGreaterThanOrEqual(Number(taken));
  });

  it('find a register by name, decoded with its fields', async () => {
    const found = await lines('--register', 'gic-cpu.ICC_CTLR_EL1', '--writes');
    expect(found).toHaveLength(2);
    expect(found[0]).toContain('ICC_CTLR_EL1 write 0x2 (EOImode=1)');
    expect(found[1]).toContain('ICC_CTLR_EL1 write 0x1 (CBPR=1)');
  });

  it('filter by device, kind, position and value', async () => {
    const first = await lines('--device', 'uart0', '--kind', 'access', '--limit', '1');
    expect(first[0]).toMatch(/^ *\d+ +0\.000\d+ {2}cpu0 {2}uart0 UART/);
    const position = Number(first[0]!.trim().split(/\s+/)[0]);
    expect(await lines('--device', 'uart0', '--kind', 'access', '--to', String(position))).toEqual([]);
    expect(await lines('--kind', 'output', '--count')).toEqual([
      String((await lines('--kind', 'output')).length),
    ]);
    const found = await lines('--register', 'uart0.UARTCR', '--value', '0x300/0x300');
    expect(found.length).toBeGreaterThan(0);
  });

  it('are JSON lines with --json', async () => {
    const events = (await lines('--kind', 'output', '--json')).map((line) => JSON.parse(line));
    const printed = events.map(({ bytes }) => Buffer.from(bytes, 'base64').toString('latin1')).join('');
    expect(printed).toBe(recorded.out);
  });

  it('go backwards', async () => {
    const forward = await lines('--kind', 'power');
    const backward = await lines('--kind', 'power', '--backward');
    expect(backward).toEqual(forward.toReversed());
  });

  it.each([
    [['--register', 'uart0'], '--register uart0: allowed is DEVICE.REGISTER or DEVICE.REGISTER.FIELD'],
    [['--register', 'uart0.FOO'], '--register uart0.FOO: uart0 has no register FOO; it has: UARTDR'],
    [['--register', 'nix.FOO'], '--register nix.FOO: no registers are known of device nix'],
    [['--kind', 'foo'], "--kind: 'foo'; allowed are input, power"],
    [['--value', 'x'], '--value x: allowed is a number, or number/mask'],
    [['--from', '-5'], "--from: '-5'; allowed is a whole number"],
    [['--reads', '--writes'], '--reads and --writes: give one of them'],
    [['--foo'], "unknown option '--foo'"],
  ])('refuse %j', async (filter, message) => {
    const ran = await virtrace(['events', trace, ...filter]);
    expect(ran.code).toBe(2);
    expect(ran.err.startsWith(`virtrace: ${message}`)).toBe(true);
    expect(ran.err.trimEnd()).not.toContain('\n');
  });

  it('say when the level keeps none of a kind', async () => {
    const ran = await virtrace(['events', trace, '--kind', 'exception']);
    expect(ran).toMatchObject({ code: 0, out: '' });
    expect(ran.err).toContain('level devices, which keeps no events of kind exception');
  });
});

describe('bad input', () => {
  const empty = dir.file('empty');
  const arm32 = dir.file('arm32');
  const short = dir.file('short');
  beforeAll(() => {
    writeFileSync(empty, '');
    const elf = readFileSync(STORM);
    writeFileSync(short, elf.subarray(0, 200));
    // e_machine 40: Arm, 32 bits.
    elf[18] = 40;
    writeFileSync(arm32, elf);
  });

  it.each<[string, () => string[], RegExp]>([
    ['a missing kernel', () => ['-kernel', dir.file('none')], /^-kernel \S+none: no such file$/],
    ['a directory', () => ['-kernel', dir.path], /is a directory$/],
    ['an empty kernel', () => ['-kernel', empty], /the file is empty$/],
    ['a truncated kernel', () => ['-kernel', short], /^-kernel short: /],
    ['an ELF for another machine', () => ['-kernel', arm32], /^-kernel arm32: /],
    ['a missing initrd', () => ['-kernel', STORM, '-initrd', dir.file('none')], /no such file$/],
    ['an initrd beside an ELF', () => ['-kernel', STORM, '-initrd', STORM], /^-initrd storm.elf: /],
    [
      'a missing disk',
      () => ['-drive', `file=${dir.file('none')},if=none,id=a`, '-device', 'virtio-blk-device,drive=a'],
      /^-drive id=a \S+: no such file$/,
    ],
    ['a flash image of the wrong size', () => ['-pflash', STORM], /a flash bank has 67108864/],
    ['an unknown option', () => ['-foo'], /^-foo: unknown option$/],
    ['too many CPUs', () => ['-M', 'gic-version=2', '-smp', '9'], /GICv2 allows at most 8 CPUs/],
    ['RAM that does not fit', () => ['-m', '1P'], /beyond the 44 address bits/],
  ])('%s: one line, exit code 2, nothing left behind', async (_what, args, message) => {
    const file = dir.file('never.vtrace');
    const before = readdirSync(dir.path);
    const ran = await virtrace(['record', '-o', file, ...MACHINE, ...args()]);
    expect(ran.code).toBe(2);
    expect(ran.err).toMatch(/^virtrace: [^\n]+\n$/);
    expect(ran.err.slice('virtrace: '.length).trimEnd()).toMatch(message);
    expect(ran.out).toBe('');
    expect(readdirSync(dir.path)).toEqual(before);
  });

  it('leaves a file alone that is already there', async () => {
    const file = dir.file('precious.vtrace');
    writeFileSync(file, 'precious');
    await virtrace(['record', '-o', file, ...MACHINE, '-kernel', dir.file('none')]);
    expect(readFileSync(file, 'utf8')).toBe('precious');
    const onto = await virtrace(['record', '-o', STORM, ...STORM_ARGS]);
    expect(onto).toMatchObject({ code: 2, err: `virtrace: -o ${STORM}: this is the file of -kernel\n` });
  });

  it.each([
    [['frob'], 2, "'frob': unknown command"],
    [['explain'], 2, 'explain: virtrace does not have this command yet'],
    [['replay'], 2, 'replay: which trace?'],
    [['replay', '/nonexistent'], 2, 'trace /nonexistent: no such file'],
    [['info', STORM], 4, 'this is not a virtrace trace'],
    [['record', ...MACHINE], 2, '-o is missing'],
    [
      ['record', '-o', 'x', '--level', 'foo', ...MACHINE],
      2,
      "--level: 'foo'; allowed are inputs, devices, full",
    ],
    [['record', '-o', '/nonexistent/x', ...STORM_ARGS], 2, '-o /nonexistent/x: no such file'],
  ])('%j ends with exit code %i', async (args, code, message) => {
    const ran = await virtrace(args);
    expect(ran.code).toBe(code);
    expect(ran.err.startsWith(`virtrace: ${message}`)).toBe(true);
    expect(ran.err.trimEnd()).not.toContain('\n');
  });
});

describe('help', () => {
  it.each([
    [['--help'], 'Usage: virtrace COMMAND'],
    [['run', '--help'], '-kernel FILE'],
    [['record', '-h'], '-hash-interval N'],
    [['replay', '--help'], '--verify'],
    [['events', '--help'], '--register NAME'],
    [['help', 'info'], 'Usage: virtrace info'],
    [['-M', 'help'], 'virt-7.2'],
    [['-cpu', 'help'], 'cortex-a53'],
    [['-device', 'help'], 'virtio-blk-device'],
    [['--version'], `virtrace ${ENGINE_VERSION}`],
  ])('%j goes to stdout with exit code 0', async (args, part) => {
    const ran = await virtrace(args);
    expect(ran).toMatchObject({ code: 0, err: '' });
    expect(ran.out).toContain(part);
  });

  it('has the version of package.json', () => {
    const { version } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8'));
    expect(ENGINE_VERSION).toBe(version);
  });
});

describe('-M dumpdtb', () => {
  it('writes the device tree and ends', async () => {
    const file = dir.file('tree.dtb');
    const ran = await virtrace(['-M', `virt,dumpdtb=${file}`, '-cpu', 'cortex-a57']);
    expect(ran).toEqual({ code: 0, out: '', err: '' });
    expect(existsSync(file)).toBe(true);
    expect(readFileSync(file).readUInt32BE(0)).toBe(0xd00dfeed);
  });
});

/** Writes a trace again with some events changed, everything else in order. */
function forger(path: string) {
  const reader = SyncTraceReader.open(new MemorySource(new Uint8Array(readFileSync(path))));
  const events: TraceEvent[] = [...reader.events()];
  return {
    events,
    forge(file: string, change: (event: TraceEvent, index: number) => MachineEvent): void {
      const parts: Uint8Array[] = [];
      const writer = new TraceWriter({ write: (bytes) => void parts.push(bytes.slice()) }, reader.header);
      for (const ref of reader.header.images) writer.image(ref, bytesSource(reader.image(ref)));
      for (const [index, event] of events.entries()) writer.event(change(event, index));
      for (const hash of reader.hashes()) writer.hash(hash);
      writer.close(reader.end!);
      writeFileSync(file, Buffer.concat(parts));
    },
  };
}
