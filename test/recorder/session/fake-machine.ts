import type { MachineEvent } from '../../../engine/base/events.ts';
import { defaultVirtConfig } from '../../../engine/boards/virt/config.ts';
import type { MachineApi, MachineFactory, StopReason } from '../../../recorder/session/machine-api.ts';
import type { EngineChoices, SessionSpec } from '../../../recorder/session/setup.ts';

/**
 * A small machine with everything that makes recording hard: it reads its clock, asks for random bytes,
 * sleeps until timers or inputs, fires timers that do not wake it, resets itself, and mixes all of it into its
 * state together with the exact position and time. Any difference in when something happens shows.
 */
export class FakeMachine implements MachineApi {
  position = 0;
  pauseWhenIdle = false;
  readonly #choices: EngineChoices;
  #jumped = 0;
  #state = 0x9e3779b9;
  #asleep = false;
  /** Deadlines of a timer that wakes and of one that does not. */
  #wake = Number.POSITIVE_INFINITY;
  #tick = Number.POSITIVE_INFINITY;
  #fifo: number[] = [];
  #stop: StopReason | undefined;
  #resets = 0;
  readonly #end: number;

  constructor(spec: SessionSpec, choices: EngineChoices) {
    this.#choices = choices;
    const { kernel } = { kernel: spec.images.get('kernel')!.source };
    this.#end = Number(spec.commandLine ?? '5000');
    this.#mix(choices.baseSeconds);
    for (const byte of kernel.read(0, kernel.size)) this.#mix(byte);
    for (const byte of choices.inputs.entropy('device-tree', 8)) this.#mix(byte);
  }

  get time(): number {
    return this.position + this.#jumped;
  }

  #mix(value: number): void {
    this.#state = (Math.imul(this.#state ^ (value % 0x7fff_ffff), 0x01000193) + 0x6d2b79f5) >>> 0;
  }

  #emit(event: { kind: MachineEvent['kind']; [key: string]: unknown }, cpu = 0): void {
    this.#choices.sink({
      position: this.position,
      time: this.time,
      cpu,
      ...event,
    } as unknown as MachineEvent);
  }

  run(until: number): StopReason {
    for (;;) {
      if (this.#stop !== undefined) {
        const stop = this.#stop;
        if (stop.reason === 'stopped') this.#stop = undefined;
        return stop;
      }
      if (this.#tick <= this.time) {
        this.#tick = Number.POSITIVE_INFINITY;
        this.#mix(this.time);
        this.#emit({ kind: 'note', device: 'timer', what: 'tick', fields: { state: this.#state } }, -1);
        continue;
      }
      if (this.#wake <= this.time) {
        this.#wake = Number.POSITIVE_INFINITY;
        this.#asleep = false;
        this.#emit({ kind: 'interrupt', what: 'pending', intid: 27, target: 0 }, -1);
        continue;
      }
      if (this.#asleep) {
        const deadline = Math.min(this.#wake, this.#tick);
        if (deadline === Number.POSITIVE_INFINITY) return { reason: 'idle' };
        if (this.pauseWhenIdle) return { reason: 'waiting', deadline };
        this.#jumped += deadline - this.time;
        continue;
      }
      if (this.position >= until) return { reason: 'limit' };
      this.#instruction();
    }
  }

  #instruction(): void {
    this.#mix(this.time);
    const kind = this.#state % 64;
    const access = (device: string, offset: number, write: boolean, value: number): void => {
      if (!this.#choices.observe.accesses) return;
      this.#emit({
        kind: 'access',
        device,
        offset,
        size: 4,
        write,
        value: BigInt(value),
        pc: BigInt(this.#state),
      });
    };
    if (this.position >= this.#end) {
      this.#stop = { reason: 'power-off' };
      this.#emit({ kind: 'power', what: 'system-off', target: -1 });
    } else if (kind === 0) {
      for (const byte of this.#choices.inputs.entropy('virtio-rng0', 1 + (this.#state % 7))) this.#mix(byte);
    } else if (kind === 1) {
      this.#asleep = true;
      if (this.#state % 16 !== 0) this.#wake = this.time + (this.#state % 2000);
    } else if (kind === 2) this.#tick = this.time + (this.#state % 500);
    else if (kind === 3) {
      this.#emit({ kind: 'output', device: 'uart0', bytes: Uint8Array.of(0x41 + (this.#state % 26)) });
    } else if (kind < 8) {
      const byte = this.#fifo.shift() ?? 0;
      access('uart0', 0, false, byte);
      this.#mix(byte);
    } else if (kind < 12) access('uart0', 0x38, true, this.#state % 0x800);
    else if (kind === 12 && this.#state % 1024 === 12) this.#stop = { reason: 'reset' };
    this.position++;
  }

  passTime(target: number): void {
    const deadline = Math.min(this.#wake, this.#tick);
    const reached = Math.min(target, deadline);
    if (reached > this.time && reached !== Number.POSITIVE_INFINITY) this.#jumped += reached - this.time;
  }

  receive(device: string, what: string, data: Uint8Array): void {
    if (device !== 'uart0') throw new Error(`device '${device}' takes no input`);
    this.#emit({ kind: 'input', device, what, data: data.slice() }, -1);
    this.#mix(this.time);
    this.#fifo.push(...data);
    // As an interrupt would.
    if (this.#state % 4 !== 0) this.#asleep = false;
    if (this.#state % 8 === 1) this.#tick = this.time;
  }

  receiveCapacity(): number {
    return Math.max(0, 16 - this.#fifo.length);
  }

  reset(): void {
    this.#stop = undefined;
    this.#asleep = false;
    this.#resets++;
    for (const byte of this.#choices.inputs.entropy('device-tree', 4)) this.#mix(byte);
  }

  requestStop(): void {
    this.#stop ??= { reason: 'stopped' };
  }

  registerMaps() {
    return {};
  }

  hash() {
    const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
    return {
      cpus: [hex(this.#state)],
      memory: hex(this.#state ^ this.#resets),
      devices: { uart0: hex(this.#fifo.reduce((sum, byte) => Math.imul(sum, 31) + byte, this.#fifo.length)) },
      machine: hex(this.time + (this.#asleep ? 0x8000_0000 : 0)),
    };
  }
}

export const FAKE: MachineFactory = (spec, choices) => new FakeMachine(spec, choices);

/** A spec for it: `end` is the position at which it powers off. */
export function fakeSpec(end: number): SessionSpec {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => (i * 7) & 0xff);
  const defaults = defaultVirtConfig();
  return {
    config: { ...defaults, cpu: { ...defaults.cpu, model: 'cortex-a57' } },
    images: new Map([
      [
        'kernel',
        { name: 'kernel.bin', source: { size: 100, read: (at, length) => bytes.subarray(at, at + length) } },
      ],
    ]),
    commandLine: String(end),
    readOnlyDrives: [],
    reboot: true,
  };
}

/** Reproducible answers to questions. */
export function fakeInputs(seed: number) {
  let state = seed >>> 0;
  return {
    baseSeconds: () => 1_700_000_000 + seed,
    entropy: (_device: string, length: number) =>
      Uint8Array.from({ length }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state >>> 24;
      }),
  };
}
