/**
 * The columns of an output, in one order for all of its files: a column keeps its place and its type, new ones come at the
 * end. Types follow from the kind of the values alone (`sinks/parquet-columns.ts`), or from what the job says. Until a file
 * was written with a column, values of several kinds make it JSON; after that its type stands.
 */
import { MisaError } from '../../errors.ts';
import { type ColumnKind, kindOf } from '../../sinks/parquet-columns.ts';
import { columnsOf } from '../../sinks/sink.ts';

/** `null`: only nulls were seen, so its type is not known yet. */
export type StoredColumn = readonly [name: string, kind: ColumnKind | null];

interface Column {
  kind: ColumnKind | null;
  /** Its type can no longer change: it was declared, or a file was written with it. */
  fixed: boolean;
}

const TIMES: readonly string[] = ['windowStart', 'windowEnd'];

export class Columns {
  readonly #columns = new Map<string, Column>();
  /** Types by name for columns that are not there yet. */
  readonly #declared: ReadonlyMap<string, ColumnKind>;

  readonly #withTypes: boolean;

  /**
   * @param declared types by name; `undefined`: the format has none, and columns are names only
   * @param stored those that files have
   * @param open there is but one file, always written anew: types of those columns may still become JSON
   */
  constructor(
    declared: ReadonlyMap<string, ColumnKind> | undefined,
    stored: readonly StoredColumn[] = [],
    { open = false }: { readonly open?: boolean } = {},
  ) {
    this.#withTypes = declared !== undefined;
    this.#declared = declared ?? new Map();
    for (const [name, kind] of stored) {
      this.#columns.set(name, { kind, fixed: this.#declared.has(name) || (kind !== null && !open) });
    }
  }

  get size(): number {
    return this.#columns.size;
  }

  get names(): string[] {
    return [...this.#columns.keys()];
  }

  get stored(): StoredColumn[] {
    return [...this.#columns].map(([name, { kind }]) => [name, kind]);
  }

  /** Columns whose type is known. */
  get typed(): { readonly name: string; readonly kind: ColumnKind }[] {
    return this.stored.flatMap(([name, kind]) => (kind === null ? [] : [{ name, kind }]));
  }

  /** Takes in the columns of rows. @throws {MisaError} `COLUMN_CHANGED_TYPE` */
  learn(rows: readonly unknown[]): void {
    for (const row of rows) {
      const values = columnsOf(row);
      for (const name of Object.keys(values)) this.#see(name, values[name]);
    }
  }

  #see(name: string, value: unknown): void {
    let column = this.#columns.get(name);
    if (column === undefined) {
      const declared = this.#declared.get(name);
      column = { kind: declared ?? null, fixed: declared !== undefined };
      this.#columns.set(name, column);
    }
    if (!this.#withTypes || value === null || value === undefined || column.kind === 'json') return;
    if (column.kind === null) {
      column.kind = TIMES.includes(name) && Number.isSafeInteger(value) ? 'timestamp' : kindOf(value);
      return;
    }
    if (fits(column.kind, value)) return;
    if (column.fixed) throw changedType(name, column.kind, value);
    column.kind = 'json';
  }
}

function fits(kind: ColumnKind, value: unknown): boolean {
  switch (kind) {
    case 'integer':
      return Number.isSafeInteger(value);
    case 'timestamp':
      return Number.isSafeInteger(typeof value === 'string' ? Date.parse(value) : value);
    case 'text':
      return typeof value === 'string';
    case 'json':
      return true;
    default:
      return typeof value === kind;
  }
}

export function changedType(name: string, kind: ColumnKind, value: unknown): MisaError {
  const shown = JSON.stringify(value).slice(0, 60);
  return new MisaError(
    'COLUMN_CHANGED_TYPE',
    `the column ${name} is ${kind} in the result files so far, and ${shown} now; files of several types could not be read together. Nothing is lost: name another directory and declare the column, --output-columns ${name}=json (any value, as JSON text), or take another format there.`,
  );
}
