/**
 * Aggregates and folds of tumbling and sliding windows. State is one timed table: time is the window's end, so that
 * closing windows is a scan of a range of time, which is then forgotten at once, and the key is the row's.
 *
 * `append` gives a window once, when its end ≤ the watermark, and forgets it; `update` gives each window that the batch
 * changed, in the order they were first touched, and forgets silently; in `complete` nothing is late or forgotten, and
 * the whole table comes out. A row is late when all its windows have ended at or before the batch's `late`.
 */
import type { Slots } from '../graph/accumulator.ts';
import { columnsOf, type Fold, foldTable } from '../graph/fold-spec.ts';
import type { Operator, OperatorContext, RowBatch } from '../graph/operator.ts';
import type { Making, OperatorDefinition } from '../graph/operator-definition.ts';
import type { NumberColumns, StateTable } from '../graph/tables.ts';
import { type FixedWindowSpec, firstEndAfter, lastWindowEnd } from '../graph/window-spec.ts';
import { applyFold, groupFold, numbersOf } from './fold.ts';
import { Groups } from './groups.ts';
import { showGroups, WINDOW_GROUP } from './show-groups.ts';
import { checkCloses, closeWindows, LATE_PORT, lateOf, lateRowsOf, windowsLayout } from './windowed.ts';

/** @param windows the same object for all operators of the same windows: the first of them gives the late rows, too */
export function windowFold(spec: FixedWindowSpec, fold: Fold, windows: object): OperatorDefinition {
  return {
    kind: `window-${fold.kind}`,
    eventTime: 'own',
    table: foldTable(fold, WINDOW_GROUP),
    sideOutput: { of: windows, port: LATE_PORT },
    check: checkCloses,
    layout: windowsLayout(spec, fold),
    columns: columnsOf(fold),
    make: (name, making) => foldOperator(name, spec, fold, making),
  };
}

function foldOperator(name: string, spec: FixedWindowSpec, fold: Fold, making: Making): Operator {
  const folding = groupFold(fold, name, making);
  const lateRows = making.isRead(LATE_PORT);

  const shows = showGroups(folding, spec);

  const apply = (batch: RowBatch, context: OperatorContext, table: StateTable<Slots>): Promise<void> | undefined => {
    const groups = assign(batch, context, spec, lateRows, folding.numbers && table.numbers);
    const onChanged = context.mode === 'update' ? shows(context).one : undefined;
    return applyFold(folding, batch, groups, table, context, onChanged);
  };

  const close = (context: OperatorContext, table: StateTable<Slots>): void | Promise<void> => {
    const { mode, evict, previousEvict } = context;
    return closeWindows(context, table, mode === 'update' ? undefined : shows(context), previousEvict, evict);
  };

  return {
    name,
    tables: [{ name: 'windows', kind: 'timed', ...numbersOf(folding) }],
    inputs: 1,
    outputs: 2,
    asks: [lateRows ? undefined : folding.numbers?.asks],
    // The next window to be given ends after the watermark, and its row is 1 ms before its end: it must not be late.
    outputWatermark: (watermark) =>
      Number.isFinite(watermark) ? Math.min(watermark, firstEndAfter(spec, watermark) - 2) : watermark,
    reads([batch], { mode, evict, previousEvict }) {
      const { rows: of, ends } = openWindows(batch!, spec, batch!.late, () => {});
      const rows = { table: 0, keys: batch!.keys, of, times: ends };
      // All of the table would be too much, and what closes in `update` is not shown.
      const shown = mode === 'append' && evict > previousEvict && evict < Infinity;
      return shown ? [rows, { table: 0, after: previousEvict, upTo: evict }] : [rows];
    },
    run([batch], context) {
      const table = context.tables[0] as StateTable<Slots>;
      // Rows first: in a later stage a window may get rows and close in one batch.
      const applied = batch!.count === 0 ? undefined : apply(batch!, context, table);
      return applied === undefined ? close(context, table) : applied.then(() => close(context, table));
    },
  };
}

/** Groups the rows by open window; counts late rows and sends them on. */
function assign(
  batch: RowBatch,
  context: OperatorContext,
  spec: FixedWindowSpec,
  lateRows: boolean,
  columns: NumberColumns | undefined,
): Groups {
  const late = lateRowsOf(batch, context, lateRows);
  const groups = openWindows(batch, spec, lateOf(batch, context), late.add, columns);
  late.count();
  return groups;
}

/** Finds the windows of each row that have not ended by `late`. @param onLate told each row that has none */
function openWindows(
  { count, keys, times }: RowBatch,
  spec: FixedWindowSpec,
  late: number,
  onLate: (i: number) => void,
  columns?: NumberColumns,
): Groups {
  const { slideMs } = spec;
  const groups = new Groups(keys, columns);
  for (let i = 0; i < count; i++) {
    const time = times[i]!;
    let end = lastWindowEnd(spec, time);
    if (end <= late) onLate(i);
    else for (; end > time && end > late; end -= slideMs) groups.add(i, end);
  }
  return groups;
}
