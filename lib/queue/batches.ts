/**
 * How messages are put together to requests, and what does not fit into any: SQS takes at most ten messages and 1 MiB at
 * once, counted in bytes of UTF-8, names, types and values of attributes included.
 */
import type { OutgoingMessage } from './queue.ts';
import { QueueError } from './queue-error.ts';

/** Largest message, and largest batch of them, bytes. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;
export const MAX_BATCH_MESSAGES = 10;
/** All attributes of Misa are text. */
export const ATTRIBUTE_TYPE = 'String';

/** Bytes that a message takes, as SQS counts them. */
export function messageBytes({ body, attributes = {} }: OutgoingMessage): number {
  let bytes = Buffer.byteLength(body);
  for (const [name, value] of Object.entries(attributes)) {
    bytes += Buffer.byteLength(name) + ATTRIBUTE_TYPE.length + Buffer.byteLength(value);
  }
  return bytes;
}

/**
 * Batches of consecutive messages, as few as their order allows.
 * @throws {QueueError} `MESSAGE_TOO_LARGE`: nothing may be sent then
 */
export function batchesOf<M extends OutgoingMessage>(messages: readonly M[]): M[][] {
  const batches: M[][] = [];
  let batch: M[] = [];
  let batchBytes = 0;
  for (const [i, message] of messages.entries()) {
    const bytes = messageBytes(message);
    if (bytes > MAX_MESSAGE_BYTES) throw tooLarge(i, bytes, messages.length);
    if (batch.length === MAX_BATCH_MESSAGES || batchBytes + bytes > MAX_MESSAGE_BYTES) {
      batches.push(batch);
      batch = [];
      batchBytes = 0;
    }
    batch.push(message);
    batchBytes += bytes;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

function tooLarge(index: number, bytes: number, of: number): QueueError {
  const what = `message ${index + 1} of ${of} has ${bytes} bytes; a queue takes ${MAX_MESSAGE_BYTES} at most`;
  const advice = 'Nothing was sent. Split it, or write it to the object store and send its name';
  return new QueueError('MESSAGE_TOO_LARGE', `${what}. ${advice}`, { done: 0, of });
}
