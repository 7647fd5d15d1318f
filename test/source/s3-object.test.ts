/** Inputs in S3: the rows of a file are the rows of the object, from services that run here. */
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { beforeAll, describe, expect, it } from 'vitest';
import { connectS3, type S3Connection } from '../../lib/object-store/s3-client.ts';
import { openRows } from '../../lib/source/open-rows.ts';
import type { RowPosition } from '../../lib/source/rows.ts';
import { type S3ObjectOptions, s3InputObject } from '../../lib/source/s3-object.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { services } from '../setup/services.ts';
import { fixture, plainRows, toNdjson } from './helpers.ts';
import { readObject } from './s3-helpers.ts';

const ndjson = toNdjson(plainRows);
const csv = `id,name,price,ok\n${plainRows.map((r) => `${r.id},${r.name ?? ''},${r.price},${r.ok}\n`).join('')}`;
const values = async (...given: Parameters<typeof readObject>): Promise<unknown[]> =>
  (await readObject(...given)).map(({ value }) => value);

/** A Parquet file of several row groups, larger than what is read at its end. */
function largeParquet(): Buffer {
  const ids = Array.from({ length: 40_000 }, (_, i) => i);
  const columnData = [
    { name: 'id', data: ids, type: 'INT32' as const },
    { name: 'text', data: ids.map((i) => `row ${(i * 7919) % 40_009}`), type: 'STRING' as const },
  ];
  return Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: 10_000, codec: 'UNCOMPRESSED' }));
}

