/**
 * `testJob`: runs a job batch by batch, in memory, with a clock of its own: for unit tests of jobs. It is the real engine
 * (plans, log entries, folding, recovery) on a memory store, so what holds here holds when the job is run. It looks at what
 * the job's functions do to their arguments: one that changes a row fails its batch, with the operator's name and what to do.
 *
 * @module misa/testing
 */
import type { Committed } from './batch/partition-runner.ts';
import { inlineCommitter } from './embedded/committers.ts';
import { type BatchDone, Engine } from './embedded/engine.ts';
import { JobError } from './errors.ts';
import type { Duration, Job, Source } from './index.ts';
import { openJob } from './job/job-context.ts';
import { isQuarantine, outputNames } from './job/outputs.ts';
import { MemoryStore } from './object-store/memory-store.ts';
import { gatheredFrom, noRows } from './plan/gathered.ts';
import type { QuarantinedRow } from './plan/rows.ts';
import { SegmentBuilder } from './plan/segment-builder.ts';
import { compileJob } from './stream/compile/compile.ts';
import type { PhysicalJob } from './stream/compile/physical.ts';
import { CHECKED_CALLS } from './stream/graph/calls.ts';
import { ManualClock } from './util/clock.ts';
import { copyPlain } from './util/copy-plain.ts';
import { toMs } from './util/duration.ts';
import { decodeNdjson } from './util/ndjson.ts';
import { seededRandom } from './util/random.ts';
import { NO_TRACE } from './util/trace.ts';

export type { QuarantinedRow } from './plan/rows.ts';

/** What became of the rows sent so far; they add up. */
export interface RowCounts {
  readonly applied: number;
  readonly late: number;
  readonly quarantined: number;
  readonly skipped: number;
}

/** A job under test: send rows, run a batch, look at what came out. See {@link testJob}. */
export interface TestJob<Out> {
  /** Rows for the next batch, in order; several inputs may be sent. By the source itself, rows are type-checked. */
  send<T>(source: Source<T>, rows: readonly T[]): void;
  /** By name; JSON as a file would have it. @throws {JobError} `UNKNOWN_SOURCE` */
  send(source: string, rows: readonly unknown[]): void;
  /**
   * Runs the batch, and the no-data batch after it when the watermark moved. Gives what both emitted (mode `complete`: the
   * table). Rejects when the batch fails; then `restart()` and `runBatch()` run the same batch again.
   */
  runBatch(): Promise<Out>;
  /** The watermark the next batch will use, epoch ms; 0 before there is one. */
  readonly watermark: number;
  /** Stops and starts again from what is durable. Rows sent but not yet run are kept. */
  restart(): Promise<void>;
  /** As `--flush`: runs what was sent, then closes all windows, emits outer rows and fires all timers; the watermark moves to what it closed. */
  flush(): Promise<Out>;
  /** The whole table; of outputs that append, all rows so far. Mode `complete` only. @throws {JobError} `NO_TABLE` */
  table(): Promise<Out>;
  /** Moves the processing time of the next batch on (it stands still otherwise, starting at 0). */
  advanceTime(by: Duration): void;
  readonly counts: RowCounts;
  /** Rows set aside so far, with their reasons: bad ones, and those that a function of the job refused (`onError`). */
  readonly quarantined: readonly QuarantinedRow[];
  close(): Promise<void>;
}

/** Options of {@link testJob}. */
export interface TestJobOptions {
  /** Processing time of the first batch, epoch ms. Default 0. */
  readonly startTime?: number | undefined;
  /** In place of the job's own. */
  readonly partitions?: number | undefined;
}

const RETENTION_MS = 900_000;

/** @throws {JobError} as `job()` */
export async function testJob<Out>(job: Job<Out>, options: TestJobOptions = {}): Promise<TestJob<Out>> {
  const compiled = compileJob(job, CHECKED_CALLS);
  const physical = { ...compiled, partitions: options.partitions ?? compiled.partitions };
  const driver = new TestDriver(physical, options.startTime ?? 0);
  await driver.open();
  // The driver's results are rows, or rows by output name, as the job's type says.
  return driver as unknown as TestJob<Out>;
}

type Rows = unknown[] | Record<string, unknown[]>;

class TestDriver implements TestJob<Rows> {
  readonly #job: PhysicalJob;
  readonly #clock: ManualClock;
  readonly #store: MemoryStore;
  readonly #random = seededRandom(1);
  #engine: Engine | undefined;
  #queue: { source: number; rows: readonly unknown[] }[] = [];
  #sends = 0;
  readonly quarantined: QuarantinedRow[] = [];
  #counts = { rows: 0, late: 0, quarantined: 0, skipped: 0 };

  constructor(job: PhysicalJob, startTime: number) {
    this.#job = job;
    this.#clock = new ManualClock(startTime);
    this.#store = new MemoryStore({ clock: this.#clock });
  }

