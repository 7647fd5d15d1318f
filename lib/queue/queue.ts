/**
 * What Misa asks of a queue: durable sends in batches, and for tools receiving, deleting and a look at its depth. Messages
 * are hints, or input; a queue may double, delay and reorder them.
 */
import type { RequestOptions } from '../object-store/object-store.ts';

export interface OutgoingMessage {
  readonly body: string;
  /** Message group; FIFO queues only, and there needed. */
  readonly group?: string | undefined;
  /** FIFO queues drop a second message of the same id within 5 minutes. */
  readonly dedupId?: string | undefined;
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  /** Standard queues only. */
  readonly delaySeconds?: number | undefined;
}

export interface ReceivedMessage {
  readonly id: string;
  /** Names this receipt, for deleting and for its visibility. */
  readonly receipt: string;
  readonly body: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** How often it was received, this time included. */
  readonly receiveCount: number;
}

export interface QueueDepth {
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
}

export interface ReceiveOptions extends RequestOptions {
  /** 1 to 10. */
  readonly max: number;
  readonly waitSeconds: number;
  readonly visibilitySeconds?: number | undefined;
}

/** All methods throw `QueueError`, with `retryable` set or not. */
export interface Queue {
  /** Durable when this settles. @throws {QueueError} saying how many of them went */
  send(messages: readonly OutgoingMessage[], options?: RequestOptions): Promise<void>;
  /** Shows a message in flight to others again after so many seconds. */
  changeVisibility(receipt: string, seconds: number, options?: RequestOptions): Promise<void>;
  receive(options: ReceiveOptions): Promise<ReceivedMessage[]>;
  delete(receipts: readonly string[], options?: RequestOptions): Promise<void>;
  depth(options?: RequestOptions): Promise<QueueDepth>;
}
