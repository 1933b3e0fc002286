import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { MachineEvent } from '../../engine/base/events.ts';
import { defaultVirtConfig, type VirtConfig } from '../../engine/boards/virt/config.ts';
import { RAM_BASE } from '../../engine/boards/virt/memory-map.ts';
import { Machine, type MachineSpec, type StopReason } from '../../engine/machine.ts';

/** Machines with the guests of this project, and a console to read and type on. */

const project = fileURLToPath(new URL('../../', import.meta.url));
const LINUX = `${project}.guests/linux-arm64/`;

export const LINUX_IMAGE = `${LINUX}Image`;
export const LINUX_INITRD = `${LINUX}initrd.cpio.gz`;
/** The same with Debian's own programs; may be missing where the other is there. */
export const LINUX_PROGRAMS = `${LINUX}programs.cpio.gz`;
/** `npm run guests` has been run. */
export const hasLinux = existsSync(LINUX_IMAGE) && existsSync(LINUX_INITRD);

export type GuestName = 'storm' | 'smp' | 'churn' | 'linux';

export interface TestMachine {
  readonly guest: GuestName;
  /** Default 1. */
  readonly cpus?: number;
  /** Default 3. */
  readonly gic?: 2 | 3;
  /** Default cortex-a57. */
  readonly cpu?: string;
  /** `-append` */
  readonly append?: string;
  /** Anything else of the engine's choices. */
  readonly with?: Partial<MachineSpec>;
  readonly onEvent?: (event: MachineEvent) => void;
}

export interface Guest {
  readonly machine: Machine;
  /** What the guest has printed, without carriage returns. */
  readonly console: () => string;
  /** What the guest did that nothing defines, one line each. */
  readonly errors: readonly string[];
}

const MiB = 2 ** 20;
/** Memory is copied in pieces of this size. */
const PIECE = 64 * 1024;

const files = new Map<string, Uint8Array>();
function file(path: string): Uint8Array {
  let bytes = files.get(path);
  if (bytes === undefined) files.set(path, (bytes = readFileSync(path)));
  return bytes;
}

function images(guest: GuestName, append: string | undefined): MachineSpec['images'] {
  const commandLine = append === undefined ? {} : { commandLine: append };
  if (guest !== 'linux') {
    return { kernel: { name: guest, bytes: file(`${project}guests/${guest}/${guest}.elf`) }, ...commandLine };
  }
  return {
    kernel: { name: 'Image', bytes: file(LINUX_IMAGE) },
    initrd: { name: 'initrd', bytes: file(LINUX_INITRD) },
    ...commandLine,
  };
}

function configOf({ guest, cpus = 1, gic = 3, cpu = 'cortex-a57' }: TestMachine): VirtConfig {
  const base = defaultVirtConfig();
  const size = (guest === 'linux' ? 512 : 128) * MiB;
  return {
    ...base,
    cpu: { ...base.cpu, model: cpu },
    smp: { ...base.smp, cpus, maxCpus: cpus, cores: cpus },
    gicVersion: gic,
    ram: { size, maxSize: size, slots: 0 },
  };
}

/** Random bytes that are the same for every machine: a small generator for each device. */
export function testEntropy(): (device: string, length: number) => Uint8Array {
  const states = new Map<string, number>();
  return (device, length) => {
    let state = states.get(device) ?? device.length * 7919 + 1;
    const bytes = Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    });
    states.set(device, state);
    return bytes;
  };
}

export function makeGuest(test: TestMachine): Guest {
  let text = '';
  const errors: string[] = [];
  const decoder = new TextDecoder('latin1');
  const machine = new Machine({
    config: configOf(test),
    images: images(test.guest, test.append),
    baseSeconds: 1_700_000_000,
    inputs: { entropy: testEntropy() },
    observe: { accesses: false, exceptions: false, dma: false },
    ...test.with,
    sink: (event) => {
      if (event.kind === 'output') text += decoder.decode(event.bytes).replaceAll('\r', '');
      else if (event.kind === 'guest-error')
        errors.push(`${event.position} ${event.device}: ${event.message}`);
      test.onEvent?.(event);
    },
  });
  return { machine, console: () => text, errors };
}

/** Runs to the end (power-off, reset, idle, an error) or to a position, whichever comes first. */
export function runToEnd({ machine }: Guest, until = 2e10): StopReason {
  return machine.run(until);
}

/**
 * A second machine of the same kind that is given the state of the first, memory included: the slow way that needs
 * nothing but reads and writes of guest memory. Flash is taken to be as it was at the start.
 */
export function copyOf(original: Guest, test: TestMachine): Guest {
  const copy = makeGuest(test);
  const { ram } = original.machine.config;
  const here = new Uint8Array(PIECE);
  const there = new Uint8Array(PIECE);
  for (let at = RAM_BASE; at < RAM_BASE + ram.size; at += PIECE) {
    original.machine.memory.read(at, here);
    copy.machine.memory.read(at, there);
    if (Buffer.compare(here, there) !== 0) copy.machine.memory.write(at, here);
  }
  copy.machine.load(original.machine.save());
  return copy;
}

/** Runs a guest that resets its machine until it does something else. */
export function runThroughResets(guest: Guest, until = 2e10): StopReason {
  for (;;) {
    const stop = runToEnd(guest, until);
    if (stop.reason !== 'reset') return stop;
    guest.machine.reset();
  }
}

/**
 * Runs until the console shows a text after what it showed before, looking every `step` instructions.
 * @throws if it does not come within `limit` instructions
 */
export function runUntilText(guest: Guest, text: string, from = 0, limit = 2e9, step = 100_000): void {
  const { machine } = guest;
  const end = machine.position + limit;
  while (!guest.console().includes(text, from)) {
    const stop = machine.run(Math.min(end, machine.position + step));
    if (stop.reason !== 'limit' || machine.position >= end) {
      if (guest.console().includes(text, from)) return;
      const seen = guest.console().slice(-500);
      throw new Error(
        `'${text}' did not come: ${stop.reason} at ${machine.position}, the console ends with ${seen}`,
      );
    }
  }
}

/** Types on the console no faster than the guest reads. */
export function type(guest: Guest, text: string, step = 20_000): void {
  const { machine } = guest;
  for (const byte of new TextEncoder().encode(text)) {
    while (machine.receiveCapacity('uart0') < 1) machine.run(machine.position + step);
    machine.receive('uart0', 'bytes', Uint8Array.of(byte));
    machine.run(machine.position + step);
  }
}

/** Types a command on a Linux shell and gives back what it printed. */
export function shell(guest: Guest, command: string, limit = 2e9): string {
  const { position } = guest.machine;
  const [begin, end] = [`begin-${position}\n`, `end-${position}\n`];
  const from = guest.console().length;
  // The quotes keep the echo of the command, which the shell wraps and redraws, from looking like its output.
  type(guest, `echo 'be''gin-${position}'; ${command}; echo 'e''nd-${position}'\n`);
  runUntilText(guest, end, from, limit);
  const printed = guest.console().slice(from);
  return printed.slice(printed.indexOf(begin) + begin.length, printed.indexOf(end));
}
