/** Spark's expectations, run on the model: what the operators compute is what a user of Spark would expect. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { modelRun } from '../helpers/model-run.ts';
import { runSparkCase, sparkCases } from '../helpers/spark-cases.ts';
import { casesTable } from '../helpers/spark-table.ts';

describe('Spark cases on the model', () => {
  for (const c of sparkCases) {
    test(`${c.id}: ${c.suite}: ${c.test}`, () => runSparkCase(c, (job) => modelRun(job)));
  }

  test('a case on tables that answer promises gives the same', async () => {
    for (const c of sparkCases) await runSparkCase(c, (job) => modelRun(job, { async: true }));
  });

  test('every case expects something, and docs/spark.md says what becomes of each', () => {
    expect(sparkCases).toHaveLength(46);
    for (const { id, steps } of sparkCases) {
      const expected = steps.filter((s) => s.new ?? s.table ?? s.watermark_after_s ?? s.watermark_used_s);
      expect(expected.length, `case ${id}`).toBeGreaterThan(0);
    }
    const page = readFileSync(new URL('../../docs/spark.md', import.meta.url), 'utf8');
    expect(/<!-- cases -->\n(.*)\n<!-- end of cases -->/s.exec(page)?.[1]).toBe(casesTable());
  });
});
