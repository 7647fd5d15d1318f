/** As the suite is run, but without services beside it: the tests that must notice a planted bug need none. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['misa-source'] },
  ssr: { resolve: { conditions: ['misa-source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/setup/random-tests.ts'],
    testTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 1,
  },
});
