/*
 * Translation as Arm DDI 0487 section D8 and Arm IHI 0070 section 3.4 describe it, in 64-bit arithmetic and
 * without any memory of earlier walks: what the SMMU is compared with.
 */
export interface Stage1Model {
  readonly tsz: readonly [bigint, bigint];
  /** log2 of the granule for each half. */
  readonly granule: readonly [bigint, bigint];
  readonly ttb: readonly [bigint, bigint];
  readonly epd: readonly [boolean, boolean];
  readonly had: readonly [boolean, boolean];
  readonly tbi: readonly [boolean, boolean];
  readonly outputBits: bigint;
  readonly affd: boolean;
}

export interface Stage2Model {
  readonly tsz: bigint;
  readonly granule: bigint;
  readonly start: bigint;
  readonly ttb: bigint;
  readonly outputBits: bigint;
  readonly affd: boolean;
}

/** The 8 bytes at an address, or undefined: external abort. */
export type Memory = (address: bigint) => bigint | undefined;

export type Outcome =
  | { readonly physical: bigint; readonly blockBits: bigint }
  | { readonly fault: string; readonly stage: 1 | 2; readonly class: string; readonly address2?: bigint };

const bitsOf = (value: bigint, high: bigint, low: bigint) =>
  (value >> low) & ((1n << (high - low + 1n)) - 1n);
const bitOf = (value: bigint, position: bigint) => bitsOf(value, position, position) === 1n;
const OAS = 44n;

interface Descriptor {
  readonly value: bigint;
}
type Found = { readonly leaf: bigint; readonly shift: bigint; readonly readOnlyTables: boolean };

/** The walk proper; `fetch` gives a descriptor or the outcome that ends everything. */
function descend(
  input: bigint,
  size: bigint,
  granule: bigint,
  start: bigint,
  ttb: bigint,
  outputBits: bigint,
  fetch: (address: bigint) => Descriptor | Outcome,
  fault: (what: string) => Outcome,
): Found | Outcome {
  const perTable = granule - 3n;
  const widthBelow = (level: bigint) => granule + (3n - level) * perTable;
  let top = size - 1n;
  let table = (ttb >> (top - widthBelow(start) + 4n)) << (top - widthBelow(start) + 4n);
  let readOnlyTables = false;
  for (let level = start; level <= 3n; level += 1n) {
    const shift = widthBelow(level);
    const got = fetch(table | (bitsOf(input, top, shift) << 3n));
    if (!('value' in got)) return got;
    const d = got.value;
    if (!bitOf(d, 0n)) return fault('F_TRANSLATION');
    if (level < 3n && bitOf(d, 1n)) {
      table = bitsOf(d, 47n, granule) << granule;
      if (table >> outputBits !== 0n) return fault('F_ADDR_SIZE');
      readOnlyTables ||= bitOf(d, 62n);
      top = shift - 1n;
      continue;
    }
    // Blocks: level 1 and 2 with 4 KiB pages, level 2 with 16 KiB and 64 KiB pages.
    if (level === 3n ? !bitOf(d, 1n) : !(level === 2n || (level === 1n && granule === 12n))) {
      return fault('F_TRANSLATION');
    }
    if ((bitsOf(d, 47n, shift) << shift) >> outputBits !== 0n) return fault('F_ADDR_SIZE');
    return { leaf: d, shift, readOnlyTables };
  }
  throw new Error('not reached');
}

function stage2(
  ipa: bigint,
  s2: Stage2Model,
  write: boolean,
  memory: Memory,
  cls: string,
): { readonly physical: bigint; readonly blockBits: bigint } | Outcome {
  const fault = (what: string): Outcome => ({ fault: what, stage: 2, class: cls, address2: ipa });
  const size = 64n - s2.tsz;
  if (ipa >> size !== 0n) return fault('F_TRANSLATION');
  const fetch = (address: bigint): Descriptor | Outcome => {
    const value = memory(address);
    return value === undefined
      ? { fault: 'F_WALK_EABT', stage: 2, class: cls, address2: address }
      : { value };
  };
  const found = descend(ipa, size, s2.granule, s2.start, s2.ttb, s2.outputBits, fetch, fault);
  if (!('leaf' in found)) return found;
  const { leaf, shift } = found;
  if (!bitOf(leaf, 10n) && !s2.affd) return fault('F_ACCESS');
  if (!bitOf(leaf, write ? 7n : 6n)) return fault('F_PERMISSION');
  return {
    physical: (bitsOf(leaf, 47n, shift) << shift) | bitsOf(ipa, shift - 1n, 0n),
    blockBits: shift,
  };
}

export function translateModel(
  address: bigint,
  s1: Stage1Model | undefined,
  s2: Stage2Model | undefined,
  write: boolean,
  memory: Memory,
): Outcome {
  if (s1 === undefined) {
    if (address >> OAS !== 0n) return { fault: 'F_ADDR_SIZE', stage: 1, class: 'IN' };
    return stage2(address, s2!, write, memory, 'IN');
  }
  const fault = (what: string): Outcome => ({ fault: what, stage: 1, class: 'IN' });
  const half = bitOf(address, 55n) ? 1 : 0;
  const tag = s1.tbi[half] ? bitsOf(address, 55n, 0n) | (half === 1 ? 0xffn << 56n : 0n) : address;
  const size = 64n - s1.tsz[half];
  const above = tag >> size;
  if (s1.epd[half] || above !== (half === 1 ? (1n << s1.tsz[half]) - 1n : 0n)) return fault('F_TRANSLATION');
  const granule = s1.granule[half];
  let start = 3n;
  while (granule + (4n - start) * (granule - 3n) < size) start -= 1n;
  const fetch = (ipa: bigint): Descriptor | Outcome => {
    let at = ipa;
    if (s2 !== undefined) {
      const second = stage2(ipa, s2, false, memory, 'TT');
      if ('fault' in second) return second;
      at = second.physical;
    }
    const value = memory(at);
    return value === undefined ? { fault: 'F_WALK_EABT', stage: 1, class: 'TT', address2: at } : { value };
  };
  const input = bitsOf(tag, size - 1n, 0n);
  const found = descend(input, size, granule, start, s1.ttb[half], s1.outputBits, fetch, fault);
  if (!('leaf' in found)) return found;
  const { leaf, shift, readOnlyTables } = found;
  if (!bitOf(leaf, 10n) && !s1.affd) return fault('F_ACCESS');
  if (write && (bitOf(leaf, 7n) || (readOnlyTables && !s1.had[half]))) return fault('F_PERMISSION');
  const ipa = (bitsOf(leaf, 47n, shift) << shift) | bitsOf(input, shift - 1n, 0n);
  if (s2 === undefined) return { physical: ipa, blockBits: shift };
  const second = stage2(ipa, s2, write, memory, 'IN');
  if ('fault' in second) return second;
  return { physical: second.physical, blockBits: BigInt(Math.min(Number(second.blockBits), Number(shift))) };
}
