/** Runs a query of `examples/nexmark` over events in micro-batches, on the real engine, and gives what a reader of its results knows in the end. */
import type { NexmarkEvent } from '../../examples/nexmark/generator.ts';
import type { Job } from '../../lib/index.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import { testJob } from '../../lib/testing.ts';
import type { Query } from './answers.ts';

/** Columns that tell the rows of a table apart: the last one of these counts. Other queries give each row once. */
const KEYS: { readonly [Q in Query]?: readonly string[] } = {
  q4: ['category'],
  q6: ['seller'],
  q9: ['id'],
  q16: ['channel', 'day'],
  q17: ['auction', 'day'],
  q18: ['bidder', 'auction'],
  q19: ['auction', 'rank'],
};

export interface Way {
  readonly partitions: number;
  /** Events of a micro-batch. */
  readonly batch: number;
  /** Stops, and starts again from what is durable, after each so many batches. */
  readonly restartEvery?: number | undefined;
  /** Of each batch in turn, ms: how long the clock goes on before it. */
  readonly clock?: ((batch: number) => number) | undefined;
}

export async function runQuery(
  query: Query,
  job: Job<unknown[]>,
  events: readonly NexmarkEvent[],
  way: Way,
): Promise<unknown[]> {
  const t = await testJob(job, { partitions: way.partitions });
  const read = new Set(compileJob(job).sources.map(({ name }) => name));
  const rows: unknown[] = [];
  for (let batch = 0; batch * way.batch < events.length; batch++) {
    t.advanceTime(way.clock?.(batch) ?? 0);
    for (const { source, row } of events.slice(batch * way.batch, (batch + 1) * way.batch)) {
      if (read.has(source)) t.send(source, [row]);
    }
    rows.push(...(await t.runBatch()));
    if (way.restartEvery !== undefined && batch % way.restartEvery === way.restartEvery - 1) await t.restart();
  }
  rows.push(...(await t.flush()));
  const { late, quarantined, skipped } = t.counts;
  if (late + quarantined + skipped > 0) throw new Error(`${query}: ${JSON.stringify(t.counts)}`);
  await t.close();
  return lastOfEach(query, rows);
}

/** The rows that count. */
export function lastOfEach(query: Query, rows: readonly unknown[]): unknown[] {
  const keys = KEYS[query];
  if (keys === undefined) return [...rows];
  return [
    ...new Map(rows.map((row) => [keys.map((key) => (row as Record<string, unknown>)[key]).join(), row])).values(),
  ];
}
