/**
 * Rows and state are the same wherever they were: in memory, in a segment, a log entry, the store, a message, a result. What
 * would not be the same is refused, with the operator and the place in the value.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arrivalsOf } from '../../lib/aws/deliveries.ts';
import { aggregator, collect, first, type Job, job, last, source } from '../../lib/index.ts';
import { decodeInput, encodeInput } from '../../lib/plan/rows.ts';
import { decodeSegment, encodeSegment } from '../../lib/plan/segment.ts';
import { rowMessages } from '../../lib/queue/row-messages.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import { decodeKey, encodeKey } from '../../lib/stream/operators/key.ts';
import { testJob } from '../../lib/testing.ts';
import { decodeNdjson, encodeNdjson } from '../../lib/util/ndjson.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { anyJson, anyJsonText, anyText } from '../helpers/any-json.ts';
import { columnBatchOf, plainInput } from '../helpers/row-batches.ts';

interface Row {
  readonly key: string;
  readonly value: unknown;
}
const rows = source<Row>('rows');
const text = (value: unknown): string => JSON.stringify(value);

describe('any JSON value', () => {
  it('comes back from state after a restart as it was, under any key', async () => {
    const kept = rows
      .keyBy((r) => r.key)
      .aggregate({
        all: collect((r: Row) => r.value),
        first: first((r: Row) => r.value),
        last: last((r: Row) => r.value),
      });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(anyText, anyJson), { minLength: 1, maxLength: 5 }), async (given) => {
        const t = await testJob(job('kept', kept, { outputMode: 'update' }));
        const wanted = new Map<string, unknown[]>();
        for (const [key, value] of given) {
          wanted.set(key, [...(wanted.get(key) ?? []), value]);
          t.send(rows, [{ key, value }]);
          const [row] = (await t.runBatch()) as { key: string; all: unknown[]; first: unknown }[];
          expect(text(row!.key)).toBe(text(key));
          expect(text(row!.all)).toBe(text(wanted.get(key)));
          expect(text(row!.first)).toBe(text(wanted.get(key)![0]));
          await t.restart();
        }
        await t.close();
      }),
      { numRuns: 60 },
    );
  });

  it('comes back from segments, and from log entries of the stage before', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyText, anyJson)), (given) => {
        const edge = columnBatchOf({
          keys: given.map(([key]) => encodeKey(key)),
          times: given.map(() => Number.NaN),
          rows: given.map(([, value]) => value),
          primary: given.map(() => true),
          pieces: given.map(() => 0),
        });
        const quarantined = given.map(([key], i) => ({ source: key, object: key, line: i, reason: key, text: key }));
        const input = { edges: [undefined, edge], quarantined, objects: given.map(([key]) => key) };
        const segment = decodeSegment(encodeSegment([input]).bytes, 'segment');
        for (const back of [segment.input(0), decodeInput(encodeInput(input))]) {
          expect(text(plainInput(back))).toBe(text(plainInput(input)));
          expect(back.edges[1]!.keys.texts().map(decodeKey)).toEqual(given.map(([key]) => key));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('comes back from messages of the input queue', () => {
    const physical = compileJob(
      job(
        'passed',
        rows.map((r) => r),
      ) as Job<unknown>,
    );
    fc.assert(
      fc.property(fc.array(anyJsonText), (given) => {
        const values = given.map((t) => JSON.parse(t) as unknown);
        const back = [...rowMessages('rows', values, { random: seededRandom(1) })].flatMap(({ body }) => {
          // Only characters that SQS takes: those of XML 1.0.
          expect(body).toMatch(/^[\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u);
          return arrivalsOf({ id: 'm', body, attributes: {} }, physical, []);
        });
        expect(text(back.flatMap((a) => (a.kind === 'rows' ? a.rows : [a])))).toBe(text(values));
      }),
      { numRuns: 300 },
    );
  });

  it('comes back from results', () => {
    fc.assert(
      fc.property(fc.array(anyJsonText), (given) => {
        const values = given.map((t) => JSON.parse(t) as unknown);
        expect(text(decodeNdjson(encodeNdjson(values)))).toBe(text(values));
      }),
      { numRuns: 300 },
    );
  });
});

describe('what is no plain data', () => {
  class Flight {}

  it('is a bad row where it comes in, with its place', async () => {
    const t = await testJob(job('passed', { out: rows.map((r) => r.value) }));
    t.send('rows', [{ value: new Map() }, new Flight(), { value: 1 }, { value: { f: [() => 1] } }]);
    expect(await t.runBatch()).toEqual({ out: [1] });
    expect(t.counts).toMatchObject({ applied: 1, quarantined: 3 });
    await t.close();
    const strict = await testJob(
      job(
        'strict',
        rows.map((r) => r.value),
        { onBadRow: 'fail' },
      ),
    );
    strict.send('rows', [{ value: { tags: new Map() } }]);
    await expect(strict.runBatch()).rejects.toThrow(
      'send 1, line 1: a Map at .value.tags: rows and state are plain data; use an object or an array',
    );
    await strict.close();
  });

  const keyed = rows.keyBy((r) => r.key);
  const makers: [string, Job<unknown>, string, string][] = [
    [
      'map',
      job(
        'm',
        rows.map(() => ({ a: new Set([1]) })),
      ),
      'map',
      'a Set at .a',
    ],
    [
      'flatMap',
      job(
        'f',
        rows.flatMap(() => [1, { a: new Flight() }]),
      ),
      'flat-map',
      'a Flight at .a',
    ],
    [
      'reduce',
      job(
        'r',
        keyed.reduce((): Row => ({ key: '', value: [new Map()] })),
        { outputMode: 'update' },
      ),
      'reduce',
      'a Map at .value.value[0]',
    ],
    [
      'an accumulator',
      job(
        's',
        keyed.aggregate({
          n: aggregator({ init: () => ({ seen: new Set<string>() }), add: (s) => s, merge: (s) => s, result: () => 1 }),
        }),
        { outputMode: 'update' },
      ),
      'aggregate',
      'a Set at .seen',
    ],
    [
      'a result',
      job(
        'e',
        keyed.aggregate({
          n: aggregator({ init: () => 0, add: (s: number) => s, merge: (s: number) => s, result: () => new Flight() }),
        }),
        { outputMode: 'update' },
      ),
      'aggregate',
      'a Flight at .n',
    ],
  ];
  it.each(makers)('that %s makes fails the batch, naming operator and place', async (_, made, operator, what) => {
    const t = await testJob(made);
    t.send('rows', [
      { key: 'a', value: 1 },
      { key: 'a', value: 2 },
    ]);
    const failure = t.runBatch();
    await expect(failure).rejects.toMatchObject({ code: 'USER_FUNCTION', operator: expect.stringMatching(operator) });
    await expect(failure).rejects.toThrow(`${what}: rows and state are plain data`);
    await t.close();
  });
});

describe('limits of a row', () => {
  const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
  it('a row that is too deep or too wide is set aside, one just within is kept, also after a restart', async () => {
    const t = await testJob(
      job('deep', rows.keyBy((r) => r.key).aggregate({ all: collect((r: Row) => r.value) }), { outputMode: 'update' }),
    );
    const wide = (n: number): unknown => Object.fromEntries(Array.from({ length: n }, (_, i) => [`f${i}`, 1]));
    t.send('rows', [
      { key: 'a', value: nested(499) },
      { key: 'a', value: nested(500) },
      { key: 'a', value: nested(100_000) },
      { key: 'a', value: wide(100_001) },
      { key: 'a', value: 'x'.repeat(65 * 1024 * 1024) },
    ]);
    expect(text(await t.runBatch())).toBe(text([{ key: 'a', all: [nested(499)] }]));
    expect(t.counts).toMatchObject({ applied: 1, quarantined: 4 });
    await t.restart();
    t.send('rows', [{ key: 'a', value: 2 }]);
    expect(text(await t.runBatch())).toBe(text([{ key: 'a', all: [nested(499), 2] }]));
    await t.close();
  });
});
