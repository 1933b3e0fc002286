/** `virtrace diff`: where two recordings part, and what differs from there on. */
import { TraceError } from '../../traces/index.ts';
import { type CompareOptions, compareTraces } from '../compare/compare.ts';
import { type NamedSide, report, reportText } from '../compare/text.ts';
import { hint } from '../debugger/nearest.ts';
import { openTrace } from '../host/open-trace.ts';
import { interruptsOf } from '../session/interrupt-words.ts';
import { pluggedDevices } from '../session/plugged-devices.ts';
import { registerMapsOf } from '../session/register-maps.ts';
import { recordedConfig } from '../session/setup.ts';
import { SymbolTable } from '../session/symbols.ts';
import { symbolsOf } from '../session/trace-symbols.ts';
import { EXIT, OptionError } from './errors.ts';
import type { CommandIo } from './io.ts';
import { readNumber } from './key-values.ts';

export interface DiffOptions {
  readonly only?: readonly string[];
  readonly context?: string;
  readonly json?: boolean;
}

export const DIFF_HELP = `Usage: virtrace diff A.vtrace B.vtrace [options]

Tells where two recordings first differ in what the guest did, and what differs from there on: a boot that works
and one that does not, two kernels, two machines. Positions, times, polling and the values of clocks are no
difference; how the machines were set up is told first.

Options:
  --only WHAT    compares only this (several: any of them): console, interrupts, exceptions, dma (of level full),
                 irq N, a device (uart0), or a register (gicd.GICD_CTLR); how the machines were set up does not count then
  --context N    events shown before and after the first difference (4)
  --json         the result as JSON

Exit code: 0 if they are the same, 1 if they differ, 2 if they cannot be compared.
`;

const CONTEXT = 4;
const MAX_CONTEXT = 1000;

/** @throws OptionError; also for a trace that cannot be read, since 1 means that they differ */
export async function diffCommand(
  files: readonly string[],
  options: DiffOptions,
  io: CommandIo,
): Promise<number> {
  const [fileA, fileB, ...more] = files;
  if (fileA === undefined || fileB === undefined || more.length > 0)
    throw new OptionError('diff: which traces? virtrace diff A.vtrace B.vtrace');
  const context =
    options.context === undefined ? CONTEXT : readNumber('--context', options.context, 0, MAX_CONTEXT);
  const opened: { close(): void }[] = [];
  const open = (file: string): NamedSide => {
    const trace = openTrace(file);
    opened.push(trace);
    const { reader } = trace;
    return {
      name: file,
      reader,
      maps: registerMapsOf(recordedConfig(reader.header), pluggedDevices(reader)),
      symbols: readSymbols(() => symbolsOf(reader)),
      interruptName: interruptsOf(reader.header),
    };
  };
  try {
    const [a, b] = [openOrRefuse(fileA, open), openOrRefuse(fileB, open)] as const;
    const only = options.only === undefined ? {} : { only: readOnly(options.only, [a, b]) };
    const comparison = compareTraces(a, b, only);
    const result = report(comparison, [a, b], { context });
    io.out(
      options.json === true
        ? `${JSON.stringify({ a: fileA, b: fileB, ...result })}\n`
        : reportText(result, [a, b]),
    );
    return result.same ? EXIT.ok : EXIT.failure;
  } catch (error) {
    if (error instanceof TraceError) throw new OptionError(error.message);
    throw error;
  } finally {
    for (const trace of opened) trace.close();
  }
}

function openOrRefuse(file: string, open: (file: string) => NamedSide): NamedSide {
  try {
    return open(file);
  } catch (error) {
    if (error instanceof TraceError) throw new OptionError(`${file}: ${error.message}`);
    throw error;
  }
}

/** An image that cannot be read takes its names with it, and nothing else. */
function readSymbols(read: () => SymbolTable): SymbolTable {
  try {
    return read();
  } catch (error) {
    if (error instanceof TraceError) return new SymbolTable([]);
    throw error;
  }
}

/** @throws OptionError with the nearest names */
function readOnly(list: readonly string[], sides: readonly NamedSide[]): NonNullable<CompareOptions['only']> {
  const tests = list.map((what): NonNullable<CompareOptions['only']> => {
    const irq = /^(?:irq|interrupt)\s*[ =:]?\s*(\d+)$/.exec(what);
    if (irq !== null) return (stream) => stream.kind === 'interrupt' && stream.id === String(Number(irq[1]));
    if (what === 'interrupts') return (stream) => stream.kind === 'interrupt';
    if (what === 'console') return (stream) => stream.kind === 'console';
    if (what === 'exceptions') return (stream) => stream.kind === 'exception';
    if (what === 'dma') return (stream) => stream.kind === 'dma';
    const [device = '', register, ...rest] = what.split('.');
    const map = sides.map(({ maps }) => maps(device)).find((each) => each !== undefined);
    if (map === undefined || rest.length > 0) {
      throw new OptionError(
        `--only ${what}: allowed are console, interrupts, exceptions, dma, irq N, a device, or DEVICE.REGISTER${hint(what, ['console', 'interrupts', 'exceptions', 'dma'], 0)}`,
      );
    }
    if (register === undefined) return (stream) => stream.kind !== 'interrupt' && stream.id === device;
    const names = map.registers.map(({ name }) => name);
    const found = map.registers.find(({ name, count }) =>
      count === undefined
        ? name.toUpperCase() === register.toUpperCase()
        : new RegExp(`^${name}\\d*$`, 'i').test(register),
    );
    if (found === undefined) {
      throw new OptionError(`--only ${what}: ${device} has no register ${register}${hint(register, names)}`);
    }
    const wanted = register.toUpperCase();
    return (stream, token) => {
      if (stream.kind !== 'device' || stream.id !== device) return false;
      const name = token
        .slice(0, token.indexOf(' '))
        .toUpperCase()
        .replace(/\+\d+$/, '');
      // Without an index, all of an array.
      return name === wanted || (found.count !== undefined && name.replace(/\d+$/, '') === wanted);
    };
  });
  return (stream, token) => tests.some((test) => test(stream, token));
}
