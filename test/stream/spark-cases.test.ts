/** Spark's expectations, run on the model: what the operators compute is what a user of Spark would expect. */
import { describe, expect, test } from 'vitest';
import { modelRun } from '../helpers/model-run.ts';
import { isCovered, runSparkCase, sparkCases } from '../helpers/spark-cases.ts';

describe('Spark cases on the model', () => {
  for (const c of sparkCases.filter(isCovered)) {
    test(`${c.id}: ${c.suite}: ${c.test}`, () => runSparkCase(c, (job) => modelRun(job)));
  }

  test('all cases of windows, running aggregates and deduplication are covered', () => {
    const ids = sparkCases.filter(isCovered).map((c) => c.id);
    expect(ids).toEqual(
      expect.arrayContaining([
        1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 20, 22, 23, 25, 26, 28, 29, 31, 32, 58, 59, 61, 62, 64, 65, 67,
      ]),
    );
  });

  test('a case on tables that answer promises gives the same', async () => {
    for (const c of sparkCases.filter(isCovered)) await runSparkCase(c, (job) => modelRun(job, { async: true }));
  });
});
