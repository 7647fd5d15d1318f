/**
 * A batch function: runs micro-batches of one partition of one stage, as triggers ask for them or as they are missing. Its
 * memory and its local cache stay warm from one invocation to the next; that they are right is the partition runner's
 * business, so what is kept here may be thrown away at any time.
 */
import { type Committed, PartitionRunner } from '../batch/partition-runner.ts';
import { HaltedError, halt } from '../commit/halt.ts';
import { standingOf } from '../commit/sweep.ts';
import { CorruptionError, errorText, MisaError, StoreError, UserFunctionError } from '../errors.ts';
import type { Halt } from '../manifest/manifest.ts';
import { partitionPath } from '../object-store/names.ts';
import type { StoredPlan } from '../plan/plan.ts';
import type { PartitionInput } from '../plan/rows.ts';
import { decodeSection } from '../plan/segment.ts';
import { segmentPlace } from '../plan/stored-segment.ts';
import { StoredSource } from '../plan/stored-source.ts';
import { QueueError } from '../queue/queue-error.ts';
import { noCost } from '../state/read-cost.ts';
import { allOrFirstError } from '../util/all-or-first-error.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import type { Invocation } from './invocation.ts';
import { type BatchTrigger, carriedInput, carriedPlace, carriedPlan } from './messages.ts';
import { MARGIN_MS } from './reserves.ts';
import { killsAt, readStarts, type Start, writeStarts } from './starts.ts';
import { triggerStage } from './triggers.ts';

/** How often a batch is tried that fails with an unknown error, before its partition is halted. */
const TRIES_UNKNOWN = 4;
/** After this many killed processes in a row the partition is halted. */
const MOST_KILLED = 3;
/** No invocation is longer; and what is given to the platform to kill it, and to clocks that differ. */
const MAX_INVOCATION_MS = 15 * 60_000;
const SURELY_MS = 10_000;

export class BatchFunction {
  readonly #env: FunctionEnvironment;
  readonly #stage: number;
  readonly #partition: number;
  readonly #runner: PartitionRunner;
  /** The start of this invocation is recorded in the store, and must be removed when it ends. */
  #started = false;

