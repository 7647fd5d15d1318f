/** Copies of the result objects, byte for byte, in another bucket or under another prefix. Empty batches make none. */
import type { RequestOptions } from '../object-store/object-store.ts';
import { type FileOptions, type FileSettings, ResultFiles } from './result-files.ts';
import type { ResultBatch, ResultSink } from './sink.ts';

export class NdjsonSink implements ResultSink {
  readonly #files: ResultFiles;

  private constructor(files: ResultFiles) {
    this.#files = files;
  }

  static async open(settings: FileSettings, options: FileOptions): Promise<NdjsonSink> {
    return new NdjsonSink(await ResultFiles.open(settings, options));
  }

  async deliver(batch: ResultBatch, options: RequestOptions = {}): Promise<void> {
    if (batch.rows.length > 0) await this.#files.create(batch, 'ndjson', batch.bytes, options);
  }
}
