/** Columns of rows as bytes: how the rows of an edge stand in segments and log entries. */
import { ColumnBatch } from '../columns/column-batch.ts';
import { asBuffer, ByteReader, ByteWriter } from '../util/bytes.ts';

/** Plain data; see `docs/formats/segment.md`. */
export interface EncodedBatch {
  /** Of each key its length, a varint, and its bytes. */
  readonly keys: Uint8Array;
  /** Doubles, little endian. */
  readonly times: Uint8Array;
  /** One byte a row, or `true`: each one is 1. `undefined`: between stages. */
  readonly primary: Uint8Array | true | undefined;
  /** Number of a piece and where its rows end, for each piece that has rows. */
  readonly pieces: readonly number[];
  readonly rows: readonly unknown[];
}

export function encodeBatch(batch: ColumnBatch): EncodedBatch {
  const { count, keys, times, primary } = batch;
  const writer = new ByteWriter(keys.starts[count]! + 2 * count);
  for (let i = 0; i < count; i++) {
    const start = keys.starts[i]!;
    const end = keys.starts[i + 1]!;
    writer.varint(end - start);
    writer.bytes(keys.bytes.subarray(start, end));
  }
  const doubles = Buffer.allocUnsafe(count * 8);
  for (let i = 0; i < count; i++) doubles.writeDoubleLE(times[i]!, i * 8);
  return {
    keys: writer.view(),
    times: doubles,
    primary: primary === undefined ? undefined : batch.primaries === count ? true : primary.subarray(0, count),
    pieces: batch.pieces.flat(),
    rows: Array.from({ length: count }, (_, i) => batch.peek(i)),
  };
}

export function decodeBatch({ keys, times, primary, pieces, rows }: EncodedBatch): ColumnBatch {
  const count = rows.length;
  const batch = new ColumnBatch(primary !== undefined, count);
  const doubles = asBuffer(times);
  const reader = new ByteReader(keys);
  for (let i = 0; i < count; i++) {
    const length = reader.varint();
    batch.pushBytes(keys, reader.at, reader.at + length, doubles.readDoubleLE(i * 8), rows[i]);
    reader.at += length;
  }
  if (primary === true) batch.primary!.fill(1);
  else if (primary !== undefined) batch.primary!.set(primary);
  for (let i = 0; i < pieces.length; i += 2) batch.endPiece(pieces[i]!, pieces[i + 1]!);
  return batch;
}
