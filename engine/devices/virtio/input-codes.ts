/*
 * Events of input devices as Linux numbers them (include/uapi/linux/input-event-codes.h), and keys as QEMU's
 * protocol names them (QKeyCode).
 */

/** Types of events. */
export const EV = { SYN: 0, KEY: 1, REL: 2, ABS: 3, LED: 0x11, REP: 0x14 } as const;

/** Codes of EV_REL and EV_ABS. */
export const AXIS = { X: 0, Y: 1, REL_WHEEL: 8 } as const;

/** Buttons of a pointer, as QEMU's protocol names them. */
export const BUTTON_CODES: { readonly [name: string]: number } = {
  left: 0x110,
  right: 0x111,
  middle: 0x112,
  side: 0x113,
  extra: 0x114,
  'wheel-down': 0x150,
  'wheel-up': 0x151,
};

/** Names of keys from a code on, one code each; a dash leaves one out. */
const ROWS: readonly (readonly [number, string])[] = [
  [1, 'esc 1 2 3 4 5 6 7 8 9 0 minus equal backspace tab q w e r t y u i o p bracket_left bracket_right ret'],
  [29, 'ctrl a s d f g h j k l semicolon apostrophe grave_accent shift backslash z x c v b n m comma dot'],
  [53, 'slash shift_r kp_multiply alt spc caps_lock f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 num_lock scroll_lock'],
  [71, 'kp_7 kp_8 kp_9 kp_subtract kp_4 kp_5 kp_6 kp_add kp_1 kp_2 kp_3 kp_0 kp_decimal - - less f11 f12 ro'],
  [91, 'hiragana henkan katakanahiragana muhenkan - kp_enter ctrl_r kp_divide sysrq alt_r lf home up pgup'],
  [105, 'left right end down pgdn insert delete - audiomute volumedown volumeup power kp_equals - pause'],
  [
    121,
    'kp_comma lang1 lang2 yen meta_l meta_r compose stop again props undo front copy open paste find cut',
  ],
  [138, 'help menu calculator - sleep wake'],
  [155, 'mail ac_bookmarks computer ac_back ac_forward'],
  [163, 'audionext audioplay audioprev audiostop'],
  [172, 'ac_home ac_refresh'],
  [226, 'mediaselect'],
];

/** Codes of keys by QEMU's names: what its keyboard has, too. */
export const KEY_CODES: { readonly [name: string]: number } = Object.fromEntries(
  ROWS.flatMap(([first, names]) =>
    names.split(' ').flatMap((name, index) => (name === '-' ? [] : [[name, first + index] as const])),
  ),
);

const NAMES = new Map(
  [...Object.entries(KEY_CODES), ...Object.entries(BUTTON_CODES)].map(([n, c]) => [c, n]),
);

/** Bytes of an event: type u16, code u16, value s32 (virtio 1.2, 5.8.6). */
export const INPUT_EVENT_BYTES = 8;

export interface InputEventWords {
  readonly type: number;
  readonly code: number;
  readonly value: number;
}

/** Events one after the other; a part of one at the end is left out. */
export function readInputEvents(bytes: Uint8Array): InputEventWords[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const events: InputEventWords[] = [];
  for (let at = 0; at + INPUT_EVENT_BYTES <= bytes.length; at += INPUT_EVENT_BYTES) {
    events.push({
      type: view.getUint16(at, true),
      code: view.getUint16(at + 2, true),
      value: view.getInt32(at + 4, true),
    });
  }
  return events;
}

export function writeInputEvents(events: readonly InputEventWords[]): Uint8Array {
  const bytes = new Uint8Array(events.length * INPUT_EVENT_BYTES);
  const view = new DataView(bytes.buffer);
  events.forEach(({ type, code, value }, index) => {
    view.setUint16(index * INPUT_EVENT_BYTES, type, true);
    view.setUint16(index * INPUT_EVENT_BYTES + 2, code, true);
    view.setInt32(index * INPUT_EVENT_BYTES + 4, value, true);
  });
  return bytes;
}

/** Events in words, for traces: `a down, report`. */
export function describeInputEvents(bytes: Uint8Array): string {
  return readInputEvents(bytes)
    .map(({ type, code, value }) => {
      const axis = code === AXIS.X ? 'x' : code === AXIS.Y ? 'y' : `axis ${code}`;
      switch (type) {
        case EV.SYN:
          return 'report';
        case EV.KEY:
          return `${NAMES.get(code) ?? `key ${code}`} ${value === 0 ? 'up' : 'down'}`;
        case EV.REL:
          return `${code === AXIS.REL_WHEEL ? 'wheel' : axis} by ${value}`;
        case EV.ABS:
          return `${axis} at ${value}`;
        default:
          return `type ${type} code ${code} value ${value}`;
      }
    })
    .join(', ');
}
