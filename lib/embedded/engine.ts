/**
 * The embedded engine: planner, all partitions of all stages, and a committer, in one process. It is handed rows
 * (`Gathered`), makes a plan of them and runs it, stage by stage, partitions side by side. Everything durable is in the
 * object store; killed at any moment, the next engine on that store goes on from the objects alone.
 */

import type { Committed, Trigger } from '../batch/partition-runner.ts';
import { ALWAYS_LIVE, PartitionRunner } from '../batch/partition-runner.ts';
import { FencedError } from '../errors.ts';
import type { RunContext } from '../job/job-context.ts';
import type { BatchCounts } from '../log/entry.ts';
import { addReads, NO_READS, type ReadCounts } from '../log/read-counts.ts';
import { type LoadedManifest, sstsOf } from '../manifest/manifest.ts';
import { HedgedCreates } from '../object-store/hedged-creates.ts';
import { PLANNER } from '../object-store/names.ts';
import type { Gathered } from '../plan/gathered.ts';
import { type Plan, type StoredPlan, watermarksOf } from '../plan/plan.ts';
import { Planner, PlanTakenError } from '../plan/planner.ts';
import { decodeInput, joinInputs, NO_INPUT, type PartitionInput } from '../plan/rows.ts';
import { type Replay, StoredSource } from '../plan/stored-source.ts';
import { leastWake, mayWake } from '../plan/wake.ts';
import { Preloader } from '../preload/preloader.ts';
import { noCost } from '../state/read-cost.ts';
import { allOrFirstError } from '../util/all-or-first-error.ts';
import { greatest, smallest } from '../util/numbers.ts';

/** A micro-batch, committed in all stages and partitions. */
export interface BatchDone {
  readonly n: number;
  readonly plan: StoredPlan;
  /** Settles when all its outputs are published. */
  readonly published: Promise<void>;
  /** By stage and partition. */
  readonly committed: readonly (readonly Committed[])[];
  readonly counts: BatchCounts;
  readonly reads: ReadCounts;
  /** An example of a late row, if there is one and the input is in memory. */
  readonly lateRow?: LateRow | undefined;
}

export interface LateRow {
  /** Its event time, epoch ms. */
  readonly time: number;
  /** Name of the object that it came from. */
  readonly object: string | undefined;
}

/** A batch whose plan is on its way to the store. */
export interface PlannedBatch {
  readonly stored: StoredPlan;
  readonly durable: Promise<void>;
  readonly inputs: readonly PartitionInput[];
  /** Its rows stay where they are: the plan names them, and stores none. */
  readonly byReference: boolean;
}

export class Engine {
  readonly context: RunContext;
  readonly planner: Planner;
  readonly stages: readonly (readonly PartitionRunner[])[];
  /** By partition of the first stage. */
  readonly #preloaders: readonly Preloader[];
  #preloading: Promise<void> = Promise.resolve();
  /** SSTs of new manifests. */
  #opening: Promise<unknown> = Promise.resolve();
  #filling: Promise<unknown> | undefined;
  /** Partitions that need no more filling: all of their state is in memory, or it does not fit. */
  readonly #filled = new Set<PartitionRunner>();
  /** The plan under way, and its number. */
  #planned: Promise<void> = Promise.resolve();
  #lastPlan = 0;
  readonly #source: StoredSource;
  readonly #mayWake: boolean;
  #failures: unknown[] = [];

