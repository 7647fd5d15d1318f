/** What a group of rows is folded into, and how that is written in a job's state layout. */
import type { Accumulator } from './accumulator.ts';
import type { Calls } from './calls.ts';
import type { TableColumns } from './operator-definition.ts';
import { columnsText, type StoredColumn } from './stored-columns.ts';
import type { UserFunction } from './user-function.ts';

export type Fold =
  | { readonly kind: 'aggregate'; readonly columns: readonly AggregateColumn[] }
  | { readonly kind: 'reduce'; readonly f: UserFunction };

/** What the aggregate functions (`count()`, `sum()`, …) really give. */
export interface AggregateDefinition {
  /** With the parameters that give its state another meaning; part of the job's state layout. */
  readonly kind: string;
  /** @param label name of the result column, for messages @param calls how functions that keep rows are called */
  accumulator(label: string, calls?: Calls): Accumulator;
}

export interface AggregateColumn {
  readonly name: string;
  readonly aggregate: AggregateDefinition;
}

/** Aggregates that count. */
const WHOLE: readonly string[] = ['count', 'countDistinct'];

/** The table of the groups' results. @param key columns that say which group it is */
export function foldTable(fold: Fold, key: readonly string[]): TableColumns {
  const columns = fold.kind === 'aggregate' ? fold.columns : [];
  return { key, whole: columns.filter(({ aggregate }) => WHOLE.includes(aggregate.kind)).map(({ name }) => name) };
}

/** The columns of its rows of state. `undefined`: a function of the user makes the rows. */
export function columnsOf(fold: Fold): readonly StoredColumn[] | undefined {
  return fold.kind === 'reduce' ? undefined : fold.columns.map(({ name, aggregate: { kind } }) => ({ name, kind }));
}

/** `reduce`, or columns and the kinds of their aggregates: `n:count,best:topN(3,desc)`. */
export function foldText(fold: Fold): string {
  if (fold.kind === 'reduce') return 'reduce';
  return columnsText(columnsOf(fold)!);
}
