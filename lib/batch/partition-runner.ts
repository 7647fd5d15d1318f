/**
 * The batch protocol of one partition of one stage: position, backpressure, operators, log entry, apply, publish. It is
 * driven from outside, by triggers that may be lost, doubled or late, and takes from the objects alone what is true.
 *
 * Invariants: one accepted log entry for n, made after n−1 and after plan n is durable; the tiers change only after it, in
 * one synchronous step; what another attempt has committed is adopted and never computed into different effects.
 */
import { HaltedError } from '../commit/halt.ts';
import { SyncCommit } from '../commit/sync-commit.ts';
import { MisaError, UserFunctionError } from '../errors.ts';
import type { RunContext } from '../job/job-context.ts';
import { brokenChain } from '../log/broken-chain.ts';
import { createEntry } from '../log/create.ts';
import { DataLog, decodeAt } from '../log/data-log.ts';
import { encodeLogEntry, type LogEntry, type LogHeader } from '../log/entry.ts';
import { mayConclude } from '../log/partition-log.ts';
import type { Skip } from '../manifest/manifest.ts';
import { loadManifest } from '../manifest/manifest-store.ts';
import { partitionPath } from '../object-store/names.ts';
import type { BatchSource } from '../plan/batch-source.ts';
import type { StoredPlan } from '../plan/plan.ts';
import { encodeInput, type PartitionInput } from '../plan/rows.ts';
import { assertSamePlan } from '../plan/same-plan.ts';
import type { BatchState } from '../state/batch-state.ts';
import type { Changes } from '../state/changes.ts';
import { PartitionState } from '../state/partition-state.ts';
import { MissingSstError } from '../state/sst-reads.ts';
import { decodeWarmPack } from '../state/warm-pack.ts';
import { greatest } from '../util/numbers.ts';
import { publishEntry } from './publish.ts';
import { encodeState, runOperators } from './run-operators.ts';

/** What a trigger may bring along, to save requests. */
export interface Trigger {
  readonly plan?: StoredPlan;
  readonly input?: PartitionInput;
  /** Settles when plan and segment are durable; the log entry waits for it. */
  readonly durable?: Promise<void>;
  /** Called when the operators are done and the log entry is on its way: the processor is free for what comes next. */
  readonly computed?: () => void;
}

/** A batch that is committed. */
export interface Committed {
  readonly n: number;
  /** `undefined`: it was folded long ago. */
  readonly entry: LogEntry | undefined;
  /** Settles when its outputs are published, here or by whoever was first. */
  readonly published: Promise<void>;
  /**
   * This attempt computed it (else another's was adopted): rows for the next stage, and with `keepRows` the
   * result rows by output.
   */
  readonly own:
    | { readonly outputs: readonly (readonly unknown[] | undefined)[]; readonly next: readonly PartitionInput[] }
    | undefined;
}

/** ⚑ live-invocation: stops what a freeze thawed. An attempt may act only while its invocation is live. */
export interface Invocation {
  readonly live: boolean;
}

/** In a row, half a minute in all: then the store is broken, and the batch fails. */
const MAX_RELIEF_FAILURES = 20;

/** Of a process that nobody freezes: it lives, or it is gone. */
export const ALWAYS_LIVE: Invocation = { live: true };

export class PartitionRunner {
  readonly path: string;
  readonly state: PartitionState;
  readonly log: DataLog;
  readonly #context: RunContext;
  readonly #source: BatchSource;
  readonly #stage: number;
  readonly #partition: number;
  readonly #sync: SyncCommit | undefined;
  #publishedThrough = 0;
  #publishing: Promise<void> = Promise.resolve();
  #cold = true;
  /** The last log entry that was found in the log. */
  #adopted: LogHeader | undefined;

  constructor(context: RunContext, source: BatchSource, stage: number, partition: number) {
    const { job, store, names, cache } = context;
    this.#context = context;
    this.#source = source;
    this.#stage = stage;
    this.#partition = partition;
    this.path = partitionPath(stage, partition);
    this.log = new DataLog(store, names, this.path);
    const { random, retentionMs, clock, trace } = context;
    const commit = { store, names, path: this.path, partition, log: this.log, random, retentionMs };
    this.#sync = job.commit.mode === 'sync' ? new SyncCommit(commit, clock, trace) : undefined;
    const specs = job.stages[stage]!.operators.flatMap(({ operator }) => operator.tables);
    const rowBytes = Math.floor(job.state.cacheBytes / (job.partitions * job.stages.length));
    this.state = new PartitionState({
      store,
      names,
      path: this.path,
      cache,
      kinds: specs.map((s) => s.kind),
      widths: specs.map((s) => s.width ?? 0),
      rowBytes,
      onTrouble: (what, error) => trace.trouble?.(what, error),
    });
  }

