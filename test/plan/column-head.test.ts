/**
 * The head by columns gives what the head by rows gives, to the byte: rows and keys of each partition, bad rows, watermarks. So does an
 * aggregate by columns. The same job is written twice: once so that its functions are proven to be field accesses, once so that
 * they are not.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ColumnBatch } from '../../lib/columns/column-batch.ts';
import { avg, count, type Job, job, max, min, type SourceOptions, source, sum } from '../../lib/index.ts';
import { encodeInput } from '../../lib/plan/rows.ts';
import { SegmentBuilder } from '../../lib/plan/segment-builder.ts';
import type { Fields } from '../../lib/source/fields.ts';
import { ndjsonFormat } from '../../lib/source/ndjson.ts';
import { decodeRecords } from '../../lib/source/records.ts';
import type { RowChunk } from '../../lib/source/rows.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import type { PhysicalJob, PhysicalSource } from '../../lib/stream/compile/physical.ts';
import { PLAIN_CALLS } from '../../lib/stream/graph/calls.ts';
import type { AggregateDefinition } from '../../lib/stream/graph/fold-spec.ts';
import { OperatorFailure } from '../../lib/stream/graph/operator.ts';
import { groupFold } from '../../lib/stream/operators/fold.ts';
import { plainInput, plainRows } from '../helpers/row-batches.ts';
import { anyFields, anyJsonLine } from '../source/fields-law.ts';

type Row = Record<string, unknown>;
type Read = (row: Row) => never;

/** `row => row['name']`, and a function that does the same and proves nothing. */
const proven = (name: string): Read => new Function(`return row => row[${JSON.stringify(name)}];`)() as Read;
const provenList = (names: readonly string[]): Read =>
  new Function(`return row => [${names.map((name) => `row[${JSON.stringify(name)}]`).join(', ')}];`)() as Read;
const called =
  (f: Read): Read =>
  (row) =>
    f(row);

interface Plan {
  readonly fields: Fields | undefined;
  readonly time: string | undefined;
  readonly keys: readonly (string | readonly string[])[];
  readonly partitions: number;
}

function jobOf({ fields, time, keys, partitions }: Plan, how: (f: Read) => Read): PhysicalJob {
  const options = {
    ...(fields === undefined ? {} : { fields }),
    ...(time === undefined ? {} : { eventTime: how(proven(time)), delay: '1 second' as const }),
  } as unknown as SourceOptions<Row> & { readonly fields: Fields };
  const rows = source('rows', options);
  const read = (key: string | readonly string[]): Read => how(typeof key === 'string' ? proven(key) : provenList(key));
  const outputs = keys.map((key, i) => [`out${i}`, rows.keyBy(read(key)).aggregate({ n: count() })] as const);
  return compileJob(
    job('test', Object.fromEntries(outputs) as never, {
      outputMode: 'update',
      partitions,
      onError: 'quarantine',
    }) as Job<unknown>,
  );
}

async function chunksOf(text: string, { form, asked }: PhysicalSource): Promise<RowChunk[]> {
  async function* blocks(): AsyncGenerator<Buffer> {
    yield Buffer.from(text);
  }
  const format = ndjsonFormat({ path: 'test', plainJson: false, fields: form?.fields, asked });
  const start = { row: 0, line: 1, offset: 0 };
  const range = { fromRow: 0, toRow: Number.POSITIVE_INFINITY, chunkRows: 4 };
  const chunks: RowChunk[] = [];
  for await (const chunk of decodeRecords(blocks(), format, { ...range, start, path: 'test', progress: { rows: 0 } })) {
    chunks.push(chunk);
  }
  return chunks;
}

async function built(physical: PhysicalJob, text: string): Promise<SegmentBuilder> {
  const builder = new SegmentBuilder(physical);
  for (const [i, chunk] of (await chunksOf(text, physical.sources[0]!)).entries()) {
    builder.open({ source: 0, name: `object ${i >> 1}` });
    // Cut anywhere, as batches cut chunks.
    const half = chunk.count >> 1;
    builder.addChunk(chunk, 0, half);
    builder.addChunk(chunk, half, chunk.count);
  }
  return builder;
}

