import { chunkName, type SyncTraceReader } from '../../traces/index.ts';
import { openTrace } from '../host/open-trace.ts';
import { recordedConfig } from '../session/setup.ts';
import { EXIT } from './errors.ts';
import type { CommandIo } from './io.ts';
import { kilobytes, millions } from './record-command.ts';

/** `virtrace info` */
export async function infoCommand(
  file: string,
  options: { readonly json?: boolean },
  io: CommandIo,
): Promise<number> {
  const trace = openTrace(file);
  try {
    const info = infoOf(file, trace.bytes, trace.reader);
    io.out(options.json === true ? `${JSON.stringify(info)}\n` : infoText(info));
    return EXIT.ok;
  } finally {
    trace.close();
  }
}

export type TraceInfo = ReturnType<typeof infoOf>;

function infoOf(file: string, bytes: number, reader: SyncTraceReader) {
  const { header, end, complete, damage, chunks, checkpoints } = reader;
  const embedded = reader.embeddedImages();
  const kinds: { [kind: string]: { count: number; bytes: number } } = {};
  for (const chunk of chunks) {
    const name = chunkName(chunk.kind) ?? `kind ${chunk.kind}`;
    const kind = (kinds[name] ??= { count: 0, bytes: 0 });
    kind.count += chunk.count;
    kind.bytes += chunk.storedBytes;
  }
  const { machine: _machine, commandLine, ...rest } = header.config;
  return {
    file,
    bytes,
    engine: header.engine,
    board: header.board,
    level: header.level,
    config: recordedConfig(header),
    commandLine: typeof commandLine === 'string' ? commandLine : null,
    options: rest,
    images: header.images.map((image) => ({ ...image, embedded: embedded.has(image.sha256) })),
    end: end === undefined ? null : { ...end },
    complete,
    ...(damage === undefined ? {} : { damage: damage.message }),
    checkpoints: checkpoints.length,
    kinds,
  };
}

function infoText(info: TraceInfo): string {
  const { config, end } = info;
  const rows: [string, string][] = [
    ['trace', `${info.file}, ${kilobytes(info.bytes)}, level ${info.level}, by virtrace ${info.engine}`],
    [
      'machine',
      `${info.board}, ${config.smp.cpus} × ${config.cpu.model}, GICv${config.gicVersion}, ${config.ram.size / 1048576} MiB of RAM`,
    ],
  ];
  if (info.commandLine !== null) rows.push(['command line', info.commandLine]);
  for (const device of config.virtioMmio)
    rows.push(['device', `${device.id}: ${device.type}, transport ${device.slot}`]);
  for (const device of config.pciDevices) {
    const address = `${(device.devfn >> 3).toString(16).padStart(2, '0')}.${device.devfn & 7}`;
    const bus = device.properties.bus ?? 'pcie.0';
    rows.push(['device', `${device.id}: ${device.type}, ${String(bus)} at ${address}`]);
  }
  for (const image of info.images) {
    const where = image.embedded ? 'in the trace' : 'not in the trace';
    rows.push([
      image.role,
      `${image.name}, ${kilobytes(image.size)}, ${where}, SHA-256 ${image.sha256.slice(0, 16)}…`,
    ]);
  }
  rows.push(
    end === null
      ? [
          'end',
          `not ended; complete up to position ${info.complete}${info.damage === undefined ? '' : `: ${info.damage}`}`,
        ]
      : [
          'end',
          `${end.detail ?? end.reason}, after ${millions(end.position)} and ${(end.time / 1e9).toFixed(3)} s`,
        ],
  );
  for (const [kind, { count, bytes }] of Object.entries(info.kinds)) {
    rows.push([kind, `${count}, ${kilobytes(bytes)}`]);
  }
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${text}\n`).join('');
}
