/**
 * An output that appends: its batches, one or many of them a file, `{first}-{last}.{extension}` by the first and the last
 * batch that has rows in it. A file is made once and never changes; the next begins with the next batch.
 *
 * Exactly once without a cursor that is written at the same moment: files are whole when they are there, and in order, so
 * whatever batch the greatest name ends with, it and all before are written. Where a file ends depends on the rows alone when
 * it goes by their bytes; where it goes by time, a run after a kill may end files elsewhere, with the same rows in all.
 */
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { syncDirectory } from '../../object-store/durable-file.ts';
import type { ColumnKind } from '../../sinks/parquet-columns.ts';
import { decodeNdjson } from '../../util/ndjson.ts';
import { Columns, type StoredColumn } from './columns.ts';
import type { Encoder } from './encoders.ts';
import { removeParts, writeWhole } from './write-whole.ts';
import type { OutputWriter, Part } from './writer.ts';

/** Size limit where only a time limit is given, since waiting results are held in memory. */
const DEFAULT_ROLL_BYTES = 64 << 20;

const NAME = /^(\d{8,})-(\d{8,})\.[a-z]+$/;

export interface RolledFilesOptions {
  readonly folder: string;
  readonly encoder: Encoder;
  /** By name; of formats without types `undefined`. */
  readonly declared: ReadonlyMap<string, ColumnKind> | undefined;
  readonly rollBytes: number | undefined;
  readonly rollIntervalMs: number | undefined;
  /** As the cursor has them. */
  readonly through: number;
  readonly columns: readonly StoredColumn[];
}

export class RolledFiles implements OutputWriter {
  readonly #options: RolledFilesOptions;
  #written: number;
  #taken: number;
  #columns: Columns;
  #pending: Uint8Array[] = [];
  #bytes = 0;
  #first = 0;
  #last = 0;
  /** When the first of the waiting rows came. */
  #sinceMs = 0;

  private constructor(options: RolledFilesOptions, through: number) {
    this.#options = options;
    this.#written = through;
    this.#taken = through;
    this.#columns = new Columns(options.declared, options.columns);
  }

  static async open(options: RolledFilesOptions): Promise<RolledFiles> {
    return new RolledFiles(options, Math.max(options.through, await lastBatch(options.folder)));
  }

  get taken(): number {
    return this.#taken;
  }

  get through(): number {
    return this.#pending.length === 0 ? this.#taken : this.#written;
  }

  get columns(): readonly StoredColumn[] | undefined {
    return this.#options.encoder.columnar ? this.#columns.stored : undefined;
  }

  wants(n: number): boolean {
    return n > this.#taken;
  }

  take(n: number, parts: readonly Part[], nowMs: number): void {
    this.#taken = n;
    for (const { rows } of parts) {
      if (rows.length === 0) continue;
      if (this.#pending.length === 0) {
        this.#first = n;
        this.#sinceMs = nowMs;
      }
      this.#last = n;
      // A copy, since the bytes are a view of the whole log entry, which would stay in memory as well.
      this.#pending.push(rows.slice());
      this.#bytes += rows.length;
    }
  }

  due(nowMs: number): boolean {
    const { rollBytes, rollIntervalMs } = this.#options;
    if (this.#pending.length === 0) return false;
    if (rollBytes === undefined && rollIntervalMs === undefined) return true;
    if (this.#bytes >= (rollBytes ?? DEFAULT_ROLL_BYTES)) return true;
    return rollIntervalMs !== undefined && nowMs - this.#sinceMs >= rollIntervalMs;
  }

  async write(_: () => number, beforeFile: () => Promise<void>): Promise<string | undefined> {
    const pending = this.#pending;
    if (pending.length === 0) return undefined;
    const { folder, encoder } = this.#options;
    if (encoder.columnar) {
      const known = JSON.stringify(this.#columns.stored);
      const columns = new Columns(this.#options.declared, this.#columns.stored);
      for (const rows of pending) columns.learn(decodeNdjson(rows));
      this.#columns = columns;
      if (JSON.stringify(columns.stored) !== known) await beforeFile();
    }
    const isEmpty = !encoder.hasFile(this.#columns);
    const file = path.join(folder, `${pad(this.#first)}-${pad(this.#last)}.${encoder.extension}`);
    if (!isEmpty) {
      await makeFolder(folder);
      await writeWhole(
        file,
        encoder.encode(() => pending, this.#columns),
      );
    }
    this.#pending = [];
    this.#bytes = 0;
    this.#written = this.#last;
    return isEmpty ? undefined : file;
  }
}

const pad = (n: number): string => String(n).padStart(8, '0');

export async function makeFolder(folder: string): Promise<void> {
  if ((await mkdir(folder, { recursive: true })) !== undefined) await syncDirectory(path.dirname(folder));
}

/** The batch that the last file in a folder ends with; 0: there is none. */
async function lastBatch(folder: string): Promise<number> {
  try {
    await removeParts(folder);
    const ends = (await readdir(folder)).map((name) => Number(NAME.exec(name)?.[2] ?? 0));
    return ends.reduce((a, b) => Math.max(a, b), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
