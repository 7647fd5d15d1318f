/**
 * Jobs whose columns change between runs, and a model of them: a column is what it is from the layout in which it came to the one in
 * which it went, whatever its names; its value is that of the rows of its group whose batches were committed in those layouts. Which
 * layout that is, the log entries say.
 */
import fc from 'fast-check';
import {
  type Aggregate,
  avg,
  collect,
  count,
  countDistinct,
  type Job,
  type JobOptions,
  job,
  last,
  max,
  session,
  source,
  sum,
  topN,
  tumbling,
} from '../../lib/index.ts';
import { readJobFile } from '../../lib/job/job-file.ts';
import { DataLog } from '../../lib/log/data-log.ts';
import { names, PLANNER, partitionPath } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { decodePlanObject } from '../../lib/plan/plan.ts';
import { encodeKey } from '../../lib/stream/operators/key.ts';
import { partitionOf } from '../../lib/util/hash.ts';

export interface Row {
  readonly k: string;
  readonly v: number;
  readonly t: number;
}

const v = (row: Row): number => row.v;

interface Kind {
  readonly make: () => Aggregate<Row, unknown>;
  /** Of the rows of a group, in the order in which they came; `byTime`: of event time, where they have one. */
  readonly value: (rows: readonly Row[]) => unknown;
  readonly byTime?: boolean;
}

const total = (rows: readonly Row[]): number => rows.reduce((all, row) => all + row.v, 0);
const NUMBERS = {
  count: { make: () => count(), value: (rows) => rows.length },
  sum: { make: () => sum(v), value: total },
  avg: { make: () => avg(v), value: (rows) => (rows.length === 0 ? null : total(rows) / rows.length) },
  max: { make: () => max(v), value: (rows) => (rows.length === 0 ? null : Math.max(...rows.map(v))) },
} satisfies Record<string, Kind>;
const KINDS: Readonly<Record<string, Kind>> = {
  ...NUMBERS,
  topN: {
    make: () => topN(2, { by: v }),
    value: (rows) => [...rows].sort((a, b) => b.v - a.v).slice(0, 2),
  },
  collect: { make: () => collect(v), value: (rows) => rows.map(v), byTime: true },
  distinct: { make: () => countDistinct(v), value: (rows) => new Set(rows.map(v)).size },
  last: { make: () => last(v), value: (rows) => rows.at(-1)?.v ?? null, byTime: true },
};

/** A column by what it is, not by its name. */
interface Column {
  readonly name: string;
  readonly kind: string;
  readonly id: number;
}

/** One version of a job. */
export interface Version {
  readonly columns: readonly Column[];
  readonly state: NonNullable<JobOptions['state']>;
}

/** How columns change: which go, which get another name, what comes, and in what order they stand then. */
export interface Change {
  readonly remove: readonly number[];
  readonly rename: readonly number[];
  readonly add: readonly string[];
  readonly order: number;
}

const kind = (numbers: boolean): fc.Arbitrary<string> => fc.constantFrom(...Object.keys(numbers ? NUMBERS : KINDS));

export const changeOf = (numbers: boolean): fc.Arbitrary<Change> =>
  fc.record({
    remove: fc.uniqueArray(fc.nat(4), { maxLength: 2 }),
    rename: fc.uniqueArray(fc.nat(4), { maxLength: 2 }),
    add: fc.array(kind(numbers), { maxLength: 2 }),
    order: fc.nat(3),
  });

/** The first version of a job, and those that changes make of it. Names that went come again, with what they like. */
export function versionsOf(first: readonly string[], changes: readonly Change[]): Version[] {
  let id = 0;
  const fresh = (taken: readonly Column[]): string => {
    for (let i = 0; ; i++) if (!taken.some(({ name }) => name === `c${i}`)) return `c${i}`;
  };
  const start: Column[] = [];
  for (const one of first) start.push({ name: fresh(start), kind: one, id: id++ });
  const versions: Version[] = [{ columns: start, state: {} }];
  for (const { remove, rename, add, order } of changes) {
    const before = versions.at(-1)!.columns;
    const gone = before.filter((_, i) => remove.includes(i)).slice(0, before.length - 1);
    const renamed: Record<string, string> = {};
    const columns: Column[] = [];
    for (const [i, column] of before.entries()) {
      if (gone.includes(column)) continue;
      const name = rename.includes(i) ? fresh([...before, ...columns]) : column.name;
      if (name !== column.name) renamed[name] = column.name;
      columns.push({ ...column, name });
    }
    // A name that goes with this change is not given to another column by it: it would have no way to say so.
    for (const one of add) columns.push({ name: fresh([...before, ...columns]), kind: one, id: id++ });
    const by = order % columns.length;
    const turned = [...columns.slice(by), ...columns.slice(0, by)];
    versions.push({ columns: turned, state: { renamed, removed: gone.map(({ name }) => name) } });
  }
  return versions;
}

/** Whether the layout of state is another one after this version than before. */
export function changesLayout(before: Version, after: Version): boolean {
  const live = new Map(before.columns.map(({ id, name }) => [id, name]));
  return before.columns.length !== after.columns.length || after.columns.some(({ id, name }) => live.get(id) !== name);
}

