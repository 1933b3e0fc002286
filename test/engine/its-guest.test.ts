import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { MachineEvent } from '../../engine/base/events.ts';
import { defaultVirtConfig, type PciDeviceConfig, type VirtConfig } from '../../engine/boards/virt/config.ts';
import { describeEvent } from '../../recorder/session/describe.ts';
import { makeGuest, runToEnd } from '../support/machines.ts';
import { project, qemu } from '../support/qemu.ts';

/*
 * guests/its on the whole machine: it drives ITS, LPIs and the messages of PCI devices register by register, and
 * holds every step against the specification. The same binary runs on QEMU.
 */
const ELF = `${project}guests/its/its.elf`;
const MASK = '0xffffffffffffffff';
const CPUS = 3;

const DEVICES: readonly PciDeviceConfig[] = [
  { devfn: 3 << 3, type: 'edu', id: 'edu', properties: { dma_mask: MASK } },
  { devfn: 4 << 3, type: 'pcie-root-port', id: 'a', properties: {} },
  { devfn: 5 << 3, type: 'pcie-root-port', id: 'b', properties: {} },
  { devfn: 0, type: 'virtio-rng-pci', id: 'rng', properties: { bus: 'a' } },
  { devfn: 0, type: 'edu', id: 'edu-behind', properties: { bus: 'b', dma_mask: MASK } },
];

/** A line of the guest, and what the ITS and the LPI tables reported since the line before. */
interface Step {
  readonly line: string;
  readonly errors: readonly string[];
  /** The way of the messages: DMA of PCI functions, notes, and states of LPIs. */
  readonly messages: readonly string[];
}

function ours(): readonly Step[] {
  const base = defaultVirtConfig();
  const config: VirtConfig = {
    ...base,
    cpu: { ...base.cpu, model: 'cortex-a57' },
    smp: { ...base.smp, cpus: CPUS, maxCpus: CPUS, cores: CPUS },
    gicVersion: 3,
    pciDevices: DEVICES,
  };
  const steps: Step[] = [];
  let line = '';
  let errors: string[] = [];
  let messages: string[] = [];
  const isOfMessage = (event: MachineEvent): boolean =>
    (event.kind === 'dma' && event.requester !== undefined) ||
    (event.kind === 'note' && ['msi', 'lpi'].includes(event.what)) ||
    (event.kind === 'interrupt' && event.intid >= 8192);
  const onEvent = (event: MachineEvent): void => {
    if (event.kind === 'guest-error' && ['its', 'gicr0'].includes(event.device)) errors.push(event.message);
    if (isOfMessage(event)) messages.push(describeEvent(event, () => undefined));
    if (event.kind !== 'output') return;
    for (const char of new TextDecoder().decode(event.bytes)) {
      if (char !== '\n') line += char === '\r' ? '' : char;
      else {
        steps.push({ line, errors, messages });
        line = '';
        errors = [];
        messages = [];
      }
    }
  };
  const images = { kernel: { name: 'its.elf', bytes: readFileSync(ELF) } };
  const observe = { accesses: false, exceptions: false, dma: true };
  const guest = makeGuest({ guest: 'smp', cpus: CPUS, with: { config, images, observe }, onEvent });
  expect(runToEnd(guest).reason).toBe('power-off');
  return steps;
}

describe('the ITS guest', () => {
  let steps: readonly Step[];
  beforeAll(() => {
    steps = ours();
  }, 60_000);

  it('finds everything as the specification has it', () => {
    expect(steps.filter(({ line }) => line.endsWith(' BAD'))).toEqual([]);
    expect(steps.at(-1)!.line).toMatch(/^checks made=[0-9a-f]{3} bad=0$/);
  });

  it('causes each error it announces, by its architected name, and no other', () => {
    const wrong = steps.filter(({ line, errors }) => {
      const [, what, name] = /^(?:\* )?(?:(error|stall|any number of errors)\b)?,? ?([^,:]*)/.exec(line)!;
      if (what === undefined) return errors.length > 0;
      if (what === 'any number of errors') return false;
      return errors.length !== 1 || !errors[0]!.startsWith(what === 'stall' ? `stalled: ${name}` : name!);
    });
    expect(wrong).toEqual([]);
  });

  it('shows the way of each message from the requester to the CPU that takes it', () => {
    const way = (line: string) => steps.find((step) => step.line.startsWith(line))!.messages;
    expect(way('MSI of 02:00.0')).toEqual([
      'edu-behind msi from 02:00.0, vector 0: 0x1 to 0x8090040',
      'edu-behind DMA write 0x8090040, 4 bytes by 02:00.0',
      'its lpi: DeviceID 0x200 (02:00.0), EventID 1 is INTID 8209 for CPU 2',
      'INTID 8209 pending CPU 2',
      'INTID 8209 acknowledge CPU 2',
      'INTID 8209 not-pending CPU 2',
    ]);
    expect(way('unmasked, to another EventID')).toEqual([
      'rng msi from 01:00.0, vector 1: 0x2 to 0x8090040',
      'rng DMA write 0x8090040, 4 bytes by 01:00.0',
      'its lpi: DeviceID 0x100 (01:00.0), EventID 2 is INTID 8202 for CPU 1',
      'INTID 8202 pending CPU 1',
      'INTID 8202 acknowledge CPU 1',
      'INTID 8202 not-pending CPU 1',
    ]);
  });

  it.skipIf(qemu === undefined)(
    'prints what it prints on QEMU, but for the lines that are marked',
    () => {
      const { stdout } = spawnSync(
        qemu!,
        [
          ...['-M', 'virt,gic-version=3,its=on', '-cpu', 'cortex-a57', '-smp', String(CPUS), '-m', '128'],
          ...['-nographic', '-net', 'none', '-icount', 'shift=0,sleep=off', '-kernel', ELF],
          ...['-device', `edu,addr=3,dma_mask=${MASK}`],
          ...['-device', 'pcie-root-port,id=a,addr=4,chassis=1', '-device', 'virtio-rng-pci,bus=a'],
          ...['-device', 'pcie-root-port,id=b,addr=5,chassis=2', '-device', `edu,bus=b,dma_mask=${MASK}`],
        ],
        { encoding: 'utf8', timeout: 120_000 },
      );
      const comparable = (lines: readonly string[]) =>
        lines.filter((line) => line !== '' && !line.startsWith('* ') && !line.startsWith('checks'));
      const theirs = comparable(stdout.replaceAll('\r', '').split('\n'));
      expect(theirs.length).toBeGreaterThan(400);
      expect(comparable(steps.map(({ line }) => line))).toStrictEqual(theirs);
    },
    120_000,
  );
});
