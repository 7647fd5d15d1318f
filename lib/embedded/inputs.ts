/**
 * The inputs of the embedded engine as micro-batches: rows of all sources, cut by `trigger`. Files always have rows until
 * they are read; a stream may have none for now, so a batch that has rows waits for more no longer than `maxWait`, counted
 * from when the first row that waits came.
 *
 * With several sources the next rows come from the source whose event time is furthest behind, so that their watermarks
 * move together and little state waits.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { JobError } from '../errors.ts';
import { furthestBehind } from '../plan/furthest-behind.ts';
import type { Gathered } from '../plan/gathered.ts';
import { gatheredFrom } from '../plan/gathered.ts';
import { addPiece } from '../plan/input-cursor.ts';
import type { Piece, Plan } from '../plan/plan.ts';
import type { Planner } from '../plan/planner.ts';
import type { PartitionInput } from '../plan/rows.ts';
import { SegmentBuilder } from '../plan/segment-builder.ts';
import { fileRef } from '../source/file-blocks.ts';
import type { InputRef, LookAt } from '../source/input-ref.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import { Bell } from '../util/bell.ts';
import type { Clock } from '../util/clock.ts';
import { SourceFiles } from './file-inputs.ts';
import type { Moved } from './planned-files.ts';
import { formOf, replayFiles } from './replay-files.ts';
import type { SourceInput } from './source-input.ts';
import { StreamSource, type StreamSpec } from './stream-source.ts';

/** While streams have no rows, the loop wakes this often, since time alone may move the watermark. */
const IDLE_MS = 1000;

/** Files, and objects in S3, by source name, in the order they are to be read. */
export type InputFiles = ReadonlyMap<string, readonly InputRef[]>;

/** Looks for new files every `pollMs` until the run is stopped. */
export interface Watch {
  readonly pollMs: number;
  readonly find: () => Promise<InputFiles>;
}

/** Streams by source name. */
export type InputStreams = ReadonlyMap<string, StreamSpec>;

export interface InputsOptions {
  readonly files: InputFiles;
  readonly streams?: InputStreams | undefined;
  readonly watch?: Watch | undefined;
  /** Finds out what is under a name now. Default: names are files. */
  readonly lookAt?: LookAt | undefined;
  readonly clock: Clock;
  /** What to do with files whose content was read under another name; `undefined`: refuse them, and ask. */
  readonly moved?: Moved | undefined;
  /** Ends the wait for more input; what was read is still processed. */
  readonly stop?: AbortSignal | undefined;
  /** Ends a reading that is under way, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** @param inputs by partition @param left rows that a batch will have besides, for each that it has, if they go on coming as before */
export type OnRows = (inputs: readonly PartitionInput[], left: number) => void;

export class Inputs {
  readonly #job: PhysicalJob;
  readonly #planner: Planner;
  readonly #options: InputsOptions;
  readonly #sources: readonly SourceInput[];
  readonly #files: readonly SourceFiles[];
  readonly #streams: readonly StreamSource[];
  /** Rings when a stream has rows, or ends. */
  readonly #bell = new Bell();

