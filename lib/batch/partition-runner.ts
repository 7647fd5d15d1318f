/**
 * The batch protocol of one partition of one stage, in its six steps (docs/protocol.md). It is driven from outside, by triggers that
 * may be lost, doubled or late, and takes from the objects alone what is true.
 *
 * Invariants: one accepted log entry for n, made after n−1 and after plan n is durable; the tiers change only after it, in
 * one synchronous step; what another attempt has committed is adopted and never computed into different effects.
 */
import { commitPartition } from '../commit/commit-work.ts';
import { MisaError } from '../errors.ts';
import type { RunContext } from '../job/job-context.ts';
import { createEntry } from '../log/create.ts';
import { DataLog, decodeAt } from '../log/data-log.ts';
import type { LogEntry } from '../log/entry.ts';
import { mayConclude } from '../log/partition-log.ts';
import { readsDetail } from '../log/read-counts.ts';
import { HedgedReads } from '../object-store/hedged-reads.ts';
import { type PartitionPlace, partitionPath } from '../object-store/names.ts';
import type { BatchSource } from '../plan/batch-source.ts';
import type { StoredPlan } from '../plan/plan.ts';
import type { PartitionInput } from '../plan/rows.ts';
import { assertSamePlan } from '../plan/same-plan.ts';
import { PartitionState } from '../state/partition-state.ts';
import { type CommitMode, commitMode } from './commit-mode.ts';
import { type Computed, compute, type Work } from './compute.ts';
import { LogFollower } from './log-follower.ts';
import { Publisher } from './publisher.ts';

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

/** Of a process that nobody freezes: it lives, or it is gone. */
export const ALWAYS_LIVE: Invocation = { live: true };

export class PartitionRunner {
  readonly path: string;
  readonly state: PartitionState;
  readonly log: DataLog;
  readonly #context: RunContext;
  readonly #source: BatchSource;
  readonly #place: PartitionPlace;
  readonly #follower: LogFollower;
  readonly #commits: CommitMode;
  readonly #publisher: Publisher;

  constructor(context: RunContext, source: BatchSource, place: PartitionPlace) {
    const { store, names } = context;
    const path = partitionPath(place.stage, place.partition);
    const state = openState(context, place);
    const log = new DataLog(store, names, path);
    const partition = commitPartition(context, path);
    const reload = (): Promise<void> => this.#follower.reload();
    this.path = path;
    this.state = state;
    this.log = log;
    this.#context = context;
    this.#source = source;
    this.#place = place;
    this.#commits = commitMode({ context, partition, state, reload });
    this.#publisher = new Publisher(context, place, log, (n) => this.#commits.published(n));
    this.#follower = new LogFollower(context, { path, state, log }, (through) => this.#publisher.isOut(through));
  }

  /** Outputs up to this batch are published. */
  get publishedThrough(): number {
    return this.#publisher.through;
  }

  /** ⚑ same-plan, for the last plan. @throws {CorruptionError} the log entry found was made for another plan of that number */
  checkHead(n: number, planHash: string): void {
    this.#follower.checkHead(n, planHash);
  }

  /** Brings this environment to the end of the log, and publishes what is committed, without running anything. */
  async open(): Promise<void> {
    await this.#follower.toEnd();
    await this.#publisher.publishBefore(this.state.position + 1);
  }

  /** Waits for results that are being published. Never rejects: a failure is reported to whoever waits for that batch. */
  settled(): Promise<void> {
    return this.#publisher.settled();
  }

  /**
   * Runs batch n, and those before it that are missing, all of them for this one invocation. Returns when it is committed;
   * `published` follows, while the next batch may already run.
   * @throws {UserFunctionError} @throws {CorruptionError} @throws {StoreError} @throws {MisaError} `HALTED`
   */
  async run(n: number, trigger: Trigger, invocation: Invocation): Promise<Committed> {
    let known = trigger;
    for (;;) {
      // Step 1.
      const standing = await this.#follower.look(n);
      if (standing === 'committed') return this.#wasCommitted(n, known);
      if (standing === 'missing') {
        // In order, triggers or not.
        await this.run(this.state.position + 1, {}, invocation);
        continue;
      }
      // Step 2.
      await this.#commits.makeRoom(n);
      const committed = await this.#attempt(n, known, invocation);
      if (committed !== undefined) return committed;
      // An attempt that was dropped may have left traces in the rows it had in memory: they are read again.
      await trigger.durable;
      const { input: _, ...rest } = trigger;
      known = rest;
    }
  }

