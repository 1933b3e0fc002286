/** `screendump`: the picture of a graphics device as a file. */
import { writeFileSync } from 'node:fs';
import { crc32, deflateSync } from 'node:zlib';
import { encodePng, type Picture } from '../session/png.ts';
import { screensOf } from '../session/screen.ts';
import type { Control } from './control.ts';
import { type QmpCommand, QmpError } from './protocol.ts';

export function screendump(control: Control): QmpCommand {
  return {
    arguments: {
      filename: { type: 'string' },
      device: { type: 'string', optional: true },
      head: { type: 'integer', optional: true },
      format: { type: 'string', optional: true },
    },
    run: (args) => {
      const { filename, device, format = 'ppm' } = args as { [name: string]: string };
      if (format !== 'ppm' && format !== 'png')
        throw new QmpError(`'format' is '${format}'; allowed are ppm and png`);
      const screens = screensOf(control.machine);
      const chosen = device ?? [...screens.keys()][0];
      if (chosen === undefined) throw new QmpError('the machine has no graphics device');
      if (!screens.has(chosen))
        throw new QmpError(`there is no graphics device '${chosen}'`, 'DeviceNotFound');
      const image = screens.get(chosen);
      if (image === undefined) throw new QmpError(`nothing is on the screen of ${chosen}`);
      const bytes = format === 'png' ? encodePng(image, deflateSync, crc32) : encodePpm(image);
      try {
        writeFileSync(filename!, bytes);
      } catch (error) {
        throw new QmpError(`the file cannot be written: ${(error as NodeJS.ErrnoException).code}`);
      }
      return {};
    },
  };
}

/** Netpbm's binary format for pictures in colour, P6. */
function encodePpm({ width, height, rgba }: Picture): Uint8Array {
  const header = new TextEncoder().encode(`P6\n${width} ${height}\n255\n`);
  const out = new Uint8Array(header.length + 3 * width * height);
  out.set(header);
  for (let from = 0, to = header.length; to < out.length; from += 4, to += 3)
    out.set(rgba.subarray(from, from + 3), to);
  return out;
}
