/** `-rtc` and `-seed`. */
import { OptionError } from './errors.ts';
import { readKeyValues, readNumber } from './key-values.ts';

/** Seconds since 1970 at which the clock starts; or the time of the host, its own or as its wall shows it. */
export type RtcBase = 'utc' | 'localtime' | number;

/** The clock of the board has 32 bits (PL031, Arm DDI 0224). */
const CLOCK_LIMIT = 2 ** 32;

/** @throws OptionError */
export function readRtc(text: string | undefined): RtcBase {
  if (text === undefined) return 'utc';
  const values = readKeyValues('-rtc', text, {
    implied: 'base',
    allowed: ['base', 'clock'],
    refused: { driftfix: 'the clock has no ticks to catch up' },
  });
  const clock = values.get('clock') ?? 'vm';
  if (clock === 'host' || clock === 'rt') {
    throw new OptionError(`-rtc clock=${clock}: the clock goes with the time of the machine; use clock=vm`);
  }
  if (clock !== 'vm') throw new OptionError(`-rtc clock: '${clock}'; allowed is vm`);
  const base = values.get('base') ?? 'utc';
  return base === 'utc' || base === 'localtime' ? base : readDate(base);
}

function readDate(text: string): number {
  const match = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d))?$/.exec(text);
  const parts = match?.slice(1).map((part) => Number(part ?? 0));
  if (parts !== undefined) {
    const [year, month, day, hour, minute, second] = parts as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const ms = Date.UTC(year, month - 1, day, hour, minute, second);
    const seconds = ms / 1000;
    const iso = new Date(ms).toISOString().slice(0, 19);
    // A date like February 30 would come out as another one.
    const same = iso === (text.includes('T') ? text : `${text}T00:00:00`);
    if (same && seconds >= 0 && seconds < CLOCK_LIMIT) return seconds;
  }
  throw new OptionError(
    `-rtc base: '${text}'; allowed are utc, localtime or a date from 1970 to 2106 like 2024-02-29T12:00:00`,
  );
}

/** @throws OptionError */
export function readSeed(text: string | undefined): number | undefined {
  return text === undefined ? undefined : readNumber('-seed', text, 0, Number.MAX_SAFE_INTEGER);
}
