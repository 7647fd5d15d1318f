/** Queues of SQS when the network and the service fail: answers that a real service gives seldom. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { OutgoingMessage, Queue } from '../../lib/queue/queue.ts';
import { QueueError } from '../../lib/queue/queue-error.ts';
import { SqsQueues } from '../../lib/queue/sqs-queue.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { seededRandom } from '../../lib/util/random.ts';

process.env.AWS_ACCESS_KEY_ID ??= 'test';
process.env.AWS_SECRET_ACCESS_KEY ??= 'test';
process.env.AWS_REGION ??= 'us-east-1';

interface Refusal {
  /** Index of the entry in the request. */
  readonly at: number;
  readonly code: string;
  readonly senderFault?: boolean;
}

type Answer = 'good' | 'reset' | 'hang' | { readonly status: number; readonly type: string } | readonly Refusal[];

interface Entry {
  readonly Id: string;
  readonly MessageBody?: string;
  readonly ReceiptHandle?: string;
}

interface FakeQueue {
  readonly queue: Queue;
  /** Of each request so far, what its entries hold. */
  readonly requests: string[][];
  readonly sleeps: number[];
}

/** A queue whose requests are answered in order as given, then well. */
async function fakeQueue(answers: readonly Answer[], name = 'q'): Promise<FakeQueue> {
  const left = [...answers];
  const requests: string[][] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    const { Entries = [] } = JSON.parse(body) as { Entries?: Entry[] };
    requests.push(Entries.map((entry) => entry.MessageBody ?? entry.ReceiptHandle ?? ''));
    const answer = left.shift() ?? 'good';
    const json = (status: number, value: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(value));
    };
    if (answer === 'reset') return void response.destroy();
    if (answer === 'hang') return;
    if (typeof answer === 'object' && 'status' in answer) {
      return json(answer.status, { __type: `com.amazonaws.sqs#${answer.type}`, message: 'told so' });
    }
    const refusals = answer === 'good' ? [] : answer;
    const refused = (i: number): Refusal | undefined => refusals.find(({ at }) => at === i);
    json(200, {
      Successful: Entries.filter((_, i) => refused(i) === undefined).map(({ Id, MessageBody = '' }) => ({
        Id,
        MessageId: `id of ${Id}`,
        MD5OfMessageBody: createHash('md5').update(MessageBody).digest('hex'),
      })),
      Failed: Entries.flatMap(({ Id }, i) => {
        const refusal = refused(i);
        if (refusal === undefined) return [];
        return [{ Id, Code: refusal.code, SenderFault: refusal.senderFault ?? false, Message: 'told so' }];
      }),
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sleeps: number[] = [];
  const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    signal?.throwIfAborted();
    sleeps.push(ms);
  };
  const queues = await SqsQueues.open({ clock: { ...systemClock, sleep }, random: seededRandom(1), endpoint });
  onTestFinished(() => queues.close());
  return { queue: queues.queue(`${endpoint}/000000000000/${name}`), requests, sleeps };
}

const numbered = (count: number): OutgoingMessage[] => Array.from({ length: count }, (_, i) => ({ body: `m${i}` }));
const THROTTLED: Answer = { status: 403, type: 'RequestThrottled' };
const failureOf = async (sent: Promise<unknown>): Promise<QueueError> => {
  const error = await sent.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(QueueError);
  return error as QueueError;
};

describe('a batch that went through in part', () => {
  it('is sent again without what went, until all went', async () => {
    const { queue, requests, sleeps } = await fakeQueue([
      [
        { at: 1, code: 'InternalError' },
        { at: 3, code: 'RequestThrottled', senderFault: true },
      ],
      [{ at: 1, code: 'ServiceUnavailable' }],
    ]);
    await queue.send(numbered(5));
    expect(requests).toEqual([['m0', 'm1', 'm2', 'm3', 'm4'], ['m1', 'm3'], ['m3']]);
    expect(sleeps).toHaveLength(2);
    expect(sleeps.every((ms) => ms > 0 && ms < 500)).toBe(true);
    expect(new Set(sleeps).size).toBe(2);
  });

  it('does not send again what the queue will never take, sends the rest, and tells how many went', async () => {
    const { queue, requests } = await fakeQueue([
      [
        { at: 0, code: 'InvalidMessageContents', senderFault: true },
        { at: 2, code: 'InternalError' },
      ],
    ]);
    const error = await failureOf(queue.send(numbered(3)));
    expect(error).toMatchObject({ code: 'BAD_MESSAGE', retryable: false, done: 2, of: 3 });
    expect(error.message).toMatch(/2 of 3 went/);
    expect(requests).toEqual([['m0', 'm1', 'm2'], ['m2']]);
  });

  it('is given up after some tries, with an error that may be tried again', async () => {
    const { queue, requests } = await fakeQueue(Array.from({ length: 50 }, () => [{ at: 0, code: 'InternalError' }]));
    const error = await failureOf(queue.send(numbered(2)));
    expect(error).toMatchObject({ code: 'QUEUE_BUSY', retryable: true, done: 1, of: 2 });
    expect(requests.length).toBeGreaterThan(3);
    expect(requests.length).toBeLessThan(10);
  });

  it('of deletes is tried again too, and tells an expired receipt', async () => {
    const { queue, requests } = await fakeQueue([
      [{ at: 0, code: 'InternalError' }],
      [],
      [{ at: 0, code: 'ReceiptHandleIsInvalid', senderFault: true }],
    ]);
    const receipts = Array.from({ length: 11 }, (_, i) => `r${i}`);
    const error = await failureOf(queue.delete(receipts));
    expect(error).toMatchObject({ code: 'RECEIPT_EXPIRED', retryable: false, done: 10, of: 11 });
    expect(requests.map((entries) => entries.length)).toEqual([10, 1, 1]);
  });
});

