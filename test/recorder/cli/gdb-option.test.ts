import { describe, expect, test } from 'vitest';
import { readGdbAddress } from '../../../recorder/cli/gdb-option.ts';

describe('-s and -gdb', () => {
  test.each([
    [undefined, { host: '127.0.0.1', port: 1234 }],
    ['tcp::1234', { host: '127.0.0.1', port: 1234 }],
    ['tcp::0', { host: '127.0.0.1', port: 0 }],
    ['tcp:127.0.0.1:5555', { host: '127.0.0.1', port: 5555 }],
    ['tcp:localhost:5555,server=on,wait=off', { host: '127.0.0.1', port: 5555 }],
    ['tcp::5555,server,nowait', { host: '127.0.0.1', port: 5555 }],
    ['tcp:[::1]:5555', { host: '::1', port: 5555 }],
    ['unix:/tmp/gdb.socket,server=on', { path: '/tmp/gdb.socket' }],
    ['none', undefined],
  ])('%s as QEMU spells it', (text, address) => {
    expect(readGdbAddress(true, text)).toEqual(address);
  });

  test('neither: no gdb', () => {
    expect(readGdbAddress(undefined, undefined)).toBeUndefined();
  });

  test.each([
    ['tcp:0.0.0.0:1234', 'listens on 127.0.0.1 only'],
    ['tcp::99999', 'from 0 to 65535'],
    ['tcp::x', 'whole number'],
    ['stdio', 'allowed are tcp::PORT'],
    ['tcp:1234', 'allowed are tcp::PORT'],
    ['tcp::1,frob=on', "'frob=on' is not known"],
  ])('%s is refused in one line', (text, words) => {
    expect(() => readGdbAddress(undefined, text)).toThrow(words);
  });
});
