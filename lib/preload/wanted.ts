/**
 * What micro-batch n will read, known from its plan and input before it runs: addresses named by its rows, and the ranges
 * of windows and timers that its watermark closes. Pure; nothing is fetched here.
 */

import { firstTables } from '../batch/run-operators.ts';
import type { Plan } from '../plan/plan.ts';
import { watermarksOf } from '../plan/plan.ts';
import { type PartitionInput, portBatch } from '../plan/rows.ts';
import { addressPrefix, timeRange } from '../state/address.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';

export interface Wanted {
  /** State keys, ascending, each once. */
  readonly keys: readonly string[];
  /** Ranges [from, to) of state keys. */
  readonly ranges: readonly { readonly from: string; readonly to: string }[];
}

export interface WantedAddress {
  readonly table: number;
  readonly time: number;
  readonly key: string;
}

/** @param skip addresses that are near already */
export function wantedBy(
  job: PhysicalJob,
  stage: number,
  plan: Pick<Plan, 'kind' | 'watermark' | 'previousWatermark'>,
  input: PartitionInput,
  skip: (table: number, time: number, key: string) => boolean,
): Wanted {
  const { evict, previousEvict } = watermarksOf(plan);
  const first = firstTables(job, stage);
  const keys = new Set<string>();
  const ranges: { from: string; to: string }[] = [];
  for (const [i, node] of job.stages[stage]!.operators.entries()) {
    const { operator } = node;
    const inputs = node.inputs.map((edges) => portBatch(input, edges, () => previousEvict));
    for (const { table, keys: wanted, times } of operator.reads?.(inputs) ?? []) {
      const number = first[i]! + table;
      const { kind } = operator.tables[table]!;
      for (const [k, key] of wanted.entries()) {
        const time = times?.[k] ?? 0;
        if (!skip(number, time, key)) keys.add(addressPrefix(number, kind, time) + key);
      }
    }
    const closes = node.watermark(evict);
    const closed = node.watermark(previousEvict);
    if (!(closes > closed) || closes === Number.POSITIVE_INFINITY || job.mode === 'complete') continue;
    for (const [table, { kind }] of operator.tables.entries()) {
      if (kind === 'timed') ranges.push(timeRange(first[i]! + table, closed, closes));
    }
  }
  return { keys: [...keys].sort(), ranges };
}
