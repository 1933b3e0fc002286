import type { CpuConfig } from '../cpu-models.ts';
import { SYS_HCR_EL2 } from '../helpers/layout.ts';
import type { SysregSlots } from '../sysreg-storage.ts';
import {
  EC_FP_ACCESS,
  EC_SYSREG,
  EC_UNKNOWN,
  genericSysregName,
  ISS_FP_ACCESS,
  ISS_WFE,
  ISS_WFI,
  isImplementationDefined,
  type SysregKey,
  sysregIss,
  sysregKey,
  sysregOffset,
} from './sysreg-key.ts';
import { DEBUG_REGISTERS } from './sysreg-list-debug.ts';
import { EL1_REGISTERS } from './sysreg-list-el1.ts';
import { EL2_REGISTERS, EL3_REGISTERS } from './sysreg-list-el2.ts';
import { GIC_REGISTERS } from './sysreg-list-gic.ts';
import { ID_REGISTERS } from './sysreg-list-id.ts';
import { PMU_REGISTERS } from './sysreg-list-pmu.ts';
import { TIMER_REGISTERS } from './sysreg-list-timer.ts';
import { isSecure } from './sysreg-security.ts';
import { SLOT_END } from './sysreg-slots.ts';
import { TIDCP, UMA, WFE, WFI } from './sysreg-traps.ts';
import type {
  Checks,
  El,
  SysregContext,
  SysregDefinition,
  SysregPlan,
  SysregTrap,
  TrapCheck,
  TrapRule,
} from './sysreg-types.ts';
import { type SystemInstruction, type SystemOperation, systemInstructions } from './system-instructions.ts';

/** Every register of every model, machine and EL. Of two with one key, the first that exists counts. */
export const SYSTEM_REGISTERS: readonly SysregDefinition[] = [
  ...ID_REGISTERS,
  ...EL1_REGISTERS,
  ...DEBUG_REGISTERS,
  ...EL2_REGISTERS,
  ...EL3_REGISTERS,
  ...TIMER_REGISTERS,
  ...PMU_REGISTERS,
  ...GIC_REGISTERS,
];

const ALL_BITS = 0xffff_ffff_ffff_ffffn;

/** How a SYS instruction at a given EL is done. */
export type SystemPlan =
  | { readonly kind: 'undefined'; readonly name: string; readonly unknown: boolean }
  | {
      readonly kind: 'system';
      readonly name: string;
      readonly operation: SystemOperation;
      readonly checks: Checks;
    };

/**
 * The system registers and system instructions of one machine. Plans are for the translator, once per
 * instruction and EL; `read`, `write` and `system` are the slow path and do every check themselves.
 */
export class SysregTable {
  readonly config: CpuConfig;
  readonly #registers = new Map<SysregKey, SysregDefinition>();
  readonly #instructions = new Map<SysregKey, SystemInstruction>();
  readonly #plans = new Map<number, SysregPlan>();
  readonly #systemPlans = new Map<number, SystemPlan>();

