import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['misa-source'] },
  ssr: { resolve: { conditions: ['misa-source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/setup/local-aws.ts', 'test/setup/localstack.ts'],
    setupFiles: ['test/setup/random-tests.ts'],
    // Only what hangs runs into these, however slow or busy the machine is.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 120_000 } },
    pool: 'forks',
    maxWorkers: 2,
  },
});
