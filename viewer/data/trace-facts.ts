/** What the header and the index of a trace tell, without reading events. */
import { networkDevices } from '../../recorder/session/network-devices.ts';
import { registerMapsOf } from '../../recorder/session/register-maps.ts';
import { recordedConfig } from '../../recorder/session/setup.ts';
import type { RegisterMaps, TraceReader } from '../../traces/index.ts';
import type { TraceFacts } from './protocol.ts';

/** The ends of both axes. */
export interface Extent {
  readonly time: number;
  readonly instructions: number;
}

export interface KnownTrace {
  readonly facts: TraceFacts;
  readonly maps: RegisterMaps;
  readonly extent: Extent;
}

/** @param bytes of the file @throws TraceError */
export async function factsOf(reader: TraceReader, name: string, bytes: number): Promise<KnownTrace> {
  const { header, end, chunks } = reader;
  const machine = machineOf(reader);
  const embedded = await reader.embeddedImages();
  const { commandLine } = header.config;
  const lastEvents = chunks.filter((chunk) => isEventChunk(chunk.kind));
  const instructions = Math.max(end?.position ?? 0, ...lastEvents.slice(-16).map((chunk) => chunk.last));
  let time = end?.time ?? 0;
  if (end === undefined) {
    for (const chunk of lastEvents.slice(-8)) {
      const { table } = await reader.chunkEvents(chunk);
      time = Math.max(time, table.time[table.count - 1] ?? 0);
    }
  }
  const facts: TraceFacts = {
    name,
    bytes: bytes,
    engine: header.engine,
    board: header.board,
    level: header.level,
    shift: header.shift,
    ...machine.facts,
    ...(typeof commandLine === 'string' ? { commandLine } : {}),
    images: header.images.map((image) => ({ ...image, embedded: embedded.has(image.sha256) })),
    ...(end === undefined
      ? {}
      : {
          end: {
            position: end.position,
            time: end.time,
            reason: end.reason,
            ...(end.detail === undefined ? {} : { detail: end.detail }),
          },
        }),
    complete: reader.complete,
    ...(reader.damage === undefined ? {} : { damage: reader.damage.message }),
    checkpoints: reader.checkpoints,
    events: lastEvents.reduce((sum, chunk) => sum + chunk.count, 0),
    openedBy: reader.file.openedBy,
    identity: `${bytes}-${(chunks[0]?.crc ?? 0).toString(16)}-${(chunks.at(-1)?.crc ?? 0).toString(16)}`,
  };
  return {
    facts,
    maps: machine.maps,
    extent: { time: Math.max(1, time), instructions: Math.max(1, instructions) },
  };
}

/** Chunks that hold events, by kind (docs/trace-format.md). */
export const EVENT_CHUNKS: { readonly [kind: number]: string } = {
  1: 'inputs',
  2: 'accesses',
  3: 'interrupts',
  4: 'exceptions',
  5: 'dma',
  6: 'outputs',
  7: 'notes',
};

export function isEventChunk(kind: number): boolean {
  return EVENT_CHUNKS[kind] !== undefined;
}

type MachineFacts = Pick<
  TraceFacts,
  'cpus' | 'cpuModel' | 'gicVersion' | 'ramBytes' | 'devices' | 'virtio' | 'networks'
>;

/** What is known of the machine; a configuration that cannot be used leaves events undecoded, but shown. */
function machineOf({ header }: TraceReader): { facts: MachineFacts; maps: RegisterMaps } {
  try {
    const config = recordedConfig(header);
    const maps = registerMapsOf(config);
    const virtio = config.virtioMmio.map(({ slot, id }) => [slot, id] as const);
    const slots = Array.from({ length: 32 }, (_, slot) => `virtio-mmio${slot}`);
    const known = [
      'uart0',
      'rtc',
      'gpio',
      'fw-cfg',
      'flash0',
      'flash1',
      'gicd',
      'gicr',
      'gicc',
      'gic-cpu',
      'timer',
      'pmu',
    ];
    const devices = [...known, ...virtio.map(([, id]) => id), ...slots].filter(
      (id) => maps(id) !== undefined,
    );
    return {
      maps,
      facts: {
        cpus: config.smp.cpus,
        cpuModel: config.cpu.model,
        gicVersion: config.gicVersion,
        ramBytes: config.ram.size,
        devices,
        virtio,
        networks: networkDevices(config),
      },
    };
  } catch {
    return {
      maps: () => undefined,
      facts: {
        cpus: 1,
        cpuModel: 'unknown',
        gicVersion: 0,
        ramBytes: 0,
        devices: [],
        virtio: [],
        networks: [],
      },
    };
  }
}
