/** Numbers as the page writes them. */

/** Virtual time with as many digits as the step between two neighbours needs. */
export function formatTime(ns: number, step = 1): string {
  const [unit, scale] =
    ns >= 1e9 || step >= 1e8 ? ['s', 1e9] : ns >= 1e6 ? ['ms', 1e6] : ns >= 1e3 ? ['µs', 1e3] : ['ns', 1];
  return withUnit(ns, unit as string, scale as number, step);
}

function withUnit(value: number, unit: string, scale: number, step: number): string {
  const digits = Math.min(9, Math.max(0, Math.ceil(Math.log10(scale / Math.max(step, 1e-9)))));
  return `${trim((value / scale).toFixed(digits))} ${unit}`;
}

function trim(digits: string): string {
  return digits.includes('.') ? digits.replace(/0+$/, '').replace(/\.$/, '') : digits;
}

/** A length of time with three digits that count. */
export function formatDuration(ns: number): string {
  if (!(ns > 0)) return '0';
  for (const [unit, scale] of [
    ['s', 1e9],
    ['ms', 1e6],
    ['µs', 1e3],
  ] as const) {
    if (ns >= scale) return `${trim((ns / scale).toPrecision(3))} ${unit}`;
  }
  return `${trim(ns.toPrecision(3))} ns`;
}

/** Digits in groups of three, by thin spaces. */
export function formatCount(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, '\u2009');
}

/** 12.7 M, 34 k, 512. */
export function formatShort(value: number): string {
  if (value >= 1e9) return `${trim((value / 1e9).toPrecision(3))} G`;
  if (value >= 1e6) return `${trim((value / 1e6).toPrecision(3))} M`;
  if (value >= 1e4) return `${trim((value / 1e3).toPrecision(3))} k`;
  return formatCount(value);
}

export function formatBytes(bytes: number): string {
  for (const [unit, scale] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const) {
    if (bytes >= scale) return `${trim((bytes / scale).toPrecision(3))} ${unit}`;
  }
  return `${bytes} bytes`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
