/**
 * NDJSON: one JSON value a line. Each line is parsed on its own: parsing many at once as `[a,b,c]` saves a tenth, but
 * then damage in one line can pair with damage in another and give rows that no line holds.
 */
import { FieldColumns } from '../columns/field-columns.ts';
import { errorText, InputError } from '../errors.ts';
import { AskedFields } from './asked-fields.ts';
import type { DeclaredFields } from './declared-fields.ts';
import { LineColumns } from './line-columns.ts';
import { HARMLESS_CHARS, MAX_ROW_BYTES, rowFault } from './row-limits.ts';
import type { NewColumns } from './rows.ts';
import { LineScanner } from './scan/line-scanner.ts';
import { RowScanner } from './scan/row-scanner.ts';
import { BadRecord, type TextFormat } from './text-format.ts';

/** Longest line, bytes without its newline; a longer one is a bad row, and is not held in memory. */
export const MAX_LINE_BYTES = MAX_ROW_BYTES;

export interface NdjsonOptions {
  readonly path: string;
  /** The name (`.json`) allows one JSON document as well, which is refused. */
  readonly plainJson: boolean;
  readonly fields?: DeclaredFields | undefined;
  /** Where no fields are declared: those that are all that will be asked of most rows. */
  readonly asked?: readonly string[] | undefined;
  readonly maxBytes?: number;
}

/** Lines of whitespace are no rows; any JSON value is one, where no fields are declared. */
export function ndjsonFormat(options: NdjsonOptions): TextFormat {
  const { path, plainJson, fields, asked, maxBytes = MAX_LINE_BYTES } = options;
  return {
    maxBytes,
    framesBytes: false,
    columns: fields === undefined ? askedColumns(asked) : declaredColumns(fields),
    needsHeader: false,
    checkStart(text) {
      if (plainJson && /^\s*(\[|\{\s*\n)/.test(text)) throw notLines(path);
    },
    recordEnd(text, at, last) {
      const newline = text.indexOf('\n', at);
      return newline < 0 && last ? text.length : newline;
    },
    isBlank(text, at, end) {
      for (let i = at; i < end; i++) if (!isWhitespace(text.charCodeAt(i))) return false;
      return true;
    },
    takeHeader() {},
    parse(record) {
      let row: unknown;
      try {
        row = JSON.parse(record);
      } catch (error) {
        return new BadRecord(`not valid JSON: ${errorText(error)}`);
      }
      const fault = record.length > HARMLESS_CHARS ? rowFault(row) : undefined;
      if (fault !== undefined) return new BadRecord(fault);
      return fields === undefined ? row : fields.pick(row);
    },
  };
}

function declaredColumns(fields: DeclaredFields): TextFormat['columns'] {
  const columns = { newColumns: (rows: number) => new FieldColumns(fields, rows), scanner: new RowScanner(fields) };
  return () => columns;
}

/** Learns from the first line what the values are. */
function askedColumns(names: readonly string[] | undefined): TextFormat['columns'] {
  if (names === undefined) return undefined;
  let learned: { readonly newColumns: NewColumns; readonly scanner: LineScanner } | null | undefined;
  return (bytes) => {
    if (learned === undefined) {
      const fields = AskedFields.of(names, parsed(bytes.toString('utf8', 0, bytes.indexOf('\n'))));
      learned =
        fields === undefined
          ? null
          : { newColumns: (rows) => new LineColumns(fields, rows), scanner: new LineScanner(fields) };
    }
    return learned?.scanner.worthwhile ? learned : undefined;
  };
}

/** `undefined`: it is no JSON. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Whitespace of JSON. */
function isWhitespace(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9;
}

function notLines(path: string): InputError {
  return new InputError(
    'INPUT_FORMAT',
    `${path} is one JSON document, not one row a line. Convert it: jq -c '.[]' FILE > FILE.ndjson for an array, ` +
      'jq -c . FILE > FILE.ndjson for pretty-printed objects. If its rows are arrays, name it .ndjson.',
    path,
  );
}
