/**
 * Running aggregates and folds: one group a key, for ever, in one keyed table. Never late, never final: `update` gives
 * the keys that the batch changed, in the order they were first touched; `complete` the whole table. Of a key that `state.ttl` has forgotten
 * nothing is given, and `complete` has it no more.
 */

import { JobError } from '../../errors.ts';
import type { Slots } from '../graph/accumulator.ts';
import { columnsOf, type Fold, foldTable, foldText } from '../graph/fold-spec.ts';
import type { Operator, OperatorContext, RowBatch } from '../graph/operator.ts';
import type { Making, OperatorDefinition } from '../graph/operator-definition.ts';
import type { StateTable } from '../graph/tables.ts';
import { Expiry } from './expiry.ts';
import { applyFold, groupFold, numbersOf } from './fold.ts';
import { Groups } from './groups.ts';
import { GROUP, type ShowGroup, showGroups, showWithin } from './show-groups.ts';
import { after } from './when-loaded.ts';

export function runningFold(fold: Fold): OperatorDefinition {
  return {
    kind: fold.kind,
    eventTime: 'none',
    table: foldTable(fold, GROUP),
    check({ mode }) {
      if (mode !== 'append') return;
      throw new JobError(
        'APPEND_NEEDS_WINDOW',
        "an aggregation without window is never final, so it cannot be appended: call window() before it, or set outputMode: 'update' or 'complete'",
      );
    },
    layout: () => foldText(fold),
    columns: columnsOf(fold),
    make: (name, making) => foldOperator(name, fold, making),
  };
}

function foldOperator(name: string, fold: Fold, making: Making): Operator {
  const folding = groupFold(fold, name, making);
  const expiry = Expiry.of(making.job, 1);

  const shows = showGroups(folding, undefined);

  const apply = (batch: RowBatch, context: OperatorContext, table: StateTable<Slots>): Promise<void> | undefined => {
    const groups = new Groups(batch.keys, folding.numbers && table.numbers);
    for (let i = 0; i < batch.count; i++) groups.add(i, 0);
    const show = context.mode === 'update' ? shows(context).one : undefined;
    const onChanged: ShowGroup | undefined =
      expiry === undefined
        ? show
        : (key, end, state, at) => {
            expiry.touch(context, key);
            show?.(key, end, state, at);
          };
    return applyFold(folding, batch, groups, table, context, onChanged);
  };

  const showAll = (context: OperatorContext, table: StateTable<Slots>): Promise<void> | undefined => {
    if (context.mode !== 'complete') return undefined;
    const shown = showWithin(shows(context), table, -Infinity, Infinity);
    return typeof shown === 'number' ? undefined : shown.then(() => {});
  };

  return {
    name,
    tables: [{ name: 'groups', kind: 'keyed', ...numbersOf(folding) }, ...(expiry?.tables ?? [])],
    inputs: 1,
    outputs: 1,
    asks: [folding.numbers?.asks],
    outputWatermark: (watermark) => watermark,
    reads: ([batch], coming) => [{ table: 0, keys: batch!.keys }, ...(expiry?.reads(batch!.keys, coming) ?? [])],
    run([batch], context) {
      const table = context.tables[0] as StateTable<Slots>;
      const begun = expiry?.begin(context, batch!.keys.texts(), (key) => table.delete(key, 0));
      const applied = after(begun, () => (batch!.count === 0 ? undefined : apply(batch!, context, table)));
      return after(applied, () => showAll(context, table));
    },
  };
}
