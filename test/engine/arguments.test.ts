/**
 * Functions that change their arguments. Whatever a function does to what it is given, no other window, branch, output or
 * attempt sees it: results and state are those of functions that change nothing. `testJob` finds those that change more than
 * is theirs.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  aggregator,
  collect,
  count,
  first,
  type Job,
  job,
  last,
  maxBy,
  minBy,
  sliding,
  source,
  sum,
  topN,
  tumbling,
} from '../../lib/index.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { testJob } from '../../lib/testing.ts';
import {
  FastClock,
  gather,
  openEngine,
  outcomeOf,
  physical,
  replayOf,
  runScript,
  type ScriptBatch,
} from '../helpers/engine.ts';

interface Row {
  t: number;
  k: string;
  v: number;
  tags: string[];
  last?: { v: number };
}
interface Bag {
  rows: Row[];
  n: number;
}
interface Result {
  best: Row;
  least: Row;
  from: Row;
  to: Row;
  top: Row[];
  all: Row[];
  bag: Row[];
  n: number;
}

/** What the functions of the job do, with and without changing their arguments. */
interface Functions {
  map(row: Row): Row;
  reduce(acc: Row, row: Row): Row;
  init(): Bag;
  add(bag: Bag, row: Row): Bag;
  result(bag: Bag): Row[];
  behind(row: Result): Result;
}

const PURE: Functions = {
  map: (r) => ({ ...r, v: r.v + 1, tags: [...r.tags, 'm'] }),
  reduce: (a, b) => ({
    ...a,
    v: a.v + b.v + (a.last?.v ?? 0),
    tags: [...a.tags, ...b.tags].slice(-5),
    last: { ...b, tags: [...b.tags], v: b.v + 10 },
  }),
  init: () => ({ rows: [], n: 0 }),
  add: (bag, row) => ({
    rows: [...bag.rows.map((r) => ({ ...r, v: r.v + 1, tags: [...r.tags] })), { ...row, tags: [...row.tags] }].slice(
      -4,
    ),
    n: bag.n + 1,
  }),
  result: (bag) => [...bag.rows].sort((a, b) => a.v - b.v || a.t - b.t),
  behind: (r) => ({
    ...r,
    best: { ...r.best, v: -1, tags: [] },
    from: { ...r.from, tags: [...r.from.tags, 'f'] },
    top: [...r.top].reverse(),
    all: r.all.map((row) => ({ ...row, v: 0 })),
  }),
};

const shared: Bag = { rows: [], n: 0 };
const CHANGING: Functions = {
  map(r) {
    r.v += 1;
    r.tags.push('m');
    return r;
  },
  reduce(a, b) {
    a.v += b.v + (a.last?.v ?? 0);
    a.tags.push(...b.tags);
    a.tags = a.tags.slice(-5);
    // Keeps the row, and changes it.
    a.last = b;
    a.last.v += 10;
    return a;
  },
  init: () => shared,
  add(bag, row) {
    for (const r of bag.rows) r.v += 1;
    bag.rows.push(row);
    if (bag.rows.length > 4) bag.rows.shift();
    bag.n++;
    return bag;
  },
  result: (bag) => bag.rows.sort((a, b) => a.v - b.v || a.t - b.t),
  behind(r) {
    r.best.v = -1;
    r.best.tags.length = 0;
    r.from.tags.push('f');
    r.top.reverse();
    for (const row of r.all) row.v = 0;
    return r;
  },
};

const SHAPES = ['windows', 'running', 'stages'] as const;

function make(shape: (typeof SHAPES)[number], f: Functions): Job<unknown> {
  const rows = source<Row>('rows', { eventTime: (r) => r.t, delay: 5 });
  const changed = rows.map((r) => f.map(r));
  const columns = {
    best: maxBy<Row>((r) => r.v),
    least: minBy<Row>((r) => r.v),
    from: first<Row>(),
    to: last<Row>(),
    top: topN<Row>(2, { by: (r) => r.v }),
    all: collect<Row>({ limit: 6 }),
    bag: aggregator<Row, Bag, Row[]>({
      init: () => f.init(),
      add: (bag, row) => f.add(bag, row),
      merge: (bag) => bag,
      result: (bag) => f.result(bag),
    }),
    n: count<Row>(),
  };
  const keyed = rows.keyBy((r) => r.k);
  if (shape === 'running') {
    return job(
      'running',
      {
        reduced: keyed.reduce((a, b) => f.reduce(a, b)),
        columns: keyed.aggregate(columns).map((r) => f.behind(r) as unknown),
        plain: keyed.aggregate(columns),
        rows,
        changed,
        other: changed.keyBy((r) => r.k).aggregate({ s: sum((r) => r.v) }),
      },
      { outputMode: 'update', partitions: 2 },
    );
  }
  const windows = keyed.window(sliding(20, 10));
  const aggregated = windows.aggregate(columns);
  if (shape === 'windows') {
    return job(
      'windows',
      {
        reduced: windows.reduce((a, b) => f.reduce(a, b)),
        columns: aggregated.map((r) => f.behind(r) as unknown),
        plain: aggregated,
        raw: keyed.window(tumbling(10)).aggregate({ s: sum((r) => r.v), n: count() }),
        late: windows.late(),
        twice: rows.flatMap((r) => [r, r]).map((r) => f.map(r)),
      },
      { partitions: 2 },
    );
  }
  const again = aggregated
    .map((r) => f.behind(r))
    .flatMap((r) => [r.best, r.to, ...r.all])
    .keyBy((r) => r.k)
    .window(tumbling(40));
  return job(
    'stages',
    {
      second: again.reduce((a, b) => f.reduce(a, b)),
      beside: again.aggregate({ s: sum((r) => r.v) }),
      plain: aggregated,
    },
    { partitions: 2 },
  );
}

