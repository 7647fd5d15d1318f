/** What a job with other columns makes of its stored state: by the layouts alone. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeState, tablesOf } from '../../cli/state/layout.ts';
import {
  type Aggregate,
  aggregator,
  avg,
  collect,
  count,
  countDistinct,
  first,
  type Job,
  type JobOptions,
  job,
  last,
  max,
  maxBy,
  min,
  minBy,
  quantile,
  source,
  sum,
  topN,
  tumbling,
} from '../../lib/index.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import { changeWords, fitLayout, type LayoutFit, storedColumns } from '../../lib/stream/compile/layout-change.ts';
import type { AggregateDefinition } from '../../lib/stream/graph/fold-spec.ts';
import {
  columnsInText,
  columnsText,
  type StoredColumn,
  slotPlaces,
  slotsOf,
} from '../../lib/stream/graph/stored-columns.ts';

interface Row {
  t: number;
  k: string;
  v: number;
}
type Columns = Record<string, Aggregate<Row, unknown>>;

const rows = source<Row>('rows', { eventTime: (r) => r.t, delay: 0 });
const keyed = rows.keyBy((r) => r.k);
const v = (r: Row): number => r.v;
const running = (columns: Columns, state: JobOptions['state'] = {}): Job<unknown> =>
  job('j', keyed.aggregate(columns as never), { outputMode: 'update', state });

function fitOf(stored: readonly string[], wanted: Job<unknown>): LayoutFit {
  const { layout, columns, state } = compileJob(wanted);
  return fitLayout(stored, { layout, columns }, state);
}

const A = compileJob(running({ n: count(), s: sum(v), m: avg(v) })).layout;

describe('a job with other columns', () => {
  it('goes on in another order, and nothing changes', () => {
    const { layout, changes, refusals } = fitOf(A, running({ m: avg(v), n: count(), s: sum(v) }));
    expect({ layout, changes, refusals }).toEqual({ layout: A, changes: [], refusals: [] });
  });

  it('puts new columns behind the others, and leaves those that are gone where they are', () => {
    const { layout, changes, refusals } = fitOf(A, running({ 'top 3': topN(3, { by: v }), m: avg(v), n: count() }));
    expect(refusals).toEqual([]);
    expect(layout).toEqual(['s0/o0 aggregate n:count,~s:sum,m:avg,"top 3":topN(3,desc) table groups keyed']);
    expect(changes.map(changeWords)).toEqual([
      'stage 0, aggregate: column s (sum) is gone: what it held is lost',
      'stage 0, aggregate: column "top 3" (topN(3,desc)) is new: in groups that are there it begins with the next batch, as if no row had come before',
    ]);
    const back = fitOf(layout, running({ s: sum(v), m: avg(v), n: count() }));
    expect(back.refusals).toEqual([]);
    expect(back.layout).toEqual([
      's0/o0 aggregate n:count,~s:sum,m:avg,~"top 3":topN(3,desc),s:sum table groups keyed',
    ]);
    expect(back.changes.map(({ change, column }) => `${change} ${column}`)).toEqual(['removed top 3', 'added s']);
  });

  it('asks whether a column has another name', () => {
    const other = { n: count(), total: sum(v), m: avg(v) } as Columns;
    expect(fitOf(A, running(other)).refusals).toEqual([
      'stage 0, aggregate: column s (sum) is in the store and not in the job, which has total (sum) new: if it has only another name, say so in the job\'s options, state: { renamed: { "total": "s" } }; if what it holds is to go, state: { removed: ["s"] }',
    ]);
    const renamed = fitOf(A, running(other, { renamed: { total: 's' } }));
    expect(renamed.refusals).toEqual([]);
    expect(renamed.layout).toEqual(['s0/o0 aggregate n:count,total:sum,m:avg table groups keyed']);
    expect(renamed.changes.map(changeWords)).toEqual(['stage 0, aggregate: column total (sum) was s, and goes on']);
    // Said once, it may be said for ever.
    expect(fitOf(renamed.layout, running(other, { renamed: { total: 's' } }))).toMatchObject({
      changes: [],
      refusals: [],
    });
    const removed = fitOf(A, running(other, { removed: ['s'] }));
    expect(removed.refusals).toEqual([]);
    expect(removed.layout).toEqual(['s0/o0 aggregate n:count,~s:sum,m:avg,total:sum table groups keyed']);
  });

  it.each<[string, Job<unknown>, string]>([
    [
      'another aggregate',
      running({ n: count(), s: max(v), m: avg(v) }),
      'column s is sum in the store, max in the job: give the column of the other aggregate a name of its own',
    ],
    [
      'another aggregate by another name',
      running({ n: count(), greatest: max(v), m: avg(v) }, { renamed: { greatest: 's' } }),
      'column s is sum in the store, max in the job, as greatest',
    ],
    [
      'a name that is still there',
      running({ n: count(), s: sum(v), m: avg(v), x: sum(v) }, { renamed: { x: 's' } }),
      'column x is said to be s renamed, and the job has s, too',
    ],
    ['a window', job('j', keyed.window(tumbling(5)).aggregate({ n: count() })), 'aggregate in the store'],
  ])('is refused: %s', (_, wanted, words) => {
    const { refusals } = fitOf(A, wanted);
    expect(refusals).toHaveLength(1);
    expect(refusals[0]).toContain(words);
  });

  it('goes on with a ttl as without, and is refused where the ttl comes, goes or gets another clock', () => {
    const plain = source<Row>('rows').keyBy(({ k }) => k);
    const withTtl = (columns: Columns, by = keyed): Job<unknown> =>
      job('j', by.aggregate(columns as never), { outputMode: 'update', state: { ttl: 50 } });
    const stored = compileJob(withTtl({ n: count(), s: sum(v) })).layout;
    expect(stored).toEqual([
      's0/o0 aggregate n:count,s:sum table groups keyed',
      's0/o0 aggregate n:count,s:sum table touched keyed by watermark',
      's0/o0 aggregate n:count,s:sum table expiries timed by watermark',
    ]);
    const other = { m: max(v), n: count(), s: sum(v) };
    const { layout, refusals } = fitOf(stored, withTtl(other));
    expect(refusals).toEqual([]);
    expect(layout).toEqual(stored.map((line) => line.replace('s:sum', 's:sum,m:max')));
    expect(fitOf(layout, withTtl(other))).toMatchObject({ layout, changes: [], refusals: [] });
    expect(fitOf(stored, withTtl(other, plain)).refusals).toEqual([
      expect.stringMatching(
        /^state\.ttl and ctx\.ttl\(\) go by the watermark in the store, by processing time in the job: /,
      ),
    ]);
    expect(fitOf(stored, running(other)).refusals).toEqual([
      expect.stringMatching(/^state\.ttl is off in the job and on in the store: /),
    ]);
    expect(fitOf(A, withTtl({ n: count(), s: sum(v), m: avg(v), x: max(v) })).refusals).toEqual([
      expect.stringMatching(/^state\.ttl is on in the job and off in the store, /),
    ]);
  });

  it('is refused where the window is another, though columns have come', () => {
    const windowed = (ms: number, columns: Columns) => job('j', keyed.window(tumbling(ms)).aggregate(columns as never));
    const stored = compileJob(windowed(5, { n: count() })).layout;
    expect(fitOf(stored, windowed(5, { s: sum(v), n: count() })).layout[0]).toContain(
      'tumbling(5,0) n:count,s:sum table',
    );
    expect(fitOf(stored, windowed(6, { s: sum(v), n: count() })).refusals).not.toEqual([]);
  });

  it('is refused where operators have come or gone', () => {
    const two = { a: keyed.aggregate({ n: count() }), b: rows.keyBy((r) => r.v).aggregate({ n: count() }) };
    const both = compileJob(job('j', two, { outputMode: 'update' })).layout;
    const one = running({ n: count() });
    expect(fitOf(both, one).refusals).toEqual(['only in the store: s0/o1 aggregate n:count table groups keyed']);
    expect(fitOf(compileJob(one).layout, job('j', two, { outputMode: 'update' })).refusals).toHaveLength(1);
  });

  it('may say two things of one column to nobody', () => {
    const bad: JobOptions['state'][] = [
      { renamed: { a: 'b', b: 'a' } },
      { renamed: { a: 'x', b: 'x' } },
      { renamed: { a: 'x' }, removed: ['x'] },
      { renamed: { a: 1 } as never },
      { renamed: null as never },
      { removed: 'x' as never },
    ];
    for (const state of bad) expect(() => running({ n: count() }, state)).toThrow(/state\.(renamed|removed)/);
  });
});

describe('columns of a layout', () => {
  const column = fc.record(
    {
      name: fc.string({ unit: 'binary', minLength: 1 }),
      kind: fc.constantFrom('count', 'topN(3,desc)', 'collect(5)', 'avg'),
      removed: fc.constant(true as const),
    },
    { requiredKeys: ['name', 'kind'] },
  );

  it('come back as they were written, whatever their names', () => {
    fc.assert(
      fc.property(fc.array(column, { minLength: 1, maxLength: 5 }), (columns) => {
        expect(columnsInText(columnsText(columns))).toEqual(columns);
      }),
    );
  });

  it('are found in a stored line, after a change of any others', () => {
    fc.assert(
      fc.property(fc.uniqueArray(column, { minLength: 1, maxLength: 5, selector: ({ name }) => name }), (stored) => {
        const wanted = stored.filter(({ removed }) => removed !== true).toReversed();
        fc.pre(wanted.length > 0);
        const line = (columns: readonly StoredColumn[]): string => `s0/o0 aggregate ${columnsText(columns)}`;
        const lines = ['source x', `${line(stored)} table groups keyed`, `s0/o1 aggregate n:count table groups keyed`];
        expect(storedColumns(lines, line(wanted), wanted)).toEqual(stored);
      }),
    );
  });

  it('have as many slots as their aggregates say', () => {
    const all: Columns = {
      n: count(),
      s: sum(v),
      m: avg(v),
      a: min(v),
      b: max(v),
      c: minBy(v),
      d: maxBy(v),
      e: first(),
      f: last(v),
      g: collect(),
      h: collect(v, { limit: 2 }),
      i: countDistinct(v),
      j: topN(2, { by: v }),
      k: quantile(v, 0.5),
      l: aggregator({ init: () => 0, add: (x: number) => x, merge: (x: number) => x }),
    };
    for (const [name, aggregate] of Object.entries(all)) {
      const { kind, accumulator } = aggregate as unknown as AggregateDefinition;
      expect(slotsOf(kind), kind).toBe(accumulator(name).width);
    }
    expect(slotsOf('median')).toBeUndefined();
    expect(slotsOf('toString')).toBeUndefined();
  });

  it('lie behind each other, removed ones too', () => {
    const stored = columnsInText('a:avg,~old:max,b:count')!;
    expect(slotPlaces(['b', 'a'], [{ width: 1 }, { width: 2 }], stored)).toEqual({
      at: [4, 0],
      width: 5,
      unused: [2, 3],
    });
    expect(slotPlaces(['b', 'a'], [{ width: 1 }, { width: 2 }], undefined)).toEqual({
      at: [0, 1],
      width: 3,
      unused: [],
    });
  });

  it('are shown by name, those that have come since with what they begin as', () => {
    const [table] = tablesOf({ layout: ['s0/o0 aggregate n:count,~s:sum,m:avg,best:max table groups keyed'] });
    expect(describeState([3, 9, 10, 4, 1, 7], table!.columns)).toEqual({ n: 3, m: 2.5, best: 7 });
    expect(describeState([3, 9], table!.columns)).toEqual({ n: 3, m: null, best: null });
  });
});
