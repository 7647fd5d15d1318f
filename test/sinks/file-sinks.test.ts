import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { parquetMetadata, parquetReadObjects, parquetSchema } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NdjsonSink } from '../../lib/sinks/ndjson-sink.ts';
import { parquetColumns } from '../../lib/sinks/parquet-columns.ts';
import { ParquetSink } from '../../lib/sinks/parquet-sink.ts';
import { ResultFiles } from '../../lib/sinks/result-files.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { at, describeWithAws, FaultyAws, makeBatch, serviceOptions, shuffled, unique } from './helpers.ts';

const hour = 3_600_000;
const row = (n: number) => ({ key: 'AA', windowStart: n * hour, windowEnd: (n + 1) * hour, total: n });

describeWithAws('sinks of files', (endpoint) => {
  const client = new S3Client({ ...at(endpoint), forcePathStyle: true });
  let aws: FaultyAws;
  let bucket: string;
  beforeAll(async () => {
    aws = await FaultyAws.open(endpoint);
    bucket = unique('results');
    for (const Bucket of [bucket, 'misa-state']) await client.send(new CreateBucketCommand({ Bucket })).catch(() => {});
  });
  afterAll(() => aws.close());

  async function filesUnder(prefix: string, of = bucket): Promise<Map<string, Uint8Array>> {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: of, Prefix: prefix }));
    const files = new Map<string, Uint8Array>();
    for (const { Key } of Contents) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: of, Key: Key! }));
      files.set(Key!.slice(prefix.length), await Body!.transformToByteArray());
    }
    return files;
  }

  /** Rows, and types by column. */
  async function read(bytes: Uint8Array) {
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
    const columns = parquetSchema(parquetMetadata(file)).children.map(({ element }) => element);
    return {
      rows: await parquetReadObjects({ file }),
      types: Object.fromEntries(columns.map((c) => [c.name, [c.type, c.converted_type, c.repetition_type].join(' ')])),
    };
  }

  const parquet = (settings = {}): Promise<ParquetSink> => {
    aws.decide(() => 'pass');
    return ParquetSink.open({ bucket, ...settings }, serviceOptions(aws.endpoint));
  };

  it('writes one Parquet file a batch, which reads back as it was', async () => {
    const prefix = `${unique('p')}/`;
    const rows = [
      { ...row(1), ok: true, deep: { a: [1, 'x', null] }, note: 'é😀' },
      { ...row(2), total: 2.5, ok: null, deep: [1] },
    ];
    await (await parquet({ prefix })).deliver(makeBatch(rows, { n: 12, partition: 3 }));
    const files = await filesUnder(prefix);
    expect([...files.keys()]).toEqual(['hourly/p3/000000000012.parquet']);
    const { rows: got, types } = await read([...files.values()][0]!);
    expect(got).toEqual([
      { ...rows[0], windowStart: new Date(hour), windowEnd: new Date(2 * hour) },
      { ...rows[1], windowStart: new Date(2 * hour), windowEnd: new Date(3 * hour), note: null },
    ]);
    expect(types).toEqual({
      key: 'BYTE_ARRAY UTF8 OPTIONAL',
      windowStart: 'INT64 TIMESTAMP_MILLIS OPTIONAL',
      windowEnd: 'INT64 TIMESTAMP_MILLIS OPTIONAL',
      total: 'DOUBLE  OPTIONAL',
      ok: 'BOOLEAN  OPTIONAL',
      deep: 'BYTE_ARRAY JSON OPTIONAL',
      note: 'BYTE_ARRAY UTF8 OPTIONAL',
    });
  });

  it('writes the same files when batches come twice, in any order, and broke off in the middle', async () => {
    const batches = [1, 2, 3].flatMap((n) => [0, 1].map((partition) => makeBatch([row(n)], { n, partition })));
    const expected = `${unique('p')}/`;
    for (const batch of batches) await (await parquet({ prefix: expected })).deliver(batch);
    const prefix = `${unique('p')}/`;
    const sink = await parquet({ prefix });
    aws.decide(({ index }) => (['pass', 'lose', 'break', 'pass'] as const)[index % 4]!);
    for (const batch of shuffled([...batches, ...batches], seededRandom(9))) await sink.deliver(batch);
    expect(await filesUnder(prefix)).toEqual(await filesUnder(expected));
    expect((await filesUnder(prefix)).size).toBe(6);
  });

  it('never changes a file that is there', async () => {
    const prefix = `${unique('p')}/`;
    const sink = await parquet({ prefix });
    await sink.deliver(makeBatch([row(1)]));
    const before = await filesUnder(prefix);
    await sink.deliver(makeBatch([row(2)]));
    expect(await filesUnder(prefix)).toEqual(before);
  });

  it('makes no file of an empty batch', async () => {
    const prefix = `${unique('p')}/`;
    await (await parquet({ prefix })).deliver(makeBatch([]));
    await (await NdjsonSink.open({ bucket, prefix }, serviceOptions(endpoint))).deliver(makeBatch([]));
    expect((await filesUnder(prefix)).size).toBe(0);
  });

  it('keeps the type of a column whatever values a batch has', async () => {
    const values = [1, 1.5, -0, 1e300, 2 ** 53];
    for (const v of values) {
      const prefix = `${unique('p')}/`;
      await (await parquet({ prefix })).deliver(makeBatch([{ v }, { v: null }]));
      const { rows, types } = await read([...(await filesUnder(prefix)).values()][0]!);
      expect(types).toEqual({ v: 'DOUBLE  OPTIONAL' });
      expect(rows).toEqual([{ v: v + 0 }, { v: null }]);
    }
  });

  it('takes columns of many kinds where they are declared, and has them in every file', async () => {
    const prefix = `${unique('p')}/`;
    const columns = { mixed: 'json', at: 'timestamp', absent: 'number' };
    const rows = [{ mixed: 1, at: '2024-01-01T00:00:00Z' }, { mixed: 'x', at: 5 }, { mixed: { a: 1 } }];
    await (await parquet({ prefix, columns })).deliver(makeBatch(rows));
    const { rows: got, types } = await read([...(await filesUnder(prefix)).values()][0]!);
    expect(types.absent).toBe('DOUBLE  OPTIONAL');
    expect(got).toEqual([
      { mixed: 1, at: new Date(Date.UTC(2024, 0, 1)), absent: null },
      { mixed: 'x', at: new Date(5), absent: null },
      { mixed: { a: 1 }, at: null, absent: null },
    ]);
  });

  it('refuses a column of several kinds, naming it and what to do', async () => {
    const failure = (await parquet()).deliver(makeBatch([{ v: 1 }, { v: 'x' }], { n: 4 }));
    await expect(failure).rejects.toMatchObject({ code: 'ROWS_REFUSED', retryable: false });
    await expect(failure).rejects.toThrow(/batch 4 of flights\/hourly.*column v.*"x".*columns: \{ "v": 'json' \}/);
  });

  it('takes hostile values', async () => {
    const prefix = `${unique('p')}/`;
    const rows = [
      JSON.parse('{"__proto__":{"a":1},"constructor":1,"":"\\u0000\\ud800","a.b":true}'),
      { constructor: 2, deep: JSON.parse('['.repeat(500) + ']'.repeat(500)) },
      7,
      'text'.length,
    ];
    await (await parquet({ prefix })).deliver(makeBatch(rows));
    const { rows: got, types } = await read([...(await filesUnder(prefix)).values()][0]!);
    expect(got).toHaveLength(4);
    expect(Object.keys(types).sort()).toEqual(['', '__proto__', 'a.b', 'constructor', 'deep', 'value']);
    expect(got[0]).toMatchObject({ constructor: 1, '': '\u0000\ufffd', 'a.b': true, value: null });
    expect(got.map((r) => r.value)).toEqual([null, null, 7, 4]);
  });

  it('reads back what it wrote, many rows and any flat values', async () => {
    const value = fc.record(
      { t: fc.string({ unit: 'binary' }), d: fc.double({ noNaN: true, noDefaultInfinity: true }), b: fc.boolean() },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 30 }), async (some) => {
        const prefix = `${unique('p')}/`;
        const batch = makeBatch(Array.from({ length: 50 }, () => some).flat());
        await (await parquet({ prefix })).deliver(batch);
        const names = [...new Set(batch.rows.flatMap((r) => Object.keys(r as object)))];
        const files = [...(await filesUnder(prefix)).values()];
        if (names.length === 0) return void expect(files).toEqual([]);
        const full = batch.rows.map((r) => ({ ...Object.fromEntries(names.map((n) => [n, null])), ...(r as object) }));
        expect((await read(files[0]!)).rows).toEqual(full);
      }),
      { numRuns: 20 },
    );
  });

  it('copies result objects byte for byte', async () => {
    const prefix = `${unique('p')}/`;
    const sink = await NdjsonSink.open({ bucket, prefix }, serviceOptions(endpoint));
    const batch = makeBatch([row(1), null, '\u2028'], { output: '_quarantine', n: 3 });
    await sink.deliver(batch);
    await sink.deliver(batch);
    expect([...(await filesUnder(prefix))]).toEqual([
      ['_quarantine/p0/000000000003.ndjson', new Uint8Array(batch.bytes)],
    ]);
  });

  it('goes to results/{job}/ of the bucket of the store by default, later epochs beside the first', async () => {
    const job = unique('job');
    const sink = await NdjsonSink.open({}, serviceOptions(endpoint));
    await sink.deliver(makeBatch([1], { job }));
    await sink.deliver(makeBatch([2], { job, epoch: 2 }));
    expect([...(await filesUnder(`results/${job}/`, 'misa-state')).keys()]).toEqual([
      'hourly/e2/p0/000000000001.ndjson',
      'hourly/p0/000000000001.ndjson',
    ]);
  });

  it('refuses places that would make the job read its own results', async () => {
    const options = serviceOptions(endpoint);
    await expect(ResultFiles.open({ prefix: 'misa/flights/' }, options)).rejects.toMatchObject({ code: 'BAD_SINKS' });
    const sink = await NdjsonSink.open({ prefix: 'in/flights/hourly/' }, options);
    await expect(sink.deliver(makeBatch([1]))).rejects.toThrow(/input again/);
  });

  it('names the bucket that does not exist', async () => {
    const sink = await parquet({ bucket: 'misa-no-such-bucket' });
    await expect(sink.deliver(makeBatch([row(1)]))).rejects.toMatchObject({ code: 'NO_BUCKET' });
  });
});

