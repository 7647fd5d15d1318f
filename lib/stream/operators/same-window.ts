/**
 * Aggregates and folds of the results of a windowed operator, by the window that they came out of: it says so in each row. State is one timed table, as that of
 * windows of one size.
 *
 * The window closes with the one it came out of, in the same batch. A result has event time `windowEnd − 1`, and those that are still to come have greater
 * times than the watermark that follows them: so they end later than 1 ms behind it, and up to there all windows are complete.
 */
import type { Slots } from '../graph/accumulator.ts';
import { columnsOf, type Fold, foldTable } from '../graph/fold-spec.ts';
import type { Operator, OperatorContext, RowBatch } from '../graph/operator.ts';
import type { Making, OperatorDefinition } from '../graph/operator-definition.ts';
import type { StateTable } from '../graph/tables.ts';
import type { SameWindowSpec } from '../graph/window-spec.ts';
import { applyFold, groupFold, numbersOf } from './fold.ts';
import { Groups } from './groups.ts';
import { groupKeys, type RowWindows, refuseBad, rowWindows, splitGroupKey } from './same-windows.ts';
import { type ShowGroups, showWindow, WINDOW_GROUP } from './show-groups.ts';
import { checkCloses, closeWindows, LATE_PORT, lateRowsOf, windowsLayout } from './windowed.ts';

/** @param windows as `windowFold` gets it */
export function sameWindowFold(spec: SameWindowSpec, fold: Fold, windows: object): OperatorDefinition {
  return {
    kind: `window-${fold.kind}`,
    eventTime: 'own',
    table: foldTable(fold, WINDOW_GROUP),
    sideOutput: { of: windows, port: LATE_PORT },
    check: checkCloses,
    layout: windowsLayout(spec, fold),
    columns: columnsOf(fold),
    make: (name, making) => foldOperator(name, fold, making),
  };
}

function foldOperator(name: string, fold: Fold, making: Making): Operator {
  const folding = groupFold(fold, name, making);
  const lateRows = making.isRead(LATE_PORT);

  const showIn = (context: OperatorContext): ShowGroups => ({
    one(groupKey, windowEnd, state, at = 0) {
      showWindow(folding, state, at, { ...splitGroupKey(groupKey), windowEnd }, context);
    },
    columns: undefined,
  });

  const apply = (batch: RowBatch, context: OperatorContext, table: StateTable<Slots>): Promise<void> | undefined => {
    const closed = complete(context.previousEvict);
    const late = lateRowsOf(batch, context, lateRows);
    const isLate = context.mode === 'complete' ? -Infinity : Math.max(batch.late, closed);
    const windows = rowWindows(batch, isLate, late.add, refuseBad(batch, context, name));
    late.count();
    const groups = new Groups(groupKeys(batch.keys, windows), folding.numbers && table.numbers);
    for (const i of windows.rows) groups.add(i, windows.ends[i]!);
    return applyFold(
      folding,
      batch,
      groups,
      table,
      context,
      context.mode === 'update' ? showIn(context).one : undefined,
    );
  };

  const close = (context: OperatorContext, table: StateTable<Slots>): void | Promise<void> => {
    const { mode, evict, previousEvict } = context;
    const show = mode === 'update' ? undefined : showIn(context);
    return closeWindows(context, table, show, complete(previousEvict), complete(evict));
  };

  return {
    name,
    tables: [{ name: 'windows', kind: 'timed', ...numbersOf(folding) }],
    inputs: 1,
    outputs: 2,
    // What is open ends later than 1 ms behind it.
    outputWatermark: (watermark) => watermark,
    reads([batch], { mode, evict, previousEvict }) {
      const windows: RowWindows = rowWindows(batch!, complete(previousEvict), ignored, ignored);
      const rows = {
        table: 0,
        keys: groupKeys(batch!.keys, windows),
        of: windows.rows,
        times: windows.rows.map((i) => windows.ends[i]!),
      };
      const shown = mode === 'append' && evict > previousEvict && evict < Infinity;
      return shown ? [rows, { table: 0, after: complete(previousEvict), upTo: complete(evict) }] : [rows];
    },
    run([batch], context) {
      const table = context.tables[0] as StateTable<Slots>;
      const applied = batch!.count === 0 ? undefined : apply(batch!, context, table);
      return applied === undefined ? close(context, table) : applied.then(() => close(context, table));
    },
  };
}

/** Windows that end up to there are complete at a watermark. */
function complete(watermark: number): number {
  return watermark + 1;
}

function ignored(): void {}
