/**
 * Running aggregates and folds: one group a key, for ever, in one keyed table. Never late, never final: `update` gives
 * the keys that the batch changed, in the order they were first touched; `complete` the whole table.
 */
import type { Slots } from '../aggregates/aggregate.ts';
import type { Fold } from '../graph.ts';
import { decodeKey } from '../key.ts';
import type { Operator, OperatorContext, RowBatch, ScannedRow, Table } from '../operator.ts';
import { groupFold } from './fold.ts';
import { Groups } from './groups.ts';

export function runningFold(name: string, fold: Fold): Operator {
  const folding = groupFold(fold, name);

  const emit = (context: OperatorContext, key: string, state: Slots): void => {
    const row = { key: decodeKey(key) };
    folding.show(state, row);
    context.emit(0, row, Number.NaN);
  };

  const apply = (batch: RowBatch, context: OperatorContext, table: Table<Slots>): void | Promise<void> => {
    const groups = new Groups(batch.keys.length);
    for (let i = 0; i < batch.keys.length; i++) groups.add(i, batch.keys[i]!, 0);
    const { keys, entries } = groups;
    const fill = (): void => {
      const states = new Array<Slots>(keys.length);
      for (let g = 0; g < keys.length; g++) {
        const stored = table.get(keys[g]!, 0);
        states[g] = stored === undefined ? folding.create() : folding.thaw(stored);
      }
      folding.addAll(batch, entries, states);
      for (let g = 0; g < keys.length; g++) {
        table.put(keys[g]!, 0, states[g]!);
        if (context.mode === 'update') emit(context, keys[g]!, states[g]!);
      }
    };
    const loading = table.load(keys);
    return loading === undefined ? fill() : loading.then(fill);
  };

  const showAll = (context: OperatorContext, table: Table<Slots>): void | Promise<void> => {
    if (context.mode !== 'complete') return;
    const finish = (all: readonly ScannedRow<Slots>[]): void => {
      for (const { key, row } of all) emit(context, key, row);
    };
    const scan = table.scan(-Infinity, Infinity);
    return Array.isArray(scan) ? finish(scan) : scan.then(finish);
  };

  return {
    name,
    tables: [{ name: 'groups', kind: 'keyed' }],
    inputs: 1,
    outputs: 1,
    outputWatermark: (watermark) => watermark,
    run([batch], context) {
      const table = context.tables[0] as Table<Slots>;
      const applied = batch!.rows.length === 0 ? undefined : apply(batch!, context, table);
      return applied === undefined ? showAll(context, table) : applied.then(() => showAll(context, table));
    },
  };
}
