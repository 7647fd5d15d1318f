/**
 * The sinks of a job, by output. Each is opened when its output first has rows, and brings the client of its service with
 * it, so that a function pays only for the kinds that are in use. Sinks keep nothing between deliveries but clients.
 */

import type { RequestOptions } from '../object-store/object-store.ts';
import { allOrFirstError } from '../util/all-or-first-error.ts';
import type { FileOptions } from './result-files.ts';
import { namedOutput } from './result-name.ts';
import { readSinkSettings, type SinkSettings } from './settings.ts';
import type { ResultBatch, ResultSink } from './sink.ts';

export class Sinks implements ResultSink {
  readonly #sinks: readonly { readonly settings: SinkSettings; opened?: Promise<ResultSink> | undefined }[];
  readonly #options: FileOptions;

  constructor(settings: readonly SinkSettings[], options: FileOptions) {
    this.#sinks = settings.map((one) => ({ settings: one }));
    this.#options = options;
  }

  /** Whether anybody wants the output. */
  has(output: string): boolean {
    return this.#sinks.some(({ settings }) => settings.output === namedOutput(output));
  }

  /** To all sinks of the batch's output, side by side; the failure of one does not keep it from the others. */
  async deliver(batch: ResultBatch, options: RequestOptions = {}): Promise<void> {
    const sinks = this.#sinks.filter(({ settings }) => settings.output === namedOutput(batch.output));
    await allOrFirstError(
      sinks.map(async (sink) => {
        sink.opened ??= open(sink.settings, this.#options).catch((error) => {
          sink.opened = undefined;
          throw error;
        });
        await (await sink.opened).deliver(batch, options);
      }),
    );
  }
}

/** @param json of `MISA_SINKS` @throws {SinkError} `BAD_SINKS` */
export function openSinks(json: string, options: FileOptions): Sinks {
  return new Sinks(readSinkSettings(json), options);
}

async function open(settings: SinkSettings, options: FileOptions): Promise<ResultSink> {
  switch (settings.kind) {
    case 'sqs':
      return (await import('./sqs-sink.ts')).SqsSink.open(settings, options);
    case 'eventbridge':
      return (await import('./eventbridge-sink.ts')).EventBridgeSink.open(settings, options);
    case 'dynamodb':
      return (await import('./dynamodb-sink.ts')).DynamoDbSink.open(settings, options);
    case 'parquet':
      return (await import('./parquet-sink.ts')).ParquetSink.open(settings, options);
    case 'ndjson':
      return (await import('./ndjson-sink.ts')).NdjsonSink.open(settings, options);
  }
}
