/** `info pci` of the human monitor: the tree of query-pci as text. */
import type { Machine } from '../../engine/machine.ts';
import type { Json } from './json-stream.ts';
import { pciTree } from './pci-tree.ts';

type Row = { readonly [key: string]: Json };

const hex4 = (value: Json | undefined): string => Number(value).toString(16).padStart(4, '0');

export function pciText(machine: Machine): string {
  const out: string[] = [];
  for (const bus of pciTree(machine) as readonly Row[]) addDevices(out, bus.devices as readonly Row[]);
  return out.map((line) => `${line}\r\n`).join('');
}

function addDevices(out: string[], devices: readonly Row[]): void {
  for (const device of devices) {
    const { bus, slot, function: fn, qdev_id, irq, irq_pin } = device;
    const id = device.id as Row;
    const about = device.class_info as Row;
    out.push(`  Bus ${pad(bus, 2)}, device ${pad(slot, 3)}, function ${fn}:`);
    const name = about.desc ?? `Class ${String(about.class).padStart(4, '0')}`;
    out.push(`    ${name}: PCI device ${hex4(id.vendor)}:${hex4(id.device)}`);
    if (id.subsystem !== undefined)
      out.push(`      PCI subsystem ${hex4(id['subsystem-vendor'])}:${hex4(id.subsystem)}`);
    if (irq !== undefined) out.push(`      IRQ ${irq}, pin ${' ABCD'[Number(irq_pin)]}`);
    const bridge = device.pci_bridge as Row | undefined;
    if (bridge !== undefined) addBridge(out, bridge.bus as Row);
    for (const region of device.regions as readonly Row[]) out.push(`      ${regionText(region)}`);
    out.push(`      id "${qdev_id}"`);
    if (bridge?.devices !== undefined) addDevices(out, bridge.devices as readonly Row[]);
  }
}

function pad(value: Json | undefined, width: number): string {
  return String(value).padStart(width);
}

function addBridge(out: string[], bus: Row): void {
  const range = (key: string, width: number): string => {
    const { base, limit } = bus[key] as { base: number; limit: number };
    const show = (value: number): string => `0x${value.toString(16).padStart(width, '0')}`;
    return `[${show(base)}, ${show(limit)}]`;
  };
  out.push(`      BUS ${bus.number}.`);
  out.push(`      secondary bus ${bus.secondary}.`, `      subordinate bus ${bus.subordinate}.`);
  out.push(`      IO range ${range('io_range', 4)}`, `      memory range ${range('memory_range', 8)}`);
  out.push(`      prefetchable memory range ${range('prefetchable_range', 8)}`);
}

function regionText({ bar, type, size, address, prefetch, mem_type_64 }: Row): string {
  const bits = mem_type_64 === true ? 64 : 32;
  const kind = type === 'io' ? 'I/O' : `${bits} bit${prefetch === true ? ' prefetchable' : ''} memory`;
  const at = Number(address);
  const place = at < 0 ? 'not mapped' : `0x${at.toString(16)} to 0x${(at + Number(size) - 1).toString(16)}`;
  return `BAR${bar}: ${kind} at ${place}, ${size} bytes`;
}
