/**
 * What the tests of sinks share: batches, a local AWS, and a server before it that loses requests and answers. The local
 * AWS is that of the test set-up (`MISA_TEST_S3_ENDPOINT`).
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe } from 'vitest';
import type { FileOptions } from '../../lib/sinks/result-files.ts';
import type { ResultBatch } from '../../lib/sinks/sink.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { decodeNdjson, encodeNdjson } from '../../lib/util/ndjson.ts';
import { type Random, seededRandom, systemRandom } from '../../lib/util/random.ts';

process.env.AWS_ACCESS_KEY_ID ??= 'test';
process.env.AWS_SECRET_ACCESS_KEY ??= 'test';
process.env.AWS_REGION ??= 'us-east-1';

export const ENDPOINT = process.env.MISA_TEST_S3_ENDPOINT;

/** Tests against the local AWS; skipped, and said so, where there is none. */
export function describeWithAws(name: string, tests: (endpoint: string) => void): void {
  if (ENDPOINT !== undefined) return void describe(name, () => tests(ENDPOINT!));
  console.warn(`SKIPPED: ${name}: MISA_TEST_S3_ENDPOINT is not set`);
  describe.skip(`${name} (set MISA_TEST_S3_ENDPOINT)`, () => tests('http://127.0.0.1:1'));
}

/** A name that no other test uses. */
export const unique = (prefix: string): string => `${prefix}-${systemRandom.id()}`;

/** Settings of clients of the local AWS. */
export const at = (endpoint: string) => ({ endpoint, region: 'us-east-1' });

/** Retries without waiting. */
export const quick = { ...systemClock, sleep: async () => {} };

export function serviceOptions(endpoint: string, seed = 1): FileOptions {
  const store = { kind: 's3', bucket: 'misa-state', prefix: 'misa', endpoint } as const;
  return { clock: quick, random: seededRandom(seed), endpoint, store };
}

/** @param rows as a job emits them: they are read back from their bytes */
export function makeBatch(rows: readonly unknown[], at: Partial<ResultBatch> = {}): ResultBatch {
  const bytes = encodeNdjson(rows);
  return {
    job: 'flights',
    jobId: 'run1',
    epoch: 1,
    output: 'hourly',
    partition: 0,
    n: 1,
    rows: decodeNdjson(bytes),
    bytes,
    ...at,
  };
}

export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  return items.map(() => left.splice(Math.floor(random.next() * left.length), 1)[0]!);
}

/** `pass`: as it is. `lose`: it takes effect and the connection breaks. Else the answer, without effect. */
export type Fate = 'pass' | 'lose' | 'break' | { readonly status: number; readonly body: unknown };

export interface Request {
  /** The operation, for example `PutEvents`. */
  readonly operation: string;
  // biome-ignore lint/suspicious/noExplicitAny: requests of several services
  readonly body: any;
  readonly index: number;
}

/** A server before the local AWS. */
export class FaultyAws {
  readonly requests: Request[] = [];
  mostAtOnce = 0;
  #running = 0;
  readonly #server;
  #fate: (request: Request) => Fate = () => 'pass';

  private constructor(target: string) {
    this.#server = createServer(async (request, response) => {
      this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#running);
      await this.#handle(target, request, response).catch(() => response.destroy());
      this.#running--;
    });
  }

  static async open(target: string): Promise<FaultyAws> {
    const aws = new FaultyAws(target);
    await new Promise<void>((resolve) => aws.#server.listen(0, '127.0.0.1', resolve));
    return aws;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on; forgets the requests so far. */
  decide(fate: (request: Request) => Fate): void {
    this.#fate = fate;
    this.requests.length = 0;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #handle(target: string, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    const operation = String(incoming.headers['x-amz-target'] ?? incoming.method).replace(/.*\./, '');
    const body = incoming.headers['x-amz-target'] === undefined ? bytes : JSON.parse(bytes.toString());
    const request = { operation, body, index: this.requests.length };
    this.requests.push(request);
    const fate = this.#fate(request);
    if (typeof fate === 'object') {
      response.writeHead(fate.status, { 'content-type': 'application/x-amz-json-1.0' });
      return void response.end(JSON.stringify(fate.body));
    }
    if (fate === 'break') return void response.destroy();
    const headers = Object.fromEntries(
      Object.entries(incoming.headers).filter(([name]) => !/^(host|connection|content-length|expect)$/.test(name)),
    ) as Record<string, string>;
    const method = incoming.method ?? 'POST';
    const answer = await fetch(target + incoming.url, {
      method,
      headers,
      ...(bytes.length > 0 ? { body: bytes } : {}),
    });
    const answered = Buffer.from(await answer.arrayBuffer());
    if (fate === 'lose') return void response.destroy();
    const kept = [...answer.headers].filter(
      ([name]) => !/^(transfer-encoding|content-encoding|content-length|connection)$/.test(name),
    );
    response.writeHead(answer.status, Object.fromEntries(kept));
    response.end(answered);
  }
}
