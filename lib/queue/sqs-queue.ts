/**
 * Queues of SQS. The only file that knows its client, which is loaded when queues are opened. Its own retries are
 * off: attempts.ts tries again. On a FIFO queue one request follows the other, so that messages of a group keep their order;
 * only where SQS itself refuses one message of a batch and takes a later one does that one overtake.
 */
import type * as SQS from '@aws-sdk/client-sqs';
import type { RequestOptions } from '../object-store/object-store.ts';
import { type AwsClientOptions, awsClientSettings, operationOf } from '../util/aws-client.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { type Attempts, attempt, attemptBatch, BatchFailure, type Counts } from './attempts.ts';
import { ATTRIBUTE_TYPE, batchesOf, MAX_BATCH_MESSAGES } from './batches.ts';
import type { OutgoingMessage, Queue, QueueDepth, ReceivedMessage, ReceiveOptions } from './queue.ts';

/** Longer than the longest wait for messages, which is 20 s. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Requests of one send under way together, to a standard queue. */
const CONCURRENT = 4;

export interface SqsOptions extends AwsClientOptions {
  readonly clock: Clock;
  readonly random: Random;
}

interface Connection extends SqsOptions {
  readonly sdk: typeof SQS;
  readonly client: SQS.SQSClient;
}

export class SqsQueues {
  readonly #connection: Connection;

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Loads the client. Sends nothing: what is wrong with queue or credentials, the first request tells. */
  static async open(options: SqsOptions): Promise<SqsQueues> {
    const settings = awsClientSettings('SQS', options, REQUEST_TIMEOUT_MS);
    const sdk = await import('@aws-sdk/client-sqs');
    // A queue's URL leads to its region on AWS; a local service's may name a host that only it knows.
    const client = new sdk.SQSClient({ ...settings, useQueueUrlAsEndpoint: settings.endpoint === undefined });
    client.middlewareStack.add(
      (next, context) => (args) => {
        options.onRequest?.(operationOf(context));
        return next(args);
      },
      { step: 'deserialize', priority: 'high', name: 'countRequests' },
    );
    return new SqsQueues({ ...options, sdk, client });
  }

  queue(url: string): Queue {
    return new SqsQueue(url, this.#connection);
  }

  /** Closes idle connections; queues must not be used any more. */
  close(): void {
    this.#connection.client.destroy();
  }
}

class SqsQueue implements Queue {
  readonly #url: string;
  readonly #c: Connection;

  constructor(url: string, connection: Connection) {
    this.#url = url;
    this.#c = connection;
  }

