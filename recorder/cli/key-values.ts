import { OptionError } from './errors.ts';

export interface KeyRules {
  /** Key of a first part without `=`. */
  readonly implied: string;
  readonly allowed: readonly string[];
  /** Keys of QEMU's that are refused, each with the reason. */
  readonly refused?: { readonly [key: string]: string };
  /** Keys that are taken with these values, which say what is so anyway, and are then forgotten. */
  readonly same?: { readonly [key: string]: readonly string[] };
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
      const same = Object.hasOwn(rules.same ?? {}, key) ? rules.same?.[key] : undefined;
      const said = equals < 0 && !first ? 'on' : part.slice(equals + 1);
      if (!first && same?.includes(said) === true) return;
      if (!rules.allowed.includes(key)) {
        if (same !== undefined) {
          throw new OptionError(
            `${option} ${key}=${said}: QEMU has it, virtrace does not; allowed ${same.length === 1 ? 'is' : 'are'} ${same.join(', ')}`,
          );
        }
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
      values.set(key, said.replaceAll('\0', ','));
    });
  return values;
}

/**
 * The other way to write an option, `{"key": value, "key": {"inner": value}}`, as `key=value,key.inner=value`; what is
 * not an object stays as it is. @throws OptionError
 */
export function flattenJson(option: string, text: string): string {
  if (!text.trimStart().startsWith('{')) return text;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new OptionError(`${option}: not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const parts: string[] = [];
  const add = (prefix: string, value: unknown): void => {
    if (typeof value === 'boolean') parts.push(`${prefix}=${value ? 'on' : 'off'}`);
    else if (typeof value === 'number' || typeof value === 'string')
      parts.push(`${prefix}=${String(value).replaceAll(',', ',,')}`);
    else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) add(prefix === '' ? key : `${prefix}.${key}`, inner);
    } else throw new OptionError(`${option} ${prefix}: a text, a number, true or false is needed`);
  };
  add('', parsed);
  return parts.join(',');
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
