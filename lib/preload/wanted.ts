/**
 * What micro-batch n will read, known from its plan and input before it runs, as its operators say it: addresses named by its rows, and
 * ranges, such as the windows and timers that its watermark closes. Pure; nothing is fetched here.
 */

import { firstTables } from '../batch/run-operators.ts';
import type { Plan } from '../plan/plan.ts';
import { watermarksOf } from '../plan/plan.ts';
import { type PartitionInput, portBatch } from '../plan/rows.ts';
import { addressPrefix, positionRange, type TableKind, timeRange } from '../state/address.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import type { Coming, ReadPlan } from '../stream/graph/operator.ts';

/** What is known of a batch before it runs. */
export type PlanOf = Pick<Plan, 'kind' | 'watermark' | 'previousWatermark' | 'processingTime'>;

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
  plan: PlanOf,
  input: PartitionInput,
  skip: (table: number, time: number, key: string) => boolean,
): Wanted {
  const { evict, previousEvict } = watermarksOf(plan);
  const { mode } = job;
  const first = firstTables(job, stage);
  const wanted = new Wishes(skip);
  for (const [i, { operator, inputs: ports, watermark }] of job.stages[stage]!.operators.entries()) {
    const inputs = ports.map((edges) => portBatch(input, edges, () => previousEvict));
    const coming: Coming = {
      ...{ evict: watermark(evict), previousEvict: watermark(previousEvict) },
      ...{ processingTime: plan.processingTime, mode },
    };
    for (const read of operator.reads?.(inputs, coming) ?? []) {
      wanted.add(first[i]! + read.table, operator.tables[read.table]!.kind, read);
    }
  }
  return { keys: [...wanted.keys].sort(), ranges: wanted.ranges };
}

class Wishes {
  readonly keys = new Set<string>();
  readonly ranges: { readonly from: string; readonly to: string }[] = [];
  readonly #skip: (table: number, time: number, key: string) => boolean;

  constructor(skip: (table: number, time: number, key: string) => boolean) {
    this.#skip = skip;
  }

  add(table: number, kind: TableKind, read: ReadPlan): void {
    if ('upTo' in read) {
      this.ranges.push(timeRange(table, read.after, read.upTo));
    } else if ('key' in read) {
      this.ranges.push(positionRange(table, read.key, read.from, read.to));
    } else {
      const { keys, times, positions } = read;
      for (const [i, one] of keys.entries()) {
        const time = times?.[i] ?? 0;
        const key = positions === undefined ? one : one + positions[i]!;
        if (!this.#skip(table, time, key)) this.keys.add(addressPrefix(table, kind, time) + key);
      }
    }
  }
}
