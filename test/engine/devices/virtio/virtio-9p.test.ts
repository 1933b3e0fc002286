/*
 * The file server beside QEMU's, message by message on the same folder, and hostile guests.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type FolderQuestion, readStatus } from '../../../../engine/devices/virtio/p9/folder.ts';
import {
  FieldReader,
  FieldWriter,
  P9,
  type P9Error,
  RLERROR,
} from '../../../../engine/devices/virtio/p9/messages.ts';
import { P9Server } from '../../../../engine/devices/virtio/p9/server.ts';
import { Virtio9p } from '../../../../engine/devices/virtio/virtio-9p.ts';
import { OptionError } from '../../../../recorder/cli/errors.ts';
import { SharedFolder } from '../../../../recorder/host/shared-folder.ts';
import { haveQemu, Qemu } from '../qemu.ts';
import { bringUp, type DriverQueue, EngineGuest, type Guest, QemuGuest } from './driver.ts';

const outside = mkdtempSync(join(tmpdir(), '9p-'));
const shared = join(outside, 'shared');
mkdirSync(join(shared, 'sub', 'deeper'), { recursive: true });
mkdirSync(join(shared, 'many'));
writeFileSync(join(outside, 'secret'), 'secret\n');
writeFileSync(join(shared, 'plain'), 'plain text\n');
writeFileSync(join(shared, 'sub', 'x'), 'x');
writeFileSync(
  join(shared, 'large'),
  Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) & 0xff),
);
truncateSync(join(shared, 'large'), 150_000);
for (let i = 0; i < 60; i++) writeFileSync(join(shared, 'many', `file-with-a-long-name-${i}`), String(i));
chmodSync(join(shared, 'plain'), 0o640);
linkSync(join(shared, 'plain'), join(shared, 'hard'));
symlinkSync('../secret', join(shared, 'out'));
symlinkSync('sub', join(shared, 'in'));
symlinkSync(outside, join(shared, 'absolute'));
spawnSync('mkfifo', [join(shared, 'pipe')]);

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const message = (type: number, write: (to: FieldWriter) => unknown, tag = 1): Uint8Array => {
  const to = new FieldWriter();
  write(to);
  return to.finish(type, tag).slice();
};
const NOFID = 0xffff_ffff;
const tversion = (msize = 65_536, version = '9P2000.L') =>
  message(P9.VERSION, (to) => to.u32(msize).text(utf8(version)), 0xffff);
const tattach = (fid: number) =>
  message(P9.ATTACH, (to) => to.u32(fid).u32(NOFID).text(utf8('root')).text(utf8('')).u32(0));
const twalk = (fid: number, newfid: number, ...names: string[]) =>
  message(P9.WALK, (to) => {
    to.u32(fid).u32(newfid).u16(names.length);
    for (const name of names) to.text(utf8(name));
  });
const tgetattr = (fid: number) => message(P9.GETATTR, (to) => to.u32(fid).u64(0x7ff));
const topen = (fid: number, flags = 0) => message(P9.LOPEN, (to) => to.u32(fid).u32(flags));
const tread = (fid: number, offset: number | bigint, count: number) =>
  message(P9.READ, (to) => to.u32(fid).u64(offset).u32(count));
const treaddir = (fid: number, offset: number | bigint, count: number) =>
  message(P9.READDIR, (to) => to.u32(fid).u64(offset).u32(count));
const onFid = (type: number, fid: number) => message(type, (to) => to.u32(fid));
const tlock = (fid: number, flags: number) =>
  message(P9.LOCK, (to) => to.u32(fid).u8(0).u32(flags).u64(0).u64(0).u32(1).text(utf8('c')));

afterAll(() => rmSync(outside, { recursive: true }));

describe.skipIf(!haveQemu)('virtio-9p against QEMU', () => {
  const started: Qemu[] = [];
  afterAll(() => {
    for (const qemu of started) qemu.end();
  });

  function both() {
    const qemu = new Qemu([
      ...['-global', 'virtio-mmio.force-legacy=false'],
      ...['-fsdev', `local,id=f,path=${shared},security_model=none,readonly=on`],
      ...['-device', 'virtio-9p-device,fsdev=f,mount_tag=a-tag'],
    ]);
    started.push(qemu);
    const folder = new SharedFolder('-fsdev', shared);
    const ours = new EngineGuest({
      legacy: false,
      backend: new Virtio9p({ mountTag: 'a-tag', folder: (question) => folder.answer(question) }),
    });
    return { ours, theirs: new QemuGuest(qemu) };
  }

  const open = async (guest: Guest): Promise<DriverQueue> => {
    const [queue] = (await bringUp(guest, { modern: true, features: 1n, queues: { 0: 128 } })) as [
      DriverQueue,
    ];
    return queue;
  };

  async function same(
    scenario: (ask: (request: Uint8Array, room?: number) => Promise<Uint8Array>) => Promise<unknown>,
  ) {
    const at = both();
    const run = async (guest: Guest) => {
      const queue = await open(guest);
      return scenario(async (request, room = 1024) => {
        const { used, data } = await queue.request([request, room]);
        return data.subarray(0, used[0]!.length);
      });
    };
    const mine = await run(at.ours);
    expect(mine).toStrictEqual(await run(at.theirs));
    return mine;
  }

  /** Without what follows from the host's numbers of files. */
  const withoutQids = (answer: Uint8Array, at: readonly number[]): number[] => {
    const bytes = [...answer];
    for (const offset of at) bytes.fill(0, offset + 5, offset + 13);
    return bytes;
  };

  it('shows the same tag and registers', async () => {
    const at = both();
    const look = async (guest: Guest) => {
      const seen: number[] = [];
      for (let offset = 0; offset < 0x40; offset += 4) seen.push(await guest.read(offset));
      for (let offset = 0x100; offset < 0x110; offset++) seen.push(await guest.read(offset, 1));
      return seen;
    };
    expect(await look(at.ours)).toStrictEqual(await look(at.theirs));
  });

  it('negotiates, walks and tells attributes alike', async () => {
    await same(async (ask) => {
      const seen: number[][] = [];
      for (const request of [tversion(), tversion(4096), tversion(65_536)])
        seen.push([...(await ask(request))]);
      seen.push(withoutQids(await ask(tattach(0)), [7]));
      const paths = [
        [],
        ['plain'],
        ['hard'],
        ['sub'],
        ['sub', 'deeper'],
        ['sub', 'x'],
        ['out'],
        ['in'],
        ['absolute'],
        ['pipe'],
        ['large'],
        ['..'],
        ['sub', '..', 'plain'],
        ['sub', '..', '..', '..', 'plain'],
        ['many'],
      ];
      for (const [index, path] of paths.entries()) {
        const walked = await ask(twalk(0, 10 + index, ...path));
        seen.push(
          withoutQids(
            walked,
            Array.from({ length: path.length }, (_, n) => 9 + 13 * n),
          ),
        );
        seen.push(withoutQids(await ask(tgetattr(10 + index)), [15]));
        seen.push([...(await ask(onFid(P9.CLUNK, 10 + index)))]);
      }
      return seen;
    });
  });

  it('refuses alike', async () => {
    await same(async (ask) => {
      const seen: unknown[] = [[...(await ask(tversion()))]];
      await ask(tattach(0));
      await ask(twalk(0, 1, 'plain'));
      await ask(twalk(0, 2, 'sub'));
      await ask(twalk(0, 3, 'out'));
      const requests: { [what: string]: Uint8Array } = {
        'small msize': tversion(4095),
        'again, for L': tversion(),
      };
      const later: { [what: string]: Uint8Array } = {
        'attach to a fid in use': tattach(0),
        'walk from no fid': twalk(99, 100),
        'walk to a fid in use': twalk(0, 1, 'sub'),
        'walk to nothing': twalk(0, 100, 'nothing'),
        'walk to an empty name': twalk(0, 100, ''),
        'walk over a slash': twalk(0, 100, 'sub/x'),
        'walk of too many': twalk(0, 100, ...Array.from({ length: 17 }, () => '..')),
        'attributes of no fid': tgetattr(99),
        'open of no fid': topen(99),
        'open of a link': topen(3),
        'open to write': topen(1, 1),
        'open to read and write': topen(1, 2),
        'open to truncate': topen(1, 0o1000),
        'read of no fid': tread(99, 0, 10),
        'read before open': tread(1, 0, 10),
        'readdir before open': treaddir(2, 0, 100),
        'readdir of no fid': treaddir(99, 0, 100),
        'clunk of no fid': onFid(P9.CLUNK, 99),
        'readlink of a file': onFid(P9.READLINK, 1),
        'statfs of no fid': onFid(P9.STATFS, 99),
        'lock with a bad flag': tlock(1, 8),
        'lock of no fid': tlock(99, 0),
        write: message(P9.WRITE, (to) => to.u32(1).u64(0).u32(1).u8(65)),
        create: message(P9.LCREATE, (to) => to.u32(0).text(utf8('new')).u32(1).u32(0o644).u32(0)),
        mkdir: message(P9.MKDIR, (to) => to.u32(0).text(utf8('new')).u32(0o755).u32(0)),
        remove: onFid(P9.REMOVE, 1),
        unlink: message(P9.UNLINKAT, (to) => to.u32(0).text(utf8('plain')).u32(0)),
        rename: message(P9.RENAMEAT, (to) => to.u32(0).text(utf8('plain')).u32(0).text(utf8('b'))),
        setattr: message(P9.SETATTR, (to) => to.u32(1).bytes(new Uint8Array(64))),
        symlink: message(P9.SYMLINK, (to) => to.u32(0).text(utf8('a')).text(utf8('b')).u32(0)),
        'no such message': message(200, (to) => to.u32(0)),
        'auth, which nobody has': message(102, (to) => to.u32(1).text(utf8('a')).text(utf8('b')).u32(0)),
        flush: message(P9.FLUSH, (to) => to.u16(77)),
        lock: tlock(1, 0),
      };
      for (const [what, request] of Object.entries(requests))
        seen.push(`${what}: ${[...(await ask(request))].join(' ')}`);
      await ask(tattach(0));
      await ask(twalk(0, 1, 'plain'));
      await ask(twalk(0, 2, 'sub'));
      await ask(twalk(0, 3, 'out'));
      for (const [what, request] of Object.entries(later))
        seen.push(`${what}: ${[...(await ask(request))].join(' ')}`);
      return seen;
    });
  });

  it('reads files and links alike', async () => {
    await same(async (ask) => {
      const seen: number[][] = [];
      await ask(tversion());
      await ask(tattach(0));
      for (const [fid, name] of ['plain', 'large', 'out', 'absolute', 'sub'].entries())
        await ask(twalk(0, 1 + fid, name));
      for (const fid of [1, 2]) seen.push(withoutQids(await ask(topen(fid)), [7]));
      for (const [fid, offset, count] of [
        [1, 0, 100],
        [1, 6, 2],
        [1, 11, 10],
        [1, 5000, 10],
        [2, 0, 60_000],
        [2, 99_990, 40],
        [2, 149_990, 4096],
        [2, 7, 0],
      ] as const) {
        seen.push([...(await ask(tread(fid, offset, count), 70_000))]);
      }
      for (const fid of [3, 4]) seen.push([...(await ask(onFid(P9.READLINK, fid)))]);
      seen.push([...(await ask(topen(1)))], [...(await ask(twalk(1, 1, 'x')))]);
      return seen;
    });
  });

  it('lists what QEMU lists, in whole and in parts', async () => {
    await same(async (ask) => {
      const lists: string[][] = [];
      for (const [name, count] of [
        ['many', 60_000],
        ['many', 300],
        ['.', 4000],
      ] as const) {
        await ask(tversion());
        await ask(tattach(0));
        await ask(twalk(0, 1, name));
        await ask(topen(1));
        const names: string[] = [];
        for (let offset = 0n; ; ) {
          const answer = await ask(treaddir(1, offset, count), 65_000);
          const from = new FieldReader(answer, 7);
          if (answer[4] !== P9.READDIR + 1 || from.u32() === 0) break;
          while (from.left > 0) {
            from.bytes(13);
            offset = from.u64();
            const type = from.u8();
            names.push(`${type} ${new TextDecoder().decode(from.text())}`);
          }
        }
        lists.push(names.sort());
      }
      return lists;
    });
  });
});

