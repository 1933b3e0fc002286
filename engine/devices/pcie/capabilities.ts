import { bit, bits } from '../../base/register-map.ts';
import type { ConfigSpace } from './config-space.ts';

/* Capabilities whose registers only hold what is in them, with QEMU 7.2's values. */

/** Capability identifiers (PCI Code and ID Assignment 1.11, section 2). */
const CAP = { POWER: 0x01, SUBSYSTEM: 0x0d, EXPRESS: 0x10 } as const;
const EXT = { AER: 0x0001, ACS: 0x000d } as const;
const EXPRESS_BYTES = 0x3c;

/** Function level reset: bit 15 of Device Control. */
export const DEVCTL_FLR = 0x8000;

/** Power management (PCI Power Management 1.2): version 3, state D0 or D3, nothing switches off. */
export function addPowerManagement(config: ConfigSpace, at: number): void {
  config.addCapability(CAP.POWER, at, 8, 'PM');
  config.add({ name: 'PMC', offset: at + 2, width: 2, reset: 3, fields: [bits('Version', 2, 0)] });
  config.add({
    name: 'PMCSR',
    offset: at + 4,
    width: 2,
    write: 3,
    fields: [{ ...bits('PowerState', 1, 0), values: { 0: 'D0', 1: 'D1', 2: 'D2', 3: 'D3hot' } }],
  });
}

/** Subsystem of a bridge (PCI-to-PCI Bridge 1.2, 3.2.5.13). */
export function addBridgeSubsystem(config: ConfigSpace, at: number, vendor: number, subsystem: number): void {
  config.addCapability(CAP.SUBSYSTEM, at, 8, 'SSVID');
  config.add({ name: 'SSVID', offset: at + 4, width: 2, reset: vendor });
  config.add({ name: 'SSID', offset: at + 6, width: 2, reset: subsystem });
}

const devctlFields = [
  bit('CERE', 0, 'report correctable errors'),
  bit('NFERE', 1, 'report non-fatal errors'),
  bit('FERE', 2, 'report fatal errors'),
  bit('URRE', 3, 'report unsupported requests'),
  bit('BCR_FLR', 15, 'function level reset'),
];

/** Express capability of an endpoint behind a port (PCI Express 4.0, 7.5.3). */
export function addEndpointExpress(config: ConfigSpace, at: number): void {
  config.addCapability(CAP.EXPRESS, at, EXPRESS_BYTES, 'PCIE');
  config.add({
    name: 'PCIE_CAP',
    offset: at + 2,
    width: 2,
    reset: 2,
    fields: [bits('Version', 3, 0), bits('PortType', 7, 4, '0 endpoint, 4 root port'), bit('Slot', 8)],
  });
  config.add({
    name: 'PCIE_DEVCAP',
    offset: at + 4,
    width: 4,
    reset: 0x1000_8000,
    fields: [bit('RBER', 15), bit('FLR', 28)],
  });
  // The bit that starts a reset reads as zero: PciFunctions with this capability watch for it.
  config.add({ name: 'PCIE_DEVCTL', offset: at + 8, width: 2, write: 0x000f, fields: devctlFields });
  config.add({ name: 'PCIE_DEVSTA', offset: at + 10, width: 2, clear: 0x000f });
  config.add({
    name: 'PCIE_LNKCAP',
    offset: at + 12,
    width: 4,
    reset: 0x411,
    fields: [bits('Speed', 3, 0), bits('Width', 9, 4)],
  });
  config.add({ name: 'PCIE_LNKCTL', offset: at + 16, width: 2, write: 0x00c0 });
  config.add({
    name: 'PCIE_LNKSTA',
    offset: at + 18,
    width: 2,
    reset: 0x0011,
    fields: [bits('Speed', 3, 0), bits('Width', 9, 4)],
  });
  config.add({ name: 'PCIE_DEVCAP2', offset: at + 36, width: 4, reset: 0x0030_0000 });
  config.add({ name: 'PCIE_DEVCTL2', offset: at + 40, width: 2, write: 0x8000 });
  config.endWithoutExtended();
}

/** Offsets in the Express capability. */
export const EXPRESS = { DEVCTL: 8, LNKSTA: 18, SLTCTL: 24, SLTSTA: 26, RTCTL: 28 } as const;

/** Link Status: the data link layer is active. */
export const LINK_ACTIVE = 0x2000;

/** Slot Control and Slot Status bits (PCI Express 4.0, 7.5.3.10 and 7.5.3.11). */
export const SLOT = {
  HOTPLUG_INTERRUPT_ENABLE: 0x0020,
  POWER_INDICATOR: 0x0300,
  POWER_INDICATOR_ON: 0x0100,
  POWER_INDICATOR_BLINKING: 0x0200,
  POWER_INDICATOR_OFF: 0x0300,
  POWER_OFF: 0x0400,
  INTERLOCK: 0x0800,
  /** Status. */
  ATTENTION_BUTTON: 0x0001,
  PRESENCE_CHANGED: 0x0008,
  COMMAND_COMPLETED: 0x0010,
  PRESENCE: 0x0040,
  INTERLOCK_STATUS: 0x0080,
} as const;

