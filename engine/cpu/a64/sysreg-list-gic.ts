import { sysregKey } from './sysreg-key.ts';
import { isSecure } from './sysreg-security.ts';
import { GIC_COMMON, GIC_GROUP0, GIC_GROUP1, GIC_SGI } from './sysreg-traps.ts';
import type { El, SysregDefinition, TrapRule } from './sysreg-types.ts';

type Existence = 'gic' | 'el2' | 'el3';

/** Everything a GICv3 CPU interface register does is the GIC's; here are only its name and who may use it. */
function gic(
  name: string,
  key: number,
  access: 'RW' | 'RO' | 'WO',
  el: El,
  traps: readonly TrapRule[] = [],
  exists: Existence = 'gic',
): SysregDefinition {
  return {
    name,
    key,
    ...(access === 'WO' ? {} : { read: el }),
    ...(access === 'RO' ? {} : { write: el }),
    when: (config) =>
      config.gicVersion >= 3 &&
      (exists === 'gic' || (exists === 'el2' && config.el2) || (exists === 'el3' && config.el3)),
    get: (context, config) =>
      context.gic?.readSysreg(context.cpu, key, context.el(), isSecure(context, config)) ?? 0n,
    set: (context, value, config) =>
      context.gic?.writeSysreg(context.cpu, key, value, context.el(), isSecure(context, config)),
    traps,
    device: 'gic-cpu',
  };
}

/** devices.md 15. Five preemption bits: only AP*R0 exist; four list registers. */
export const GIC_REGISTERS: readonly SysregDefinition[] = [
  gic('ICC_PMR_EL1', sysregKey(3, 0, 4, 6, 0), 'RW', 1, GIC_COMMON),
  gic('ICC_IAR0_EL1', sysregKey(3, 0, 12, 8, 0), 'RO', 1, GIC_GROUP0),
  gic('ICC_EOIR0_EL1', sysregKey(3, 0, 12, 8, 1), 'WO', 1, GIC_GROUP0),
  gic('ICC_HPPIR0_EL1', sysregKey(3, 0, 12, 8, 2), 'RO', 1, GIC_GROUP0),
  gic('ICC_BPR0_EL1', sysregKey(3, 0, 12, 8, 3), 'RW', 1, GIC_GROUP0),
  gic('ICC_AP0R0_EL1', sysregKey(3, 0, 12, 8, 4), 'RW', 1, GIC_GROUP0),
  gic('ICC_AP1R0_EL1', sysregKey(3, 0, 12, 9, 0), 'RW', 1, GIC_GROUP1),
  gic('ICC_DIR_EL1', sysregKey(3, 0, 12, 11, 1), 'WO', 1, GIC_COMMON),
  gic('ICC_RPR_EL1', sysregKey(3, 0, 12, 11, 3), 'RO', 1, GIC_COMMON),
  gic('ICC_SGI1R_EL1', sysregKey(3, 0, 12, 11, 5), 'WO', 1, GIC_SGI),
  gic('ICC_ASGI1R_EL1', sysregKey(3, 0, 12, 11, 6), 'WO', 1, GIC_SGI),
  gic('ICC_SGI0R_EL1', sysregKey(3, 0, 12, 11, 7), 'WO', 1, GIC_SGI),
  gic('ICC_IAR1_EL1', sysregKey(3, 0, 12, 12, 0), 'RO', 1, GIC_GROUP1),
  gic('ICC_EOIR1_EL1', sysregKey(3, 0, 12, 12, 1), 'WO', 1, GIC_GROUP1),
  gic('ICC_HPPIR1_EL1', sysregKey(3, 0, 12, 12, 2), 'RO', 1, GIC_GROUP1),
  gic('ICC_BPR1_EL1', sysregKey(3, 0, 12, 12, 3), 'RW', 1, GIC_GROUP1),
  gic('ICC_CTLR_EL1', sysregKey(3, 0, 12, 12, 4), 'RW', 1, GIC_COMMON),
  gic('ICC_SRE_EL1', sysregKey(3, 0, 12, 12, 5), 'RW', 1),
  gic('ICC_IGRPEN0_EL1', sysregKey(3, 0, 12, 12, 6), 'RW', 1, GIC_GROUP0),
  gic('ICC_IGRPEN1_EL1', sysregKey(3, 0, 12, 12, 7), 'RW', 1, GIC_GROUP1),

  gic('ICH_AP0R0_EL2', sysregKey(3, 4, 12, 8, 0), 'RW', 2, [], 'el2'),
  gic('ICH_AP1R0_EL2', sysregKey(3, 4, 12, 9, 0), 'RW', 2, [], 'el2'),
  gic('ICC_SRE_EL2', sysregKey(3, 4, 12, 9, 5), 'RW', 2, [], 'el2'),
  {
    name: 'ICC_SRE_EL2',
    key: sysregKey(3, 4, 12, 9, 5),
    read: 2,
    write: 2,
    constant: 0n,
    when: (config) => config.gicVersion >= 3 && !config.el2 && config.el3,
  },
  gic('ICH_HCR_EL2', sysregKey(3, 4, 12, 11, 0), 'RW', 2, [], 'el2'),
  gic('ICH_VTR_EL2', sysregKey(3, 4, 12, 11, 1), 'RO', 2, [], 'el2'),
  gic('ICH_MISR_EL2', sysregKey(3, 4, 12, 11, 2), 'RO', 2, [], 'el2'),
  gic('ICH_EISR_EL2', sysregKey(3, 4, 12, 11, 3), 'RO', 2, [], 'el2'),
  gic('ICH_ELRSR_EL2', sysregKey(3, 4, 12, 11, 5), 'RO', 2, [], 'el2'),
  gic('ICH_VMCR_EL2', sysregKey(3, 4, 12, 11, 7), 'RW', 2, [], 'el2'),
  ...[0, 1, 2, 3].map((n) => gic(`ICH_LR${n}_EL2`, sysregKey(3, 4, 12, 12, n), 'RW', 2, [], 'el2')),

  gic('ICC_CTLR_EL3', sysregKey(3, 6, 12, 12, 4), 'RW', 3, [], 'el3'),
  gic('ICC_SRE_EL3', sysregKey(3, 6, 12, 12, 5), 'RW', 3, [], 'el3'),
  gic('ICC_IGRPEN1_EL3', sysregKey(3, 6, 12, 12, 7), 'RW', 3, [], 'el3'),
];
