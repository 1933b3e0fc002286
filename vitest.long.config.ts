import { defineConfig } from 'vitest/config';

/** Whole boots and long random runs: `npm run test:long`. They need `npm run guests`, and a build. */
export default defineConfig({
  test: {
    setupFiles: ['test/setup.ts'],
    include: ['test/long/**/*.test.ts'],
    testTimeout: 900_000,
    hookTimeout: 900_000,
    maxWorkers: 2,
    // Another suite may run beside this one: what takes a moment here may take half a minute.
    expect: { poll: { timeout: 120_000 } },
  },
});
