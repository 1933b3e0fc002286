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
  ['gic-cpu.ICC_CTLR_EL1.EOImode == 0', 'a write of this value to a register or field'],
  ['console WATCHDOG', 'a text has been printed'],
];

const WATCHES: readonly WatchKind[] = ['read', 'write', 'access', 'change'];
const INTERRUPT_WORDS: readonly string[] = [
  'line-high',
  'line-low',
  'pending',
  'not-pending',
  'acknowledge',
  'active',
  'complete',
];
const EXCEPTIONS = ['sync', 'irq', 'fiq', 'serror', 'return'] as const;

function number(text: string | undefined): bigint | undefined {
  return text !== undefined && /^(0x[0-9a-f]+|\d+)$/i.test(text) ? BigInt(text) : undefined;
}

/** `read`, `write`, `== 1`, in this order. @throws RangeError */
function accessOf(device: string, register: string | undefined, words: readonly string[]): Condition {
  const [first] = words;
  const direction = first === 'read' || first === 'write' || first === 'access' ? first : undefined;
  const rest = words
    .slice(direction === undefined ? 0 : 1)
    .join(' ')
    .replace(/^(==?)\s*/, '== ');
  let value: bigint | undefined;
  if (rest !== '') {
    value = rest.startsWith('== ') ? number(rest.slice(3)) : undefined;
    if (value === undefined) throw new RangeError(`'${rest}': read, write, or == and a number`);
  }
  // A value that is asked for without a word is one that is written: `when does it become 0?`
  const write = direction === undefined ? (value === undefined ? undefined : true) : direction === 'write';
  return {
    kind: 'access',
    device,
    ...(register === undefined ? {} : { register }),
    ...(write === undefined || direction === 'access' ? {} : { write }),
    ...(value === undefined ? {} : { value }),
  };
}

/** Takes `cpu N` from the end. @throws RangeError */
function takeCpu(words: string[]): { readonly cpu?: number } {
  if (words.at(-2) !== 'cpu') return {};
  const cpu = number(words.at(-1));
  if (cpu === undefined) throw new RangeError(`cpu ${words.at(-1)}: which CPU?`);
  words.splice(-2);
  return { cpu: Number(cpu) };
}

/**
 * A breakpoint as a person writes it.
 * @param symbol address of a symbol, or of what else stands for an address
 * @param isDevice whether a name is a device's, so that `uart0.UARTDR` is a register and `foo.part` a symbol
 * @throws RangeError that says what is wrong
 */
export function parseBreakpoint(
  text: string,
  symbol: (name: string) => bigint | undefined,
  isDevice: (id: string) => boolean = () => false,
): Condition {
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
    case 'irq':
    case 'interrupt': {
      const cpu = takeCpu(rest);
      const intid = number(rest[0]);
      if (intid === undefined) throw new RangeError(`${first} ${rest[0] ?? ''}: which INTID?`);
      const what = rest[1];
      if (what !== undefined && !INTERRUPT_WORDS.includes(what)) {
        throw new RangeError(`${first} ${intid} ${what}: there are ${INTERRUPT_WORDS.join(', ')}`);
      }
      return { kind: 'interrupt', intid: Number(intid), ...(what === undefined ? {} : { what }), ...cpu };
    }
    case 'exception': {
      const cpu = takeCpu(rest);
      const what = EXCEPTIONS.find((kind) => kind === rest[0]);
      if (rest[0] !== undefined && what === undefined) {
        throw new RangeError(`exception ${rest[0]}: there are ${EXCEPTIONS.join(', ')}`);
      }
      const ec = rest[1] === undefined ? undefined : number(rest[1]);
      if (rest[1] !== undefined && (ec === undefined || ec > 63n)) {
        throw new RangeError(`exception ${what} ${rest[1]}: the class (EC) is a number up to 0x3f`);
      }
      return {
        kind: 'exception',
        ...(what === undefined ? {} : { what }),
        ...(ec === undefined ? {} : { class: Number(ec) }),
        ...cpu,
      };
    }
    case 'reg': {
      const match = /^([^.]+)(?:\.(.+))?$/.exec(rest[0] ?? '');
      if (match === null) throw new RangeError('reg DEVICE.REGISTER');
      return accessOf(match[1]!, match[2], rest.slice(1));
    }
    case 'console': {
      const wanted = text
        .trim()
        .slice('console'.length)
        .trim()
        .replace(/^"(.*)"$/, '$1');
      if (wanted === '') throw new RangeError('console: which text?');
      return { kind: 'console', text: wanted };
    }
    default: {
      // `device.REGISTER==1` without spaces, too.
      const match = /^([^.=\s]+)(?:\.([^=\s]+))?(==?.*)?$/.exec(first);
      if (match !== null && isDevice(match[1]!)) {
        return accessOf(match[1]!, match[2], match[3] === undefined ? rest : [match[3], ...rest]);
      }
      const cpu = takeCpu(rest);
      if (rest.length > 0) throw new RangeError(`'${rest.join(' ')}': nothing is expected after an address`);
      return { kind: 'address', address: address(first), ...cpu };
    }
  }
}
