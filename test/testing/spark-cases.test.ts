/** Spark's expectations, run on `testJob`: the real engine on a memory store, restarts included. */
import { describe, test } from 'vitest';
import { testJob } from '../../lib/testing.ts';
import { runSparkCase, sparkCases } from '../helpers/spark-cases.ts';

describe('Spark cases on testJob', () => {
  for (const c of sparkCases) {
    test(`${c.id}: ${c.suite}: ${c.test}`, () => runSparkCase(c, (job) => testJob(job)));
  }

  test('invariant 3: cases of keyed operators in three partitions give the same', async () => {
    for (const c of sparkCases) await runSparkCase(c, (job) => testJob(job, { partitions: 3 }));
  });
});
