/**
 * The planner: decides what each micro-batch is. It is a partition of its own, with plans for a log and one row a source
 * object or message for state; so pieces are planned once, and whoever comes next goes on from the objects alone.
 */

import { MisaError } from '../errors.ts';
import type { RunContext } from '../job/job-context.ts';
import { brokenChain } from '../log/broken-chain.ts';
import { createEntry } from '../log/create.ts';
import { mayConclude } from '../log/partition-log.ts';
import { readTail } from '../log/tail.ts';
import type { Halt, LoadedManifest } from '../manifest/manifest.ts';
import { loadManifest } from '../manifest/manifest-store.ts';
import { createOnce } from '../object-store/create-once.ts';
import { HedgedCreates } from '../object-store/hedged-creates.ts';
import { HedgedReads } from '../object-store/hedged-reads.ts';
import { type PartitionPath, PLANNER } from '../object-store/names.ts';
import { addressPrefix } from '../state/address.ts';
import { PartitionState } from '../state/partition-state.ts';
import { noCost } from '../state/read-cost.ts';
import { MissingSstError } from '../state/sst-files.ts';
import { decodeKey } from '../stream/operators/key.ts';
import { unpackValue } from '../util/pack.ts';
import { compareUtf8 } from '../util/utf8-order.ts';
import { flushedTo, later } from './flushed.ts';
import type { Gathered } from './gathered.ts';
import { decodePlanObject, encodePlan, encodePlanObject, type Plan, type StoredPlan } from './plan.ts';
import {
  forgottenMs,
  lastObjectKey,
  OBJECTS_TABLE,
  objectKey,
  PLANNER_TABLES,
  type PlannedObject,
  PlannerLog,
  type PlanProgress,
  PROGRESS_KEY,
  PROGRESS_TABLE,
  planChanges,
  progressOf,
} from './planner-log.ts';
import { type EncodedSegment, encodeSegment } from './segment.ts';
import { wakeAfter } from './wake.ts';
import { advance, nextWatermark } from './watermark.ts';

/** Memory for planned objects; beyond it they are read from SSTs. */
const STATE_BYTES = 16 << 20;
/** Plans that are read in parallel. */
const READ_AHEAD = 4;
/**
 * A segment of at most so many bytes stands behind its plan, in one object (decision 77): to send them takes a fraction of the time of the
 * request that is saved. A larger one is sent while the plan before is on its way.
 */
const INSIDE_BYTES = 1 << 20;

/** A plan on its way to the store. */
export interface Planned {
  readonly stored: StoredPlan;
  /** `null`: the plan has no rows, or names them by reference. */
  readonly segment: EncodedSegment | null;
  /** Rejects with a `PlanTakenError` when another planner was first. */
  readonly durable: Promise<void>;
}

/** Rows of a plan to come, on their way to the store if they do not go with the plan. */
export interface StoredSegment {
  /** Number of the plan. */
  readonly n: number;
  /** `null`: the plan has no rows, or names them by reference. */
  readonly encoded: EncodedSegment | null;
  /** It will stand behind the plan, and is not sent before. */
  readonly isInside: boolean;
  readonly durable: Promise<unknown>;
}

/** Another planner has made this plan: what was gathered must be gathered again, after that plan. */
export class PlanTakenError extends MisaError {
  readonly n: number;

  constructor(n: number) {
    super('PLAN_TAKEN', `another process has made plan ${n}`, { retryable: true });
    this.n = n;
  }
}

/** The last plan is a flush that not every partition has committed: how far it closed is not known yet. */
export class FlushUnderWayError extends MisaError {
  constructor(n: number) {
    super(
      'FLUSH_UNDER_WAY',
      `batch ${n} closes all windows, and not every partition has committed it: what comes next is planned when it is known how far it closed`,
      { retryable: true },
    );
  }
}

export class Planner {
  readonly state: PartitionState;
  readonly log: PlannerLog;
  readonly #context: RunContext;
  #progress: PlanProgress | undefined;
  #overtaken = false;
  /** If the last plan, `n`, is a flush: up to which time it closed. */
  #flush: { readonly n: number; readonly closedTo: number | null } | undefined;

