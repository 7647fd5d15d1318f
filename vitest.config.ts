import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['misa-source'] },
  ssr: { resolve: { conditions: ['misa-source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/setup/local-aws.ts', 'test/setup/localstack.ts'],
    testTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
