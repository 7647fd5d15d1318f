/**
 * The rows of each key that come first, best first; in a tie the row that came first is first. Never late, never final: `update` gives each rank that has another row than
 * before the batch, of the keys in the order they were first touched; `complete` all ranks of all keys. A rank once taken stays taken, so nothing is to be
 * taken back, but that a key is forgotten by `state.ttl`: of it nothing is given.
 *
 * State is that of the aggregate `topN`, one row a key: what rows are sorted by, and the rows, `n` at most.
 */
import { JobError } from '../../errors.ts';
import { copyPlain } from '../../util/copy-plain.ts';
import type { Slots } from '../graph/accumulator.ts';
import type { Calls } from '../graph/calls.ts';
import type { AggregateDefinition } from '../graph/fold-spec.ts';
import { type Operator, type OperatorContext, OperatorFailure, type RowBatch } from '../graph/operator.ts';
import type { OperatorDefinition } from '../graph/operator-definition.ts';
import type { StateTable } from '../graph/tables.ts';
import { Expiry } from './expiry.ts';
import { decodeKey } from './key.ts';
import { rowPerKeyOperator } from './row-per-key.ts';

/** @param aggregate a `topN` */
export function topRows(aggregate: AggregateDefinition): OperatorDefinition {
  return {
    kind: 'topN',
    eventTime: 'none',
    table: { key: ['key', 'rank'], whole: ['rank'] },
    check({ mode }) {
      if (mode !== 'append') return;
      throw new JobError(
        'APPEND_NEEDS_WINDOW',
        "the best rows of a key are never final, so they cannot be appended: set outputMode: 'update' or 'complete', or take topN() of a window",
      );
    },
    layout: () => `rows:${aggregate.kind}`,
    make: (name, { calls, job }) => topOperator(name, aggregate, calls, Expiry.of(job, 1)),
  };
}

function topOperator(name: string, aggregate: AggregateDefinition, calls: Calls, expiry: Expiry | undefined): Operator {
  const best = calls.adds(aggregate.accumulator('rows', calls), 'rows');

  const apply = (batch: RowBatch, keys: readonly string[], context: OperatorContext): void => {
    const table = context.tables[0] as StateTable<Slots>;
    const changed = new Map<string, Slots>();
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      const slots = changed.get(key) ?? thawed(table.get(key, 0));
      try {
        best.add(slots, 0, batch.row(i), batch.times[i]!);
        changed.set(key, slots);
      } catch (error) {
        // It has thrown before anything was put in.
        context.refuse(new OperatorFailure(name, batch.row(i), i, error), batch);
      }
    }
    for (const [key, slots] of changed) {
      expiry?.touch(context, key);
      const before = table.get(key, 0);
      if (isSame(slots, before)) continue;
      table.put(key, 0, slots);
      if (context.mode === 'update') show(key, slots, before, context);
    }
  };

  const thawed = (stored: Slots | undefined): Slots => {
    const slots: Slots = stored?.slice() ?? [];
    if (stored === undefined) best.init(slots, 0);
    else best.own?.(slots, 0);
    return slots;
  };

  return rowPerKeyOperator<Slots>({
    name,
    table: 'ranks',
    expiry,
    apply,
    show: (key, slots, context) => show(key, slots, undefined, context),
  });
}

function rowsOf(slots: Slots | undefined): readonly unknown[] {
  return (slots?.[1] as readonly unknown[] | undefined) ?? [];
}

function isSame(slots: Slots, before: Slots | undefined): boolean {
  const rows = rowsOf(slots);
  const old = rowsOf(before);
  return before !== undefined && rows.length === old.length && rows.every((row, i) => row === old[i]);
}

/** The rows stay in the table: who comes behind gets copies. @param before ranks that have the same row are not shown */
function show(key: string, slots: Slots, before: Slots | undefined, context: OperatorContext): void {
  const old = rowsOf(before);
  for (const [i, row] of rowsOf(slots).entries()) {
    if (i < old.length && row === old[i]) continue;
    context.emit(0, { key: decodeKey(key), rank: i + 1, row: copyPlain(row) }, Number.NaN);
  }
}
