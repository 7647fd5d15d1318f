/**
 * Messages of the queue that keeps order. SQS gives a group's messages out in their order, and none while others of the group
 * are under way; so ingest plans them in that order. Of those that are not planned none is done, so all come again, in order.
 *
 * A message that can never be planned is passed over at once, to the dead letters after its tries, or it
 * would hold up its group for an hour and a half. What is behind it is planned: with all behind it charged a try, too, as
 * a queue's consumers usually do, the healthy ones would die with it.
 */
import type { SQSRecord } from 'aws-lambda';
import { isFinal } from './final-error.ts';
import { isFifo } from './sqs-function.ts';

/**
 * Records of one invocation in the order in which they are planned: those of a FIFO queue as they come, those of a standard
 * queue, which come in any order, by the time they were sent.
 */
export function inSentOrder(records: readonly SQSRecord[]): readonly SQSRecord[] {
  if (records.some(isFifo)) return records;
  const sentMs = ({ attributes }: SQSRecord): number => Number(attributes.SentTimestamp) || 0;
  return [...records].sort((a, b) => sentMs(a) - sentMs(b));
}

/** Whether a failed message is made visible again at once, instead of after a pause. */
export function passedOver(record: SQSRecord, error: unknown): boolean {
  return isFifo(record) && isFinal(error);
}
