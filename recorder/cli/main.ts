/** The `virtrace` command. */
import { ProcessIo } from '../host/process-io.ts';
import { main } from './program.ts';
import { isVerifyWorker, runVerifyWorker } from './verify-worker.ts';

if (isVerifyWorker()) runVerifyWorker();
else {
  const io = new ProcessIo(new URL(import.meta.url));
  process.exitCode = await main(process.argv.slice(2), io);
  await io.finish();
}
