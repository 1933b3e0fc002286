/**
 * Builds the viewer into dist/viewer: one script for the page and one for each worker, so that the same files can
 * be served, opened, or put together into a one-file report.
 */
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = fileURLToPath(new URL('../viewer/', import.meta.url));
const outDir = fileURLToPath(new URL('../dist/viewer/', import.meta.url));
const entries = {
  viewer: 'main.ts',
  'data-worker': 'data/data-worker.ts',
  'engine-worker': 'engine/engine-worker.ts',
};

rmSync(outDir, { recursive: true, force: true });
mkdirSync(outDir, { recursive: true });
for (const [name, file] of Object.entries(entries)) {
  await build({
    configFile: false,
    root,
    logLevel: 'warn',
    publicDir: false,
    build: {
      outDir,
      emptyOutDir: false,
      target: 'es2022',
      modulePreload: false,
      reportCompressedSize: false,
      chunkSizeWarningLimit: 4096,
      cssCodeSplit: false,
      rollupOptions: {
        input: `${root}${file}`,
        output: {
          format: 'iife',
          entryFileNames: `${name}.js`,
          assetFileNames: `${name}.[ext]`,
        },
      },
    },
  });
}
copyFileSync(`${root}index.html`, `${outDir}index.html`);
