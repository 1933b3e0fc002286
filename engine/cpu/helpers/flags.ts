/*
 * Flags in their held form (see uop-effects.ts FLAGS) made plain.
 */
import { CPU_C, CPU_FLAG_A, CPU_FLAG_B, CPU_FLAG_KIND, CPU_N, CPU_V, CPU_Z } from "./layout";

/** Computes CPU_N, CPU_Z, CPU_C and CPU_V from CPU_FLAG_*, if they are not plain already. */
export function plain_flags(cpu: usize): void {
  const kind = load<u32>(cpu, CPU_FLAG_KIND);
  if (kind == 0) return;
  const a = load<u64>(cpu, CPU_FLAG_A);
  const b = load<u64>(cpu, CPU_FLAG_B);
  let n: i64, c: u32, v: u32;
  if (kind == 5) { // LOGIC
    n = a;
    c = 0;
    v = 0;
  } else if (kind == 1) { // ADD64
    const r = a + b;
    n = r;
    c = u32(r < a);
    v = u32(((a ^ r) & (b ^ r)) >> 63);
  } else if (kind == 3) { // SUB64
    const r = a - b;
    n = r;
    c = u32(a >= b);
    v = u32(((a ^ b) & (a ^ r)) >> 63);
  } else {
    const x = <u32>a, y = <u32>b;
    const r = kind == 2 ? x + y : x - y;
    n = <i64><i32>r;
    c = kind == 2 ? u32(r < x) : u32(x >= y);
    v = kind == 2 ? ((x ^ r) & (y ^ r)) >> 31 : ((x ^ y) & (x ^ r)) >> 31;
  }
  store<i64>(cpu, n, CPU_N);
  store<i64>(cpu, n, CPU_Z);
  store<u32>(cpu, c, CPU_C);
  store<u32>(cpu, v, CPU_V);
  store<u32>(cpu, 0, CPU_FLAG_KIND);
}
