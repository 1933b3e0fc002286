/*
 * Pointer authentication (FEAT_PAuth, Arm ARM shared/functions/pac) with the architected algorithm, QARMA5.
 *
 * All its permutations are linear, so each is a table of 64-bit words by byte position and value. What was computed
 * last is kept, as a function that signs its return address soon checks it: results are a function of the operands,
 * so this can never be seen.
 */
import {
  CPU_EL, CPU_SYSREGS, SYS_APIAKEYLO, SYS_SCTLR_EL1, SYS_SCTLR_EL2, SYS_SCTLR_EL3, SYS_TCR_EL1, SYS_TCR_EL2, SYS_TCR_EL3,
} from "./layout";
import { G_TRANSLATION_FEATURES, TRANSLATION_LPA2, TRANSLATION_LVA, TRANSLATION_TTST } from "./heap-layout";

// @ts-ignore: decorator
@inline
function sysreg(cpu: usize, index: u32): u64 {
  return load<u64>(cpu + (index << 3), CPU_SYSREGS);
}

/* ------------------------------------------------------------------ QARMA5 */

/** Where each cell of four bits comes from, in nibbles; PACCellShuffle and TweakShuffle. */
const SHUFFLE: usize = memory.data<u8>([13, 6, 11, 0, 7, 12, 1, 10, 8, 3, 14, 5, 2, 9, 4, 15]);
const TWEAK: usize = memory.data<u8>([4, 5, 6, 7, 11, 2, 3, 8, 12, 13, 14, 15, 0, 1, 10, 9]);
/** Cells of the tweak that also go through TweakCellRot. */
const TWEAK_ROTATED: u32 = (1 << 2) | (1 << 4) | (1 << 7) | (1 << 11) | (1 << 12) | (1 << 14) | (1 << 15);
/** PACSub and PACInvSub. */
const SUB: usize = memory.data<u8>([11, 6, 8, 15, 12, 0, 9, 14, 3, 7, 4, 5, 13, 2, 1, 10]);

const TABLE_BYTES: u32 = 8 * 256 * 8;
/** mix(shuffle(x)), unshuffle(mix(x)), unshuffle(x), tweak(x). */
const FORWARD: usize = memory.data(16384, 8);
const BACKWARD: usize = memory.data(16384, 8);
const UNSHUFFLE: usize = memory.data(16384, 8);
const NEXT_TWEAK: usize = memory.data(16384, 8);
const SUB_BYTES: usize = memory.data(256);
const UNSUB_BYTES: usize = memory.data(256);
let prepared: bool = false;

/** Each row of four cells from the other three; cells are rotated by one or two bits (PACMult). */
function mix(x: u64): u64 {
  const one = ((x << 1) & 0xeeeeeeeeeeeeeeee) | ((x >> 3) & 0x1111111111111111);
  const two = ((x << 2) & 0xcccccccccccccccc) | ((x >> 2) & 0x3333333333333333);
  return rotr<u64>(one, 16) ^ rotr<u64>(two, 32) ^ rotr<u64>(one, 48);
}

function shuffle(x: u64): u64 {
  let out: u64 = 0;
  for (let i = 0; i < 16; i++) out |= ((x >> (<u64>load<u8>(SHUFFLE + i) << 2)) & 15) << (<u64>i << 2);
  return out;
}

function unshuffle(x: u64): u64 {
  let out: u64 = 0;
  for (let i = 0; i < 16; i++) out |= ((x >> (<u64>i << 2)) & 15) << (<u64>load<u8>(SHUFFLE + i) << 2);
  return out;
}

function tweak(x: u64): u64 {
  let out: u64 = 0;
  for (let i = 0; i < 16; i++) {
    let cell = (x >> (<u64>load<u8>(TWEAK + i) << 2)) & 15;
    if (TWEAK_ROTATED & (1 << i)) cell = (cell >> 1) | (((cell ^ (cell >> 1)) & 1) << 3);
    out |= cell << (<u64>i << 2);
  }
  return out;
}

function prepare(): void {
  prepared = true;
  for (let at: u32 = 0; at < 8; at++) {
    for (let value: u32 = 0; value < 256; value++) {
      const x = (<u64>value) << (at << 3);
      const to = (at * 256 + value) << 3;
      store<u64>(FORWARD + to, mix(shuffle(x)));
      store<u64>(BACKWARD + to, unshuffle(mix(x)));
      store<u64>(UNSHUFFLE + to, unshuffle(x));
      store<u64>(NEXT_TWEAK + to, tweak(x));
    }
  }
  for (let value: u32 = 0; value < 256; value++) {
    const out: u32 = <u32>load<u8>(SUB + (value & 15)) | (<u32>load<u8>(SUB + (value >> 4)) << 4);
    store<u8>(SUB_BYTES + value, out);
    store<u8>(UNSUB_BYTES + out, value);
  }
}

// @ts-ignore: decorator
@inline
function part(table: usize, x: u64, at: u32): u64 {
  return load<u64>(table + (at << 11) + ((<u32>(x >> (at << 3)) & 255) << 3));
}

