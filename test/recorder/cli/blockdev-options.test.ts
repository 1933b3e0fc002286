import { describe, expect, it } from 'vitest';
import { readBlockdevs } from '../../../recorder/cli/blockdev-options.ts';

describe('-blockdev', () => {
  it.each([
    [['driver=raw,node-name=d,file.driver=file,file.filename=disk.img']],
    [['driver=file,filename=disk.img,node-name=f', 'driver=raw,file=f,node-name=d']],
    [['driver=file,filename=disk.img,node-name=d,cache.direct=on,auto-read-only=on']],
    [['{"node-name":"d","driver":"raw","file":{"driver":"file","filename":"disk.img","aio":"native"}}']],
    [
      [
        '{"driver":"file","filename":"disk.img","node-name":"s","discard":"ignore"}',
        '{"driver":"raw","node-name":"d","file":"s"}',
      ],
    ],
  ])('%j stands for the same drive', (texts) => {
    expect([...readBlockdevs(texts).values()]).toEqual([
      { id: 'd', file: 'disk.img', readOnly: false, format: 'raw', option: '-blockdev node-name=d' },
    ]);
  });

  it('knows qcow2, commas and read-only', () => {
    const [drive] = readBlockdevs([
      '{"driver":"qcow2","node-name":"q","read-only":true,"file":{"driver":"file","filename":"a,b"}}',
    ]).values();
    expect(drive).toMatchObject({ file: 'a,b', readOnly: true, format: 'qcow2' });
  });

  it.each([
    ['driver=raw,file=x', /node-name= is missing/],
    ['driver=nbd,node-name=d', /driver=nbd: not here; allowed are file, raw, qcow2/],
    ['driver=raw,node-name=d', /file= or file\.filename= is missing/],
    ['driver=raw,node-name=d,file=x', /file=x: no -blockdev has this node-name/],
    ['driver=file,node-name=d', /filename= is missing/],
    ['driver=raw,node-name=d,file=x,backing=y', /backing=: QEMU has it/],
    ['driver=raw,node-name=d,file=x,discard=unmap', /discard=unmap: QEMU has it/],
    ['{"driver":"raw"', /not JSON/],
    ['{"driver":["raw"],"node-name":"d"}', /a text, a number, true or false/],
  ])('%s is refused', (text, message) => {
    expect(() => readBlockdevs([text])).toThrow(message);
  });

  it('refuses a name that is used twice, and nodes in a circle', () => {
    const file = 'driver=file,filename=a,node-name=f';
    expect(() => readBlockdevs([file, file])).toThrow('this name is used twice');
    const circle = ['driver=raw,file=b,node-name=a', 'driver=raw,file=a,node-name=b'];
    expect(readBlockdevs(circle).size).toBe(0);
    expect(() => readBlockdevs([...circle, 'driver=raw,file=a,node-name=c'])).toThrow('in a circle');
  });
});
