/**
 * The versioned machine types and what each keeps of its time (virt-board.md section 7.1). A property of a
 * machine is written as the first version that has it; older ones do not.
 */

/** Oldest first; the last is the newest. */
export const VIRT_MACHINES = [
  'virt-2.6',
  'virt-2.7',
  'virt-2.8',
  'virt-2.9',
  'virt-2.10',
  'virt-2.11',
  'virt-2.12',
  'virt-3.0',
  'virt-3.1',
  'virt-4.0',
  'virt-4.1',
  'virt-4.2',
  'virt-5.0',
  'virt-5.1',
  'virt-5.2',
  'virt-6.0',
  'virt-6.1',
  'virt-6.2',
  'virt-7.0',
  'virt-7.1',
  'virt-7.2',
] as const;
export type VirtMachine = (typeof VIRT_MACHINES)[number];

/** What `-M virt` means: the version of the reference, QEMU 7.2. */
export const VIRT_ALIAS: VirtMachine = 'virt-7.2';

/** The version that first has each trait. */
const FIRST_WITH = {
  /** A performance monitor in the CPUs. */
  pmu: 'virt-2.7',
  /** MPIDR affinity groups follow the GIC (16 CPUs per group with GICv3; before: always 8). */
  affinityFollowsGic: 'virt-2.7',
  /** Timer interrupts are described as level, not as edge. */
  levelTimers: 'virt-2.9',
  /** fw_cfg file directory with 32 instead of 16 slots. */
  fwCfg32Slots: 'virt-2.9',
  /** CPU accesses to unassigned addresses abort; before they read as zero. */
  abortUnassigned: 'virt-2.11',
  /** SMBIOS names the machine version; before "1.0". */
  smbiosVersion: 'virt-2.12',
  /** 256-bus ECAM above RAM. */
  highEcam: 'virt-3.0',
  /** More than 255 CPUs. */
  cpus512: 'virt-3.0',
  /** Generic event device: power button and memory hot-plug under ACPI. */
  ged: 'virt-4.2',
  /** NUMA is described as soon as there are memory slots. */
  numaBySlots: 'virt-4.2',
  /** Block devices on PCI have a request queue per CPU. */
  blkQueuePerCpu: 'virt-5.2',
  /** Network devices on PCI have a fourth message vector. */
  netFourVectors: 'virt-6.0',
  /** PL061 of the secure world, with its power-off and restart lines. */
  secureGpio: 'virt-6.0',
  /** PCIe window addresses nobody decodes read as all ones; before they abort. */
  pcieUnmappedReadsOnes: 'virt-6.1',
  /** An ITS with GICv3 (a software GIC had none before). */
  its: 'virt-6.2',
  /** `/cpus/cpu-map`, PPTT, and topology defaults that prefer cores over sockets. */
  cpuTopology: 'virt-6.2',
  /** FEAT_LPA2 on CPU type max. */
  lpa2: 'virt-7.0',
  /** GICv3 priority bits as the CPU type has them; before always 8. */
  gicPriorityBitsByCpu: 'virt-7.1',
  /** Virtio queue reset (VIRTIO_F_RING_RESET). */
  virtioRingReset: 'virt-7.2',
  /** Entropy devices on PCI have message interrupts. */
  rngVectors: 'virt-7.2',
  /** A disabled high region takes no address space. */
  compactHighmem: 'virt-7.2',
} as const satisfies Record<string, VirtMachine>;

export type VirtTrait = keyof typeof FIRST_WITH;

export function isVirtMachine(name: string): name is VirtMachine {
  return (VIRT_MACHINES as readonly string[]).includes(name);
}

/** The machine version a person means, alias resolved; undefined if there is none of that name. */
export function virtMachineNamed(name: string): VirtMachine | undefined {
  if (name === 'virt') return VIRT_ALIAS;
  return isVirtMachine(name) ? name : undefined;
}

/** Whether a machine version has a trait. */
export function hasTrait(machine: VirtMachine, trait: VirtTrait): boolean {
  return VIRT_MACHINES.indexOf(machine) >= VIRT_MACHINES.indexOf(FIRST_WITH[trait]);
}
