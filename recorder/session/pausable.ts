/**
 * A live session that can be held by hand, between the host's loop and the session. Nothing of it reaches the
 * machine: while it is held no instruction is executed and no virtual time passes.
 */
import type { Ns, Position } from '../../engine/base/units.ts';
import type { LiveSession, LiveStop } from './live.ts';

export class PausableSession implements LiveSession {
  readonly #inner: LiveSession;
  #isPaused: boolean;
  #tellLoop: () => void = () => {};

  constructor(inner: LiveSession, isPaused: boolean) {
    this.#inner = inner;
    this.#isPaused = isPaused;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  set isPaused(paused: boolean) {
    if (paused === this.#isPaused) return;
    this.#isPaused = paused;
    this.#tellLoop();
  }

  set onChange(tell: () => void) {
    this.#tellLoop = tell;
    this.#inner.onChange = tell;
  }

  get isHeld(): boolean {
    return this.#isPaused || this.#inner.isHeld === true;
  }

  get isDeaf(): boolean {
    return this.#inner.isDeaf === true;
  }

  get position(): Position {
    return this.#inner.position;
  }

  get time(): Ns {
    return this.#inner.time;
  }

  run(until: Position, pause: boolean): LiveStop {
    return this.#isPaused ? { reason: 'stopped' } : this.#inner.run(until, pause);
  }

  passToDeadline(): void {
    this.#inner.passToDeadline();
  }

  receive(device: string, what: string, data: Uint8Array, at?: Ns): void {
    this.#inner.receive(device, what, data, at);
  }

  receiveCapacity(device: string): number {
    return this.#inner.receiveCapacity(device);
  }

  interrupt(): void {
    this.#inner.interrupt();
  }
}
