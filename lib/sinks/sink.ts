/**
 * What a result sink is: it takes one result object (`out/n` of an output in a partition) to a place outside of the store.
 * Notifications of new objects come at least once and in any order, so a sink is given the same batch twice, an old one after
 * a newer one, and a batch whose delivery broke off in the middle. It must end in the same state, or, where the place cannot
 * do that (queues, buses), give each row an id that is the same in every delivery.
 *
 * The promise resolves when all rows are durable where they belong. A row that the service will never take does not hold up
 * the others: they are delivered, then the promise rejects with a {@link SinkError} that names it.
 */
import { MisaError } from '../errors.ts';
import type { RequestOptions } from '../object-store/object-store.ts';

/** Names of one result object. */
export interface ResultName {
  readonly job: string;
  readonly epoch: number;
  readonly output: string;
  readonly partition: number;
  readonly n: number;
}

/** One result object. */
export interface ResultBatch extends ResultName {
  /** Of the job's file: another one where a job of the same name began anew, so that its batches count from 1 again. */
  readonly jobId: string;
  /** As parsed from the object: plain JSON values, most often objects. */
  readonly rows: readonly unknown[];
  /** The object itself, NDJSON. */
  readonly bytes: Uint8Array;
}

export interface ResultSink {
  /** @throws {SinkError} what could not be delivered, and what to do */
  deliver(batch: ResultBatch, options?: RequestOptions): Promise<void>;
}

/** A sink could not deliver rows. `retryable`: delivering them again may help. */
export class SinkError extends MisaError {}

/** The same in every delivery of the row: `{job}/{epoch}/{output}/{p}/{n}/{i}`, i from 0. */
export function rowId({ job, epoch, output, partition, n }: ResultName, i: number): string {
  return `${job}/${epoch}/${output}/${partition}/${n}/${i}`;
}

/** A row as columns. A row that is not an object has one column, `value`. */
export function columnsOf(row: unknown): Readonly<Record<string, unknown>> {
  if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row as Record<string, unknown>;
  return { value: row };
}

/** The value of a row's own column: names such as `constructor` find nothing that is not in the row. */
export function columnOf(row: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(row, name) ? row[name] : undefined;
}
