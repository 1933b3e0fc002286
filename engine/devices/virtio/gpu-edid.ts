/*
 * What a display says about itself (VESA E-EDID 1.4, CTA-861, DisplayID 1.3): QEMU's monitor, of any size.
 */

const BLOCK = 128;
/** What a device answers: the blocks, then zeros. */
export const EDID_BYTES = 1024;
const REFRESH = 75;
const DOTS_PER_INCH = 100;
/** Sizes and clocks (10 kHz) from here on need DisplayID. */
const SIDE_END = 4096;
const CLOCK_END = 65_536;

const hex = (text: string): number[] => text.match(/../g)!.map((byte) => Number.parseInt(byte, 16));

/** Manufacturer RHT, product 0x1234, week 42 of 2014, version 1.4, digital. */
const HEADER = hex('00ffffffffffff0049143412000000002a180104a5');
/** Gamma 2.2, sRGB; chromaticities; established timings up to 1024x768; standard timings. */
const COLOURS_AND_TIMINGS = hex('7806ee91a3544c99260f5054210800e1c0d1c0d100a940b300950081808140');
const ESTABLISHED_3 = hex('000000f7000a004082002820000000000000');
/** 50 to 125 Hz, 30 to 160 kHz. */
const RANGE = hex('000000fd00327d1ea0ff010a202020202020');
const NAME = [...hex('000000fc00'), ...new TextEncoder().encode('QEMU Monitor\n')];
const DUMMY = hex('000000100000000000000000000000000000');
/** CTA-861 without audio: ten modes of video. */
const CTA = hex('02030b00467d6560591f61');
const CTA_DUMMIES = 6;

interface Timing {
  readonly clock: number;
  readonly blankX: number;
  readonly frontX: number;
  readonly syncX: number;
  readonly blankY: number;
  readonly frontY: number;
  readonly syncY: number;
}

/** Blanking is a fixed part of the picture. */
function timingOf(width: number, height: number): Timing {
  const part = (of: number, permille: number): number => Math.floor((of * permille) / 1000);
  const blankX = part(width, 350);
  const blankY = part(height, 35);
  return {
    clock: Math.floor((REFRESH * (width + blankX) * (height + blankY)) / 10_000),
    blankX,
    frontX: part(width, 250),
    syncX: part(width, 30),
    blankY,
    frontY: part(height, 5),
    syncY: part(height, 5),
  };
}

/** The EDID of a display of this size in pixels. */
export function edidOf(width: number, height: number): Uint8Array {
  const timing = timingOf(width, height);
  const isLarge = width >= SIDE_END || height >= SIDE_END || timing.clock >= CLOCK_END;
  const millimetres = (pixels: number): number => Math.floor((pixels * 254) / (10 * DOTS_PER_INCH));
  const [x, y] = [millimetres(width), millimetres(height)];
  const descriptors = [ESTABLISHED_3, RANGE, NAME];
  if (isLarge) descriptors.push(DUMMY);
  else descriptors.unshift(detailed(width, height, timing, x, y));
  const edid = new Uint8Array(EDID_BYTES);
  edid.set([
    ...HEADER,
    Math.floor(x / 10),
    Math.floor(y / 10),
    ...COLOURS_AND_TIMINGS,
    ...descriptors.flat(),
  ]);
  edid[BLOCK - 2] = isLarge ? 2 : 1;
  checksum(edid, 0, BLOCK);
  edid.set([...CTA, ...Array.from({ length: CTA_DUMMIES }, () => DUMMY).flat()], BLOCK);
  checksum(edid, BLOCK, BLOCK);
  if (isLarge) {
    edid.set(displayId(width, height, timing), 2 * BLOCK);
    checksum(edid, 2 * BLOCK, BLOCK);
  }
  return edid;
}

/** Detailed timing descriptor (E-EDID 1.4, 3.10.2). */
function detailed(width: number, height: number, timing: Timing, x: number, y: number): number[] {
  const { clock, blankX, frontX, syncX, blankY, frontY, syncY } = timing;
  const high = (value: number): number => (value >> 8) & 0xf;
  return [
    ...[clock, clock >> 8],
    ...[width, blankX, (high(width) << 4) | high(blankX)],
    ...[height, blankY, (high(height) << 4) | high(blankY)],
    ...[frontX, syncX, ((frontY & 0xf) << 4) | (syncY & 0xf)],
    (((frontX >> 8) & 3) << 6) | (((syncX >> 8) & 3) << 4) | (((frontY >> 4) & 3) << 2) | ((syncY >> 4) & 3),
    ...[x, y, (high(x) << 4) | high(y)],
    ...[0, 0, 0x18],
  ].map((value) => value & 0xff);
}

/** A DisplayID section with one detailed timing of type I (DisplayID 1.3, 4.4). */
function displayId(width: number, height: number, timing: Timing): number[] {
  const { clock, blankX, frontX, syncX, blankY, frontY, syncY } = timing;
  const words = [width, blankX, frontX, syncX, height, blankY, frontY, syncY];
  const bytes = [
    ...hex('7013170300030014'),
    ...[clock, clock >> 8, clock >> 16, 0x88],
    ...words.flatMap((value) => [value - 1, (value - 1) >> 8]),
  ].map((value) => value & 0xff);
  const sum = bytes.slice(1).reduce((total, byte) => total + byte, 0);
  return [...bytes, -sum & 0xff];
}

function checksum(edid: Uint8Array, from: number, length: number): void {
  const sum = edid.subarray(from, from + length - 1).reduce((total, byte) => total + byte, 0);
  edid[from + length - 1] = -sum & 0xff;
}