for (const { name, endpoint } of services)
  describe.skipIf(endpoint === undefined)(`inputs in S3 (${name})`, () => {
    const bucket = `misa-source-${systemRandom.id()}`;
    const requests: string[] = [];
    let connection: S3Connection;

    beforeAll(async () => {
      connection = await connectS3({ endpoint, onRequest: (operation) => requests.push(operation) });
      await connection.client.send(new CreateBucketCommand({ Bucket: bucket }));
    });

    async function put(key: string, body: string | Uint8Array): Promise<S3ObjectOptions> {
      const Body = Buffer.from(body as string);
      const { ETag } = await connection.client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body }));
      requests.length = 0;
      const s3 = async (): Promise<S3Connection> => connection;
      return { s3, bucket, key, etag: ETag!, size: Body.length, clock: systemClock, random: systemRandom };
    }

    it('gives the same rows in every format and compression, from any row on', async () => {
      const objects: Record<string, string | Buffer> = {
        'a.ndjson': ndjson,
        'a.csv': csv,
        'a.csv.gz': gzipSync(csv),
        'a.ndjson.gz': gzipSync(ndjson),
        'a.ndjson.zst': await readFile(fixture('plain.ndjson.zst')),
        'a.parquet': await readFile(fixture('plain-snappy.parquet')),
      };
      for (const [key, body] of Object.entries(objects)) {
        const object = await put(`formats/${key}`, body);
        expect(await values(object), key).toEqual(plainRows);
        const from = await values(object, { fromRow: 37, toRow: 60, chunkRows: 8 });
        expect(from, key).toEqual(plainRows.slice(37, 60));
      }
    });

    it('asks once for a text, and from where it was left', async () => {
      const object = await put('a.ndjson', ndjson);
      const ends: RowPosition[] = [];
      for await (const chunk of openRows(s3InputObject(object), { chunkRows: 40 })) ends.push(chunk.end);
      expect(requests).toEqual(['GetObject']);
      expect(await values(object, { fromRow: 40, near: ends[0] })).toEqual(plainRows.slice(40));
      expect(requests).toEqual(['GetObject', 'GetObject']);
    });

    it('reads a Parquet object by few requests, and only the row groups it needs', async () => {
      const body = largeParquet();
      expect(body.length).toBeGreaterThan(600_000);
      const object = await put('large.parquet', body);
      const rows = (await values(object)) as { id: number; text: string }[];
      expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 40_000 }, (_, i) => i));
      expect(rows[39_999]!.text).toBe(`row ${(39_999 * 7919) % 40_009}`);
      expect(requests.length).toBeLessThanOrEqual(5);
      requests.length = 0;
      expect(await values(object, { fromRow: 12_345, toRow: 12_346 })).toEqual([rows[12_345]]);
      expect(requests.length).toBeLessThanOrEqual(2);
    });

    it('reads an empty object without asking', async () => {
      const object = await put('empty.ndjson', '');
      expect(await values(object)).toEqual([]);
      expect(requests).toEqual([]);
    });

    it('reads the very key, whatever characters it has', async () => {
      const keys = [
        'a b',
        'a+b',
        'a%20b',
        'a%2Bb',
        'näme 漢字 🛫',
        "q?x=1&y='2'",
        'c#d',
        'e=f;g,h@i!',
        '(j)*k~l',
        'm\\n',
        'o/./p',
      ];
      const objects = await Promise.all(keys.map((key) => put(`in/${key}.ndjson`, JSON.stringify({ key }))));
      for (const [i, object] of objects.entries()) expect(await values(object), keys[i]).toEqual([{ key: keys[i] }]);
    });

    it('takes the etag with quotes and without, as notifications have it', async () => {
      const object = await put('a.ndjson', ndjson);
      expect(object.etag).toMatch(/^"/);
      expect(await values({ ...object, etag: object.etag.replaceAll('"', '') })).toEqual(plainRows);
    });

    it('reads no row of an object that was overwritten, of the same size or another', async () => {
      for (const key of ['over.ndjson', 'over.csv.gz', 'over.parquet']) {
        const announced = await put(
          key,
          key.endsWith('parquet') ? await readFile(fixture('plain-none.parquet')) : ndjson,
        );
        for (const size of [announced.size, announced.size + 100]) {
          await put(key, Buffer.alloc(size, ' '));
          const error = await values(announced).catch((thrown: unknown) => thrown);
          expect(error).toMatchObject({
            code: 'INPUT_CHANGED',
            retryable: false,
            sourceObject: `s3://${bucket}/${key}`,
          });
          expect(String(error)).toMatch(/new rows under new keys/);
        }
      }
    });

    it('says what is missing, the object or the bucket', async () => {
      const object = await put('gone.ndjson', ndjson);
      await connection.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'gone.ndjson' }));
      await expect(values(object)).rejects.toMatchObject({ code: 'INPUT_MISSING' });
      await expect(values(object)).rejects.toThrow(/no object s3:.*gone\.ndjson/);
      const elsewhere = { ...object, bucket: `misa-none-${systemRandom.id()}` };
      await expect(values(elsewhere)).rejects.toMatchObject({ code: 'INPUT_MISSING' });
      await expect(values(elsewhere)).rejects.toThrow(/no bucket misa-none-/);
    });

    it('gives the rows before the place where compressed data are cut off or damaged', async () => {
      const lines = Array.from({ length: 60_000 }, (_, i) => `{"id":${i},"x":"${(i * 7919) % 10_007}"}\n`).join('');
      const whole = gzipSync(lines);
      const cut = await put('cut.ndjson.gz', whole.subarray(0, -5_000));
      const damaged = await put(
        'damaged.ndjson.gz',
        Buffer.from(whole).fill(0xee, whole.length - 9_000, whole.length - 8_900),
      );
      for (const [object, code] of [
        [cut, 'INPUT_TRUNCATED'],
        [damaged, 'INPUT_CORRUPT'],
      ] as const) {
        let rows = 0;
        const reading = (async () => {
          for await (const chunk of openRows(s3InputObject(object))) rows += chunk.rows.length;
        })();
        await expect(reading).rejects.toMatchObject({ code, sourceObject: `s3://${bucket}/${object.key}` });
        expect(rows).toBeGreaterThan(10_000);
      }
    });
  });