const anyPlan: fc.Arbitrary<Plan> = anyFields.chain((fields) => {
  const names = Object.keys(fields);
  // Names that no text within quotes without escapes has prove nothing; such jobs go by rows either way.
  const name = fc.constantFrom(...names);
  return fc.record({
    fields: fc.constant(fields),
    time: fc.option(name, { nil: undefined }),
    keys: fc.array(fc.oneof(name, fc.array(name, { minLength: 1, maxLength: 3 })), { minLength: 1, maxLength: 3 }),
    partitions: fc.integer({ min: 1, max: 3 }),
  });
});

const bytesOf = (builder: SegmentBuilder): string[] =>
  builder.finish().map((input) => Buffer.from(encodeInput(input)).toString('latin1'));

describe('the head by columns', () => {
  test('gives what the head by rows gives', async () => {
    let byColumns = 0;
    await fc.assert(
      fc.asyncProperty(anyPlan, fc.array(anyJsonLine, { maxLength: 12 }), async (plan, given) => {
        const text = given.map((line) => `${line.toWellFormed()}\n`).join('');
        const columns = jobOf(plan, (f) => f);
        const rows = jobOf(plan, called);
        expect(rows.sources[0]!.columns).toBeUndefined();
        if (columns.sources[0]!.columns !== undefined) byColumns++;
        const [one, other] = [await built(columns, text), await built(rows, text)];
        expect(bytesOf(one)).toEqual(bytesOf(other));
        expect(one.finish().map(plainInput)).toEqual(other.finish().map(plainInput));
        expect([...one.seen]).toEqual([...other.seen]);
        expect([one.rows, one.dropped, one.quarantined]).toEqual([other.rows, other.dropped, other.quarantined]);
      }),
      { numRuns: 3000 },
    );
    expect(byColumns).toBeGreaterThan(500);
  });

  test('gives the same where no fields are declared', async () => {
    const names = ['a', 'user', 'at', 'constructor', '__proto__'];
    const value = fc.oneof(fc.string({ maxLength: 3 }), fc.integer(), fc.constantFrom(null, true, 'x', 1.5, {}));
    const line = fc.record({ a: fc.string(), user: value, at: fc.integer(), constructor: value, rest: value });
    const plan: fc.Arbitrary<Plan> = fc.record({
      fields: fc.constant(undefined),
      time: fc.option(fc.constantFrom('at', 'a', 'user'), { nil: undefined }),
      keys: fc.array(fc.oneof(fc.constantFrom(...names), fc.subarray(names, { minLength: 1 })), {
        minLength: 1,
        maxLength: 3,
      }),
      partitions: fc.integer({ min: 1, max: 3 }),
    });
    const text = fc
      .tuple(line, fc.array(fc.oneof({ weight: 5, arbitrary: line.map((row) => JSON.stringify(row)) }, anyJsonLine)))
      .map(([first, lines]) => [JSON.stringify(first), ...lines].map((one) => `${one.toWellFormed()}\n`).join(''));
    let byColumns = 0;
    await fc.assert(
      fc.asyncProperty(plan, text, async (made, lines) => {
        const columns = jobOf(made, (f) => f);
        const rows = jobOf(made, called);
        expect(rows.sources[0]!.asked).toBeUndefined();
        if ((await chunksOf(lines, columns.sources[0]!)).some((chunk) => chunk.columns !== undefined)) byColumns++;
        const [one, other] = [await built(columns, lines), await built(rows, lines)];
        expect(bytesOf(one)).toEqual(bytesOf(other));
        expect([...one.seen]).toEqual([...other.seen]);
        expect([one.rows, one.dropped, one.quarantined]).toEqual([other.rows, other.dropped, other.quarantined]);
      }),
      { numRuns: 1500 },
    );
    expect(byColumns).toBeGreaterThan(100);
  });

  test('reads no row that somebody has, and gives each reader one of its own', async () => {
    const fields: Fields = { a: 'string', n: 'number?' };
    const plan: Plan = { fields, time: undefined, keys: ['a', 'a'], partitions: 1 };
    const builder = await built(
      jobOf(plan, (f) => f),
      '{"a":"x","n":1}\n{"a":"y","n":null}\n',
    );
    const [one, other] = builder.finish()[0]!.edges as ColumnBatch[];
    expect([...one!.numbers('n')!]).toEqual([1, Number.NaN]);
    expect(one!.numbers('a')).toBeUndefined();
    expect(one!.numbers('toString')).toBeUndefined();
    const row = one!.row(0) as Row;
    row.n = 7;
    expect(one!.row(0)).toBe(row);
    expect(one!.numbers('n')).toBeUndefined();
    expect([...other!.numbers('n')!]).toEqual([1, Number.NaN]);
    expect(other!.row(0)).toEqual({ a: 'x', n: 1 });
    expect(plainRows(one!).rows).toEqual([
      { a: 'x', n: 7 },
      { a: 'y', n: null },
    ]);
  });
});

