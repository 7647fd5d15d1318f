/** What a job compiles to, and what the compiled chains do with rows. */
import { describe, expect, test } from 'vitest';
import {
  count,
  type Job,
  job,
  type SourceOptions,
  type StandardSchema,
  type Stream,
  source,
  sum,
  tumbling,
} from '../../lib/index.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import type { HeadCollector, PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { BadRowError, OperatorFailure } from '../../lib/stream/graph/operator.ts';
import { modelRun } from '../helpers/model-run.ts';

interface Row {
  readonly k: string;
  readonly t: number;
}

const timed = (name = 'in', delay = 0) => source<Row>(name, { eventTime: (r) => r.t, delay });
const row = (t: number, k = 'a'): Row => ({ k, t });

/** Pushes one row through the head of a job's first source. */
function push(
  physical: PhysicalJob,
  input: unknown,
): { edges: [number, string, number, unknown][]; seen: [number, number][] } {
  const edges: [number, string, number, unknown][] = [];
  const seen: [number, number][] = [];
  const to: HeadCollector = {
    toEdge: (edge, key, time, out) => edges.push([edge, key, time, out]),
    toOutput: () => expect.fail('the head has no outputs of its own'),
    observe: (generator, time) => seen.push([generator, time]),
  };
  physical.sources[0]!.push(input, to);
  return { edges, seen };
}

describe('the head', () => {
  test('takes rows through filter, map and flatMap to an output, with their event time', () => {
    const stream = timed()
      .filter((r) => r.t > 0)
      .flatMap((r) => [r.t, r.t + 1])
      .map((n) => n * 10);
    const physical = compileJob(job('j', stream));
    expect(physical.edges).toMatchObject([{ stage: 0, operator: -1, output: 0, from: 'head' }]);
    expect(physical.stages).toEqual([{ operators: [] }]);
    expect(push(physical, row(5))).toEqual({
      edges: [
        [0, '', 5, 50],
        [0, '', 5, 60],
      ],
      seen: [[0, 5]],
    });
    expect(push(physical, row(0))).toEqual({ edges: [], seen: [[0, 0]] });
  });

  test('computes a shared stream and a shared key once a row', () => {
    const calls = { map: 0, key: 0 };
    const shared = timed().map((r) => {
      calls.map++;
      return r;
    });
    const keyed = shared.keyBy((r) => {
      calls.key++;
      return r.k;
    });
    const windows = keyed.window(tumbling(10));
    const outputs = {
      rows: shared,
      counts: windows.aggregate({ n: count() }),
      sums: windows.aggregate({ n: sum((r) => r.t) }),
    };
    const physical = compileJob(job('j', outputs));
    expect(push(physical, row(1)).edges).toHaveLength(3);
    expect(calls).toEqual({ map: 1, key: 1 });
    expect(physical.stages[0]!.operators.map((o) => o.operator.name)).toEqual([
      'window-aggregate#0',
      'window-aggregate#1',
    ]);
  });

  test("withEventTime takes the place of the source's time and watermark", () => {
    const replaced = timed('in', 5).withEventTime((r) => r.t * 100, { delay: 7, idleAfter: 9 });
    const physical = compileJob(
      job(
        'j',
        replaced
          .keyBy((r) => r.k)
          .window(tumbling(10))
          .aggregate({ n: count() }),
      ),
    );
    expect(physical.watermarks).toEqual([{ id: 'withEventTime#0', delayMs: 7, idleAfterMs: 9 }]);
    expect(push(physical, row(3))).toMatchObject({ edges: [[0, '\x06a\0', 300, row(3)]], seen: [[0, 300]] });
    const both = compileJob(job('j', { a: replaced, b: timed('other') }));
    expect(both.watermarks.map((w) => w.id)).toEqual(['withEventTime#0', 'source:other']);
  });

  test('a source nobody follows in time makes no watermark, but its event time is checked', () => {
    const physical = compileJob(
      job(
        'j',
        source<Row>('in', { eventTime: (r) => r.t }).map((r) => r.k),
      ),
    );
    expect(physical.watermarks).toEqual([]);
    expect(() => push(physical, { k: 'a' })).toThrow(new BadRowError('event time is missing'));
  });

  test('what user functions throw carries the operator and the row; an impossible key is a bad row', () => {
    const failing = (stream: Stream<unknown>): PhysicalJob => compileJob(job('j', stream));
    const boom = (): never => {
      throw new Error('boom');
    };
    const cases: [Stream<unknown>, string][] = [
      [timed().map(boom), 'map#0'],
      [
        timed()
          .map((r) => r)
          .filter(boom),
        'filter#0',
      ],
      [timed().flatMap(boom), 'flat-map#0'],
      [timed().flatMap(() => null as never), 'flat-map#0'],
      [source('in', { eventTime: boom }), 'eventTime of source in'],
      [timed().withEventTime(boom), 'withEventTime#0'],
      [timed().keyBy(boom).window(tumbling(1)).aggregate({ n: count() }), 'keyBy#0'],
    ];
    for (const [stream, operator] of cases) {
      expect(() => push(failing(stream), row(1))).toThrow(
        expect.objectContaining({ operator, row: row(1), index: -1 }),
      );
    }
    const badKey = timed()
      .keyBy(() => Number.NaN)
      .window(tumbling(1))
      .aggregate({ n: count() });
    expect(() => push(failing(badKey), row(1))).toThrow(BadRowError);
  });

  test('a schema gives the row, refuses it with paths, and must answer at once', () => {
    const schemaOf = (
      validate: StandardSchema<unknown, Row>['~standard']['validate'],
    ): StandardSchema<unknown, Row> => ({
      '~standard': { version: 1, vendor: 'test', validate },
    });
    const head = (schema: StandardSchema<unknown, Row>): PhysicalJob => compileJob(job('j', source('in', { schema })));
    expect(push(head(schemaOf(() => ({ value: row(9) }))), 'text').edges).toEqual([[0, '', Number.NaN, row(9)]]);
    const issues = [{ message: 'not a number', path: ['t', { key: 0 }] }, { message: 'strange' }];
    expect(() => push(head(schemaOf(() => ({ issues }))), {})).toThrow(
      new BadRowError('does not fit the schema: t.0: not a number; strange'),
    );
    expect(() => push(head(schemaOf(async () => ({ value: row(9) }))), {})).toThrow(OperatorFailure);
    expect(() => push(head(schemaOf(async () => ({ value: row(9) }))), {})).toThrow(/asynchronously/);
  });
});

