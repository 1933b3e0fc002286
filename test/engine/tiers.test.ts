import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { defaultVirtConfig } from '../../engine/boards/virt/config.ts';
import { type CompilerOptions, DEFAULT_COMPILER } from '../../engine/cpu/compiler.ts';
import { Machine } from '../../engine/machine.ts';

/**
 * DETERMINISM: how code is run can never be seen. The built-in guest brings up MMU, GIC, timer and tasks, and
 * ends in an interrupt storm, so it crosses everything that makes compiled code leave.
 */
const storm = readFileSync(new URL('../../guests/storm/storm.elf', import.meta.url));

function machine(
  tier: 'interpreted' | 'compiled' | CompilerOptions,
  gicVersion: 2 | 3,
): { m: Machine; text: () => string } {
  const base = defaultVirtConfig();
  let text = '';
  const m = new Machine({
    config: { ...base, cpu: { ...base.cpu, model: 'cortex-a57' }, gicVersion },
    images: { kernel: { name: 'storm.elf', bytes: storm } },
    baseSeconds: 1_700_000_000,
    inputs: { entropy: (_device, length) => new Uint8Array(length).fill(0x5a) },
    tier,
    sink: (event) => {
      if (event.kind === 'output') text += new TextDecoder().decode(event.bytes);
    },
  });
  return { m, text: () => text };
}

const TIERS = {
  'compiled from the first execution': 'compiled',
  'the default mix': DEFAULT_COMPILER,
  'a low threshold, with calls joined in': {
    ...DEFAULT_COMPILER,
    threshold: 20,
    patience: 5,
    batch: 3,
    limits: { nodes: 40, uops: 500, depth: 3 },
    warmth: 0,
  },
} as const;

describe.each([2, 3] as const)('GICv%i', (gicVersion) => {
  const positions = [100_000, 1_234_567, 5_000_001, 9_999_999, 30_000_000];
  const reference = machine('interpreted', gicVersion);
  const expected = positions.map((position) => {
    const stop = reference.m.run(position);
    return {
      stop: stop.reason,
      position: reference.m.position,
      time: reference.m.time,
      hash: reference.m.hash(),
    };
  });

  it.each(Object.entries(TIERS))('%s: same hashes at the same positions, same console', (_name, tier) => {
    const { m, text } = machine(tier, gicVersion);
    positions.forEach((position, i) => {
      const stop = m.run(position);
      expect({ stop: stop.reason, position: m.position, time: m.time, hash: m.hash() }).toEqual(expected[i]);
    });
    expect(text()).toBe(reference.text());
    expect(text()).toContain('WATCHDOG');
    expect(m.compiler!.stats.regions).toBeGreaterThan(0);
  });
});
