/**
 * Input files of the embedded engine: read in order, gathered into micro-batches, and planned by reference, since files stay
 * where they are. How far a file is planned is the planner's state; so nothing is read twice, and a file that was changed
 * after part of it was planned is refused.
 *
 * With several sources the next rows come from the source whose event time is furthest behind, so that their watermarks
 * move together and little state waits.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { addPiece, addRows, InputCursor } from '../batch/input-cursor.ts';
import type { Piece, Plan } from '../batch/plan.ts';
import type { Gathered, Planner } from '../batch/planner.ts';
import type { PartitionInput } from '../batch/rows.ts';
import { SegmentBuilder } from '../batch/segment-builder.ts';
import { InputError, JobError } from '../errors.ts';
import { type FileRef, hashFile } from '../source/file-blocks.ts';
import { openRows } from '../source/open-rows.ts';
import type { PhysicalJob } from '../stream/physical.ts';

export class FileInputs {
  readonly #job: PhysicalJob;
  readonly #planner: Planner;
  readonly #sources: SourceFiles[];
  readonly #signal: AbortSignal | undefined;

  /**
   * @param files by source name, in the order they are to be read
   * @param signal ends a reading that is under way, with its reason
   * @throws {JobError} `UNKNOWN_SOURCE`
   */
  constructor(
    job: PhysicalJob,
    planner: Planner,
    files: ReadonlyMap<string, readonly FileRef[]>,
    signal?: AbortSignal,
  ) {
    const known = job.sources.map((s) => s.name);
    for (const name of files.keys()) {
      if (known.includes(name)) continue;
      throw new JobError('UNKNOWN_SOURCE', `job ${job.name} has no source '${name}'; it has ${known.join(', ')}`);
    }
    this.#job = job;
    this.#planner = planner;
    this.#signal = signal;
    this.#sources = known.map((name, index) => new SourceFiles(index, name, planner, files.get(name) ?? [], signal));
  }

  /** Adds files that were not there before (watching a folder). */
  add(files: ReadonlyMap<string, readonly FileRef[]>): void {
    for (const source of this.#sources) source.add(files.get(source.name) ?? []);
  }

  /** Bytes of the files that are read, and of all that are known: for progress. */
  get progress(): { readBytes: number; totalBytes: number } {
    let readBytes = 0;
    let totalBytes = 0;
    for (const source of this.#sources) {
      readBytes += source.readBytes;
      totalBytes += source.totalBytes;
    }
    return { readBytes, totalBytes };
  }

  /** Rows for the next micro-batch, at most `trigger.maxRows` or `maxBytes`; `undefined`: all files are read. */
  async gather(): Promise<Gathered | undefined> {
    const { maxRows, maxBytes } = this.#job.trigger;
    const builder = new SegmentBuilder(this.#job);
    const pieces: Piece[] = [];
    let bytes = 0;
    while (builder.rows < maxRows && bytes < maxBytes) {
      const source = await this.#next(builder);
      if (source === undefined) break;
      const taken = await source.take(builder, maxRows - builder.rows);
      bytes += taken.bytes;
      // Answers to the requests of the batch before come first.
      await turn();
      this.#signal?.throwIfAborted();
      addPiece(pieces, taken.piece);
    }
    if (pieces.length === 0) return undefined;
    return gatheredFrom(builder, pieces);
  }

  /** The inputs of a planned batch, decoded again from the files it names. @throws {InputError} @throws {JobError} */
  async replay(plan: Plan): Promise<PartitionInput[]> {
    if (plan.headHash !== this.#job.headHash) {
      throw new JobError(
        'HEAD_CHANGED',
        `batch ${plan.n} was planned before the job's functions (source, map, filter, keyBy …) were changed, and is not finished. Run the earlier version of the job once to finish it, then the new one.`,
      );
    }
    const builder = new SegmentBuilder(this.#job);
    for (const piece of plan.pieces) {
      const source = this.#job.sources.findIndex((s) => s.name === piece.source);
      builder.open({ source, name: piece.name });
      const file = { path: piece.name, size: piece.size!, mtimeMs: piece.mtimeMs! };
      const range = { fromRow: piece.from, toRow: piece.to, near: piece.fromPosition };
      for await (const chunk of openRows(file, range)) addRows(builder, chunk, 0, chunk.rows.length);
    }
    return builder.finish();
  }

  /** Closes open files. */
  async close(): Promise<void> {
    await Promise.all(this.#sources.map((s) => s.close()));
  }

  /** The source to read from: of those that have rows, the one that is furthest behind in event time. */
  async #next(builder: SegmentBuilder): Promise<SourceFiles | undefined> {
    let best: SourceFiles | undefined;
    let bestTime = Number.POSITIVE_INFINITY;
    for (const source of this.#sources) {
      if (!(await source.hasRows())) continue;
      const time = this.#reached(source.index, builder);
      if (best === undefined || time < bestTime) {
        best = source;
        bestTime = time;
      }
    }
    return best;
  }

  /** The event time that a source's generators have reached. */
  #reached(source: number, builder: SegmentBuilder): number {
    let reached = Number.NEGATIVE_INFINITY;
    for (const generator of this.#job.sources[source]!.watermarks) {
      const { id } = this.#job.watermarks[generator]!;
      reached = Math.max(
        reached,
        builder.seen.get(id) ?? this.#planner.progress?.inputs[id]?.maxEventTime ?? Number.NEGATIVE_INFINITY,
      );
    }
    return reached;
  }
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
class SourceFiles {
  readonly index: number;
  readonly name: string;
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
  async hasRows(): Promise<boolean> {
    while (this.#cursor === undefined) {
      const file = this.#files[this.#at];
      if (file === undefined) return false;
      const cursor = await this.#open(file);
      if (cursor === undefined || cursor.ended) await this.#nextFile();
      else this.#cursor = cursor;
    }
    return true;
  }

  /** Takes up to `max` rows into the builder. Only after {@link hasRows} said so. */
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
