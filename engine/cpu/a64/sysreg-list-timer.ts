import type { TimerName } from '../generic-timer.ts';
import { sysregKey } from './sysreg-key.ts';
import { el2Register } from './sysreg-list-el2.ts';
import { SLOT_CNTFRQ_EL0, SLOT_CNTHCTL_EL2, SLOT_CNTKCTL_EL1, SLOT_CNTVOFF_EL2 } from './sysreg-slots.ts';
import {
  CNT_FREQUENCY,
  CNT_PHYSICAL_COUNT,
  CNT_PHYSICAL_TIMER,
  CNT_SECURE_TIMER,
  CNT_VIRTUAL_COUNT,
  CNT_VIRTUAL_TIMER,
} from './sysreg-traps.ts';
import type { El, SysregDefinition, TrapRule } from './sysreg-types.ts';

/** TVAL, CTL and CVAL of one timer. */
function timer(
  timerName: TimerName,
  suffix: string,
  op1: number,
  crm: number,
  el: El,
  traps: readonly TrapRule[],
  when?: SysregDefinition['when'],
): SysregDefinition[] {
  const common = {
    read: el,
    write: el,
    traps,
    device: 'timer',
    ...(when === undefined ? {} : { when }),
  } as const;
  return [
    {
      ...common,
      name: `${timerName}_TVAL_${suffix}`,
      key: sysregKey(3, op1, 14, crm, 0),
      get: ({ timers, cpu }) => BigInt(timers.readTval(cpu, timerName)),
      set: ({ timers, cpu }, value) => timers.writeTval(cpu, timerName, value),
    },
    {
      ...common,
      name: `${timerName}_CTL_${suffix}`,
      key: sysregKey(3, op1, 14, crm, 1),
      get: ({ timers, cpu }) => BigInt(timers.readCtl(cpu, timerName)),
      set: ({ timers, cpu }, value) => timers.writeCtl(cpu, timerName, value),
    },
    {
      ...common,
      name: `${timerName}_CVAL_${suffix}`,
      key: sysregKey(3, op1, 14, crm, 2),
      get: ({ timers, cpu }) => timers.readCval(cpu, timerName),
      set: ({ timers, cpu }, value) => timers.writeCval(cpu, timerName, value),
    },
  ];
}

/** With EL3 but without EL2 the registers of EL2's timer are RES0 for EL3. */
const hypTimerAbsent: SysregDefinition[] = [1, 2].map((op2) => ({
  name: op2 === 1 ? 'CNTHP_CTL_EL2' : 'CNTHP_CVAL_EL2',
  key: sysregKey(3, 4, 14, 2, op2),
  read: 2,
  write: 2,
  constant: 0n,
  when: (config) => !config.el2 && config.el3,
}));
const hypTvalAbsent: SysregDefinition = {
  name: 'CNTHP_TVAL_EL2',
  key: sysregKey(3, 4, 14, 2, 0),
  read: 2,
  write: 2,
  constant: 0n,
  when: (config) => !config.el2 && config.el3,
};

/** devices.md 18; Arm ARM D17.11. */
export const TIMER_REGISTERS: readonly SysregDefinition[] = [
  {
    name: 'CNTKCTL_EL1',
    key: sysregKey(3, 0, 14, 1, 0),
    read: 1,
    write: 1,
    slot: SLOT_CNTKCTL_EL1,
    device: 'timer',
  },
  {
    name: 'CNTFRQ_EL0',
    key: sysregKey(3, 3, 14, 0, 0),
    read: 0,
    write: (config) => config.highestEl,
    slot: SLOT_CNTFRQ_EL0,
    reset: (config) => BigInt(config.cntfrq),
    traps: CNT_FREQUENCY,
    device: 'timer',
  },
  {
    name: 'CNTPCT_EL0',
    key: sysregKey(3, 3, 14, 0, 1),
    read: 0,
    get: ({ timers }) => timers.count(),
    traps: CNT_PHYSICAL_COUNT,
    device: 'timer',
  },
  {
    name: 'CNTVCT_EL0',
    key: sysregKey(3, 3, 14, 0, 2),
    read: 0,
    get: ({ timers, cpu }) => timers.virtualCount(cpu),
    traps: CNT_VIRTUAL_COUNT,
    device: 'timer',
  },
  ...timer('CNTP', 'EL0', 3, 2, 0, CNT_PHYSICAL_TIMER),
  ...timer('CNTV', 'EL0', 3, 3, 0, CNT_VIRTUAL_TIMER),
  ...el2Register('CNTVOFF_EL2', sysregKey(3, 4, 14, 0, 3), SLOT_CNTVOFF_EL2, {
    get: ({ slots }) => slots.get(SLOT_CNTVOFF_EL2),
    set: ({ slots, timers, cpu }, value) => {
      slots.set(SLOT_CNTVOFF_EL2, value);
      timers.recompute(cpu);
    },
    device: 'timer',
  }),
  ...el2Register('CNTHCTL_EL2', sysregKey(3, 4, 14, 1, 0), SLOT_CNTHCTL_EL2, {
    // EL1PCTEN and EL1PCEN: EL1 has the physical timer.
    reset: 3n,
    device: 'timer',
  }),
  ...timer('CNTHP', 'EL2', 4, 2, 2, [], (config) => config.el2),
  ...hypTimerAbsent,
  hypTvalAbsent,
  ...timer('CNTHV', 'EL2', 4, 3, 2, [], (config) => config.el2 && config.features.has('FEAT_VHE')),
  ...timer('CNTPS', 'EL1', 7, 2, 1, CNT_SECURE_TIMER, (config) => config.el3),
];
