/**
 * `--output DIR`: result files, copied from the published results. One file a batch, output and partition, under a fixed
 * name and complete from the moment it appears; a cursor file says how far it is. Killed anywhere, the next run copies from
 * the cursor on, to the same names: nothing is lost, nothing is there twice.
 *
 * An output that is a table (mode complete) has one file a partition instead, replaced by each batch's table; beside it,
 * outputs that append go on as ever.
 */
import { mkdirSync } from 'node:fs';
import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { QUARANTINE, QUARANTINE_PARTITION } from '../batch/run-operators.ts';
import { CorruptionError, MisaError, StoreError } from '../errors.ts';
import { DataLog } from '../log/data-log.ts';
import { type Names, partitionPath } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import { decodeEnvelope, encodeEnvelope } from '../util/envelope.ts';
import { holdsTable, type JobFile } from './job-file.ts';

const CURSOR = '.misa-cursor';
const VERSION = 1;

interface Cursor {
  readonly job: string;
  /** {@link JobFile.id} */
  readonly id: string;
  readonly through: number;
}

/** Result bytes of one output in one partition of a batch, where they are at hand. */
export type Results = (output: string, partition: number) => Uint8Array | undefined;

export class OutputDirectory {
  readonly directory: string;
  readonly #store: ObjectStore;
  readonly #names: Names;
  readonly #file: JobFile;
  #through: number;
  /** Files written in this run, in order. */
  readonly files: string[] = [];

  private constructor(directory: string, store: ObjectStore, names: Names, file: JobFile, through: number) {
    this.directory = directory;
    this.#store = store;
    this.#names = names;
    this.#file = file;
    this.#through = through;
  }

  /** @throws {MisaError} `OUTPUT_OF_ANOTHER_JOB` @throws {StoreError} it cannot be written */
  static async open(directory: string, store: ObjectStore, names: Names, file: JobFile): Promise<OutputDirectory> {
    try {
      mkdirSync(directory, { recursive: true });
    } catch (error) {
      throw unwritable(directory, error);
    }
    const name = path.join(directory, CURSOR);
    let cursor: Cursor | undefined;
    try {
      cursor = decodeEnvelope<Cursor>('cursor', VERSION, await readFile(name), name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    if (cursor !== undefined && cursor.id !== file.id) {
      throw new MisaError(
        'OUTPUT_OF_ANOTHER_JOB',
        `${directory} holds results of job ${cursor.job} from another store. Name another --output, or empty it first.`,
      );
    }
    return new OutputDirectory(directory, store, names, file, cursor?.through ?? 0);
  }

  /** Copies batches up to `through`; those that are not in `known` are read from the store. */
  async copy(through: number, known?: { n: number; results: Results }): Promise<void> {
    try {
      for (let n = this.#through + 1; n <= through; n++) {
        await this.#copyBatch(n, known?.n === n ? known.results : () => undefined);
      }
      if (through > this.#through) {
        const cursor: Cursor = { job: this.#file.name, id: this.#file.id, through };
        await write(path.join(this.directory, CURSOR), encodeEnvelope('cursor', VERSION, cursor));
        this.#through = through;
      }
    } catch (error) {
      if (error instanceof MisaError) throw error;
      throw unwritable(this.directory, error);
    }
  }

  async #copyBatch(n: number, known: Results): Promise<void> {
    const parts = this.#file.outputs.flatMap(({ name, stage }) =>
      Array.from({ length: this.#file.partitions }, (_, partition) => ({ name, stage, partition })),
    );
    parts.push({ name: QUARANTINE, stage: 0, partition: QUARANTINE_PARTITION });
    await Promise.all(
      parts.map(async ({ name, stage, partition }) => {
        const bytes = known(name, partition) ?? (await this.#read(name, stage, partition, n));
        const table = holdsTable(this.#file, name);
        if (bytes.length === 0 && !table) return;
        const batch = table ? '' : `-${String(n).padStart(8, '0')}`;
        const file = path.join(this.directory, `${name.replace(/^_/, '')}${batch}-p${partition}.ndjson`);
        await write(file, bytes);
        this.files.push(file);
      }),
    );
  }

  /** From the log entry while it is kept, since that has a checksum; else as it was published. */
  async #read(output: string, stage: number, partition: number, n: number): Promise<Uint8Array> {
    const log = new DataLog(this.#store, this.#names, partitionPath(stage, partition));
    const { entry } = await log.readEntry(n);
    if (entry !== undefined) return entry.output(entry.header.outputs.indexOf(output));
    const name = this.#names.out(output, partition, n);
    const answer = await this.#store.get(name);
    if (answer.found) return answer.body;
    throw new CorruptionError(name, `it is missing, and ${this.directory} has not had it`);
  }
}

/** Writes a file so that it is whole whenever it is there. */
async function write(file: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${file}.part`;
  const handle = await open(temporary, 'w');
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
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
