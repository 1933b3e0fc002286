import fc from 'fast-check';

/**
 * The same random cases in every run, so that a failure belongs to the change that made it; FC_SEED chooses
 * others. The instruction oracle draws a new seed each time.
 */
fc.configureGlobal({ seed: Number(process.env['FC_SEED'] ?? 20_261_122) });
