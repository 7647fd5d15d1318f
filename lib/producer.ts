/**
 * Sends an application's rows to a queue of a job, packed into messages (`misa/producer`). A send settles when its rows
 * are durable in the queue, so awaiting it is what keeps a fast application from outrunning the queue; rows of sends that
 * wait together share messages. The job's FIFO queue gives them to the job in the order of their sends.
 *
 *     const flights = producer({ queueUrl, source: 'flights' });
 *     await flights.send({ event_time: 1357034400000, carrier: 'UA', dep_delay: 3 });
 *     await flights.close();
 *
 * @module misa/producer
 */
import { MisaError } from './errors.ts';
import { MAX_MESSAGE_BYTES } from './queue/batches.ts';
import type { OutgoingMessage, Queue } from './queue/queue.ts';
import { isFifoUrl, MAX_MESSAGE_ROWS, RowPack, type RowPackLimits, rowText } from './queue/row-messages.ts';
import { SqsQueues } from './queue/sqs-queue.ts';
import { type Clock, systemClock } from './util/clock.ts';
import { type Random, systemRandom } from './util/random.ts';

export { InputError, MisaError } from './errors.ts';
export { QueueError } from './queue/queue-error.ts';
export { type RowMessageOptions, rowMessages } from './queue/row-messages.ts';

/** Messages on their way at once; to a FIFO queue one after the other, so that they keep their order. */
const IN_FLIGHT = 4;
/** Default of `lingerMs`. A plan takes ten messages of a FIFO queue, and one follows the other: fewer and fuller ones get further. */
const LINGER_MS = 20;
const FIFO_LINGER_MS = 100;

/** Where a producer sends to, and how much it packs. */
export interface ProducerOptions {
  /**
   * The job's queue: the stack's output `RecordsQueueUrl`, which keeps the order of what is sent (its name ends with `.fifo`), or
   * `InputQueueUrl`, which does not.
   */
  readonly queueUrl: string;
  /** The job's source that the rows are for. */
  readonly source: string;
  /** Most rows of a message. Default 10,000. */
  readonly maxBatchRows?: number;
  /** Largest message, bytes. Default, and most: 1 MiB. */
  readonly maxBatchBytes?: number;
  /** How long a row waits for others to share its message, ms. Default 20; for a FIFO queue 100. */
  readonly lingerMs?: number;
  /** URL of a service other than AWS. Default: `AWS_ENDPOINT_URL_SQS`, then `AWS_ENDPOINT_URL`. */
  readonly endpoint?: string;
}

/** A queue that a producer has opened, and how to close it. */
export interface OpenedQueue {
  readonly queue: Queue;
  readonly close: () => void;
}

/** What tests pass in. */
export interface ProducerParts {
  readonly openQueue?: () => Promise<OpenedQueue>;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Sends rows to the input queue of a job. */
export interface Producer<T> {
  /**
   * Sends a row, or the rows of an array. Settles when all of them are durable in the queue. Encodes them before it returns,
   * so they may be changed afterwards.
   * @throws {InputError} `ROW_TOO_LARGE`, `ROW_NOT_JSON`: nothing of this call was sent
   * @throws {QueueError} some rows of this call may have been sent all the same; `retryable` says whether to try again
   */
  send(rows: T | readonly T[]): Promise<void>;
  /** Sends at once what waits. Settles when all rows sent so far are durable. @throws {QueueError} as their sends do */
  flush(): Promise<void>;
  /** Flushes and lets go of connections; nothing can be sent afterwards. */
  close(): Promise<void>;
}

/** Opens nothing until the first row is sent. @throws {MisaError} `BAD_OPTIONS` */
export function producer<T = unknown>(options: ProducerOptions, parts: ProducerParts = {}): Producer<T> {
  return new QueueProducer<T>(options, parts);
}

/** Rows that share a message, and what becomes of it. */
interface Batch {
  readonly pack: RowPack;
  readonly sent: Promise<void>;
  readonly settle: (sent: Promise<void>) => void;
  /** Ends the wait for more rows. */
  readonly lingering: AbortController;
}

class QueueProducer<T> implements Producer<T> {
  readonly #source: string;
  readonly #limits: RowPackLimits;
  readonly #lingerMs: number;
  readonly #lanes: number;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #open: () => Promise<OpenedQueue>;
  #opened: Promise<OpenedQueue> | undefined;
  #batch: Batch | undefined;
  /** Batches that are not durable yet. */
  readonly #unsettled = new Set<Promise<void>>();
  #inFlight = 0;
  readonly #waiting: (() => void)[] = [];
  #closed = false;

