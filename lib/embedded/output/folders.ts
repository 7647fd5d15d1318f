/**
 * The layout with folders: a folder an output, in it files of one or more batches, or one table; all partitions of a batch
 * are together, in their order. Each output has a place of its own in the cursor, as files end where its rows fill them.
 */
import path from 'node:path';
import { JobError } from '../../errors.ts';
import type { JobFile } from '../../job/job-file.ts';
import { isQuarantine } from '../../job/outputs.ts';
import type { ColumnKind } from '../../sinks/parquet-columns.ts';
import type { OutputSpec } from '../../stream/compile/physical.ts';
import { allOrFirstError } from '../../util/all-or-first-error.ts';
import type { Clock } from '../../util/clock.ts';
import { smallest } from '../../util/numbers.ts';
import { type OutputPosition, writeCursor } from './cursor.ts';
import { type Encoder, encoderOf } from './encoders.ts';
import type { Layout, ReadPart } from './layout.ts';
import { allOutputs, partitionsOf, plainName } from './parts.ts';
import { RolledFiles } from './rolled-files.ts';
import type { OutputOptions, Shape } from './settings.ts';
import { STAMPS, stamp } from './stamp.ts';
import { NewestRows, noKey, WholeTable } from './tables.ts';
import type { OutputWriter } from './writer.ts';

export interface FoldersOptions {
  readonly directory: string;
  readonly file: JobFile;
  readonly outputs: readonly OutputSpec[];
  readonly shape: Shape;
  readonly options: OutputOptions;
  readonly positions: readonly OutputPosition[];
  readonly clock: Clock;
  readonly onFile: (file: string) => void;
  readonly onTrouble?: ((what: string, error: unknown) => void) | undefined;
}

const HALF_PAIR = 'text was written with U+FFFD for half a surrogate pair';

function halfPair(column: string): Error {
  return new Error(
    `the first is in the column ${JSON.stringify(column)}. UTF-8 has no form for it; the results in the store, and NDJSON, have it as it is`,
  );
}

interface Folder {
  readonly output: OutputSpec;
  readonly writer: OutputWriter;
}

export class FoldersLayout implements Layout {
  readonly #options: FoldersOptions;
  readonly #folders: readonly Folder[];
  readonly #nowMs = (): number => this.#options.clock.monotonic();
  /** The positions that the cursor has. */
  #saved: string;
  #savedThrough: number;

  private constructor(options: FoldersOptions, folders: readonly Folder[]) {
    this.#options = options;
    this.#folders = folders;
    this.#saved = JSON.stringify(options.positions);
    this.#savedThrough = this.#least(options.positions);
  }

  /** @throws {MisaError} `NO_TABLE_KEY` @throws {JobError} `NO_TABLE` */
  static async open(options: FoldersOptions): Promise<FoldersLayout> {
    const { outputs, shape } = options;
    if (shape.table && !outputs.some(isTable)) {
      throw new JobError(
        'NO_TABLE',
        'no output of this job is a table: they only append rows, and none replaces another. Leave out --output table',
      );
    }
    const encoder = await encoderOf(shape.format, (column) => options.onTrouble?.(HALF_PAIR, halfPair(column)));
    const folders: Folder[] = [];
    for (const output of allOutputs(outputs, options.file.stages)) {
      folders.push({ output, writer: await openWriter(output, encoder, options) });
    }
    return new FoldersLayout(options, folders);
  }

