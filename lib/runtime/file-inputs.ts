/**
 * Input files of the embedded engine: read in order, and planned by reference, since files stay where they are. How far a
 * file is planned is the planner's state; so nothing is read twice, and a file that was changed after part of it was
 * planned is refused.
 */
import { addRows, InputCursor } from '../batch/input-cursor.ts';
import type { Piece, Plan } from '../batch/plan.ts';
import type { Gathered, Planner } from '../batch/planner.ts';
import type { PartitionInput } from '../batch/rows.ts';
import { SegmentBuilder } from '../batch/segment-builder.ts';
import { InputError, JobError } from '../errors.ts';
import { type FileRef, hashFile } from '../source/file-blocks.ts';
import { openRows } from '../source/open-rows.ts';
import type { PhysicalJob } from '../stream/physical.ts';
import type { SourceInput, SourceState } from './source-input.ts';

/**
 * The inputs of a planned batch, decoded again from the files it names.
 * @throws {InputError} @throws {JobError} `HEAD_CHANGED`
 */
export async function replayFiles(job: PhysicalJob, plan: Plan): Promise<PartitionInput[]> {
  if (plan.headHash !== job.headHash) {
    throw new JobError(
      'HEAD_CHANGED',
      `batch ${plan.n} was planned before the job's functions (source, map, filter, keyBy …) were changed, and is not finished. Run the earlier version of the job once to finish it, then the new one.`,
    );
  }
  const builder = new SegmentBuilder(job);
  for (const piece of plan.pieces) {
    const source = job.sources.findIndex((s) => s.name === piece.source);
    builder.open({ source, name: piece.name });
    const file = { path: piece.name, size: piece.size!, mtimeMs: piece.mtimeMs! };
    const range = { fromRow: piece.from, toRow: piece.to, near: piece.fromPosition };
    for await (const chunk of openRows(file, range)) addRows(builder, chunk, 0, chunk.rows.length);
  }
  return builder.finish();
}

export function gatheredFrom(builder: SegmentBuilder, pieces: readonly Piece[], byReference = true): Gathered {
  return {
    kind: 'data',
    pieces,
    counts: { rows: builder.rows, dropped: builder.dropped, quarantined: builder.quarantined },
    seen: builder.seen,
    inputs: builder.finish(),
    byReference,
  };
}

/** The files of one source, one after the other. */
export class SourceFiles implements SourceInput {
  readonly index: number;
  readonly name: string;
  readonly byReference = true;
  readonly #planner: Planner;
  readonly #signal: AbortSignal | undefined;
  readonly #files: FileRef[] = [];
  readonly #known = new Set<string>();
  /** The file being read. */
  #at = 0;
  #cursor: InputCursor | undefined;
  totalBytes = 0;
  /** Of files that are read to their end. */
  #endedBytes = 0;
  /** Raw bytes read of the present file, where that is known; else decoded ones. */
  #fileBytes = 0;

  constructor(
    index: number,
    name: string,
    planner: Planner,
    files: readonly FileRef[],
    signal: AbortSignal | undefined,
  ) {
    this.index = index;
    this.name = name;
    this.#planner = planner;
    this.#signal = signal;
    this.add(files);
  }

  get readBytes(): number {
    const size = this.#files[this.#at]?.size ?? 0;
    return this.#endedBytes + Math.min(size, this.#fileBytes);
  }

  add(files: readonly FileRef[]): void {
    for (const file of files) {
      if (this.#known.has(file.path)) continue;
      this.#known.add(file.path);
      this.#files.push(file);
      this.totalBytes += file.size;
    }
  }

  /** Whether there are rows to take; opens the next file if need be. */
  async state(): Promise<SourceState> {
    while (this.#cursor === undefined) {
      const file = this.#files[this.#at];
      if (file === undefined) return 'ended';
      const cursor = await this.#open(file);
      if (cursor === undefined || cursor.ended) await this.#nextFile();
      else this.#cursor = cursor;
    }
    return 'rows';
  }

  /** Takes up to `max` rows into the builder. Only after {@link state} said so. */
  async take(builder: SegmentBuilder, max: number): Promise<{ piece: Piece; bytes: number }> {
    const file = this.#files[this.#at]!;
    const { piece, bytes } = await this.#cursor!.take(builder, max);
    if (file.path.toLowerCase().endsWith('.parquet')) this.#fileBytes += bytes;
    if (piece.done) await this.#nextFile();
    return { piece: { ...piece, size: file.size, mtimeMs: file.mtimeMs }, bytes };
  }

  async close(): Promise<void> {
    await this.#cursor?.close();
    this.#cursor = undefined;
  }

  async #open(file: FileRef): Promise<InputCursor | undefined> {
    const planned = await this.#planner.planned(this.name, file.path);
    if (planned !== undefined) {
      const same = planned.version === versionOf(file) || (await this.#sameContent(file, planned.contentHash));
      if (!same) throw changed(file, planned.next);
      if (planned.done) return undefined;
    }
    this.#fileBytes = planned?.position?.offset ?? 0;
    return InputCursor.open(file, {
      source: this.index,
      sourceName: this.name,
      name: file.path,
      version: versionOf(file),
      from: planned,
      signal: this.#signal,
      onBytes: (bytes) => {
        this.#fileBytes += bytes;
      },
    });
  }

  /** A file that was copied or touched is the same if its bytes are. */
  async #sameContent(file: FileRef, contentHash: string | undefined): Promise<boolean> {
    return contentHash !== undefined && (await hashFile(file.path)) === contentHash;
  }

  async #nextFile(): Promise<void> {
    await this.close();
    this.#endedBytes += this.#files[this.#at]?.size ?? 0;
    this.#fileBytes = 0;
    this.#at++;
  }
}

function versionOf(file: FileRef): string {
  return `${file.size}-${file.mtimeMs}`;
}

function changed(file: FileRef, rows: number): InputError {
  return new InputError(
    'INPUT_CHANGED',
    `${file.path} was changed after ${rows} of its rows were planned. Put the file back as it was; or take it out of the input and give what comes after its first ${rows} rows as a new file; or start over with a new --store.`,
    file.path,
  );
}
