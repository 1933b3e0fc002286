/**
 * PSCI 1.1 (Arm DEN 0022) as QEMU answers it in place of firmware: the call is taken before any trap, only the
 * function in W0 counts, and only X0 is written (devices.md section 20).
 */
export interface PsciMachine {
  x(cpu: number, register: number): bigint;
  setX0(cpu: number, value: bigint): void;
  /** CPU index of an MPIDR affinity value, or undefined. */
  cpuOf(mpidr: bigint): number | undefined;
  isOn(cpu: number): boolean;
  cpuOn(cpu: number, entry: bigint, context: bigint): void;
  cpuOff(cpu: number): void;
  suspend(cpu: number): void;
  systemOff(): void;
  systemReset(): void;
}

const SUCCESS = 0n;
const NOT_SUPPORTED = -1n;
const INVALID_PARAMETERS = -2n;
const ALREADY_ON = -4n;
const AFFINITY_MASK = 0xff00ffffffn;

const FUNCTIONS = new Set([
  0x84000000, 0x84000001, 0x84000002, 0x84000003, 0x84000004, 0x84000005, 0x84000006, 0x84000008, 0x84000009,
  0x8400000a, 0xc4000001, 0xc4000003, 0xc4000004,
]);

/** PSCI 0.1 numbers that the device tree announces. */
const VERSION_01: { readonly [id: number]: number } = {
  0x95c1ba5e: 0x84000001,
  0x95c1ba5f: 0x84000002,
  0x95c1ba60: 0x84000003,
  0x95c1ba61: 0x84000005,
};

/** Carries out one call by `cpu`. The instruction has completed: PC is already behind it. */
export function callPsci(machine: PsciMachine, cpu: number): void {
  const asked = Number(machine.x(cpu, 0) & 0xffffffffn);
  const id = VERSION_01[asked] ?? asked;
  const wide = (id & 0x40000000) !== 0 || asked !== id;
  const argument = (n: number): bigint => (wide ? machine.x(cpu, n) : machine.x(cpu, n) & 0xffffffffn);
  const result = (value: bigint): void => machine.setX0(cpu, value);
  switch (id) {
    case 0x84000000:
      return result(0x00010001n);
    case 0x84000001:
    case 0xc4000001:
      if ((machine.x(cpu, 1) & 0xfffe0000n) !== 0n) return result(INVALID_PARAMETERS);
      result(SUCCESS);
      return machine.suspend(cpu);
    case 0x84000002:
      return machine.cpuOff(cpu);
    case 0x84000003:
    case 0xc4000003: {
      const target = machine.cpuOf(argument(1) & AFFINITY_MASK);
      const entry = argument(2);
      if (target === undefined || (entry & 3n) !== 0n) return result(INVALID_PARAMETERS);
      if (machine.isOn(target)) return result(ALREADY_ON);
      machine.cpuOn(target, entry, argument(3));
      return result(SUCCESS);
    }
    case 0x84000004:
    case 0xc4000004: {
      if (argument(2) !== 0n) return result(0n);
      const target = machine.cpuOf(argument(1) & AFFINITY_MASK);
      if (target === undefined) return result(INVALID_PARAMETERS);
      return result(machine.isOn(target) ? 0n : 1n);
    }
    case 0x84000006:
      return result(2n);
    case 0x84000008:
      return machine.systemOff();
    case 0x84000009:
      return machine.systemReset();
    case 0x8400000a:
      return result(FUNCTIONS.has(Number(machine.x(cpu, 1) & 0xffffffffn)) ? SUCCESS : NOT_SUPPORTED);
    default:
      // MIGRATE, SMCCC_VERSION, SYSTEM_RESET2, TRNG and everything else
      return result(NOT_SUPPORTED);
  }
}
