/** Console output as a person reads it. */
const decoder = new TextDecoder();
// Colours, cursor movements and titles; what a page shows is the text.
// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals speak in control characters
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]+[0-~]|[0-~])/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the same
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f]/g;

/** Text as a person reads it: no escape sequences, the last of what carriage returns and backspaces overwrote. */
export function readable(bytes: Uint8Array): string {
  const text = decoder.decode(bytes).replace(ESCAPES, '').replace(/\r*\n/g, '\n').replace(/\r+$/, '');
  const lines = text.split('\n').map((line) => {
    let shown = line.slice(line.lastIndexOf('\r') + 1);
    // A backspace takes back what stands before it.
    for (let at = shown.indexOf('\b'); at >= 0; at = shown.indexOf('\b')) {
      shown = shown.slice(0, Math.max(0, at - 1)) + shown.slice(at + 1);
    }
    return shown.replace(CONTROLS, '');
  });
  return lines.join('\n');
}

export { ESCAPES };