describe('aggregates by columns', () => {
  const aggregates = (read: Read, where: (row: Row) => boolean) => ({
    n: count(),
    some: count<Row>(where),
    total: sum<Row>(read),
    mean: avg<Row, never>(read),
    least: min<Row, never>(read),
    most: max<Row, never>(read),
  });
  const foldOf = (spec: object) => {
    const columns = Object.entries(spec).map(([name, aggregate]) => ({
      name,
      aggregate: aggregate as AggregateDefinition,
    }));
    return groupFold({ kind: 'aggregate', columns }, 'test', { calls: PLAIN_CALLS }).numbers!;
  };
  const over = new Function('return row => row.v > -1;')() as (row: Row) => boolean;
  const byColumn = foldOf(aggregates(proven('v'), over));
  const byRow = foldOf(aggregates(called(proven('v')), called(over as Read)));

  test('give what they give by rows, or leave it to them', async () => {
    const value = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(null, 0, -0, 1, 1.7976931348623157e308, -1.7976931348623157e308, 5e-324),
    );
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(value, fc.nat(2)), { minLength: 1, maxLength: 10 }), async (given) => {
        const fields: Fields = { k: 'string', v: 'number?' };
        const json = (v: number | null): string => (Object.is(v, -0) ? '-0' : JSON.stringify(v));
        const text = given.map(([v]) => `{"k":"","v":${json(v)}}\n`).join('');
        const plan: Plan = { fields, time: undefined, keys: ['k'], partitions: 1 };
        const [columns, rows] = [
          await built(
            jobOf(plan, (f) => f),
            text,
          ),
          await built(jobOf(plan, called), text),
        ];
        const entries = {
          count: given.length,
          rowOf: Int32Array.from(given, (_, i) => i),
          groupOf: Int32Array.from(given, ([, group]) => group),
        };
        const fold = (numbers: typeof byRow, builder: SegmentBuilder): string | false => {
          const states = new Float64Array(3 * numbers.width);
          const batch = builder.finish()[0]!.edges[0]!;
          const port = {
            ...EMPTY,
            count: batch.count,
            row: (i: number) => batch.row(i),
            peek: (i: number) => batch.peek(i),
            numbers: batch.numbers.bind(batch),
          };
          const { keys, times } = batch;
          try {
            if (!numbers.addAll({ ...port, keys, times }, entries, states)) return false;
          } catch (error) {
            expect(error).toBeInstanceOf(OperatorFailure);
            return false;
          }
          return Buffer.from(states.buffer).toString('hex');
        };
        const wanted = fold(byRow, rows);
        expect(fold(byColumn, columns)).toBe(wanted);
        // Of rows that are here as objects there is no column.
        expect(fold(byColumn, rows)).toBe(wanted);
        if (wanted !== false) taken++;
      }),
      { numRuns: 500 },
    );
    expect(taken).toBeGreaterThan(100);
  });
});

const EMPTY = { primary: undefined, late: Number.NEGATIVE_INFINITY, origin: () => undefined };
