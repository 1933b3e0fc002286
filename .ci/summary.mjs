// Adds up what .ci/run left in a folder: NAME.json, vitest's report, with its exit code in NAME.code, and NAME.step,
// `pass` or `fail`. The last line is `N passed, N failed`; exit code 1 if anything failed or nothing passed.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
let passed = 0;
let failed = 0;
const failures = [];

function fail(what, count = 1) {
  failed += count;
  failures.push(what);
}

function addReport(name) {
  const file = join(folder, `${name}.json`);
  const code = readFileSync(join(folder, `${name}.code`), 'utf8').trim();
  if (!existsSync(file)) {
    fail(`${name}: ended with exit code ${code} before there was a report (build, types or format?)`);
    return;
  }
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const before = failed;
  let good = 0;
  let skipped = 0;
  let slowest = [];
  for (const { name: path, status, assertionResults, startTime, endTime } of report.testResults) {
    const short = path.replace(`${process.cwd()}/`, '');
    slowest.push([endTime - startTime, short]);
    // A file that could not be loaded has no tests to count.
    if (status === 'failed' && assertionResults.every((test) => test.status !== 'failed'))
      fail(`${short}: the file`);
    for (const test of assertionResults) {
      if (test.status === 'passed') good += 1;
      else if (test.status === 'failed') fail(`${short}: ${test.fullName}`);
      else skipped += 1;
    }
  }
  passed += good;
  if (code !== '0' && failed === before) fail(`${name}: exit code ${code} though no test failed`);
  slowest = slowest.sort((a, b) => b[0] - a[0]).slice(0, 5);
  console.log(`${name}: ${good} passed, ${failed - before} failed, ${skipped} skipped`);
  for (const [ms, path] of slowest) console.log(`  ${(ms / 1000).toFixed(1).padStart(7)} s  ${path}`);
}

for (const file of readdirSync(folder).sort()) {
  const name = file.replace(/\.\w+$/, '');
  if (file.endsWith('.code')) addReport(name);
  else if (file.endsWith('.step')) {
    if (readFileSync(join(folder, file), 'utf8').trim() === 'pass') passed += 1;
    else fail(`${name}: the step`);
  }
}

for (const failure of failures) console.log(`FAILED ${failure}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