  async send(messages: readonly OutgoingMessage[], options: RequestOptions = {}): Promise<void> {
    const batches = batchesOf(messages);
    const counts = { done: 0, of: messages.length };
    const attempts = this.#attempts('send to', options);
    const sendAll = async (): Promise<void> => {
      for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
        await attemptBatch(attempts, batch, counts, async (entries) => {
          const Entries = [...entries].map(([id, message]) => entryOf(id, message));
          const command = new this.#c.sdk.SendMessageBatchCommand({ QueueUrl: this.#url, Entries });
          return (await this.#c.client.send(command, abortOf(options))).Failed ?? [];
        });
      }
    };
    const lanes = this.#url.endsWith('.fifo') ? 1 : Math.min(CONCURRENT, batches.length);
    const results = await Promise.allSettled(
      Array.from({ length: lanes }, () =>
        sendAll().catch((error: unknown) => {
          batches.length = 0; // what is not begun is not sent any more
          throw error;
        }),
      ),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw withCounts(failed.reason, counts); // all have ended: the counts are final
  }

  async delete(receipts: readonly string[], options: RequestOptions = {}): Promise<void> {
    const counts = { done: 0, of: receipts.length };
    const attempts = this.#attempts('delete from', options);
    for (let at = 0; at < receipts.length; at += MAX_BATCH_MESSAGES) {
      const batch = receipts.slice(at, at + MAX_BATCH_MESSAGES);
      await attemptBatch(attempts, batch, counts, async (entries) => {
        const Entries = [...entries].map(([Id, ReceiptHandle]) => ({ Id, ReceiptHandle }));
        const command = new this.#c.sdk.DeleteMessageBatchCommand({ QueueUrl: this.#url, Entries });
        return (await this.#c.client.send(command, abortOf(options))).Failed ?? [];
      }).catch((error: unknown) => {
        throw withCounts(error, counts);
      });
    }
  }

  async changeVisibility(receipt: string, seconds: number, options: RequestOptions = {}): Promise<void> {
    const input = { QueueUrl: this.#url, ReceiptHandle: receipt, VisibilityTimeout: seconds };
    await attempt(this.#attempts('change the visibility of a message of', options), () =>
      this.#c.client.send(new this.#c.sdk.ChangeMessageVisibilityCommand(input), abortOf(options)),
    );
  }

  async receive(options: ReceiveOptions): Promise<ReceivedMessage[]> {
    const { max, waitSeconds, visibilitySeconds } = options;
    const input = {
      QueueUrl: this.#url,
      MaxNumberOfMessages: Math.min(MAX_BATCH_MESSAGES, max),
      WaitTimeSeconds: waitSeconds,
      VisibilityTimeout: visibilitySeconds,
      MessageAttributeNames: ['All'],
      MessageSystemAttributeNames: ['ApproximateReceiveCount' as const],
    };
    const { Messages = [] } = await attempt(this.#attempts('receive from', options), () =>
      this.#c.client.send(new this.#c.sdk.ReceiveMessageCommand(input), abortOf(options)),
    );
    return Messages.map(receivedMessage);
  }

  async depth(options: RequestOptions = {}): Promise<QueueDepth> {
    const names = [
      'ApproximateNumberOfMessages',
      'ApproximateNumberOfMessagesNotVisible',
      'ApproximateNumberOfMessagesDelayed',
    ] as const;
    const input = { QueueUrl: this.#url, AttributeNames: [...names] };
    const { Attributes = {} } = await attempt(this.#attempts('look at', options), () =>
      this.#c.client.send(new this.#c.sdk.GetQueueAttributesCommand(input), abortOf(options)),
    );
    const [visible, inFlight, delayed] = names.map((name) => Number(Attributes[name] ?? 0));
    return { visible: visible!, inFlight: inFlight!, delayed: delayed! };
  }

  #attempts(doing: string, { signal }: RequestOptions): Attempts {
    const { clock, random } = this.#c;
    return { clock, random, signal, doing: `${doing} ${this.#url}` };
  }
}

function withCounts(error: unknown, counts: Counts): unknown {
  return error instanceof BatchFailure ? error.toError(counts) : error;
}

function entryOf(Id: string, message: OutgoingMessage): SQS.SendMessageBatchRequestEntry {
  const { body, group, dedupId, attributes = {}, delaySeconds } = message;
  const MessageAttributes = Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [name, { DataType: ATTRIBUTE_TYPE, StringValue: value }]),
  );
  return {
    Id,
    MessageBody: body,
    ...(group === undefined ? {} : { MessageGroupId: group }),
    ...(dedupId === undefined ? {} : { MessageDeduplicationId: dedupId }),
    ...(delaySeconds === undefined ? {} : { DelaySeconds: delaySeconds }),
    ...(Object.keys(MessageAttributes).length === 0 ? {} : { MessageAttributes }),
  };
}

function receivedMessage(message: SQS.Message): ReceivedMessage {
  const attributes: Record<string, string> = {};
  for (const [name, { StringValue }] of Object.entries(message.MessageAttributes ?? {})) {
    if (StringValue !== undefined) attributes[name] = StringValue;
  }
  return {
    id: message.MessageId ?? '',
    receipt: message.ReceiptHandle ?? '',
    body: message.Body ?? '',
    attributes,
    receiveCount: Number(message.Attributes?.ApproximateReceiveCount ?? 1),
  };
}

function abortOf({ signal }: RequestOptions): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}
