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

export async function encoderOf(format: OutputFormat): Promise<Encoder> {
  switch (format) {
    case 'ndjson':
      return { extension: 'ndjson', columnar: false, hasFile: () => true, encode: (rows) => rows() };
    case 'csv':
      return { extension: 'csv', columnar: true, hasFile: ({ size }) => size > 0, encode: csv };
    case 'parquet': {
      const writer = await import('hyparquet-writer');
      return {
        extension: 'parquet',
        columnar: true,
        hasFile: ({ typed }) => typed.length > 0,
        encode: (rows, columns) => parquet(writer, rows, columns),
      };
    }
  }
}

async function* csv(rows: Rows, columns: Columns): AsyncGenerator<Uint8Array> {
  const { names } = columns;
  yield Buffer.from(csvHeader(names));
  for (const chunk of rows()) {
    let text = '';
    for (const row of decodeNdjson(chunk)) text += csvLine(columnsOf(row), names);
    yield Buffer.from(text);
    await turn();
  }
}

async function* parquet(
  { ByteWriter, ParquetWriter, schemaFromColumnData }: typeof Parquet,
  rows: Rows,
  columns: Columns,
): AsyncGenerator<Uint8Array> {
  const { typed } = columns;
  const writer = new ByteWriter();
  const schema = schemaFromColumnData({
    columnData: typed.map(({ name, kind }) => ({ name, data: [], type: PARQUET_TYPES[kind] })),
  });
  const file = new ParquetWriter({ writer, schema, createdBy: 'misa' });
  let group: unknown[] = [];
  const write = async (): Promise<void> => {
    const columnData = typed.map(({ name, kind }) => ({
      name,
      data: group.map((row) => stored(name, kind, columnOf(columnsOf(row), name) ?? null)),
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
