/** The worker in which the recorded machine lives. */

import {
  codeView,
  deviceView,
  gicView,
  memoryView,
  registersView,
  stackView,
  systemRegisters,
} from '../../recorder/session/machine-views.ts';
import { walkPages } from '../../recorder/session/page-walk.ts';
import type { TraceSource } from '../data/protocol.ts';
import { type Call, type Port, serve } from '../data/rpc.ts';
import { openSourceSync } from '../data/sources.ts';
import { EngineSession } from './engine-session.ts';
import type { GivenFile, MoveResult, OpenResult } from './protocol.ts';

let session: EngineSession | undefined;

function open(): EngineSession {
  if (session === undefined) throw new Error('the machine has not been built yet');
  return session;
}

/** setTimeout is throttled; a message to oneself is not. */
const channel = new MessageChannel();
let waiting: (() => void)[] = [];
channel.port1.onmessage = () => {
  const [...ready] = waiting;
  waiting = [];
  for (const resolve of ready) resolve();
};
function breathe(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(0);
  });
}

let told = 0;
const notify = serve(self as unknown as Port, {
  open: (_call: Call, source: TraceSource, files: readonly GivenFile[]): OpenResult => {
    const begin = performance.now();
    const given = files.map(({ name, blob }) => ({
      name,
      source: openSourceSync({ kind: 'blob', blob, name }),
    }));
    session = new EngineSession(openSourceSync(source), given, {
      breathe,
      progress: (progress) => {
        const now = performance.now();
        if (now - told < 80) return;
        told = now;
        notify('progress', progress);
      },
    });
    const { timeline } = session;
    return {
      length: timeline.length,
      moment: session.moment(),
      devices: [...timeline.machine.devices.keys()],
      milliseconds: performance.now() - begin,
    };
  },
  seek: (call: Call, position: number): Promise<MoveResult> => {
    const engine = open();
    return engine.move(
      () => engine.timeline.seek(position),
      () => call.cancelled,
    );
  },
  step: (call: Call, count: number, cpu: number): Promise<MoveResult> => {
    const engine = open();
    const which = cpu < 0 ? undefined : cpu;
    const { timeline } = engine;
    return engine.move(
      () => (count >= 0 ? timeline.stepForward(count, which) : timeline.stepBackward(-count, which)),
      () => call.cancelled,
    );
  },
  continueForward: (call: Call): Promise<MoveResult> => {
    const engine = open();
    return engine.move(
      () => engine.timeline.continueForward(),
      () => call.cancelled,
    );
  },
  continueBackward: (call: Call): Promise<MoveResult> => {
    const engine = open();
    return engine.move(
      () => engine.timeline.continueBackward(),
      () => call.cancelled,
    );
  },
  prepare: (call: Call): Promise<MoveResult> => {
    const engine = open();
    return engine.move(
      () => engine.timeline.prepare(),
      () => call.cancelled,
    );
  },
  interrupt: () => open().interrupt(),
  moment: () => open().look(() => open().moment()),
  registers: (_call: Call, cpu: number) => open().look(() => registersView(open().timeline.machine, cpu)),
  system: (_call: Call, cpu: number) => open().look(() => systemRegisters(open().timeline.machine, cpu)),
  code: (_call: Call, cpu: number, center: string, before: number, after: number) =>
    open().look(() => codeView(open().timeline.machine, cpu, BigInt(center), before, after)),
  memory: (_call: Call, cpu: number, address: string, length: number, space: 'virtual' | 'physical') =>
    open().look(() => memoryView(open().timeline.machine, cpu, BigInt(address), length, space)),
  stack: (_call: Call, cpu: number) => open().look(() => stackView(open().timeline.machine, cpu)),
  walk: (_call: Call, cpu: number, address: string) =>
    open().look(() => walkPages(open().timeline.machine, cpu, BigInt(address))),
  gic: (_call: Call, cpu: number, all: boolean) =>
    open().look(() => gicView(open().timeline.machine, cpu, all)),
  device: (_call: Call, id: string) => open().look(() => deviceView(open().timeline.machine, id)),
  hash: () => open().look(() => open().timeline.machine.hash()),
  addBreakpoint: (_call: Call, text: string, symbols: readonly (readonly [string, string])[]) => {
    const table = new Map(symbols);
    return open().addBreakpoint(text, (name) => {
      const address = table.get(name);
      return address === undefined ? undefined : BigInt(address);
    });
  },
  removeBreakpoint: (_call: Call, id: number) => {
    open().timeline.removeBreakpoint(id);
    return open().breakpoints();
  },
  enableBreakpoint: (_call: Call, id: number, enabled: boolean) => {
    const breakpoint = open().timeline.breakpoints.get(id);
    if (breakpoint !== undefined) breakpoint.enabled = enabled;
    return open().breakpoints();
  },
  breakpoints: () => open().breakpoints(),
});
