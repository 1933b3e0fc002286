import type { DeviceState } from '../base/device.ts';
import type { CpuCluster, CpuPower, CpuWait } from './cluster.ts';
import * as L from './helpers/layout.ts';

/** Fields of a CPU's block that are state; the rest is scratch, or follows from these. */
const LONGS = [L.CPU_SP, L.CPU_PC, L.CPU_EXCLUSIVE_ADDR] as const;
const WORDS = [
  L.CPU_EL,
  L.CPU_SPSEL,
  L.CPU_DAIF,
  L.CPU_PSTATE,
  L.CPU_EXCLUSIVE,
  L.CPU_EXCLUSIVE_SIZE,
  L.CPU_FPCR,
  L.CPU_FPSR,
] as const;

/** The architectural state of one CPU as plain data. */
export function saveCpu(cluster: CpuCluster, index: number): DeviceState {
  const s = cluster.states[index]!;
  const { u8 } = cluster.heap;
  return {
    x: u8.slice(s.base + L.CPU_X, s.base + L.CPU_X + 31 * 8),
    longs: LONGS.map((at) => s.long(at)),
    words: WORDS.map((at) => s.word(at)),
    // The lazy form of the flags has many spellings; this one is unique.
    nzcv: s.nzcv,
    q: u8.slice(s.base + L.CPU_Q, s.base + L.CPU_Q + 512),
    sysregs: u8.slice(s.base + L.CPU_SYSREGS, s.base + L.CPU_SYSREGS + L.CPU_SYSREGS_MAX * 8),
    power: cluster.power[index]!,
    wait: cluster.wait[index]!,
    event: cluster.event[index]!,
  };
}

export function loadCpu(cluster: CpuCluster, index: number, state: DeviceState): void {
  const s = cluster.states[index]!;
  const { u8 } = cluster.heap;
  u8.set(state['x'] as Uint8Array, s.base + L.CPU_X);
  LONGS.forEach((at, i) => {
    s.setLong(at, (state['longs'] as bigint[])[i]!);
  });
  WORDS.forEach((at, i) => {
    s.setWord(at, (state['words'] as number[])[i]!);
  });
  s.nzcv = state['nzcv'] as number;
  u8.set(state['q'] as Uint8Array, s.base + L.CPU_Q);
  u8.set(state['sysregs'] as Uint8Array, s.base + L.CPU_SYSREGS);
  cluster.power[index] = state['power'] as CpuPower;
  cluster.wait[index] = state['wait'] as CpuWait;
  cluster.event[index] = state['event'] as boolean;
  cluster.helpers.tlbFlushCpu(index);
  cluster.contextChanged(s);
  cluster.debug.changed(s);
}
