/** What packets tell the machine to do, and what gdb is told when it has stopped. */
import type { Debuggee, DebuggeeStop } from '../session/debuggee.ts';
import type { Operation } from '../session/operation.ts';
import { describeStop } from '../session/timeline-stop.ts';
import { type Threads, threadId } from './packet-text.ts';

/** What one CPU is to do, when it is not the whole machine that goes on. */
export interface Step {
  readonly cpu: number;
  /** gdb said nothing of the others: it would not understand if one of them stopped. */
  readonly alone: boolean;
  /** Goes on while PC is in there. */
  readonly range?: { readonly start: bigint; readonly end: bigint };
}

export type Resume =
  | { readonly direction: 'forward'; readonly step?: Step }
  | { readonly direction: 'backward'; readonly step?: Step };

/** Signals as gdb numbers them. */
export const SIGINT = 2;
export const SIGTRAP = 5;

/** What follows `vCont;`. Undefined: it makes no sense. */
export function parseActions(text: string, threads: Threads): Resume | undefined {
  // Only one CPU can be told to step; all others go on as they are recorded.
  const actions = text.split(';');
  const alone = actions.length === 1 && actions[0]!.includes(':');
  for (const action of actions) {
    const [verb = '', thread] = action.split(':');
    const cpu = (thread === undefined ? undefined : threads.parse(thread)) ?? threads.resume;
    if (/^(s|S[0-9a-fA-F]{2})$/.test(verb)) return { direction: 'forward', step: { cpu, alone } };
    const range = /^r([0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,16})$/.exec(verb);
    if (range !== null) {
      const [start, end] = [BigInt(`0x${range[1]}`), BigInt(`0x${range[2]}`)];
      return { direction: 'forward', step: { cpu, alone, range: { start, end } } };
    }
    if (!/^(c|C[0-9a-fA-F]{2})$/.test(verb)) return undefined;
  }
  return { direction: 'forward' };
}

/**
 * Moves the machine. A watched access stops it before the access, where gdb takes its watches out and steps once
 * more; a client that leaves them in (`seen`: it has been told here) is not told again.
 * @returns why it stopped, and the CPU that gdb is to look at */
export function* resume(
  debuggee: Debuggee,
  { direction, step }: Resume,
  seen: boolean,
): Operation<{ stop: DebuggeeStop; cpu: number; isWatch: boolean }> {
  const stop = yield* move(debuggee, direction, step, seen);
  const isWatch = watchOf(stop) !== undefined;
  const cpu = step !== undefined && stop.reason !== 'breakpoint' ? step.cpu : debuggee.machine.currentCpu;
  // A watched access is shown by gdb after one step in its direction, which is a step too far backwards.
  if (direction === 'backward' && isWatch)
    yield* debuggee.stepForward(debuggee.machine.currentCpu, true, false);
  return { stop, cpu, isWatch: isWatch && direction === 'forward' };
}

function* move(
  debuggee: Debuggee,
  direction: Resume['direction'],
  step: Step | undefined,
  seen: boolean,
): Operation<DebuggeeStop> {
  if (step === undefined)
    return yield* direction === 'forward' ? debuggee.continueForward() : debuggee.continueBackward();
  const { cpu, alone, range } = step;
  if (direction === 'backward') return yield* debuggee.stepBackward(cpu);
  const start = debuggee.position;
  const hasWatch = [...debuggee.breakpoints.values()].some(({ condition }) => condition.kind === 'watch');
  for (;;) {
    const isSeen = seen && debuggee.position === start;
    const stop = yield* debuggee.stepForward(cpu, alone, hasWatch && !isSeen);
    if (range === undefined || stop.reason !== 'there') return stop;
    const { pc } = debuggee.machine.cluster.states[cpu]!;
    if (pc < range.start || pc >= range.end || hasBreakpointAt(debuggee, pc)) return stop;
    if ((yield { what: 'stepping', position: debuggee.position }) === true) return { reason: 'interrupted' };
  }
}

function hasBreakpointAt(debuggee: Debuggee, pc: bigint): boolean {
  for (const { condition } of debuggee.breakpoints.values()) {
    if (condition.kind === 'address' && condition.address === pc) return true;
  }
  return false;
}

/** A stop reply in QEMU's form, which some clients compare letter by letter. */
export function stopReply(signal: number, cpu: number, rest = ''): string {
  return `T${signal.toString(16).padStart(2, '0')}thread:${threadId(cpu)};${rest}`;
}

/** The stop reply, and what gdb's user is told beside it. */
export function describe(stop: DebuggeeStop, cpu: number): { reply: string; text?: string } {
  switch (stop.reason) {
    case 'there':
      return { reply: stopReply(SIGTRAP, cpu) };
    case 'breakpoint': {
      const watch = watchOf(stop);
      if (watch !== undefined)
        return { reply: stopReply(SIGTRAP, cpu, `${watch.name}:${watch.address.toString(16)};`) };
      const isPlain = stop.hits.every(({ condition }) => condition.kind === 'address');
      return { reply: stopReply(SIGTRAP, cpu), ...(isPlain ? {} : { text: describeStop(stop) }) };
    }
    case 'begin':
      return { reply: stopReply(SIGTRAP, cpu, 'replaylog:begin;') };
    case 'end':
      return { reply: stopReply(SIGTRAP, cpu, 'replaylog:end;'), text: stop.why };
    case 'branch-begin':
      return {
        reply: stopReply(SIGTRAP, cpu, 'replaylog:begin;'),
        text: 'the side branch begins here; "monitor leave" goes back to the recording',
      };
    case 'interrupted':
      return { reply: stopReply(SIGINT, cpu) };
    case 'diverged':
      return { reply: stopReply(SIGTRAP, cpu, 'replaylog:end;'), text: describeStop(stop) };
    case 'exited':
      return { reply: `W${stop.code.toString(16).padStart(2, '0')}` };
  }
}

function watchOf(stop: DebuggeeStop): { name: 'watch' | 'rwatch' | 'awatch'; address: bigint } | undefined {
  if (stop.reason !== 'breakpoint') return undefined;
  for (const { condition } of stop.hits) {
    if (condition.kind !== 'watch') continue;
    const { access, address } = condition;
    return { name: access === 'read' ? 'rwatch' : access === 'access' ? 'awatch' : 'watch', address };
  }
  return undefined;
}
