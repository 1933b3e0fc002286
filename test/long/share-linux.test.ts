import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { temporary, virtrace } from '../recorder/cli/support.ts';
import { hasLinux, LINUX_IMAGE, LINUX_INITRD } from '../support/machines.ts';
import { project, qemu } from '../support/qemu.ts';

/*
 * Debian's kernel reads a folder of the host through 9p, and its input devices: what it prints beside QEMU's, and replays
 * without the folder.
 */

const plain = hasLinux ? gunzipSync(readFileSync(LINUX_INITRD)) : Buffer.alloc(0);
/** Guests that were built before have no drivers. */
const hasDrivers = plain.includes('9pnet_virtio.ko') && plain.includes('virtio_input.ko');

describe.skipIf(!hasDrivers)('Linux with folders of the host and input devices', () => {
  const dir = temporary();
  afterAll(() => dir.remove());
  const root = join(dir.path, 'root');
  mkdirSync(root);
  copyFileSync(`${project}guests/share-probe/init`, join(root, 'init'));
  spawnSync('chmod', ['755', join(root, 'init')]);
  const overlay = dir.file('overlay.cpio');
  spawnSync(process.execPath, [`${project}scripts/make-initramfs.mjs`, root, overlay]);
  const initrd = dir.file('initrd.cpio');
  writeFileSync(initrd, Buffer.concat([plain, hasDrivers ? readFileSync(overlay) : Buffer.alloc(0)]));

  const machine = (append: string): string[] => [
    ...['-M', 'virt,gic-version=3', '-cpu', 'cortex-a57', '-m', '512', '-nographic', '-net', 'none'],
    ...['-kernel', LINUX_IMAGE, '-initrd', initrd],
    ...['-append', `console=ttyAMA0 cryptomgr.notests=1 quiet ${append}`],
  ];
  const probeOf = (text: string): string[] =>
    text
      .replaceAll('\r', '')
      .slice(text.replaceAll('\r', '').indexOf('PROBE-BEGIN'), text.replaceAll('\r', '').indexOf('PROBE-END'))
      .split('\n');
  const theirs = (options: readonly string[]): string[] =>
    probeOf(
      spawnSync(qemu!, [...options, '-icount', 'shift=0,sleep=off'], {
        encoding: 'latin1',
        timeout: 300_000,
        maxBuffer: 2 ** 26,
      }).stdout,
    );

  function makeFolder(): string {
    const folder = join(dir.path, 'shared');
    mkdirSync(join(folder, 'sub', 'deep'), { recursive: true });
    mkdirSync(join(folder, 'many'));
    mkdirSync(join(folder, 'empty'));
    writeFileSync(join(folder, 'plain'), 'plain\n');
    writeFileSync(join(folder, 'with space'), 'a');
    writeFileSync(join(folder, 'sub', '.hidden'), 'hidden\n');
    writeFileSync(
      join(folder, 'large'),
      Uint8Array.from({ length: 700_001 }, (_, i) => (i * 31 + (i >> 9)) & 0xff),
    );
    truncateSync(join(folder, 'large'), 800_000);
    for (let i = 0; i < 40; i++) writeFileSync(join(folder, 'many', `a-file-${i}`), `${i}\n`);
    linkSync(join(folder, 'plain'), join(folder, 'hard'));
    symlinkSync('/', join(folder, 'link'));
    symlinkSync('..', join(folder, 'outside'));
    symlinkSync('plain', join(folder, 'inside'));
    symlinkSync('nothing', join(folder, 'nowhere'));
    spawnSync('mkfifo', [join(folder, 'pipe')]);
    return folder;
  }

  it.skipIf(qemu === undefined)('reads a folder as under QEMU, and replays without it', async () => {
    const folder = makeFolder();
    const share = ['-virtfs', `local,path=${folder},mount_tag=share,security_model=none,readonly=on`];
    const trace = dir.file('share.vtrace');
    const reference = theirs([...machine('share=1'), ...share]);
    const recorded = await virtrace(['record', '-o', trace, ...machine('share=1'), ...share]);
    expect(recorded.err).toContain('the guest powered off');
    expect(probeOf(recorded.out)).toEqual(reference);
    expect(reference.filter((line) => /^[0-9a-f]{64} /.test(line))).toHaveLength(45);
    rmSync(folder, { recursive: true });
    const replayed = await virtrace(['replay', trace, '--verify', '--json']);
    expect(JSON.parse(replayed.out)).toMatchObject({ result: 'ok', verified: true });
    const reads = await virtrace(['events', trace, '--what', 'folder-read', '--count']);
    expect(Number(reads.out)).toBeGreaterThan(45);
  });

  it.skipIf(qemu === undefined)('tells of its input devices what it does under QEMU', async () => {
    const devices = ['keyboard', 'mouse', 'tablet'].flatMap((kind) => [
      '-device',
      `virtio-${kind}-pci,serial=s-${kind}`,
    ]);
    const reference = theirs([...machine(''), ...devices]);
    const ran = await virtrace(['run', ...machine(''), ...devices]);
    expect(probeOf(ran.out)).toEqual(reference);
    expect(reference.join('\n')).toContain('QEMU Virtio Tablet');
  });

  it('gets keys and moves at their times, and gets them again in a replay', async () => {
    const script = dir.file('script');
    writeFileSync(script, '1.5s key a\n1.6s type "B"\n3s at 100 32767\n+0 click left\n');
    const trace = dir.file('keys.vtrace');
    const devices = ['-device', 'virtio-keyboard-pci', '-device', 'virtio-tablet-pci', '--input', script];
    const recorded = await virtrace(['record', '-o', trace, ...machine('events=6'), ...devices]);
    expect(recorded.err).toContain('the guest powered off');
    const lines = probeOf(recorded.out);
    const after = (name: string) =>
      lines
        .slice(lines.indexOf(`LISTENING ${name}`) + 1)
        .slice(0, 6)
        .map((line) => line.replaceAll(/\s+/g, ' '));
    // Type, code, value: a down and up, each with its report; shift down.
    expect(after('QEMU Virtio Keyboard')).toEqual([
      'event 1 30 1',
      'event 0 0 0',
      'event 1 30 0',
      'event 0 0 0',
      'event 1 42 1',
      'event 1 48 1',
    ]);
    expect(after('QEMU Virtio Tablet')).toEqual([
      'event 3 0 100',
      'event 3 1 32767',
      'event 0 0 0',
      'event 1 272 1',
      'event 0 0 0',
      'event 1 272 0',
    ]);
    const inputs = await virtrace(['events', trace, '--what', 'events']);
    expect(inputs.out.split('\n')[0]).toMatch(/ 1\.500000000 +virtio-keyboard0 input a down, report$/);
    const replayed = await virtrace(['replay', trace, '--verify', '--json']);
    expect(JSON.parse(replayed.out)).toMatchObject({ result: 'ok', verified: true });
  });
});
