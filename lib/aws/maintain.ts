/**
 * What is done by the clock: the sweep, which finds from the objects alone what lost messages left undone; empty plans, so
 * that windows close though no data comes; garbage collection. It is fed by no queue, so what it sends can make no loop.
 */
import { Planner, PlanTakenError } from '../batch/planner.ts';
import { collectJob } from '../commit/gc.ts';
import { type MissingBatch, sweep } from '../commit/sweep.ts';
import { PLANNER } from '../object-store/names.ts';
import { commitPartition, resultRetention, stagePaths } from '../runtime/commit-work.ts';
import { noRows, watermarkMoved } from '../runtime/run-job.ts';
import { pruneRuns } from '../timeline/trace-writer.ts';
import { greatest } from '../util/numbers.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import { encodeMessage } from './messages.ts';
import { KEPT_ENVIRONMENTS } from './trace.ts';
import { sendTriggers, triggerOf, triggerPlan } from './triggers.ts';

/** How old the last plan must be before an empty one follows: with data on its way none is needed. */
const QUIET_MS = 10_000;
/** A batch is given so long to get on before it is triggered again. */
const STALLED_MS = 50_000;
/** So old is the plan of a batch that is stalled even if this environment has not seen it before. */
const STALLED_PLAN_MS = 5 * 60_000;
const COLLECT_EVERY_MS = 10 * 60_000;

export interface MaintainOptions {
  /** Take everything that is not done as stalled and everything that is due as overdue, whatever the clock says. */
  readonly force?: boolean | undefined;
}

export class Maintain {
  readonly #env: FunctionEnvironment;
  readonly #planner: Planner;
  /** Since when a partition has been missing the same batch. */
  readonly #missing = new Map<string, { readonly n: number; readonly sinceMs: number }>();
  #collectedMs = Number.NEGATIVE_INFINITY;

  constructor(env: FunctionEnvironment) {
    this.#env = env;
    this.#planner = new Planner(env.engine);
  }

  async run({ force = false }: MaintainOptions = {}): Promise<void> {
    await this.#emptyPlan(force);
    await this.#sweep(force);
    const nowMs = this.#env.clock.now();
    if (!force && nowMs - this.#collectedMs < COLLECT_EVERY_MS) return;
    this.#collectedMs = nowMs;
    await this.#collect();
  }

  /** Plans a batch without rows where the watermark has moved since the last plan: closed windows come out. */
  async #emptyPlan(force: boolean): Promise<void> {
    const { engine, clock, random, report, committer } = this.#env;
    await this.#planner.open();
    const { progress } = this.#planner;
    const quiet = force || progress === undefined || clock.now() - progress.processingTime >= QUIET_MS;
    if (!quiet || !watermarkMoved({ env: engine, planner: this.#planner })) return;
    if (!(await this.#planner.learnFlush())) return;
    try {
      const { stored, segment, durable } = this.#planner.plan(noRows('empty'));
      await durable;
      await triggerPlan(this.#env, stored, segment, { sender: random.id() });
      report.info('a batch without rows is planned', { batch: stored.plan.n });
    } catch (error) {
      // Data came: its batch uses the watermark.
      if (!(error instanceof PlanTakenError)) throw error;
    }
    await committer.flush();
  }

  async #sweep(force: boolean): Promise<void> {
    const { store, names, file, retentionMs, report, queue, settings, random } = this.#env;
    const { stages, partitions } = file;
    const { missing, unfolded, halted, backlog } = await sweep({ store, names, stages, partitions, retentionMs });
    const lag = greatest(
      unfolded.map((u) => u.head - u.through),
      0,
    );
    report.metric('CommitLag', lag);
    report.metric('Backlog', backlog);
    report.metric('Halted', halted.length);
    if (unfolded.length > 0) {
      const messages = unfolded.map(({ path, head }) => {
        // ⚑ published-known: nothing is known of their results, so the fold looks.
        const body = encodeMessage({ kind: 'fold', job: file.id, path, n: head, published: false });
        // ⚑ sweep-group: here too, the partition's may be blocked by a fold that died.
        const id = `sweep-${path}-${random.id()}`;
        return { body, group: id, dedupId: id };
      });
      await queue(settings.foldQueue).send(messages);
    }
    const stalled = await this.#stalled(missing, force);
    if (stalled.length === 0) return;
    // ⚑ sweep-group: an id and a group of its own, since the partition's group may be blocked by a message that died in flight.
    const sender = `sweep-${random.id()}`;
    const triggers = stalled.map(({ stage, partition, upTo }) => triggerOf(this.#env, stage, partition, upTo));
    await sendTriggers(this.#env, triggers, { sender, group: sender });
    report.metric('Swept', stalled.length);
    report.warn('batches were triggered again', { partitions: stalled.map((s) => `${s.path}@${s.n}`).join(' ') });
  }

  /** Of the missing batches those whose partition has not moved for a while: others are on their way. */
  async #stalled(missing: readonly MissingBatch[], force: boolean): Promise<MissingBatch[]> {
    const nowMs = this.#env.clock.now();
    const known = new Map(this.#missing);
    this.#missing.clear();
    const stalled: MissingBatch[] = [];
    for (const batch of missing) {
      const { path, n } = batch;
      const before = known.get(path);
      const seen = before?.n === n;
      const sinceMs = seen ? before.sinceMs : nowMs;
      this.#missing.set(path, { n, sinceMs });
      if (force || nowMs - sinceMs >= STALLED_MS || (!seen && (await this.#isOld(n, nowMs)))) stalled.push(batch);
    }
    return stalled;
  }

  /** An environment may be new each time, and remember nothing: then the plan's age tells. */
  async #isOld(n: number, nowMs: number): Promise<boolean> {
    const { stored } = await this.#planner.log.readPlan(n);
    return stored !== undefined && nowMs - stored.plan.processingTime >= STALLED_PLAN_MS;
  }

  async #collect(): Promise<void> {
    const { commit, file, report, clock, settings, store, names } = this.#env;
    const startMs = clock.monotonic();
    const stages = stagePaths(file).map((paths) => paths.map((path) => commitPartition(commit, path)));
    const deleted = await collectJob(commitPartition(commit, PLANNER), stages, { results: resultRetention(commit) });
    report.span({ lane: 'gc', path: PLANNER, n: 0, startMs, endMs: clock.monotonic(), detail: { deleted } });
    report.metric('Collected', deleted);
    if (settings.trace) await pruneRuns(store, names, KEPT_ENVIRONMENTS);
  }
}
