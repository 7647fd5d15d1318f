/** Inputs in S3 when the network and the service fail. */
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openRows } from '../../lib/source/open-rows.ts';
import { s3InputObject } from '../../lib/source/s3-object.ts';
import { type Fault, fakeS3, objectOf, readObject } from './s3-helpers.ts';

const count = 50_000;
const body = Buffer.from(Array.from({ length: count }, (_, i) => `{"id":${i}}\n`).join(''));
const idsOf = async (...given: Parameters<typeof readObject>): Promise<unknown[]> =>
  (await readObject(...given)).map(({ value }) => (value as { id: number }).id);
const allIds = Array.from({ length: count }, (_, i) => i);

describe('a stream from S3 that breaks', () => {
  it('goes on at the byte where it broke, and gives each row once', async () => {
    const fake = await fakeS3(body, [{ resetAfter: 300_001 }, { resetAfter: 100_000 }]);
    expect(await idsOf(objectOf(fake, body.length))).toEqual(allIds);
    expect(fake.requests).toEqual([
      'GET',
      `GET bytes=300001-${body.length - 1}`,
      `GET bytes=400001-${body.length - 1}`,
    ]);
  });

  it('goes on inside compressed data', async () => {
    const packed = gzipSync(body);
    const fake = await fakeS3(packed, [{ resetAfter: 50_000 }]);
    expect(await idsOf(objectOf(fake, packed.length, 'a.ndjson.gz'))).toEqual(allIds);
    expect(fake.requests).toEqual(['GET', `GET bytes=50000-${packed.length - 1}`]);
  });

  it('is not taken for the end of the object when it ends early without a word', async () => {
    const fake = await fakeS3(body, ['none', { endAfter: 1_000 }]);
    const object = objectOf(fake, body.length);
    const near = { row: 1, line: 2, offset: 9 };
    await readObject(object, { toRow: 1 });
    expect(await idsOf(object, { fromRow: 1, near })).toEqual(allIds.slice(1));
    expect(fake.requests.slice(1)).toEqual([`GET bytes=9-${body.length - 1}`, `GET bytes=1009-${body.length - 1}`]);
  });

  it('breaks as often as it likes while bytes come, and not for ever when none do', async () => {
    const often = Array.from({ length: 20 }, () => ({ resetAfter: 20_000 }));
    const slow = await fakeS3(body, often);
    expect(await idsOf(objectOf(slow, body.length))).toEqual(allIds);
    const dead = await fakeS3(body, [
      { resetAfter: 20_000 },
      ...Array.from({ length: 30 }, (): Fault => ({ status: 503, code: 'SlowDown' })),
    ]);
    const error = await idsOf(objectOf(dead, body.length)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'INPUT_UNREADABLE', retryable: true });
    expect(dead.requests.length).toBeGreaterThan(3);
    expect(dead.requests.length).toBeLessThan(10);
  });

  it('does not go on in another version', async () => {
    const fake = await fakeS3(body, [{ resetAfter: 300_000 }]);
    const rows = openRows(s3InputObject(objectOf(fake, body.length)));
    const ids: unknown[] = [];
    const reading = (async () => {
      for await (const chunk of rows) {
        for (const row of chunk.rows) ids.push((row as { id: number }).id);
        fake.put(Buffer.from(body).reverse(), '"v2"');
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'INPUT_CHANGED' });
    expect(ids).toEqual(allIds.slice(0, ids.length));
  });
});

