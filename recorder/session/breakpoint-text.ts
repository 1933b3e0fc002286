import type { Condition, WatchKind } from './conditions.ts';

/** What a person can stop for, with an example each. */
export const BREAKPOINT_HELP: readonly (readonly [example: string, meaning: string])[] = [
  ['0x40101804', 'the instruction at an address'],
  ['gic_enable', 'the instruction at a symbol'],
  ['write 0x40112000', 'a write of 8 bytes there; also read, access, change'],
  ['write 0x40112000 16', 'the same, of 16 bytes'],
  ['write phys 0x40112000', 'by physical address; DMA counts, too'],
  ['irq 34 acknowledge', 'an interrupt is taken; without a word: any change'],
  ['exception sync', 'an exception: sync, irq, fiq, serror, return'],
  ['reg gicd.GICD_CTLR write', 'an access to a register; also read'],
  ['console WATCHDOG', 'a text has been printed'],
];

const WATCHES: readonly WatchKind[] = ['read', 'write', 'access', 'change'];
const EXCEPTIONS = ['sync', 'irq', 'fiq', 'serror', 'return'] as const;

function number(text: string | undefined): bigint | undefined {
  return text !== undefined && /^(0x[0-9a-f]+|\d+)$/i.test(text) ? BigInt(text) : undefined;
}

/**
 * A breakpoint as a person writes it.
 * @param symbol address of a symbol
 * @throws RangeError that says what is wrong
 */
export function parseBreakpoint(text: string, symbol: (name: string) => bigint | undefined): Condition {
  const [first = '', ...rest] = text.trim().split(/\s+/);
  const address = (word: string | undefined): bigint => {
    const found = number(word) ?? (word === undefined ? undefined : symbol(word));
    if (found === undefined) throw new RangeError(`'${word ?? ''}' is neither an address nor a symbol`);
    return found;
  };
  const watch = WATCHES.find((kind) => kind === first);
  if (watch !== undefined) {
    const isPhysical = rest[0] === 'phys' || rest[0] === 'physical';
    const [where, length] = isPhysical ? rest.slice(1) : rest;
    const bytes = length === undefined ? 8n : number(length);
    if (bytes === undefined || bytes < 1n || bytes > 1n << 20n)
      throw new RangeError(`'${length}' is no number of bytes`);
    return {
      kind: 'watch',
      space: isPhysical ? 'physical' : 'virtual',
      address: address(where),
      length: Number(bytes),
      access: watch,
    };
  }
  switch (first) {
    case '':
      throw new RangeError('what shall it stop for?');
    case 'irq': {
      const intid = number(rest[0]);
      if (intid === undefined) throw new RangeError(`irq ${rest[0] ?? ''}: which INTID?`);
      return { kind: 'interrupt', intid: Number(intid), ...(rest[1] === undefined ? {} : { what: rest[1] }) };
    }
    case 'exception': {
      const what = EXCEPTIONS.find((kind) => kind === rest[0]);
      if (rest[0] !== undefined && what === undefined) {
        throw new RangeError(`exception ${rest[0]}: there are ${EXCEPTIONS.join(', ')}`);
      }
      return { kind: 'exception', ...(what === undefined ? {} : { what }) };
    }
    case 'reg': {
      const match = /^([^.]+)(?:\.(.+))?$/.exec(rest[0] ?? '');
      if (match === null) throw new RangeError('reg DEVICE.REGISTER');
      const [, device, register] = match;
      const direction = rest[1];
      if (direction !== undefined && direction !== 'read' && direction !== 'write') {
        throw new RangeError(`'${direction}': read or write`);
      }
      return {
        kind: 'access',
        device: device!,
        ...(register === undefined ? {} : { register }),
        ...(direction === undefined ? {} : { write: direction === 'write' }),
      };
    }
    case 'console': {
      const wanted = text.trim().slice('console'.length).trim();
      if (wanted === '') throw new RangeError('console: which text?');
      return { kind: 'console', text: wanted };
    }
    default:
      return { kind: 'address', address: address(first) };
  }
}
