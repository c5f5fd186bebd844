import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'threads',
    isolate: false,
    // Tests wait nearly as much as they work: three at once keep two cores busy.
    maxWorkers: 3,
    // For what hangs: how fast a machine is, nobody asks.
    testTimeout: 90_000,
    hookTimeout: 120_000,
    // Less than the minute after which most of what nobody asks for any more goes by itself.
    expect: { poll: { timeout: 40_000 } },
  },
});
