/**
 * Result batches as Parquet files, one a batch, under a fixed name and created once. Types of columns are fixed by
 * `parquet-columns.ts`, so that all files of an output can be read as one table. Empty batches make no file.
 */
import type * as Parquet from 'hyparquet-writer';
import type { RequestOptions } from '../object-store/object-store.ts';
import { type ColumnKind, PARQUET_TYPES, parquetColumns, UnfitColumn } from './parquet-columns.ts';
import { type FileOptions, type FileSettings, ResultFiles } from './result-files.ts';
import { type ResultBatch, type ResultSink, SinkError } from './sink.ts';

export interface ParquetSettings extends FileSettings {
  /** Kinds of columns that are not to be inferred, by name. */
  readonly columns?: Readonly<Record<string, ColumnKind>> | undefined;
}

export class ParquetSink implements ResultSink {
  readonly #writer: typeof Parquet;
  readonly #files: ResultFiles;
  readonly #settings: ParquetSettings;

  private constructor(writer: typeof Parquet, files: ResultFiles, settings: ParquetSettings) {
    this.#writer = writer;
    this.#files = files;
    this.#settings = settings;
  }

  static async open(settings: ParquetSettings, options: FileOptions): Promise<ParquetSink> {
    const [writer, files] = await Promise.all([import('hyparquet-writer'), ResultFiles.open(settings, options)]);
    return new ParquetSink(writer, files, settings);
  }

  async deliver(batch: ResultBatch, options: RequestOptions = {}): Promise<void> {
    const columns = this.#columns(batch);
    if (batch.rows.length === 0 || columns.length === 0) return;
    const columnData = columns.map(({ name, kind, data }) => ({ name, data: [...data], type: PARQUET_TYPES[kind] }));
    const body = this.#writer.parquetWriteBuffer({ columnData, createdBy: 'misa' });
    await this.#files.create(batch, 'parquet', new Uint8Array(body), options);
  }

  #columns(batch: ResultBatch): ReturnType<typeof parquetColumns> {
    try {
      return parquetColumns(batch.rows, this.#settings.columns);
    } catch (error) {
      if (!(error instanceof UnfitColumn)) throw error;
      const { job, output, partition, n } = batch;
      const what = `batch ${n} of ${job}/${output} (partition ${partition}) cannot be a Parquet file`;
      throw new SinkError('ROWS_REFUSED', `${what}: ${error.message}`);
    }
  }
}
