import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Ran, virtrace } from '../support/command.ts';
import { hasLinux, LINUX_IMAGE, LINUX_INITRD } from '../support/machines.ts';
import { project } from '../support/qemu.ts';

/** Firmware that others built for this board (scripts/guest-firmware.sh): recorded and replayed exactly. */

const UEFI = `${project}.guests/firmware/QEMU_EFI.fd`;
const U_BOOT = `${project}.guests/firmware/u-boot.bin`;

const folder = mkdtempSync(join(tmpdir(), 'virtrace-firmware-'));
afterAll(() => rmSync(folder, { recursive: true }));

function recordAndReplay(args: readonly string[], input = ''): Ran {
  const file = join(folder, 'firmware.vtrace');
  const machine = ['-cpu', 'cortex-a57', '-m', '512', '-nographic'];
  const recorded = virtrace(['record', '-o', file, ...machine, ...args], input);
  expect(recorded.code).toBe(0);
  const replayed = virtrace(['replay', file, '--verify']);
  expect(replayed).toMatchObject({ code: 0, out: recorded.out });
  expect(replayed.err).toMatch(/state hashes are the same/);
  rmSync(file);
  return recorded;
}

describe.skipIf(!existsSync(UEFI) || !hasLinux)('UEFI', () => {
  it.each([2, 3])('starts the kernel that fw_cfg gives it, with GICv%i', (gic) => {
    const { out } = recordAndReplay([
      ...['-M', `virt,gic-version=${gic}`, '-smp', '2', '-bios', UEFI],
      ...['-kernel', LINUX_IMAGE, '-initrd', LINUX_INITRD],
      ...['-append', 'console=ttyAMA0 cryptomgr.notests=1'],
    ]);
    expect(out).toMatch(/^UEFI firmware/m);
    expect(out).toMatch(/EFI stub: Booting Linux Kernel/m);
    expect(out).toMatch(/efi: EFI v2\.70 by EDK II/);
    expect(out).toMatch(/^BOOT-OK aarch64/m);
  });
});

describe.skipIf(!existsSync(U_BOOT))('U-Boot', () => {
  it('takes commands and powers off', () => {
    // The first key stops the countdown.
    const keys = ' crc32 0 1000\rpci\rpoweroff\r';
    const { out } = recordAndReplay(['-M', 'virt', '-bios', U_BOOT, '-device', 'virtio-rng-pci'], keys);
    expect(out).toMatch(/DRAM: {2}512 MiB/);
    expect(out).toMatch(/crc32 for 00000000 \.\.\. 00000fff ==> [0-9a-f]{8}/);
    expect(out).toMatch(/00\.00\.00 {3}0x1b36 {5}0x0008/);
    expect(out).toMatch(/poweroff \.\.\./);
  });
});
