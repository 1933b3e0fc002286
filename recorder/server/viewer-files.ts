import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder with the built viewer. Undefined: it has not been built. */
export function findViewer(): string | undefined {
  // dist/recorder/server/ when built, recorder/server/ when run from sources.
  for (const path of ['../../viewer/', '../../dist/viewer/']) {
    const folder = fileURLToPath(new URL(path, import.meta.url));
    if (existsSync(join(folder, 'viewer.js'))) return folder;
  }
  return undefined;
}
