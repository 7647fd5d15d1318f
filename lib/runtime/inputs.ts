/**
 * The inputs of the embedded engine as micro-batches: rows of all sources, cut by `trigger`. Files always have rows until
 * they are read; a stream may have none for now, so a batch that has rows waits for more no longer than `maxWait`, counted
 * from when the first row that waits came.
 *
 * With several sources the next rows come from the source whose event time is furthest behind, so that their watermarks
 * move together and little state waits.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { addPiece } from '../batch/input-cursor.ts';
import type { Piece, Plan } from '../batch/plan.ts';
import type { Gathered, Planner } from '../batch/planner.ts';
import type { PartitionInput } from '../batch/rows.ts';
import { SegmentBuilder } from '../batch/segment-builder.ts';
import { JobError } from '../errors.ts';
import type { FileRef } from '../source/file-blocks.ts';
import type { PhysicalJob } from '../stream/physical.ts';
import type { Clock } from '../util/clock.ts';
import { gatheredFrom, type Moved, replayFiles, SourceFiles } from './file-inputs.ts';
import type { SourceInput } from './source-input.ts';

/** Files by source name, in the order they are to be read. */
export type InputFiles = ReadonlyMap<string, readonly FileRef[]>;

/** Looks for new files every `pollMs`, for ever. */
export interface Watch {
  readonly pollMs: number;
  readonly find: () => Promise<InputFiles>;
}

export interface InputsOptions {
  readonly files: InputFiles;
  readonly watch?: Watch | undefined;
  readonly clock: Clock;
  /** What to do with files whose content was read under another name; `undefined`: refuse them, and ask. */
  readonly moved?: Moved | undefined;
  /** Ends waiting for more. */
  readonly stop?: AbortSignal | undefined;
  /** Ends a reading that is under way, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

export class Inputs {
  readonly #job: PhysicalJob;
  readonly #planner: Planner;
  readonly #options: InputsOptions;
  readonly #sources: readonly SourceInput[];
  readonly #files: readonly SourceFiles[];

  /** @throws {JobError} `UNKNOWN_SOURCE` */
  constructor(job: PhysicalJob, planner: Planner, options: InputsOptions) {
    const known = job.sources.map((s) => s.name);
    for (const name of options.files.keys()) {
      if (known.includes(name)) continue;
      throw new JobError('UNKNOWN_SOURCE', `job ${job.name} has no source '${name}'; it has ${known.join(', ')}`);
    }
    this.#job = job;
    this.#planner = planner;
    this.#options = options;
    const { files, moved, watch, signal } = options;
    const following = watch !== undefined;
    this.#files = known.map(
      (name, index) =>
        new SourceFiles({ index, name, planner, files: files.get(name) ?? [], moved, following, signal }),
    );
    this.#sources = this.#files;
  }

  /** Bytes that are read, and of all that is known to be there: for progress. */
  get progress(): { readBytes: number; totalBytes: number } {
    let readBytes = 0;
    let totalBytes = 0;
    for (const source of this.#sources) {
      readBytes += source.readBytes;
      totalBytes += source.totalBytes;
    }
    return { readBytes, totalBytes };
  }

  /** Rows for the next micro-batch, at most `trigger.maxRows` or `maxBytes`; `undefined`: there are none now. */
  async gather(): Promise<Gathered | undefined> {
    const { maxRows, maxBytes } = this.#job.trigger;
    const builder = new SegmentBuilder(this.#job);
    const pieces: Piece[] = [];
    let bytes = 0;
    let byReference = true;
    while (builder.rows < maxRows && bytes < maxBytes) {
      const source = await this.#next(builder);
      for (const files of this.#files) for (const note of files.takeNotes()) addPiece(pieces, note);
      if (source === undefined) break;
      const taken = await source.take(builder, maxRows - builder.rows);
      bytes += taken.bytes;
      byReference &&= source.byReference;
      // Answers to the requests of the batch before come first.
      await turn();
      this.#options.signal?.throwIfAborted();
      addPiece(pieces, taken.piece);
    }
    if (pieces.length === 0) return undefined;
    return gatheredFrom(builder, pieces, byReference);
  }

  /** After {@link gather} gave nothing: whether there will never be more. */
  get ended(): boolean {
    return this.#options.watch === undefined;
  }

  /** After {@link gather} gave nothing: waits a while for more. */
  async more(): Promise<void> {
    const { watch, clock, stop } = this.#options;
    if (watch === undefined) return;
    await clock.sleep(watch.pollMs, stop).catch(() => {});
    const found = await watch.find();
    for (const source of this.#files) source.add(found.get(source.name) ?? []);
  }

  /** The inputs of a planned batch whose rows are not stored, decoded again. @throws {InputError} @throws {JobError} */
  replay(plan: Plan): Promise<PartitionInput[]> {
    return replayFiles(this.#job, plan);
  }

  /** Ends reading. */
  async close(): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.close()));
  }

  /** The source to read from: of those that have rows, the one that is furthest behind in event time. */
  async #next(builder: SegmentBuilder): Promise<SourceInput | undefined> {
    let best: SourceInput | undefined;
    let bestTime = Number.POSITIVE_INFINITY;
    for (const source of this.#sources) {
      if ((await source.state()) !== 'rows') continue;
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
