import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { OptionError } from '../../../recorder/cli/errors.ts';
import { openQcow2 } from '../../../recorder/host/qcow2.ts';
import { temporary } from '../cli/support.ts';

/* Images made by qemu-img and qemu-io, against what qemu-img makes raw of them. */

const hasTool = spawnSync('qemu-img', ['--version']).status === 0;
const dir = temporary();
afterAll(() => dir.remove());

function tool(command: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}

const MiB = 2 ** 20;

/** What the disk holds, as qemu-img reads it. */
function reference(name: string): Buffer {
  tool('qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', dir.file(name), dir.file('reference.raw'));
  return readFileSync(dir.file('reference.raw'));
}

function contents(name: string): Uint8Array {
  const source = openQcow2('-drive', dir.file(name));
  try {
    return source.read(0, source.size);
  } finally {
    source.close();
  }
}

/** Bytes that do not repeat with the clusters, with gaps of zeros. */
function pattern(name: string, bytes: number): string {
  const data = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) if ((i >> 16) % 3 !== 1) data[i] = (i * 7 + (i >> 9) * 31) & 0xff;
  writeFileSync(dir.file(name), data);
  return dir.file(name);
}

describe.runIf(hasTool)('openQcow2', () => {
  it.each([
    ['version 2', ['-o', 'compat=0.10']],
    ['version 3', ['-o', 'compat=1.1']],
    ['small clusters', ['-o', 'cluster_size=512']],
    ['large clusters', ['-o', 'cluster_size=2M']],
    ['compressed', ['-c']],
    ['compressed in small clusters', ['-c', '-o', 'cluster_size=4k']],
  ])('reads what qemu-img does: %s', (name, options) => {
    const raw = pattern('pattern.raw', 3 * MiB + 512);
    tool('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', ...options, raw, dir.file('a.qcow2'));
    expect(Buffer.compare(contents('a.qcow2'), readFileSync(raw)), name).toBe(0);
  });

  it('reads any range', () => {
    const raw = pattern('pattern.raw', MiB);
    tool('qemu-img', 'convert', '-O', 'qcow2', '-c', '-o', 'cluster_size=4k', raw, dir.file('a.qcow2'));
    const all = readFileSync(raw);
    const source = openQcow2('-drive', dir.file('a.qcow2'));
    fc.assert(
      fc.property(fc.nat(MiB - 1), fc.nat(40_000), (offset, wanted) => {
        const length = Math.min(wanted, MiB - offset);
        expect(Buffer.compare(source.read(offset, length), all.subarray(offset, offset + length))).toBe(0);
      }),
    );
    source.close();
  });

  it('reads through backing files, of both formats and of other sizes, and clusters that read as zero', () => {
    pattern('base.raw', 2 * MiB);
    const create = (...args: string[]): void => tool('qemu-img', 'create', '-f', 'qcow2', ...args);
    create('-b', 'base.raw', '-F', 'raw', dir.file('middle.qcow2'), '3M');
    tool('qemu-io', '-f', 'qcow2', '-c', 'write -P 0xaa 64k 100k', dir.file('middle.qcow2'));
    create('-b', 'middle.qcow2', '-F', 'qcow2', '-o', 'cluster_size=4k', dir.file('top.qcow2'), '4M');
    tool('qemu-io', '-f', 'qcow2', '-c', 'write -z 80k 32k', '-c', 'write -P 3 2M 5k', dir.file('top.qcow2'));
    expect(Buffer.compare(contents('top.qcow2'), reference('top.qcow2'))).toBe(0);
    const source = openQcow2('-drive', dir.file('top.qcow2'));
    expect(source.backingFiles).toEqual([dir.file('middle.qcow2'), dir.file('base.raw')]);
    source.close();
  });

  it('tells what it does not read, in one line', () => {
    const refused = (name: string, message: string): void => {
      expect(() => openQcow2('-drive id=d', dir.file(name))).toThrow(new RegExp(`^-drive id=d .*${message}`));
    };
    const create = (name: string, ...args: string[]): void =>
      tool('qemu-img', 'create', '-q', '-f', 'qcow2', ...args, dir.file(name), '1M');
    create('sub.qcow2', '-o', 'extended_l2=on');
    refused('sub.qcow2', 'has subclusters');
    create('zstd.qcow2', '-o', 'compression_type=zstd');
    refused('zstd.qcow2', 'compressed with zstd');
    create('data.qcow2', '-o', `data_file=${dir.file('data')}`);
    refused('data.qcow2', 'its data is in another file');
    writeFileSync(dir.file('none'), new Uint8Array(100));
    refused('none', 'no qcow2 image');
    create('lost.qcow2');
    tool('qemu-img', 'rebase', '-u', '-b', 'nowhere.raw', '-F', 'raw', dir.file('lost.qcow2'));
    refused('lost.qcow2', 'no such file');
    tool('qemu-img', 'rebase', '-u', '-b', 'lost.qcow2', '-F', 'qcow2', dir.file('lost.qcow2'));
    refused('lost.qcow2', "its backing file 'lost.qcow2' is one of those in front of it");
    tool('qemu-img', 'rebase', '-u', '-b', 'nbd://localhost/x', '-F', 'raw', dir.file('lost.qcow2'));
    refused('lost.qcow2', 'is no plain file');
  });

  it('reads or refuses an image with any bytes changed, or cut off anywhere', () => {
    const raw = pattern('pattern.raw', 300_000);
    tool('qemu-img', 'convert', '-O', 'qcow2', '-c', '-o', 'cluster_size=4k', raw, dir.file('good.qcow2'));
    const good = readFileSync(dir.file('good.qcow2'));
    const bad = dir.file('bad.qcow2');
    const tables = fc.nat(Math.min(good.length, 6 * 4096) - 1);
    const change = fc.tuple(fc.oneof(fc.nat(112), tables), fc.nat(255));
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 5 }),
        fc.option(fc.nat(good.length)),
        (changes, end) => {
          const bytes = Buffer.from(good);
          for (const [at, value] of changes) bytes[at] = value;
          writeFileSync(bad, bytes);
          if (end !== null) truncateSync(bad, end);
          expect(statSync(bad).size).toBe(end ?? good.length);
          try {
            const source = openQcow2('-drive', bad);
            // A damaged size may be any; the last bytes of the disk are as good as others.
            source.read(0, Math.min(source.size, MiB));
            source.read(Math.max(0, source.size - 4096), Math.min(source.size, 4096));
            source.close();
          } catch (error) {
            if (!(error instanceof OptionError)) throw error;
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
