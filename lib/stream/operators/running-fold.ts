/**
 * Running aggregates and folds: one group a key, for ever, in one keyed table. Never late, never final: `update` gives
 * the keys that the batch changed, in the order they were first touched; `complete` the whole table.
 */

import { JobError } from '../../errors.ts';
import type { Slots } from '../graph/accumulator.ts';
import type { Calls } from '../graph/calls.ts';
import { type Fold, foldTable, foldText } from '../graph/fold-spec.ts';
import type { Operator, OperatorContext, RowBatch } from '../graph/operator.ts';
import type { OperatorDefinition } from '../graph/operator-definition.ts';
import type { StateTable } from '../graph/tables.ts';
import { applyFold, groupFold } from './fold.ts';
import { Groups } from './groups.ts';
import { GROUP, showGroups, showWithin } from './show-groups.ts';
import { notBuilt } from './unbuilt.ts';

export function runningFold(fold: Fold): OperatorDefinition {
  return {
    kind: fold.kind,
    eventTime: 'none',
    table: foldTable(fold, GROUP),
    check({ mode, state }) {
      if (state.ttlMs !== undefined) throw notBuilt('state.ttl for running aggregates');
      if (mode !== 'append') return;
      throw new JobError(
        'APPEND_NEEDS_WINDOW',
        "an aggregation without window is never final, so it cannot be appended: call window() before it, or set outputMode: 'update' or 'complete'",
      );
    },
    layout: () => foldText(fold),
    make: (name, { calls }) => foldOperator(name, fold, calls),
  };
}

function foldOperator(name: string, fold: Fold, calls: Calls): Operator {
  const folding = groupFold(fold, name, calls);

  const shows = showGroups(folding, undefined);

  const apply = (batch: RowBatch, context: OperatorContext, table: StateTable<Slots>): Promise<void> | undefined => {
    const groups = new Groups(batch.keys, folding.numbers && table.numbers);
    for (let i = 0; i < batch.count; i++) groups.add(i, 0);
    const onChanged = context.mode === 'update' ? shows(context).one : undefined;
    return applyFold(folding, batch, groups, table, context, onChanged);
  };

  const showAll = (context: OperatorContext, table: StateTable<Slots>): Promise<void> | undefined => {
    if (context.mode !== 'complete') return undefined;
    const shown = showWithin(shows(context), table, -Infinity, Infinity);
    return typeof shown === 'number' ? undefined : shown.then(() => {});
  };

  return {
    name,
    tables: [{ name: 'groups', kind: 'keyed', width: folding.numbers?.width }],
    inputs: 1,
    outputs: 1,
    asks: [folding.numbers?.asks],
    outputWatermark: (watermark) => watermark,
    reads: ([batch]) => [{ table: 0, keys: batch!.keys }],
    run([batch], context) {
      const table = context.tables[0] as StateTable<Slots>;
      const applied = batch!.count === 0 ? undefined : apply(batch!, context, table);
      return applied === undefined ? showAll(context, table) : applied.then(() => showAll(context, table));
    },
  };
}
