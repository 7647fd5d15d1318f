/** Result rows as NDJSON: what users read. `Date` becomes ISO 8601 text, bigint decimal text, `Uint8Array` base64. */

const NEWLINE = '\n';

function plain(this: unknown, key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  // A Buffer's toJSON has run before this sees it, so the original is taken from its holder.
  const original = (this as Record<string, unknown>)[key];
  if (original instanceof Uint8Array) return Buffer.from(original).toString('base64');
  return value;
}

/** One line a row. No rows: no bytes. */
export function encodeNdjson(rows: readonly unknown[]): Uint8Array {
  if (rows.length === 0) return new Uint8Array(0);
  let text = '';
  for (const row of rows) text += ndjsonLine(row);
  return Buffer.from(text);
}

/** The line of a row, line end included. */
export function ndjsonLine(row: unknown): string {
  const json = isFlat(row) ? JSON.stringify(row) : JSON.stringify(row, plain);
  return `${json ?? 'null'}${NEWLINE}`;
}

/** Whether all values are ones that JSON has: most result rows are, and the replacer costs more than the rest. */
function isFlat(row: unknown): boolean {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return false;
  for (const name in row) {
    const value = (row as Record<string, unknown>)[name];
    if (typeof value === 'bigint' || (typeof value === 'object' && value !== null)) return false;
  }
  return !(row instanceof Uint8Array) && !(row instanceof Date);
}

export function decodeNdjson(bytes: Uint8Array): unknown[] {
  if (bytes.length === 0) return [];
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  return text
    .split(NEWLINE)
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}
