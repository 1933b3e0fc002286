/** A page-table walk in steps, for people (Arm DDI 0487, D8.2 and D8.3). It changes nothing. */
import * as L from '../../engine/cpu/helpers/layout.ts';
import type { Machine } from '../../engine/machine.ts';
import type { WalkStep, WalkView } from './view-types.ts';

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const ADDRESS_BITS = (1n << 48n) - 1n;

interface Regime {
  readonly name: string;
  readonly sctlr: bigint;
  readonly tcr: bigint;
  readonly ttbr0: bigint;
  readonly ttbr1: bigint | undefined;
  readonly mair: bigint;
}

function regimeOf(machine: Machine, cpu: number): Regime {
  const s = machine.cluster.states[cpu]!;
  const of = (slot: number): bigint => s.sysreg(slot);
  if (s.el === 3) {
    return {
      name: 'EL3',
      sctlr: of(L.SYS_SCTLR_EL3),
      tcr: of(L.SYS_TCR_EL3),
      ttbr0: of(L.SYS_TTBR0_EL3),
      ttbr1: undefined,
      mair: of(L.SYS_MAIR_EL3),
    };
  }
  if (s.el === 2) {
    return {
      name: 'EL2',
      sctlr: of(L.SYS_SCTLR_EL2),
      tcr: of(L.SYS_TCR_EL2),
      ttbr0: of(L.SYS_TTBR0_EL2),
      ttbr1: undefined,
      mair: of(L.SYS_MAIR_EL2),
    };
  }
  return {
    name: 'EL1&0',
    sctlr: of(L.SYS_SCTLR_EL1),
    tcr: of(L.SYS_TCR_EL1),
    ttbr0: of(L.SYS_TTBR0_EL1),
    ttbr1: of(L.SYS_TTBR1_EL1),
    mair: of(L.SYS_MAIR_EL1),
  };
}

/** Every table that a translation reads, for stage 1 of the CPU's present regime. */
export function walkPages(machine: Machine, cpu: number, address: bigint): WalkView {
  const regime = regimeOf(machine, cpu);
  const upper = regime.ttbr1 !== undefined && ((address >> 55n) & 1n) === 1n;
  const { tcr } = regime;
  const facts = [`regime ${regime.name}`, `SCTLR.M = ${regime.sctlr & 1n}`];
  const view = (steps: WalkStep[], result: string, physical?: bigint): WalkView => ({
    address: hex(address),
    facts,
    steps,
    result,
    ...(physical === undefined ? {} : { physical: hex(physical) }),
  });
  const hasTwo = regime.ttbr1 !== undefined;
  const tbi = ((tcr >> (hasTwo ? (upper ? 38n : 37n) : 20n)) & 1n) === 1n;
  if ((regime.sctlr & 1n) === 0n) {
    const flat = tbi ? address & ((1n << 56n) - 1n) : address;
    return view([], 'The MMU is off: the address is physical.', flat);
  }
  const size = Number((tcr >> (upper ? 16n : 0n)) & 63n);
  const tsz = Math.min(39, Math.max(16, size));
  const granuleField = Number((tcr >> (upper ? 30n : 14n)) & 3n);
  // TG0 and TG1 are encoded differently (D17.2.139).
  const granule = upper
    ? granuleField === 3
      ? 16
      : granuleField === 1
        ? 14
        : 12
    : [12, 16, 14, 12][granuleField]!;
  const inputBits = 64 - tsz;
  const ttbr = upper ? regime.ttbr1! : regime.ttbr0;
  facts.push(
    `${upper ? 'TTBR1' : 'TTBR0'} = ${hex(ttbr)}`,
    `T${upper ? 1 : 0}SZ = ${size}: ${inputBits} bits`,
    `granule ${2 ** (granule - 10)} KiB`,
  );
  // All bits above the input size must be copies of the half's selector; with TBI the top byte does not count.
  const top = tbi ? 8n : 0n;
  const above = BigInt.asIntN(64, address << top) >> (top + BigInt(inputBits));
  if (above !== (upper ? -1n : 0n)) {
    return view([], `Translation fault: the address has more than ${inputBits} bits.`);
  }
  const disabled = hasTwo && ((tcr >> (upper ? 23n : 7n)) & 1n) === 1n;
  if (disabled) return view([], `Translation fault: EPD${upper ? 1 : 0} forbids walks.`);
  const stride = granule - 3;
  let level = 4 - Math.ceil((inputBits - granule) / stride);
  const va = address & ((1n << BigInt(inputBits)) - 1n);
  const firstBits = inputBits - (granule + stride * (3 - level));
  let table = ttbr & ADDRESS_BITS & ~((1n << BigInt(Math.max(6, firstBits + 3))) - 1n);
  let indexBits = firstBits;
  const steps: WalkStep[] = [];
  const restrictions: string[] = [];
  const bytes = new Uint8Array(8);
  for (;;) {
    const shift = granule + stride * (3 - level);
    const index = Number((va >> BigInt(shift)) & ((1n << BigInt(indexBits)) - 1n));
    const at = table + BigInt(8 * index);
    const step = { level, table: hex(table), index, address: hex(at) };
    if (!machine.memory.read(Number(at), bytes)) {
      steps.push({ ...step, descriptor: '', kind: 'not memory', fields: [] });
      return view(steps, `External abort: the table of level ${level} is not in memory.`);
    }
    const descriptor = new DataView(bytes.buffer).getBigUint64(0, true);
    const isTable = level < 3 && (descriptor & 3n) === 3n;
    const isLeaf = level === 3 ? (descriptor & 3n) === 3n : (descriptor & 3n) === 1n;
    if (isTable) {
      const limits = tableLimits(descriptor);
      restrictions.push(...limits);
      steps.push({ ...step, descriptor: hex(descriptor), kind: 'table', fields: limits });
      table = descriptor & ADDRESS_BITS & ~((1n << BigInt(granule)) - 1n);
      level += 1;
      indexBits = stride;
      continue;
    }
    if (!isLeaf) {
      steps.push({ ...step, descriptor: hex(descriptor), kind: 'invalid', fields: [] });
      return view(steps, `Translation fault, level ${level}.`);
    }
    steps.push({
      ...step,
      descriptor: hex(descriptor),
      kind: level === 3 ? 'page' : 'block',
      fields: leafFields(descriptor, regime),
    });
    const mask = (1n << BigInt(shift)) - 1n;
    const physical = (descriptor & ADDRESS_BITS & ~mask) | (va & mask);
    const flag = (descriptor >> 10n) & 1n;
    const size =
      shift >= 30
        ? `${2 ** (shift - 30)} GiB`
        : shift >= 20
          ? `${2 ** (shift - 20)} MiB`
          : `${2 ** (shift - 10)} KiB`;
    const note = flag === 0n ? ' AF is 0: an access flag fault.' : '';
    return view(steps, `Mapped by a ${level === 3 ? 'page' : 'block'} of ${size}.${note}`, physical);
  }
}

