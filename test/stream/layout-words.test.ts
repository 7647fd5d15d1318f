/** A job that does not fit its state is told which column, window or operator was changed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tablesOf } from '../../cli/state/layout.ts';
import {
  type Aggregate,
  avg,
  count,
  job,
  max,
  type Stream,
  sameWindow,
  session,
  sliding,
  source,
  topN,
  tumbling,
  type Window,
} from '../../lib/index.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import { parseLayoutLine } from '../../lib/stream/compile/layout-line.ts';
import { layoutDifferences } from '../../lib/stream/compile/layout-words.ts';

interface Row {
  t: number;
  k: string;
  v: number;
}
type Columns = Record<string, Aggregate<Row, unknown>>;

const rows = source<Row>('rows', { eventTime: (r) => r.t, delay: 0 });
const keyed = rows.keyBy((r) => r.k);
const windowed = (window: Window<Row>, columns: Columns): Stream<unknown> => keyed.window(window).aggregate(columns);
const layout = (stream: Stream<unknown>, outputMode: 'append' | 'update' = 'append'): readonly string[] =>
  compileJob(job('j', stream, { outputMode })).layout;

const hourly = layout(windowed(tumbling('1 hour'), { n: count(), v: avg((r) => r.v) }));

describe('differences of state layouts', () => {
  it.each<[string, readonly string[], string[]]>([
    ['nothing', hourly, []],
    [
      'the window',
      layout(windowed(sliding('90 min', '30 min'), { n: count(), v: avg((r) => r.v) })),
      ['the window is tumbling 1 hour in the store, sliding 90 minutes every 30 minutes in the job'],
    ],
    [
      'the kind of window',
      layout(windowed(session('10 min'), { n: count(), v: avg((r) => r.v) })),
      ['stage 0: window-aggregate in the store, session-aggregate in the job', 'earlier ordered', 'ends timed'],
    ],
    [
      'a window that is said by rows',
      layout(windowed(sameWindow() as unknown as Window<Row>, { n: count(), v: avg((r) => r.v) })),
      ['the window is tumbling 1 hour in the store, the same window in the job'],
    ],
    [
      'a column',
      layout(windowed(tumbling('1 hour'), { n: count(), v: max((r) => r.v) })),
      ['column v is avg in the store, max in the job'],
    ],
    [
      'the window, though columns have come and stand in another order',
      layout(windowed(tumbling('2 hours'), { 'a,b:c': topN(3, { by: (r: Row) => r.v }), v: avg((r) => r.v) })),
      ['the window is tumbling 1 hour in the store, tumbling 2 hours in the job'],
    ],
    [
      'the operator',
      layout(keyed.aggregate({ n: count() }), 'update'),
      ['stage 0: window-aggregate in the store, aggregate in the job'],
    ],
  ])('name %s', (_, wanted, words) => {
    const told = layoutDifferences(hourly, wanted);
    expect(told).toHaveLength(words.length);
    for (const [i, word] of words.entries()) expect(told[i]).toContain(word);
  });

  it.each<[Window<Row>, Window<Row>, string]>([
    [session('10 min'), session('90 s'), 'session, gap 10 minutes in the store, session, gap 90 seconds in the job'],
    [session('1 s'), session(() => 5), 'session, gap 1 second in the store, session, gap by row in the job'],
  ])('name the gap of sessions', (before, after, words) => {
    const told = layoutDifferences(layout(windowed(before, { n: count() })), layout(windowed(after, { n: count() })));
    expect(told).toEqual([`stage 0, session-aggregate: the window is ${words}`]);
  });

  it('name sources, and what is only on one side', () => {
    expect(layoutDifferences(['source a', ...hourly], ['source b', ...hourly])).toEqual([
      'only in the store: source a',
      'only in the job: source b',
    ]);
  });
});

describe('differences by state.ttl', () => {
  const timed = rows;
  const plain = source<Row>('rows');
  type Make = (stream: typeof rows) => Stream<unknown>;
  const totals: Make = (stream) => stream.keyBy((r) => r.k).aggregate({ n: count() });
  const firsts: Make = (stream) => stream.keyBy((r) => r.k).distinct();
  const firstsWithin: Make = (stream) => stream.keyBy((r) => r.k).distinct({ within: 5 });
  const newest: Make = (stream) => stream.keyBy((r) => r.k).latest();
  const both: Make = (stream) => totals(firsts(stream) as typeof rows);
  const processed: Make = (stream) => stream.keyBy((r) => r.k).process({ init: () => 0, onRow: () => {} });
  const linesOf = (stream: Stream<unknown>, ttl?: string): readonly string[] =>
    compileJob(job('j', stream, { outputMode: 'update', state: ttl === undefined ? {} : ({ ttl } as never) })).layout;

  const ON =
    'state.ttl is on in the job and off in the store, where nothing says when keys were touched: set it back, or give the job another name';
  const OFF = 'state.ttl is off in the job and on in the store: set it back, or give the job another name';
  const TO_PLANS =
    'state.ttl and ctx.ttl() go by the watermark in the store, by processing time in the job: set the delay of its event times back, or give the job another name';
  const TO_WATERMARK =
    'state.ttl and ctx.ttl() go by processing time in the store, by the watermark in the job: take the delay of its event times away again, or give the job another name';

  it.each<[string, readonly string[], readonly string[], string[]]>([
    ['that it is on', linesOf(totals(timed)), linesOf(totals(timed), '1 h'), [ON]],
    ['that it is off', linesOf(totals(timed), '1 h'), linesOf(totals(timed)), [OFF]],
    ['that it is on, once for all operators', linesOf(both(timed)), linesOf(both(timed), '1 h'), [ON]],
    ['that it is off, whatever the clock', linesOf(firsts(timed), '1 h'), linesOf(firsts(plain)), [OFF]],
    ['that the watermark is gone', linesOf(both(timed), '1 h'), linesOf(both(plain), '1 h'), [TO_PLANS]],
    ['that there is a watermark', linesOf(both(plain), '1 h'), linesOf(both(timed), '1 h'), [TO_WATERMARK]],
    [
      'the clock of process, which may have a ttl a key',
      linesOf(processed(timed)),
      linesOf(processed(plain)),
      [TO_PLANS],
    ],
    ['nothing where its length is another', linesOf(both(plain), '1 h'), linesOf(both(plain), '2 h'), []],
    ['nothing where process has one for all keys', linesOf(processed(plain)), linesOf(processed(plain), '2 h'), []],
    ['nothing of the clock without it', linesOf(both(timed)), linesOf(both(plain)), []],
  ])('name %s', (_, stored, wanted, words) => {
    expect(layoutDifferences(stored, wanted)).toEqual(words);
  });

  it('are none where the operator is another', () => {
    const others = [
      [linesOf(firsts(timed), '1 h'), linesOf(newest(plain), '1 h')],
      [linesOf(firsts(timed), '1 h'), linesOf(firstsWithin(timed), '1 h')],
      [linesOf(firstsWithin(timed), '1 h'), linesOf(firsts(timed), '1 h')],
      [linesOf(timed), linesOf(processed(timed))],
      [linesOf(processed(timed)), linesOf(timed)],
    ] as const;
    for (const [stored, wanted] of others) {
      const told = layoutDifferences(stored, wanted);
      expect(told).not.toEqual([]);
      expect(told.join()).not.toContain('state.ttl');
    }
  });
});

describe('lines of a layout', () => {
  it('come back with their columns, whatever their names', () => {
    const name = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !['key', '__proto__'].includes(text));
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 4 }), fc.boolean(), (names, isWindow) => {
        const columns = Object.fromEntries(names.map((one) => [one, topN(2, { by: (r: Row) => r.v })]));
        const aggregate = isWindow
          ? layout(windowed(sliding(20, 10), columns))
          : layout(keyed.aggregate(columns as never), 'update');
        const line = parseLayoutLine(aggregate[0]!)!;
        expect(line.kind).toBe(isWindow ? 'window-aggregate' : 'aggregate');
        expect(line.window).toBe(isWindow ? 'sliding(20,10,0)' : undefined);
        expect(line.columns).toEqual(Object.keys(columns).map((one) => ({ name: one, kind: 'topN(2,desc)' })));
      }),
    );
  });

  it('number tables of every kind, so that the state behind an ordered one is found', () => {
    const lines = [
      's0/o0 join within(5) table left ordered',
      's0/o1 distinct table seen keyed',
      's0/o1 distinct table expiries timed by processing-time',
      's0/o2 reduce complete table groups keyed',
      's0/o3 aggregate n:count table groups keyed',
    ];
    const given = tablesOf({ layout: lines });
    expect(given).toMatchObject([
      { kind: 'ordered', title: 'join left', columns: [] },
      { kind: 'keyed', title: 'distinct seen', columns: [] },
      { kind: 'timed', title: 'distinct expiries', columns: [] },
      { kind: 'keyed', title: 'reduce groups' },
      { kind: 'keyed', title: 'aggregate groups', columns: [{ name: 'n', kind: 'count' }] },
    ]);
    expect(given.map(({ table }) => table)).toEqual([0, 1, 2, 3, 4]);
  });
});
