/** What `job()` and the calls before it refuse: each with its code and a message that says what to change. */
import { describe, expect, test } from 'vitest';
import * as misa from '../../lib/index.ts';
import {
  aggregator,
  collect,
  count,
  job,
  quantile,
  type Stream,
  session,
  sliding,
  source,
  sum,
  table,
  topN,
  tumbling,
} from '../../lib/index.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';

interface Row {
  readonly k: string;
  readonly t: number;
}

const timed = (name = 'in') => source<Row>(name, { eventTime: (r) => r.t, delay: '1 s' });
const keyed = (input: Stream<Row> = timed()) => input.keyBy((r) => r.k);
const hourly = (input?: Stream<Row>) => keyed(input).window(tumbling('1 h'));
/** For what the compiler would refuse, too. */
const any = (value: unknown): never => value as never;
const withOptions = (options: unknown) => () => job('j', timed(), any(options));

const refusals: [what: string, code: string, make: () => unknown, message?: RegExp][] = [
  ['an empty job name', 'BAD_NAME', () => job('', timed())],
  ['a job name with a slash', 'BAD_NAME', () => job('a/b', timed()), /letters, digits/],
  ['an output name with a space', 'BAD_NAME', () => job('j', { 'an output': timed() })],
  ['an output called like the quarantine', 'BAD_NAME', () => job('j', { _quarantine: timed() })],
  ['an output called as the rows set aside are', 'BAD_NAME', () => job('j', { quarantine: timed() }), /'rejected'/],
  ['the same in another case', 'BAD_NAME', () => job('j', { Quarantine: timed() }), /is taken/],
  ['outputs that differ by case only', 'BAD_NAME', () => job('j', { rows: timed(), Rows: timed() }), /by case only/],
  [
    'an output called like a file of a batch',
    'BAD_NAME',
    () => job('j', { 'a-00000001': timed() }),
    /ends in '-00000001'/,
  ],
  ['an output called like a file of a partition', 'BAD_NAME', () => job('j', { 'a-p0': timed() }), /ends in '-p0'/],
  ['an output called like a result file', 'BAD_NAME', () => job('j', { 'a.parquet': timed() }), /result files/],
  ['an output that ends in a dot', 'BAD_NAME', () => job('j', { 'a.': timed() }), /ends in '.'/],
  ['no output', 'NO_OUTPUT', () => job('j', {})],
  ['an output that is no stream', 'BAD_ARGUMENT', () => job('j', { a: any(keyed()) }), /output 'a'/],
  [
    'running aggregates in append',
    'APPEND_NEEDS_WINDOW',
    () => job('j', keyed().aggregate({ n: count() })),
    /window\(\)/,
  ],
  [
    'a running reduce in append',
    'APPEND_NEEDS_WINDOW',
    () =>
      job(
        'j',
        keyed().reduce((a) => a),
      ),
  ],
  [
    'windows without watermark in append',
    'APPEND_NEEDS_WATERMARK',
    () => {
      const free = source<Row>('in', { eventTime: (r) => r.t });
      return job(
        'j',
        free
          .keyBy((r) => r.k)
          .window(tumbling('1 h'))
          .aggregate({ n: count() }),
      );
    },
    /delay/,
  ],
  ['complete without aggregation', 'COMPLETE_NEEDS_AGGREGATION', () => job('j', timed(), { outputMode: 'complete' })],
  [
    'complete of a table and rows mixed',
    'COMPLETE_NEEDS_AGGREGATION',
    () => {
      const input = timed();
      const rows: Stream<unknown> = input;
      return job(
        'j',
        hourly(input)
          .aggregate({ n: count() })
          .map((r) => r as unknown)
          .union(rows),
        { outputMode: 'complete' },
      );
    },
  ],
  [
    'state after aggregation in update',
    'STATE_AFTER_AGGREGATION',
    () => {
      const second = hourly()
        .aggregate({ n: count() })
        .keyBy(() => null)
        .aggregate({ n: count() });
      return job('j', second, { outputMode: 'update' });
    },
    /'append'/,
  ],
  [
    'state after aggregation in complete',
    'STATE_AFTER_AGGREGATION',
    () => {
      const first = hourly().aggregate({ n: count() });
      const second = first
        .map((r) => r)
        .keyBy(() => null)
        .window(tumbling(1))
        .late();
      return job('j', { first, second }, { outputMode: 'complete' });
    },
  ],
  ['two sources of one name', 'DUPLICATE_SOURCE', () => job('j', timed().union(timed())), /variable/],
  [
    'event time after state',
    'EVENT_TIME_AFTER_STATE',
    () =>
      hourly()
        .aggregate({ n: count() })
        .withEventTime((r) => r.n),
  ],
  ['a source without name', 'BAD_SOURCE', () => source('')],
  ['a delay without event time', 'BAD_SOURCE', () => source('in', { delay: 5 })],
  ['idleAfter without event time', 'BAD_SOURCE', () => source('in', { idleAfter: 5 })],
  ['an unknown source option', 'BAD_SOURCE', () => source('in', any({ eventtime: () => 1 })), /'eventtime'/],
  ['a schema that is none', 'BAD_SOURCE', () => source('in', any({ schema: {} }))],
  ['an event time that is no function', 'BAD_SOURCE', () => source('in', any({ eventTime: 't' }))],
  [
    'a unit of event times that there is not',
    'BAD_SOURCE',
    () => source('in', any({ eventTimeUnit: 'sec' })),
    /'s', 'ms'/,
  ],
  ['csv that is none', 'BAD_SOURCE', () => source('in', any({ csv: ';' })), /delimiter and header/],
  ['an unknown option of csv', 'BAD_SOURCE', () => source('in', any({ csv: { separator: ';' } })), /'csv.separator'/],
  ['a separator of two characters', 'BAD_SOURCE', () => source('in', { csv: { delimiter: '||' } }), /one ASCII/],
  ['a separator beyond ASCII', 'BAD_SOURCE', () => source('in', { csv: { delimiter: '§' } }), /one ASCII/],
  ['a quote as separator', 'BAD_SOURCE', () => source('in', { csv: { delimiter: '"' } }), /no quote/],
  ['a line end as separator', 'BAD_SOURCE', () => source('in', { csv: { delimiter: '\n' } }), /line end/],
  ['no separator at all', 'BAD_SOURCE', () => source('in', { csv: { delimiter: '' } }), /one ASCII/],
  ['header: true', 'BAD_SOURCE', () => source('in', any({ csv: { header: true } })), /leave it out/],
  ['no columns', 'BAD_SOURCE', () => source('in', { csv: { header: [] } }), /names of the columns/],
  ['a column without name', 'BAD_SOURCE', () => source('in', { csv: { header: ['a', ''] } }), /not empty/],
  [
    'two columns of one name',
    'BAD_SOURCE',
    () => source('in', { csv: { header: ['a', 'b', 'a'] } }),
    /two columns "a"/,
  ],
  ['fields that are none', 'BAD_SOURCE', () => source('in', any({ fields: ['a'] })), /an object of names and types/],
  ['no fields', 'BAD_SOURCE', () => source('in', any({ fields: {} })), /names no field/],
  ['a field of no type', 'BAD_SOURCE', () => source('in', any({ fields: { a: 'text' } })), /"a".*"text".*'string'/],
  ['a field of a type that is no text', 'BAD_SOURCE', () => source('in', any({ fields: { a: null } })), /type null/],
  ['a field __proto__', 'BAD_SOURCE', () => source('in', any({ fields: { ['__proto__']: 'string' } })), /__proto__/],
  [
    'a unit where no time is declared',
    'BAD_SOURCE',
    () => source('in', { fields: { a: 'number' }, eventTimeUnit: 's' }),
    /declare the time as 'timestamp'/,
  ],
  ['a column __proto__', 'BAD_SOURCE', () => source('in', { csv: { header: ['__proto__'] } }), /__proto__/],
  [
    'event times of two units in one',
    'BAD_UNION',
    () =>
      job(
        'j',
        source<Row>('a', { eventTimeUnit: 's' })
          .union(source<Row>('b'))
          .withEventTime((r) => r.t),
      ),
    /'s', 'ms'/,
  ],
  ['a window of no size', 'BAD_WINDOW', () => tumbling(0)],
  ['a slide of nothing', 'BAD_WINDOW', () => sliding('1 h', 0)],
  ['a slide greater than the size', 'BAD_WINDOW', () => sliding(5, 6)],
  ['a session gap of nothing', 'BAD_WINDOW', () => session(0)],
  ['something that is no window', 'BAD_WINDOW', () => keyed().window(any('1 h'))],
  ['a window of an unknown unit', 'BAD_DURATION', () => tumbling(any('1 fortnight'))],
  ['a negative delay', 'BAD_DURATION', () => source<Row>('in', { eventTime: (r) => r.t, delay: -1 }), /delay/],
  ['a fraction of a millisecond', 'BAD_DURATION', () => tumbling(0.5)],
  ['a negative offset', 'BAD_DURATION', () => tumbling(5, { offset: -1 })],
  [
    'a window without event time',
    'NO_EVENT_TIME',
    () =>
      source<Row>('in')
        .keyBy((r) => r.k)
        .window(tumbling(5)),
    /eventTime/,
  ],
  ['a union of timed and untimed', 'BAD_UNION', () => timed().union(source<Row>('other'))],
  ['no partitions', 'BAD_OPTIONS', withOptions({ partitions: 0 })],
  ['half a partition', 'BAD_OPTIONS', withOptions({ partitions: 1.5 })],
  ['too many partitions', 'BAD_OPTIONS', withOptions({ partitions: 1e6 })],
  ['an unknown option', 'BAD_OPTIONS', withOptions({ outputmode: 'append' }), /'outputmode'/],
  ['an unknown trigger option', 'BAD_OPTIONS', withOptions({ trigger: { rows: 5 } }), /trigger has no option 'rows'/],
  ['an unknown mode', 'BAD_OPTIONS', withOptions({ outputMode: 'overwrite' })],
  ['a batch of no rows', 'BAD_OPTIONS', withOptions({ trigger: { maxRows: 0 } })],
  ['a lag of nothing', 'BAD_OPTIONS', withOptions({ commit: { maxLag: 0 } })],
  ['a bad ttl', 'BAD_DURATION', withOptions({ state: { ttl: -1 } })],
  ['results that are kept for no time', 'BAD_DURATION', withOptions({ results: { retention: 0 } }), /for ever/],
  [
    'results that are kept for what is no time',
    'BAD_DURATION',
    withOptions({ results: { retention: 'a week' } }),
    /results.retention/,
  ],
  ['results with another option', 'BAD_OPTIONS', withOptions({ results: { ttl: '1 day' } }), /there are retention/],
  ['a flag that is none', 'BAD_OPTIONS', withOptions({ noDataBatches: 'no' })],
  ['options that are no object', 'BAD_OPTIONS', withOptions(null)],
  ['an empty aggregate spec', 'BAD_AGGREGATE', () => keyed().aggregate({})],
  ['the column key', 'BAD_AGGREGATE', () => keyed().aggregate(any({ key: count() })), /'key' is taken/],
  ['the column windowEnd', 'BAD_AGGREGATE', () => hourly().aggregate(any({ windowEnd: count() }))],
  ['a column that is no aggregate', 'BAD_AGGREGATE', () => keyed().aggregate(any({ n: count })), /'n'/],
  ['a sum of no function', 'BAD_AGGREGATE', () => sum(any('v'))],
  ['a quantile beyond 1', 'BAD_AGGREGATE', () => quantile(() => 1, 95)],
  ['the top 0', 'BAD_AGGREGATE', () => topN(0, { by: () => 1 })],
  ['an unknown order', 'BAD_AGGREGATE', () => topN(1, any({ by: () => 1, order: 'down' }))],
  ['a limit of 0', 'BAD_AGGREGATE', () => collect({ limit: 0 })],
  ['an aggregator without merge', 'BAD_AGGREGATE', () => aggregator(any({ init: () => 0, add: (a: number) => a }))],
  ['a map of no function', 'BAD_ARGUMENT', () => timed().map(any('x'))],
  ['a union with a keyed stream', 'BAD_ARGUMENT', () => timed().union(any(keyed()))],
  ['a table of an unkeyed stream', 'BAD_ARGUMENT', () => table(any(timed()))],
  ['something that is no job', 'NOT_A_JOB', () => compileJob(any({ name: 'x' })), /export default job/],
];

