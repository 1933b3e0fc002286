import { bit, bits, type RegisterField } from '../../base/register-map.ts';
import { CONFIG, type ConfigSpace } from './config-space.ts';

/** Who a function says it is. */
export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** Class, subclass and programming interface, 24 bits. */
  readonly classCode: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
  /** 1–4: INTA–INTD; 0: no interrupt pin. */
  readonly pin: number;
}

/** Bits the guest can write (QEMU 7.2): I/O, memory, master, SERR#, interrupt disable. */
const COMMAND_WRITABLE = 0x0507;
/** Parity error, signalled and received aborts, system error, detected parity error. */
const STATUS_CLEARABLE = 0xf900;

const commandFields: readonly RegisterField[] = [
  bit('IO', 0, 'answers in I/O space'),
  bit('MEM', 1, 'answers in memory space'),
  bit('MASTER', 2, 'may read and write memory, and send messages'),
  bit('PARITY', 6),
  bit('SERR', 8),
  bit('INTX_DISABLE', 10, 'INTx is off'),
];
const statusFields: readonly RegisterField[] = [
  bit('INTX', 3, 'INTx is asserted, or would be'),
  bit('CAP_LIST', 4, 'there are capabilities'),
  bit('MASTER_PARITY', 8),
  bit('SIG_TARGET_ABORT', 11),
  bit('REC_TARGET_ABORT', 12),
  bit('REC_MASTER_ABORT', 13),
  bit('SIG_SYSTEM_ERROR', 14),
  bit('DETECTED_PARITY', 15),
];

/** The registers that headers of type 0 and 1 share (PCI 3.0, 6.1). */
function addCommonHeader(config: ConfigSpace, identity: PciIdentity, headerType: number): void {
  const { vendor, device, revision, classCode, pin } = identity;
  config.add({ name: 'VendorID', offset: CONFIG.VendorID, width: 2, reset: vendor });
  config.add({ name: 'DeviceID', offset: CONFIG.DeviceID, width: 2, reset: device });
  config.add({
    name: 'Command',
    offset: CONFIG.Command,
    width: 2,
    write: COMMAND_WRITABLE,
    fields: commandFields,
  });
  config.add({
    name: 'Status',
    offset: CONFIG.Status,
    width: 2,
    clear: STATUS_CLEARABLE,
    fields: statusFields,
  });
  config.add({ name: 'RevisionID', offset: CONFIG.RevisionID, width: 1, reset: revision });
  config.add({ name: 'ProgIF', offset: CONFIG.ClassCode, width: 1, reset: classCode & 0xff });
  config.add({
    name: 'Class',
    offset: CONFIG.ClassCode + 1,
    width: 2,
    reset: classCode >>> 8,
    fields: [bits('Subclass', 7, 0), bits('BaseClass', 15, 8)],
  });
  config.add({ name: 'CacheLineSize', offset: CONFIG.CacheLineSize, width: 1, write: 0xff });
  config.add({ name: 'LatencyTimer', offset: CONFIG.LatencyTimer, width: 1 });
  config.add({
    name: 'HeaderType',
    offset: CONFIG.HeaderType,
    width: 1,
    reset: headerType,
    fields: [bits('Layout', 6, 0, '0 endpoint, 1 bridge'), bit('MultiFunction', 7)],
  });
  config.add({ name: 'BIST', offset: CONFIG.BIST, width: 1 });
  config.add({ name: 'CapabilitiesPointer', offset: CONFIG.CapabilitiesPointer, width: 1 });
  config.add({ name: 'InterruptLine', offset: CONFIG.InterruptLine, width: 1, write: 0xff });
  config.add({
    name: 'InterruptPin',
    offset: CONFIG.InterruptPin,
    width: 1,
    reset: pin,
    fields: [{ ...bits('Pin', 7, 0), values: { 0: 'none', 1: 'INTA', 2: 'INTB', 3: 'INTC', 4: 'INTD' } }],
  });
}

/** Header of an endpoint; BARs are added by the function. */
export function addEndpointHeader(config: ConfigSpace, identity: PciIdentity, multiFunction: boolean): void {
  addCommonHeader(config, identity, multiFunction ? 0x80 : 0);
  const { subsystemVendor, subsystem } = identity;
  config.add({
    name: 'SubsystemVendorID',
    offset: CONFIG.SubsystemVendorID,
    width: 2,
    reset: subsystemVendor,
  });
  config.add({ name: 'SubsystemID', offset: CONFIG.SubsystemID, width: 2, reset: subsystem });
}

/** Header of a bridge (PCI-to-PCI Bridge 1.2, 3.2), with windows closed: base above limit. */
export function addBridgeHeader(config: ConfigSpace, identity: PciIdentity, multiFunction: boolean): void {
  addCommonHeader(config, identity, multiFunction ? 0x81 : 1);
  const byte = (name: string, offset: number, meaning: string) =>
    config.add({ name, offset, width: 1, write: 0xff, meaning });
  byte('PrimaryBus', CONFIG.PrimaryBus, 'bus the bridge is on');
  byte('SecondaryBus', CONFIG.SecondaryBus, 'bus behind the bridge');
  byte('SubordinateBus', CONFIG.SubordinateBus, 'highest bus behind the bridge');
  byte('SecondaryLatencyTimer', CONFIG.SecondaryLatencyTimer, 'without effect');
  config.add({
    name: 'IOBase',
    offset: CONFIG.IOBase,
    width: 1,
    reset: 0xf0,
    write: 0xf0,
    meaning: 'bits 15:12',
  });
  config.add({ name: 'IOLimit', offset: CONFIG.IOLimit, width: 1, write: 0xf0, meaning: 'bits 15:12' });
  config.add({
    name: 'SecondaryStatus',
    offset: CONFIG.SecondaryStatus,
    width: 2,
    clear: STATUS_CLEARABLE,
    fields: statusFields.slice(2),
  });
  const window = (name: string, offset: number, reset: number, meaning: string) =>
    config.add({ name, offset, width: 2, reset, write: 0xfff0, meaning });
  window('MemoryBase', CONFIG.MemoryBase, 0xfff0, 'bits 31:20');
  window('MemoryLimit', CONFIG.MemoryLimit, 0, 'bits 31:20');
  window('PrefetchableBase', CONFIG.PrefetchableBase, 0xfff1, 'bits 31:20; bit 0: 64 bits');
  window('PrefetchableLimit', CONFIG.PrefetchableLimit, 1, 'bits 31:20; bit 0: 64 bits');
  const upper = (name: string, offset: number) =>
    config.add({ name, offset, width: 4, write: 0xffff_ffff, meaning: 'bits 63:32' });
  upper('PrefetchableBaseUpper', CONFIG.PrefetchableBaseUpper);
  upper('PrefetchableLimitUpper', CONFIG.PrefetchableLimitUpper);
  config.add({ name: 'IOBaseUpper', offset: CONFIG.IOBaseUpper, width: 2 });
  config.add({ name: 'IOLimitUpper', offset: CONFIG.IOLimitUpper, width: 2 });
  config.add({
    name: 'BridgeControl',
    offset: CONFIG.BridgeControl,
    width: 2,
    write: 0x005f,
    fields: [
      bit('PARITY', 0),
      bit('SERR', 1),
      bit('ISA', 2),
      bit('VGA', 3),
      bit('VGA16', 4),
      bit('BUS_RESET', 6, 'resets everything behind the bridge'),
    ],
  });
}
