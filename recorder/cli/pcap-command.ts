import type { MachineEvent } from '../../engine/base/events.ts';
import { keeps } from '../../traces/index.ts';
import { FileSink, sameFile } from '../host/files.ts';
import { NODE_CODEC } from '../host/lz4.ts';
import { openTrace } from '../host/open-trace.ts';
import { networkDevices } from '../session/network-devices.ts';
import { type CapturedFrame, pcapngFrame, pcapngHeader } from '../session/pcapng.ts';
import { pluggedDevices } from '../session/plugged-devices.ts';
import { MissingImages, ReplaySession } from '../session/replay.ts';
import { recordedConfig } from '../session/setup.ts';
import { ENGINE_VERSION } from '../session/version.ts';
import { CommandError, EXIT, OptionError } from './errors.ts';
import type { CommandIo } from './io.ts';

export interface PcapOptions {
  readonly output?: string;
  readonly device?: readonly string[];
  readonly json?: boolean;
}

export const PCAP_HELP = `Usage: virtrace pcap FILE.vtrace -o FILE.pcapng [options]

Writes the frames that network devices sent and received as a capture file for Wireshark, tshark or tcpdump. Times
are virtual, from power-on; each frame has its position as a comment.

Options:
  -o FILE      the capture; - is stdout
  --device ID  only this network device
  --json       print how many frames there are as JSON
`;

/** `virtrace pcap` */
export async function pcapCommand(file: string, options: PcapOptions, io: CommandIo): Promise<number> {
  const { output } = options;
  if (output === undefined || output === '') throw new OptionError('-o is missing: the capture to write');
  if (sameFile(file, output)) throw new OptionError(`-o ${output}: this is the trace`);
  const trace = openTrace(file);
  try {
    const { reader } = trace;
    const devices = chosen(
      networkDevices(recordedConfig(reader.header), pluggedDevices(reader)),
      options.device,
    );
    const counts = { received: 0, sent: 0 };
    const sink = output === '-' ? undefined : new FileSink('-o', output);
    const put = (bytes: Uint8Array): void => (sink === undefined ? io.out(bytes) : sink.write(bytes));
    try {
      for (const bytes of pcapngHeader(devices, `virtrace ${ENGINE_VERSION}`)) put(bytes);
      const add = (event: MachineEvent): void => {
        const frame = frameOf(event);
        const index = frame === undefined ? -1 : devices.indexOf(frame.device);
        if (frame === undefined || index < 0) return;
        counts[frame.direction]++;
        put(pcapngFrame(index, frame));
      };
      if (keeps(reader.header.level, 'output')) {
        for (const batch of reader.batches({ kinds: ['output', 'input'], devices })) {
          for (const event of batch) add(event);
          await io.drained();
          if (io.outClosed) break;
        }
      } else {
        // Such a trace has only what came in; what went out follows from it.
        io.talk(
          `virtrace: this trace has level ${reader.header.level}: it is replayed for what the guest sent\n`,
        );
        replay(() => new ReplaySession({ reader, codec: NODE_CODEC, verify: false, sink: add }));
      }
    } finally {
      sink?.close();
    }
    const said =
      options.json === true
        ? JSON.stringify({ output, devices, ...counts })
        : `virtrace: ${counts.sent} frames sent and ${counts.received} received, into ${output}`;
    (output === '-' ? io.talk : io.out).call(io, `${said}\n`);
    return EXIT.ok;
  } finally {
    trace.close();
  }
}

function chosen(devices: readonly string[], wanted: readonly string[] | undefined): string[] {
  if (devices.length === 0) throw new CommandError('the recorded machine has no network device');
  for (const id of wanted ?? []) {
    if (!devices.includes(id)) {
      throw new OptionError(`--device ${id}: no network device; there are ${devices.join(', ')}`);
    }
  }
  return wanted === undefined ? [...devices] : [...wanted];
}

function frameOf(event: MachineEvent): CapturedFrame | undefined {
  const { position, time } = event;
  if (event.kind === 'output') {
    return { device: event.device, direction: 'sent', position, time, bytes: event.bytes };
  }
  if (event.kind === 'input' && event.what === 'frame') {
    return { device: event.device, direction: 'received', position, time, bytes: event.data };
  }
  return undefined;
}

function replay(make: () => ReplaySession): void {
  try {
    const stop = make().run();
    if (stop.reason === 'diverged') throw new CommandError('the replay diverged', EXIT.diverged);
  } catch (error) {
    if (error instanceof MissingImages) throw new CommandError(error.message);
    throw error;
  }
}
