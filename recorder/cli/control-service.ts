/** QMP and monitors as part of `run` and `record`: where they listen, what they control, how they end. */
import type { MachineEvent } from '../../engine/base/events.ts';
import type { Machine } from '../../engine/machine.ts';
import { reasonOf } from '../host/files.ts';
import type { HostEnd, LiveHost } from '../host/live-host.ts';
import { Channel, type MakePeer, type Peer } from '../qmp/channel.ts';
import { VERSION } from '../qmp/common-commands.ts';
import type { Control, ReplayState } from '../qmp/control.ts';
import type { Backends } from '../qmp/hot-plug-commands.ts';
import { HumanMonitor } from '../qmp/human-monitor.ts';
import { LineMonitor } from '../qmp/line-monitor.ts';
import { liveCommands } from '../qmp/live-commands.ts';
import { LiveMachine } from '../qmp/live-machine.ts';
import { type QmpCommands, QmpSession, type Timestamp } from '../qmp/protocol.ts';
import type { LiveSession } from '../session/live.ts';
import { PausableSession } from '../session/pausable.ts';
import type { CharacterTarget } from './character-options.ts';
import type { ControlRequest } from './control-options.ts';
import { OptionError } from './errors.ts';
import type { CommandIo } from './io.ts';
import { addressText, listenOptions } from './socket-address.ts';

/** stdin and stdout cannot be a console and a monitor at once. @throws OptionError */
export function checkStdioFree(
  requests: readonly ControlRequest[],
  characters: ReadonlyMap<string, CharacterTarget>,
): void {
  const request = requests.find(({ place }) => place.kind === 'stdio');
  const console = [...characters].find(([, target]) => target.kind === 'stdio');
  if (request === undefined || console === undefined) return;
  throw new OptionError(
    `${request.option}: ${console[0]} is connected to stdio; give -serial null or -serial file:FILE, too`,
  );
}

export interface ServiceOptions {
  readonly control: Control;
  readonly commands: QmpCommands;
  readonly io: CommandIo;
  readonly json: boolean;
  say(line: string): void;
}

/** The places where clients come from. */
export class ControlService {
  readonly #channels: Channel[] = [];
  readonly #waits: Promise<void>[] = [];
  readonly #options: ServiceOptions;

  private constructor(options: ServiceOptions) {
    this.#options = options;
  }

  /** @throws OptionError if a place is taken, or nobody is there */
  static async open(requests: readonly ControlRequest[], options: ServiceOptions): Promise<ControlService> {
    const service = new ControlService(options);
    try {
      for (const request of requests) await service.#add(request);
    } catch (error) {
      await service.close();
      throw error;
    }
    return service;
  }

  /** Resolves when every client that the machine has to wait for is there. */
  async firstClients(): Promise<void> {
    await Promise.all(this.#waits);
  }

  async #add({ option, protocol, place }: ControlRequest): Promise<void> {
    const { io, json, say } = this.#options;
    const make = protocol === 'qmp' ? this.#qmpPeer : this.#humanPeer;
    if (place.kind === 'stdio') {
      const peer = make({ send: (text) => io.out(text), pressure: () => {} });
      io.stdin.on('data', (bytes: Buffer) => peer.receive(bytes));
      io.stdin.on('end', () => peer.close());
      return;
    }
    try {
      const at = listenOptions(place.address);
      const channel = await (place.server ? Channel.listen(at, make) : Channel.connect(at, make));
      this.#channels.push(channel);
      if (place.wait) this.#waits.push(channel.firstClient);
      if (!place.server) return;
      const address = 'path' in place.address ? place.address : { ...place.address, port: channel.port };
      if (json) say(JSON.stringify({ event: 'listening', protocol, ...address }));
      else if (
        !('path' in address) &&
        address !== place.address &&
        (place.address as { port: number }).port === 0
      )
        say(`virtrace: ${protocol === 'qmp' ? 'QMP' : 'the monitor'} is at ${addressText(address)}`);
    } catch (error) {
      throw new OptionError(`${option}: ${reasonOf(error)}`);
    }
  }

  readonly #qmpPeer: MakePeer = (ports): Peer => {
    const { control, commands } = this.#options;
    const session = new QmpSession(commands, VERSION, { ...ports, now: timestamp });
    const forget = control.listen((event) => session.event(event));
    return {
      receive: (bytes) => session.receive(bytes),
      close: () => {
        forget();
        session.close();
      },
    };
  };

  readonly #humanPeer: MakePeer = (ports): Peer => {
    const { control, commands } = this.#options;
    return new LineMonitor(new HumanMonitor(control, commands), ports);
  };

  async close(): Promise<void> {
    for (const channel of this.#channels) await channel.close();
  }
}

function timestamp(): Timestamp {
  const now = Date.now();
  return { seconds: Math.floor(now / 1000), microseconds: (now % 1000) * 1000 };
}

export interface LiveControlsOptions {
  readonly session: LiveSession;
  readonly machine: Machine;
  readonly backends: Backends;
  readonly name: string | undefined;
  readonly replay: ReplayState;
  /** `-S`, and gdb does not hold it. */
  readonly held: boolean;
  readonly host: LiveHost;
  readonly io: CommandIo;
  readonly json: boolean;
  readonly gdb?: { readonly isHeld: boolean; letGo(): boolean };
  say(line: string): void;
}

/** A live machine with monitors beside it. */
export class LiveControls {
  /** For the host's loop. */
  readonly session: PausableSession;
  readonly #machine: LiveMachine;
  readonly #service: ControlService;

  private constructor(session: PausableSession, machine: LiveMachine, service: ControlService) {
    this.session = session;
    this.#machine = machine;
    this.#service = service;
  }

  /** Opens every place, and waits for the clients that have to be waited for. @throws OptionError */
  static async open(
    requests: readonly ControlRequest[],
    options: LiveControlsOptions,
  ): Promise<LiveControls> {
    const { machine, backends, name, replay, held, host, io, json, gdb, say } = options;
    const session = new PausableSession(options.session, held);
    const control = new LiveMachine({
      session,
      machine,
      name,
      replay,
      press: (press) => host.press(press),
      quit: () => host.quit(),
      ...(gdb === undefined ? {} : { gdb }),
    });
    const commands = liveCommands(control, backends);
    const service = await ControlService.open(requests, { control, commands, io, json, say });
    await Promise.race([service.firstClients(), host.asked]);
    return new LiveControls(session, control, service);
  }

  /** For the session's sink. */
  observe(event: MachineEvent): void {
    this.#machine.observe(event);
  }

  /** After the run: clients hear how it ended. */
  async close(end: HostEnd): Promise<void> {
    const [reason, isGuest] = causeOf(end);
    this.#machine.end(reason, isGuest);
    await this.#service.close();
  }
}

/** In QEMU's words (qapi/run-state.json, ShutdownCause). */
function causeOf(end: HostEnd): [string, boolean] {
  switch (end.reason) {
    case 'power-off':
      return ['guest-shutdown', true];
    case 'reset':
      return ['guest-reset', true];
    case 'signal':
      return ['host-signal', false];
    case 'quit':
    case 'asked':
      return ['host-ui', false];
    case 'limit':
    case 'idle':
    case 'error':
      return ['host-error', false];
  }
}
