// biome-ignore-all format: chains of emitted instructions read best as written
/** Micro-operations of extensions after Armv8.0: atomics, flag manipulation, pointer authentication, branch targets. */

import { CPU_BTYPE, CPU_BTYPE_AT, CPU_DATA, CPU_DATA_HI } from './helpers/layout.ts';
import { define } from './uop-table.ts';
import type { Backend } from './uops.ts';
import type { MemName, OpName } from './wasm/emitter.ts';

/* ---------------------------------------------------------------- atomics (FEAT_LSE) */

/** In the order of `opc`, then SWP and CAS: what helpers/atomics.ts gets. */
export const ATOMIC_OPERATIONS = ['add', 'clr', 'eor', 'set', 'smax', 'smin', 'umax', 'umin', 'swp', 'cas'] as const;

const SIZES: { load: MemName; store: MemName; sign: OpName | undefined; mask: [number, number] | undefined }[] = [
  { load: 'i64_load8_u', store: 'i64_store8', sign: 'i64_extend8_s', mask: [0xff, 0] },
  { load: 'i64_load16_u', store: 'i64_store16', sign: 'i64_extend16_s', mask: [0xffff, 0] },
  { load: 'i64_load32_u', store: 'i64_store32', sign: 'i64_extend32_s', mask: [-1, 0] },
  { load: 'i64_load', store: 'i64_store', sign: undefined, mask: undefined },
];

/** Pushes the new value; the old one is in i64 scratch 1. */
function combine(b: Backend, operation: (typeof ATOMIC_OPERATIONS)[number], sizeLog2: number): void {
  const { c } = b;
  const { sign, mask } = SIZES[sizeLog2]!;
  const old = (): void => b.get64(1);
  const narrow = (): void => { if (mask !== undefined) c.i64(...mask).op('i64_and'); };
  const extend = (): void => { if (sign !== undefined) c.op(sign); };
  switch (operation) {
    case 'add': old(); b.reg('m'); c.op('i64_add'); return;
    case 'clr': old(); b.reg('m'); c.i64(-1, -1).op('i64_xor').op('i64_and'); return;
    case 'eor': old(); b.reg('m'); c.op('i64_xor'); return;
    case 'set': old(); b.reg('m'); c.op('i64_or'); return;
    case 'smax': case 'smin':
      old(); b.reg('m');
      old(); extend(); b.reg('m'); extend();
      c.op(operation === 'smax' ? 'i64_gt_s' : 'i64_lt_s').op('select');
      return;
    case 'umax': case 'umin':
      old(); b.reg('m');
      old(); b.reg('m'); narrow();
      c.op(operation === 'umax' ? 'i64_gt_u' : 'i64_lt_u').op('select');
      return;
    case 'swp': b.reg('m'); return;
    case 'cas':
      b.reg('m'); old();
      old(); b.reg('a'); narrow();
      c.op('i64_eq').op('select');
      return;
  }
}

/** d = old value at n; m is the operand, a what CAS expects. A page in the TLB for writes can be read as well. */
for (const [code, operation] of ATOMIC_OPERATIONS.entries()) {
  SIZES.forEach(({ load, store }, sizeLog2) => {
    define(`${operation === 'cas' || operation === 'swp' ? '' : 'ld'}${operation}${8 << sizeLog2}`, (b) => {
      b.reg('n'); b.set64(0);
      b.access(true, false, 1 << sizeLog2,
        () => {
          b.get32(0); b.c.mem(load); b.set64(1);
          b.get32(0); combine(b, operation, sizeLog2); b.c.mem(store);
        },
        () => {
          b.cpu(); b.get64(0); b.reg('m');
          if (operation === 'cas') b.reg('a'); else b.c.i64(0);
          b.desc(sizeLog2); b.c.i32(code); b.call('atomic'); b.set64(1);
          b.exitIfAsked();
        }, true);
      b.setReg('d', () => b.get64(1));
    }, 'plain', true);
  });
}
/** d and a = 16 bytes at n, which a store of the same instruction may follow: no reason to leave remains for it. */
define('ldupdate', (b) => {
  b.reg('n'); b.set64(0);
  b.access(true, false, 16,
    () => { b.get32(0); b.c.mem('i64_load'); b.set64(1); b.get32(0); b.c.mem('i64_load', 8); b.set64(2); },
    () => {
      b.cpu(); b.get64(0); b.desc(3); b.call('pair_for_update');
      b.exitIfAsked();
      b.cpu(); b.c.mem('i64_load', CPU_DATA); b.set64(1);
      b.cpu(); b.c.mem('i64_load', CPU_DATA_HI); b.set64(2);
    }, true);
  b.setReg('d', () => b.get64(1));
  b.setReg('a', () => b.get64(2));
}, 'plain', true);
/** d = n is 0. */
define('iszero', (b) => b.setReg('d', () => { b.reg('n'); b.c.op('i64_eqz').op('i64_extend_i32_u'); }));

/* ---------------------------------------------------------------- flags (FEAT_FlagM, FEAT_FlagM2) */

