// Writes a reproducible newc cpio archive: sorted names, time 0, owner 0, inode numbers in order. Unlike
// cpio(1) it needs neither root for the device nodes nor an installed cpio.
// Usage: node make-initramfs.mjs ROOT OUTPUT — ROOT is the tree to pack; /dev/console and /dev/null are added.
// Format: Documentation/driver-api/early-userspace/buffer-format.rst of the Linux kernel.
import { lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const S_IFCHR = 0o020000;

const [root, output] = process.argv.slice(2);
if (!root || !output) {
  console.error('usage: make-initramfs.mjs ROOT OUTPUT');
  process.exit(2);
}

/** @type {Map<string, { mode: number, data: Buffer, major: number, minor: number }>} */
const entries = new Map();
const add = (name, mode, data = Buffer.alloc(0), major = 0, minor = 0) =>
  entries.set(name, { mode, data, major, minor });

function walk(folder, prefix) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const stat = lstatSync(path);
    const inside = prefix + name;
    if (stat.isDirectory()) {
      add(inside, S_IFDIR | 0o755);
      walk(path, `${inside}/`);
    } else if (stat.isSymbolicLink()) {
      add(inside, S_IFLNK | 0o777, Buffer.from(readlinkSync(path)));
    } else {
      // Permissions are ours, not those of the umask that unpacked the tree.
      add(inside, S_IFREG | (stat.mode & 0o100 ? 0o755 : 0o644), readFileSync(path));
    }
  }
}
walk(root, '');
add('dev', S_IFDIR | 0o755);
add('dev/console', S_IFCHR | 0o600, Buffer.alloc(0), 5, 1);
add('dev/null', S_IFCHR | 0o666, Buffer.alloc(0), 1, 3);

const hex = (value) => value.toString(16).toUpperCase().padStart(8, '0');
const parts = [];
function emit(name, inode, { mode, data, major, minor }) {
  const nameBytes = Buffer.from(`${name}\0`);
  const links = (mode & 0o170000) === S_IFDIR ? 2 : 1;
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [inode, mode, 0, 0, links, 0, data.length, 0, 0, major, minor, nameBytes.length, 0];
  const header = Buffer.concat([Buffer.from(`070701${fields.map(hex).join('')}`), nameBytes]);
  for (const block of [header, data]) {
    parts.push(block, Buffer.alloc((4 - (block.length % 4)) % 4));
  }
}
let inode = 1;
for (const name of [...entries.keys()].sort()) emit(name, inode++, entries.get(name));
emit('TRAILER!!!', 0, { mode: 0, data: Buffer.alloc(0), major: 0, minor: 0 });

const archive = Buffer.concat(parts);
writeFileSync(output, Buffer.concat([archive, Buffer.alloc((512 - (archive.length % 512)) % 512)]));
