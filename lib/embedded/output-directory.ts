/**
 * `--output DIR`: results as files, copied from the published results, which stay in the store. A file is complete from the
 * moment it is there, and a cursor says how far the directory is. Killed anywhere, the next run copies from there on: nothing
 * is lost, nothing is there twice.
 *
 * How a directory is laid out, and in which format, is fixed when it is begun (`output/settings.ts`).
 */
import { mkdirSync } from 'node:fs';
import { loadResultsMark, type ResultsMark, resultsDeleted } from '../commit/results-mark.ts';
import { MisaError, StoreError } from '../errors.ts';
import type { JobFile } from '../job/job-file.ts';
import type { Names } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import type { OutputSpec } from '../stream/compile/physical.ts';
import type { Clock } from '../util/clock.ts';
import { type Cursor, readCursor, writeCursor } from './output/cursor.ts';
import { FlatLayout, hasFlatFiles } from './output/flat.ts';
import { FoldersLayout } from './output/folders.ts';
import type { Layout, ReadPart } from './output/layout.ts';
import { allOutputs } from './output/parts.ts';
import { anotherLayout, checkOutputOptions, checkShape, type OutputOptions, shapeOf } from './output/settings.ts';
import { ResultReader } from './read-result.ts';

/** Result bytes of one output in one partition of a batch; `undefined`: not in memory. */
export type Results = (output: string, partition: number) => Uint8Array | undefined;

export interface OpenDirectory {
  readonly directory: string;
  readonly options?: OutputOptions | undefined;
  readonly store: ObjectStore;
  readonly names: Names;
  readonly file: JobFile;
  /** Of the job. */
  readonly outputs: readonly OutputSpec[];
  readonly clock: Clock;
  /** Called for values that could not be written unchanged. */
  readonly onTrouble?: ((what: string, error: unknown) => void) | undefined;
}

export class OutputDirectory {
  readonly directory: string;
  readonly #store: ObjectStore;
  readonly #names: Names;
  readonly #results: ResultReader;
  readonly #layout: Layout;
  readonly #files: Set<string>;

  private constructor({ directory, store, names }: OpenDirectory, layout: Layout, files: Set<string>) {
    this.directory = directory;
    this.#store = store;
    this.#names = names;
    this.#results = new ResultReader(store, names);
    this.#layout = layout;
    this.#files = files;
  }

  /**
   * @throws {MisaError} `OUTPUT_OF_ANOTHER_JOB`, `OUTPUT_LAYOUT`, `NO_TABLE_KEY`, `RESULTS_DELETED` @throws {JobError} `BAD_OPTIONS`, `NO_TABLE`
   * @throws {StoreError} it cannot be written
   */
  static async open(opening: OpenDirectory): Promise<OutputDirectory> {
    const { directory, options = {}, store, names, file, outputs, clock, onTrouble } = opening;
    checkOutputOptions(options);
    const files = new Set<string>();
    const onFile = (name: string): void => void files.add(name);
    const layout = await writing(directory, async () => {
      mkdirSync(directory, { recursive: true });
      const found = await readCursor(directory, file);
      const mark = await loadResultsMark(store, names);
      const begin = options.begin === 'kept' ? mark.through : 0;
      const { shape, through, outputs: positions } = found ?? newCursor(options, begin, outputs, file);
      if (found !== undefined) checkShape(directory, shape, options);
      else if (shape.layout === 'folders' && (await hasFlatFiles(directory))) {
        throw anotherLayout(directory, 'result files of a run in the flat layout', 'results in folders');
      }
      const opened =
        shape.layout === 'flat'
          ? new FlatLayout(directory, file, outputs, through, onFile)
          : await FoldersLayout.open({ directory, file, outputs, shape, options, positions, clock, onFile, onTrouble });
      if (opened.taken < mark.through) throw tooLate(mark, directory, opened.taken, found === undefined, shape.table);
      // The cursor comes before the first result file, so that a directory with results always says whose they are.
      if (found === undefined) await writeCursor(directory, file, { shape, through, outputs: positions });
      return opened;
    });
    return new OutputDirectory(opening, layout, files);
  }

  /** Files written in this run, by name. */
  get files(): string[] {
    return [...this.#files].sort();
  }

  /** Batches up to this are in files that stay. */
  get through(): number {
    return this.#layout.through;
  }

  /** Wherever this run is killed, the next one needs no results of this batch or earlier ones. */
  get kept(): number {
    return this.#layout.kept;
  }

  /** Copies batches up to `through`; those that are not in `known` are read from the store. */
  async copy(through: number, known?: { n: number; results: Results }): Promise<void> {
    await writing(this.directory, async () => {
      for (let n = this.#layout.taken + 1; n <= through; n++) {
        await this.#layout.take(n, through, this.#reader(n, known?.n === n ? known.results : () => undefined));
      }
      await this.#layout.settle();
    });
  }

  /** Writes what has waited for long enough: to be called from time to time while no batch comes. */
  async tick(): Promise<void> {
    await writing(this.directory, () => this.#layout.tick());
  }

  /** Writes what still waits. */
  async close(): Promise<void> {
    await writing(this.directory, () => this.#layout.finish());
  }

  #reader(n: number, known: Results): ReadPart {
    return async (output, stage, partition) => {
      const rows = known(output, partition) ?? (await this.#results.read({ output, stage, partition }, n));
      if (rows !== undefined) return rows;
      // ⚑ absent-is-empty: directories are not waited for, so the mark says whether anything was there.
      const mark = await loadResultsMark(this.#store, this.#names);
      if (n <= mark.through) throw resultsDeleted(mark, this.directory, n - 1, BEGIN_KEPT);
      return new Uint8Array(0);
    };
  }
}

/** Advice for a directory whose first results are deleted already. */
const BEGIN_KEPT =
  "A new directory that is told to (--output-begin kept; in a program begin: 'kept') begins with the first batch that is kept.";

/** @param begin batches up to this are left out */
function newCursor(
  options: OutputOptions,
  begin: number,
  outputs: readonly OutputSpec[],
  { stages }: Pick<JobFile, 'stages'>,
): Cursor {
  const positions = begin === 0 ? [] : allOutputs(outputs, stages).map(({ name }) => ({ name, through: begin }));
  return { shape: shapeOf(options), through: begin, outputs: positions };
}

/** Refused before anything is read or written: part of it may still be there. */
function tooLate(mark: ResultsMark, directory: string, has: number, isNew: boolean, table: boolean): MisaError {
  const todo = table ? 'A table needs the results of every batch; name a directory without --output table. ' : '';
  const cannot = isNew ? '' : 'Those between cannot be copied any more. ';
  return resultsDeleted(mark, directory, has, cannot + todo + BEGIN_KEPT);
}

/** Does something to a directory; what the system refuses becomes an error that says what to do. */
async function writing<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof MisaError) throw error;
    if (typeof (error as NodeJS.ErrnoException).code !== 'string') throw error;
    throw unwritable(directory, error);
  }
}

function unwritable(directory: string, error: unknown): StoreError {
  const { code, message } = error as NodeJS.ErrnoException;
  const todo = code === 'ENOSPC' ? 'Free some space' : 'Make it writable, or name another --output';
  return new StoreError(
    'OUTPUT_NOT_WRITABLE',
    `results cannot be written to ${directory} (${message}). ${todo}, and run again: it goes on where it was, nothing is lost.`,
    { cause: error },
  );
}
