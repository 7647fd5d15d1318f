/** The S3 store, against the services that run here, and against answers that a real service gives seldom. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { S3Store } from '../../lib/object-store/s3-store.ts';
import { ManualClock, systemClock } from '../../lib/util/clock.ts';
import { seededRandom, systemRandom } from '../../lib/util/random.ts';
import { listAll } from '../helpers/stores.ts';
import { services } from '../setup/services.ts';
import { bytes, increment, objectStoreContract, text } from './contract.ts';

const bucket = 'misa-contract';

for (const { name, endpoint } of services) {
  describe.skipIf(endpoint === undefined)(`S3 (${name})`, () => {
    const options = { clock: systemClock, random: systemRandom, endpoint };
    const open = (prefix: string): Promise<S3Store> => S3Store.open({ bucket, prefix, ...options });

    beforeAll(async () => {
      const client = new S3Client({ endpoint: endpoint!, forcePathStyle: true, region: 'us-east-1' });
      await client.send(new CreateBucketCommand({ Bucket: bucket })).catch(() => {});
    });
    objectStoreContract(name, () => open(`test/${systemRandom.id()}`));

    it('lists and deletes more than one page', async () => {
      const store = await open(`test/${systemRandom.id()}`);
      const names = Array.from({ length: 1100 }, (_, i) => `many/${String(i).padStart(5, '0')}`);
      for (let i = 0; i < names.length; i += 100) {
        await Promise.all(names.slice(i, i + 100).map((name) => store.create(name, bytes('1'))));
      }
      expect((await listAll(store, 'many/')).map((object) => object.name)).toEqual(names);
      await store.delete(names);
      expect(await listAll(store, 'many/')).toEqual([]);
    });

    it('loses no update between two clients', async () => {
      const prefix = `test/${systemRandom.id()}`;
      const stores = [await open(prefix), await open(prefix)];
      await Promise.all(Array.from({ length: 20 }, (_, i) => increment(stores[i % 2]!, 'counter')));
      const read = await stores[0]!.get('counter');
      expect(read.found && text(read.body)).toBe('20');
    });

    it('names the bucket that does not exist', async () => {
      const store = await S3Store.open({ bucket: 'misa-no-such-bucket', prefix: '', ...options });
      await expect(store.create('a', bytes('1'))).rejects.toMatchObject({ code: 'NO_BUCKET' });
      await expect(store.get('a')).rejects.toMatchObject({ code: 'NO_BUCKET' });
      await expect(listAll(store, '')).rejects.toThrow(/misa-no-such-bucket/);
    });

    it('counts the requests that go out', async () => {
      const requests: string[] = [];
      const onRequest = (operation: string): void => void requests.push(operation);
      const store = await S3Store.open({ bucket, prefix: `test/${systemRandom.id()}`, ...options, onRequest });
      await store.create('a', bytes('1'));
      await store.create('a', bytes('1'));
      await store.get('a', { range: { offset: 5, length: 1 } });
      await store.delete(['a']);
      await listAll(store, '');
      const read = ['GetObject', 'HeadObject'];
      expect(requests).toEqual(['PutObject', 'PutObject', ...read, 'DeleteObjects', 'ListObjectsV2']);
    });

    it('goes to the endpoint that the environment names', async () => {
      const { AWS_ENDPOINT_URL } = process.env;
      process.env.AWS_ENDPOINT_URL = endpoint;
      try {
        const prefix = `test/${systemRandom.id()}`;
        const store = await S3Store.open({ bucket, prefix, clock: systemClock, random: systemRandom });
        await store.create('a', bytes('1'));
        expect(await (await open(prefix)).get('a')).toMatchObject({ found: true });
      } finally {
        if (AWS_ENDPOINT_URL === undefined) delete process.env.AWS_ENDPOINT_URL;
        else process.env.AWS_ENDPOINT_URL = AWS_ENDPOINT_URL;
      }
    });
  });
}

describe('the S3 store, against answers that a real service gives seldom', () => {
  type Answer =
    | { status: number; code?: string; etag?: string; body?: string; contentRange?: string }
    | 'reset'
    | 'hang';
  let server: Server;
  let answers: Answer[] = [];
  let requests: string[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      requests.push(
        `${request.method} ${request.headers['if-match'] ?? request.headers['if-none-match'] ?? ''}`.trim(),
      );
      request.resume().on('end', () => {
        const answer = answers.shift() ?? { status: 500, code: 'InternalError' };
        if (answer === 'reset') return response.destroy();
        if (answer === 'hang') return undefined;
        response.statusCode = answer.status;
        response.setHeader('date', 'Tue, 14 Nov 2023 22:13:20 GMT');
        if (answer.etag) response.setHeader('etag', answer.etag);
        if (answer.contentRange) response.setHeader('content-range', answer.contentRange);
        return response.end(
          answer.code ? `<Error><Code>${answer.code}</Code><Message>told so</Message></Error>` : (answer.body ?? ''),
        );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => server.close());

  async function storeAnswering(...given: Answer[]): Promise<S3Store> {
    answers = given;
    requests = [];
    const { port } = server.address() as AddressInfo;
    // Backoff without waiting: time stands still and sleeps end at once.
    const clock = { ...systemClock, now: () => new ManualClock(5).now(), sleep: async () => {} };
    return S3Store.open({ bucket, prefix: 'p', endpoint: `http://127.0.0.1:${port}`, clock, random: seededRandom(1) });
  }
  const date = Date.UTC(2023, 10, 14, 22, 13, 20);

  it('takes its time from the Date of the answer, also when the condition is lost', async () => {
    const store = await storeAnswering(
      { status: 200, etag: '"1"' },
      { status: 412, code: 'PreconditionFailed' },
      { status: 404, code: 'NoSuchKey' },
      { status: 200, etag: '"1"', body: 'abc' },
    );
    expect(await store.create('a', bytes('1'))).toEqual({ ok: true, etag: '"1"', dateMs: date });
    expect(await store.create('a', bytes('1'))).toEqual({ ok: false, dateMs: date });
    expect(await store.get('a')).toEqual({ found: false, dateMs: date });
    expect(await store.get('a')).toMatchObject({ found: true, size: 3, dateMs: date });
  });

  it('sends the condition, and takes 404 to If-Match for a lost one', async () => {
    const store = await storeAnswering({ status: 404, code: 'NoSuchKey' }, { status: 200, etag: '"2"' });
    expect(await store.compareAndSet('m', bytes('1'), '"1"')).toEqual({ ok: false, dateMs: date });
    expect(await store.compareAndSet('m', bytes('1'), undefined)).toMatchObject({ ok: true, etag: '"2"' });
    expect(requests).toEqual(['PUT "1"', 'PUT *']);
  });

  it('tries 409 and 503 again, and gives up with an error that may be tried again', async () => {
    const conflict: Answer = { status: 409, code: 'ConditionalRequestConflict' };
    let store = await storeAnswering(conflict, { status: 503, code: 'SlowDown' }, { status: 200, etag: '"1"' });
    expect(await store.create('a', bytes('1'))).toMatchObject({ ok: true });
    store = await storeAnswering(...Array.from({ length: 20 }, () => conflict));
    await expect(store.create('a', bytes('1'))).rejects.toMatchObject({ code: 'STORE_BUSY', retryable: true });
    expect(requests.length).toBeLessThan(10);
  });

  it('does not repeat a conditional write that broke off, and says that the outcome is unknown', async () => {
    for (const answer of ['reset', { status: 500, code: 'InternalError' }] as const) {
      const store = await storeAnswering(answer, { status: 200, etag: '"1"' });
      await expect(store.create('a', bytes('1'))).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
      expect(requests).toHaveLength(1);
    }
  });

  it('repeats a read that broke off', async () => {
    const store = await storeAnswering('reset', { status: 500 }, { status: 200, etag: '"1"', body: 'abc' });
    expect(await store.get('a')).toMatchObject({ found: true, size: 3 });
  });

  it('stops waiting when aborted, with the reason', async () => {
    const store = await storeAnswering('hang');
    const reason = new Error('the deadline has passed');
    const controller = new AbortController();
    const asked = store.get('a', { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 50);
    await expect(asked).rejects.toBe(reason);
  });

  it.each([
    [{ status: 403, code: 'AccessDenied' }, 'STORE_DENIED', /s3:GetObject/],
    [{ status: 403, code: 'InvalidAccessKeyId' }, 'STORE_CREDENTIALS', /AWS_PROFILE/],
    [{ status: 400, code: 'ExpiredToken' }, 'STORE_CREDENTIALS', /Sign in/],
    [{ status: 404, code: 'NoSuchBucket' }, 'NO_BUCKET', /misa-contract/],
    [{ status: 301, code: 'PermanentRedirect' }, 'STORE_REGION', /AWS_REGION/],
    [{ status: 400, code: 'InvalidRequest' }, 'STORE_REFUSED', /told so/],
  ] as const)('says what to do about %o', async (answer, code, message) => {
    const store = await storeAnswering(answer);
    const error = await store.create('a', bytes('1')).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, retryable: false });
    expect(String(error)).toMatch(message);
    expect(requests).toHaveLength(1);
  });

  it('says that nobody is there', async () => {
    await storeAnswering();
    const store = await S3Store.open({
      bucket,
      prefix: '',
      endpoint: 'http://127.0.0.1:1',
      clock: { ...systemClock, sleep: async () => {} },
      random: seededRandom(1),
    });
    await expect(store.create('a', bytes('1'))).rejects.toMatchObject({ code: 'STORE_UNREACHABLE', retryable: true });
  });
});
