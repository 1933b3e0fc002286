import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deviceTimers, EventQueue } from '../../../engine/base/event-queue.ts';

describe('EventQueue', () => {
  it('gives equal deadlines in the order of arming, and a re-armed timer its new place', () => {
    const queue = new EventQueue();
    queue.schedule('a', 'x', 10);
    queue.schedule('b', 'x', 10);
    queue.schedule('c', 'x', 10);
    queue.schedule('a', 'x', 10);
    expect([1, 2, 3].map(() => queue.popDue(10)!.device)).toStrictEqual(['b', 'c', 'a']);
    expect(queue.popDue(10)).toBeUndefined();
    expect(queue.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  it('takes a deadline of infinity as a cancel and refuses one that is not a number', () => {
    const queue = new EventQueue();
    const timers = deviceTimers(queue, 'a', () => 5);
    timers.schedule('x', 10);
    expect(queue.deadlineOf('a', 'x')).toBe(10);
    timers.schedule('x', Number.POSITIVE_INFINITY);
    expect(queue.size).toBe(0);
    expect(timers.now()).toBe(5);
    expect(() => timers.schedule('x', Number.NaN)).toThrow('not a number');
  });

  it('refuses a state that is none', () => {
    expect(() => new EventQueue().load({ seq: 1, timers: [{ deadline: 'soon' }] })).toThrow('event queue');
    expect(() => new EventQueue().load({})).toThrow('event queue');
  });

  it('does what a list sorted at every step does, also across save and load', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const step = fc.oneof(
      fc.record({ do: fc.constant('schedule' as const), device: name, kind: name, deadline: fc.nat(30) }),
      fc.record({ do: fc.constant('cancel' as const), device: name, kind: name }),
      fc.record({ do: fc.constant('pop' as const), now: fc.nat(30) }),
      fc.record({ do: fc.constant('reload' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
        let queue = new EventQueue();
        let model: { deadline: number; device: string; kind: string; seq: number }[] = [];
        let seq = 0;
        for (const next of steps) {
          if (next.do === 'reload') {
            const state = structuredClone(queue.save());
            queue = new EventQueue();
            queue.schedule('other', 'x', 1);
            queue.load(state);
          } else if (next.do === 'pop') {
            const due = model[0] !== undefined && model[0].deadline <= next.now ? model.shift() : undefined;
            expect(queue.popDue(next.now)).toStrictEqual(due);
          } else {
            const { device, kind } = next;
            model = model.filter((timer) => timer.device !== device || timer.kind !== kind);
            if (next.do === 'schedule') {
              model.push({ deadline: next.deadline, device, kind, seq: seq++ });
              model.sort((a, b) => a.deadline - b.deadline || a.seq - b.seq);
              queue.schedule(device, kind, next.deadline);
            } else queue.cancel(device, kind);
          }
          expect(queue.pending()).toStrictEqual(model);
          expect(queue.nextDeadline()).toBe(model[0]?.deadline ?? Number.POSITIVE_INFINITY);
        }
      }),
    );
  });
});
