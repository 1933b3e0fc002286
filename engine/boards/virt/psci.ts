/** Who answers PSCI calls, and at which exception level a machine starts (virt-board.md section 6). */
import type { VirtConfig } from './config.ts';

export type PsciConduit = 'disabled' | 'hvc' | 'smc';
/** What a machine starts with. `none`: neither kernel nor firmware. */
export type BootKind = 'linux' | 'elf' | 'firmware' | 'none';

/** The conduit the board chooses before it knows the kernel; `enable-method` in the tree follows this one. */
export function initialConduit(config: VirtConfig, kind: BootKind): PsciConduit {
  if (config.secure && kind === 'firmware') return 'disabled';
  return config.virtualization ? 'smc' : 'hvc';
}

/** Exception level at which the boot CPU starts. Linux never starts at EL3: virtrace plays its firmware. */
export function bootEl(config: VirtConfig, kind: BootKind): 1 | 2 | 3 {
  if (config.secure && kind !== 'linux') return 3;
  return config.virtualization ? 2 : 1;
}

/**
 * The conduit in force: none when the guest itself starts at, or above, the level that would answer. Then
 * every CPU runs from reset.
 */
export function psciConduit(config: VirtConfig, kind: BootKind): PsciConduit {
  const conduit = initialConduit(config, kind);
  const level = bootEl(config, kind);
  if (conduit === 'hvc' && level >= 2) return 'disabled';
  if (conduit === 'smc' && level === 3) return 'disabled';
  return conduit;
}