  constructor(config: CpuConfig) {
    this.config = config;
    for (const definition of SYSTEM_REGISTERS) {
      if (this.#registers.has(definition.key) || !(definition.when?.(config) ?? true)) continue;
      this.#registers.set(definition.key, definition);
    }
    for (const instruction of systemInstructions(config)) {
      this.#instructions.set(instruction.key, instruction);
    }
  }

  /** The registers that exist on this machine. */
  registers(): IterableIterator<SysregDefinition> {
    return this.#registers.values();
  }

  find(key: SysregKey): SysregDefinition | undefined {
    return this.#registers.get(key);
  }

  /** Arm's name, or `S3_0_C15_C2_1` for what has none. */
  nameOf(key: SysregKey): string {
    return this.#registers.get(key)?.name ?? this.#instructions.get(key)?.name ?? genericSysregName(key);
  }

  /** Values of all slots after a reset of CPU `cpu`. Slots that no register of this machine has become 0. */
  reset(slots: SysregSlots, cpu: number): void {
    for (let slot = 0; slot < SLOT_END; slot++) slots.setWords(slot, 0, 0);
    for (const definition of this.#registers.values()) {
      if (definition.slot === undefined) continue;
      const { reset } = definition;
      const value = typeof reset === 'function' ? reset(this.config, cpu) : (reset ?? definition.ones ?? 0n);
      slots.set(definition.slot, value);
    }
  }

  /** MRS (`write` false) or MSR (register) at an EL. Pure; plans are kept. */
  plan(key: SysregKey, el: El, write: boolean): SysregPlan {
    const index = (key << 3) | (el << 1) | (write ? 1 : 0);
    let plan = this.#plans.get(index);
    if (plan === undefined) {
      plan = this.#makePlan(key, el, write);
      this.#plans.set(index, plan);
    }
    return plan;
  }

  #makePlan(key: SysregKey, el: El, write: boolean): SysregPlan {
    const definition = this.#registers.get(key);
    const name = this.nameOf(key);
    const access = write ? definition?.write : definition?.read;
    const minimum = typeof access === 'function' ? access(this.config) : access;
    if (definition === undefined || minimum === undefined || el < minimum) {
      const unknown = definition === undefined;
      // With TIDCP even what does not exist goes to EL2, so this is decided at run time.
      const mayTrap = unknown && isImplementationDefined(key) && el === 1 && this.config.el2;
      if (mayTrap) return { kind: 'call', name, checks: this.#checks([TIDCP], el, write) };
      return { kind: 'undefined', name, unknown };
    }
    const checks = this.#checks(definition.traps ?? [], el, write);
    const { constant, special, slot, effect, device } = definition;
    if (special !== undefined) return { kind: 'special', name, special, checks };
    const call: SysregPlan = {
      kind: 'call',
      name,
      checks,
      ...(effect === undefined ? {} : { effect }),
      ...(device === undefined ? {} : { device }),
    };
    if (device !== undefined || (write ? definition.set : definition.get && constant === undefined))
      return call;
    if (constant !== undefined) {
      if (write) return { kind: 'ignore', name, checks };
      const value = typeof constant === 'function' ? constant(this.config, el) : constant;
      return value === undefined ? call : { kind: 'constant', name, value, checks };
    }
    if (slot === undefined) return call;
    if (!write) return { kind: 'slot', name, slot, mask: ALL_BITS, ones: 0n, checks };
    return {
      kind: 'slot',
      name,
      slot,
      mask: this.#writeMask(definition),
      ones: definition.ones ?? 0n,
      checks,
      ...(effect === undefined ? {} : { effect }),
    };
  }

  #writeMask(definition: SysregDefinition): bigint {
    const { mask } = definition;
    return typeof mask === 'function' ? mask(this.config) : (mask ?? ALL_BITS);
  }