  get taken(): number {
    return smallest(this.#folders.map(({ writer }) => writer.taken));
  }

  get through(): number {
    return smallest(this.#folders.map(({ writer }) => writer.through));
  }

  async take(n: number, through: number, read: ReadPart): Promise<void> {
    const { file, shape } = this.#options;
    await allOrFirstError(
      this.#folders.map(async ({ output, writer }) => {
        if (!writer.wants(n, through)) return;
        const parts = await allOrFirstError(
          partitionsOf(file.partitions).map(async (partition) => {
            const rows = await read(output.name, output.stage, partition);
            return { partition, rows: shape.withBatch ? stamp(rows, n, partition) : rows };
          }),
        );
        writer.take(n, parts, this.#nowMs());
      }),
    );
    await this.tick();
  }

  get kept(): number {
    const stateless = this.#folders.some(({ writer }) => writer instanceof NewestRows && !writer.hasState);
    return stateless ? 0 : this.#savedThrough;
  }

  /** Batches without results change no file. Their position is saved now and then only: the next run reads them again. */
  async settle(): Promise<void> {
    if (this.through - this.#savedThrough >= UNSAVED) await this.#save();
  }

  async tick(): Promise<void> {
    await this.#write(({ writer }) => writer.due(this.#nowMs()));
  }

  async finish(): Promise<void> {
    await this.#write(() => true);
    await this.#save();
  }

  async #write(which: (folder: Folder) => boolean): Promise<void> {
    let wrote = false;
    for (const folder of this.#folders.filter(which)) {
      const file = await folder.writer.write(this.#nowMs, () => this.#save());
      if (file === undefined) continue;
      this.#options.onFile(file);
      wrote = true;
    }
    if (wrote) await this.#save();
  }

  #least(positions: readonly OutputPosition[]): number {
    return smallest(
      this.#folders.map(({ output }) => positions.find(({ name }) => name === output.name)?.through ?? 0),
    );
  }

  async #save(): Promise<void> {
    const { directory, file, shape } = this.#options;
    const outputs = this.#folders.map(
      ({ output, writer }): OutputPosition => ({
        name: output.name,
        through: writer.through,
        ...(writer.columns === undefined ? {} : { columns: writer.columns }),
      }),
    );
    const text = JSON.stringify(outputs);
    if (text === this.#saved) return;
    await writeCursor(directory, file, { shape, through: 0, outputs });
    this.#saved = text;
    this.#savedThrough = this.#least(outputs);
  }
}

/** Batches without results that may pass before the cursor is written again. */
const UNSAVED = 64;

/** Whether rows of an output replace earlier ones, or are final for what tells them apart. */
function isTable({ kind, rows }: OutputSpec): boolean {
  return kind !== 'append' || rows !== undefined;
}

async function openWriter(output: OutputSpec, encoder: Encoder, options: FoldersOptions): Promise<OutputWriter> {
  const { directory, shape, positions } = options;
  const { rollBytes, rollIntervalMs } = options.options;
  const { name, kind, rows } = output;
  const { through = 0, columns = [] } = positions.find((one) => one.name === name) ?? {};
  const folder = path.join(directory, plainName(name));
  const declared = shape.format === 'parquet' ? declaredColumns(output, shape) : undefined;
  if (kind === 'table') {
    return WholeTable.open({ folder, encoder, declared, intervalMs: rollIntervalMs, through, columns });
  }
  if (shape.table && isTable(output)) {
    const key = shape.tableKey.length > 0 ? shape.tableKey : (rows?.key ?? []);
    if (key.length === 0)
      throw noKey(
        name,
        'its rows are made by a function of the job, which does not say which of their columns tell them apart',
      );
    const state = path.join(directory, `.misa-table-${name}`);
    return NewestRows.open({
      folder,
      encoder,
      declared,
      intervalMs: rollIntervalMs,
      through,
      output: name,
      key,
      state,
    });
  }
  return RolledFiles.open({ folder, encoder, declared, rollBytes, rollIntervalMs, through, columns });
}

/** Types that are known before any row. */
function declaredColumns({ name, rows }: OutputSpec, shape: Shape): ReadonlyMap<string, ColumnKind> {
  return new Map<string, ColumnKind>([
    ...(rows?.whole ?? []).map((column) => [column, 'integer'] as const),
    ...(isQuarantine(name) ? [['line', 'integer'] as const] : []),
    ...shape.columns,
    ...(shape.withBatch ? STAMPS.map((column) => [column, 'integer'] as const) : []),
  ]);
}
