import { describe, expect, test } from 'vitest';
import { defaultVirtConfig } from '../../../engine/boards/virt/config.ts';
import type { Machine } from '../../../engine/machine.ts';
import type { DebuggeeStop } from '../../../recorder/session/debuggee.ts';
import { LiveDebuggee } from '../../../recorder/session/live-debuggee.ts';
import type { Operation } from '../../../recorder/session/operation.ts';
import { RecordSession } from '../../../recorder/session/record.ts';
import { ReplaySession } from '../../../recorder/session/replay.ts';
import { bytesSource, MemorySource, PURE_CODEC, SyncTraceReader } from '../../../traces/index.ts';
import { FOUR_CPUS, STORM } from './debug-support.ts';

/** A recording with a debugger beside it, and a host that lets both work in turns. */
class Bench {
  readonly session: RecordSession;
  readonly debuggee: LiveDebuggee;
  readonly #parts: Uint8Array[] = [];

  constructor(kernel: Uint8Array, cpus = 1) {
    const base = defaultVirtConfig();
    this.session = new RecordSession({
      spec: {
        config: {
          ...base,
          cpu: { ...base.cpu, model: 'cortex-a57' },
          smp: { ...base.smp, cpus, maxCpus: cpus, cores: cpus },
          ram: { size: 32 << 20, maxSize: 32 << 20, slots: 0 },
        },
        images: new Map([['kernel', { name: 'kernel', source: bytesSource(kernel) }]]),
        readOnlyDrives: [],
        reboot: true,
      },
      inputs: {
        baseSeconds: () => 1_700_000_000,
        entropy: (_device, length) => new Uint8Array(length).fill(9),
      },
      sink: () => {},
      level: 'devices',
      embed: true,
      hashInterval: 100_000,
      openSink: () => ({ write: (bytes) => this.#parts.push(bytes.slice()) }),
      codec: PURE_CODEC,
    });
    this.debuggee = new LiveDebuggee({
      session: this.session,
      machine: this.session.machine as Machine,
      observed: this.session.observed,
      held: true,
      recording: true,
    });
    this.debuggee.attach();
  }

  /** What gdb waits for, with the host's loop beside it. @param until interrupted there */
  do(operation: Operation<DebuggeeStop>, until = Number.POSITIVE_INFINITY): DebuggeeStop {
    for (;;) {
      const step = operation.next(this.debuggee.position >= until);
      if (step.done === true) return step.value;
      const stop = this.debuggee.run(Math.min(this.debuggee.position + 7_919, until), false);
      if (stop.reason === 'power-off') {
        this.debuggee.exit(0);
      }
    }
  }

  end(reason = 'system-off'): { reader: SyncTraceReader; events: string; hashes: string } {
    this.debuggee.finish();
    const hashes = JSON.stringify(this.session.end(reason));
    const reader = SyncTraceReader.open(new MemorySource(Buffer.concat(this.#parts)), { codec: PURE_CODEC });
    const plain = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}` : value);
    return { reader, events: JSON.stringify([...reader.events()], plain), hashes };
  }
}

function verify(reader: SyncTraceReader): void {
  const replay = new ReplaySession({ reader, codec: PURE_CODEC, verify: true });
  expect(replay.run()).toEqual({ reason: 'end' });
}

describe('a live machine under a debugger', () => {
  test('stops where it is told to, and records as if nobody had looked', () => {
    const plain = new Bench(STORM);
    expect(plain.do(plain.debuggee.continueForward())).toEqual({ reason: 'exited', code: 0 });
    const expected = plain.end();

    const bench = new Bench(STORM);
    const { debuggee: held } = bench;
    for (let i = 1; i <= 30; i++) {
      expect(bench.do(held.stepForward(0, false)).reason).toBe('there');
      expect(held.position).toBe(i);
    }
    // storm: irq_entry, twice, and a watched counter.
    const entry = held.addBreakpoint({ kind: 'address', address: 0x4010333cn });
    for (let i = 0; i < 2; i++) {
      expect(bench.do(held.continueForward()).reason).toBe('breakpoint');
      expect(held.machine.cluster.states[0]!.pc).toBe(0x4010333cn);
    }
    held.removeBreakpoint(entry.id);
    const watch = held.addBreakpoint({
      kind: 'watch',
      space: 'virtual',
      address: 0x4010c508n,
      length: 4,
      access: 'write',
    });
    expect(bench.do(held.continueForward()).reason).toBe('breakpoint');
    expect(bench.do(held.stepForward(0, false)).reason).toBe('there');
    held.removeBreakpoint(watch.id);
    expect(bench.do(held.continueForward(), 3_000_000)).toEqual({ reason: 'interrupted' });
    expect(held.position).toBe(3_000_000);
    expect(bench.do(held.continueForward()).reason).toBe('exited');
    const seen = bench.end();
    expect(seen.hashes).toBe(expected.hashes);
    expect(seen.events).toBe(expected.events);
  });

  test('many CPUs: each can be stepped, and the recording is the same', () => {
    const plain = new Bench(FOUR_CPUS, 4);
    plain.do(plain.debuggee.continueForward(), 1_000_000);
    plain.do(plain.debuggee.stepForward(plain.debuggee.machine.currentCpu, true));
    const bench = new Bench(FOUR_CPUS, 4);
    const { debuggee } = bench;
    bench.do(debuggee.continueForward(), 200_000);
    for (let i = 0; i < 40; i++) {
      const cpu = (i * 7) % 4;
      const before = debuggee.machine.retired(cpu);
      expect(bench.do(debuggee.stepForward(cpu, i % 2 === 0)).reason).toBe('there');
      expect(debuggee.machine.retired(cpu)).toBe(before + 1);
    }
    bench.do(debuggee.continueForward(), plain.debuggee.position - 1);
    bench.do(debuggee.stepForward(debuggee.machine.currentCpu, true));
    expect(debuggee.position).toBe(plain.debuggee.position);
    const [expected, seen] = [plain.end('limit'), bench.end('limit')];
    expect(seen.hashes).toBe(expected.hashes);
    verify(seen.reader);
  });

  test('what it writes is recorded, and the replay writes it, too', () => {
    const bench = new Bench(STORM);
    const { debuggee } = bench;
    const entry = debuggee.addBreakpoint({ kind: 'address', address: 0x4010333cn });
    expect(bench.do(debuggee.continueForward()).reason).toBe('breakpoint');
    const bytes = (value: bigint): Uint8Array => new Uint8Array(BigUint64Array.of(value).buffer);
    const first = debuggee.write([{ what: 'cpu0.x20', data: bytes(77n) }]);
    expect(first).toEqual({ done: true, notice: expect.stringContaining('recorded') });
    expect(debuggee.write([{ what: 'memory.0x40a00000', data: Uint8Array.of(1, 2, 3) }])).toEqual({
      done: true,
    });
    expect(debuggee.write([{ what: 'cpu0.TPIDR_EL1', data: bytes(5n) }])).toEqual({ done: true });
    // All or nothing.
    expect(
      debuggee.write([
        { what: 'cpu0.x1', data: bytes(1n) },
        { what: 'memory.0x1', data: Uint8Array.of(1) },
      ]),
    ).toEqual({ done: false });
    debuggee.removeBreakpoint(entry.id);
    bench.do(debuggee.continueForward(), 1_000_000);
    const { pc } = debuggee.machine.cluster.states[0]!;
    expect(debuggee.write([{ what: 'cpu0.pc', data: bytes(pc + 4n) }]).done).toBe(true);
    bench.do(debuggee.continueForward(), 1_500_000);
    const { reader } = bench.end('interrupted');
    const inputs = [...reader.inputs()].filter(({ device }) => device === 'debugger');
    expect(inputs.map(({ what }) => what)).toEqual([
      'cpu0.x20',
      'memory.0x40a00000',
      'cpu0.TPIDR_EL1',
      'cpu0.pc',
    ]);
    verify(reader);
  });

  test('a recording that is ended while the machine is held replays', () => {
    // The vector of an interrupt at EL1: taken, but nothing of it executed.
    const vectors = 0x40101280n;
    const bench = new Bench(STORM);
    bench.debuggee.addBreakpoint({ kind: 'address', address: vectors });
    expect(bench.do(bench.debuggee.continueForward()).reason).toBe('breakpoint');
    expect(bench.debuggee.isDeaf).toBe(true);
    verify(bench.end('interrupted').reader);
  });
});