const anyRows = (i: number): fc.Arbitrary<Row[]> =>
  fc.array(
    fc.record({
      t: fc.nat({ max: 30 }).map((t) => t + 12 * i),
      k: fc.constantFrom('a', 'b', 'c'),
      v: fc.integer({ min: -9, max: 9 }),
      tags: fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }),
    }),
    { maxLength: 8 },
  );
const anyScript: fc.Arbitrary<ScriptBatch[]> = fc
  .tuple(...[0, 1, 2, 3, 4].map(anyRows))
  .map((batches) => batches.map((rows) => ({ rows })));

async function run(compiled: PhysicalJob, script: readonly ScriptBatch[], cold: boolean) {
  const clock = new FastClock();
  const store = new MemoryStore({ clock });
  await runScript({
    job: compiled,
    store,
    clock,
    // Functions that change rows must not change the test's.
    script: structuredClone(script) as ScriptBatch[],
    flush: true,
    between: ({ engine }) => {
      if (cold) for (const runner of engine.stages.flat()) runner.state.reset();
    },
  });
  return outcomeOf(store, compiled);
}

describe('functions that change their arguments', () => {
  for (const shape of SHAPES) {
    it(`${shape}: give what functions give that change nothing, warm and cold`, async () => {
      await fc.assert(
        fc.asyncProperty(anyScript, fc.boolean(), async (script, cold) => {
          const expected = await run(physical(make(shape, PURE)), script, false);
          expect(await run(physical(make(shape, CHANGING)), script, cold)).toEqual(expected);
          expect(shared).toEqual({ rows: [], n: 0 });
        }),
        { numRuns: 25 },
      );
    });
  }

  it('an attempt that fails in any call leaves nothing that the next one sees', async () => {
    const script: ScriptBatch[] = Array.from({ length: 4 }, (_, i) => ({
      rows: Array.from({ length: 5 }, (_, r) => ({
        t: i * 12 + r * 3,
        k: r % 2 === 0 ? 'a' : 'b',
        v: r - i,
        tags: ['x'],
      })),
    }));
    for (const shape of SHAPES) {
      const expected = await run(physical(make(shape, PURE)), script, false);
      for (let failAt = 3; failAt < 120; failAt += 7) {
        let calls = 0;
        const failing = Object.fromEntries(
          Object.entries(CHANGING).map(([name, f]) => [
            name,
            (...args: never[]) => {
              const answer = (f as (...args: never[]) => unknown)(...args);
              if (name !== 'map' && ++calls === failAt) throw new Error('once');
              return answer;
            },
          ]),
        ) as unknown as Functions;
        const compiled = physical(make(shape, failing));
        const clock = new FastClock();
        const store = new MemoryStore({ clock });
        const { engine, committer } = await openEngine({ job: compiled, store, clock });
        const rows = structuredClone(script) as ScriptBatch[];
        const batches = [
          ...rows.map((batch, i) => gather(compiled, batch, `rows-${i}`)),
          gather(compiled, { '': [] }, 'rows-9'),
        ];
        for (const gathered of batches) {
          await engine.batch(gathered).catch(async (error: unknown) => {
            expect(String(error)).toMatch(/once/);
            await engine.recover(replayOf(compiled, rows));
          });
        }
        await committer.close({ drain: true });
        const found = await outcomeOf(store, compiled);
        // The runs differ in batches without rows, so windows come out in others: the rows, all together, are the same.
        const all = ({ published }: typeof found): Record<string, string[]> => {
          const byOutput: Record<string, string[]> = {};
          for (const [name, text] of Object.entries(published)) {
            const output = name.slice(0, name.indexOf('/'));
            byOutput[output] = [...(byOutput[output] ?? []), ...text.split('\n')].filter((line) => line !== '').sort();
          }
          return byOutput;
        };
        expect(all(found), `${shape}, call ${failAt}`).toEqual(all(expected));
      }
    }
  });
});