  constructor(context: RunContext) {
    const { store, names, clock, cache, trace } = context;
    this.#context = context;
    this.log = new PlannerLog(store, names);
    this.state = new PartitionState({
      store: HedgedReads.of(store, clock),
      names,
      path: PLANNER,
      cache,
      kinds: PLANNER_TABLES,
      rowBytes: STATE_BYTES,
      onTrouble: (what, error) => trace.trouble?.(what, error),
    });
  }

  /** Number of the last plan. */
  get position(): number {
    return this.state.position;
  }

  get progress(): PlanProgress | undefined {
    return this.#progress;
  }

  /** Why planning is halted; `null`: it is not, as far as this process knows. */
  get halted(): Halt | null {
    const { halted } = this.state.manifest;
    return halted !== null && halted.n > this.position ? halted : null;
  }

  /** The watermark that the next batch would use now; `null`: none yet. */
  watermark(nowMs: number): number | null {
    const { job } = this.#context;
    const { inputs = {}, watermark = null } = this.#progress ?? {};
    return later(nextWatermark(job.watermarks, job.watermarkPolicy, inputs, watermark, nowMs), this.#closedTo());
  }

  /** When a batch is to be run even if no row comes, as far as is known; `null`: never. */
  wakeMs: number | null = null;

  /** Learns {@link wakeMs} from what the partitions have committed. */
  async learnWake(): Promise<void> {
    this.wakeMs = await wakeAfter(this.#context, this.position);
  }

  /** Whether a batch without rows would close windows now, or fire timers by processing time. */
  get wantsEmpty(): boolean {
    const { job, clock } = this.#context;
    if (!job.noDataBatches || this.#progress === undefined || job.stages.every((s) => s.operators.length === 0))
      return false;
    if (this.wakeMs !== null && this.wakeMs <= this.#nextMs()) return true;
    const next = this.watermark(clock.now());
    return next !== null && next > (this.reached ?? Number.NEGATIVE_INFINITY);
  }

  /** The event time up to which everything is closed; `null`: nothing is. */
  get reached(): number | null {
    return later(this.#progress?.watermark ?? null, this.#closedTo());
  }

  /**
   * After a flush: learns how far it closed, without which nothing can be planned behind it.
   * @returns false: not every partition has committed it yet
   */
  async learnFlush(): Promise<boolean> {
    if (this.#progress?.kind !== 'flush') return true;
    const n = this.position;
    if (this.#flush?.n === n) return true;
    const closedTo = await flushedTo(this.#context, n);
    if (closedTo === undefined) return false;
    this.#flush = { n, closedTo };
    return true;
  }

  /** Reads plans until there are no more: after a start, and after a plan was taken by another. */
  async open(): Promise<void> {
    do {
      await this.#catchUp();
      this.#overtaken = false;
      this.#progress ??= (await this.#read(PROGRESS_TABLE, PROGRESS_KEY)) as PlanProgress | undefined;
      // Reading may show that another planner has gone on meanwhile.
    } while (this.#overtaken);
  }

  async #catchUp(): Promise<void> {
    const { retentionMs } = this.#context;
    let end: Awaited<ReturnType<typeof readTail>>;
    do {
      const { dateMs: manifestMs } = await this.#reload();
      const next = (): number => this.state.position + 1;
      const read = async (n: number) => {
        const { stored: entry, dateMs } = await this.log.readPlan(n);
        return { entry, dateMs };
      };
      end = await readTail({ next, atOnce: () => READ_AHEAD, read, manifestMs, retentionMs }, (stored) => {
        // The commit side may have folded it meanwhile, and advanced the position.
        if (stored.plan.n === this.state.position + 1) this.#adopt(stored);
      });
    } while (end === 'stale');
  }

  /** Takes a newer manifest. One that has folded plans which are not known here shows that another planner is at work. */
  adopt(loaded: LoadedManifest): void {
    if (!this.state.adopt(loaded)) return;
    this.#progress = undefined;
    this.#overtaken = true;
  }

  /** How far a source object or a message is planned; `undefined`: not at all, or it is forgotten. */
  async planned(source: string, name: string): Promise<PlannedObject | undefined> {
    // Forgotten objects have a tombstone.
    const row = ((await this.#read(OBJECTS_TABLE, objectKey(source, name))) ?? undefined) as PlannedObject | undefined;
    if (row === undefined) return undefined;
    // ⚑ log-time: what a compaction has left out was forgotten before, here.
    return (forgottenMs(row) ?? Number.POSITIVE_INFINITY) <= this.#nextMs() ? undefined : row;
  }

  /**
   * How far objects of a source are planned, by name.
   * @param first @param last names, both included; default: all
   */
  async plannedObjects(source: string, first = '', last?: string): Promise<Map<string, PlannedObject>> {
    const prefix = addressPrefix(OBJECTS_TABLE, 'keyed', 0);
    const from = objectKey(source, first);
    const to = last === undefined ? lastObjectKey(source) : objectKey(source, last);
    const rows = await this.#pinned(async () => {
      const found = new Map<string, PlannedObject>();
      for (const { key, value } of await this.state.reads.scanAll(prefix + from, `${prefix}${to}\0`, noCost())) {
        found.set(key.slice(prefix.length), unpackValue(value!) as PlannedObject);
      }
      for (const { key, row } of this.state.rows.unfolded(OBJECTS_TABLE, -1, 0)) {
        if (key < from || key > to) continue;
        if (row === null || row === undefined) found.delete(key);
        else found.set(key, row as PlannedObject);
      }
      return found;
    });
    return new Map([...rows].map(([key, planned]) => [(decodeKey(key) as [string, string])[1], planned]));
  }

  /**
   * Sends the rows of plan n, which may be made a while later: while the one before is on its way. If it never is, garbage collection takes them
   * with those of that number. Few rows go with the plan.
   */
  storeSegment(n: number, { byReference, counts, inputs }: Gathered): StoredSegment {
    if (byReference || counts.rows === 0) return { n, encoded: null, isInside: false, durable: Promise.resolve() };
    const encoded = encodeSegment(inputs);
    const { store, names, clock, insideBytes = INSIDE_BYTES } = this.#context;
    if (encoded.bytes.length <= insideBytes) return { n, encoded, isInside: true, durable: Promise.resolve() };
    const durable = createOnce(HedgedCreates.of(store, clock), names.segment(n, encoded.hash), encoded.bytes);
    durable.catch(() => {}); // reported by the plan
    return { n, encoded, isInside: false, durable };
  }

  /**
   * Makes the next plan. One at a time: the next may be asked for when `durable` has settled.
   * @param early its rows, if they are on their way already
   * @throws {PlanTakenError} another planner has gone on from here: what was gathered may be planned already
   * @throws {FlushUnderWayError} the last plan is a flush, and {@link learnFlush} has not learned of it
   */
  plan(gathered: Gathered, early?: StoredSegment): Planned {
    // ⚑ planner-overtaken
    if (this.#overtaken) throw new PlanTakenError(this.state.position);
    const { job, store, clock, random, trace } = this.#context;
    const n = this.state.position + 1;
    if (this.#progress?.kind === 'flush' && this.#flush?.n !== n - 1) throw new FlushUnderWayError(n - 1);
    const closedTo = this.#closedTo();
    const nowMs = this.#nextMs();
    const { encoded: segment, isInside, durable: sent } = early?.n === n ? early : this.storeSegment(n, gathered);
    const inside = isInside ? segment?.bytes : undefined;
    const stored = encodePlan({
      n,
      kind: gathered.kind,
      pieces: gathered.pieces,
      segment: segment?.hash ?? null,
      ...(inside === undefined ? {} : { segmentBytes: inside.length }),
      counts: gathered.counts,
      inputs: advance(job.watermarks, this.#progress?.inputs ?? {}, gathered.seen, nowMs),
      watermark: this.watermark(nowMs),
      previousWatermark: this.#progress?.watermark ?? null,
      ...(closedTo === null ? {} : { closedTo }),
      ...listedBy(this.#progress?.listed, gathered.listed),
      processingTime: nowMs,
      headHash: job.headHash,
      previousHash: this.state.hash,
      attempt: random.id(),
    });
    const startMs = clock.monotonic();
    const makePlan = async (): Promise<void> => {
      const name = this.log.nameOf(n);
      // ⚑ segment-first: a plan that names a segment nobody has stored could never run. One that is inside is there as soon as the plan is.
      await sent;
      const creation = await createEntry(store, clock, name, encodePlanObject(stored, inside), (found) => {
        return decodePlanObject(found, name, n)!.stored.plan.attempt === stored.plan.attempt;
      });
      trace.span({ lane: 'plan', path: PLANNER, n, startMs, endMs: clock.monotonic() });
      if (creation.outcome !== 'created') throw new PlanTakenError(n);
      await this.#confirm(n, creation.dateMs);
      // ⚑ planner-overtaken: it is ours, but others have planned on from it, and this environment's commit side has folded that meanwhile.
      if (this.state.position !== n - 1) throw new PlanTakenError(this.state.position);
      this.#adopt(stored);
      // A plan by reference is folded with the next, since its batch may fail, and then it is taken back.
      if (!gathered.byReference) this.#context.committer.committed(PLANNER, n);
      else if (n > 1) this.#context.committer.committed(PLANNER, n - 1);
    };
    return { stored, segment, durable: makePlan() };
  }

  /** ⚑ fresh-manifest: a created plan counts only under one; else plan n may be an old one, collected and made again. */
  async #confirm(n: number, dateMs: number): Promise<void> {
    if (mayConclude(dateMs, this.state.pinned.dateMs, this.#context.retentionMs)) return;
    const loaded = await this.#reload();
    if (loaded.manifest.through >= n) throw new PlanTakenError(n);
  }

  /**
   * Takes back the last plan, whose batch failed, so that its rows are planned again: by a corrected job, from corrected files.
   * Only for whoever made it, when nobody else may be running it, its attempts have ended with all that they sent, and the commit side is closed.
   * @returns false: a partition has committed it, or it is folded: it stays
   */
  async takeBack(n: number, paths: readonly PartitionPath[]): Promise<boolean> {
    const { store, names } = this.#context;
    if (n !== this.position) return false;
    const { manifest } = await loadManifest(store, names.manifest(PLANNER));
    if (manifest.through >= n || (await this.log.readPlan(n + 1)).stored !== undefined) return false;
    for (const path of paths) {
      const loaded = await loadManifest(store, names.manifest(path));
      if (loaded.manifest.through >= n || (await store.get(names.log(path, n))).found) return false;
    }
    await store.delete([this.log.nameOf(n)]);
    return true;
  }

  /** The time of the next plan, if it were made now: never before that of the last. */
  #nextMs(): number {
    return Math.max(this.#context.clock.now(), this.#progress?.processingTime ?? 0);
  }

  #closedTo(): number | null {
    const known = this.#flush?.n === this.position ? this.#flush.closedTo : null;
    return later(this.#progress?.closedTo ?? null, known);
  }

  #adopt(stored: StoredPlan): void {
    const { plan, hash } = stored;
    if (plan.previousHash !== this.state.hash) {
      throw brokenChain(this.log.nameOf(plan.n), plan.n);
    }
    this.state.adoptEntry(plan.n, hash, planChanges(plan));
    this.#progress = progressOf(plan);
  }

  async #reload(): Promise<LoadedManifest> {
    const { store, names } = this.#context;
    const loaded = await loadManifest(store, names.manifest(PLANNER));
    this.adopt(loaded);
    return loaded;
  }

  #read(table: number, key: string): Promise<unknown> {
    return this.#pinned(async () => {
      const batch = this.state.begin();
      const view = batch.tables(
        [
          { name: 'a', kind: 'keyed' },
          { name: 'b', kind: 'keyed' },
        ],
        0,
      )[table]!;
      try {
        await view.load([key]);
        return view.get(key, 0);
      } finally {
        batch.end();
      }
    });
  }

  /** Reads under one manifest, and under a newer one where that has dropped what is to be read. */
  async #pinned<T>(read: () => Promise<T>): Promise<T> {
    for (;;) {
      const { version } = this.state.manifest;
      try {
        return await this.state.pinnedFor(read);
      } catch (error) {
        if (!(error instanceof MissingSstError)) throw error;
        // Under a cached manifest: a newer one has dropped that SST. Under a fresh one: corruption.
        if (this.state.manifest.version === version) await this.#reload();
        if (this.state.manifest.version === version) throw error;
      }
    }
  }
}

/** Positions in listings only grow. */
function listedBy(
  before: Plan['listed'],
  now: Plan['listed'],
): { readonly listed: NonNullable<Plan['listed']> } | Record<never, never> {
  if (before === undefined && now === undefined) return {};
  const listed = { ...before };
  for (const [place, key] of Object.entries(now ?? {})) {
    if (compareUtf8(key, listed[place] ?? '') > 0) listed[place] = key;
  }
  return { listed };
}
