/** `run` over objects in S3: found by URL and glob, read once, refused when they are other ones than those that were read. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { runJob } from '../../lib/embedded/run-job.ts';
import { type BatchResults, count, InputError, job, type RunOptions, run, source, sum } from '../../lib/index.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { openRows } from '../../lib/source/open-rows.ts';
import { S3Inputs } from '../../lib/source/s3-inputs.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { seededRandom, systemRandom } from '../../lib/util/random.ts';
import { NO_TRACE } from '../../lib/util/trace.ts';
import { FastClock, physical, rowsOf as publishedRows, testCommitter } from '../helpers/engine.ts';
import { CrashError, hookedStore } from '../helpers/stores.ts';

const endpoint = process.env.MISA_TEST_S3_ENDPOINT;
process.env.AWS_ACCESS_KEY_ID ??= 'test';
process.env.AWS_SECRET_ACCESS_KEY ??= 'test';
process.env.AWS_REGION ??= 'us-east-1';

const root = mkdtempSync(path.join(tmpdir(), 'misa-s3-inputs-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const BUCKET = 'misa-s3-inputs';
let spaces = 0;
let lives = 1;

const events = source<{ key: string; n: number }>('events');
const totals = job('totals', events.keyBy((e) => e.key).aggregate({ rows: count(), total: sum((e) => e.n) }), {
  outputMode: 'update',
  partitions: 2,
  trigger: { maxRows: 40 },
});

interface Totals {
  readonly key: string;
  readonly rows: number;
  readonly total: number;
}
interface Row {
  readonly key: string;
  readonly n: number;
}
const rowsOf = (from: number, to: number): Row[] =>
  Array.from({ length: to - from }, (_, i) => ({ key: `k${(from + i) % 3}`, n: from + i }));
const ndjson = (rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** What a person would count by hand. */
function expected(rows: readonly Row[]): Record<string, [number, number]> {
  const found: Record<string, [number, number]> = {};
  for (const { key, n } of rows) found[key] = [(found[key]?.[0] ?? 0) + 1, (found[key]?.[1] ?? 0) + n];
  return found;
}