describe('shared folder', () => {
  const folder = new SharedFolder('-fsdev', shared);
  const status = (path: string): number | string => {
    try {
      return readStatus(folder.answer({ what: 'stat', path: utf8(path) })).mode >> 12;
    } catch (error) {
      return (error as P9Error).errno;
    }
  };

  it('follows no link, and leads nowhere outside', () => {
    expect(status('sub/x')).toBe(8);
    expect(status('out')).toBe(10);
    for (const path of ['in/x', 'absolute/secret', 'out/x', 'plain/x'])
      expect([path, status(path)]).toEqual([path, 20]);
    for (const path of ['../secret', 'sub/../../secret', '..', '.', '/', 'a\0b', 'sub//x']) {
      expect([path, status(path)]).toEqual([path, 2]);
    }
    const read = (path: string) =>
      new DataView(folder.answer({ what: 'read', path: utf8(path), offset: 0, count: 9 }).buffer).getUint32(
        0,
        true,
      );
    expect(read('plain')).toBe(0);
    expect(read('out')).toBe(40);
    expect(read('absolute/secret')).toBe(20);
    expect(read('pipe')).toBe(6);
  });

  it('has to be a folder that is there', () => {
    expect(() => new SharedFolder('-fsdev', join(shared, 'plain'))).toThrow(
      new OptionError(`-fsdev,path=${join(shared, 'plain')}: not a folder`),
    );
    expect(() => new SharedFolder('-fsdev', join(shared, 'nothing'))).toThrow(OptionError);
  });
});

