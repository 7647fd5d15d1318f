/** An S3 API of one object that misbehaves as it is told, for what a real service does seldom. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { connectS3 } from '../../lib/object-store/s3-client.ts';
import { openRows } from '../../lib/source/open-rows.ts';
import { type S3ObjectOptions, s3InputObject } from '../../lib/source/s3-object.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { type SeenRow, seen } from './helpers.ts';

process.env.AWS_ACCESS_KEY_ID ??= 'test';
process.env.AWS_SECRET_ACCESS_KEY ??= 'test';
process.env.AWS_REGION ??= 'us-east-1';

/** What becomes of one request. */
export type Fault =
  | 'none'
  | { readonly status: number; readonly code?: string }
  /** The connection breaks after so many bytes of the body. */
  | { readonly resetAfter: number }
  /** The body ends early, and the answer pretends that this is all. */
  | { readonly endAfter: number }
  /** Nothing more comes after so many bytes. */
  | { readonly hangAfter: number };

export interface FakeS3 {
  readonly endpoint: string;
  /** Of each request so far: `GET bytes=0-9`, or `GET` for the whole. */
  readonly requests: string[];
  /** Connections that were broken off by the client before their answer had ended. */
  readonly brokenOff: () => number;
  /** What is there now. */
  put(body: Buffer, etag: string): void;
}

/** @param faults of the requests in order; then none */
export async function fakeS3(
  body: Buffer,
  faults: readonly Fault[] = [],
  { ignoresConditions = false } = {},
): Promise<FakeS3> {
  let object = { body, etag: '"v1"' };
  const requests: string[] = [];
  const left = [...faults];
  let brokenOff = 0;
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { range } = request.headers;
    requests.push(`${request.method}${range === undefined ? '' : ` ${range}`}`);
    response.on('close', () => {
      if (!response.writableFinished) brokenOff++;
    });
    const fault = left.shift() ?? 'none';
    const fail = (status: number, code: string): void => {
      response.writeHead(status).end(`<Error><Code>${code}</Code><Message>told so</Message></Error>`);
    };
    if (fault !== 'none' && 'status' in fault) return fail(fault.status, fault.code ?? 'InternalError');
    if (!ignoresConditions && request.headers['if-match'] !== object.etag) return fail(412, 'PreconditionFailed');
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
    const part = object.body.subarray(Number(from ?? 0), to === undefined ? undefined : Number(to) + 1);
    const headers: Record<string, string> = { etag: object.etag };
    if (range !== undefined) headers['content-range'] = `bytes ${from}-${to}/${object.body.length}`;
    if (fault === 'none' || !('endAfter' in fault)) headers['content-length'] = String(part.length);
    response.writeHead(range === undefined ? 200 : 206, headers);
    if (fault === 'none') return void response.end(part);
    if ('endAfter' in fault) return void response.end(part.subarray(0, fault.endAfter));
    const bytes = 'resetAfter' in fault ? fault.resetAfter : fault.hangAfter;
    response.write(part.subarray(0, bytes), () => {
      // Let what was written leave before the connection breaks.
      if ('resetAfter' in fault) setTimeout(() => response.destroy(), 20);
    });
    response.flushHeaders();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    brokenOff: () => brokenOff,
    put(newBody, etag) {
      object = { body: newBody, etag };
    },
  };
}

/** Options for the object of a fake; sleeps between attempts end at once. */
export function objectOf(fake: FakeS3, size: number, name = 'in/a.ndjson'): S3ObjectOptions {
  const connection = connectS3({ endpoint: fake.endpoint });
  const clock = { ...systemClock, sleep: async (_: number, signal?: AbortSignal) => signal?.throwIfAborted() };
  return { s3: () => connection, bucket: 'bucket', key: name, etag: 'v1', size, clock, random: seededRandom(1) };
}

export async function readObject(
  options: S3ObjectOptions,
  reading: Parameters<typeof openRows>[1] = {},
): Promise<SeenRow[]> {
  const rows: SeenRow[] = [];
  for await (const chunk of openRows(s3InputObject(options), reading)) rows.push(...seen(chunk));
  return rows;
}
