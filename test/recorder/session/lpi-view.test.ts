import { describe, expect, it } from 'vitest';
import { Gicv3 } from '../../../engine/devices/gic/gicv3.ts';
import { inspectLpis } from '../../../recorder/session/lpi-view.ts';
import { openTimeline, recordTrace, STORM } from './debug-support.ts';

/** Tables in guest memory, as a guest would have made them. */
const PROPERTIES = 0x4180_0000;
const PENDING = 0x4181_0000;

describe('LPIs', () => {
  const { machine } = openTimeline(recordTrace({ kernel: STORM, gic: 3, until: 1000 }));
  const gic = machine.board.gic as Gicv3;

  it('are none before the guest has turned them on', () => {
    expect(gic).toBeInstanceOf(Gicv3);
    expect(inspectLpis(machine, 0)).toEqual([]);
  });

  it('are read from the tables, each with why it is not taken', () => {
    gic.propertiesBase[0] = PROPERTIES | 15;
    gic.pendingBase[0] = PENDING;
    gic.redistributorControl[0] = 1;
    gic.distributorControl[0]! |= 2;
    // LPI 8193 enabled at priority 0xa0, 8200 pending only, 8202 both.
    machine.memory.write(PROPERTIES + 1, Uint8Array.of(0xa1));
    machine.memory.write(PROPERTIES + 10, Uint8Array.of(0x41));
    machine.memory.write(PENDING + 8192 / 8 + 1, Uint8Array.of(0b101));
    expect(
      inspectLpis(machine, 0).map(({ intid, priority, heldBack }) => [intid, priority, heldBack]),
    ).toEqual([
      [8193, 0xa0, 'not pending'],
      [8200, 0, 'not enabled'],
      [8202, 0x40, 'the tables were changed without INV'],
    ]);
    gic.setPendingLpi(0, { intid: 8202, priority: 0x40 });
    // The guest has not opened its CPU interface yet.
    expect(inspectLpis(machine, 0).at(-1)?.heldBack).toBe('group disabled in the CPU interface');
  });

  it('whose tables are no memory are none', () => {
    gic.pendingBase[0] = 0xf000_0000;
    expect(inspectLpis(machine, 0)).toEqual([]);
  });
});
