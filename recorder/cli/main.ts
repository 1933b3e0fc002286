/** The `virtrace` command. */
import { ProcessIo } from '../host/process-io.ts';
import { main } from './program.ts';

const io = new ProcessIo();
process.exitCode = await main(process.argv.slice(2), io);
await io.finish();