  async open(): Promise<void> {
    const context = await openJob(this.#job, {
      store: this.#store,
      clock: this.#clock,
      random: this.#random,
      trace: NO_TRACE,
      cache: undefined,
      retentionMs: RETENTION_MS,
      keepRows: true,
    });
    const committer = inlineCommitter({ ...context, keepResultsMs: undefined });
    this.#engine = await Engine.open({ ...context, committer });
  }

  send(source: Source<unknown> | string, rows: readonly unknown[]): void {
    const name = typeof source === 'string' ? source : source.name;
    const index = this.#job.sources.findIndex((s) => s.name === name);
    if (index < 0) {
      const known = this.#job.sources.map((s) => s.name).join(', ');
      throw new JobError('UNKNOWN_SOURCE', `job ${this.#job.name} has no source '${name}'; it has ${known}`);
    }
    // The rows are the caller's; what becomes of them here is not to be seen there.
    this.#queue.push({ source: index, rows: rows.map(ownCopy) });
  }

  async runBatch(): Promise<Rows> {
    const engine = this.#running();
    const done = await this.#finishPlanned();
    if (done.length === 0 || this.#queue.length > 0) {
      const data = await this.#runQueued();
      if (data !== undefined) done.push(data);
    }
    if (engine.planner.wantsEmpty) done.push(await this.#run(noRows('empty')));
    return this.#results(done);
  }

  get watermark(): number {
    return this.#running().planner.watermark(this.#clock.now()) ?? 0;
  }

  async restart(): Promise<void> {
    await this.close();
    await this.open();
  }

  async flush(): Promise<Rows> {
    const done = await this.#finishPlanned();
    const data = await this.#runQueued();
    if (data !== undefined) done.push(data);
    done.push(await this.#run(noRows('flush')));
    return this.#results(done);
  }

  async table(): Promise<Rows> {
    if (this.#job.mode !== 'complete') {
      throw new JobError(
        'NO_TABLE',
        `job ${this.#job.name} keeps no table: outputMode is '${this.#job.mode}', not 'complete'`,
      );
    }
    const { context, position } = this.#running();
    const rows = await Promise.all(
      this.#job.outputs.map(async ({ name, kind }) => {
        const parts: unknown[][] = [];
        for (let n = kind === 'table' ? Math.max(1, position) : 1; n <= position; n++) {
          for (let p = 0; p < this.#job.partitions; p++) {
            const answer = await context.store.get(context.names.out(name, p, n));
            if (answer.found) parts.push(decodeNdjson(answer.body));
          }
        }
        return parts.flat();
      }),
    );
    return this.#byName(rows);
  }

  advanceTime(by: Duration): void {
    this.#clock.advance(toMs(by, 'advanceTime'));
  }

  get counts(): RowCounts {
    const { rows, late, quarantined, skipped } = this.#counts;
    return { applied: rows - late - quarantined - skipped, late, quarantined, skipped };
  }

  async close(): Promise<void> {
    await this.#engine?.context.committer.close({ drain: false });
    this.#engine = undefined;
  }

  #running(): Engine {
    if (this.#engine === undefined) throw new JobError('CLOSED', 'this testJob is closed');
    return this.#engine;
  }

  /** Batches that were planned and failed. */
  async #finishPlanned(): Promise<BatchDone[]> {
    const done = await this.#running().recover(() => Promise.reject(new Error('rows are in segments')));
    for (const batch of done) this.#count(batch);
    return done;
  }

  async #runQueued(): Promise<BatchDone | undefined> {
    const queue = this.#queue;
    const builder = new SegmentBuilder(this.#job);
    const pieces = queue.map(({ source, rows }, i) => {
      const { name } = this.#job.sources[source]!;
      const object = `send ${this.#sends + i + 1}`;
      builder.open({ source, name: object });
      for (const [k, row] of rows.entries()) builder.addGiven(row, k + 1);
      return { source: name, name: object, version: '', from: 0, to: rows.length, done: true };
    });
    if (builder.rows === 0) {
      this.#queue = [];
      return undefined;
    }
    const before = this.#running().planner.position;
    try {
      return await this.#run(gatheredFrom(builder, pieces, false));
    } finally {
      // Planned rows belong to the plan, whatever became of the batch.
      if (this.#running().planner.position > before) {
        this.#queue = this.#queue.slice(queue.length);
        this.#sends += queue.length;
      }
    }
  }

  async #run(gathered: Parameters<Engine['batch']>[0]): Promise<BatchDone> {
    const done = await this.#running().batch(gathered);
    this.#count(done);
    return done;
  }

  #count({ plan, counts, committed }: BatchDone): void {
    for (const { entry } of committed.flat()) {
      const at = entry?.header.outputs.findIndex(isQuarantine) ?? -1;
      if (at >= 0) for (const row of decodeNdjson(entry!.output(at))) this.quarantined.push(row as QuarantinedRow);
    }
    this.#counts.rows += plan.plan.counts.rows;
    this.#counts.late += counts.late;
    this.#counts.quarantined += counts.quarantined;
    this.#counts.skipped += counts.skipped;
  }

  #results(done: readonly BatchDone[]): Rows {
    return this.#byName(
      this.#job.outputs.map(({ name, stage, kind }) => {
        const batches = kind === 'table' ? done.slice(-1) : done;
        const slot = outputNames(this.#job, stage).indexOf(name);
        return batches.flatMap((batch) => batch.committed[stage]!.flatMap((c) => rowsOf(c, slot)));
      }),
    );
  }

  #byName(rows: readonly unknown[][]): Rows {
    if (this.#job.single) return rows[0]!;
    return Object.fromEntries(this.#job.outputs.map(({ name }, i) => [name, rows[i]!]));
  }
}

/** What is no plain data is set aside when it is run, with its reason. */
function ownCopy(row: unknown): unknown {
  try {
    return copyPlain(row);
  } catch {
    return row;
  }
}

function rowsOf({ own, entry }: Committed, slot: number): readonly unknown[] {
  if (own?.outputs[slot] !== undefined) return own.outputs[slot].map(copyPlain);
  return entry === undefined ? [] : decodeNdjson(entry.output(slot));
}
