import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DirectoryStore } from '../../lib/object-store/directory-store.ts';
import { constantLatency, LatencyStore } from '../../lib/object-store/latency-store.ts';
import { S3Store } from '../../lib/object-store/s3-store.ts';
import { openStore, parseStoreUrl } from '../../lib/object-store/store-spec.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { bytes } from './contract.ts';

const root = mkdtempSync(join(tmpdir(), 'misa-store-spec-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const options = { clock: systemClock, random: systemRandom };

describe('the address of a store', () => {
  it.each([
    ['s3://bucket', { kind: 's3', bucket: 'bucket', prefix: '' }],
    ['s3://my-bucket/a/b/', { kind: 's3', bucket: 'my-bucket', prefix: 'a/b' }],
    ['state', { kind: 'directory', path: resolve('state') }],
    ['/tmp/state', { kind: 'directory', path: '/tmp/state' }],
    ['file:///tmp/my%20state', { kind: 'directory', path: '/tmp/my state' }],
  ])('reads %s', (url, spec) => {
    expect(parseStoreUrl(url)).toEqual(spec);
  });

  it('keeps the endpoint of a bucket', () => {
    expect(parseStoreUrl('s3://bucket/p', 'http://localhost:4566')).toMatchObject({
      endpoint: 'http://localhost:4566',
    });
  });

  it.each(['', 's3://', 's3://B_/x', 's3://bucket/a//b', 's3://bucket/a b', 'https://example.com/x', 'gs://bucket/x'])(
    'refuses %j and says how to write it',
    (url) => {
      expect(() => parseStoreUrl(url)).toThrow(/write s3:\/\/bucket\/prefix, or the path of a directory/);
    },
  );
});

describe('a store from plain data', () => {
  it('opens the same directory again after the data went through JSON', async () => {
    const spec = parseStoreUrl(join(root, 'store'));
    const store = await openStore(spec, options);
    expect(store).toBeInstanceOf(DirectoryStore);
    await store.create('a', bytes('1'));
    const other = await openStore(JSON.parse(JSON.stringify({ ...spec, latency: constantLatency(1) })), options);
    expect(other).toBeInstanceOf(LatencyStore);
    expect((await other.get('a')).found).toBe(true);
  });

  it('opens a bucket without asking for it', async () => {
    expect(await openStore(parseStoreUrl('s3://bucket/p', 'http://127.0.0.1:1'), options)).toBeInstanceOf(S3Store);
  });
});
