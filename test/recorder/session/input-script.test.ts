import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeInputEvents } from '../../../engine/devices/virtio/input-codes.ts';
import {
  eventsFor,
  type InputDevice,
  InputError,
  inputDevices,
} from '../../../recorder/session/input-events.ts';
import { readInputScript } from '../../../recorder/session/input-script.ts';

const devices: readonly InputDevice[] = [
  { id: 'kbd', kind: 'keyboard' },
  { id: 'mouse', kind: 'mouse' },
  { id: 'tablet', kind: 'tablet' },
  { id: 'kbd2', kind: 'keyboard' },
];

const read = (text: string): string[] =>
  readInputScript(text, devices).map(
    ({ time, device, data }) => `${time / 1e6} ms ${device}: ${describeInputEvents(data)}`,
  );

describe('readInputScript', () => {
  it('reads each command, with times of its own or after the line before', () => {
    const script = `
      # a comment
      1.5s   key ctrl-alt-f2      # and another
      +1ms   type "aB\\n"
      2000ms down shift-x 
      +0     up shift-x
      3      at 0 32767
      +5us   move -3 4
      3s     click right
      4s     button left down
      4s     wheel down
      5s     key a 1ns device=kbd2
    `;
    expect(read(script)).toEqual([
      '1500 ms kbd: ctrl down, alt down, f2 down, report',
      '1600 ms kbd: f2 up, alt up, ctrl up, report',
      '1601 ms kbd: a down, report',
      '1621 ms kbd: a up, report',
      '1641 ms kbd: shift down, b down, report',
      '1661 ms kbd: b up, shift up, report',
      '1681 ms kbd: ret down, report',
      '1701 ms kbd: ret up, report',
      '2000 ms kbd: shift down, x down, report',
      '2000 ms kbd: x up, shift up, report',
      '3000 ms tablet: x at 0, y at 32767, report',
      '3000 ms tablet: right down, report',
      '3000.005 ms mouse: x by -3, y by 4, report',
      '3100 ms tablet: right up, report',
      '4000 ms tablet: left down, report',
      '4000 ms tablet: wheel by -1, report',
      '5000 ms kbd2: a down, report',
      '5000.000001 ms kbd2: a up, report',
    ]);
  });

  it.each([
    ['1s', 'line 1: a time and a command are needed'],
    ['\nsoon key a', "line 2: time 'soon': e.g. 1.5s, 200ms, +20ms"],
    ['1s jump', "line 1: 'jump': allowed are key, type, down, up, move, at, button, click, wheel"],
    ['1s key a-nothing', "line 1: key 'nothing': there is no such key"],
    ['1s key __proto__', "line 1: key '__proto__': there is no such key"],
    [
      '1s click elbow',
      "line 1: button 'elbow': allowed are left, right, middle, side, extra, wheel-down, wheel-up",
    ],
    ['1s at 40000 0', 'line 1: at 40000 0: allowed are 0 to 32767'],
    ['1s move 1', 'line 1: move: steps to the right and down is needed'],
    ['1s type "ä"', "line 1: type: no key of a US keyboard gives 'ä'"],
    ['1s type "a', `line 1: cannot read '"a'`],
    [
      '1s key a device=uart0',
      "line 1: device 'uart0': no such input device; there are kbd, mouse, tablet, kbd2",
    ],
    ['1s move 1 1 device=kbd', "line 1: rel event: device 'kbd' is none for it; it needs a virtio-mouse-pci"],
    ['9999999s key a', "line 1: time '9999999s': later than 1000000 s"],
  ])('refuses %j in one line', (text, message) => {
    expect(() => read(text)).toThrow(new InputError(message));
  });

  it('gives inputs in order of time, or one line, for anything', () => {
    const word = fc.constantFrom(
      '1s',
      '+5ms',
      'key',
      'type',
      '"x',
      '"yz"',
      'a-b',
      'at',
      '7',
      '-1',
      'click',
      '#',
      '\n',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(word).map((words) => words.join(' ')),
        ),
        (text) => {
          try {
            const times = readInputScript(text, devices).map(({ time }) => time);
            expect(times).toEqual(times.toSorted((a, b) => a - b));
          } catch (error) {
            expect(error).toBeInstanceOf(InputError);
            expect((error as Error).message).not.toContain('\n');
          }
        },
      ),
    );
  });
});

describe('eventsFor', () => {
  it('sends buttons to the pointer that moves with them', () => {
    const button = { type: 'btn', data: { down: true, button: 'left' } } as const;
    const target = (type: 'rel' | 'abs') =>
      eventsFor(devices, [{ type, data: { axis: 'x', value: 1 } }, button]).map(({ device }) => device);
    expect(target('rel')).toEqual(['mouse']);
    expect(target('abs')).toEqual(['tablet']);
  });

  it('finds the input devices of a configuration', () => {
    const device = (type: string, id: string) => ({ type, id, slot: 0, devfn: 0, properties: {} });
    expect(
      inputDevices({
        virtioMmio: [device('virtio-tablet', 't')],
        pciDevices: [device('virtio-net-pci', 'n'), device('virtio-keyboard-pci', 'k')],
      }),
    ).toEqual([
      { id: 't', kind: 'tablet' },
      { id: 'k', kind: 'keyboard' },
    ]);
  });
});
