/** What a group of rows is folded into, and how that is written in a job's state layout. */
import type { Accumulator } from './accumulator.ts';
import type { Calls } from './calls.ts';
import type { TableColumns } from './operator-definition.ts';
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

/** `reduce`, or columns and the kinds of their aggregates: `n:count,best:topN(3,desc)`. */
export function foldText(fold: Fold): string {
  if (fold.kind === 'reduce') return 'reduce';
  return fold.columns.map(({ name, aggregate }) => `${shownName(name)}:${aggregate.kind}`).join(',');
}

/** Column names as they are, quoted where they would blur the line. */
export function shownName(name: string): string {
  return /^[\p{L}\p{N}_.$-]+$/u.test(name) ? name : JSON.stringify(name);
}

/** The kinds of aggregates by column, of a {@link foldText}; `undefined`: it has no columns. */
export function columnsInText(text: string | undefined): ReadonlyMap<string, string> | undefined {
  if (text === undefined || !text.includes(':')) return undefined;
  const columns = text.matchAll(/("(?:[^"\\]|\\.)*"|[^:,"]+):((?:\([^)]*\)|\[[^\]]*\]|[^,([])+)(?:,|$)/gu);
  return new Map([...columns].map(([, name, kind]) => [name!.startsWith('"') ? JSON.parse(name!) : name!, kind!]));
}
