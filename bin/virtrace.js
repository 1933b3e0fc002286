#!/usr/bin/env node
import { existsSync } from 'node:fs';

const program = new URL('../dist/recorder/cli/virtrace.js', import.meta.url);
if (existsSync(program)) await import(program.href);
else {
  process.stderr.write('virtrace: not built yet; run `npm run build` (npm start and npm test do it, too)\n');
  process.exitCode = 1;
}
