/**
 * The latest row of each key by event time; by arrival where there is none, or in a tie. Never late, never final: `update` gives the rows
 * that a batch has brought to the fore, in the order their keys were first touched; `complete` one row of each key.
 */
import { JobError } from '../../errors.ts';
import { copyPlain } from '../../util/copy-plain.ts';
import type { Operator, OperatorContext, RowBatch } from '../graph/operator.ts';
import type { OperatorDefinition } from '../graph/operator-definition.ts';
import type { StateTable } from '../graph/tables.ts';
import { Expiry } from './expiry.ts';
import { rowPerKeyOperator } from './row-per-key.ts';

/** Event time, epoch ms, `null`: none; and the row. */
export type Held = readonly [time: number | null, row: unknown];

export const LATEST: OperatorDefinition = {
  kind: 'latest',
  eventTime: 'kept',
  table: { key: [], whole: [] },
  check({ mode }) {
    if (mode !== 'append') return;
    throw new JobError(
      'APPEND_NEEDS_WINDOW',
      "the latest row of a key is never final, so it cannot be appended: set outputMode: 'update' or 'complete', or take last() of a window",
    );
  },
  layout: () => '',
  make: (name, { job }) => latestOperator(name, Expiry.of(job, 1)),
};

function latestOperator(name: string, expiry: Expiry | undefined): Operator {
  const apply = (batch: RowBatch, keys: readonly string[], context: OperatorContext): void => {
    const table = context.tables[0] as StateTable<Held>;
    const changed = new Set<string>();
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      expiry?.touch(context, key);
      if (hold(table, key, batch, i)) changed.add(key);
    }
    if (context.mode === 'update') for (const key of changed) show(table.get(key, 0)!, context);
  };

  return rowPerKeyOperator<Held>({
    name,
    table: 'rows',
    expiry,
    apply,
    show: (_key, held, context) => show(held, context),
  });
}

/** Keeps row i if it is the latest of its key. @returns whether it is */
export function hold(table: StateTable<Held>, key: string, batch: RowBatch, i: number): boolean {
  const time = Number.isNaN(batch.times[i]) ? null : batch.times[i]!;
  const before = table.get(key, 0);
  if (before !== undefined && before[0] !== null && time !== null && time < before[0]) return false;
  table.put(key, 0, [time, batch.peek(i)]);
  return true;
}

/** The row stays in the table: who comes behind gets a copy. */
function show([time, row]: Held, context: OperatorContext): void {
  context.emit(0, copyPlain(row), time ?? Number.NaN);
}
