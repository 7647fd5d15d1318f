/** The table of Spark's cases in `docs/spark.md`: what became of each. */
import { DIFFERENT_WATERMARKS, type SparkCase, sparkCases } from './spark-cases.ts';

/** Released Spark refuses `update` and sessions without another key; a development version had them. */
function isRefusedBySpark({ query }: SparkCase): boolean {
  return query.window?.type === 'session' && (query.output_mode === 'update' || query.keys?.length === 0);
}

function resultOf(c: SparkCase): string {
  if (c.id in DIFFERENT_WATERMARKS) return '[differs on purpose](#what-differs-on-purpose)';
  return isRefusedBySpark(c) ? 'passes; released Spark refuses it' : 'passes';
}

export function casesTable(): string {
  const rows = sparkCases.map((c) => `| ${c.id} | ${c.suite} | ${c.test} | ${resultOf(c)} |`);
  return ['| | suite | test | |', '| --- | --- | --- | --- |', ...rows].join('\n');
}
