/** Recordings of real guests in memory, for tests of time travel. */
import { readFileSync } from 'node:fs';
import { defaultVirtConfig } from '../../../engine/boards/virt/config.ts';
import type { LiveStop } from '../../../recorder/session/live.ts';
import { RecordSession } from '../../../recorder/session/record.ts';
import type { RunningChoices } from '../../../recorder/session/setup.ts';
import { Timeline } from '../../../recorder/session/timeline.ts';
import {
  bytesSource,
  MemorySource,
  PURE_CODEC,
  SyncTraceReader,
  type TraceLevel,
} from '../../../traces/index.ts';

export interface Recipe {
  readonly kernel: Uint8Array;
  readonly cpus?: number;
  /** Version of the GIC; the board's default is 2. */
  readonly gic?: 2 | 3;
  readonly level?: TraceLevel;
  readonly append?: string;
  /** Instructions at most. */
  readonly until?: number;
  /** Instructions from one checkpoint in the file to the next; default: none. */
  readonly checkpoints?: number;
  readonly hashInterval?: number;
  /** Keys typed, by position. */
  readonly keys?: readonly { readonly position: number; readonly text: string }[];
}

export function recordTrace({
  kernel,
  cpus = 1,
  gic = 2,
  level = 'devices',
  append,
  until = 1e9,
  keys = [],
  checkpoints,
  hashInterval = 0,
}: Recipe): Uint8Array {
  const parts: Uint8Array[] = [];
  const base = defaultVirtConfig();
  const session = new RecordSession({
    spec: {
      config: {
        ...base,
        cpu: { ...base.cpu, model: 'cortex-a57' },
        gicVersion: gic,
        smp: { ...base.smp, cpus, maxCpus: cpus, cores: cpus },
        ram: { size: 32 << 20, maxSize: 32 << 20, slots: 0 },
      },
      images: new Map([['kernel', { name: 'kernel', source: bytesSource(kernel) }]]),
      ...(append === undefined ? {} : { commandLine: append }),
      readOnlyDrives: [],
      reboot: true,
    },
    inputs: {
      baseSeconds: () => 1_700_000_000,
      entropy: (_device, length) => new Uint8Array(length).fill(9),
    },
    sink: () => {},
    level,
    embed: true,
    hashInterval,
    checkpoints: checkpoints ?? 'none',
    openSink: () => ({ write: (bytes) => parts.push(bytes.slice()) }),
    codec: PURE_CODEC,
  });
  let stop: LiveStop = { reason: 'limit' };
  for (const { position, text } of keys) {
    stop = session.run(position, false);
    if (stop.reason !== 'limit') break;
    session.receive('uart0', 'serial', new TextEncoder().encode(text));
  }
  if (stop.reason === 'limit') stop = session.run(until, false);
  session.end(stop.reason === 'limit' ? 'limit' : 'system-off');
  return Buffer.concat(parts);
}

export function openTimeline(trace: Uint8Array, running?: RunningChoices): Timeline {
  const reader = SyncTraceReader.open(new MemorySource(trace), { codec: PURE_CODEC });
  return new Timeline({ reader, codec: PURE_CODEC, ...(running === undefined ? {} : { running }) });
}

export const STORM = new Uint8Array(
  readFileSync(new URL('../../../guests/storm/storm.elf', import.meta.url)),
);

/**
 * Four CPUs that count in registers and, each unlike the others, in one word of memory; now and then each yields.
 * Assembled by hand: encodings of the Arm ARM, chapter C6.2.
 */
export const FOUR_CPUS = words(
  0xd2800033, // mov  x19, #1
  0x52800060, // mov  w0, #3             PSCI CPU_ON is 0xC4000003
  0x72b88000, // movk w0, #0xc400, lsl #16
  0xaa1303e1, // mov  x1, x19            target
  0x100000c2, // adr  x2, loop           entry
  0xd2800003, // mov  x3, #0             context
  0xd4000002, // hvc  #0
  0x91000673, // add  x19, x19, #1
  0xf100127f, // cmp  x19, #4
  0x54ffff01, // b.ne #-32
  0x910004a5, // loop: add x5, x5, #1
  0x10000126, // adr  x6, counter
  0xf94000c7, // ldr  x7, [x6]
  0x910004e7, // add  x7, x7, #1
  0xf90000c7, // str  x7, [x6]
  0xf2401cff, // tst  x7, #0xff
  0x54ffff41, // b.ne loop
  0xd503203f, // yield
  0x17fffff8, // b    loop
  0xd503201f, // nop
  0, // counter
  0,
);
/** Offset of the counter, and of the store to it. */
export const COUNTER_OFFSET = 0x50;
export const STORE_OFFSET = 0x38;

function words(...list: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(list).buffer);
}
