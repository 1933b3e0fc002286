import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { defaultVirtConfig } from '../../../engine/boards/virt/config.ts';
import { Machine } from '../../../engine/machine.ts';
import { parseBreakpoint } from '../../../recorder/session/breakpoint-text.ts';
import { translateVirtual } from '../../../recorder/session/guest-view.ts';
import {
  codeView,
  deviceView,
  gicView,
  memoryView,
  registersView,
  stackView,
  systemRegisters,
} from '../../../recorder/session/machine-views.ts';
import { walkPages } from '../../../recorder/session/page-walk.ts';

function storm(position: number): Machine {
  const base = defaultVirtConfig();
  const machine = new Machine({
    config: {
      ...base,
      cpu: { ...base.cpu, model: 'cortex-a57' },
      gicVersion: 3,
      ram: { size: 128 << 20, maxSize: 128 << 20, slots: 0 },
    },
    images: { kernel: { name: 'storm.elf', bytes: readFileSync('guests/storm/storm.elf') } },
    baseSeconds: 1_700_000_000,
    inputs: { entropy: (_device, length) => new Uint8Array(length) },
  });
  machine.run(position);
  return machine;
}

const machine = storm(2_000_000);

describe('looking at a machine', () => {
  it('changes nothing', () => {
    const before = machine.hash();
    registersView(machine, 0);
    systemRegisters(machine, 0);
    codeView(machine, 0, machine.cluster.states[0]!.pc, 20, 20);
    memoryView(machine, 0, 0x4010_0000n, 256, 'virtual');
    memoryView(machine, 0, 0n, 256, 'physical');
    stackView(machine, 0);
    gicView(machine, 0, true);
    for (const id of machine.devices.keys()) deviceView(machine, id);
    for (let i = 0; i < 64; i++) walkPages(machine, 0, BigInt(i) << 21n);
    expect(machine.hash()).toEqual(before);
  });

  it('shows device registers as the guest would read them', () => {
    const value = (id: string, name: string) =>
      deviceView(machine, id).rows.find((row) => row.name === name)?.value;
    // Written by storm's console.c: 115200 baud at 24 MHz, 8 bits, FIFOs.
    expect(value('uart0', 'UARTIBRD')).toBe('0xd');
    expect(value('uart0', 'UARTPeriphID0')).toBe('0x11');
    expect(value('gicd', 'GICD_ISENABLER1')).toBe('0x6');
  });

  it('shows every device, or says why not', () => {
    for (const id of machine.devices.keys()) {
      const { rows, problem } = deviceView(machine, id);
      expect(rows.length > 0 || problem !== undefined).toBe(true);
    }
    expect(deviceView(machine, 'nothing').problem).toContain('nothing');
  });

  it('walks page tables to the address that the CPU uses', () => {
    const addresses = [
      machine.cluster.states[0]!.pc,
      machine.cluster.states[0]!.sp,
      0x4000_0000n,
      0x0900_0000n,
      0x0800_0000n,
      0x4010_5123n,
      0x7fff_f000n,
      0n,
      0x40_0000_0000n,
      0xffff_0000_0000_0000n,
      0x8000_0000_0000n,
    ];
    for (let i = 0; i < 300; i++) addresses.push(BigInt(Math.imul(i, 0x9e3779b1) >>> 0));
    for (const address of addresses) {
      const expected = translateVirtual(machine, 0, address);
      const { physical } = walkPages(machine, 0, address);
      expect(physical === undefined ? undefined : Number(physical)).toBe(expected);
    }
  });

  it('says why an address leads nowhere', () => {
    expect(walkPages(machine, 0, 0xffff_0000_0000_0000n).result).toMatch(/Translation fault/);
    expect(storm(10)).toSatisfy((early: Machine) =>
      walkPages(early, 0, 0x1234n).result.includes('MMU is off'),
    );
  });
});

describe('a breakpoint', () => {
  const symbols = (name: string) => (name === 'gic_enable' ? 0x4010_2ff0n : undefined);

  it.each([
    ['0x40101804', { kind: 'address', address: 0x4010_1804n }],
    ['gic_enable', { kind: 'address', address: 0x4010_2ff0n }],
    [
      'write 0x40112000',
      { kind: 'watch', access: 'write', address: 0x4011_2000n, length: 8, space: 'virtual' },
    ],
    ['change phys 0x40112000 16', { kind: 'watch', access: 'change', length: 16, space: 'physical' }],
    ['irq 34 acknowledge', { kind: 'interrupt', intid: 34, what: 'acknowledge' }],
    ['exception sync', { kind: 'exception', what: 'sync' }],
    ['reg gicd.GICD_CTLR write', { kind: 'access', device: 'gicd', register: 'GICD_CTLR', write: true }],
    ['console no progress', { kind: 'console', text: 'no progress' }],
  ])('%s is understood', (text, condition) => {
    expect(parseBreakpoint(text, symbols)).toMatchObject(condition);
  });

  it.each([
    '',
    'nowhere',
    'write',
    'write 0x10 0',
    'irq x',
    'exception often',
    'console',
    'reg a.b sideways',
  ])('%j is refused with words', (text) => {
    expect(() => parseBreakpoint(text, symbols)).toThrow(RangeError);
  });
});
