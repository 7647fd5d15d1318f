/**
 * What a program gives as a stream, as chunks of rows: objects are rows; bytes and text are decoded, as they come, in the
 * format that goes with them.
 */
import { InputError } from '../errors.ts';
import { csvFormat } from '../source/csv.ts';
import { decompress } from '../source/decompress.ts';
import type { Compression } from '../source/format.ts';
import type { InputForm } from '../source/input-form.ts';
import { ndjsonFormat } from '../source/ndjson.ts';
import { decodeRecords } from '../source/records.ts';
import type { RowChunk } from '../source/rows.ts';

export type StreamFormat = 'ndjson' | 'csv' | 'tsv';

export interface StreamReading {
  /** For messages. */
  readonly name: string;
  readonly items: AsyncIterable<unknown> | Iterable<unknown>;
  readonly format: StreamFormat;
  readonly form?: InputForm | undefined;
  readonly compression: Compression;
  /** Rows before this are skipped; the first item is row `firstRow`. */
  readonly firstRow: number;
  readonly skipRows: number;
}

/** Rows of a stream as they come: `row` for an object, `chunk` for what is decoded. @throws {InputError} */
export type StreamPart = { readonly row: unknown } | { readonly chunk: RowChunk };

const CHUNK_ROWS = 512;

export async function* streamParts(reading: StreamReading): AsyncGenerator<StreamPart> {
  const items = iteratorOf(reading);
  const first = await items.next();
  if (first.done) return;
  const all = startingWith(first.value, items);
  if (!isBytes(first.value)) {
    let left = reading.skipRows;
    for await (const row of all) {
      if (left-- > 0) continue;
      if (isBytes(row)) throw mixed(reading.name);
      yield { row };
    }
    return;
  }
  const { name, firstRow, skipRows } = reading;
  const blocks = decompress(bytesOf(all, name), reading.compression);
  const range = { fromRow: firstRow + skipRows, toRow: Number.POSITIVE_INFINITY, chunkRows: CHUNK_ROWS };
  const start = { row: firstRow, line: 1 };
  for await (const chunk of decodeRecords(blocks, formatOf(reading), {
    ...range,
    start,
    path: name,
    progress: { rows: 0 },
  })) {
    yield { chunk };
  }
}

function formatOf({ format, form, name }: StreamReading) {
  const fields = form?.fields;
  if (format === 'ndjson') return ndjsonFormat({ path: name, plainJson: false, fields });
  const { delimiter = format === 'tsv' ? '\t' : ',', header } = form?.csv ?? {};
  return csvFormat({ path: name, delimiter, header, fields });
}

function iteratorOf({ items }: StreamReading): AsyncIterator<unknown> | Iterator<unknown> {
  if (Symbol.asyncIterator in items) return items[Symbol.asyncIterator]();
  return items[Symbol.iterator]();
}

/** Ending this iteration ends the stream. */
async function* startingWith(
  first: unknown,
  rest: AsyncIterator<unknown> | Iterator<unknown>,
): AsyncGenerator<unknown, void, undefined> {
  let ended = false;
  try {
    yield first;
    for (;;) {
      const next = await rest.next();
      ended = next.done === true;
      if (ended) return;
      yield next.value;
    }
  } finally {
    if (!ended) await rest.return?.();
  }
}

function isBytes(item: unknown): item is Uint8Array | string {
  return typeof item === 'string' || item instanceof Uint8Array;
}

async function* bytesOf(items: AsyncIterable<unknown>, name: string): AsyncGenerator<Buffer> {
  for await (const item of items) {
    if (typeof item === 'string') yield Buffer.from(item);
    else if (item instanceof Uint8Array) yield Buffer.from(item.buffer, item.byteOffset, item.byteLength);
    else throw mixed(name);
  }
}

function mixed(name: string): InputError {
  return new InputError('INPUT_FORMAT', `${name} gives both rows and bytes; give one of the two.`, name);
}