function linear(table: usize, x: u64): u64 {
  return part(table, x, 0) ^ part(table, x, 1) ^ part(table, x, 2) ^ part(table, x, 3) ^
    part(table, x, 4) ^ part(table, x, 5) ^ part(table, x, 6) ^ part(table, x, 7);
}

// @ts-ignore: decorator
@inline
function cell(table: usize, x: u64, at: u32): u64 {
  return (<u64>load<u8>(table + (<u32>(x >> (at << 3)) & 255))) << (at << 3);
}

function substitute(table: usize, x: u64): u64 {
  return cell(table, x, 0) | cell(table, x, 1) | cell(table, x, 2) | cell(table, x, 3) |
    cell(table, x, 4) | cell(table, x, 5) | cell(table, x, 6) | cell(table, x, 7);
}

const RC0: u64 = 0, RC1: u64 = 0x13198a2e03707344, RC2: u64 = 0xa4093822299f31d0, RC3: u64 = 0x082efa98ec4e6c89,
  RC4: u64 = 0x452821e638d01377;
const ALPHA: u64 = 0xc0ac29b7c97c50dd;

function qarma5(data: u64, modifier: u64, key0: u64, key1: u64): u64 {
  if (!prepared) prepare();
  const t0 = modifier;
  const t1 = linear(NEXT_TWEAK, t0);
  const t2 = linear(NEXT_TWEAK, t1);
  const t3 = linear(NEXT_TWEAK, t2);
  const t4 = linear(NEXT_TWEAK, t3);
  const t5 = linear(NEXT_TWEAK, t4);
  const modk0 = (key0 << 63) | ((key0 >> 2) << 1 & 0x7ffffffffffffffe) | ((key0 >> 63) ^ ((key0 >> 1) & 1));
  let w = data ^ key0;
  w = substitute(SUB_BYTES, w ^ key1 ^ t0 ^ RC0);
  w = substitute(SUB_BYTES, linear(FORWARD, w ^ key1 ^ t1 ^ RC1));
  w = substitute(SUB_BYTES, linear(FORWARD, w ^ key1 ^ t2 ^ RC2));
  w = substitute(SUB_BYTES, linear(FORWARD, w ^ key1 ^ t3 ^ RC3));
  w = substitute(SUB_BYTES, linear(FORWARD, w ^ key1 ^ t4 ^ RC4));
  w = substitute(SUB_BYTES, linear(FORWARD, w ^ modk0 ^ t5));
  w = linear(FORWARD, w) ^ key1;
  w = substitute(UNSUB_BYTES, linear(UNSHUFFLE, w));
  w = linear(BACKWARD, w) ^ key0 ^ t5;
  const back = key1 ^ ALPHA;
  w = linear(BACKWARD, substitute(UNSUB_BYTES, w)) ^ RC4 ^ back ^ t4;
  w = linear(BACKWARD, substitute(UNSUB_BYTES, w)) ^ RC3 ^ back ^ t3;
  w = linear(BACKWARD, substitute(UNSUB_BYTES, w)) ^ RC2 ^ back ^ t2;
  w = linear(BACKWARD, substitute(UNSUB_BYTES, w)) ^ RC1 ^ back ^ t1;
  w = substitute(UNSUB_BYTES, w) ^ RC0 ^ back ^ t0;
  return w ^ modk0;
}

/** {data, modifier, key0, key1, result}; the data of an empty one have a result that none has looked for. */
const KEPT_ENTRY: u32 = 40;
const KEPT: usize = memory.data(40960, 8);

/** ComputePAC; `key` counts APIA, APIB, APDA, APDB, APGA. */
function computePac(cpu: usize, data: u64, modifier: u64, key: u32): u64 {
  const key1 = sysreg(cpu, SYS_APIAKEYLO + key * 2);
  const key0 = sysreg(cpu, SYS_APIAKEYLO + key * 2 + 1);
  const mixed = data ^ rotl<u64>(modifier, 7);
  const at = KEPT + ((<u32>(mixed ^ (mixed >> 12) ^ (mixed >> 22)) & 1023) * KEPT_ENTRY);
  if (
    load<u64>(at) == data && load<u64>(at, 8) == modifier && load<u64>(at, 16) == key0 && load<u64>(at, 24) == key1 &&
    // All zero is an empty entry.
    (data | modifier | key0 | key1) != 0
  ) return load<u64>(at, 32);
  const result = qarma5(data, modifier, key0, key1);
  store<u64>(at, data);
  store<u64>(at, modifier, 8);
  store<u64>(at, key0, 16);
  store<u64>(at, key1, 24);
  store<u64>(at, result, 32);
  return result;
}

/* ------------------------------------------------------------------ pointers */

/** SCTLR_ELx.EnIA, EnIB, EnDA, EnDB. */
function isEnabled(cpu: usize, key: u32): bool {
  const el = load<u32>(cpu, CPU_EL);
  const sctlr = sysreg(cpu, el < 2 ? SYS_SCTLR_EL1 : el == 2 ? SYS_SCTLR_EL2 : SYS_SCTLR_EL3);
  return ((sctlr >> (key == 0 ? 31 : key == 1 ? 30 : key == 2 ? 27 : 13)) & 1) != 0;
}

