import type { MachineEvent } from '../../engine/base/events.ts';
import { MemorySource, type TraceHeader, TraceWriter } from '../../traces/index.ts';

export const HEADER: TraceHeader = {
  engine: '0.1.0',
  board: 'virt-7.2',
  level: 'full',
  shift: 0,
  counterPeriod: 16,
  config: { cpu: 'cortex-a57', smp: 1, memory: 512 },
  images: [],
  quirks: [],
};

/** A sink that keeps everything. */
export class MemorySink {
  readonly parts: Uint8Array[] = [];

  write(bytes: Uint8Array): void {
    this.parts.push(bytes);
  }

  toBytes(): Uint8Array {
    return Uint8Array.from(Buffer.concat(this.parts));
  }

  toSource(): MemorySource {
    return new MemorySource(this.toBytes());
  }
}

/** Events with the ordinals that the format's document promises: their index at their position. */
export function withOrdinals(events: readonly MachineEvent[]): (MachineEvent & { ordinal: number })[] {
  let before = -1;
  let ordinal = 0;
  return events.map((event) => {
    ordinal = event.position === before ? ordinal + 1 : 0;
    before = event.position;
    return { ...event, ordinal };
  });
}

/** A small recording with every kind of chunk, the same bytes every time. */
export function writeSmallTrace(header: Partial<TraceHeader> = {}): Uint8Array {
  const sink = new MemorySink();
  const writer = new TraceWriter(sink, { ...HEADER, ...header });
  for (const event of smallEvents()) {
    writer.event(event);
    if (event.position === 3000) writer.flush(3000);
  }
  writer.hash({ position: 5000, time: 6000, cpus: ['00ff'], memory: 'abcd', devices: { uart0: '1234' } });
  const page = new Uint8Array(4096).fill(7);
  writer.checkpoint({
    position: 5000,
    time: 6000,
    state: { cpus: [{ pc: 0xffff_0000_0000_0000n }], uart0: { UARTCR: 0x301 } },
    pages: [{ address: 0x4000_0000, bytes: page }],
  });
  const hashes = { cpus: ['01'], memory: '02', devices: { uart0: '03' } };
  writer.close({ position: 6000, time: 7000, reason: 'system-off', detail: 'PSCI', hashes });
  return sink.toBytes();
}

export function smallEvents(): MachineEvent[] {
  const pc = 0xffff_8000_1008_0000n;
  const at = (position: number, cpu = 0) => ({
    position,
    time: position + (position > 2000 ? 1000 : 0),
    cpu,
  });
  const data = Uint8Array.of(1, 2, 3, 4);
  const events: MachineEvent[] = [
    { kind: 'input', ...at(0, -1), device: 'dtb', what: 'seed', data, mode: 'pull' },
    { kind: 'power', ...at(0, -1), what: 'cpu-on', target: 0 },
    { kind: 'guest-error', ...at(700), device: 'uart0', offset: 0x200, message: 'no such register' },
    { kind: 'note', ...at(800), device: 'gic', what: 'storm', fields: { intid: 33, per: 1.5, bad: true } },
  ];
  for (let i = 0; i < 12; i++) {
    const position = 1000 + 100 * i;
    const access = { kind: 'access', device: 'uart0', size: 4, ...at(position) } as const;
    events.push({ ...access, offset: 0x18, write: false, value: 0x90n, pc });
    const written = { position: position + 6, time: at(position).time + 6 };
    events.push({ ...access, ...written, offset: 0, write: true, value: BigInt(65 + i), pc: pc + 24n });
    events.push({ kind: 'output', cpu: 0, ...written, device: 'uart0', bytes: Uint8Array.of(65 + i) });
  }
  const irq = { kind: 'interrupt', intid: 33, ...at(3000) } as const;
  events.push(
    { ...irq, what: 'line-high', target: -1 },
    { ...irq, what: 'pending', target: -1 },
    {
      kind: 'exception',
      ...at(3000),
      what: 'irq',
      fromEl: 1,
      toEl: 1,
      syndrome: 0n,
      faultAddress: 0xffff_ffff_ffff_fff0n,
      pc,
    },
    { ...irq, ...at(3100), what: 'acknowledge', target: 0 },
    { ...irq, ...at(3100), what: 'active', target: 0 },
    { ...irq, ...at(3200), what: 'line-low', target: -1 },
    { ...irq, ...at(3300), what: 'complete', target: 0 },
    { kind: 'input', ...at(4000, -1), device: 'uart0', what: 'rx', data: Uint8Array.of(0x6c), mode: 'push' },
    { kind: 'dma', ...at(4100, -1), device: 'virtio3', address: 0x4010_0000, length: 512, write: true },
    { kind: 'power', ...at(5999), what: 'system-off', target: 0 },
  );
  return events;
}