define('cfinv', (b) => b.setFlag('C', () => { b.flag('C'); b.c.op('i32_eqz'); }));
/** Flags whose bit in x is set, from the low bits NZCV of n rotated right by imm. */
define('rmif', (b) => {
  const { c } = b;
  b.reg('n'); b.imm(); c.op('i64_rotr').op('i32_wrap_i64'); b.set32(0);
  const bit = (at: number): void => { b.get32(0); c.i32(1 << at).op('i32_and'); };
  const chosen = (at: number): void => { b.x(); c.i32(1 << at).op('i32_and'); };
  b.setFlag('N', () => { b.get32(0); c.op('i64_extend_i32_u').i64(60).op('i64_shl'); b.flag('N'); chosen(3); c.op('select'); });
  b.setFlag('Z', () => { bit(2); c.op('i32_eqz').op('i64_extend_i32_u'); b.flag('Z'); chosen(2); c.op('select'); });
  b.setFlag('C', () => { bit(1); c.i32(1).op('i32_shr_u'); b.flag('C'); chosen(1); c.op('select'); });
  b.setFlag('V', () => { bit(0); b.flag('V'); chosen(0); c.op('select'); });
});
/** N, Z and V of the low x bits (8 or 16) of n; V tells whether they do not fit. */
define('setf', (b) => {
  const { c } = b;
  b.reg('n'); c.i32(64); b.x(); c.op('i32_sub').op('i64_extend_i32_u').op('i64_shl'); b.set64(0);
  b.flag('C'); b.set32(1);
  b.setFlag('N', () => b.get64(0));
  b.setFlag('Z', () => b.get64(0));
  b.setFlag('V', () => {
    b.reg('n'); b.x(); c.op('i64_extend_i32_u').op('i64_shr_u').op('i32_wrap_i64');
    b.get64(0); c.i64(63).op('i64_shr_u').op('i32_wrap_i64').op('i32_xor').i32(1).op('i32_and');
  });
  b.setFlag('C', () => b.get32(1));
});
/** From Arm's form of a comparison's flags to that of other architectures, and back. */
define('axflag', (b) => {
  const { c } = b;
  b.flag('Z'); c.op('i64_eqz'); b.flag('V'); c.op('i32_or'); b.set32(0);
  b.flag('C'); b.flag('V'); c.op('i32_eqz').op('i32_and'); b.set32(1);
  b.setFlag('N', () => c.i64(0));
  b.setFlag('Z', () => { b.get32(0); c.op('i32_eqz').op('i64_extend_i32_u'); });
  b.setFlag('C', () => b.get32(1));
  b.setFlag('V', () => c.i32(0));
});
define('xaflag', (b) => {
  const { c } = b;
  b.flag('Z'); c.op('i64_eqz'); b.set32(0);
  b.flag('C'); b.set32(1);
  b.setFlag('N', () => { b.get32(1); b.get32(0); c.op('i32_or').op('i32_eqz').op('i64_extend_i32_u').i64(63).op('i64_shl'); });
  b.setFlag('Z', () => { b.get32(0); b.get32(1); c.op('i32_and').op('i32_eqz').op('i64_extend_i32_u'); });
  b.setFlag('C', () => { b.get32(1); b.get32(0); c.op('i32_or'); });
  b.setFlag('V', () => { b.get32(1); c.op('i32_eqz'); b.get32(0); c.op('i32_and'); });
});

/* ---------------------------------------------------------------- pointer authentication (FEAT_PAuth) */

/** d = n with a code, or checked, with m as modifier and key x; stripped (x: of data); the generic code. */
for (const name of ['pac_add', 'pac_authenticate'] as const) {
  define(name, (b) => b.setReg('d', () => { b.cpu(); b.reg('n'); b.reg('m'); b.x(); b.call(name); }));
}
define('pac_strip', (b) => b.setReg('d', () => { b.cpu(); b.reg('n'); b.x(); b.call('pac_strip'); }));
define('pac_generic', (b) => b.setReg('d', () => { b.cpu(); b.reg('n'); b.reg('m'); b.call('pac_generic'); }));

/* ---------------------------------------------------------------- branch targets (FEAT_BTI) */

/** Last but for the branch itself: PSTATE.BTYPE becomes x. */
define('setbtype', (b) => {
  b.cpu(); b.x(); b.c.mem('i32_store', CPU_BTYPE);
  b.cpu(); b.budget(false); b.c.mem('i32_store', CPU_BTYPE_AT);
});
/** First in a block of a guarded page: a PSTATE.BTYPE whose bit is set in x may not come here. */
define('checkbtype', (b) => {
  const { c } = b;
  b.cpu(); c.mem('i32_load', CPU_BTYPE_AT); b.budget(true); c.op('i32_eq');
  b.x(); b.cpu(); c.mem('i32_load', CPU_BTYPE).op('i32_shr_u').i32(1).op('i32_and').op('i32_and').if();
  b.cpu(); b.cpu(); c.mem('i32_load', CPU_BTYPE); b.call('branch_target_fault');
  c.end();
  b.exitIfAsked();
}, 'plain', true);
