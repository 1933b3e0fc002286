import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { pcapngFrame, pcapngHeader } from '../../../recorder/session/pcapng.ts';
import { temporary } from '../cli/support.ts';

const hasTshark = spawnSync('tshark', ['--version']).status === 0;

describe('pcapng', () => {
  const dir = temporary();
  afterAll(() => dir.remove());

  it('is made of blocks of whole words that say their length at both ends', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4, 5);
    const blocks = [
      ...pcapngHeader(['net0', 'a-longer-name'], 'virtrace'),
      pcapngFrame(0, { device: 'net0', direction: 'sent', position: 1, time: 2, bytes }),
    ];
    for (const block of blocks) {
      const view = new DataView(block.buffer);
      expect(block.length % 4).toBe(0);
      expect(view.getUint32(4, true)).toBe(block.length);
      expect(view.getUint32(block.length - 4, true)).toBe(block.length);
    }
    expect(blocks).toHaveLength(4);
  });

  it.runIf(hasTshark)('is read by tshark with times, directions and positions', () => {
    const file = dir.file('x.pcapng');
    const frame = new Uint8Array(60).fill(0xff);
    const base = { device: 'b', bytes: frame };
    writeFileSync(
      file,
      Buffer.concat([
        ...pcapngHeader(['a', 'b'], 'virtrace'),
        pcapngFrame(1, { ...base, direction: 'sent', position: 77, time: 12_345_678_901 }),
        pcapngFrame(0, { ...base, direction: 'received', position: 78, time: 5_000_000_000_000 }),
      ]),
    );
    const fields = ['frame.time_epoch', 'frame.interface_name', 'frame.packet_flags_direction', 'frame.len'];
    const { stdout } = spawnSync(
      'tshark',
      ['-r', file, '-T', 'fields', ...[...fields, 'frame.comment'].flatMap((field) => ['-e', field])],
      { encoding: 'utf8' },
    );
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split('\t')),
    ).toEqual([
      ['12.345678901', 'b', '0x00000002', '60', 'position 77'],
      ['5000.000000000', 'a', '0x00000001', '60', 'position 78'],
    ]);
  });
});