  constructor(env: FunctionEnvironment, place: { readonly stage: number; readonly partition: number }) {
    const { store, names, file, committer } = env;
    this.#env = env;
    this.#stage = place.stage;
    this.#partition = place.partition;
    const source = new StoredSource({ store, names, partitions: file.partitions });
    this.#runner = new PartitionRunner(env, source, place);
    committer.onManifest((path, loaded) => {
      if (path === this.#runner.path) this.#runner.state.adopt(loaded);
    });
  }

  /**
   * Runs batch n and those before it that are missing; publishes it; sees to what comes after.
   * @param tries how often this trigger was delivered
   * @throws {MisaError} retryable: the trigger is to be delivered again. Else the partition is halted, and this returns
   */
  async run(trigger: BatchTrigger, invocation: Invocation, tries: number): Promise<void> {
    const { file, report, clock, committer } = this.#env;
    const { n } = trigger;
    if (trigger.job !== file.id || trigger.stage !== this.#stage || trigger.partition !== this.#partition) {
      report.warn('a trigger of another job or partition was dropped', { batch: n });
      return;
    }
    const startMs = clock.monotonic();
    try {
      // A trigger that was sent or delivered again: the process that had it before may have been killed.
      if ((tries > 1 || trigger.tries !== undefined) && (await this.#isDeadly(n, invocation))) return;
      const plan = carriedPlan(trigger, report);
      const input = await this.#inputOf(trigger, plan);
      const committed = await this.#runner.run(n, { ...(plan && { plan }), ...(input && { input }) }, invocation);
      await allOrFirstError([committed.published, this.#bringNear(), this.#triggerNext(n, plan)]);
      await committer.flush();
      this.#tell(committed, clock.monotonic() - startMs);
    } catch (error) {
      await committer.flush();
      await this.#failed(error, invocation, tries);
    }
  }

  /** Removes the record of the start: this process was not killed, whether its work succeeded or not. */
  async ended(): Promise<void> {
    if (!this.#started) return;
    this.#started = false;
    const { store, names, report } = this.#env;
    try {
      await writeStarts(store, names, this.#runner.path, []);
    } catch (error) {
      report.warn('that a try ended in good order was not written down', { error: errorText(error) });
    }
  }

  /**
   * Writes down that a try begins. @returns true: processes were killed at this batch, one after the other, and the partition is
   * halted before this one is, too
   */
  async #isDeadly(n: number, invocation: Invocation): Promise<boolean> {
    const { store, names, clock, report, retentionMs } = this.#env;
    const { path } = this.#runner;
    const { head, halted } = await standingOf(path, { store, names, retentionMs });
    if (halted || head >= n) return false;
    const next = head + 1;
    let starts: readonly Start[] = [];
    try {
      starts = (await readStarts(store, names, path)).filter((start) => start.n === next);
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      report.trouble?.('what is known of tries before cannot be read, and counting begins anew', error);
    }
    const nowMs = clock.now();
    const kills = killsAt(starts, next, nowMs);
    if (kills < MOST_KILLED) {
      const endsMs = nowMs + Math.min(MAX_INVOCATION_MS, invocation.remainingMs + MARGIN_MS) + SURELY_MS;
      // Set before the write: an error does not prove that nothing was written.
      this.#started = true;
      await writeStarts(store, names, path, [...starts, { n: next, endsMs }]);
      return false;
    }
    const reason = `the last ${kills} processes that tried it were killed before they could say why: out of memory, or over their time in code that waits for nothing. The function's log says which (REPORT lines). Raise memorySize or timeout, or correct the job, and deploy; then misa resume`;
    await this.#halt({ n: next, code: 'PROCESS_KILLED', reason }, new MisaError('PROCESS_KILLED', reason));
    // After `misa resume` the count of kills begins anew.
    await writeStarts(store, names, path, []);
    return true;
  }

  /** The rows that a trigger carries, or whose place it names; `undefined`: the runner looks for them. */
  async #inputOf(trigger: BatchTrigger, plan: StoredPlan | undefined): Promise<PartitionInput | undefined> {
    const { state } = this.#runner;
    const { report } = this.#env;
    // Not needed: the batch is done.
    if (state.position >= trigger.n || plan === undefined) return undefined;
    const segment = segmentPlace(this.#env.names, plan);
    if (segment === undefined) return undefined;
    const place = carriedPlace(trigger, plan.plan.segment!, report);
    if (place === undefined) return undefined;
    const carried = carriedInput(trigger, place, report);
    if (carried !== undefined) return carried;
    const { name, offset } = segment;
    const range = { offset: offset + place.offset, length: place.length };
    const answer = await this.#env.store.get(name, { range });
    return answer.found ? decodeSection(answer.body, place, name) : undefined;
  }

  /** While results are published: opens new SSTs, and reads a small state into memory. Best effort. */
  async #bringNear(): Promise<void> {
    const { job } = this.#env;
    const { state } = this.#runner;
    if (job.preload === 'off' || state.rows.complete) return;
    try {
      await state.reads.open(noCost());
      if (job.preload === 'keys') await state.loadAll(noCost());
    } catch (error) {
      this.#env.report.warn('preloading failed: the next batch reads for itself', { error: errorText(error) });
    }
  }

  /** ⚑ siblings: whoever sees that all partitions of a stage have batch n triggers the next stage; nobody waits for another. */
  async #triggerNext(n: number, plan: StoredPlan | undefined): Promise<void> {
    const { job, file, store, names, random } = this.#env;
    if (this.#stage + 1 >= job.stages.length) return;
    const siblings = Array.from({ length: file.partitions }, (_, p) => p).filter((p) => p !== this.#partition);
    const there = await Promise.all(
      siblings.map(async (p) => {
        const answer = await store.get(names.log(partitionPath(this.#stage, p), n), {
          range: { offset: 0, length: 1 },
        });
        return answer.found;
      }),
    );
    if (there.every(Boolean)) await triggerStage(this.#env, this.#stage + 1, n, plan, { sender: random.id() });
  }

  /** Throws a failure that a retry may help; halts the partition for any other. */
  async #failed(error: unknown, invocation: Invocation, tries: number): Promise<void> {
    const { report } = this.#env;
    if (!invocation.live) throw error;
    const n = this.#runner.state.position + 1;
    if (error instanceof MisaError) {
      if (error instanceof HaltedError) {
        report.warn(`${error.message}: the trigger was dropped`, { batch: n });
        return;
      }
      // A refusal by a service (a missing permission, say) is not the batch's fault: its message stays in the queue, and ends
      // in the dead-letter queue.
      const refused = error instanceof StoreError || error instanceof QueueError;
      if (error.retryable || refused || error.code === 'NOT_LIVE') throw error;
    } else if (tries < TRIES_UNKNOWN) {
      throw error;
    }
    const code = error instanceof MisaError ? error.code : 'UNKNOWN';
    const at = error instanceof UserFunctionError ? { row: error.failed, planHash: error.at?.planHash } : {};
    await this.#halt({ n, code, reason: errorText(error), ...at }, error);
  }

  async #halt(why: Halt, error: unknown): Promise<void> {
    const { report, store, names, random } = this.#env;
    const { path, state } = this.#runner;
    report.error(`partition ${path} is halted at batch ${why.n}`, error, { batch: why.n });
    // ⚑ halt-stops: the next invocation of this environment must see the halt, too.
    state.adopt(await halt({ store, names, path, random }, why));
    report.metric('Halted', 1);
  }

  #tell({ n, entry, own }: Committed, durationMs: number): void {
    const { report } = this.#env;
    report.metric('BatchDuration', durationMs);
    if (own === undefined) report.metric('Adopted', 1);
    const fields = { batch: n, durationMs: Math.round(durationMs), adopted: own === undefined };
    if (entry === undefined || own === undefined) {
      report.info('batch was done already', fields);
      return;
    }
    const { counts, reads, attempt } = entry.header;
    report.metric('Rows', counts.rows);
    report.metric('Late', counts.late);
    report.metric('Quarantined', counts.quarantined);
    report.metric('ReadsMemory', reads.memory);
    report.metric('ReadsLmdb', reads.lmdb);
    report.metric('ReadsWarm', reads.warm);
    report.metric('ReadsStore', reads.store);
    report.info('batch is committed', { ...fields, attempt, ...counts, reads: JSON.stringify(reads) });
  }
}
