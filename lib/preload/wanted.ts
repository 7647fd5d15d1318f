/**
 * What micro-batch n will read, known from its plan and input before it runs, as its operators say it: addresses named by its rows, and
 * ranges, such as the windows and timers that its watermark closes. Addresses stay the columns that the batch itself has of its keys;
 * only those that are not near become state keys. Pure; nothing is fetched here.
 */

import { clockOf, firstTables } from '../batch/run-operators.ts';
import { columnOf, KeyColumn } from '../columns/key-column.ts';
import { sortedKeys } from '../columns/sorted-keys.ts';
import type { Plan } from '../plan/plan.ts';
import { watermarksOf } from '../plan/plan.ts';
import { type PartitionInput, portBatch } from '../plan/rows.ts';
import { addressPrefix, positionRange, type TableKind, timeRange } from '../state/address.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import type { Coming, ReadAddresses } from '../stream/graph/operator.ts';

/** What is known of a batch before it runs. */
export type PlanOf = Pick<Plan, 'kind' | 'watermark' | 'previousWatermark' | 'processingTime'>;

/** Addresses of one table of the partition. */
export interface WantedAddresses extends ReadAddresses {
  readonly table: number;
  readonly kind: TableKind;
}

export interface Wanted {
  readonly addresses: readonly WantedAddresses[];
  /** Ranges [from, to) of state keys. */
  readonly ranges: readonly { readonly from: string; readonly to: string }[];
}

/** Whether the row of key i at a time needs not be read. */
export type IsNear = (table: number, time: number, keys: KeyColumn, i: number) => boolean;

export function wantedBy(job: PhysicalJob, stage: number, plan: PlanOf, input: PartitionInput): Wanted {
  const { evict, previousEvict } = watermarksOf(plan);
  const { mode } = job;
  const first = firstTables(job, stage);
  const addresses: WantedAddresses[] = [];
  const ranges: { readonly from: string; readonly to: string }[] = [];
  for (const [i, { operator, inputs: ports, watermark }] of job.stages[stage]!.operators.entries()) {
    const inputs = ports.map((edges) => portBatch(input, edges, () => previousEvict));
    const coming: Coming = {
      ...{ evict: watermark(evict), previousEvict: watermark(previousEvict) },
      ...{ processingTime: plan.processingTime, clock: clockOf(job, plan), mode },
    };
    for (const read of operator.reads?.(inputs, coming) ?? []) {
      const table = first[i]! + read.table;
      if ('upTo' in read) ranges.push(timeRange(table, read.after, read.upTo));
      else if ('key' in read) ranges.push(positionRange(table, read.key, read.from, read.to));
      else addresses.push({ ...read, table, kind: operator.tables[read.table]!.kind });
    }
  }
  return { addresses, ranges };
}

/** The state keys of those addresses that are not near: ascending, each once. */
export function stateKeysOf(wanted: Wanted, isNear: IsNear): KeyColumn {
  const all = new KeyColumn();
  for (const addresses of wanted.addresses) addStateKeys(all, addresses, isNear);
  return sortedKeys(all).keys;
}

function addStateKeys(to: KeyColumn, addresses: WantedAddresses, isNear: IsNear): void {
  const { table, kind, keys, of, times, positions } = addresses;
  const count = of?.length ?? keys.count;
  let prefixTime = 0;
  let prefix = Buffer.from(addressPrefix(table, kind, 0), 'latin1');
  for (let address = 0; address < count; address++) {
    const i = of === undefined ? address : of[address]!;
    const time = times === undefined ? 0 : times[address]!;
    if (time !== prefixTime) {
      prefix = Buffer.from(addressPrefix(table, kind, time), 'latin1');
      prefixTime = time;
    }
    if (positions !== undefined) {
      const key = keys.text(i) + positions[address]!;
      if (!isNear(table, time, columnOf(key), 0)) to.push(prefix.toString('latin1') + key);
    } else if (!isNear(table, time, keys, i)) {
      to.pushPrefixed(prefix, keys.bytes, keys.starts[i]!, keys.starts[i + 1]!);
    }
  }
}
