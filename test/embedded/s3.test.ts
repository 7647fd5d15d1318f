/** The embedded runtime on an S3 API, commit worker and all: the same results as on a directory. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, describe, expect, it } from 'vitest';
import { runEmbedded } from '../../lib/embedded/embedded.ts';
import { count, job, source, sum, tumbling } from '../../lib/index.ts';
import type { StoreSpec } from '../../lib/object-store/store-spec.ts';
import { expandInputs } from '../../lib/source/index.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import { systemRandom } from '../../lib/util/random.ts';

const endpoint = process.env.MISA_TEST_S3_ENDPOINT;
process.env.AWS_ACCESS_KEY_ID ??= 'test';
process.env.AWS_SECRET_ACCESS_KEY ??= 'test';
process.env.AWS_REGION ??= 'us-east-1';

const folder = mkdtempSync(path.join(tmpdir(), 'misa-s3-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const events = source<{ time: number; key: string; value: number }>('events', { eventTime: (e) => e.time, delay: 100 });
const totals = compileJob(
  job(
    'totals',
    events
      .keyBy((e) => e.key)
      .window(tumbling(1000))
      .aggregate({ n: count(), total: sum((e) => e.value) }),
    { partitions: 2, trigger: { maxRows: 50 } },
  ),
);

async function run(store: StoreSpec, output: string): Promise<string[]> {
  const inputs = new Map([['events', await expandInputs([path.join(folder, 'events-*.ndjson')])]]);
  const cacheRoot = path.join(folder, 'cache');
  await runEmbedded(totals, { store, inputs, output: { kind: 'directory', path: output }, cacheRoot, flush: true });
  return readdirSync(output)
    .filter((name) => name.endsWith('.ndjson'))
    .flatMap((name) => readFileSync(path.join(output, name), 'utf8').trim().split('\n'))
    .sort();
}

describe.skipIf(endpoint === undefined)('the embedded runtime on S3', () => {
  it('gives what it gives on a directory, and goes on from the bucket alone', async () => {
    const client = new S3Client({ endpoint: endpoint!, forcePathStyle: true, region: 'us-east-1' });
    await client.send(new CreateBucketCommand({ Bucket: 'misa-runtime' })).catch(() => {});
    const write = (file: number): void => {
      const rows = Array.from({ length: 300 }, (_, i) => {
        const at = file * 300 + i;
        return JSON.stringify({ time: at * 37 - (at % 5) * 20, key: `k${at % 7}`, value: at });
      });
      writeFileSync(path.join(folder, `events-${file}.ndjson`), `${rows.join('\n')}\n`);
    };
    const bucket: StoreSpec = { kind: 's3', bucket: 'misa-runtime', prefix: systemRandom.id(), endpoint };
    const directory: StoreSpec = { kind: 'directory', path: path.join(folder, 'store') };
    for (const file of [0, 1]) {
      write(file);
      const expected = await run(directory, path.join(folder, 'out-directory'));
      expect(await run(bucket, path.join(folder, 'out-s3'))).toEqual(expected);
    }
  });
});