  constructor(options: ProducerOptions, parts: ProducerParts) {
    const fifo = isFifoUrl(options.queueUrl);
    const { maxBatchRows = MAX_MESSAGE_ROWS, maxBatchBytes = MAX_MESSAGE_BYTES } = options;
    const { lingerMs = fifo ? FIFO_LINGER_MS : LINGER_MS } = options;
    check('maxBatchRows', maxBatchRows, 1, Number.MAX_SAFE_INTEGER);
    check('maxBatchBytes', maxBatchBytes, 1024, MAX_MESSAGE_BYTES);
    check('lingerMs', lingerMs, 0, 60_000);
    const { clock = systemClock, random = systemRandom } = parts;
    this.#source = options.source;
    this.#limits = { maxRows: maxBatchRows, maxBytes: maxBatchBytes, fifo };
    this.#lanes = fifo ? 1 : IN_FLIGHT;
    this.#lingerMs = lingerMs;
    this.#clock = clock;
    this.#random = random;
    this.#open = parts.openQueue ?? (() => openSqs(options, clock, random));
  }

  async send(rows: T | readonly T[]): Promise<void> {
    if (this.#closed)
      throw new MisaError('PRODUCER_CLOSED', 'the producer is closed: make a new one to send more rows');
    const all: readonly unknown[] = Array.isArray(rows) ? rows : [rows];
    const texts = all.map((row, i) => rowText(row, i, this.#source, this.#limits.maxBytes));
    const batches = new Set<Promise<void>>();
    for (const text of texts) {
      if (this.#batch !== undefined && !this.#batch.pack.fits(text)) this.#seal();
      this.#batch ??= this.#newBatch();
      this.#batch.pack.add(text);
      batches.add(this.#batch.sent);
      if (this.#batch.pack.rows >= this.#limits.maxRows) this.#seal();
    }
    await allSettled(batches);
  }

  async flush(): Promise<void> {
    this.#seal();
    await allSettled(this.#unsettled);
  }

  async close(): Promise<void> {
    this.#closed = true;
    try {
      await this.flush();
    } finally {
      const opened = await this.#opened?.catch(() => undefined);
      opened?.close();
    }
  }

  #newBatch(): Batch {
    const { promise: sent, resolve: settle } = withResolvers();
    const lingering = new AbortController();
    this.#unsettled.add(sent);
    const forget = (): void => void this.#unsettled.delete(sent);
    sent.then(forget, forget);
    const batch = { pack: new RowPack(this.#source, this.#limits, this.#random), sent, settle, lingering };
    this.#clock.sleep(this.#lingerMs, lingering.signal).then(
      () => {
        if (this.#batch === batch) this.#seal();
      },
      () => {}, // it was full before
    );
    return batch;
  }

  /** No more rows for the present batch: it goes. */
  #seal(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    batch.lingering.abort();
    batch.settle(this.#deliver(batch.pack.take()));
  }

  async #deliver(message: OutgoingMessage): Promise<void> {
    if (this.#inFlight >= this.#lanes) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#inFlight++;
    try {
      this.#opened ??= this.#open();
      const { queue } = await this.#opened;
      await queue.send([message]);
    } finally {
      const next = this.#waiting.shift(); // takes this place
      if (next === undefined) this.#inFlight--;
      else next();
    }
  }
}

async function openSqs({ queueUrl, endpoint }: ProducerOptions, clock: Clock, random: Random): Promise<OpenedQueue> {
  const queues = await SqsQueues.open({ clock, random, endpoint });
  return { queue: queues.queue(queueUrl), close: () => queues.close() };
}

/** Waits for all; throws the first failure then, so that nothing of a failed call is still under way. */
async function allSettled(promises: Iterable<Promise<void>>): Promise<void> {
  const failed = (await Promise.allSettled(promises)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function withResolvers(): { promise: Promise<void>; resolve: (value: Promise<void>) => void } {
  let resolve!: (value: Promise<void>) => void;
  const promise = new Promise<void>((r) => {
    resolve = r;
  });
  return { promise, resolve };
}

function check(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new MisaError('BAD_OPTIONS', `${name} is ${value}: give a whole number from ${least} to ${most}`);
}