describe('columns of Parquet files', () => {
  it('have kinds that follow from each value alone, in whatever batches rows come', () => {
    const kinds: Record<string, fc.Arbitrary<unknown>> = {
      n: fc.double({ noNaN: true, noDefaultInfinity: true }),
      t: fc.string(),
      b: fc.boolean(),
      j: fc.array(fc.integer()),
      windowStart: fc.integer(),
    };
    const nullable = Object.fromEntries(Object.entries(kinds).map(([name, of]) => [name, fc.option(of)]));
    const expected: Record<string, string> = {
      n: 'number',
      t: 'text',
      b: 'boolean',
      j: 'json',
      windowStart: 'timestamp',
    };
    fc.assert(
      fc.property(fc.array(fc.record(nullable, { requiredKeys: [] }), { minLength: 1 }), (rows) => {
        for (const { name, kind, data } of parquetColumns(rows)) {
          expect(kind).toBe(expected[name]);
          expect(data).toHaveLength(rows.length);
          expect(data.some((value) => value !== null)).toBe(true);
        }
      }),
    );
  });

  it('that are times must be whole ms or ISO 8601', () => {
    expect(() => parquetColumns([{ windowStart: 1.5 }])).toThrow(/windowStart holds a timestamp/);
    expect(() => parquetColumns([{ windowStart: 'soon' }])).toThrow(/windowStart/);
    expect(parquetColumns([{ windowEnd: '1970-01-01T00:00:01Z' }])[0]!.data).toEqual([1000n]);
  });
});
