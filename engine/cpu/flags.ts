// biome-ignore-all format: chains of emitted instructions read best as written
import type { Backend } from './uops.ts';

/** NZCV by formula (Arm ARM, shared/functions/integer AddWithCarry). Operands and results are in scratch locals. */

/** V: both operands have a sign that the result has not (for a subtraction: of n and the inverted m). */
export function overflow(b: Backend, subtract: boolean, wide: boolean): void {
  b.setFlag('V', () => pushOverflow(b, subtract, wide));
}

export function pushOverflow(b: Backend, subtract: boolean, wide: boolean): void {
  const { c } = b;
  if (wide) {
    b.get64(0); b.get64(subtract ? 1 : 2); c.op('i64_xor');
    b.get64(subtract ? 0 : 1); b.get64(2); c.op('i64_xor').op('i64_and').i64(63).op('i64_shr_u').op('i32_wrap_i64');
  } else {
    b.get32(0); b.get32(subtract ? 1 : 2); c.op('i32_xor');
    b.get32(subtract ? 0 : 1); b.get32(2); c.op('i32_xor').op('i32_and').i32(31).op('i32_shr_u');
  }
}

/** N and Z of the result in scratch 2. Clobbers i64 scratch 3 if narrow. */
export function signAndZero(b: Backend, wide: boolean): void {
  if (!wide) {
    b.get32(2); b.c.op('i64_extend_i32_s'); b.set64(3);
  }
  b.setFlag('N', () => b.get64(wide ? 2 : 3));
  b.setFlag('Z', () => b.get64(wide ? 2 : 3));
}

/** All flags of scratch 0 ± scratch 1 = scratch 2. */
export function setArithmeticFlags(b: Backend, subtract: boolean, wide: boolean): void {
  const { c } = b;
  b.setFlag('C', () => {
    if (wide && subtract) { b.get64(0); b.get64(1); c.op('i64_ge_u'); }
    else if (wide) { b.get64(2); b.get64(0); c.op('i64_lt_u'); }
    else if (subtract) { b.get32(0); b.get32(1); c.op('i32_ge_u'); }
    else { b.get32(2); b.get32(0); c.op('i32_lt_u'); }
  });
  overflow(b, subtract, wide);
  signAndZero(b, wide);
}

/** All flags of a logical result in scratch 0. */
export function setLogicalFlags(b: Backend, wide: boolean): void {
  if (!wide) {
    b.get32(0); b.c.op('i64_extend_i32_s'); b.set64(3);
  }
  b.setFlag('N', () => b.get64(wide ? 0 : 3));
  b.setFlag('Z', () => b.get64(wide ? 0 : 3));
  b.setFlag('C', () => b.c.i32(0));
  b.setFlag('V', () => b.c.i32(0));
}

/** Pushes the condition (0–13) as i32, from the four flags. */
export function pushCondition(b: Backend, cond: number): void {
  const { c } = b;
  const negative = (): void => { b.flag('N'); c.i64(0).op('i64_lt_s'); };
  switch (cond) {
    case 0: b.flag('Z'); c.op('i64_eqz'); break;
    case 1: b.flag('Z'); c.i64(0).op('i64_ne'); break;
    case 2: b.flag('C'); break;
    case 3: b.flag('C'); c.op('i32_eqz'); break;
    case 4: negative(); break;
    case 5: b.flag('N'); c.i64(0).op('i64_ge_s'); break;
    case 6: b.flag('V'); break;
    case 7: b.flag('V'); c.op('i32_eqz'); break;
    case 8: b.flag('C'); b.flag('Z'); c.i64(0).op('i64_ne').op('i32_and'); break;
    case 9: b.flag('C'); c.op('i32_eqz'); b.flag('Z'); c.op('i64_eqz').op('i32_or'); break;
    case 10: negative(); b.flag('V'); c.op('i32_eq'); break;
    case 11: negative(); b.flag('V'); c.op('i32_ne'); break;
    case 12: negative(); b.flag('V'); c.op('i32_eq'); b.flag('Z'); c.i64(0).op('i64_ne').op('i32_and'); break;
    case 13: negative(); b.flag('V'); c.op('i32_ne'); b.flag('Z'); c.op('i64_eqz').op('i32_or'); break;
    default: throw new Error(`no condition ${cond}`);
  }
}