describe('stages', () => {
  const first = (input: Stream<Row> = timed()) =>
    input
      .keyBy((r) => r.k)
      .window(tumbling(5))
      .aggregate({ n: count() });

  test('an operator is one stage behind the last it reads from; the head reaches over stages', () => {
    const input = timed();
    const late = input.map((r) => ({ n: r.t }));
    const both = first(input)
      .map(({ n }) => ({ n }))
      .union(late);
    const physical = compileJob(
      job(
        'j',
        both
          .keyBy(() => null)
          .window(tumbling(10))
          .aggregate({ n: sum((r) => r.n) }),
      ),
    );
    expect(physical.stages.map((s) => s.operators.map((o) => o.operator.name))).toEqual([
      ['window-aggregate#0'],
      ['window-aggregate#1'],
    ]);
    expect(physical.edges.map(({ from, stage, operator, port }) => ({ from, stage, operator, port }))).toEqual(
      expect.arrayContaining([
        { from: 'head', stage: 0, operator: 0, port: 0 },
        { from: 'head', stage: 1, operator: 0, port: 0 },
        { from: 0, stage: 1, operator: 0, port: 0 },
      ]),
    );
    expect(physical.stages[1]!.operators[0]!.inputs[0]).toHaveLength(2);
  });

  test('rows of the head and of a stage meet in one window, each counted when it should be', async () => {
    const input = timed();
    const own = input.map(() => ({ n: 1 }));
    const both = first(input)
      .map(({ n }) => ({ n }))
      .union(own);
    const run = await modelRun(
      job(
        'j',
        both
          .keyBy(() => null)
          .window(tumbling(10))
          .aggregate({ n: sum((r) => r.n) }),
      ),
    );
    run.send('in', [row(1), row(2), row(7)]);
    expect(await run.runBatch()).toEqual([]);
    run.send('in', [row(10)]);
    expect(await run.runBatch()).toEqual([{ key: null, windowStart: 0, windowEnd: 10, n: 6 }]);
    run.send('in', [row(3)]);
    expect(await run.runBatch()).toEqual([]);
    expect(run.counts.late).toBe(1);
    expect(await run.flush()).toEqual([{ key: null, windowStart: 10, windowEnd: 20, n: 2 }]);
  });

  test('an output that is a union over stages gets all rows', async () => {
    const input = timed();
    const second = first(input)
      .keyBy(() => null)
      .window(tumbling(10))
      .aggregate({ n: sum((r) => r.n) });
    const text = (what: string) => (r: object) => `${what} ${'n' in r ? r.n : ''}`;
    const all = input
      .map(text('row'))
      .union(first(input).map(text('five')))
      .union(second.map(text('ten')));
    const physical = compileJob(job('j', all));
    expect(physical.outputs).toEqual([{ name: 'out', kind: 'append', stage: 1, rows: { key: [], whole: [] } }]);
    const run = await modelRun(job('j', all));
    run.send('in', [row(1), row(2), row(12)]);
    expect((await run.runBatch()).sort()).toEqual(['five 2', 'row ', 'row ', 'row ', 'ten 2']);
  });

  test('outputs say what tells the rows of a table apart, as far as the job does', () => {
    const keyed = timed().keyBy((r) => r.k);
    const windowed = keyed.window(tumbling(10)).aggregate({ n: count(), total: sum((r) => r.t) });
    const { outputs } = compileJob(
      job('j', {
        windowed,
        some: windowed.filter((r) => r.n > 1),
        made: windowed.map((r) => r.n),
        late: timed('late'),
      }),
    );
    const rows = { key: ['key', 'windowStart', 'windowEnd'], whole: ['n'] };
    expect(outputs.map((output) => output.rows)).toEqual([rows, rows, { key: [], whole: [] }, undefined]);
    const running = compileJob(job('r', keyed.aggregate({ n: count() }), { outputMode: 'update' }));
    expect(running.outputs[0]!.rows).toEqual({ key: ['key'], whole: ['n'] });
  });

  test('late rows alone need no aggregation beside them', async () => {
    const run = await modelRun(
      job(
        'j',
        timed()
          .keyBy((r) => r.k)
          .window(tumbling(5))
          .late()
          .map((r) => r.t),
      ),
    );
    run.send('in', [row(7), row(20)]);
    expect(await run.runBatch()).toEqual([]);
    run.send('in', [row(14), row(20), row(21)]);
    expect(await run.runBatch()).toEqual([14]);
    expect(run.counts).toEqual({ applied: 4, late: 1, quarantined: 0, skipped: 0 });
  });

  test('running and windowed reduce fold from the first row', async () => {
    const longest = (a: Row, b: Row): Row => (b.t > a.t ? b : a);
    const keyed = timed().keyBy((r) => r.k);
    const outputs = { running: keyed.reduce(longest), windows: keyed.window(tumbling(10)).reduce(longest) };
    const run = await modelRun(job('j', outputs, { outputMode: 'update' }));
    run.send('in', [row(3), row(12), row(4)]);
    expect(await run.runBatch()).toEqual({
      running: [{ key: 'a', value: row(12) }],
      windows: [
        { key: 'a', windowStart: 0, windowEnd: 10, value: row(4) },
        { key: 'a', windowStart: 10, windowEnd: 20, value: row(12) },
      ],
    });
  });

  test('a failure in an aggregate names the operator, the row and its place', async () => {
    const bad = timed()
      .keyBy((r) => r.k)
      .window(tumbling(5))
      .aggregate({ total: sum((r) => r.k as never) });
    const run = await modelRun(job('j', bad));
    run.send('in', [row(1)]);
    await expect(run.runBatch()).rejects.toMatchObject({ operator: 'window-aggregate#0', row: row(1), index: 0 });
    await expect(run.runBatch()).rejects.toThrow(/sum of 'total'/);
  });
});