export interface Shape {
  /** `table`: none, and mode `complete`. */
  readonly windows: 'none' | 'table' | 'tumbling' | 'session';
  readonly partitions: number;
  readonly cacheBytes: number;
  readonly commit: 'async' | 'sync';
}

export const shapeOf: fc.Arbitrary<Shape> = fc.record({
  windows: fc.constantFrom('none', 'table', 'tumbling', 'session'),
  partitions: fc.constantFrom(1, 3),
  cacheBytes: fc.constantFrom(1, 1 << 20),
  commit: fc.constantFrom('async', 'sync'),
});

const WINDOW_MS = 100;
const GAP_MS = 20;

/** A group of a job with windows: `start ≤ t < end`. */
export interface Group {
  readonly key: string;
  readonly start: number;
  readonly end: number;
}

/** All that there are in the end. */
export function groupsOf(rows: readonly Row[], windows: 'tumbling' | 'session'): Group[] {
  const groups: Group[] = [];
  for (const { k: key, t } of rows.toSorted((a, b) => a.t - b.t)) {
    const last = groups.findLast((group) => group.key === key);
    const start = windows === 'tumbling' ? Math.floor(t / WINDOW_MS) * WINDOW_MS : t;
    const end = windows === 'tumbling' ? start + WINDOW_MS : t + GAP_MS;
    if (last === undefined || start > last.end || (windows === 'tumbling' && start === last.end))
      groups.push({ key, start, end });
    else groups[groups.indexOf(last)] = { ...last, end: Math.max(last.end, end) };
  }
  return groups;
}

/** Windows stay open until a flush. */
export function jobOf({ columns, state }: Version, { windows, partitions, cacheBytes, commit }: Shape): Job<unknown> {
  const spec = Object.fromEntries(columns.map(({ name, kind }) => [name, KINDS[kind]!.make()]));
  const options: JobOptions = {
    outputMode: windows === 'none' ? 'update' : windows === 'table' ? 'complete' : 'append',
    partitions,
    commit: { mode: commit },
    state: { ...state, cacheBytes },
  };
  const keyed =
    windows === 'none' || windows === 'table'
      ? source<Row>('rows').keyBy((r) => r.k)
      : source<Row>('rows', { eventTime: (r) => r.t, delay: '1 day' })
          .keyBy((r) => r.k)
          .window(windows === 'tumbling' ? tumbling(WINDOW_MS) : session(GAP_MS));
  return job('j', keyed.aggregate(spec as never), options);
}

/** The rows of each batch that there was, by the place in the script that its piece names. */
export async function plannedRows(
  store: ObjectStore,
  script: readonly (readonly Row[])[],
): Promise<(readonly Row[])[]> {
  const { epoch } = await readJobFile(store, 'j');
  const batches: (readonly Row[])[] = [];
  for (let n = 1; ; n++) {
    const name = names('j', epoch).log(PLANNER, n);
    const answer = await store.get(name);
    if (!answer.found) return batches;
    const { pieces, counts } = decodePlanObject(answer.body, name, n)!.stored.plan;
    batches.push(counts.rows === 0 ? [] : script[Number(pieces[0]!.name.split('-')[1])]!);
  }
}

/** By partition, the layout in which each batch was committed. */
export async function layoutsOf(store: ObjectStore, partitions: number): Promise<number[][]> {
  const { epoch } = await readJobFile(store, 'j');
  return Promise.all(
    Array.from({ length: partitions }, async (_, p) => {
      const log = new DataLog(store, names('j', epoch), partitionPath(0, p));
      const layouts: number[] = [];
      for (let n = 1; ; n++) {
        const { entry } = await log.readEntry(n);
        if (entry === undefined) return layouts;
        layouts.push(entry.header.layoutVersion ?? 1);
      }
    }),
  );
}

/**
 * The columns that a group shows after batch n.
 * @param batches batch n is `batches[n - 1]`
 * @param versions by layout version; @param layouts of {@link layoutsOf}
 */
export function shownOf(
  { key, isIn, timed }: { readonly key: string; isIn(row: Row): boolean; readonly timed: boolean },
  n: number,
  batches: readonly (readonly Row[])[],
  versions: ReadonlyMap<number, Version>,
  layouts: readonly (readonly number[])[],
): Record<string, unknown> {
  const of = layouts[partitionOf(encodeKey(key), layouts.length)]!;
  const shown: Record<string, unknown> = {};
  for (const { id, name, kind } of versions.get(of[n - 1]!)!.columns) {
    const seen = batches.slice(0, n).flatMap((rows, i) => {
      const isThere = versions.get(of[i]!)!.columns.some((column) => column.id === id);
      return isThere ? rows.filter((row) => row.k === key && isIn(row)) : [];
    });
    const { value, byTime } = KINDS[kind]!;
    shown[name] = value(timed && byTime ? seen.toSorted((a, b) => a.t - b.t) : seen);
  }
  return shown;
}
