/**
 * Outputs that are one file, replaced atomically: `table.{extension}` in the output's folder. {@link NewestRows} keeps the
 * newest row of each key, from results that append or update; {@link WholeTable} takes over what mode complete gives, the
 * whole table with each batch.
 *
 * Writing costs as much as the table is large, so it is not done for each batch, but as often as takes a tenth of the time,
 * and in the end. In between, and after a kill, the file is a table as it was after some batch, never a mixture.
 */
import path from 'node:path';
import { MisaError } from '../../errors.ts';
import type { ColumnKind } from '../../sinks/parquet-columns.ts';
import { columnsOf } from '../../sinks/sink.ts';
import { decodeNdjson } from '../../util/ndjson.ts';
import { Columns, type StoredColumn } from './columns.ts';
import type { Encoder } from './encoders.ts';
import { makeFolder } from './rolled-files.ts';
import { readTableState, type TableState, writeTableState } from './table-state.ts';
import { removeParts, writeWhole } from './write-whole.ts';
import type { OutputWriter, Part } from './writer.ts';

/** Least time between two versions of a table's file. */
const TABLE_INTERVAL_MS = 1000;
/** After a write, the next one waits at least this many times as long as the write took. */
const REST = 9;
/** Lines that are encoded together. */
const LINES_AT_ONCE = 2000;

export interface TableOptions {
  readonly folder: string;
  readonly encoder: Encoder;
  readonly declared: ReadonlyMap<string, ColumnKind> | undefined;
  /** Least time between two versions of the file. */
  readonly intervalMs: number | undefined;
  /** As the cursor has it. */
  readonly through: number;
}

/** Decides when an expensive file is written again. */
class Pace {
  readonly #intervalMs: number;
  #nextMs = Number.NEGATIVE_INFINITY;

  constructor(intervalMs: number = TABLE_INTERVAL_MS) {
    this.#intervalMs = intervalMs;
  }

  due(nowMs: number): boolean {
    return nowMs >= this.#nextMs;
  }

  wrote(startMs: number, endMs: number): void {
    this.#nextMs = endMs + Math.max(this.#intervalMs, REST * (endMs - startMs));
  }
}

export class NewestRows implements OutputWriter {
  readonly #options: NewestRowsOptions;
  readonly #pace: Pace;
  readonly #columns: Columns;
  /** Lines of NDJSON by key, in the order in which keys came first. */
  readonly #rows = new Map<string, string>();
  #taken: number;
  #written: number;
  /** Whether there is a saved state to go on from; without one the table is built from the first batch on. */
  hasState: boolean;
  /** The file is older than the rows. */
  #stale: boolean;

  private constructor(options: NewestRowsOptions, state: TableState | undefined) {
    this.#options = options;
    this.#pace = new Pace(options.intervalMs);
    this.#columns = new Columns(options.declared, state?.columns ?? [], { open: true });
    // Batches after the state's, up to the cursor's, had no rows; without a state nothing is known of any.
    const through = state === undefined ? 0 : Math.max(state.through, options.through);
    this.hasState = state !== undefined;
    this.#taken = through;
    this.#written = options.through;
    this.#stale = through > options.through;
  }

  /** @throws {CorruptionError} its state is damaged */
  static async open(options: NewestRowsOptions): Promise<NewestRows> {
    await removeParts(options.folder).catch(ignoreMissing);
    const state = await readTableState(options.state);
    const table = new NewestRows(options, state);
    for (const line of state?.lines ?? []) table.#rows.set(table.#keyOf(JSON.parse(line)), line);
    return table;
  }

  get taken(): number {
    return this.#taken;
  }

  get through(): number {
    return this.#stale ? this.#written : this.#taken;
  }

  /** They are kept in the state. */
  get columns(): undefined {
    return undefined;
  }

  wants(n: number): boolean {
    return n > this.#taken;
  }

  take(n: number, parts: readonly Part[]): void {
    for (const { rows } of parts) {
      if (rows.length === 0) continue;
      const decoded = decodeNdjson(rows);
      this.#columns.learn(decoded);
      const lines = Buffer.from(rows.buffer, rows.byteOffset, rows.byteLength).toString('utf8').split('\n');
      for (const [i, row] of decoded.entries()) this.#rows.set(this.#keyOf(row), lines[i]!);
      this.#stale = true;
    }
    this.#taken = n;
  }

