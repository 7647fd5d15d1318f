/** Listings of S3 that a small test bucket does not show: pages, keys that XML cannot hold, refusals, and S3 in trouble. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { S3Inputs } from '../../lib/source/s3-inputs.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { seededRandom } from '../../lib/util/random.ts';

process.env.AWS_ACCESS_KEY_ID ??= 'test';
process.env.AWS_SECRET_ACCESS_KEY ??= 'test';
process.env.AWS_REGION ??= 'us-east-1';

type Answer = { readonly status: number; readonly code: string } | readonly string[];

/** Answers requests in order: keys of a page, of which another follows if another answer does; or a refusal. */
async function fake(answers: readonly Answer[]): Promise<{ inputs: S3Inputs; requests: URL[] }> {
  const requests: URL[] = [];
  const server = createServer(({ url }, response) => {
    requests.push(new URL(url!, 'http://s3'));
    const answer = answers[requests.length - 1] ?? [];
    if ('status' in answer) {
      response.writeHead(answer.status).end(`<Error><Code>${answer.code}</Code><Message>told so</Message></Error>`);
      return;
    }
    const keys = answer.map((key) => encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/'));
    const contents = keys.map((key) => `<Contents><Key>${key}</Key><ETag>"e"</ETag><Size>5</Size></Contents>`);
    const next =
      requests.length < answers.length ? `<NextContinuationToken>t${requests.length}</NextContinuationToken>` : '';
    const body = `<EncodingType>url</EncodingType>${next}${contents.join('')}`;
    response.writeHead(200, { 'content-type': 'application/xml' }).end(`<ListBucketResult>${body}</ListBucketResult>`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const clock = { ...systemClock, sleep: async (_: number, signal?: AbortSignal) => signal?.throwIfAborted() };
  return { inputs: new S3Inputs({ endpoint, clock, random: seededRandom(1) }), requests };
}

const found = async (inputs: S3Inputs, url: string): Promise<string[]> => (await inputs.find(url)).map((o) => o.path);
const busy = { status: 503, code: 'SlowDown' };

describe('objects of a glob', () => {
  it('come from all pages, in code-unit order, by the part of the key that is fixed', async () => {
    const { inputs, requests } = await fake([
      ['d/10.csv', 'd/9.csv', 'd/x/1.csv'],
      busy,
      ['d/Z.csv', 'd/1.csv', 'd/1.txt'],
    ]);
    const list = ['d/1.csv', 'd/10.csv', 'd/9.csv', 'd/Z.csv'];
    expect(await found(inputs, 's3://bucket/d/*.csv')).toEqual(list.map((key) => `s3://bucket/${key}`));
    expect(requests.map((url) => url.searchParams.get('prefix'))).toEqual(['d/', 'd/', 'd/']);
    expect(requests.map((url) => url.searchParams.get('continuation-token'))).toEqual([null, 't1', 't1']);
  });

  it('may have any key', async () => {
    const keys = ['a b.csv', 'a+b.csv', 'a%20b.csv', 'a\u0001.csv', 'a/ü/€.csv', 'a[1].csv', 's3:/x.csv'];
    const { inputs } = await fake([keys]);
    expect(await found(inputs, 'S3://bucket/**/*.csv')).toEqual([...keys].sort().map((key) => `s3://bucket/${key}`));
  });

  it('are one where a key is as it is written', async () => {
    const { inputs } = await fake([['a[1].csv', 'a1.csv']]);
    expect(await found(inputs, 's3://bucket/a[1].csv')).toEqual(['s3://bucket/a[1].csv']);
  });

  it('match as names of files do', async () => {
    const keys = ['y=1/m=2/a.csv', 'y=1/.m/a.csv', 'y=1/m=2/.a.csv', 'y=1/b.csv', 'y=2/a.tsv', 'y=3/a.csv', 'z/a.csv'];
    for (const [pattern, expected] of [
      ['y=*/**/*.csv', ['y=1/b.csv', 'y=1/m=2/a.csv', 'y=3/a.csv']],
      ['y={2,3}/*', ['y=2/a.tsv', 'y=3/a.csv']],
      ['y=[1-2]/?.?sv', ['y=1/b.csv', 'y=2/a.tsv']],
    ] as const) {
      const { inputs } = await fake([keys]);
      expect(await found(inputs, `s3://bucket/${pattern}`), pattern).toEqual(
        expected.map((key) => `s3://bucket/${key}`),
      );
    }
  });

  it.each([
    [{ status: 403, code: 'AccessDenied' }, 'INPUT_UNREADABLE', /s3:ListBucket on arn:aws:s3:::bucket/],
    [{ status: 404, code: 'NoSuchBucket' }, 'INPUT_MISSING', /There is no bucket bucket/],
    [{ status: 400, code: 'InvalidToken' }, 'INPUT_UNREADABLE', /Check credentials/],
  ] as const)('refused by %j: says what to do', async (answer, code, message) => {
    const { inputs } = await fake([answer]);
    const error = expect.objectContaining({ code, message: expect.stringMatching(message) });
    await expect(inputs.find('s3://bucket/*.csv')).rejects.toEqual(error);
    // A HEAD has no body: what is wrong is asked again.
    const { inputs: named } = await fake([answer, answer]);
    const bucketOrKey = code === 'INPUT_UNREADABLE' ? code : 'INPUT_MISSING';
    await expect(named.find('s3://bucket/a.csv')).rejects.toMatchObject({ code: bucketOrKey });
  });

  it('cannot be had from an S3 that stays busy', async () => {
    const { inputs, requests } = await fake(Array.from({ length: 20 }, () => busy));
    await expect(inputs.find('s3://bucket/*.csv')).rejects.toMatchObject({ code: 'INPUT_UNREADABLE', retryable: true });
    expect(requests.length).toBeLessThan(10);
  });

  it.each(['s3://', 's3://B', 's3:///a.csv', 's3://a_b/c.csv'])('%s names none', async (url) => {
    const { inputs, requests } = await fake([]);
    await expect(inputs.find(url)).rejects.toMatchObject({ code: 'INPUT_MISSING' });
    expect(requests).toEqual([]);
  });
});
