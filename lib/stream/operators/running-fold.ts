/**
 * Running aggregates and folds: one group a key, for ever, in one keyed table. Never late, never final: `update` gives
 * the keys that the batch changed, in the order they were first touched; `complete` the whole table.
 */

import { eachOf } from '../../util/chunks.ts';
import type { Slots } from '../graph/accumulator.ts';
import { type Calls, PLAIN_CALLS } from '../graph/calls.ts';
import type { Fold } from '../graph/graph.ts';
import type { Operator, OperatorContext, RowBatch } from '../graph/operator.ts';
import type { StateTable } from '../graph/tables.ts';
import { applyFold, groupFold } from './fold.ts';
import { Groups } from './groups.ts';
import { showGroups } from './show-groups.ts';

export function runningFold(name: string, fold: Fold, calls: Calls = PLAIN_CALLS): Operator {
  const folding = groupFold(fold, name, calls);

  const shows = showGroups(folding, undefined);

  const apply = (batch: RowBatch, context: OperatorContext, table: StateTable<Slots>): Promise<void> | undefined => {
    const groups = new Groups(batch.keys, folding.numbers && table.numbers);
    for (let i = 0; i < batch.count; i++) groups.add(i, 0);
    return applyFold(folding, batch, groups, table, context, context.mode === 'update' ? shows(context) : undefined);
  };

  const showAll = (context: OperatorContext, table: StateTable<Slots>): void | Promise<void> => {
    if (context.mode !== 'complete') return;
    const show = shows(context);
    return eachOf(table.scan(-Infinity, Infinity), ({ key, time, row }) => show(key, time, row));
  };

  return {
    name,
    tables: [{ name: 'groups', kind: 'keyed', width: folding.numbers?.width }],
    inputs: 1,
    outputs: 1,
    asks: folding.numbers?.asks,
    outputWatermark: (watermark) => watermark,
    reads: ([batch]) => [{ table: 0, keys: batch!.keys.texts() }],
    run([batch], context) {
      const table = context.tables[0] as StateTable<Slots>;
      const applied = batch!.count === 0 ? undefined : apply(batch!, context, table);
      return applied === undefined ? showAll(context, table) : applied.then(() => showAll(context, table));
    },
  };
}
