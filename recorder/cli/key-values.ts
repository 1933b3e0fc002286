import { OptionError } from './errors.ts';

export interface KeyRules {
  /** Key of a first part without `=`. */
  readonly implied: string;
  readonly allowed: readonly string[];
  /** Keys of QEMU's that are refused, each with the reason. */
  readonly refused?: { readonly [key: string]: string };
  /** Later parts without `=` mean `on`, as QEMU reads `-device x,disable-modern`. */
  readonly switches?: boolean;
}

/**
 * Reads `first,key=value,...`; ",," stands for a comma. A key given twice keeps its last value, as in QEMU.
 * @throws OptionError for an unknown or refused key, or one without a value
 */
export function readKeyValues(option: string, text: string, rules: KeyRules): Map<string, string> {
  const values = new Map<string, string>();
  text
    .replaceAll(',,', '\0')
    .split(',')
    .forEach((part, index) => {
      const equals = part.indexOf('=');
      const first = index === 0 && equals < 0;
      const key = first ? rules.implied : equals < 0 ? part : part.slice(0, equals);
      if (!rules.allowed.includes(key)) {
        const reason = Object.hasOwn(rules.refused ?? {}, key) ? rules.refused?.[key] : undefined;
        throw new OptionError(
          reason === undefined
            ? `${option}: unknown key '${key}'; allowed are ${rules.allowed.join(', ')}`
            : `${option} ${key}=: QEMU has it, virtrace does not: ${reason}`,
        );
      }
      if (equals < 0 && !first && rules.switches !== true) {
        throw new OptionError(`${option}: '${key}' has no value; write ${key}=...`);
      }
      const value = equals < 0 && !first ? 'on' : part.slice(equals + 1);
      values.set(key, value.replaceAll('\0', ','));
    });
  return values;
}

/** A whole number. @throws OptionError */
export function readNumber(option: string, text: string, low: number, high: number): number {
  const value = /^(0[xX][0-9a-fA-F]+|\d+)$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < low || value > high) {
    const limit = high === Number.MAX_SAFE_INTEGER ? `from ${low}` : `from ${low} to ${high}`;
    throw new OptionError(`${option}: '${text}'; allowed is a whole number ${limit}`);
  }
  return value;
}

/** One of several words. @throws OptionError */
export function readWord<T extends string>(option: string, text: string, allowed: readonly T[]): T {
  if ((allowed as readonly string[]).includes(text)) return text as T;
  throw new OptionError(`${option}: '${text}'; allowed are ${allowed.join(', ')}`);
}
