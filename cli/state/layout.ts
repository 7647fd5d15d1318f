/**
 * What the tables of a stored job hold, from the layout in its job file, so that state can be shown without the job's
 * code: names of operators and result columns, sizes of windows. What is not understood (an aggregate of a later version) is shown as it is stored.
 */
import type { JobFile } from '../../lib/job/job-file.ts';
import type { TableKind } from '../../lib/state/address.ts';
import { collect } from '../../lib/stream/aggregates/collect.ts';
import { countDistinct } from '../../lib/stream/aggregates/count-distinct.ts';
import { max, maxBy, min, minBy } from '../../lib/stream/aggregates/extremes.ts';
import { first, last } from '../../lib/stream/aggregates/first-last.ts';
import { avg, count, sum } from '../../lib/stream/aggregates/numeric.ts';
import { topN } from '../../lib/stream/aggregates/top-n.ts';
import { parseLayoutLine } from '../../lib/stream/compile/layout-line.ts';
import type { Accumulator } from '../../lib/stream/graph/accumulator.ts';
import type { AggregateDefinition } from '../../lib/stream/graph/fold-spec.ts';
import type { StoredColumn } from '../../lib/stream/graph/stored-columns.ts';
import { sizeInText } from '../../lib/stream/graph/window-spec.ts';

export interface StoredTable {
  readonly stage: number;
  /** Number within the stage: the first byte of its state keys. */
  readonly table: number;
  readonly kind: TableKind;
  /** As users know it: `window-aggregate windows`. */
  readonly title: string;
  /** How its rows tell their window: by their end and a size, in ms; as the start and end of a session; by their end and a start behind the key. */
  readonly windows: number | 'session' | 'same' | undefined;
  /** It only says where to look in the operator's other tables. */
  readonly isIndex: boolean;
  readonly columns: readonly StoredColumn[];
}

export function tablesOf({ layout }: Pick<JobFile, 'layout'>): StoredTable[] {
  const tables: StoredTable[] = [];
  for (const text of layout) {
    const line = parseLayoutLine(text);
    if (line?.table === undefined) continue;
    const { stage, kind, window, table, columns = [] } = line;
    tables.push({
      stage,
      table: tables.filter((t) => t.stage === stage).length,
      kind: table.kind,
      title: `${kind} ${table.name}`,
      windows: window === undefined ? undefined : windowsIn(window),
      isIndex: kind.startsWith('session-') && table.kind === 'timed',
      columns: kind.endsWith('reduce') ? [{ name: 'value', kind: 'count' }] : columns,
    });
  }
  return tables;
}

function windowsIn(text: string): StoredTable['windows'] {
  return sizeInText(text) ?? (text.startsWith('session') ? 'session' : 'same');
}

const any = (): number => 0;

/** How each kind of aggregate keeps its state, and what it shows of it: asked of the aggregates themselves. */
const AGGREGATES: ReadonlyMap<string, Accumulator> = new Map(
  Object.entries({
    count: count(),
    sum: sum(any),
    avg: avg(any),
    min: min(any),
    max: max(any),
    minBy: minBy(any),
    maxBy: maxBy(any),
    first: first(),
    last: last(),
    collect: collect(),
    countDistinct: countDistinct(any),
    topN: topN(1, { by: any }),
    // Shown as it is stored: only the job's code knows more of it.
    aggregator: count(),
    quantile: count(),
  }).map(([kind, aggregate]) => [kind, (aggregate as AggregateDefinition).accumulator(kind)]),
);

/** What a column shows that has come since the row was written. */
function nothingOf(aggregate: Accumulator): unknown {
  const slots: unknown[] = [];
  aggregate.init(slots, 0);
  return aggregate.result(slots, 0);
}

/** A state row by column, as far as its layout is known; the rest under `state`. */
export function describeState(row: unknown, columns: readonly StoredColumn[]): Record<string, unknown> {
  if (!Array.isArray(row) || columns.length === 0) return { state: row };
  const described: Record<string, unknown> = {};
  let at = 0;
  for (const { name, kind, removed } of columns) {
    const aggregate = AGGREGATES.get(kind.replace(/\(.*/, ''));
    if (aggregate === undefined) return { ...described, state: row.slice(at) };
    if (removed !== true) described[name] = at < row.length ? aggregate.result(row, at) : nothingOf(aggregate);
    at += aggregate.width;
  }
  return described;
}
