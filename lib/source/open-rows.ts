/**
 * An input as a stream of rows, whatever its place, format and compression, from any row on. Only one version of it is
 * read (see input-object.ts), memory does not grow with it, and the rows do not depend on where reading began.
 */
import { createHash, type Hash } from 'node:crypto';
import { errorText, InputError } from '../errors.ts';
import { csvFormat } from './csv.ts';
import { DamagedStreamError, decompress } from './decompress.ts';
import type { FileRef } from './file-blocks.ts';
import { detectFormat, type InputFormat } from './format.ts';
import type { InputForm } from './input-form.ts';
import { type InputObject, inputObject, type ObjectReader } from './input-object.ts';
import { ndjsonFormat } from './ndjson.ts';
import { decodeRecords } from './records.ts';
import type { RowChunk, RowPosition, RowRange } from './rows.ts';
import type { TextFormat } from './text-format.ts';

export interface OpenOptions {
  /** Rows before this ordinal are passed over. Default 0. */
  readonly fromRow?: number | undefined;
  /** The first ordinal not wanted. Default: to the end. */
  readonly toRow?: number | undefined;
  /** A position at or before `fromRow` that an earlier reading of this version of the file gave: seeks there if it can. */
  readonly near?: RowPosition | undefined;
  /** What the job says of the input's form. */
  readonly form?: InputForm | undefined;
  /** Most rows of a chunk. Default 4096. */
  readonly chunkRows?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called after the last row, when the end of the file was reached. */
  readonly onEnd?: ((end: EndOfFile) => void) | undefined;
  /** Called with the number of raw bytes each read took from the input; not for Parquet. For progress. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Called with each block of text, decompressed, before its rows are given out; not for Parquet. */
  readonly onText?: ((block: Buffer) => void) | undefined;
  /** The file may go on later: what follows the last line end is not read. Not for Parquet. */
  readonly growing?: boolean | undefined;
}

export interface EndOfFile {
  /** Rows of the file, bad ones too. */
  readonly rows: number;
  /** SHA-256 (hex) of the raw bytes, as `hashFile`; undefined if they were not all read (after a seek, Parquet). */
  readonly sha256: string | undefined;
}

/**
 * The rows of a file or another input, in order, in chunks that are never empty. Where chunks end depends on the reading
 * and means nothing. Ending the iteration early closes the input.
 * @throws {InputError} `INPUT_FORMAT`, `INPUT_MISSING`, `INPUT_UNREADABLE`, `INPUT_CHANGED`, `INPUT_TRUNCATED`,
 * `INPUT_CORRUPT`; the signal's reason when aborted
 */
export async function* openRows(
  input: FileRef | InputObject,
  options: OpenOptions = {},
): AsyncGenerator<RowChunk, void, undefined> {
  const object = inputObject(input);
  const format = detectFormat(object.path);
  const { fromRow = 0, toRow = Number.POSITIVE_INFINITY, chunkRows = 4096, near, signal, onEnd } = options;
  const start = startOf(format, fromRow, near);
  const hash = onEnd !== undefined && start.row === 0 && format.rows !== 'parquet' ? createHash('sha256') : undefined;
  const progress = { rows: start.row };
  signal?.throwIfAborted();
  if (fromRow >= toRow) return;
  const reader = await object.open();
  try {
    const range: RowRange = { fromRow, toRow, chunkRows };
    const chunks =
      format.rows === 'parquet'
        ? await openParquet(object, reader, options, range, progress)
        : decodeText(reader, object.path, format, { ...options, range, start, progress, hash });
    for await (const chunk of chunks) {
      signal?.throwIfAborted();
      yield chunk;
    }
  } catch (error) {
    throw error instanceof DamagedStreamError ? damaged(object, format, progress.rows, error) : error;
  } finally {
    await reader.close();
  }
  if (progress.rows < toRow) onEnd?.({ rows: progress.rows, sha256: hash?.digest('hex') });
}

/** The Parquet reader is loaded by the first file that needs it: it is a fifth of all modules of a run. */
async function openParquet(
  { path, size }: InputObject,
  reader: ObjectReader,
  { signal, form }: OpenOptions,
  range: RowRange,
  progress: { rows: number },
): Promise<AsyncIterable<RowChunk>> {
  const { decodeParquet } = await import('./parquet.ts');
  return decodeParquet({ path, size, reader, signal, fields: form?.fields }, range, progress);
}

interface TextReading {
  readonly range: RowRange;
  readonly start: RowPosition;
  readonly progress: { rows: number };
  readonly hash: Hash | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onBytes?: OpenOptions['onBytes'];
  readonly onText?: OpenOptions['onText'];
  readonly growing?: boolean | undefined;
  readonly form?: InputForm | undefined;
}

async function* decodeText(
  reader: ObjectReader,
  path: string,
  format: InputFormat,
  reading: TextReading,
): AsyncGenerator<RowChunk> {
  const { range, start, progress, hash, signal, onBytes, onText, growing, form } = reading;
  const { delimiter = format.delimiter, header } = form?.csv ?? {};
  const fields = form?.fields;
  const text =
    format.rows === 'csv'
      ? csvFormat({ path, delimiter, header, fields })
      : ndjsonFormat({ path, plainJson: format.plainJson, fields, asked: form?.asked });
  if (text.needsHeader && start.row > 0) await readHeader(reader, path, text, signal);
  const raw = watched(reader.blocks(start.offset ?? 0, hash, signal), (block) => onBytes?.(block.length));
  const blocks = watched(decompress(raw, format.compression), onText);
  yield* decodeRecords(blocks, text, { ...range, start, path, progress, growing });
}

async function* watched(blocks: AsyncIterable<Buffer>, tell: OpenOptions['onText']): AsyncGenerator<Buffer> {
  for await (const block of blocks) {
    tell?.(block);
    yield block;
  }
}

/** Reading begins in the middle: takes the header from the beginning of the input. */
async function readHeader(
  reader: ObjectReader,
  path: string,
  text: TextFormat,
  signal: AbortSignal | undefined,
): Promise<void> {
  const nothing = { fromRow: 0, toRow: 0, chunkRows: 1, start: { row: 0, line: 1 }, path, progress: { rows: 0 } };
  for await (const _ of decodeRecords(reader.blocks(0, undefined, signal), text, nothing)) break;
}

/** Where to begin: at `near` if the format can seek, else at the beginning. */
function startOf(format: InputFormat, fromRow: number, near: RowPosition | undefined): RowPosition {
  const seekable = format.rows !== 'parquet' && format.compression === 'none';
  if (!seekable) return { row: 0, line: 1 };
  return near?.offset !== undefined && near.row <= fromRow && near.row > 0 ? near : { row: 0, line: 1, offset: 0 };
}

function damaged({ path }: InputObject, format: InputFormat, rows: number, error: DamagedStreamError): InputError {
  const read = `${rows} rows before the damage were read.`;
  if (error.truncated) {
    const why = `${path} ends in the middle of its ${format.compression} data: it was cut off, or is still being written.`;
    const advice =
      'If rows of it are planned already (the next run says how many, once the file is whole), give only those after them, as a new file. To avoid this, write a file under a name that no input pattern matches and rename it when it is complete.';
    return new InputError('INPUT_TRUNCATED', `${why} ${read} ${advice}`, path, { cause: error });
  }
  const why = `${path} holds damaged ${format.compression} data (${errorText(error)}).`;
  return new InputError('INPUT_CORRUPT', `${why} ${read} Replace it by an undamaged copy.`, path, { cause: error });
}