describe('testJob', () => {
  const rows = () => source<Row>('rows', { eventTime: (r) => r.t, delay: 0 });
  const ROW: Row = { t: 1, k: 'a', v: 1, tags: ['b', 'a'] };
  const increase = (r: Row): Row => {
    r.v++;
    return r;
  };
  const windows = () =>
    rows()
      .keyBy((r) => r.k)
      .window(tumbling(10));

  const offenders: [what: string, operator: RegExp, make: () => Job<unknown>][] = [
    ['map', /operator map#0/, () => job('j', rows().map(increase))],
    [
      'filter',
      /operator filter#0/,
      () =>
        job(
          'j',
          rows().filter((r) => r.tags.sort()[0] === 'a'),
        ),
    ],
    [
      'flatMap',
      /operator flat-map#0/,
      () =>
        job(
          'j',
          rows().flatMap((r) => [increase(r)]),
        ),
    ],
    [
      'keyBy',
      /operator keyBy#0/,
      () =>
        job(
          'j',
          rows()
            .keyBy((r) => increase(r).k)
            .window(tumbling(1))
            .aggregate({ n: count() }),
        ),
    ],
    [
      'eventTime',
      /operator withEventTime#0/,
      () =>
        job(
          'j',
          rows().withEventTime((r) => increase(r).t, { delay: 0 }),
        ),
    ],
    ['an aggregate', /column 's'/, () => job('j', windows().aggregate({ n: count(), s: sum((r) => increase(r).v) }))],
    [
      'reduce, of the row',
      /operator window-reduce#0/,
      () =>
        job(
          'j',
          windows().reduce((a, b) => {
            b.v++;
            return a;
          }),
        ),
    ],
    [
      'aggregator, of the row',
      /operator window-aggregate#0/,
      () =>
        job(
          'j',
          windows().aggregate({
            a: aggregator<Row, number>({ init: () => 0, add: (n, r) => n + increase(r).v, merge: (a) => a }),
          }),
        ),
    ],
    [
      'a map behind an operator',
      /operator map#0/,
      () =>
        job(
          'j',
          windows()
            .aggregate({ rows: collect<Row>() })
            .map((r) => r.rows.splice(0)),
        ),
    ],
    [
      'a Date',
      /operator map#0/,
      () =>
        job(
          'j',
          source<{ at: Date }>('rows').map((r) => r.at.setFullYear(2000)),
        ),
    ],
  ];
  it.each(offenders)('finds %s that changes a row, and says whose it is', async (what, operator, make) => {
    const t = await testJob(make());
    t.send('rows', what === 'a Date' ? [{ at: new Date(0) }] : [ROW, ROW]);
    const failed = await t.flush().then(
      () => undefined,
      (error: Error) => error,
    );
    expect(failed?.message).toMatch(operator);
    expect(failed?.message).toMatch(/changes the row it is given.*return a new one/s);
    expect(ROW).toEqual({ t: 1, k: 'a', v: 1, tags: ['b', 'a'] });
  });

  it('finds one where rows that functions refuse are set aside, too', async () => {
    const head = job('j', rows().map(increase), { onError: 'quarantine' });
    const windowed = job('j', windows().aggregate({ s: sum((r) => increase(r).v) }), { onError: 'quarantine' });
    for (const one of [head, windowed]) {
      const t = await testJob<unknown>(one);
      t.send('rows', [ROW]);
      await expect(t.flush()).rejects.toThrow(/changes the row it is given/);
    }
  });

  it('lets reduce, and add of an aggregator, change their first argument, and keep the row', async () => {
    const t = await testJob(make('windows', { ...CHANGING, map: PURE.map, behind: PURE.behind, reduce: keep }));
    const input = { rows: [ROW, { ...ROW, t: 2, v: 5 }, { ...ROW, t: 30 }] };
    t.send('rows', input.rows);
    const out = (await t.flush()) as unknown as { reduced: { value: Row }[] };
    expect(out.reduced[0]!.value).toMatchObject({ v: 6 });
    await t.close();
  });

  it('gives results of its own: what a test does to them is not seen by the job', async () => {
    const input = rows();
    const t = await testJob(
      job('j', input.keyBy((r) => r.k).aggregate({ best: maxBy((r) => r.v) }), { outputMode: 'update' }),
    );
    t.send(input, [ROW]);
    const [result] = await t.runBatch();
    result!.best.v = 100;
    t.send(input, [{ ...ROW, v: 0 }]);
    expect(await t.runBatch()).toEqual([{ key: 'a', best: ROW }]);
    await t.close();
  });
});

function keep(a: Row, b: Row): Row {
  a.v += b.v;
  a.last = b;
  return a;
}