  #checks(rules: readonly TrapRule[], el: El, write: boolean): Checks {
    return rules.filter(
      (rule) =>
        rule.from.includes(el) &&
        (rule.on === 'rw' || rule.on === (write ? 'w' : 'r')) &&
        (rule.needs === undefined || (rule.needs === 'el2' ? this.config.el2 : this.config.el3)),
    );
  }

  /** MRS: the value, or the exception that it takes instead. `rt` is only for the syndrome. */
  read(key: SysregKey, rt: number, context: SysregContext): bigint | SysregTrap {
    const plan = this.plan(key, context.el() as El, false);
    const trap = this.#trapOf(plan, key, rt, context, false);
    if (trap !== undefined) return trap;
    const definition = this.#registers.get(key);
    if (definition === undefined || plan.kind === 'undefined') return this.#undefined(context);
    if (plan.kind === 'special') {
      if (plan.special === 'SP_EL0' && context.spsel() === 0) return this.#undefined(context);
      return context.readSpecial(plan.special);
    }
    const value = this.#valueOf(definition, plan, context, key);
    if (definition.device !== undefined) {
      context.observe(definition.device, sysregOffset(key), false, value);
    }
    return value;
  }

  #valueOf(definition: SysregDefinition, plan: SysregPlan, context: SysregContext, key: SysregKey): bigint {
    if (plan.kind === 'constant') return plan.value;
    const { constant, get, slot } = definition;
    const value = typeof constant === 'function' ? constant(this.config, context.el() as El) : constant;
    if (value !== undefined) return value;
    if (get !== undefined) return get(context, this.config, key);
    return slot === undefined ? 0n : context.slots.get(slot);
  }

  /** MSR (register): undefined when done, or the exception that it takes instead. */
  write(key: SysregKey, rt: number, value: bigint, context: SysregContext): SysregTrap | undefined {
    const plan = this.plan(key, context.el() as El, true);
    const trap = this.#trapOf(plan, key, rt, context, true);
    if (trap !== undefined) return trap;
    const definition = this.#registers.get(key);
    if (definition === undefined || plan.kind === 'undefined') return this.#undefined(context);
    if (plan.kind === 'special') {
      if (plan.special === 'SP_EL0' && context.spsel() === 0) return this.#undefined(context);
      context.writeSpecial(plan.special, value);
      return undefined;
    }
    if (plan.kind === 'ignore') return undefined;
    // Before the write, so that what it causes (a line going up) follows it in the trace.
    if (definition.device !== undefined) {
      context.observe(definition.device, sysregOffset(key), true, value);
    }
    if (definition.set !== undefined) definition.set(context, value, this.config, key);
    else if (definition.slot !== undefined) {
      const mask = this.#writeMask(definition);
      const old = context.slots.get(definition.slot);
      context.slots.set(definition.slot, (old & ~mask) | (value & mask) | (definition.ones ?? 0n));
      if (definition.effect !== undefined) context.changed(definition.effect, key);
    }
    return undefined;
  }

  /** A SYS instruction at an EL. SYSL is UNDEFINED in all of its space. */
  systemPlan(key: SysregKey, el: El): SystemPlan {
    const index = (key << 2) | el;
    let plan = this.#systemPlans.get(index);
    if (plan === undefined) {
      plan = this.#makeSystemPlan(key, el);
      this.#systemPlans.set(index, plan);
    }
    return plan;
  }

  #makeSystemPlan(key: SysregKey, el: El): SystemPlan {
    const instruction = this.#instructions.get(key);
    const name = this.nameOf(key);
    if (instruction === undefined || el < instruction.el) {
      return { kind: 'undefined', name, unknown: instruction === undefined };
    }
    const checks = this.#checks(instruction.traps, el, true);
    return { kind: 'system', name, operation: instruction.operation, checks };
  }

  /**
   * Slow path of a SYS instruction: traps, AT and TLBI. For `cache` and `zero` it only does the checks; zeroing
   * is a store, which is not done here. (SYSL: `sysl` true.)
   */
  system(
    key: SysregKey,
    rt: number,
    value: bigint,
    context: SysregContext,
    sysl = false,
  ): SysregTrap | undefined {
    const el = context.el() as El;
    const plan = this.systemPlan(key, el);
    if (plan.kind === 'undefined' || sysl) {
      // The IMPLEMENTATION DEFINED space goes to EL2 with HCR_EL2.TIDCP, there or not.
      if (isImplementationDefined(key)) {
        const tidcp = this.#firstTrap(this.#checks([TIDCP], el, true), key, rt, context, sysl);
        if (tidcp !== undefined) return tidcp;
      }
      if (plan.kind === 'undefined' && plan.unknown) context.unknown(plan.name, !sysl);
      return this.#undefined(context);
    }
    const trap = this.#firstTrap(plan.checks, key, rt, context, false);
    if (trap !== undefined) return trap;
    const { operation } = plan;
    if (operation.kind === 'translate') return context.translateAddress(operation.translation, value);
    if (operation.kind === 'tlbi') context.flushTlb(plan.name, value);
    return undefined;
  }

  /** Checks that remain for a WFI or WFE at an EL; none from EL3. */
  waitChecks(instruction: 'wfi' | 'wfe', el: El): Checks {
    return this.#checks(instruction === 'wfi' ? WFI : WFE, el, true);
  }

  /** The exception that a WFI or WFE takes which would really wait, if any. */
  waitTrap(instruction: 'wfi' | 'wfe', context: SysregContext): SysregTrap | undefined {
    const checks = this.waitChecks(instruction, context.el() as El);
    const trap = this.#firstTrap(checks, 0, 0, context, false);
    return trap === undefined ? undefined : { ...trap, iss: instruction === 'wfi' ? ISS_WFI : ISS_WFE };
  }

  /**
   * The exception of MSR DAIFSet (op2 = 6) and DAIFClr (7) at EL0 without SCTLR_EL1.UMA; its syndrome is that
   * of the immediate form: CRm is the immediate, Rt is 31 (Arm ARM C6.2 "MSR (immediate)").
   */
  daifImmediateTrap(op2: 6 | 7, immediate: number, context: SysregContext): SysregTrap | undefined {
    const checks = this.#checks(UMA, context.el() as El, true);
    return this.#firstTrap(checks, sysregKey(0, 3, 4, immediate, op2), 31, context, false);
  }

  #trapOf(
    plan: SysregPlan,
    key: SysregKey,
    rt: number,
    context: SysregContext,
    write: boolean,
  ): SysregTrap | undefined {
    if (plan.kind === 'undefined') {
      if (plan.unknown) context.unknown(plan.name, write);
      return this.#undefined(context);
    }
    const trap = this.#firstTrap(plan.checks, key, rt, context, !write);
    if (trap !== undefined) return trap;
    if (!this.#registers.has(key)) {
      context.unknown(plan.name, write);
      return this.#undefined(context);
    }
    const { gic } = context;
    if (plan.kind === 'call' && plan.device === 'gic-cpu' && gic?.trapsToEl2 !== undefined) {
      const guest = context.el() === 1 && this.config.el2 && !isSecure(context, this.config);
      if (guest && gic.trapsToEl2(context.cpu, key, write)) {
        return { kind: 'trap', target: 2, ec: EC_SYSREG, iss: sysregIss(key, rt, !write) };
      }
    }
    return undefined;
  }

  #firstTrap(
    checks: Checks,
    key: SysregKey,
    rt: number,
    context: SysregContext,
    isRead: boolean,
  ): SysregTrap | undefined {
    for (const check of checks) {
      if (this.#passes(check, context)) continue;
      if (check.ec === EC_UNKNOWN) return this.#undefined(context);
      const target = this.#target(check, context);
      // CPACR_EL1's FP trap turned to EL2 by TGE is reported as unknown (Arm ARM D17.2.37, EC 0x07).
      const fp = check.ec === EC_FP_ACCESS;
      if (fp && target !== check.target) return this.#undefined(context);
      const iss = fp ? ISS_FP_ACCESS : sysregIss(key, rt, isRead);
      return { kind: 'trap', target, ec: check.ec, iss };
    }
    return undefined;
  }

  #passes(check: TrapCheck, context: SysregContext): boolean {
    if (check.nonSecureOnly === true && isSecure(context, this.config)) return true;
    const { unless } = check;
    if (unless !== undefined && (context.slots.get(unless.slot) & unless.mask) !== 0n) return true;
    const found = context.slots.get(check.slot) & check.mask;
    switch (check.pass) {
      case 'any':
        return found !== 0n;
      case 'all':
        return found === check.mask;
      case 'none':
        return found === 0n;
      case 'not-all':
        return found !== check.mask;
    }
  }

  #target(check: TrapCheck, context: SysregContext): 1 | 2 | 3 {
    return check.target === 1 && this.#generalExceptionsToEl2(context) ? 2 : check.target;
  }

  /** HCR_EL2.TGE: exceptions of EL0 that would go to EL1 go to EL2 (Arm ARM D1.3.1). */
  #generalExceptionsToEl2(context: SysregContext): boolean {
    return (
      this.config.el2 &&
      context.el() === 0 &&
      !isSecure(context, this.config) &&
      (context.slots.lo(SYS_HCR_EL2) & (1 << 27)) !== 0
    );
  }

  /** UNDEFINED: EC 0, taken to the current EL, or to EL1 (EL2 with TGE) from EL0. */
  #undefined(context: SysregContext): SysregTrap {
    const el = context.el();
    const target = el === 0 ? (this.#generalExceptionsToEl2(context) ? 2 : 1) : (el as 1 | 2 | 3);
    return { kind: 'trap', target, ec: EC_UNKNOWN, iss: 0 };
  }
}
