import { describe, expect, it } from 'vitest';
import {
  MACHINE_PROPERTIES,
  parseMemoryOption,
  parseOnOff,
  parseSize,
  parseSmpOption,
  resolveSmp,
} from '../../../../engine/boards/virt/properties.ts';

const MiB = 1024 * 1024;

describe('parseMemoryOption', () => {
  // Sizes read from the device trees QEMU 7.2 made for these texts.
  it.each([
    ['1', 0x10_0000],
    ['1023k', 0x10_0000],
    ['100000b', 0x1_a000],
    ['1.5G', 0x6000_0000],
    ['0', 0x800_0000],
    ['1k', 0x2000],
    ['3000000000b', 0xb2d0_6000],
    ['512', 0x2000_0000],
    ['0x200', 0x2000_0000],
    ['size=1G,maxmem=1G', 0x4000_0000],
  ])('%s', (text, size) => {
    expect(parseMemoryOption(text)).toEqual({ size, maxSize: size, slots: 0 });
  });

  it('takes slots and maxmem', () => {
    expect(parseMemoryOption('1G,slots=4,maxmem=8G')).toEqual({
      size: 1024 * MiB,
      maxSize: 8192 * MiB,
      slots: 4,
    });
    expect(parseMemoryOption('512,maxmem=1G')).toEqual({ size: 512 * MiB, maxSize: 512 * MiB, slots: 0 });
  });

  // QEMU refuses each of these too.
  it.each([
    [
      '512.5',
      "-m size: '512.5' is a fraction without a suffix; allowed is a number with an optional suffix k, M, G, T, P or E",
    ],
    ['1Q', "-m size: '1Q' is no size; allowed is a number with an optional suffix k, M, G, T, P or E"],
    ['-1', "-m size: '-1' is no size; allowed is a number with an optional suffix k, M, G, T, P or E"],
    ['1e3', "-m size: '1e3' is no size; allowed is a number with an optional suffix k, M, G, T, P or E"],
    ['512MB', "-m size: '512MB' is no size; allowed is a number with an optional suffix k, M, G, T, P or E"],
    ['512,foo=1', "-m: unknown key 'foo'; allowed are size, slots, maxmem"],
    ['size=512,slots=2', '-m slots=2 needs maxmem=, the size with all slots filled'],
    ['512,slots=2,maxmem=256M', '-m maxmem=256M is 268435456 bytes; at least the size, 536870912, is needed'],
    ['512,slots=2,maxmem=512', '-m maxmem=512 is 512 bytes; at least the size, 536870912, is needed'],
    ['512,slots=300,maxmem=1G', '-m slots=300: allowed are 0 to 256'],
  ])('refuses %s', (text, message) => {
    expect(() => parseMemoryOption(text)).toThrow(message);
  });
});

describe('parseSize and parseOnOff', () => {
  it('take the usual words', () => {
    expect([parseSize('x', '4k'), parseSize('x', '0x1F'), parseSize('x', '2', 'M')]).toEqual([
      4096,
      31,
      2 * MiB,
    ]);
    expect(
      ['on', 'yes', 'true', 'y', 'off', 'no', 'false', 'n'].map((text) => parseOnOff('x', text)),
    ).toEqual([true, true, true, true, false, false, false, false]);
    expect(() => parseOnOff('highmem', 'maybe')).toThrow("highmem expects 'on' or 'off', not 'maybe'");
  });
});

describe('-smp', () => {
  const smp = (text: string, preferCores = true) => resolveSmp(parseSmpOption(text), preferCores);
  it.each([
    ['4', true, [4, 4, 1, 1, 4, 1]],
    ['4', false, [4, 4, 4, 1, 1, 1]],
    ['6,sockets=3,threads=2', true, [6, 6, 3, 1, 1, 2]],
    ['sockets=2,cores=3', true, [6, 6, 2, 1, 3, 1]],
    ['2,maxcpus=8', true, [2, 8, 1, 1, 8, 1]],
    ['8,clusters=2,cores=2', true, [8, 8, 2, 2, 2, 1]],
    ['8,cores=2', false, [8, 8, 4, 1, 2, 1]],
  ] as const)('%s', (text, preferCores, [cpus, maxCpus, sockets, clusters, cores, threads]) => {
    expect(smp(text, preferCores)).toEqual({ cpus, maxCpus, sockets, clusters, cores, threads });
  });
  it.each([
    ['0', "-smp cpus: '0' is no number from 1"],
    [
      '4,sockets=3',
      '-smp: sockets 3 × clusters 1 × cores 1 × threads 1 is 3, but maxcpus is 4; they must be equal',
    ],
    ['8,maxcpus=4', '-smp cpus=8: at most maxcpus=4 is allowed'],
    ['4,dies=2', "-smp: unknown key 'dies'; allowed are cpus, maxcpus, sockets, clusters, cores, threads"],
  ])('refuses %s', (text, message) => {
    expect(() => smp(text)).toThrow(message);
  });
});

describe('MACHINE_PROPERTIES', () => {
  it('names each once, with the choices of every choice', () => {
    const names = MACHINE_PROPERTIES.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { type, allowed } of MACHINE_PROPERTIES) expect(type === 'choice').toBe(allowed !== undefined);
  });
});