  due(nowMs: number): boolean {
    return this.#stale && this.#pace.due(nowMs);
  }

  async write(nowMs: () => number): Promise<string | undefined> {
    if (!this.#stale) return undefined;
    const { folder, state, encoder } = this.#options;
    const startMs = nowMs();
    const rows = (): Iterable<Uint8Array> => chunksOf(this.#rows.values());
    const header = { through: this.#taken, columns: this.#columns.stored };
    await writeTableState(state, header, this.#rows.size, rows());
    const file = await writeTable(folder, encoder, rows, this.#columns);
    this.hasState = true;
    this.#written = this.#taken;
    this.#stale = false;
    this.#pace.wrote(startMs, nowMs());
    return file;
  }

  #keyOf(row: unknown): string {
    const values = columnsOf(row);
    const { key, output } = this.#options;
    const missing = key.find((name) => !Object.hasOwn(values, name));
    if (missing !== undefined)
      throw noKey(output, `a row without the column ${missing}: ${JSON.stringify(row).slice(0, 200)}`);
    return JSON.stringify(key.map((name) => values[name]));
  }
}

export interface NewestRowsOptions extends TableOptions {
  readonly output: string;
  /** Columns that tell rows apart. */
  readonly key: readonly string[];
  /** File of the table's state. */
  readonly state: string;
}

export class WholeTable implements OutputWriter {
  readonly #options: TableOptions;
  readonly #pace: Pace;
  #columns: Columns;
  #taken: number;
  #written: number;
  #parts: readonly Part[] | undefined;

  private constructor(options: WholeTableOptions) {
    this.#options = options;
    this.#pace = new Pace(options.intervalMs);
    this.#columns = new Columns(options.declared, options.columns, { open: true });
    this.#taken = options.through;
    this.#written = options.through;
  }

  static async open(options: WholeTableOptions): Promise<WholeTable> {
    await removeParts(options.folder).catch(ignoreMissing);
    return new WholeTable(options);
  }

  get taken(): number {
    return this.#taken;
  }

  get through(): number {
    return this.#written;
  }

  get columns(): readonly StoredColumn[] | undefined {
    return this.#options.encoder.columnar ? this.#columns.stored : undefined;
  }

  /** Only the last batch counts: each one holds the whole table. */
  wants(n: number, through: number): boolean {
    return n > this.#taken && n === through;
  }

  take(n: number, parts: readonly Part[]): void {
    this.#taken = n;
    this.#parts = parts;
  }

  due(nowMs: number): boolean {
    return this.#parts !== undefined && this.#pace.due(nowMs);
  }

  async write(nowMs: () => number): Promise<string | undefined> {
    if (this.#parts === undefined) return undefined;
    const { folder, encoder } = this.#options;
    const startMs = nowMs();
    const chunks = this.#parts.map(({ rows }) => rows);
    if (encoder.columnar) for (const rows of chunks) this.#columns.learn(decodeNdjson(rows));
    const file = await writeTable(folder, encoder, () => chunks, this.#columns);
    this.#written = this.#taken;
    this.#parts = undefined;
    this.#pace.wrote(startMs, nowMs());
    return file;
  }
}

export interface WholeTableOptions extends TableOptions {
  readonly columns: readonly StoredColumn[];
}

async function writeTable(
  folder: string,
  encoder: Encoder,
  rows: () => Iterable<Uint8Array>,
  columns: Columns,
): Promise<string | undefined> {
  if (!encoder.hasFile(columns)) return undefined;
  const file = path.join(folder, `table.${encoder.extension}`);
  await makeFolder(folder);
  await writeWhole(file, encoder.encode(rows, columns));
  return file;
}

function* chunksOf(lines: Iterable<string>): Generator<Uint8Array> {
  let text = '';
  let count = 0;
  for (const line of lines) {
    text += `${line}\n`;
    if (++count % LINES_AT_ONCE > 0) continue;
    yield Buffer.from(text);
    text = '';
  }
  if (text !== '') yield Buffer.from(text);
}

export function noKey(output: string, why: string): MisaError {
  return new MisaError(
    'NO_TABLE_KEY',
    `output '${output}' cannot be kept as a table: ${why}. Name the columns that tell its rows apart with --table-key, such as --table-key key,windowStart.`,
  );
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
