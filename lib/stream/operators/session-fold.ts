/**
 * Aggregates and folds of sessions: a row opens `[t, t + gap)`, and sessions of a key that overlap or touch are one.
 *
 * A session whose end the watermark has reached is final: it is closed before the rows of a batch, so that none joins it, whether or not an
 * empty batch came between. A row is late when its own session has ended, before it meets others. Behind another operator sessions may also open and end in
 * one batch, so what the batch closes is closed again after its rows.
 *
 * `append` gives a session once, when it ends; `update` gives each session that the batch changed, in the order they were first touched: a session
 * takes the place of all those of its key that lie within it; `complete` gives all of them, and nothing is late or forgotten.
 */
import { columnsOf, type Fold, foldTable } from '../graph/fold-spec.ts';
import type { Operator, OperatorContext, RowBatch } from '../graph/operator.ts';
import type { Making, OperatorDefinition } from '../graph/operator-definition.ts';
import type { SessionSpec } from '../graph/window-spec.ts';
import { groupFold } from './fold.ts';
import { decodeKey } from './key.ts';
import { SessionBatch } from './session-batch.ts';
import { rowSessions } from './session-gap.ts';
import { ENDS, LAST, SessionTables, type StoredSession, sessionTables } from './session-tables.ts';
import { showWindow } from './show-groups.ts';
import { after } from './when-loaded.ts';
import { checkCloses, LATE_PORT, lateOf, lateRowsOf, windowsLayout } from './windowed.ts';

/** A session that grows keeps its start, mostly. */
const SESSION_KEY: readonly string[] = ['key', 'windowStart'];

/** @param windows as `windowFold` gets it */
export function sessionFold(spec: SessionSpec, fold: Fold, windows: object): OperatorDefinition {
  return {
    kind: `session-${fold.kind}`,
    eventTime: 'own',
    table: foldTable(fold, SESSION_KEY),
    sideOutput: { of: windows, port: LATE_PORT },
    check: checkCloses,
    layout: windowsLayout(spec, fold),
    columns: columnsOf(fold),
    make: (name, making) => sessionOperator(name, spec, fold, making),
  };
}

function sessionOperator(name: string, spec: SessionSpec, fold: Fold, making: Making): Operator {
  const folding = groupFold(fold, name, making);
  const lateRows = making.isRead(LATE_PORT);
  const sessionsOf = rowSessions(spec, making.calls, name);

  const showIn =
    (context: OperatorContext) =>
    (key: string, [start, end, state]: StoredSession): void =>
      showWindow(folding, state, 0, { key: decodeKey(key), windowStart: start, windowEnd: end }, context);

  const apply = (batch: RowBatch, context: OperatorContext, tables: SessionTables): Promise<void> | undefined => {
    const late = lateRowsOf(batch, context, lateRows);
    const rows = sessionsOf(batch, context, lateOf(batch, context), late.add);
    late.count();
    if (rows.count === 0) return undefined;
    const changed = context.mode === 'update' ? showIn(context) : undefined;
    return new SessionBatch(folding, batch, rows, tables).apply(context, changed);
  };

  const close = (context: OperatorContext, tables: SessionTables, from: number, upTo: number) => {
    if (!(upTo > from)) return undefined;
    const show = context.mode === 'update' ? undefined : showIn(context);
    let last = -Infinity;
    const closing = tables.ending(from, upTo, true, (key, session) => {
      last = session[1];
      show?.(key, session);
    });
    return after(closing, () => {
      if (last === -Infinity) return undefined;
      context.closed(last);
      tables.forget(last);
      return undefined;
    });
  };

  return {
    name,
    tables: sessionTables(folding),
    inputs: 1,
    outputs: 2,
    // What is open ends after the watermark, at the next millisecond perhaps, and its row is 1 ms before its end: it must not be late.
    outputWatermark: (watermark) => watermark - 1,
    reads([batch], { mode, evict, previousEvict }) {
      const rows = { table: LAST, keys: batch!.keys };
      const closes = mode !== 'complete' && evict > previousEvict && evict < Infinity;
      return closes ? [rows, { table: ENDS, after: previousEvict, upTo: evict }] : [rows];
    },
    run([batch], context) {
      const { mode, evict, previousEvict } = context;
      const tables = new SessionTables(context);
      const hasRows = batch!.count > 0;
      const before = hasRows ? Math.min(lateOf(batch!, context), evict) : previousEvict;
      const isComplete = mode === 'complete';
      const closed = isComplete ? undefined : close(context, tables, previousEvict, before);
      const applied = after(closed, () => (hasRows ? apply(batch!, context, tables) : undefined));
      return after(applied, () =>
        isComplete ? tables.ending(-Infinity, Infinity, false, showIn(context)) : close(context, tables, before, evict),
      );
    },
  };
}
