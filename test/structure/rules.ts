/** Who may import whom (ARCHITECTURE.md, Layers), and what may not be used where. */
export interface LayerRule {
  /** Files the rule is for: the first rule whose folder holds a file counts. */
  readonly folder: string;
  /** Folders, files or packages. A folder may always import itself. */
  readonly may: readonly string[];
  /** Additionally, what is gone at run time. */
  readonly mayForTypes?: readonly string[];
}

/** Constants of the linear memory, read by TypeScript and AssemblyScript. */
const LAYOUTS = ['engine/cpu/helpers/layout.ts', 'engine/cpu/helpers/heap-layout.ts'];
/** What of an engine may be used without running it: types of events, register maps, names and sizes. */
const ENGINE_DATA = ['engine/base/register-map.ts'];

export const LAYERS: readonly LayerRule[] = [
  { folder: 'engine/base', may: [] },
  { folder: 'engine/cpu/helpers', may: [] },
  { folder: 'engine/cpu', may: ['engine/base', 'engine/memory'] },
  {
    folder: 'engine/memory',
    may: ['engine/base', ...LAYOUTS],
    mayForTypes: ['engine/cpu', 'engine/devices/cfi-flash.ts'],
  },
  { folder: 'engine/devices/gic', may: ['engine/base'] },
  { folder: 'engine/devices/pcie', may: ['engine/base'] },
  { folder: 'engine/devices/smmuv3', may: ['engine/base'] },
  // A virtio function behind PCI has a PCI function's registers.
  { folder: 'engine/devices/virtio', may: ['engine/base', 'engine/devices/pcie'] },
  { folder: 'engine/devices', may: ['engine/base'] },
  { folder: 'engine/boards', may: ['engine/base', 'engine/devices'] },
  // machine.ts and its parts put everything together
  { folder: 'engine', may: ['engine'] },
  { folder: 'traces', may: [...ENGINE_DATA, 'msgpackr'], mayForTypes: ['engine/base'] },
  { folder: 'recorder/session', may: ['engine', 'traces'] },
  { folder: 'recorder/compare', may: ['engine', 'traces', 'recorder/session'] },
  { folder: 'recorder/debugger', may: ['engine', 'traces', 'recorder/session'] },
  { folder: 'recorder/gdb', may: ['engine', 'traces', 'recorder/session', 'recorder/debugger', 'node:'] },
  { folder: 'recorder', may: ['engine', 'traces', 'recorder', 'node:', 'commander', 'lz4-napi'] },
  { folder: 'viewer', may: ['engine', 'traces', 'recorder/session', 'd3'] },
];

/** Functions of Math whose result the language defines to the last bit. */
const EXACT_MATH = [
  'abs',
  'ceil',
  'clz32',
  'floor',
  'fround',
  'imul',
  'max',
  'min',
  'round',
  'sign',
  'sqrt',
  'trunc',
];

const HOST = [
  ...['process', 'Buffer', 'require', 'global', '__dirname', '__filename', 'setImmediate', 'clearImmediate'],
];
const TIME_AND_CHANCE = [
  'Date',
  'performance',
  'crypto',
  'Intl',
  'WeakRef',
  'FinalizationRegistry',
  'Atomics',
];
const ASYNCHRONOUS = [
  'Promise',
  'setTimeout',
  'setInterval',
  'queueMicrotask',
  'requestAnimationFrame',
  'fetch',
];
const PAGE = ['window', 'document', 'navigator', 'self', 'globalThis', 'console', 'localStorage', 'Worker'];

/** Why a name may not be used in a file, or undefined if it may. */
export function banOf(path: string, name: string): string | undefined {
  if (path.startsWith('engine/')) {
    if (name.startsWith('Math.') && !EXACT_MATH.includes(name.slice(5)))
      return 'its result differs between hosts';
    if (TIME_AND_CHANCE.includes(name)) return 'the engine knows no host time and no chance';
    if (ASYNCHRONOUS.includes(name)) return 'the engine is synchronous';
    if (PAGE.includes(name)) return 'the engine has no host';
  }
  const isBrowserSafe = ['engine/', 'traces/', 'recorder/session/', 'viewer/'].some((folder) =>
    path.startsWith(folder),
  );
  return isBrowserSafe && HOST.includes(name) ? 'this layer runs in browsers, too' : undefined;
}

/** Whether `target` is, or is in, one of the named. */
function isIn(target: string, allowed: readonly string[]): boolean {
  return allowed.some((name) => target === name || target.startsWith(name.endsWith(':') ? name : `${name}/`));
}

/** Why a file may not import something, or undefined if it may. */
export function violationOf(path: string, target: string, isType: boolean): string | undefined {
  const rule = LAYERS.find(({ folder }) => isIn(path, [folder]));
  if (rule === undefined) return `${path} belongs to no layer`;
  const { folder, may, mayForTypes = [] } = rule;
  if (isIn(target, [folder, ...may, ...(isType ? mayForTypes : [])])) return undefined;
  return `${path} may not import ${target}: ${folder} may import ${['itself', ...may].join(', ')}`;
}
