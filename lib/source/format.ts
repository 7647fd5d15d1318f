/**
 * Which decoder a file gets, by its name alone: a format must not depend on what is inside, or a replay of half a file
 * could decide otherwise than the first reading.
 */
import { InputError } from '../errors.ts';

export type RowFormat = 'ndjson' | 'csv' | 'parquet';
export type Compression = 'none' | 'gzip' | 'zstd';

export interface InputFormat {
  readonly rows: RowFormat;
  readonly compression: Compression;
  /** Cell separator of a CSV file. */
  readonly delimiter: string;
  /** The name ends in `.json`: NDJSON too, but an array or a pretty-printed document is recognised and refused. */
  readonly plainJson: boolean;
}

const rowFormats: Record<string, RowFormat> = {
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  json: 'ndjson',
  csv: 'csv',
  tsv: 'csv',
  parquet: 'parquet',
};
const compressions: Record<string, Compression> = { gz: 'gzip', zst: 'zstd' };

/** The extensions that are known, for messages. */
export const knownExtensions = '.ndjson, .jsonl, .json, .csv, .tsv (each also .gz or .zst) and .parquet';

/**
 * The format of a file by its extension; case does not matter.
 * @throws {InputError} `INPUT_FORMAT`: an unknown extension
 */
export function detectFormat(path: string): InputFormat {
  const parts = path
    .slice(path.lastIndexOf('/') + 1)
    .toLowerCase()
    .split('.')
    .slice(1);
  const compression = compressions[parts.at(-1) ?? ''] ?? 'none';
  const extension = (compression === 'none' ? parts.at(-1) : parts.at(-2)) ?? '';
  const rows = Object.hasOwn(rowFormats, extension) ? rowFormats[extension] : undefined;
  if (rows === undefined || (rows === 'parquet' && compression !== 'none')) {
    throw new InputError('INPUT_FORMAT', unknownFormat(path, rows), path);
  }
  return { rows, compression, delimiter: extension === 'tsv' ? '\t' : ',', plainJson: extension === 'json' };
}

function unknownFormat(path: string, rows: RowFormat | undefined): string {
  const why =
    rows === 'parquet'
      ? 'Parquet compresses inside the file and is not read through gzip or zstd; decompress it first'
      : 'its extension does not say how to read it; rename it, or narrow the pattern so that it is left out';
  return `Cannot read ${path}: ${why}. Known are ${knownExtensions}.`;
}
