/**
 * Declarative register maps: written once per device; read by the device, the decoders of CLI and viewer,
 * the explanations and the documentation.
 */
export type RegisterAccess = 'RO' | 'WO' | 'RW' | 'W1C' | 'RAZ' | 'RAZ/WI';

export interface RegisterField {
  /** Arm's name, e.g. `RXFE`. */
  readonly name: string;
  /** Highest and lowest bit, inclusive. */
  readonly hi: number;
  readonly lo: number;
  readonly meaning?: string;
  /** Names of enumerated values. */
  readonly values?: { readonly [value: number]: string };
}

export interface Register {
  readonly name: string;
  readonly offset: number;
  /** Width in bytes. */
  readonly width: 1 | 2 | 4 | 8;
  readonly access: RegisterAccess;
  readonly reset?: number | bigint;
  readonly meaning?: string;
  readonly fields?: readonly RegisterField[];
  /** An array of registers: `count` of them, `stride` bytes apart (default: width). Name `X<n>`. */
  readonly count?: number;
  readonly stride?: number;
}

export interface RegisterMap {
  /** Device type, e.g. `pl011`. */
  readonly device: string;
  /** Document, e.g. `Arm DDI 0183`. */
  readonly reference: string;
  readonly registers: readonly Register[];
}

export interface RegisterHit {
  readonly register: Register;
  /** With the index for arrays, e.g. `GICD_ISENABLER1`. */
  readonly name: string;
  readonly index: number;
  /** Byte offset of the access inside the register. */
  readonly byte: number;
}

export function bit(name: string, position: number, meaning?: string): RegisterField {
  return meaning === undefined
    ? { name, hi: position, lo: position }
    : { name, hi: position, lo: position, meaning };
}

export function bits(name: string, hi: number, lo: number, meaning?: string): RegisterField {
  return meaning === undefined ? { name, hi, lo } : { name, hi, lo, meaning };
}

/** The register that covers a byte offset, or undefined. */
export function findRegister(map: RegisterMap, offset: number): RegisterHit | undefined {
  for (const register of map.registers) {
    const count = register.count ?? 1;
    const stride = register.stride ?? register.width;
    const relative = offset - register.offset;
    if (relative < 0 || relative >= count * stride) continue;
    const index = Math.floor(relative / stride);
    const byte = relative - index * stride;
    if (byte >= register.width) continue;
    const name = register.count === undefined ? register.name : `${register.name}${index}`;
    return { register, name, index, byte };
  }
  return undefined;
}

/** `FIELD=value` for each field of a register value; enumerated values by name. */
export function decodeFields(
  register: Register,
  value: bigint,
): { name: string; value: bigint; text?: string }[] {
  return (register.fields ?? []).map((field) => {
    const width = BigInt(field.hi - field.lo + 1);
    const fieldValue = (value >> BigInt(field.lo)) & ((1n << width) - 1n);
    const text = field.values?.[Number(fieldValue)];
    return text === undefined
      ? { name: field.name, value: fieldValue }
      : { name: field.name, value: fieldValue, text };
  });
}