describe('what identifies a job', () => {
  const make = (f: (r: Row) => string, size = 5, column = 'n'): Job<unknown[]> =>
    job(
      'j',
      timed()
        .map((r) => r)
        .keyBy(f)
        .window(tumbling(size, { offset: 2 }))
        .aggregate({ [column]: count<Row>(), avg: sum<Row>((r) => r.t) }),
    );

  test('the layout names stage, operator, window, aggregates and tables', () => {
    expect(compileJob(make((r) => r.k)).layout).toEqual([
      's0/o0 window-aggregate tumbling(5,2) n:count,avg:sum table windows timed',
    ]);
  });

  test('the layout changes with what state means, not with functions', () => {
    const { layout } = compileJob(make((r) => r.k));
    expect(compileJob(make((r) => `${r.k}!`)).layout).toEqual(layout);
    expect(compileJob(make((r) => r.k, 6)).layout).not.toEqual(layout);
    expect(compileJob(make((r) => r.k, 5, 'm')).layout).not.toEqual(layout);
  });

  test('the head hash changes with the head, not with what comes behind it', () => {
    const hash = (stream: Stream<unknown>): string => compileJob(job('j', stream)).headHash;
    const keyed = (f: (r: Row) => string, delay = 0) => timed('in', delay).keyBy(f).window(tumbling(5));
    const same = hash(keyed((r) => r.k).aggregate({ n: count() }));
    expect(
      hash(
        keyed((r) => r.k)
          .aggregate({ n: count() })
          .map((r) => r.n),
      ),
    ).toBe(same);
    expect(hash(keyed((r) => r.k).aggregate({ n: sum((r) => r.t) }))).toBe(same);
    expect(hash(keyed((r) => `${r.k}`).aggregate({ n: count() }))).not.toBe(same);
    expect(hash(keyed((r) => r.k, 1).aggregate({ n: count() }))).not.toBe(same);
  });

  test('the head hash changes with how rows and times are read, and is what it was for jobs that do not say', () => {
    const hash = (options: SourceOptions<Row>): string => compileJob(job('j', source<Row>('in', options))).headHash;
    const all = [
      {},
      { csv: { delimiter: ';' } },
      { csv: { delimiter: '|' } },
      { csv: { header: false } },
      { csv: { header: ['a', 'b'] } },
      { csv: { header: ['b', 'a'] } },
      { eventTimeUnit: 's' },
      { eventTimeUnit: 'us' },
    ] as const;
    const fields = [
      { k: 'string', t: 'number' },
      { k: 'string', t: 'number?' },
      { k: 'string', t: 'integer' },
      { t: 'number', k: 'string' },
      { k: 'string', t: 'number', more: 'json' },
    ] as const;
    const declared = fields.map((some) => compileJob(job('j', source('in', { fields: some }))).headHash);
    expect(new Set([...all.map(hash), ...declared]).size).toBe(all.length + fields.length);
    expect(hash({})).toBe('e01c1b44adfa057f556fbf8e4cd32279');
  });

  test('declared timestamps are in milliseconds behind their source, whatever their unit', () => {
    const seconds = source('in', { fields: { t: 'timestamp' }, eventTimeUnit: 's', eventTime: (r) => r.t, delay: 0 });
    const windows = seconds.keyBy(() => 0).window(tumbling(5));
    const physical = compileJob(job('j', windows.aggregate({ n: count() })));
    expect(push(physical, { t: 1500 }).seen).toEqual([[0, 1500]]);
    expect(physical.sources[0]!.form!.fields!.pick({ t: 1.5 })).toEqual({ t: 1500 });
  });

  test('event times behind a source are in its unit', () => {
    const seconds = source<Row>('in', { eventTimeUnit: 's' });
    const physical = compileJob(
      job(
        'j',
        seconds
          .map((r) => r)
          .withEventTime((r) => r.t, { delay: 0 })
          .keyBy((r) => r.k)
          .window(tumbling(5))
          .aggregate({ n: count() }),
      ),
    );
    expect(push(physical, row(1.5)).seen).toEqual([[0, 1500]]);
    expect(() => push(physical, row(1357034400000))).toThrow(/in 'ms' it would be 2013-01-01/);
  });
});
