/**
 * A FIFO queue as AWS documents it: a group's messages are given out in their order, and none of a group while others of it
 * are in flight; a second message of the same de-duplication id and group within five minutes is taken and dropped; one that
 * was received too often goes to the dead letters.
 */
import type { SQSBatchResponse, SQSRecord } from 'aws-lambda';
import type { OutgoingMessage, Queue } from '../../lib/queue/queue.ts';
import type { Clock } from '../../lib/util/clock.ts';

const DEDUPLICATED_MS = 5 * 60_000;

interface Held extends OutgoingMessage {
  readonly id: string;
  readonly group: string;
  readonly sentMs: number;
  receives: number;
  /** In flight until then. */
  hiddenMs: number;
}

export class FifoQueue {
  /** Bodies that were given up. */
  readonly dead: string[] = [];
  readonly #clock: Clock;
  readonly #options: { readonly visibilityMs: number; readonly maxReceives: number };
  readonly #seen = new Map<string, number>();
  #messages: Held[] = [];
  #sent = 0;

  constructor(clock: Clock, options: { readonly visibilityMs: number; readonly maxReceives: number }) {
    this.#clock = clock;
    this.#options = options;
  }

  get length(): number {
    return this.#messages.length;
  }

  /** As far as functions and senders ask for. */
  get queue(): Pick<Queue, 'send' | 'changeVisibility'> {
    return {
      send: async (messages) => {
        for (const message of messages) this.#send(message);
      },
      changeVisibility: async (receipt, seconds) => {
        const held = this.#messages.find(({ id, receives }) => `${id}/${receives}` === receipt);
        if (held !== undefined) held.hiddenMs = this.#clock.now() + seconds * 1000;
      },
    };
  }

  /** Up to so many messages for one invocation, in flight from now on. */
  receive(max: number): SQSRecord[] {
    const nowMs = this.#clock.now();
    const busy = new Set(this.#messages.filter(({ hiddenMs }) => hiddenMs > nowMs).map(({ group }) => group));
    const taken: Held[] = [];
    for (const held of this.#messages) {
      if (taken.length === max) break;
      if (busy.has(held.group)) continue;
      held.receives++;
      if (held.receives > this.#options.maxReceives) this.dead.push(held.body);
      else taken.push(held);
    }
    this.#messages = this.#messages.filter(({ receives }) => receives <= this.#options.maxReceives);
    for (const held of taken) held.hiddenMs = nowMs + this.#options.visibilityMs;
    return taken.map(recordOf);
  }

  /** As Lambda does with the answer of a function: what is not in it is deleted. */
  answer(records: readonly SQSRecord[], { batchItemFailures }: SQSBatchResponse): void {
    const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
    const done = new Set(records.map(({ messageId }) => messageId).filter((id) => !failed.has(id)));
    this.#messages = this.#messages.filter(({ id }) => !done.has(id));
  }

  #send(message: OutgoingMessage): void {
    const { group, dedupId } = message;
    if (group === undefined || dedupId === undefined) throw new Error('a FIFO queue needs a group, and an id');
    const [key, nowMs] = [`${group}/${dedupId}`, this.#clock.now()];
    const seenMs = this.#seen.get(key);
    if (seenMs !== undefined && nowMs - seenMs < DEDUPLICATED_MS) return;
    this.#seen.set(key, nowMs);
    this.#messages.push({ ...message, group, id: `m${++this.#sent}`, sentMs: nowMs, receives: 0, hiddenMs: 0 });
  }
}

function recordOf({ id, body, group, dedupId, sentMs, receives }: Held): SQSRecord {
  return {
    messageId: id,
    receiptHandle: `${id}/${receives}`,
    body,
    attributes: {
      ApproximateReceiveCount: String(receives),
      SentTimestamp: String(sentMs),
      SequenceNumber: id.slice(1).padStart(20, '0'),
      MessageGroupId: group,
      MessageDeduplicationId: dedupId,
    },
    messageAttributes: {},
    eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:records.fifo',
  } as unknown as SQSRecord;
}
