/** Operators that keep one row a key, for ever or for `state.ttl`: what is due is forgotten first, then rows come, then the whole table is shown if it is to be. */
import { eachOf } from '../../util/chunks.ts';
import type { Operator, OperatorContext, RowBatch } from '../graph/operator.ts';
import type { StateTable } from '../graph/tables.ts';
import type { Expiry } from './expiry.ts';
import { after, whenLoaded } from './when-loaded.ts';

export interface RowPerKey<Row> {
  readonly name: string;
  /** Name of the table, the operator's first. */
  readonly table: string;
  /** Its tables are numbers 1 and 2. */
  readonly expiry: Expiry | undefined;
  /** Takes the rows of a batch, whose keys' rows are near. */
  apply(batch: RowBatch, keys: readonly string[], context: OperatorContext): void;
  /** Gives a row of the table, in mode `complete`. Left out: the operator gives no table. */
  readonly show?: (key: string, row: Row, context: OperatorContext) => void;
}

export function rowPerKeyOperator<Row>({ name, table, expiry, apply, show }: RowPerKey<Row>): Operator {
  const showAll = (context: OperatorContext): Promise<void> | undefined => {
    if (show === undefined || context.mode !== 'complete') return undefined;
    const rows = context.tables[0] as StateTable<Row>;
    return eachOf(rows.scan(-Infinity, Infinity), ({ key, row }) => show(key, row, context));
  };
  return {
    name,
    tables: [{ name: table, kind: 'keyed' }, ...(expiry?.tables ?? [])],
    inputs: 1,
    outputs: 1,
    outputWatermark: (watermark) => watermark,
    reads: ([batch], coming) => [{ table: 0, keys: batch!.keys }, ...(expiry?.reads(batch!.keys, coming) ?? [])],
    run([batch], context) {
      const rows = context.tables[0]!;
      const begun = expiry?.begin(context, batch!.keys.texts(), (key) => rows.delete(key, 0));
      const applied = after(begun, () => whenLoaded(batch!, rows, (keys) => apply(batch!, keys, context)));
      return after(applied, () => showAll(context));
    },
  };
}