function tcrOf(cpu: usize): u64 {
  const el = load<u32>(cpu, CPU_EL);
  return sysreg(cpu, el < 2 ? SYS_TCR_EL1 : el == 2 ? SYS_TCR_EL2 : SYS_TCR_EL3);
}

/** EffectiveTBI: for pointers to instructions, TBID takes it away. */
function hasTag(cpu: usize, tcr: u64, upper: bool, isData: bool): bool {
  const two = load<u32>(cpu, CPU_EL) < 2;
  const tbi = (tcr >> (two ? (upper ? 38 : 37) : 20)) & 1;
  const tbid = (tcr >> (two ? (upper ? 52 : 51) : 29)) & 1;
  return tbi != 0 && (isData || tbid == 0);
}

/** CalculateBottomPACBit. A size out of bounds counts as the bound. */
function bottomBit(cpu: usize, tcr: u64, upper: bool): u32 {
  const features = load<u32>(G_TRANSLATION_FEATURES);
  const two = load<u32>(cpu, CPU_EL) < 2;
  const isUpper: bool = upper && two;
  let size = isUpper ? <u32>(tcr >> 16) & 63 : <u32>tcr & 63;
  const is64k: bool = isUpper ? ((tcr >> 30) & 3) == 3 : ((tcr >> 14) & 3) == 1;
  const largest: u32 = features & TRANSLATION_TTST ? (is64k ? 47 : 48) : 39;
  const ds: bool = !is64k && (features & TRANSLATION_LPA2) != 0 && ((tcr >> (two ? 59 : 32)) & 1) != 0;
  const wide: bool = is64k ? (features & TRANSLATION_LVA) != 0 : ds;
  const smallest: u32 = wide ? 12 : 16;
  if (size > largest) size = largest;
  if (size < smallest) size = smallest;
  return 64 - size;
}

// @ts-ignore: decorator
@inline
function ones(low: u32, high: u32): u64 {
  // bits low … high - 1
  return (high == 64 ? ~(<u64>0) : ((<u64>1) << high) - 1) & ~(((<u64>1) << low) - 1);
}

/** AddPAC: `key` as above; APDA and APDB are of data. */
export function pac_add(cpu: usize, ptr: u64, modifier: u64, key: u32): u64 {
  if (!isEnabled(cpu, key)) return ptr;
  const isData = key >= 2;
  const tcr = tcrOf(cpu);
  const two = load<u32>(cpu, CPU_EL) < 2;
  const tbi = hasTag(cpu, tcr, ((ptr >> 55) & 1) != 0, isData);
  // With a tag in either half, bit 55 says which half it is.
  const tagged: bool = two ? hasTag(cpu, tcr, false, isData) || hasTag(cpu, tcr, true, isData) : tbi;
  const selected = (ptr >> (tagged ? 55 : 63)) & 1;
  const low = bottomBit(cpu, tcr, selected != 0);
  const high: u32 = tbi ? 56 : 64;
  const field = ones(low, high);
  const extension = selected ? field : 0;
  let pac = computePac(cpu, (ptr & ~field) | extension, modifier, key);
  // A pointer that was not canonical gets a code that will not do.
  if ((ptr & field) != 0 && (ptr & field) != field) pac ^= (<u64>1) << (high - 2);
  const code = field & ~((<u64>1) << 55);
  return (ptr & ~field) | (pac & code) | (selected << 55);
}

/** Auth; what does not match gets an error code. */
export function pac_authenticate(cpu: usize, ptr: u64, modifier: u64, key: u32): u64 {
  if (!isEnabled(cpu, key)) return ptr;
  const upper = ((ptr >> 55) & 1) != 0;
  const tcr = tcrOf(cpu);
  const tbi = hasTag(cpu, tcr, upper, key >= 2);
  const field = ones(bottomBit(cpu, tcr, upper), tbi ? 56 : 64);
  const original = (ptr & ~field) | (upper ? field : 0);
  const pac = computePac(cpu, original, modifier, key);
  const code = field & ~((<u64>1) << 55);
  if (((pac ^ ptr) & code) == 0) return original;
  const error: u64 = key & 1 ? 2 : 1;
  const at: u32 = tbi ? 53 : 61;
  return (original & ~((<u64>3) << at)) | (error << at);
}

/** Strip. */
export function pac_strip(cpu: usize, ptr: u64, isData: u32): u64 {
  const upper = ((ptr >> 55) & 1) != 0;
  const tcr = tcrOf(cpu);
  const field = ones(bottomBit(cpu, tcr, upper), hasTag(cpu, tcr, upper, isData != 0) ? 56 : 64);
  return (ptr & ~field) | (upper ? field : 0);
}

/** PACGA. */
export function pac_generic(cpu: usize, data: u64, modifier: u64): u64 {
  return computePac(cpu, data, modifier, 4) & 0xffffffff00000000;
}