  private constructor(context: RunContext) {
    const { job } = context;
    this.context = context;
    this.planner = new Planner(context);
    this.#mayWake = mayWake(job);
    this.#source = new StoredSource({ store: context.store, names: context.names, partitions: job.partitions });
    this.stages = job.stages.map((_, stage) =>
      Array.from(
        { length: job.partitions },
        (_, p) => new PartitionRunner(context, this.#source, { stage, partition: p }),
      ),
    );
    this.#preloaders = this.stages[0]!.map(({ path, state }) => new Preloader({ ...context, stage: 0, path, state }));
    context.committer.onManifest((path, loaded) => {
      if (path === PLANNER) this.planner.adopt(loaded);
      else this.#adopt(path, loaded);
    });
  }

  /** Opens a job on a store: reads what is durable; runs nothing yet. */
  static async open(context: RunContext): Promise<Engine> {
    const engine = new Engine(context);
    await Promise.all([engine.planner.open(), ...engine.stages.flat().map((runner) => runner.open())]);
    const { position, state } = engine.planner;
    for (const runner of engine.stages.flat()) runner.checkHead(position, state.hash);
    // If the last plan is a flush that has not finished, this finds nothing; it is called again when the flush has run.
    await engine.planner.learnFlush();
    await engine.planner.learnWake();
    return engine;
  }

  /** The last batch that every partition of every stage has committed. */
  get position(): number {
    return smallest(this.stages.flat().map((r) => r.state.position));
  }

  /** Whether a batch waits for rows that are not in memory. */
  get isReading(): boolean {
    return this.stages.flat().some(({ state }) => state.demand.underWay);
  }

  /** Number of the next plan, behind one that is on its way. */
  get nextPlan(): number {
    return Math.max(this.#lastPlan, this.planner.position) + 1;
  }

  /** Errors of the partitions that could not run the last batch. The batch itself rejects with the first of them. */
  get failures(): readonly unknown[] {
    return this.#failures;
  }

  /** SSTs that are new are opened at once: else the next batch would wait for their indexes. */
  #adopt(path: string, loaded: LoadedManifest): void {
    const { job, trace } = this.context;
    const state = this.#runner(path)?.state;
    if (state === undefined) return;
    state.adopt(loaded);
    if (job.preload === 'off' || state.rows.complete) return;
    const opened = state.reads.open(noCost());
    this.#opening = Promise.all([
      this.#opening,
      opened.catch((error) => trace.trouble?.('an SST was not opened ahead', error)),
    ]);
  }

  /** Greatest number of log entries of a partition that no manifest has folded. */
  get commitLag(): number {
    return greatest(this.stages.flat().map((r) => r.state.position - r.state.manifest.through));
  }

  /** What the manifests name, all partitions together: entries of the SSTs, older versions of a row too, and their bytes. */
  get stateSize(): { readonly entries: number; readonly bytes: number } {
    let entries = 0;
    let bytes = 0;
    for (const { state } of this.stages.flat()) {
      for (const sst of sstsOf(state.manifest)) {
        entries += sst.entries - sst.tombstones;
        bytes += sst.size;
      }
    }
    return { entries, bytes };
  }

  /**
   * Runs what was planned and not finished before the last stop.
   * @param replay for plans by reference
   * @param onDone told each batch as it is done
   */
  async recover(replay: Replay, onDone?: (done: BatchDone, durationMs: number) => Promise<void>): Promise<BatchDone[]> {
    this.#source.replayBy(replay);
    const done: BatchDone[] = [];
    for (let n = this.position + 1; n <= this.planner.position; n++) {
      const startMs = this.context.clock.monotonic();
      const batch = await this.#run(n, {});
      await batch.published;
      done.push(batch);
      await onDone?.(batch, this.context.clock.monotonic() - startMs);
    }
    return done;
  }

  /**
   * Plans the rows: the plan's PUT is under way. Waits for the plan before, but sends the rows meanwhile.
   * @throws {FencedError} another process runs this job on this store
   */
  async plan(gathered: Gathered): Promise<PlannedBatch> {
    const segment = this.planner.storeSegment(this.nextPlan, gathered);
    await this.#planned;
    await this.planner.learnFlush();
    try {
      const { stored, durable } = this.planner.plan(gathered, segment);
      this.#lastPlan = stored.plan.n;
      this.#planned = durable.catch(() => {}); // reported to whoever runs the batch
      return { stored, durable, inputs: gathered.inputs, byReference: gathered.byReference };
    } catch (error) {
      throw this.#fenced(error);
    }
  }

  /**
   * Runs a planned batch. Batches are run in the order of their plans.
   * @param onComputed called when the first stage is computed and its log entries are on their way
   * @throws {FencedError} another process runs this job on this store
   */
  async run(planned: PlannedBatch, onComputed?: () => void): Promise<BatchDone> {
    let computing = this.context.job.partitions;
    const computed = (): void => {
      if (--computing === 0) onComputed?.();
    };
    try {
      return await this.#run(planned.stored.plan.n, { ...planned, computed });
    } catch (error) {
      // Callers need to know whether the plan became durable before they go on.
      await this.#planned;
      throw this.#fenced(error);
    }
  }

  /** Plans the rows, runs the batch and publishes it. */
  async batch(gathered: Gathered): Promise<BatchDone> {
    const done = await this.run(await this.plan(gathered));
    await done.published;
    return done;
  }

  /**
   * Begins to bring near what the batch of these rows will read: beside the batches, until that one begins. Best effort: what fails here is
   * read, or fails, in the batch.
   * @returns settles when it has ended; never rejects. Only who measures or tests waits for it
   */
  preload({ kind, inputs }: Gathered): Promise<void> {
    return this.#preload(kind, inputs, 0);
  }

  /** As {@link preload}, where some rows of the next batch have come. @param left rows that are to come, about, for each that has come */
  preloadSome(inputs: readonly PartitionInput[], left: number): void {
    void this.#preload('data', inputs, left);
  }

  #preload(kind: Gathered['kind'], inputs: readonly PartitionInput[], left: number): Promise<void> {
    const { job, clock } = this.context;
    if (job.preload === 'off') return Promise.resolve();
    const processingTime = clock.now();
    const watermark = this.planner.watermark(processingTime);
    const plan = { kind, watermark, previousWatermark: this.planner.progress?.watermark ?? null, processingTime };
    const n = this.nextPlan;
    const begun = this.#preloaders.map((preloader, p) => preloader.expect(n, plan, inputs[p] ?? NO_INPUT, left));
    const all = Promise.all([this.#preloading, ...begun]).then(() => {});
    this.#preloading = all;
    return all;
  }

  /** After a start: reads partitions whose state is small into memory, behind the batches. */
  fillMemory(): void {
    if (this.#filling !== undefined || this.context.job.preload !== 'keys') return;
    const left = this.stages.flat().filter((runner) => !this.#filled.has(runner));
    if (left.length === 0) return;
    this.#filling = Promise.all(left.map((runner) => this.#fill(runner))).then(() => {
      this.#filling = undefined;
    });
  }

  /** If a newer manifest overtakes it, or it fails, it is tried again behind the next batch. */
  async #fill(runner: PartitionRunner): Promise<void> {
    try {
      if ((await runner.state.loadAll(noCost())) !== 'overtaken') this.#filled.add(runner);
    } catch (error) {
      this.context.trace.trouble?.('state was not read into memory ahead', error);
    }
  }

  /**
   * Waits until nothing that was begun here is under way: a plan, results being published, state read ahead, and creates that were
   * sent twice. Never rejects.
   */
  async settled(): Promise<void> {
    for (const preloader of this.#preloaders) preloader.end();
    await Promise.all([
      this.#planned,
      this.#filling,
      this.#preloading,
      this.#opening,
      ...this.stages.flat().map((runner) => runner.settled()),
    ]);
    await HedgedCreates.of(this.context.store, this.context.clock).settled();
  }

  async #run(
    n: number,
    known: {
      stored?: StoredPlan;
      durable?: Promise<void>;
      inputs?: readonly PartitionInput[];
      computed?: () => void;
    },
  ): Promise<BatchDone> {
    const stored = known.stored ?? (await this.#source.plan(n));
    const committed: Committed[][] = [];
    this.#failures = [];
    for (const preloader of this.#preloaders) preloader.end();
    for (const [stage, runners] of this.stages.entries()) {
      const before = committed[stage - 1];
      committed.push(
        await allOrFirstError(
          runners.map((runner, p) => {
            const input = before === undefined ? known.inputs?.[p] : handedOn(before, p);
            const trigger: Trigger = {
              plan: stored,
              ...(input === undefined ? {} : { input }),
              ...(known.durable === undefined ? {} : { durable: known.durable }),
              ...(known.computed === undefined || stage > 0 ? {} : { computed: known.computed }),
            };
            return runner.run(n, trigger, ALWAYS_LIVE).catch((error: unknown) => {
              this.#failures.push(error);
              throw error;
            });
          }),
        ),
      );
    }
    await known.durable;
    if (stored.plan.kind === 'flush') await this.planner.learnFlush();
    if (this.#mayWake) await this.#learnWake(committed);
    const published = Promise.all(committed.flat().map((c) => c.published)).then(() => {});
    published.catch(() => {}); // reported to whoever awaits it
    const { counts, reads } = totals(committed);
    for (const [p, preloader] of this.#preloaders.entries()) {
      preloader.finished(
        committed[0]![p]!.own === undefined ? undefined : committed[0]![p]!.entry?.header.reads.preloaded,
      );
    }
    const lateRow = counts.late > 0 ? this.#lateRow(stored.plan, known.inputs ?? []) : undefined;
    return { n, plan: stored, published, committed, counts, reads, lateRow };
  }

  async #learnWake(committed: readonly (readonly Committed[])[]): Promise<void> {
    const entries = committed.flat().map(({ entry }) => entry);
    if (entries.includes(undefined)) await this.planner.learnWake();
    else this.planner.wakeMs = leastWake(entries.map((entry) => entry!.header.wakeMs));
  }

  /** The first row that came at or before its edge's watermark. */
  #lateRow(plan: Plan, inputs: readonly PartitionInput[]): LateRow | undefined {
    const { late, flushed } = watermarksOf(plan);
    for (const { edges, objects } of inputs) {
      for (const [edge, rows] of edges.entries()) {
        const bound = Math.max(this.context.job.edges[edge]!.watermark(late), flushed);
        const i = rows?.times.subarray(0, rows.count).findIndex((time) => time <= bound) ?? -1;
        if (i >= 0) return { time: rows!.times[i]!, object: objects[rows!.piece(i)] };
      }
    }
    return undefined;
  }

  #fenced(error: unknown): unknown {
    if (!(error instanceof PlanTakenError)) return error;
    return new FencedError(
      `another process runs job ${this.context.job.name} on this store: it made plan ${error.n} first. Let one of the two run; nothing was lost.`,
    );
  }

  #runner(path: string): PartitionRunner | undefined {
    return this.stages.flat().find((r) => r.path === path);
  }
}

/** Rows from one stage for partition p of the next; `undefined`: a log entry is not in memory. */
function handedOn(before: readonly Committed[], p: number): PartitionInput | undefined {
  if (before.some((c) => c.entry === undefined)) return undefined;
  return joinInputs(before.map((c) => c.own?.next[p] ?? decodeInput(c.entry!.next(p))));
}

function totals(committed: readonly (readonly Committed[])[]): { counts: BatchCounts; reads: ReadCounts } {
  const counts = { rows: 0, late: 0, skipped: 0, quarantined: 0, setAside: 0, emitted: 0 };
  let reads = NO_READS;
  for (const { entry } of committed.flat()) {
    if (entry === undefined) continue;
    for (const key of Object.keys(counts) as (keyof typeof counts)[]) counts[key] += entry.header.counts[key] ?? 0;
    reads = addReads(reads, entry.header.reads);
  }
  return { counts, reads };
}
