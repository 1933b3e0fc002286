import type { Ns } from '../base/units.ts';
import { sysregKey } from './a64/sysreg-key.ts';
import type {
  AddressTranslation,
  GicSysregs,
  SpecialRegister,
  SysregContext,
  SysregEffect,
} from './a64/sysreg-types.ts';
import type { CpuCluster } from './cluster.ts';
import { PSTATE_DIT, PSTATE_PAN, PSTATE_SSBS, PSTATE_TCO, PSTATE_UAO } from './cpu-state.ts';
import { switchStack } from './exceptions.ts';
import type { GenericTimers } from './generic-timer.ts';
import { ATTR_MAIR, ATTR_SH, G_WALK_ATTRS, G_WALK_PA } from './helpers/heap-layout.ts';
import * as L from './helpers/layout.ts';
import type { Pmu } from './pmu.ts';
import type { SysregSlots } from './sysreg-storage.ts';

/** What a CPU's system registers reach; the parts are made in an order, so they are looked up when used. */
export interface SysregPorts {
  cluster(): CpuCluster;
  timers(): GenericTimers;
  pmu(): Pmu;
  gic(): GicSysregs | undefined;
  now(): Ns;
  /** Random bytes for a CPU. */
  random(cpu: number, length: number): Uint8Array;
  observe(cpu: number, device: string, offset: number, write: boolean, value: bigint): void;
  unknown(cpu: number, message: string): void;
}

const TTBR0_EL1 = sysregKey(3, 0, 2, 0, 0);
const TTBR1_EL1 = sysregKey(3, 0, 2, 0, 1);

const PSTATE_BIT: { readonly [name in SpecialRegister]?: number } = {
  PAN: PSTATE_PAN,
  UAO: PSTATE_UAO,
  DIT: PSTATE_DIT,
  SSBS: PSTATE_SSBS,
  TCO: PSTATE_TCO,
};
/** Bits of FPCR these CPUs have: AHP, DN, FZ, RMode; Stride and Len and FPSR.NZCV for AArch32; FZ16 with FEAT_FP16. */
const FPCR_MASK = 0x07f70000;
const FPCR_FZ16 = 0x00080000;
const FPSR_MASK = 0xf800009f;

/** The system-register side of one CPU of the cluster. */
export function makeSysregContext(ports: SysregPorts, cpu: number, slots: SysregSlots): SysregContext {
  const state = () => ports.cluster().states[cpu]!;
  return {
    cpu,
    slots,
    get timers() {
      return ports.timers();
    },
    get pmu() {
      return ports.pmu();
    },
    get gic() {
      return ports.gic();
    },
    el: () => state().el,
    spsel: () => state().spsel,
    now: () => ports.now(),
    random(): bigint {
      const bytes = ports.random(cpu, 8);
      return bytes.reduce((value, byte, i) => value | (BigInt(byte) << BigInt(8 * i)), 0n);
    },
    readSpecial(name: SpecialRegister): bigint {
      const s = state();
      switch (name) {
        case 'NZCV':
          return BigInt(s.nzcv) << 28n;
        case 'DAIF':
          return BigInt(s.daif << 6);
        case 'CurrentEL':
          return BigInt(s.el << 2);
        case 'SPSel':
          return BigInt(s.spsel);
        case 'FPCR':
          return BigInt(s.word(L.CPU_FPCR));
        case 'FPSR':
          return BigInt(s.word(L.CPU_FPSR));
        case 'SP_EL0':
          return s.sysreg(L.SYS_SP_EL0);
        default:
          return BigInt(s.word(L.CPU_PSTATE) & PSTATE_BIT[name]!);
      }
    },
    writeSpecial(name: SpecialRegister, value: bigint): void {
      const s = state();
      const low = Number(value & 0xffffffffn);
      switch (name) {
        case 'NZCV':
          s.nzcv = low >>> 28;
          return;
        case 'DAIF':
          s.daif = (low >> 6) & 15;
          return;
        case 'CurrentEL':
          return;
        case 'SPSel':
          switchStack(s, s.el, low & 1);
          ports.cluster().contextChanged(s);
          return;
        case 'FPCR': {
          const mask = ports.cluster().config.features.has('FEAT_FP16') ? FPCR_MASK | FPCR_FZ16 : FPCR_MASK;
          s.setWord(L.CPU_FPCR, (low & mask) >>> 0);
          return;
        }
        case 'FPSR':
          s.setWord(L.CPU_FPSR, (low & FPSR_MASK) >>> 0);
          return;
        case 'SP_EL0':
          s.setSysreg(L.SYS_SP_EL0, value);
          return;
        default: {
          const bit = PSTATE_BIT[name]!;
          s.setWord(L.CPU_PSTATE, (s.word(L.CPU_PSTATE) & ~bit) | (low & bit));
          if (name === 'PAN' || name === 'UAO') ports.cluster().contextChanged(s);
        }
      }
    },
    pendingInterrupts(): number {
      const lines = state().word(L.CPU_IRQ);
      return ((lines & 2) << 6) | ((lines & 1) << 6);
    },
    changed(effect: SysregEffect, key: number): void {
      const s = state();
      if (effect === 'translation' && (key === TTBR0_EL1 || key === TTBR1_EL1)) {
        ports.cluster().translationChanged(s, true);
      } else if (effect === 'debug') {
        ports.cluster().debug.changed(s);
      } else {
        ports.cluster().translationChanged(s, false);
      }
    },
    translateAddress(operation: AddressTranslation, address: bigint): undefined {
      const cluster = ports.cluster();
      const s = state();
      // PSTATE.PAN matters to AT S1E1RP and S1E1WP only.
      const pstate = s.word(L.CPU_PSTATE);
      if (!operation.pan) s.setWord(L.CPU_PSTATE, pstate & ~PSTATE_PAN);
      const code = cluster.helpers.translate(s.base, address, operation.el, operation.write ? 1 : 0);
      s.setWord(L.CPU_PSTATE, pstate);
      const heap = cluster.heap;
      // PAR_EL1 (D17.2.103): F, then FST, or the address, attributes and shareability.
      if (code !== 0) {
        s.setSysreg(L.SYS_PAR_EL1, BigInt(((code & 0x3f) << 1) | 1 | (1 << 11)));
      } else {
        const pa = heap.u64[G_WALK_PA >>> 3]! & 0xf_ffff_ffff_f000n;
        const found = heap.u32[G_WALK_ATTRS >>> 2]!;
        const attributes = BigInt((found >>> ATTR_MAIR) & 0xff);
        const shareability = BigInt((found >>> ATTR_SH) & 3);
        // Bit 11 is RES1; NS (bit 9), UNKNOWN outside of Secure state, is 1 as in QEMU.
        s.setSysreg(L.SYS_PAR_EL1, pa | (attributes << 56n) | (shareability << 7n) | 0xa00n);
      }
      return undefined;
    },
    // TLBs are never stale.
    flushTlb: () => {},
    observe: (device, offset, write, value) => ports.observe(cpu, device, offset, write, value),
    unknown: (name, write) =>
      ports.unknown(cpu, `${write ? 'write' : 'read'} of system register ${name}, which does not exist here`),
  };
}