  /** @throws {JobError} `UNKNOWN_SOURCE` */
  constructor(job: PhysicalJob, planner: Planner, options: InputsOptions) {
    const known = job.sources.map((s) => s.name);
    const { streams = new Map<string, StreamSpec>() } = options;
    for (const name of [...options.files.keys(), ...streams.keys()]) {
      if (known.includes(name)) continue;
      throw new JobError('UNKNOWN_SOURCE', `job ${job.name} has no source '${name}'; it has ${known.join(', ')}`);
    }
    this.#job = job;
    this.#planner = planner;
    this.#options = options;
    const { files, moved, watch, lookAt = fileRef, signal } = options;
    const following = watch !== undefined;
    this.#files = job.sources.map(
      (source, index) =>
        new SourceFiles({
          index,
          source: source.name,
          form: formOf(source),
          planner,
          files: files.get(source.name) ?? [],
          moved,
          following,
          lookAt,
          signal,
        }),
    );
    const { clock } = options;
    const { maxRows, maxBytes } = job.trigger;
    const bell = this.#bell;
    this.#streams = job.sources.flatMap(({ name: source, form }, index) => {
      const spec = streams.get(source);
      if (spec === undefined) return [];
      return new StreamSource({ index, source, form, spec, planner, clock, bell, maxRows, maxBytes });
    });
    this.#sources = [...this.#files.filter(({ name }) => !streams.has(name)), ...this.#streams];
    for (const end of [options.stop, options.signal]) {
      end?.addEventListener('abort', () => this.#stopReading(), { once: true });
    }
    if (options.stop?.aborted) this.#stopReading();
  }

  /** Bytes read so far, and of all known input; for progress. */
  get progress(): { readBytes: number; totalBytes: number } {
    let readBytes = 0;
    let totalBytes = 0;
    for (const source of this.#sources) {
      readBytes += source.readBytes;
      totalBytes += source.totalBytes;
    }
    return { readBytes, totalBytes };
  }

  /**
   * Rows for the next micro-batch, at most `trigger.maxRows` or `maxBytes`; `undefined`: there are none now. Where a stream
   * may have more, it is waited for, no longer than `trigger.maxWait`.
   * @param onRows told the rows so far whenever some have come; not those that complete it
   */
  async gather(onRows?: OnRows): Promise<Gathered | undefined> {
    const { maxRows, maxBytes, maxWaitMs } = this.#job.trigger;
    const { clock, signal } = this.#options;
    const builder = new SegmentBuilder(this.#job, this.#planner.state.manifest.skips);
    const pieces: Piece[] = [];
    let bytes = 0;
    let byReference = true;
    let dueMs = clock.monotonic() + maxWaitMs;
    // Rows that were there already say nothing of how fast others come.
    let waited: { readonly sinceMs: number; readonly rows: number } | undefined;
    while (builder.rows < maxRows && bytes < maxBytes) {
      const { rings } = this.#bell;
      const source = await this.#next(builder, builder.rows > 0);
      for (const files of this.#files) for (const note of files.takeNotes()) addPiece(pieces, note);
      if (source === undefined) {
        if (!this.#isOpen()) break;
        const leftMs = dueMs - clock.monotonic();
        if (leftMs <= 0) break;
        waited ??= { sinceMs: clock.monotonic(), rows: builder.rows };
        await this.#wait(rings, leftMs);
        signal?.throwIfAborted();
        continue;
      }
      // The wait counts from the first waiting row: later rows must not prolong it.
      const { waitingSinceMs } = source;
      if (builder.rows === 0 && waitingSinceMs !== undefined) dueMs = waitingSinceMs + maxWaitMs;
      const taken = await source.take(builder, maxRows - builder.rows);
      bytes += taken.bytes;
      byReference &&= source.byReference;
      // Lets the previous batch go on: its answers are handled before the next rows.
      await turn();
      signal?.throwIfAborted();
      addPiece(pieces, taken.piece);
      if (onRows === undefined || waited === undefined || builder.rows >= maxRows) continue;
      const nowMs = clock.monotonic();
      const inTime = ((builder.rows - waited.rows) / (nowMs - waited.sinceMs)) * Math.max(0, dueMs - nowMs);
      onRows(builder.finish(), Math.min(maxRows - builder.rows, inTime) / builder.rows);
    }
    if (pieces.length === 0) return undefined;
    return gatheredFrom(builder, pieces, byReference);
  }

  /** After {@link gather} gave nothing: whether there will never be more. */
  get ended(): boolean {
    return this.#options.watch === undefined && !this.#isOpen() && !this.rowsWait;
  }

  /** Whether a stream has given rows that no batch has taken. They cannot be read a second time. */
  get rowsWait(): boolean {
    return this.#streams.some((stream) => stream.waitingSinceMs !== undefined);
  }

  /** For each source that is a stream, the name under which its rows are planned. */
  get streamNames(): ReadonlyMap<string, string> {
    return new Map([...(this.#options.streams ?? [])].map(([source, { name }]) => [source, name]));
  }

  /** After {@link gather} gave nothing: waits a while for more. */
  async more(): Promise<void> {
    const { watch } = this.#options;
    const { rings } = this.#bell;
    if (!this.rowsWait) await this.#wait(rings, watch?.pollMs ?? IDLE_MS);
    if (watch === undefined) return;
    const found = await watch.find();
    for (const source of this.#files) source.add(found.get(source.name) ?? []);
  }

  /** The inputs of a planned batch whose rows are not stored, decoded again. @throws {InputError} @throws {JobError} */
  replay(plan: Plan): Promise<PartitionInput[]> {
    const { lookAt = fileRef, files } = this.#options;
    return replayFiles(this.#job, plan, { lookAt, files, skips: this.#planner.state.manifest.skips });
  }

  /** Ends reading. */
  async close(): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.close()));
  }

  #isOpen(): boolean {
    return this.#streams.some((stream) => stream.isOpen);
  }

  #stopReading(): void {
    for (const stream of this.#streams) stream.stop();
    this.#bell.ring();
  }

  /** Waits until a stream has rows or ends, or the run is stopped, at most `ms`. */
  async #wait(rings: number, ms: number): Promise<void> {
    const timer = new AbortController();
    this.#options.clock.sleep(ms, timer.signal).then(
      () => this.#bell.ring(),
      () => {},
    );
    await this.#bell.after(rings);
    timer.abort();
  }

  /**
   * The source to read from: of those that have rows, the one that is furthest behind in event time.
   * @param begun a batch has rows: a source that cannot be read further fails with the next one
   */
  async #next(builder: SegmentBuilder, begun: boolean): Promise<SourceInput | undefined> {
    const readable = begun ? this.#sources.filter((s) => !(s instanceof StreamSource && s.failed)) : this.#sources;
    return furthestBehind(readable, this.#job, this.#planner, builder);
  }
}