/** Passes requests on to S3, and tells which there were: `GET /bucket/key bytes=5-9`. */
async function watching(target: string): Promise<{ endpoint: string; requests: string[] }> {
  const requests: string[] = [];
  const server = createServer((incoming, outgoing) => {
    requests.push(`${incoming.method} ${incoming.url} ${incoming.headers.range ?? ''}`);
    const { method, headers } = incoming;
    const onward = request(new URL(incoming.url!, target), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

describe.skipIf(endpoint === undefined)('run over objects in S3', () => {
  const client = new S3Client({ endpoint: endpoint ?? '', forcePathStyle: true, region: 'us-east-1' });
  beforeAll(async () => {
    await client.send(new CreateBucketCommand({ Bucket: BUCKET })).catch(() => {});
  });
  afterAll(() => client.destroy());

  /** A prefix of its own, a store, and the totals that `onBatch` has been given, over all runs. */
  function space() {
    const prefix = `${systemRandom.id()}/`;
    const url = `s3://${BUCKET}/${prefix}`;
    const store = path.join(root, `store-${spaces++}`);
    const seen: Record<string, [number, number]> = {};
    const put = async (name: string, body: string | Uint8Array): Promise<void> => {
      await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: prefix + name, Body: body }));
    };
    const remove = async (name: string): Promise<void> => {
      await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: prefix + name }));
    };
    const go = (pattern: string | readonly string[], options: Partial<RunOptions> = {}) => {
      const texts = typeof pattern === 'string' ? [pattern] : pattern;
      return run(totals, {
        inputs: { events: texts.map((text) => url + text) },
        store,
        endpoint,
        onBatch: ({ rows }: BatchResults) => {
          for (const row of rows as Totals[]) seen[row.key] = [row.rows, row.total];
        },
        ...options,
      } as RunOptions).done;
    };
    return { prefix, url, store, seen, put, remove, go };
  }

  it('reads all that a glob matches, sorted, once; the next run reads what is new', async () => {
    const { put, go, seen } = space();
    await put('in/b.ndjson.gz', gzipSync(ndjson(rowsOf(60, 110))));
    await put('in/a.ndjson', ndjson(rowsOf(0, 60)));
    await put(
      'in/c d+ü.csv',
      `key,n\n${rowsOf(110, 130)
        .map((r) => `${r.key},${r.n}\n`)
        .join('')}`,
    );
    await put('in/.hidden.ndjson', 'not read');
    await put('in/deep/x.ndjson', 'not read');
    await put('other/x.ndjson', 'not read');
    await put('in/', Buffer.alloc(0));
    const first = await go('in/*');
    expect(first).toMatchObject({ rows: 130, quarantined: 0 });
    expect(seen).toEqual(expected(rowsOf(0, 130)));
    const proxy = await watching(endpoint!);
    expect(await go('in/*', { endpoint: proxy.endpoint })).toMatchObject({ rows: 0 });
    // What is known in its version is not opened.
    expect(proxy.requests).toEqual([expect.stringMatching(/^GET .*list-type=2/)]);
    await put('in/d.ndjson', ndjson(rowsOf(130, 150)));
    expect(await go('in/*')).toMatchObject({ rows: 20 });
    // Under another pattern, an object is the same one.
    expect(await go(['in/a.ndjson', 'in/{b,c}*', 'in/d.ndjson'])).toMatchObject({ rows: 0 });
    expect(seen).toEqual(expected(rowsOf(0, 150)));
  });

  it('goes on in the middle of an object without reading it from its beginning', async () => {
    const { put, go, seen, prefix } = space();
    const wide = rowsOf(0, 6000).map((row) => ({ ...row, pad: 'x'.repeat(1000) }));
    await put('big.ndjson', ndjson(wide));
    const stop = new AbortController();
    const first = await go('big.ndjson', {
      signal: stop.signal,
      onEvent: ({ type }) => {
        if (type === 'progress') stop.abort();
      },
      batchRows: 1500,
    });
    expect(first.reason).toBe('stopped');
    expect(first.rows).toBeLessThan(6000);
    const proxy = await watching(endpoint!);
    expect(await go('big.ndjson', { endpoint: proxy.endpoint })).toMatchObject({ rows: 6000 - first.rows });
    expect(seen).toEqual(expected(rowsOf(0, 6000)));
    const gets = proxy.requests.filter((r) => r.startsWith(`GET /${BUCKET}/${prefix}big.ndjson`));
    const froms = gets.map((r) => Number(/bytes=(\d+)-/.exec(r)?.[1] ?? 0));
    // The last MiB before is compared; what is before that is not asked for.
    expect(Math.min(...froms)).toBeGreaterThanOrEqual(1 << 20);
  });

  it('replays a batch that was planned and not finished, if the object still begins as it did', async () => {
    const clock = new FastClock();
    const physicalJob = physical(totals, { trigger: { maxRows: 40, maxBytes: 1 << 20, maxWaitMs: 0 } });
    for (const change of ['none', 'rewritten', 'longer', 'other', 'gone'] as const) {
      const { put, remove, url } = space();
      const s3 = new S3Inputs({ endpoint, clock: systemClock, random: seededRandom(1) });
      const live = async (store: ObjectStore): Promise<void> => {
        const inputs = new Map([['events', await s3.find(`${url}a.ndjson.gz`)]]);
        const env = { store, clock, random: seededRandom(lives++), trace: NO_TRACE };
        await runJob(physicalJob, {
          ...env,
          cache: undefined,
          retentionMs: 1e12,
          committer: (context) => testCommitter(context, { job: physicalJob, store }),
          inputs,
          lookAt: (name) => s3.ref(name),
        });
      };
      await put('a.ndjson.gz', gzipSync(ndjson(rowsOf(0, 100))));
      const store = new MemoryStore({ clock });
      let dead = false;
      const dying = hookedStore(store, {
        after({ op, name }) {
          dead ||= op === 'create' && name.includes('/plan/') && name.endsWith('002');
          if (dead) throw new CrashError('dead');
        },
        before() {
          if (dead) throw new CrashError('dead');
        },
      });
      await expect(live(dying)).rejects.toThrow();
      expect(dead).toBe(true);
      if (change === 'rewritten') await put('a.ndjson.gz', gzipSync(ndjson(rowsOf(0, 100)), { level: 1 }));
      if (change === 'longer') await put('a.ndjson.gz', gzipSync(ndjson(rowsOf(0, 130))));
      if (change === 'other') await put('a.ndjson.gz', gzipSync(ndjson(rowsOf(1, 101))));
      if (change === 'other') {
        await expect(live(store)).rejects.toMatchObject({ code: 'INPUT_CHANGED' });
        continue;
      }
      if (change === 'gone') {
        await remove('a.ndjson.gz');
        await expect(live(store)).rejects.toMatchObject({ code: 'INPUT_MISSING' });
        continue;
      }
      await live(store);
      const last: Record<string, [number, number]> = {};
      for (const row of (await publishedRows(store, physicalJob, 'out')).flat() as Totals[]) {
        last[row.key] = [row.rows, row.total];
      }
      expect(last, change).toEqual(expected(rowsOf(0, change === 'longer' ? 130 : 100)));
    }
  });

  it('refuses an object that was overwritten after it was read; text that only got longer is read on', async () => {
    const { put, go, seen, url } = space();
    await put('a.ndjson', ndjson(rowsOf(0, 60)));
    await put('b.ndjson.gz', gzipSync(ndjson(rowsOf(60, 80))));
    await go('*');
    await put('a.ndjson', ndjson(rowsOf(0, 60)) + ndjson(rowsOf(80, 90)));
    // Another etag, and the same content.
    await put('b.ndjson.gz', gzipSync(ndjson(rowsOf(60, 80)), { level: 1 }));
    expect(await go('*')).toMatchObject({ rows: 10 });
    expect(seen).toEqual(expected(rowsOf(0, 90)));
    await put('b.ndjson.gz', gzipSync(ndjson(rowsOf(160, 180))));
    const refused = await go('*').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(InputError);
    expect(refused).toMatchObject({ code: 'INPUT_CHANGED', sourceObject: `${url}b.ndjson.gz` });
  });

  it('asks about content that was read under another key, and does as it is told', async () => {
    const { put, remove, go, seen, prefix } = space();
    await put('a.ndjson', ndjson(rowsOf(0, 60)));
    await go('*');
    const copy = { Bucket: BUCKET, Key: `${prefix}moved.ndjson`, CopySource: `${BUCKET}/${prefix}a.ndjson` };
    await client.send(new CopyObjectCommand(copy));
    await remove('a.ndjson');
    await expect(go('*')).rejects.toMatchObject({ code: 'INPUT_MOVED' });
    expect(await go('*', { moved: 'skip' })).toMatchObject({ rows: 0 });
    expect(await go('*')).toMatchObject({ rows: 0 });
    expect(seen).toEqual(expected(rowsOf(0, 60)));
  });

  it('knows the content of a file that was read here and then uploaded', async () => {
    const { put, go, seen, url } = space();
    const file = path.join(root, 'here.ndjson');
    writeFileSync(file, ndjson(rowsOf(0, 60)));
    const inputs = { events: [file] };
    expect(await go([], { inputs })).toMatchObject({ rows: 60 });
    await put('there.ndjson.gz', gzipSync(ndjson(rowsOf(0, 70))));
    await expect(go('there*')).rejects.toMatchObject({ code: 'INPUT_MOVED', sourceObject: `${url}there.ndjson.gz` });
    expect(await go('there*', { moved: 'skip' })).toMatchObject({ rows: 10 });
    expect(seen).toEqual(expected(rowsOf(0, 70)));
  });

  it('reads Parquet in place', async () => {
    const { put, go, seen } = space();
    const rows = rowsOf(0, 100);
    const columnData = [
      { name: 'key', data: rows.map((row) => row.key), type: 'STRING' as const },
      { name: 'n', data: rows.map((row) => row.n), type: 'INT32' as const },
    ];
    await put('a.parquet', new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 30 })));
    expect(await go('*.parquet')).toMatchObject({ rows: 100 });
    expect(await go('*.parquet')).toMatchObject({ rows: 0 });
    expect(seen).toEqual(expected(rows));
  });

  it('tells when an object goes, or is another one, between listing and reading', async () => {
    const { put, remove, url } = space();
    const s3 = new S3Inputs({ endpoint, clock: systemClock, random: seededRandom(1) });
    await put('a.ndjson', ndjson(rowsOf(0, 5)));
    const [ref] = await s3.find(`${url}a.ndjson`);
    const reading = async (): Promise<void> => {
      for await (const _ of openRows(ref!));
    };
    await put('a.ndjson', ndjson(rowsOf(0, 6)));
    await expect(reading()).rejects.toMatchObject({
      code: 'INPUT_CHANGED',
      message: expect.stringContaining('since it was listed'),
    });
    await remove('a.ndjson');
    await expect(reading()).rejects.toMatchObject({
      code: 'INPUT_MISSING',
      message: expect.stringContaining('Put it back'),
    });
    await expect(s3.ref(`${url}a.ndjson`)).rejects.toMatchObject({ code: 'INPUT_MISSING' });
  });

  it('waits for objects with watch', async () => {
    const { put, go, seen } = space();
    const stop = new AbortController();
    const running = go('*.ndjson', {
      watch: true,
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === 'idle' && event.position === 0) void put('a.ndjson', ndjson(rowsOf(0, 10)).trimEnd());
        if (event.type === 'progress') stop.abort();
      },
    });
    expect(await running).toMatchObject({ reason: 'stopped', rows: 10 });
    expect(seen).toEqual(expected(rowsOf(0, 10)));
  });

  it('says what to do where nothing is found', async () => {
    const { put, go, url, store } = space();
    await put('in/a.ndjson', ndjson(rowsOf(0, 3)));
    const codeOf = (pattern: string) => go(pattern).catch((error: InputError) => [error.code, error.message]);
    expect(await codeOf('in/*.csv')).toEqual(['INPUT_MISSING', expect.stringContaining(`There: ${url}in/a.ndjson`)]);
    expect(await codeOf('in/b.ndjson')).toEqual(['INPUT_MISSING', expect.stringContaining(`${url}in/a.ndjson`)]);
    expect(await codeOf('in/')).toEqual(['INPUT_UNREADABLE', expect.stringContaining(`'${url}in/**/*.ndjson'`)]);
    await put('in/a.txt', 'x');
    expect(await codeOf('in/*')).toEqual(['INPUT_FORMAT', expect.stringContaining('a.txt')]);
    for (const text of ['s3://misa-no-such-bucket/*.ndjson', 's3://misa-no-such-bucket/a.ndjson']) {
      const { done } = run(totals, { inputs: { events: text }, store, endpoint });
      await expect(done).rejects.toMatchObject({
        code: 'INPUT_MISSING',
        message: expect.stringContaining('There is no bucket misa-no-such-bucket'),
      });
    }
  });

  it('has its state at the root of a bucket', async () => {
    const bucket = `misa-root-${systemRandom
      .id()
      .toLowerCase()
      .replace(/[^a-z0-9]/g, '')}`.slice(0, 60);
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    const { put, go, seen } = space();
    await put('a.ndjson', ndjson(rowsOf(0, 60)));
    expect(await go('*', { store: `s3://${bucket}` })).toMatchObject({ rows: 60 });
    await put('b.ndjson', ndjson(rowsOf(60, 100)));
    expect(await go('*', { store: `s3://${bucket}` })).toMatchObject({ rows: 40 });
    expect(await go('*', { store: `s3://${bucket}/` })).toMatchObject({ rows: 0 });
    expect(seen).toEqual(expected(rowsOf(0, 100)));
  });
});