/** Express capability of a root port with a hot-plug slot; `slot` is its number, 13 bits. */
export function addRootPortExpress(config: ConfigSpace, at: number, slot: number): void {
  config.addCapability(CAP.EXPRESS, at, EXPRESS_BYTES, 'PCIE');
  config.add({
    name: 'PCIE_CAP',
    offset: at + 2,
    width: 2,
    reset: 0x0142,
    fields: [bits('Version', 3, 0), bits('PortType', 7, 4, '0 endpoint, 4 root port'), bit('Slot', 8)],
  });
  config.add({ name: 'PCIE_DEVCAP', offset: at + 4, width: 4, reset: 0x8000, fields: [bit('RBER', 15)] });
  config.add({
    name: 'PCIE_DEVCTL',
    offset: at + 8,
    width: 2,
    write: 0x000f,
    fields: devctlFields.slice(0, 4),
  });
  config.add({ name: 'PCIE_DEVSTA', offset: at + 10, width: 2, clear: 0x000f });
  config.add({
    name: 'PCIE_LNKCAP',
    offset: at + 12,
    width: 4,
    reset: 0x0030_0604,
    fields: [bits('Speed', 3, 0), bits('Width', 9, 4), bit('DLLLARC', 20)],
  });
  config.add({ name: 'PCIE_LNKCTL', offset: at + 16, width: 2 });
  config.add({
    name: 'PCIE_LNKSTA',
    offset: at + EXPRESS.LNKSTA,
    width: 2,
    reset: 0x0204,
    fields: [bits('Speed', 3, 0), bits('Width', 9, 4), bit('DLLLA', 13, 'the link is up')],
  });
  config.add({
    name: 'PCIE_SLTCAP',
    offset: at + 20,
    width: 4,
    reset: (0x0002_007b | (slot << 19)) >>> 0,
    fields: [
      bit('AttentionButton', 0),
      bit('PowerController', 1),
      bit('AttentionIndicator', 3),
      bit('PowerIndicator', 4),
      bit('HotPlugSurprise', 5),
      bit('HotPlugCapable', 6),
      bit('Interlock', 17),
      bits('SlotNumber', 31, 19),
    ],
  });
  config.add({
    name: 'PCIE_SLTCTL',
    offset: at + EXPRESS.SLTCTL,
    width: 2,
    reset: 0x07c0,
    write: 0x07f9,
    fields: [
      bit('AttentionButtonEnable', 0),
      bit('PresenceEnable', 3),
      bit('CommandCompletedEnable', 4),
      bit('HotPlugInterruptEnable', 5),
      bits('AttentionIndicator', 7, 6, '1 on, 2 blinks, 3 off'),
      bits('PowerIndicator', 9, 8, '1 on, 2 blinks, 3 off'),
      bit('PowerOff', 10),
      bit('Interlock', 11, 'writing 1 toggles it'),
    ],
  });
  config.add({
    name: 'PCIE_SLTSTA',
    offset: at + EXPRESS.SLTSTA,
    width: 2,
    clear: 0x001f,
    fields: [
      bit('AttentionButtonPressed', 0),
      bit('PresenceChanged', 3),
      bit('CommandCompleted', 4),
      bit('Presence', 6),
      bit('InterlockStatus', 7),
    ],
  });
  config.add({ name: 'PCIE_RTCTL', offset: at + EXPRESS.RTCTL, width: 2, write: 0x0007 });
  config.add({ name: 'PCIE_RTCAP', offset: at + 30, width: 2 });
  config.add({ name: 'PCIE_RTSTA', offset: at + 32, width: 4 });
  config.add({ name: 'PCIE_DEVCAP2', offset: at + 36, width: 4, reset: 0x0030_0020 });
  config.add({ name: 'PCIE_DEVCTL2', offset: at + 40, width: 2, write: 0x8020, fields: [bit('ARI', 5)] });
  config.add({ name: 'PCIE_LNKCAP2', offset: at + 44, width: 4, reset: 0x1e });
  config.add({ name: 'PCIE_LNKCTL2', offset: at + 48, width: 2, reset: 4 });
}

/** Advanced error reporting of a root port; nothing here ever has an error to report. */
export function addRootPortAer(config: ConfigSpace, at: number): void {
  config.addExtendedCapability(EXT.AER, 2, at, 0x48, 'AER');
  const long = (name: string, offset: number, more: { reset?: number; write?: number } = {}) =>
    config.add({ name: `AER_${name}`, offset: at + offset, width: 4, ...more });
  long('UESTA', 0x04);
  long('UEMSK', 0x08);
  long('UESVRT', 0x0c, { reset: 0x0046_2030, write: 0x03ff_f030 });
  long('CESTA', 0x10);
  long('CEMSK', 0x14, { reset: 0xe000, write: 0xf1c1 });
  long('CAPCTL', 0x18, { reset: 0x2a0, write: 0x540 });
  long('ROOTCMD', 0x2c, { write: 7 });
  long('ROOTSTA', 0x30);
  long('SOURCE', 0x34);
}

/** Access control services of a root port (PCI Express 4.0, 7.7.8). */
export function addRootPortAcs(config: ConfigSpace, at: number): void {
  config.addExtendedCapability(EXT.ACS, 1, at, 8, 'ACS');
  const fields = ['SV', 'TB', 'RR', 'CR', 'UF', 'EC', 'DT'].map((name, index) => bit(name, index));
  config.add({ name: 'ACS_CAP', offset: at + 4, width: 2, reset: 0x5f, fields });
  config.add({ name: 'ACS_CTL', offset: at + 6, width: 2, write: 0x5f, fields });
}
