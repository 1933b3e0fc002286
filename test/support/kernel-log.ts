/** The kernel logs of two boots of the same guest, compared line by line without what may differ. */

/**
 * What Linux says of 32-bit code and of mixed endianness, which QEMU's models announce and virtrace holds back
 * (engine/cpu/cpu-announced.ts): SETEND is an instruction of 32-bit code.
 */
const HELD_BACK =
  /^(CPU features: detected: 32-bit EL[01] Support|Registered setend emulation handler|setend instruction emulation is not supported on this system)$/;

/** Lines of the log without time, and with `N` for every number: addresses, times and sizes vary a little. */
export function logLines(console: string): string[] {
  return console
    .replaceAll('\r', '')
    .split('\n')
    .map((line) => line.replace(/^\[ *\d+\.\d+\] /, '').trimEnd())
    .filter((line) => line !== '' && !HELD_BACK.test(line))
    .map((line) => line.replace(/\b0x[0-9a-f]+\b|\b[0-9a-f]{6,}\b|\d+/g, 'N'));
}

/** Lines of `ours` that `theirs` has not, or not so often; once each. */
export function linesBeyond(ours: string, theirs: string): string[] {
  const left = new Map<string, number>();
  for (const line of logLines(theirs)) left.set(line, (left.get(line) ?? 0) + 1);
  const beyond = new Set<string>();
  for (const line of logLines(ours)) {
    const count = left.get(line) ?? 0;
    if (count === 0) beyond.add(line);
    else left.set(line, count - 1);
  }
  return [...beyond];
}
