// Puts programs out of unpacked Debian packages into a tree for an initramfs, with the shared libraries they need
// and nothing else. A library that no package brings is named, with the file that needs it.
// Usage: node collect-programs.mjs PACKAGES ROOT [PROGRAM...]: these programs alone, or all of the RAM disk.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const [packages, root, ...only] = process.argv.slice(2);
if (!packages || !root) {
  console.error('usage: collect-programs.mjs PACKAGES ROOT [PROGRAM...]');
  process.exit(2);
}

const PYTHON = 'usr/lib/python3.11';
const PERL = 'usr/lib/aarch64-linux-gnu/perl-base';
/** Modules of Python for the workloads; `python3.11-minimal` alone has neither JSON nor decimals. */
const PYTHON_MODULES =
  `__future__ _bootsubprocess _collections_abc _compat_pickle _sitebuiltins _weakrefset abc ast base64 bisect codecs
  collections contextlib copy copyreg dataclasses decimal dis encodings enum fractions functools genericpath hashlib heapq
  importlib inspect io json keyword linecache locale numbers opcode operator os posixpath random re reprlib site
  sre_compile sre_constants sre_parse stat statistics string struct sysconfig token tokenize traceback types typing
  warnings weakref zipimport`.split(/\s+/);
const PYTHON_EXTENSIONS = ['_decimal', '_hashlib', '_json', '_typing', 'mmap', 'resource'];
const PERL_MODULES = ['strict.pm', 'warnings.pm', 'Config.pm', 'overload.pm', 'overloading.pm', 'warnings'];
const PROGRAMS = [
  'openssl',
  'sqlite3',
  'gzip',
  'xz',
  'bzip2',
  'perl',
  'python3.11',
  'stress-ng',
  'memtester',
];
const PROGRAM_FOLDERS = ['usr/bin', 'bin', 'usr/sbin', 'sbin'];
const LIBRARY_FOLDERS = ['lib/aarch64-linux-gnu', 'usr/lib/aarch64-linux-gnu', 'lib', 'usr/lib'];
/** Opened at run time, so no program names it: thread cancellation in the C library. */
const OPENED_LATER = ['libgcc_s.so.1'];

const missing = [];

function find(folders, name) {
  return folders.map((folder) => join(packages, folder, name)).find((path) => existsSync(path));
}

/** Names of the libraries that an ELF file asks for. ELF-64 gABI: program header, dynamic section. */
function neededBy(path) {
  const bytes = readFileSync(path);
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46) return [];
  const number = (at) => Number(bytes.readBigUInt64LE(at));
  const headers = Array.from(
    { length: bytes.readUInt16LE(56) },
    (_, i) => number(32) + i * bytes.readUInt16LE(54),
  ).map((at) => ({
    type: bytes.readUInt32LE(at),
    offset: number(at + 8),
    address: number(at + 16),
    size: number(at + 32),
  }));
  const dynamic = headers.find(({ type }) => type === 2); // PT_DYNAMIC
  if (dynamic === undefined) return [];
  const needed = [];
  let strings = 0;
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    const tag = number(at);
    if (tag === 1) needed.push(number(at + 8)); // DT_NEEDED
    if (tag === 5) strings = number(at + 8); // DT_STRTAB
  }
  const holder = headers.find((h) => h.type === 1 && strings >= h.address && strings < h.address + h.size); // PT_LOAD
  if (holder === undefined) return [];
  const base = strings - holder.address + holder.offset;
  return needed.map((offset) => bytes.toString('latin1', base + offset, bytes.indexOf(0, base + offset)));
}

function copy(from, inside) {
  const to = join(root, inside);
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}

const libraries = new Set();
function addLibrary(name, user) {
  if (libraries.has(name)) return;
  libraries.add(name);
  const path = find(LIBRARY_FOLDERS, name);
  if (path === undefined) {
    missing.push(`${name}, which ${user} needs`);
    return;
  }
  copy(path, `lib/${name}`);
  for (const other of neededBy(path)) addLibrary(other, name);
}

function addElf(from, inside) {
  copy(from, inside);
  for (const name of neededBy(from)) addLibrary(name, basename(inside));
}

/** A file or a whole folder at the same place in the tree. */
function addTree(inside) {
  const from = join(packages, inside);
  if (!existsSync(from)) {
    missing.push(inside);
  } else if (statSync(from).isDirectory()) {
    for (const name of readdirSync(from)) if (name !== '__pycache__') addTree(`${inside}/${name}`);
  } else copy(from, inside);
}

for (const name of only.length > 0 ? only : PROGRAMS) {
  const path = find(PROGRAM_FOLDERS, name);
  if (path === undefined) missing.push(`the program ${name}`);
  else addElf(path, `usr/bin/${name}`);
}
if (only.length === 0) {
  for (const name of OPENED_LATER) addLibrary(name, 'the C library');
  for (const name of PYTHON_MODULES) {
    addTree(existsSync(join(packages, PYTHON, name)) ? `${PYTHON}/${name}` : `${PYTHON}/${name}.py`);
  }
  for (const name of PYTHON_EXTENSIONS) {
    const file = `${PYTHON}/lib-dynload/${name}.cpython-311-aarch64-linux-gnu.so`;
    if (existsSync(join(packages, file))) addElf(join(packages, file), file);
    else missing.push(file);
  }
  for (const name of PERL_MODULES) addTree(`${PERL}/${name}`);
}

if (missing.length > 0) {
  for (const what of missing) console.error(`guests: the packages do not hold ${what}`);
  process.exit(1);
}
