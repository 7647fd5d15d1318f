/**
 * What the tables of a stored job hold, from the layout in its job file, so that state can be shown without the job's
 * code: names of operators and result columns, sizes of windows. Lines look like
 *
 *     s0/o0 window-aggregate tumbling(3600000,0) "departures":count,"meanDelay":avg table windows timed
 *
 * What is not understood (an aggregate of a later version) is shown as it is stored.
 */
import type { JobFile } from '../../lib/runtime/job-file.ts';
import type { TableKind } from '../../lib/state/address.ts';

export interface StoredTable {
  readonly stage: number;
  /** Number within the stage: the first byte of its state keys. */
  readonly table: number;
  readonly kind: TableKind;
  /** As users know it: `window-aggregate windows`. */
  readonly title: string;
  /** Of windows, ms. */
  readonly windowMs: number | undefined;
  readonly columns: readonly StoredColumn[];
}

export interface StoredColumn {
  readonly name: string;
  /** `count`, `avg`, … with parameters. */
  readonly kind: string;
}

const LINE = /^s(\d+)\/o\d+ (\S+)(?: (.*?))? table (\S+) (keyed|timed)$/;
const WINDOW = /^(?:tumbling|sliding)\((\d+)/;
const COLUMN = /"((?:[^"\\]|\\.)*)":([A-Za-z]+(?:\([^)]*\))?)/g;

export function tablesOf({ layout }: Pick<JobFile, 'layout'>): StoredTable[] {
  const tables: StoredTable[] = [];
  for (const line of layout) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, stageText, operator, text = '', name, kind] = match;
    const stage = Number(stageText);
    const window = WINDOW.exec(text);
    const columns = [...text.matchAll(COLUMN)].map(([, column, aggregate]) => ({
      name: JSON.parse(`"${column}"`) as string,
      kind: aggregate!,
    }));
    tables.push({
      stage,
      table: tables.filter((t) => t.stage === stage).length,
      kind: kind as TableKind,
      title: `${operator} ${name}`,
      windowMs: window === null ? undefined : Number(window[1]),
      columns: operator!.endsWith('reduce') ? [{ name: 'value', kind: 'value' }] : columns,
    });
  }
  return tables;
}

/** Slots an aggregate's state takes, and the result in them. */
const AGGREGATES: Readonly<Record<string, { width: number; result: (slots: readonly unknown[]) => unknown }>> = {
  count: { width: 1, result: ([n]) => n },
  sum: { width: 1, result: ([total]) => total },
  min: { width: 1, result: ([value]) => value },
  max: { width: 1, result: ([value]) => value },
  value: { width: 1, result: ([value]) => value },
  avg: { width: 2, result: ([total, n]) => (n === 0 ? null : (total as number) / (n as number)) },
  minBy: { width: 2, result: ([, row]) => row },
  maxBy: { width: 2, result: ([, row]) => row },
};

/** A state row by column, as far as its layout is known; the rest under `state`. */
export function describeState(row: unknown, columns: readonly StoredColumn[]): Record<string, unknown> {
  if (!Array.isArray(row) || columns.length === 0) return { state: row };
  const described: Record<string, unknown> = {};
  let at = 0;
  for (const { name, kind } of columns) {
    const aggregate = AGGREGATES[kind];
    if (aggregate === undefined) {
      const alone = columns.length === 1 || name === columns[columns.length - 1]!.name;
      const rest = row.slice(at) as unknown[];
      return { ...described, ...(alone ? { [name]: rest.length === 1 ? rest[0] : rest } : { state: rest }) };
    }
    described[name] = aggregate.result(row.slice(at, at + aggregate.width));
    at += aggregate.width;
  }
  return described;
}
