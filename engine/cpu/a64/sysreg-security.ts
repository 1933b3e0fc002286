import type { CpuConfig } from '../cpu-models.ts';
import { SYS_SCR_EL3 } from '../helpers/layout.ts';
import type { SysregContext } from './sysreg-types.ts';

/** Secure state: EL3 itself, or below it with SCR_EL3.NS = 0. Without EL3 everything is Non-secure. */
export function isSecure(context: Pick<SysregContext, 'slots' | 'el'>, config: CpuConfig): boolean {
  return config.el3 && (context.el() === 3 || (context.slots.lo(SYS_SCR_EL3) & 1) === 0);
}
