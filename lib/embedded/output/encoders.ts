/**
 * Result rows as the bytes of one file, a format each. Rows come as NDJSON, in chunks, and may be asked for again, so that no
 * encoder needs them all at once as objects.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type * as Parquet from 'hyparquet-writer';
import { PARQUET_TYPES, stored } from '../../sinks/parquet-columns.ts';
import { columnOf, columnsOf } from '../../sinks/sink.ts';
import { decodeNdjson } from '../../util/ndjson.ts';
import type { Columns } from './columns.ts';
import { csvHeader, csvLine } from './csv.ts';
import type { OutputFormat } from './settings.ts';

/** Rows as NDJSON, from the first on whenever it is asked for. */
export type Rows = () => Iterable<Uint8Array>;

export interface Encoder {
  readonly extension: string;
  /** Whether files have columns. */
  readonly columnar: boolean;
  /** Whether rows with these columns can be a file: there is none without columns. */
  hasFile(columns: Columns): boolean;
  /** @param columns all that the rows have */
  encode(rows: Rows, columns: Columns): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** Rows of a row group: large enough to compress well, small enough to hold as objects. */
const GROUP_ROWS = 50_000;

/**
 * @param onHalfPair told of a column whose text holds half a surrogate pair, in its name or in a value, whenever one is
 * written: UTF-8 has no form for it, and U+FFFD stands in its place. NDJSON and columns of JSON escape it.
 */
export async function encoderOf(
  format: OutputFormat,
  onHalfPair: (column: string) => void = () => {},
): Promise<Encoder> {
  switch (format) {
    case 'ndjson':
      return { extension: 'ndjson', columnar: false, hasFile: () => true, encode: (rows) => rows() };
    case 'csv':
      return {
        extension: 'csv',
        columnar: true,
        hasFile: ({ size }) => size > 0,
        encode: (rows, columns) => csv(rows, columns, onHalfPair),
      };
    case 'parquet': {
      const writer = await import('hyparquet-writer');
      return {
        extension: 'parquet',
        columnar: true,
        hasFile: ({ typed }) => typed.length > 0,
        encode: (rows, columns) => parquet(writer, rows, columns, onHalfPair),
      };
    }
  }
}

async function* csv(rows: Rows, { names }: Columns, onHalfPair: (column: string) => void): AsyncGenerator<Uint8Array> {
  for (const name of names) if (!name.isWellFormed()) onHalfPair(name);
  yield Buffer.from(csvHeader(names));
  for (const chunk of rows()) {
    let text = '';
    for (const row of decodeNdjson(chunk)) {
      const line = csvLine(columnsOf(row), names);
      if (!line.isWellFormed()) onHalfPair(names.find((name) => isHalfPair(columnOf(columnsOf(row), name)))!);
      text += line;
    }
    yield Buffer.from(text);
    await turn();
  }
}

async function* parquet(
  { ByteWriter, ParquetWriter, schemaFromColumnData }: typeof Parquet,
  rows: Rows,
  columns: Columns,
  onHalfPair: (column: string) => void,
): AsyncGenerator<Uint8Array> {
  const { typed } = columns;
  for (const { name } of typed) if (!name.isWellFormed()) onHalfPair(name);
  const writer = new ByteWriter();
  const schema = schemaFromColumnData({
    columnData: typed.map(({ name, kind }) => ({ name, data: [], type: PARQUET_TYPES[kind] })),
  });
  const file = new ParquetWriter({ writer, schema, createdBy: 'misa' });
  let group: unknown[] = [];
  const write = async (): Promise<void> => {
    const columnData = typed.map(({ name, kind }) => ({
      name,
      data: group.map((row) => {
        const value = stored(name, kind, columnOf(columnsOf(row), name) ?? null);
        if (kind === 'text' && isHalfPair(value)) onHalfPair(name);
        return value;
      }),
    }));
    await file.write({ columnData, rowGroupSize: GROUP_ROWS });
    group = [];
    await turn();
  };
  for (const chunk of rows()) {
    for (const row of decodeNdjson(chunk)) {
      group.push(row);
      if (group.length === GROUP_ROWS) await write();
    }
  }
  if (group.length > 0) await write();
  await file.finish();
  yield writer.getBytes();
}

function isHalfPair(value: unknown): boolean {
  return typeof value === 'string' && !value.isWellFormed();
}
