/**
 * What a table is rebuilt from: its newest row a key, and which batch they are of, in one file that is replaced as a whole.
 * It is the truth; the file that users read is made from it. So a kill between the two, or an encoding that forgets types
 * (CSV), costs nothing, and no batch before `through` is ever needed again.
 *
 * A header line, the rows as NDJSON, a line that ends it with their number and CRC.
 */
import { readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { CorruptionError } from '../../errors.ts';
import { decodeEnvelope, encodeEnvelope } from '../../util/envelope.ts';
import type { StoredColumn } from './columns.ts';
import { writeWhole } from './write-whole.ts';

const VERSION = 1;
const LF = 0x0a;

export interface TableState {
  readonly through: number;
  readonly columns: readonly StoredColumn[];
  /** NDJSON lines, without their ends. */
  readonly lines: string[];
}

interface Header {
  readonly through: number;
  readonly columns: readonly StoredColumn[];
}

interface End {
  readonly rows: number;
  readonly crc: number;
}

/** @returns `undefined`: there is none @throws {CorruptionError} */
export async function readTableState(name: string): Promise<TableState | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const begin = bytes.indexOf(LF) + 1;
  const end = bytes.lastIndexOf(LF, bytes.length - 2) + 1;
  if (begin === 0 || end < begin) throw new CorruptionError(name, 'it is cut off');
  const { through, columns } = decodeEnvelope<Header>('table', VERSION, bytes.subarray(0, begin - 1), name);
  const { rows, crc } = decodeEnvelope<End>('table-end', VERSION, bytes.subarray(end, bytes.length - 1), name);
  if (crc32(bytes.subarray(begin, end)) !== crc) throw new CorruptionError(name, 'its checksum is wrong');
  const lines: string[] = [];
  for (let at = begin; at < end; ) {
    const next = bytes.indexOf(LF, at);
    lines.push(bytes.toString('utf8', at, next));
    at = next + 1;
  }
  if (lines.length !== rows) throw new CorruptionError(name, `it has ${lines.length} rows in place of ${rows}`);
  return { through, columns, lines };
}

/** @param chunks the rows as NDJSON */
export async function writeTableState(
  name: string,
  header: Header,
  rows: number,
  chunks: Iterable<Uint8Array>,
): Promise<void> {
  await writeWhole(name, framed(header, rows, chunks));
}

function* framed({ through, columns }: Header, rows: number, chunks: Iterable<Uint8Array>): Generator<Uint8Array> {
  let crc = 0;
  yield line(encodeEnvelope('table', VERSION, { through, columns } satisfies Header));
  for (const chunk of chunks) {
    crc = crc32(chunk, crc);
    yield chunk;
  }
  yield line(encodeEnvelope('table-end', VERSION, { rows, crc } satisfies End));
}

function line(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes, Buffer.of(LF)]);
}
