import type { DeviceTimers, StateValue } from './device.ts';
import type { Ns } from './units.ts';

/** An armed timer. */
export interface PendingTimer {
  readonly deadline: Ns;
  /** Id of the device whose `timer(kind)` is to be called. */
  readonly device: string;
  readonly kind: string;
  /** Grows with every schedule: of two equal deadlines the one armed first comes first. */
  readonly seq: number;
}

/**
 * The armed timers of a machine: at most one per device and kind, in the order (deadline, seq).
 *
 * DETERMINISM: entries are data, and the order of equal deadlines is the order of arming, which is itself
 * an effect of the guest's instructions; so a saved queue goes on exactly as the original.
 */
export class EventQueue {
  /** Latest first, so that taking the next one is a pop. Sorted: a machine has tens of timers, not thousands. */
  readonly #pending: PendingTimer[] = [];
  readonly #byDevice = new Map<string, Map<string, PendingTimer>>();
  #seq = 0;

  get size(): number {
    return this.#pending.length;
  }

  /** Deadline of the next timer; Infinity if none is armed. */
  nextDeadline(): Ns {
    const { length } = this.#pending;
    return length === 0 ? Number.POSITIVE_INFINITY : this.#pending[length - 1]!.deadline;
  }

  /** Deadline of this timer, or undefined if it is not armed. */
  deadlineOf(device: string, kind: string): Ns | undefined {
    return this.#byDevice.get(device)?.get(kind)?.deadline;
  }

  /** Arms a timer, or moves it if it is armed. A deadline of Infinity is a cancel; a past one is due at once. */
  schedule(device: string, kind: string, deadline: Ns): void {
    if (Number.isNaN(deadline)) throw new Error(`timer ${kind} of ${device}: the deadline is not a number`);
    this.cancel(device, kind);
    if (deadline === Number.POSITIVE_INFINITY) return;
    this.#insert({ deadline, device, kind, seq: this.#seq++ });
  }

  cancel(device: string, kind: string): void {
    const kinds = this.#byDevice.get(device);
    const timer = kinds?.get(kind);
    if (timer === undefined) return;
    kinds!.delete(kind);
    this.#pending.splice(this.#indexOf(timer), 1);
  }

  /** A device is gone, and its timers with it. */
  cancelAll(device: string): void {
    for (const kind of [...(this.#byDevice.get(device)?.keys() ?? [])]) this.cancel(device, kind);
    this.#byDevice.delete(device);
  }

  /**
   * Takes the next timer that is due at `now`, or undefined. Call it again after the device has been told:
   * what it does may arm or cancel others.
   */
  popDue(now: Ns): PendingTimer | undefined {
    if (this.nextDeadline() > now) return undefined;
    const timer = this.#pending.pop()!;
    this.#byDevice.get(timer.device)!.delete(timer.kind);
    return timer;
  }

  /** The armed timers, the next one first. */
  pending(): PendingTimer[] {
    return this.#pending.slice().reverse();
  }

  save(): { [key: string]: StateValue } {
    return {
      seq: this.#seq,
      timers: this.pending().map(({ deadline, device, kind, seq }) => ({ deadline, device, kind, seq })),
    };
  }

  /** Takes over what `save` gave. Throws if it is anything else. */
  load(state: { [key: string]: StateValue }): void {
    const { seq, timers } = state;
    if (typeof seq !== 'number' || !Array.isArray(timers)) throw new Error('not the state of an event queue');
    this.#pending.length = 0;
    this.#byDevice.clear();
    for (const timer of timers as unknown as PendingTimer[]) {
      const { deadline, device, kind } = timer;
      if (typeof deadline !== 'number' || typeof device !== 'string' || typeof kind !== 'string') {
        throw new Error('not the state of an event queue');
      }
      this.cancel(device, kind);
      this.#insert({ deadline, device, kind, seq: timer.seq });
    }
    this.#seq = seq;
  }

  #insert(timer: PendingTimer): void {
    this.#pending.splice(this.#indexOf(timer), 0, timer);
    let kinds = this.#byDevice.get(timer.device);
    if (kinds === undefined) this.#byDevice.set(timer.device, (kinds = new Map()));
    kinds.set(timer.kind, timer);
  }

  /** Where the timer is, or belongs. */
  #indexOf(timer: PendingTimer): number {
    let low = 0;
    let high = this.#pending.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#pending[middle]!;
      const later =
        other.deadline > timer.deadline || (other.deadline === timer.deadline && other.seq > timer.seq);
      if (later) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The timers of one device, kept in the machine's queue. `now` gives exact virtual time. */
export function deviceTimers(queue: EventQueue, device: string, now: () => Ns): DeviceTimers {
  return {
    now,
    schedule: (kind, deadline) => queue.schedule(device, kind, deadline),
    cancel: (kind) => queue.cancel(device, kind),
  };
}