function tableLimits(descriptor: bigint): string[] {
  const limits: string[] = [];
  const ap = Number((descriptor >> 61n) & 3n);
  if (ap & 1) limits.push('APTable: not from EL0');
  if (ap & 2) limits.push('APTable: read-only');
  if ((descriptor >> 60n) & 1n) limits.push('UXNTable');
  if ((descriptor >> 59n) & 1n) limits.push('PXNTable');
  return limits;
}

const SHARE = ['non-shareable', 'reserved', 'outer shareable', 'inner shareable'];

function leafFields(descriptor: bigint, { mair }: Regime): string[] {
  const at = (low: number, bits = 1): number =>
    Number((descriptor >> BigInt(low)) & ((1n << BigInt(bits)) - 1n));
  const ap = at(6, 2);
  const attribute = Number((mair >> BigInt(8 * at(2, 3))) & 0xffn);
  return [
    ap & 2 ? 'read-only' : 'read-write',
    ap & 1 ? 'EL0 too' : 'not EL0',
    ...(at(54) ? ['UXN'] : []),
    ...(at(53) ? ['PXN'] : []),
    at(10) ? 'AF' : 'AF = 0',
    SHARE[at(8, 2)]!,
    `AttrIndx ${at(2, 3)}: ${memoryType(attribute)}`,
    ...(at(11) ? ['nG'] : []),
  ];
}

/** MAIR_ELx attributes (D17.2.97), in short. */
function memoryType(attribute: number): string {
  if (attribute < 16) return `Device-${['nGnRnE', 'nGnRE', 'nGRE', 'GRE'][attribute >> 2]}`;
  if (attribute === 0xff) return 'Normal, write-back';
  if (attribute === 0x44) return 'Normal, non-cacheable';
  if (attribute === 0xf0) return 'Normal, tagged';
  return `Normal, ${hex(attribute)}`;
}
