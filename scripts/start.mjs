// `npm start`: records the built-in guest, which fails, replays it with verification, and offers to look at it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const guest = 'guests/storm/storm.elf';
const trace = 'storm.vtrace';

process.chdir(root);
if (!existsSync(guest)) {
  console.error(`start: ${guest} is missing; \`git checkout ${guest}\` brings it back`);
  process.exit(1);
}

function virtrace(args, input = 'ignore') {
  console.log(`\n$ npx virtrace ${args.map((arg) => (/\s/.test(arg) ? `"${arg}"` : arg)).join(' ')}`);
  const { status, error } = spawnSync(process.execPath, ['bin/virtrace.js', ...args], {
    stdio: [input, 'inherit', 'inherit'],
  });
  if (error !== undefined) throw error;
  return status ?? 1;
}

function stopOn(status, what) {
  if (status === 0) return;
  console.error(`\nstart: ${what} ended with exit code ${status}`);
  process.exit(status);
}

console.log(
  '1. A small kernel boots on a virtual Arm board, and something goes wrong. Every step is recorded.',
);
const machine = [
  '-M',
  'virt,gic-version=3',
  '-cpu',
  'cortex-a57',
  '-m',
  '128',
  '-nographic',
  '-kernel',
  guest,
];
stopOn(virtrace(['record', '-o', trace, '--level', 'full', ...machine]), 'recording');

console.log('\n2. The same boot again, from the trace alone, each event held against the recording.');
stopOn(virtrace(['replay', trace, '--verify', '--no-console']), 'the replay');

console.log('\n3. What the watchdog complained about: interrupt 34, a few steps before the end.');
stopOn(virtrace(['events', trace, '--intid', '34', '--backward', '--limit', '6']), 'the listing');

console.log(`
The kernel hung in an interrupt storm: it takes interrupt 34 and ends it, and at once it is pending again.
It will do exactly the same every time you replay ${trace}. Find out why, in the browser:

  npx virtrace view ${trace}

or in the terminal:

  npx virtrace events ${trace} --intid 34 --limit 12         how the interrupt behaved before, and then
  npx virtrace events ${trace} --device gic-cpu --to 1300k   how the guest set up its interrupt controller
  npx virtrace events ${trace} --register gic-cpu.ICC_CTLR_EL1 --writes

guests/storm/README.md has the answer. To record a real Linux: npm run guests, then see README.md.`);

// Where nobody can answer, nobody is asked: the commands above are the end.
const isAttended = process.stdin.isTTY === true && process.stdout.isTTY === true && !process.env.CI;
if (isAttended && (await wantsViewer())) {
  // Ctrl-C ends the viewer, which is a good end.
  process.on('SIGINT', () => {});
  stopOn(virtrace(['view', trace], 'inherit'), 'the viewer');
}

/** Enter is yes; the end of the input (Ctrl-D) is no. */
async function wantsViewer() {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await new Promise((resolve) => {
    lines.once('close', () => resolve('no'));
    lines.question('\nOpen the viewer now? [Y/n] ').then(resolve, () => resolve('no'));
  });
  lines.close();
  return /^(y(es)?)?$/i.test(answer.trim());
}