describe('P9Server', () => {
  const folder = new SharedFolder('-fsdev', shared);
  const byte = fc.integer({ min: 0, max: 255 });
  const type = fc.oneof(fc.constantFrom(...Object.values(P9)), byte);
  const name = fc.constantFrom(
    'plain',
    'sub',
    'many',
    'out',
    'in',
    'absolute',
    '..',
    '.',
    '',
    'a/b',
    'x'.repeat(300),
  );
  const fid = fc.nat(3);
  const request = fc.oneof(
    {
      weight: 2,
      arbitrary: fc
        .tuple(type, fc.uint8Array({ maxLength: 60 }))
        .map(([t, bytes]) => message(t, (to) => to.bytes(bytes))),
    },
    {
      weight: 3,
      arbitrary: fc
        .tuple(fid, fid, fc.array(name, { maxLength: 3 }))
        .map(([a, b, names]) => twalk(a, b, ...names)),
    },
    fid.map(tattach),
    fc.tuple(fid, fc.constantFrom(0, 0, 0, 1, 0o1000)).map(([f, flags]) => topen(f, flags)),
    fid.map(tgetattr),
    fc
      .tuple(
        fid,
        fc.oneof(fc.nat(200_000), fc.bigInt(0n, (1n << 64n) - 1n)),
        fc.oneof(fc.nat(9000), fc.constant(NOFID)),
      )
      .map(([f, o, c]) => tread(f, o, c)),
    fc
      .tuple(
        fid,
        fc.oneof(fc.nat(70), fc.bigInt(0n, (1n << 64n) - 1n)),
        fc.oneof(fc.nat(2000), fc.constant(NOFID)),
      )
      .map(([f, o, c]) => treaddir(f, o, c)),
    fid.map((f) => onFid(P9.READLINK, f)),
    fid.map((f) => onFid(P9.STATFS, f)),
    fid.map((f) => onFid(P9.CLUNK, f)),
    fc.constantFrom(tversion(), tversion(4096), tversion(NOFID), tversion(8192, '9P2000.u')),
  );

  it('answers anything within its room, never leaves the folder, and goes on the same after save and load', () => {
    fc.assert(
      fc.property(
        fc.array(request, { maxLength: 60, size: 'max' }),
        fc.integer({ min: 11, max: 9000 }),
        (requests, room) => {
          const asked: string[] = [];
          const ask = (question: FolderQuestion): Uint8Array => {
            asked.push(new TextDecoder().decode(question.path));
            return question.what === 'statfs' ? new Uint8Array(4) : folder.answer(question);
          };
          const one = new P9Server(ask);
          const two = new P9Server(ask);
          one.answer(tversion(), room);
          one.answer(tattach(0), room);
          for (const [index, bytes] of requests.entries()) {
            two.load(structuredClone(one.save()));
            const answer = one.answer(bytes, room).slice();
            expect(answer.length).toBeLessThanOrEqual(room);
            expect(new DataView(answer.buffer).getUint32(0, true)).toBe(answer.length);
            expect([bytes[4]! + 1, RLERROR]).toContain(answer[4]);
            if (index % 8 === 0) {
              expect(two.answer(bytes, room)).toStrictEqual(answer);
              expect(two.save()).toStrictEqual(one.save());
            }
          }
          for (const path of asked) expect(path.split('/')).not.toContain('..');
        },
      ),
      { numRuns: 60 },
    );
  });

  it('takes answers of a damaged trace for errors', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 120 }),
        fc.array(request, { maxLength: 10 }),
        (bytes, requests) => {
          const server = new P9Server(() => bytes);
          for (const one of [tversion(), tattach(0), twalk(0, 1), topen(1), ...requests])
            server.answer(one, 500);
        },
      ),
    );
  });
});
