/**
 * `--with-batch`: which batch a row is of, as columns of the row. (batch, partition, row) names a row for good, the same in
 * every copy; and as a key is always in one partition, the greatest (batch, row) of a key is its newest version.
 */
import { MisaError } from '../../errors.ts';

export const STAMPS = ['_batch', '_partition', '_row'] as const;

const OPEN = 0x7b;

/** @param rows NDJSON @throws {MisaError} `COLUMN_TAKEN` */
export function stamp(rows: Uint8Array, batch: number, partition: number): Uint8Array {
  if (rows.length === 0) return rows;
  const text = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength).toString('utf8');
  let stamped = '';
  let row = 0;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const stamps = `"_batch":${batch},"_partition":${partition},"_row":${row++}}\n`;
    if (line.charCodeAt(0) === OPEN) {
      if (line.includes('"_')) refuseTaken(line);
      stamped += line === '{}' ? `{${stamps}` : `${line.slice(0, -1)},${stamps}`;
    } else {
      stamped += `{"value":${line},${stamps}`;
    }
  }
  return Buffer.from(stamped);
}

function refuseTaken(line: string): void {
  const row = JSON.parse(line) as object;
  const taken = STAMPS.find((name) => Object.hasOwn(row, name));
  if (taken === undefined) return;
  throw new MisaError(
    'COLUMN_TAKEN',
    `result rows have a column ${taken} of their own, which --with-batch would add: name the column otherwise in the job, or write the results without --with-batch`,
  );
}