describe('refused', () => {
  test.each(refusals)('%s: %s', (_, code, make, message = /./) => {
    expect(make).toThrow(expect.objectContaining({ name: 'JobError', code, message: expect.stringMatching(message) }));
  });
});

test('one source in several branches, and outputs without table in every mode, are accepted', () => {
  const input = timed();
  const windowed = input.keyBy((r) => r.k).window(tumbling('1 h'));
  const outputs = {
    rows: input.filter((r) => r.t > 0),
    counts: windowed.aggregate({ n: count() }),
    late: windowed.late(),
  };
  for (const outputMode of ['append', 'update', 'complete'] as const) job('j', outputs, { outputMode });
});

test('the public names are exactly the contract', () => {
  expect(Object.keys(misa).sort()).toEqual(
    [
      'InputError',
      'JobError',
      'MisaError',
      'UserFunctionError',
      'aggregator',
      'avg',
      'collect',
      'count',
      'countDistinct',
      'duration',
      'first',
      'job',
      'last',
      'listState',
      'mapState',
      'max',
      'maxBy',
      'min',
      'minBy',
      'quantile',
      'run',
      'sameWindow',
      'session',
      'sliding',
      'source',
      'sum',
      'table',
      'topN',
      'tumbling',
    ].sort(),
  );
});