  /** Outputs up to this batch are published. */
  get publishedThrough(): number {
    return this.#publishedThrough;
  }

  /** ⚑ same-plan, for the last plan. @throws {CorruptionError} the log entry found was made for another plan of that number */
  checkHead(n: number, planHash: string): void {
    if (this.#adopted?.n === n) assertSamePlan(this.#adopted, planHash, this.log.nameOf(n));
  }

  /** Brings this environment to the head of the log, and publishes what is committed, without running anything. */
  async open(): Promise<void> {
    // Nothing is run on the way to the head of the log.
    await this.#position(Number.MAX_SAFE_INTEGER, ALWAYS_LIVE);
    await this.#publishBefore(this.state.position + 1);
  }

  /**
   * Runs batch n, and those before it that are missing, all of them for this one invocation. Returns when it is committed; `published` follows, while the next
   * batch may already run.
   * @throws {UserFunctionError} @throws {CorruptionError} @throws {StoreError} @throws {MisaError} `HALTED`
   */
  async run(n: number, trigger: Trigger, invocation: Invocation): Promise<Committed> {
    let known = trigger;
    for (;;) {
      if (await this.#position(n, invocation)) {
        const { entry } = await this.log.readEntry(n);
        // ⚑ same-plan. A plan that is on its way may be another process's: then this one is fenced, and nothing is damaged.
        await known.durable;
        if (entry !== undefined && known.plan !== undefined) {
          assertSamePlan(entry.header, known.plan.hash, this.log.nameOf(n));
        }
        const published = entry === undefined ? Promise.resolve() : this.#finish(entry);
        return { n, entry, published, own: undefined };
      }
      await this.#backpressure(n);
      const committed = await this.#attempt(n, known, invocation);
      if (committed !== undefined) return committed;
      // An attempt that was dropped may have left traces in the rows it had in memory: they are read again.
      await trigger.durable;
      const { input: _, ...rest } = trigger;
      known = rest;
    }
  }

  /**
   * Step 1. @returns true: batch n is committed already, and applied here; false: the position is n − 1
   */
  async #position(n: number, invocation: Invocation): Promise<boolean> {
    const { state, log } = this;
    const { store, names, retentionMs } = this.#context;
    for (;;) {
      if (!this.#cold) {
        if (state.position >= n) return true;
        if (state.position === n - 1 && (state.manifest.halted === null || this.#context.triesHalted === true))
          return false;
      }
      const loaded = await loadManifest(store, names.manifest(this.path));
      state.adopt(loaded);
      const { halted, publishedThrough } = loaded.manifest;
      if (halted !== null && this.#context.triesHalted !== true) {
        throw new HaltedError(this.path, halted);
      }
      this.#publishedThrough = Math.max(this.#publishedThrough, publishedThrough);
      const warm = this.#warmPack(n, loaded.manifest.version);
      let answeredMs = loaded.dateMs;
      for (;;) {
        // As many at once as may be unfolded, and one more to see the end.
        const from = state.position + 1;
        const count = Math.max(0, Math.min(this.#context.job.commit.maxLag + 2, n - from + 1));
        const reads = await Promise.all(Array.from({ length: count }, (_, i) => log.readEntry(from + i)));
        answeredMs = greatest(
          reads.map((read) => read.dateMs),
          answeredMs,
        );
        // ⚑ fresh-manifest: nothing is applied that may have been collected and made again by a sleeper.
        if (!mayConclude(answeredMs, loaded.dateMs, retentionMs)) break;
        let found = 0;
        for (const { entry } of reads) {
          if (entry === undefined) break;
          // The commit side of this environment may have folded it meanwhile, and moved the position on.
          if (entry.header.n === state.position + 1) this.#adopt(entry);
          found++;
        }
        if (found < count || count === 0) break;
      }
      this.#cold = false;
      if (mayConclude(answeredMs, loaded.dateMs, retentionMs)) {
        if (n === Number.MAX_SAFE_INTEGER) return false;
        // A gap below n: the missing plans first, in order, triggers or not.
        while (state.position < n - 1) await this.run(state.position + 1, {}, invocation);
        const pack = await warm;
        // ⚑ one-manifest: another one may have come while the pack was read.
        if (pack !== undefined && state.manifest.version === loaded.manifest.version) state.warmFor(n, pack);
      } else {
        this.#cold = true;
      }
    }
  }

  /** What a preload function has left for batch n. Advisory: whatever is wrong with it, the batch reads for itself. */
  async #warmPack(n: number, version: number): Promise<ReadonlyMap<string, Uint8Array | null> | undefined> {
    const { store, names, warmPacks } = this.#context;
    if (warmPacks !== true || version === 0 || n === Number.MAX_SAFE_INTEGER) return undefined;
    const name = names.warm(this.path, n, version);
    try {
      const answer = await store.get(name);
      return answer.found ? decodeWarmPack(answer.body, name, n, version) : undefined;
    } catch (error) {
      this.#context.trace.trouble?.('a warm pack could not be used', error);
      return undefined;
    }
  }

  /** Applies a log entry that is durable but was not computed here. */
  #adopt(entry: LogEntry): void {
    const { n, previousHash, publishedThrough } = entry.header;
    // ⚑ chain
    if (previousHash !== this.state.hash) throw brokenChain(this.log.nameOf(n), n);
    this.state.adoptEntry(n, entry.hash, entry.changes(), entry.header.forgotten);
    this.#adopted = entry.header;
    this.#publishedThrough = Math.max(this.#publishedThrough, publishedThrough);
  }

  /** Step 2: ⚑ lag-bound. */
  async #backpressure(n: number): Promise<void> {
    const { job, committer, trace, clock } = this.#context;
    // Mode sync: only a crash leaves anything unfolded.
    if (this.#sync !== undefined && this.state.manifest.through < n - 1) this.state.adopt(await this.#sync.catchUp());
    const startMs = clock.monotonic();
    let waited = false;
    let failures = 0;
    while (n - 1 - this.state.manifest.through > job.commit.maxLag) {
      waited = true;
      const before = this.state.manifest.through;
      try {
        await committer.relieve(this.path);
      } catch (error) {
        // What may pass by itself is no reason to fail the batch, for a while.
        if (!(error instanceof MisaError && error.retryable) || ++failures > MAX_RELIEF_FAILURES) throw error;
        trace.trouble?.('a fold that a batch waits for failed and is tried again', error);
        await clock.sleep(Math.min(2000, 20 * 2 ** failures));
      }
      if (this.state.manifest.through === before) await this.#reload();
    }
    if (waited) trace.span({ lane: 'wait', path: this.path, n, startMs, endMs: clock.monotonic() });
  }

  /** Steps 3 to 6. @returns `undefined`: everything computed was dropped, begin again */
  async #attempt(n: number, trigger: Trigger, invocation: Invocation): Promise<Committed | undefined> {
    const plan = trigger.plan ?? (await this.#source.plan(n));
    const input = trigger.input ?? (await this.#source.input(this.#stage, this.#partition, plan));
    const batch = this.state.begin();
    try {
      return await this.#attemptWith(batch, { ...trigger, plan, input }, invocation);
    } finally {
      batch.end();
    }
  }

  async #attemptWith(
    batch: BatchState,
    { plan, input, ...trigger }: Trigger & { readonly plan: StoredPlan; readonly input: PartitionInput },
    invocation: Invocation,
  ): Promise<Committed | undefined> {
    const { job, store, clock, random, trace } = this.#context;
    const { state, path } = this;
    const { n } = plan.plan;
    const startMs = clock.monotonic();
    const { version } = state.manifest;
    const skips = this.#skips(n, plan);
    let result: Awaited<ReturnType<typeof runOperators>>;
    let changes: Changes;
    try {
      [result, changes] = await state.pinnedFor(async () => {
        const computed = await runOperators(
          job,
          { stage: this.#stage, partition: this.#partition },
          plan.plan,
          input,
          batch,
          { skips, keepRows: this.#context.keepRows },
        );
        return [computed, encodeState(job, this.#stage, batch)];
      });
    } catch (error) {
      if (error instanceof UserFunctionError) {
        // A person may have said meanwhile that the row is to be skipped.
        await this.#reload();
        if (state.position === n - 1 && this.#skips(n, plan).length === skips.length) {
          error.at = { path, n, planHash: plan.hash };
          throw error;
        }
        return undefined;
      }
      if (!(error instanceof MissingSstError)) throw error;
      // ⚑ missing-sst: under a cached manifest another one has replaced it. Under a fresh one it is corruption.
      await this.#reload();
      if (state.manifest.version === version) throw error;
      return undefined;
    }
    // Another environment has moved on, and this one with it.
    if (state.position !== n - 1) return undefined;
    const header: LogHeader = {
      n,
      attempt: random.id(),
      planHash: plan.hash,
      previousHash: state.hash,
      // ⚑ published-known: what is committed and not out yet is not in it.
      publishedThrough: this.#publishedThrough,
      outputs: result.names,
      nextPartitions: result.next.length,
      changes: changes.count,
      ...(changes.forgotten.length === 0 ? {} : { forgotten: changes.forgotten }),
      counts: result.counts,
      reads: batch.reads,
      ...(result.closedTo === undefined ? {} : { closedTo: result.closedTo }),
    };
    const encoded = encodeLogEntry(
      header,
      changes.bytes,
      result.outputs.map((rows) => rows.bytes()),
      result.next.map(encodeInput),
    );
    const putMs = clock.monotonic();
    const detail = { rows: result.counts.rows, ...batch.reads };
    trace.span({ lane: 'batch', path, n, startMs, endMs: putMs, detail });
    trigger.computed?.();
    // ⚑ log-after-plan
    await trigger.durable;
    this.#checkLive(n, invocation);
    const own = decodeAt(encoded.bytes, this.log.nameOf(n), n);
    const folding = this.#sync?.start(own, encoded.bytes.length, state.pinned);
    const creation = await createEntry(store, clock, this.log.nameOf(n), encoded.bytes, (found) => {
      return decodeAt(found, this.log.nameOf(n), n).header.attempt === header.attempt;
    });
    trace.span({
      lane: 'log',
      path,
      n,
      startMs: putMs,
      endMs: clock.monotonic(),
      detail: { bytes: encoded.bytes.length },
    });
    if (creation.outcome === 'gone' || !mayConclude(creation.dateMs, state.pinned.dateMs, this.#context.retentionMs)) {
      // ⚑ fresh-manifest: the entry may have been folded and collected long ago, and only a new one tells.
      await this.#reload();
      if (creation.outcome === 'gone' || state.manifest.through >= n) {
        this.#cold = true;
        return undefined;
      }
    }
    // ⚑ one-step: from here to the change of the tiers nothing is awaited.
    this.#checkLive(n, invocation);
    // Another call has moved this environment on meanwhile.
    if (state.position !== n - 1) return undefined;
    if (creation.outcome === 'taken') {
      const entry = decodeAt(creation.bytes, this.log.nameOf(n), n);
      if (entry.header.planHash !== plan.hash) {
        throw new MisaError(
          'PLAN_REPLACED',
          `${this.log.nameOf(n)} was made for another plan ${n}: a batch that failed was planned again while another process still ran it. Restore the store from a copy, or start over with a new one; and let one process run a job.`,
        );
      }
      this.#adopt(entry);
      return { n, entry, published: this.#finish(entry), own: undefined };
    }
    state.apply(n, encoded.hash, changes, batch);
    if (folding !== undefined) state.adopt(await this.#sync!.finish(folding, n - 1));
    const published = this.#finish(own);
    return { n, entry: own, published, own: { outputs: result.outputs.map(({ kept }) => kept), next: result.next } };
  }

  /** Step 6, behind the batch: publishes up to this entry, in order, and then (⚑ published-known) tells the commit side. */
  #finish(entry: LogEntry): Promise<void> {
    const { committer, trace, clock, store, names } = this.#context;
    const { n } = entry.header;
    const publish = async (): Promise<void> => {
      if (this.#publishedThrough >= n) return;
      const startMs = clock.monotonic();
      await this.#publishBefore(n);
      await publishEntry({ store, names, partition: this.#partition }, entry);
      this.#publishedThrough = Math.max(this.#publishedThrough, n);
      if (this.#sync === undefined) committer.committed(this.path, n);
      trace.span({ lane: 'publish', path: this.path, n, startMs, endMs: clock.monotonic() });
    };
    // One after the other; a failure is reported to whoever waits for that batch, and the next one tries again.
    const published = this.#publishing.then(publish);
    this.#publishing = published.catch(() => {});
    return published;
  }

  /** Publishes what is committed before batch n and not published yet. */
  async #publishBefore(n: number): Promise<void> {
    const { store, names } = this.#context;
    for (let m = this.#publishedThrough + 1; m < n; m++) {
      const { entry } = await this.log.readEntry(m);
      // Folded and collected: the fold has published it.
      if (entry !== undefined) await publishEntry({ store, names, partition: this.#partition }, entry);
      this.#publishedThrough = Math.max(this.#publishedThrough, m);
    }
  }

  /** Waits for results that are being published. Never rejects: a failure is reported to whoever waits for that batch. */
  async settled(): Promise<void> {
    await this.#publishing;
  }

  /** @throws {MisaError} `NOT_LIVE` */
  #checkLive(n: number, { live }: Invocation): void {
    if (live) return;
    throw new MisaError('NOT_LIVE', `the attempt at batch ${n} of ${this.path} outlived its invocation`);
  }

  /** Rows of this batch to be set aside by hand. */
  #skips(n: number, { hash }: StoredPlan): readonly Skip[] {
    const { skips = [] } = this.state.manifest;
    return skips.filter((skip) => skip.n === n && (skip.planHash === undefined || skip.planHash === hash));
  }

  /** Reads the manifest. */
  async #reload(): Promise<void> {
    const { store, names } = this.#context;
    this.state.adopt(await loadManifest(store, names.manifest(this.path)));
  }
}
