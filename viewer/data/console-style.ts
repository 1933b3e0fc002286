/**
 * Colours and weights of console text (ECMA-48, 8.3.117 SGR). What a guest sends decides among a fixed set of
 * classes and nothing else; its text stays text.
 */
import { ESCAPES } from '../../recorder/session/readable.ts';

/** A style as one number: foreground (0 default, 1 to 16), background, then flags. */
const BACKGROUND = 5;
const BOLD = 1 << 10;
const FAINT = 1 << 11;
const ITALIC = 1 << 12;
const UNDERLINE = 1 << 13;
const INVERSE = 1 << 14;
const COLOR = 31;

/** Text of one style, and the classes that show it. */
export interface StyledRun {
  readonly text: string;
  readonly classes: string;
}

const decoder = new TextDecoder();
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals speak in control characters
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the same
const SGR = /^\x1b\[([\d;:]*)m$/;

/** The style after a sequence of parameters. */
function changed(style: number, parameters: string): number {
  const list = parameters.split(/[;:]/).map(Number);
  let now = style;
  const foreground = (color: number): void => {
    now = (now & ~COLOR) | color;
  };
  const background = (color: number): void => {
    now = (now & ~(COLOR << BACKGROUND)) | (color << BACKGROUND);
  };
  for (let i = 0; i < list.length; i++) {
    const code = list[i]!;
    if (code === 0) now = 0;
    else if (code === 1) now |= BOLD;
    else if (code === 2) now |= FAINT;
    else if (code === 3) now |= ITALIC;
    else if (code === 4) now |= UNDERLINE;
    else if (code === 7) now |= INVERSE;
    else if (code === 22) now &= ~(BOLD | FAINT);
    else if (code === 23) now &= ~ITALIC;
    else if (code === 24) now &= ~UNDERLINE;
    else if (code === 27) now &= ~INVERSE;
    else if (code >= 30 && code <= 37) foreground(code - 29);
    else if (code === 39) foreground(0);
    else if (code >= 40 && code <= 47) background(code - 39);
    else if (code === 49) background(0);
    else if (code >= 90 && code <= 97) foreground(code - 81);
    else if (code >= 100 && code <= 107) background(code - 91);
    else if (code === 38 || code === 48) {
      // Of 256 colours the first 16 are those above; others, and those by their parts, are shown as the default.
      const color = list[i + 1] === 5 && list[i + 2]! < 16 ? list[i + 2]! + 1 : 0;
      if (code === 38) foreground(color);
      else background(color);
      i += list[i + 1] === 5 ? 2 : list[i + 1] === 2 ? 4 : 0;
    }
  }
  return now;
}

function classesOf(style: number): string {
  const isInverse = (style & INVERSE) !== 0;
  const colors = [style & COLOR, (style >>> BACKGROUND) & COLOR];
  const [front, back] = isInverse ? colors.toReversed() : colors;
  return [
    front === 0 ? (isInverse ? 'sgr-inverse' : '') : `sgr-${front}`,
    back === 0 ? (isInverse ? 'sgr-bg-inverse' : '') : `sgr-bg-${back}`,
    (style & BOLD) === 0 ? '' : 'sgr-bold',
    (style & FAINT) === 0 ? '' : 'sgr-faint',
    (style & ITALIC) === 0 ? '' : 'sgr-italic',
    (style & UNDERLINE) === 0 ? '' : 'sgr-underline',
  ]
    .filter((name) => name !== '')
    .join(' ');
}

/** The style after some bytes. */
export function styleAfter(bytes: Uint8Array, style: number): number {
  if (bytes.indexOf(0x1b) < 0) return style;
  let now = style;
  for (const [sequence] of decoder.decode(bytes).matchAll(ESCAPES)) {
    const match = SGR.exec(sequence);
    if (match !== null) now = changed(now, match[1]!);
  }
  return now;
}

/**
 * A line as `readable` gives it, in pieces of one style each; undefined if all of it is plain.
 * @param style that of the end of the line before
 */
export function styledLine(bytes: Uint8Array, style: number): StyledRun[] | undefined {
  if (style === 0 && bytes.indexOf(0x1b) < 0) return undefined;
  const line = decoder.decode(bytes).replace(/[\r\n]+$/, '');
  let cells: { readonly text: string; readonly style: number }[] = [];
  let now = style;
  const put = (text: string): void => {
    for (const char of text) {
      if (char === '\r') cells = [];
      else if (char === '\b') cells.pop();
      else cells.push({ text: char, style: now });
    }
  };
  let from = 0;
  for (const match of line.matchAll(ESCAPES)) {
    put(line.slice(from, match.index));
    from = match.index + match[0].length;
    const sgr = SGR.exec(match[0]);
    if (sgr !== null) now = changed(now, sgr[1]!);
  }
  put(line.slice(from));
  const runs: { text: string; style: number }[] = [];
  for (const cell of cells) {
    if (CONTROL.test(cell.text)) continue;
    const last = runs.at(-1);
    if (last?.style === cell.style) last.text += cell.text;
    else runs.push({ ...cell });
  }
  if (runs.every((run) => run.style === 0)) return undefined;
  return runs.map((run) => ({ text: run.text, classes: classesOf(run.style) }));
}