  /** Steps 3 to 6. @returns `undefined`: everything computed was dropped, begin again */
  async #attempt(n: number, trigger: Trigger, invocation: Invocation): Promise<Committed | undefined> {
    const plan = trigger.plan ?? (await this.#source.plan(n));
    const { stage, partition } = this.#place;
    const input = trigger.input ?? (await this.#source.input(stage, partition, plan));
    const batch = this.state.begin();
    try {
      // Step 3.
      const computed = await this.#compute({ plan, input, batch });
      if (computed === undefined) return undefined;
      const sinceMs = this.#context.clock.monotonic();
      trigger.computed?.();
      // ⚑ log-after-plan
      await trigger.durable;
      this.#checkLive(n, invocation);
      // Step 4.
      const own = decodeAt(computed.bytes, this.log.nameOf(n), n);
      const folding = this.#commits.beside(own, computed.bytes.length);
      const written = await this.#write(n, computed, sinceMs);
      if (written === undefined) return undefined;
      // ⚑ one-step: from here to the change of the tiers nothing is awaited.
      this.#checkLive(n, invocation);
      // Another call has moved this environment on meanwhile.
      if (this.state.position !== n - 1) return undefined;
      // Step 5.
      const { changes, hash, result } = computed;
      if (written.outcome === 'taken') {
        const entry = this.#adoptOther(n, plan, written.bytes);
        return { n, entry, published: this.#publisher.publish(entry), own: undefined };
      }
      this.state.apply(n, hash, changes, batch);
      await folding?.();
      // Step 6.
      const published = this.#publisher.publish(own);
      return { n, entry: own, published, own: { outputs: result.outputs.map(({ kept }) => kept), next: result.next } };
    } finally {
      batch.end();
    }
  }

  /** Batch n was committed before, here or elsewhere. */
  async #wasCommitted(n: number, { plan, durable }: Trigger): Promise<Committed> {
    const { entry } = await this.log.readEntry(n);
    // ⚑ same-plan. A plan that is on its way may be another process's: then this one is fenced, and nothing is damaged.
    await durable;
    if (entry !== undefined && plan !== undefined) assertSamePlan(entry.header, plan.hash, this.log.nameOf(n));
    const published = entry === undefined ? Promise.resolve() : this.#publisher.publish(entry);
    return { n, entry, published, own: undefined };
  }

  async #compute(work: Work): Promise<Computed | undefined> {
    const { clock, trace } = this.#context;
    const startMs = clock.monotonic();
    const computed = await compute(
      {
        context: this.#context,
        place: this.#place,
        state: this.state,
        reload: () => this.#follower.reload(),
        publishedThrough: () => this.#publisher.through,
      },
      work,
    );
    if (computed === undefined) return undefined;
    const { n, counts, reads } = computed.header;
    const detail = { rows: counts.rows, ...readsDetail(reads) };
    trace.span({ lane: 'batch', path: this.path, n, startMs, endMs: clock.monotonic(), detail });
    return computed;
  }

  /** Creates the log entry. @returns `undefined`: what became of it, only a look at the log can tell */
  async #write(n: number, { bytes, header }: Computed, startMs: number) {
    const { store, clock, trace, retentionMs } = this.#context;
    const { state } = this;
    const name = this.log.nameOf(n);
    const creation = await createEntry(store, clock, name, bytes, (found) => {
      return decodeAt(found, name, n).header.attempt === header.attempt;
    });
    const detail = { bytes: bytes.length };
    trace.span({ lane: 'log', path: this.path, n, startMs, endMs: clock.monotonic(), detail });
    if (creation.outcome === 'gone' || !mayConclude(creation.dateMs, state.pinned.dateMs, retentionMs)) {
      // ⚑ fresh-manifest: the entry may have been folded and collected long ago, and only a new one tells.
      await this.#follower.reload();
      if (creation.outcome === 'gone' || state.manifest.through >= n) {
        this.#follower.forget();
        return undefined;
      }
    }
    return creation;
  }

  /** Another attempt was first: what it computed counts. */
  #adoptOther(n: number, plan: StoredPlan, bytes: Uint8Array): LogEntry {
    const entry = decodeAt(bytes, this.log.nameOf(n), n);
    if (entry.header.planHash !== plan.hash) {
      throw new MisaError(
        'PLAN_REPLACED',
        `${this.log.nameOf(n)} was made for another plan ${n}: a batch that failed was planned again while another process still ran it. Restore the store from a copy, or start over with a new one; and let one process run a job.`,
      );
    }
    this.#follower.adopt(entry);
    return entry;
  }

  /** @throws {MisaError} `NOT_LIVE` */
  #checkLive(n: number, { live }: Invocation): void {
    if (live) return;
    throw new MisaError('NOT_LIVE', `the attempt at batch ${n} of ${this.path} outlived its invocation`);
  }
}

function openState(
  { job, store, names, clock, cache, blocks, trace }: RunContext,
  { stage, partition }: PartitionPlace,
): PartitionState {
  const specs = job.stages[stage]!.operators.flatMap(({ operator }) => operator.tables);
  return new PartitionState({
    store: HedgedReads.of(store, clock),
    names,
    path: partitionPath(stage, partition),
    cache,
    blocks,
    kinds: specs.map((s) => s.kind),
    widths: specs.map((s) => s.width ?? 0),
    blanks: specs.map((s) => s.blank),
    rowBytes: Math.floor(job.state.cacheBytes / (job.partitions * job.stages.length)),
    onTrouble: (what, error) => trace.trouble?.(what, error),
  });
}