describe('a request that fails', () => {
  it('is sent again when it was throttled, broke off, or met a fault of the service', async () => {
    const { queue, requests } = await fakeQueue([
      THROTTLED,
      { status: 400, type: 'ThrottlingException' },
      'reset',
      { status: 500, type: 'InternalFailure' },
      { status: 503, type: 'ServiceUnavailable' },
    ]);
    await queue.send(numbered(2));
    expect(requests).toEqual(Array.from({ length: 6 }, () => ['m0', 'm1']));
  });

  it('is given up after some tries, with an error that may be tried again', async () => {
    for (const answer of [THROTTLED, 'reset'] as const) {
      const { queue, requests } = await fakeQueue(Array.from({ length: 50 }, () => answer));
      const error = await failureOf(queue.receive({ max: 1, waitSeconds: 0 }));
      expect(error).toMatchObject({ code: 'QUEUE_BUSY', retryable: true });
      expect(requests.length).toBeLessThan(10);
    }
  });

  it('tells how much of a send went before', async () => {
    const { queue } = await fakeQueue(['good', 'good', { status: 403, type: 'AccessDeniedException' }], 'q.fifo');
    expect(await failureOf(queue.send(numbered(25)))).toMatchObject({ code: 'QUEUE_DENIED', done: 20, of: 25 });
  });

  it('ends a send: what is not begun is not sent any more', async () => {
    const denied: Answer = { status: 403, type: 'AccessDeniedException' };
    const { queue, requests } = await fakeQueue(Array.from({ length: 50 }, () => denied));
    expect(await failureOf(queue.send(numbered(500)))).toMatchObject({ done: 0, of: 500 });
    expect(requests.length).toBeLessThan(10);
  });

  it.each([
    ['QueueDoesNotExist', 'NO_QUEUE', /deploy the job/],
    ['AccessDeniedException', 'QUEUE_DENIED', /Allow this role/],
    ['InvalidClientTokenId', 'QUEUE_CREDENTIALS', /Sign in/],
    ['ExpiredTokenException', 'QUEUE_CREDENTIALS', /Sign in/],
    ['InvalidMessageContents', 'BAD_MESSAGE', /does not take such a message/],
    ['BatchRequestTooLong', 'BAD_MESSAGE', /does not take such a message/],
    ['UnsupportedOperation', 'QUEUE_REFUSED', /not carried out/],
  ])('%s is %s, told at once', async (type, code, message) => {
    const { queue, requests } = await fakeQueue([{ status: 400, type }]);
    const error = await failureOf(queue.send(numbered(1)));
    expect(error).toMatchObject({ name: 'QueueError', code, retryable: false });
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/\/000000000000\/q/);
    expect(requests).toHaveLength(1);
  });

  it('that hangs ends when it is aborted, with the reason', async () => {
    const { queue } = await fakeQueue(['hang']);
    const abort = new AbortController();
    const reason = new Error('the deadline has passed');
    setTimeout(() => abort.abort(reason), 50);
    await expect(queue.send(numbered(1), { signal: abort.signal })).rejects.toBe(reason);
  });

  it('tells that nobody is there', async () => {
    const clock = { ...systemClock, sleep: async () => {} };
    const queues = await SqsQueues.open({ clock, random: seededRandom(1), endpoint: 'http://127.0.0.1:1' });
    const error = await failureOf(queues.queue('http://127.0.0.1:1/0/q').send(numbered(1)));
    expect(error).toMatchObject({ code: 'QUEUE_UNREACHABLE', retryable: true });
    expect(error.message).toMatch(/the endpoint if one is set/);
  });
});

describe('the order of a FIFO queue', () => {
  it('is kept by sending one batch after the other, each only when the one before went', async () => {
    const { queue, requests } = await fakeQueue(['good', THROTTLED, [{ at: 9, code: 'InternalError' }]], 'q.fifo');
    await queue.send(numbered(25));
    expect(requests.map((entries) => `${entries[0]}-${entries.at(-1)}`)).toEqual([
      'm0-m9',
      'm10-m19',
      'm10-m19',
      'm19-m19',
      'm20-m24',
    ]);
  });
});
