import type { Machine } from '../../engine/machine.ts';
import { hostInputs } from '../host/entropy.ts';
import { GuestLog } from '../host/guest-log.ts';
import { LiveHost } from '../host/live-host.ts';
import { Network } from '../host/net/network.ts';
import { RunSession } from '../session/live.ts';
import { readControls, readName } from './control-options.ts';
import { checkStdioFree, LiveControls } from './control-service.ts';
import { endingOf } from './ending.ts';
import { EXIT } from './errors.ts';
import { openFolders } from './folder-options.ts';
import { LiveGdb, readLiveGdb } from './gdb-service.ts';
import { HotDevices } from './hot-devices.ts';
import { timetableOf } from './input-option.ts';
import type { CommandIo } from './io.ts';
import { readMachineRequest } from './machine-request.ts';
import { dumpDeviceTree, openMachine, warnOfGaps } from './open-machine.ts';
import type { RawOptions } from './raw-options.ts';

/** `virtrace run` */
export async function runCommand(raw: RawOptions, io: CommandIo): Promise<number> {
  const request = readMachineRequest(raw);
  const monitors = readControls(raw);
  checkStdioFree(monitors, request.characters);
  const live = readLiveGdb(raw, monitors.length > 0);
  const opened = openMachine(request);
  const network = new Network(request.networks);
  try {
    dumpDeviceTree(request, opened);
    warnOfGaps(request, io);
    await network.open();
    const { running, limit, characters } = request;
    let say = (line: string): void => io.talk(`${line}\n`);
    const log = new GuestLog(request.log, request.logFile, (line) => say(line));
    let output: LiveHost['output'] = () => {};
    const session = new RunSession({
      spec: opened.spec,
      inputs: hostInputs(request.rtc, request.seed, undefined, openFolders(request.folders)),
      observe: { accesses: false, exceptions: log.wantsExceptions, dma: false },
      sink: (event) => {
        output(event);
        log.add(event);
      },
      running,
    });
    const host = new LiveHost({
      io,
      characters,
      network,
      ...timetableOf(request),
      isControlled: monitors.length > 0,
      ...(limit === undefined ? {} : { limit }),
    });
    let controls: LiveControls | undefined;
    output = (event) => {
      host.output(event);
      controls?.observe(event);
    };
    say = (line) => host.say(line);
    const gdb =
      live === undefined
        ? undefined
        : await LiveGdb.open(live, {
            session,
            machine: session.machine as Machine,
            recording: false,
            json: raw.json === true,
            say,
            quit: () => host.quit(),
          });
    if (monitors.length > 0) {
      controls = await LiveControls.open(monitors, {
        session: gdb?.session ?? session,
        machine: session.machine as Machine,
        backends: new HotDevices(request, session.machine as Machine, network),
        name: readName(raw.name),
        replay: { mode: 'none' },
        held: raw.S === true && gdb === undefined,
        host,
        io,
        json: raw.json === true,
        ...(gdb === undefined ? {} : { gdb: gdb.session }),
        say,
      });
    }
    const end = await host.run(controls?.session ?? gdb?.session ?? session);
    const ending = endingOf(end);
    await controls?.close(end);
    log.close();
    await gdb?.close(ending.exitCode);
    const { position, time } = session;
    const { reason, detail, exitCode } = ending;
    if (raw.json === true) io.talk(`${JSON.stringify({ reason, detail, position, time, exitCode })}\n`);
    else if (exitCode === EXIT.failure) io.error(`${detail}, at position ${position}`);
    return exitCode;
  } finally {
    network.close();
    opened.close();
  }
}
