import { describe, expect, it } from 'vitest';
import { OptionError } from '../../../recorder/cli/errors.ts';
import { readMachineRequest } from '../../../recorder/cli/machine-request.ts';
import type { RawOptions } from '../../../recorder/cli/raw-options.ts';

const read = (options: RawOptions) => readMachineRequest({ cpu: 'cortex-a57', ...options });
const LOCAL = 'local,path=/some/where,security_model=none';

describe('-fsdev and -virtfs', () => {
  it('makes a device of -virtfs, after those that were given', () => {
    const { config, folders } = read({
      device: ['virtio-rng-pci'],
      virtfs: ['local,path=/a,,b,mount_tag=tag,security_model=none,readonly=on'],
    });
    expect(config.pciDevices.map(({ type, properties }) => [type, properties])).toEqual([
      ['virtio-rng-pci', {}],
      ['virtio-9p-pci', { mount_tag: 'tag' }],
    ]);
    expect([...folders]).toEqual([['virtio-9p0', { id: 'tag', path: '/a,b', option: '-virtfs' }]]);
  });

  it('connects -fsdev with its device, on either bus', () => {
    const { config, folders } = read({
      fsdev: [`${LOCAL},id=one,readonly=on`, `${LOCAL},id=two,readonly`],
      device: ['virtio-9p-pci,fsdev=one,mount_tag=x,id=share', 'virtio-9p-device,fsdev=two,mount_tag=y'],
    });
    expect(config.virtioMmio).toEqual([
      { slot: 31, type: 'virtio-9p', id: 'virtio-9p0', properties: { mount_tag: 'y' } },
    ]);
    // Nothing of the host is in the configuration.
    expect(JSON.stringify(config)).not.toContain('where');
    expect([...folders.keys()].sort()).toEqual(['share', 'virtio-9p0']);
  });

  it.each<[RawOptions, string]>([
    [
      { virtfs: [`${LOCAL},mount_tag=t`] },
      '-virtfs: virtrace never writes to a folder of the host; add readonly=on',
    ],
    [
      { virtfs: [`${LOCAL},mount_tag=t,readonly=off`] },
      '-virtfs: virtrace never writes to a folder of the host; add readonly=on',
    ],
    [{ virtfs: [`${LOCAL},readonly=on`] }, '-virtfs: mount_tag= is missing'],
    [{ virtfs: ['local,mount_tag=t,security_model=none,readonly=on'] }, '-virtfs: path= is missing'],
    [
      { virtfs: ['local,path=/a,mount_tag=t,readonly=on'] },
      '-virtfs: security_model= is missing; use security_model=none',
    ],
    [
      { virtfs: ['local,path=/a,mount_tag=t,readonly=on,security_model=mapped'] },
      '-virtfs,security_model=mapped: virtrace shows owners as they are; use none',
    ],
    [{ fsdev: ['proxy,id=a,socket=/s'] }, '-fsdev proxy: virtrace has local, a folder of the host'],
    [{ fsdev: [`${LOCAL},readonly=on`] }, '-fsdev: id= is missing'],
    [{ fsdev: [`${LOCAL},readonly=on,id=a`] }, '-fsdev id=a: no -device has fsdev=a'],
    [{ device: ['virtio-9p-pci,mount_tag=t'] }, '-device virtio-9p-pci: fsdev= is missing'],
    [
      { device: ['virtio-9p-pci,mount_tag=t,fsdev=f'] },
      '-device virtio-9p-pci,fsdev=f: there is no -fsdev with id=f',
    ],
    [
      { fsdev: [`${LOCAL},readonly=on,id=a`], device: ['virtio-9p-pci,fsdev=a'] },
      '-device virtio-9p-pci: mount_tag= is missing',
    ],
  ])('refuses %j in one line', (options, message) => {
    expect(() => read(options)).toThrow(new OptionError(message));
  });
});
