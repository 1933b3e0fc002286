import { describe, expect, it } from 'vitest';
import { hostInputs } from '../../../recorder/host/entropy.ts';

describe('hostInputs', () => {
  it('gives the same bytes for the same seed, whatever the lengths asked for', () => {
    const whole = hostInputs('utc', 7).entropy('a', 100);
    const parts = hostInputs('utc', 7);
    const joined = [...[1, 31, 33, 35].flatMap((length) => [...parts.entropy('b', length)])];
    expect(joined).toEqual([...whole]);
    expect([...hostInputs('utc', 8).entropy('a', 100)]).not.toEqual([...whole]);
  });

  it('gives other bytes each time without a seed', () => {
    const inputs = hostInputs('utc', undefined);
    expect(inputs.entropy('a', 16)).not.toEqual(inputs.entropy('a', 16));
  });

  it('gives the time of day that was asked for', () => {
    const now = new Date('2024-07-01T12:34:56.789Z');
    expect(hostInputs('utc', undefined, () => now).baseSeconds()).toBe(
      Date.UTC(2024, 6, 1, 12, 34, 56) / 1000,
    );
    expect(hostInputs(1234, undefined, () => now).baseSeconds()).toBe(1234);
    const local = hostInputs('localtime', undefined, () => now).baseSeconds();
    expect(new Date(local * 1000).toISOString().slice(11, 16)).toBe(
      `${String(now.getHours()).padStart(2, '0')}:${String(now.getMinutes()).padStart(2, '0')}`,
    );
  });
});
