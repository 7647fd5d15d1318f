/**
 * Looks each row up in a table: the latest row of each key by event time; by arrival where there is none, or in a tie. The table's rows of
 * the same batch come first. It keeps one row a key, nothing of the rows that are looked up, and none of these is late. With `state.ttl` a key is
 * forgotten when no row of either side has come for so long.
 */
import { copyPlain } from '../../util/copy-plain.ts';
import type { Calls } from '../graph/calls.ts';
import { type Operator, type OperatorContext, OperatorFailure, type RowBatch } from '../graph/operator.ts';
import type { OperatorDefinition } from '../graph/operator-definition.ts';
import type { StateTable } from '../graph/tables.ts';
import type { UserFunction } from '../graph/user-function.ts';
import { Expiry } from './expiry.ts';
import { decodeKey } from './key.ts';
import { type Held, hold } from './latest.ts';
import { after, whenLoaded } from './when-loaded.ts';

export interface TableJoinSpec {
  readonly type: 'inner' | 'left';
  readonly select: UserFunction;
}

const LOOKUP = 1;

/** @param eventTime that of the rows that are looked up, if they have one */
export function tableJoin(spec: TableJoinSpec, eventTime: OperatorDefinition['eventTime']): OperatorDefinition {
  return {
    kind: 'table-join',
    eventTime,
    lookups: [LOOKUP],
    layout: () => '',
    make: (name, { job, calls }) => tableJoinOperator(name, spec, calls, Expiry.of(job, 1)),
  };
}

type Select = (left: unknown, right: unknown, at: { readonly key: unknown }) => unknown;

function tableJoinOperator(
  name: string,
  { type, select }: TableJoinSpec,
  calls: Calls,
  expiry: Expiry | undefined,
): Operator {
  const selected = calls.reads((args) => (select as unknown as Select)(...(args as Parameters<Select>)));

  const apply = (batch: RowBatch, keys: readonly string[], context: OperatorContext): void => {
    const table = context.tables[0] as StateTable<Held>;
    for (const [i, key] of keys.entries()) {
      hold(table, key, batch, i);
      expiry?.touch(context, key);
    }
  };

  const lookUp = (batch: RowBatch, keys: readonly string[], context: OperatorContext): void => {
    const table = context.tables[0] as StateTable<Held>;
    for (const [i, key] of keys.entries()) {
      const held = table.get(key, 0);
      if (held === undefined && type === 'inner') continue;
      let result: unknown;
      try {
        result = selected([batch.row(i), held === undefined ? null : copyPlain(held[1]), { key: decodeKey(key) }]);
      } catch (error) {
        context.refuse(new OperatorFailure(name, batch.row(i), i, error), batch);
        continue;
      }
      const isTaken = context.emit(0, result, batch.times[i]!, batch, i);
      if (isTaken && held !== undefined) expiry?.touch(context, key);
    }
  };

  return {
    name,
    tables: [{ name: 'rows', kind: 'keyed' }, ...(expiry?.tables ?? [])],
    inputs: 2,
    outputs: 1,
    outputWatermark: (watermark) => watermark,
    reads: (inputs, coming) =>
      inputs.flatMap(({ keys }) => [{ table: 0, keys }, ...(expiry?.reads(keys, coming) ?? [])]),
    run([left, right], context) {
      const table = context.tables[0]!;
      const keys = expiry === undefined ? [] : [...right!.keys.texts(), ...left!.keys.texts()];
      const begun = expiry?.begin(context, keys, (key) => table.delete(key, 0));
      const applied = after(begun, () => whenLoaded(right!, table, (keys) => apply(right!, keys, context)));
      return after(applied, () => whenLoaded(left!, table, (keys) => lookUp(left!, keys, context)));
    },
  };
}
