/**
 * How CSV of a source is laid out where it is not as RFC 4180 has it: the job says so, because the content never decides how
 * it is read.
 */
import { MAX_PROPERTIES } from './row-limits.ts';

/** How CSV and TSV of a source are read, in files and streams. */
export interface CsvLayout {
  /**
   * What separates cells: one ASCII character, such as `';'`, `'|'` or `'\t'`. Default: as the name says, a comma in `.csv`
   * and a tab in `.tsv`.
   */
  readonly delimiter?: string | undefined;
  /**
   * Names of the columns, or `false`, where the files have no header line: their first line is a row. With names, a row that
   * has more or fewer cells is a bad row; with `false` columns are called `column0`, `column1`, …, as many as a row has.
   * Default: the first line names the columns.
   */
  readonly header?: false | readonly string[] | undefined;
}

const KNOWN = ['delimiter', 'header'];

/** What is wrong with a layout; `undefined`: nothing. */
export function layoutFault(layout: unknown): string | undefined {
  if (typeof layout !== 'object' || layout === null || Array.isArray(layout)) {
    return `csv must be an object of ${KNOWN.join(' and ')}`;
  }
  const unknown = Object.keys(layout).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) return `unknown option 'csv.${unknown}'; there are ${KNOWN.join(', ')}`;
  const { delimiter, header } = layout as Record<string, unknown>;
  return delimiterFault(delimiter) ?? headerFault(header);
}

function delimiterFault(delimiter: unknown): string | undefined {
  if (delimiter === undefined) return undefined;
  // Cells are cut in bytes: a character of several would not be found.
  if (typeof delimiter === 'string' && /^[\x01-\x7f]$/.test(delimiter) && !/["\r\n]/.test(delimiter)) return undefined;
  return `csv.delimiter must be one ASCII character, such as ';' or '\\t', and no quote or line end`;
}

function headerFault(header: unknown): string | undefined {
  if (header === undefined || header === false) return undefined;
  if (!Array.isArray(header) || header.length === 0 || header.some((name) => typeof name !== 'string' || name === '')) {
    return 'csv.header must be the names of the columns, as texts that are not empty, or false; leave it out if the first line names them';
  }
  if (header.length > MAX_PROPERTIES)
    return `csv.header names ${header.length} columns; at most ${MAX_PROPERTIES} are read`;
  const seen = new Set<string>();
  const twice = header.find((name: string) => seen.size === seen.add(name).size);
  if (twice !== undefined) return `csv.header names two columns ${JSON.stringify(twice)}`;
  return header.includes('__proto__') ? 'csv.header names a column __proto__' : undefined;
}