describe('an answer of S3', () => {
  it.each<[Fault, string, RegExp]>([
    [{ status: 403, code: 'AccessDenied' }, 'INPUT_UNREADABLE', /s3:GetObject on arn:aws:s3:::bucket\/in\/\*/],
    [{ status: 403, code: 'InvalidObjectState' }, 'INPUT_UNREADABLE', /archived/],
    [{ status: 404, code: 'NoSuchKey' }, 'INPUT_MISSING', /deleted after it was announced/],
    [{ status: 404, code: 'NoSuchBucket' }, 'INPUT_MISSING', /no bucket bucket/],
    [{ status: 412, code: 'PreconditionFailed' }, 'INPUT_CHANGED', /overwritten/],
    [{ status: 416, code: 'InvalidRange' }, 'INPUT_CHANGED', /overwritten/],
    [{ status: 301, code: 'PermanentRedirect' }, 'INPUT_UNREADABLE', /AWS_REGION/],
  ])('%o is %s, told at once', async (fault, code, message) => {
    const fake = await fakeS3(body, [fault]);
    const error = await readObject(objectOf(fake, body.length)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, retryable: false, sourceObject: 's3://bucket/in/a.ndjson' });
    expect(String(error)).toMatch(message);
    expect(fake.requests).toHaveLength(1);
  });

  it('that fails for a moment is asked for again', async () => {
    const fake = await fakeS3(body, [{ status: 503, code: 'SlowDown' }, { status: 500 }, { resetAfter: 0 }]);
    expect(await idsOf(objectOf(fake, body.length))).toEqual(allIds);
  });

  it('is checked, as a service may ignore conditions', async () => {
    const fake = await fakeS3(body, [], { ignoresConditions: true });
    const object = objectOf(fake, body.length);
    await expect(readObject({ ...object, etag: 'v0' })).rejects.toMatchObject({ code: 'INPUT_CHANGED' });
    await expect(readObject({ ...object, size: body.length - 1 })).rejects.toMatchObject({ code: 'INPUT_CHANGED' });
    await expect(readObject({ ...object, size: body.length + 1 })).rejects.toMatchObject({ code: 'INPUT_CHANGED' });
  });
});

describe('ending early', () => {
  it('breaks the request off, whether by leaving, aborting or closing', async () => {
    const fake = await fakeS3(body, [{ hangAfter: 300_000 }, { hangAfter: 300_000 }, { hangAfter: 10 }]);
    const object = objectOf(fake, body.length);
    for await (const _ of openRows(s3InputObject(object), { chunkRows: 10 })) break;
    await expect.poll(fake.brokenOff).toBe(1);

    const abort = new AbortController();
    const reason = new Error('the deadline has passed');
    const aborted = expect(readObject(object, { signal: abort.signal })).rejects.toBe(reason);
    await expect.poll(() => fake.requests.length).toBe(2);
    abort.abort(reason);
    await aborted;
    await expect.poll(fake.brokenOff).toBe(2);

    const reader = await s3InputObject(object).open();
    const closed = expect(reader.read(0, 100)).rejects.toMatchObject({ code: 'INPUT_UNREADABLE' });
    await expect.poll(() => fake.requests.length).toBe(3);
    await reader.close();
    await closed;
    await expect.poll(fake.brokenOff).toBe(3);
    expect(fake.requests).toHaveLength(3);
  });

  it('asks for nothing when it was aborted before', async () => {
    const fake = await fakeS3(body);
    const signal = AbortSignal.abort(new Error('too late'));
    await expect(readObject(objectOf(fake, body.length), { signal })).rejects.toThrow('too late');
    expect(fake.requests).toEqual([]);
  });
});

describe('ranged reads', () => {
  it('that are asked for together share requests where they lie close, and each gets its own bytes', async () => {
    const fake = await fakeS3(body);
    const reader = await s3InputObject(objectOf(fake, body.length)).open();
    const wanted = [
      [500_000, 10],
      [0, 4],
      [100, 50],
      [20, 100],
      [7, 0],
      [body.length - 3, 3],
    ] as const;
    const got = await Promise.all(wanted.map(([offset, length]) => reader.read(offset, length)));
    for (const [i, [offset, length]] of wanted.entries()) {
      expect(got[i]).toEqual(body.subarray(offset, offset + length));
    }
    expect([...fake.requests].sort()).toEqual(['GET bytes=0-149', `GET bytes=500000-${body.length - 1}`]);
    await reader.close();
  });

  it('fail together when their request does, and go on where it broke', async () => {
    const fake = await fakeS3(body, [{ status: 403, code: 'AccessDenied' }, { resetAfter: 60 }]);
    const reader = await s3InputObject(objectOf(fake, body.length)).open();
    const both = await Promise.allSettled([reader.read(0, 10), reader.read(10, 10)]);
    expect(both.map((result) => result.status)).toEqual(['rejected', 'rejected']);
    expect(await reader.read(1000, 100)).toEqual(body.subarray(1000, 1100));
    expect(fake.requests).toEqual(['GET bytes=0-19', 'GET bytes=1000-1099', 'GET bytes=1060-1099']);
    await reader.close();
  });
});
