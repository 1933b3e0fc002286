/** The CPU types of the board (virt-board.md sections 1.2 and 3.1): what CLI, help, tree and loaders know of them. */

export interface CpuModel {
  readonly name: string;
  /** State after reset of a plain machine; an AArch64 type can run 32-bit guests as well where it has AArch32. */
  readonly execution: 'aarch64' | 'aarch32';
  /** Physical address bits: ID_AA64MMFR0_EL1.PARange, 40 for AArch32 with LPAE. */
  readonly physicalAddressBits: number;
  /** `compatible` of /cpus/cpu@N. */
  readonly compatible: string;
  /** FEAT_MTE. */
  readonly mte: boolean;
  readonly description: string;
  /** Why it cannot be had; absent: it works. */
  readonly refusal?: string;
}

const not32 = 'virtrace has no AArch32 yet; use cortex-a53, cortex-a57 or cortex-a72';
const not64 = 'virtrace has no SVE; use neoverse-n1 or max';

/** In the order of `-cpu help`. The delete-me part is `refusal`: a model works once it has none. */
export const CPU_MODELS: readonly CpuModel[] = [
  {
    name: 'cortex-a7',
    execution: 'aarch32',
    physicalAddressBits: 40,
    compatible: 'arm,cortex-a7',
    mte: false,
    description: 'Armv7-A with LPAE and virtualization',
    refusal: not32,
  },
  {
    name: 'cortex-a15',
    execution: 'aarch32',
    physicalAddressBits: 40,
    compatible: 'arm,cortex-a15',
    mte: false,
    description: "Armv7-A with LPAE and virtualization; the board's default",
    refusal: not32,
  },
  {
    name: 'cortex-a35',
    execution: 'aarch64',
    physicalAddressBits: 40,
    compatible: 'arm,cortex-a35',
    mte: false,
    description: 'Armv8.0-A, small',
  },
  {
    name: 'cortex-a53',
    execution: 'aarch64',
    physicalAddressBits: 40,
    compatible: 'arm,cortex-a53',
    mte: false,
    description: 'Armv8.0-A, 40 address bits',
  },
  {
    name: 'cortex-a57',
    execution: 'aarch64',
    physicalAddressBits: 44,
    compatible: 'arm,cortex-a57',
    mte: false,
    description: 'Armv8.0-A, 44 address bits',
  },
  {
    name: 'cortex-a72',
    execution: 'aarch64',
    physicalAddressBits: 44,
    compatible: 'arm,cortex-a72',
    mte: false,
    description: 'Armv8.0-A, 44 address bits',
  },
  {
    name: 'cortex-a76',
    execution: 'aarch64',
    physicalAddressBits: 40,
    compatible: 'arm,cortex-a76',
    mte: false,
    description: 'Armv8.2-A',
  },
  {
    name: 'a64fx',
    execution: 'aarch64',
    physicalAddressBits: 40,
    compatible: 'arm,a64fx',
    mte: false,
    description: 'Armv8.2-A with SVE, 512 bits',
    refusal: not64,
  },
  {
    name: 'neoverse-n1',
    execution: 'aarch64',
    physicalAddressBits: 48,
    compatible: 'arm,neoverse-n1',
    mte: false,
    description: 'Armv8.2-A, server',
  },
  {
    name: 'max',
    execution: 'aarch64',
    physicalAddressBits: 52,
    // QEMU: describes max as the core it began as, so that guests find a binding they know.
    compatible: 'arm,cortex-a57',
    mte: true,
    description: 'all that virtrace has (no SVE, SME, MTE)',
  },
  {
    name: 'host',
    execution: 'aarch64',
    physicalAddressBits: 40,
    compatible: 'arm,cortex-a57',
    mte: false,
    description: 'the CPU of the host, under KVM',
    refusal:
      'it needs KVM, and what a hardware CPU does between two exits cannot be recorded exactly; use cortex-a72',
  },
];

/** The board's own default (QEMU's too). */
export const DEFAULT_CPU_MODEL = 'cortex-a15';

export function findCpuModel(name: string): CpuModel | undefined {
  return CPU_MODELS.find((model) => model.name === name);
}
