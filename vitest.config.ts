import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'threads',
    isolate: false,
    maxWorkers: 2,
    // For what hangs: how fast a machine is, nobody asks.
    testTimeout: 90_000,
    hookTimeout: 120_000,
  },
});
