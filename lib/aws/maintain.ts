/**
 * What is done by the clock: the sweep, which finds from the objects alone what lost messages left undone; empty plans, so
 * that windows close and timers fire though no data comes; the look for input that nobody announced; garbage collection. It is fed by no queue,
 * so what it sends can make no loop.
 */

import { commitPartition, resultRetention, stagePaths } from '../commit/commit-work.ts';
import { collectRound } from '../commit/gc.ts';
import { type Swept, sweep } from '../commit/sweep.ts';
import { type PartitionPath, PLANNER } from '../object-store/names.ts';
import { noRows } from '../plan/gathered.ts';
import { Planner, PlanTakenError } from '../plan/planner.ts';
import { pruneRuns } from '../timeline/trace-writer.ts';
import { greatest, pushAll } from '../util/numbers.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import type { InputObjects } from './input-objects.ts';
import type { Invocation } from './invocation.ts';
import { LookForInput } from './look-for-input.ts';
import { announceLost } from './lost-results.ts';
import { isDue, type MaintainNotes, readNotes, type Stuck, sentAgain, stuckAt, writeNotes } from './maintain-notes.ts';
import { type BatchTrigger, encodeMessage } from './messages.ts';
import { KEPT_ENVIRONMENTS } from './trace.ts';
import { sendTriggers, triggerOf, triggerPlan } from './triggers.ts';

/** Minimum age of the last plan before an empty one follows. While data comes, none is needed. */
const QUIET_MS = 10_000;
/** A batch has this long to make progress before it is triggered again. */
const STALLED_MS = 50_000;
/** A round of garbage collection begins so long after the one before. */
const COLLECT_EVERY_MS = 10 * 60_000;
/** No collection is begun with less time than this left. */
const RESERVE_MS = 8000;
/** Objects of a kind that a partition may have deleted in its turn, so that others get theirs. */
const MOST_IN_A_TURN = 10_000;

type Notes = MaintainNotes['batches'];

export interface MaintainOptions {
  /** Take everything that is not done as stalled and everything that is due as overdue, whatever the clock says. */
  readonly force?: boolean | undefined;
}

export class Maintain {
  readonly #env: FunctionEnvironment;
  readonly #planner: Planner;
  readonly #input: LookForInput;

  constructor(env: FunctionEnvironment, objects: InputObjects) {
    this.#env = env;
    this.#planner = new Planner(env);
    this.#input = new LookForInput(env, this.#planner, objects);
  }

  /** @throws the first failure, after everything was tried */
  async run({ force = false }: MaintainOptions, invocation: Pick<Invocation, 'remainingMs'>): Promise<void> {
    const { store, names, report } = this.#env;
    const failures: unknown[] = [];
    const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
      try {
        return await work();
      } catch (error) {
        failures.push(error);
        return undefined;
      }
    };
    await attempt(() => this.#emptyPlan(force));
    const before = await attempt(() => readNotes(store, names, report));
    if (before !== undefined) {
      let notes = before;
      // Saved before the collection, so that the next run knows what was sent even if the collection does not end.
      const keep = async (changed: MaintainNotes | undefined): Promise<void> => {
        if (changed === undefined || JSON.stringify(changed) === JSON.stringify(notes)) return;
        notes = changed;
        await attempt(() => writeNotes(store, names, notes));
      };
      await keep(await attempt(() => this.#sweep(notes, force)));
      await keep(await attempt(() => this.#announceLost(notes, invocation)));
      await keep(await attempt(() => this.#lookForInput(notes, force, invocation)));
      await keep(await attempt(() => this.#collect(notes, force, invocation, failures)));
    }
    if (failures.length > 0) throw failures[0];
  }

  /** Plans a batch without rows where the watermark has moved since the last plan, or a timer by processing time is due. */
  async #emptyPlan(force: boolean): Promise<void> {
    const { clock, random, report, committer } = this.#env;
    await this.#planner.open();
    const { progress, halted } = this.#planner;
    if (halted !== null) return;
    const quiet = force || progress === undefined || clock.now() - progress.processingTime >= QUIET_MS;
    if (!quiet) return;
    await this.#planner.learnWake();
    if (!this.#input.forgets && !this.#planner.wantsEmpty) return;
    if (!(await this.#planner.learnFlush())) return;
    try {
      const pieces = await this.#input.takeGone();
      const { stored, segment, durable } = this.#planner.plan({ ...noRows('empty'), pieces });
      await durable;
      await triggerPlan(this.#env, stored, segment, { sender: random.id() });
      report.info('a batch without rows is planned', { batch: stored.plan.n });
    } catch (error) {
      // Another plan came first: its batch uses the watermark.
      if (!(error instanceof PlanTakenError)) throw error;
    }
    await committer.flush();
  }

  async #lookForInput(
    notes: MaintainNotes,
    force: boolean,
    invocation: Pick<Invocation, 'remainingMs'>,
  ): Promise<MaintainNotes> {
    const goOn = (): boolean => invocation.remainingMs > RESERVE_MS;
    return { ...notes, inputs: await this.#input.run(notes.inputs, force, goOn) };
  }

  async #sweep(notes: MaintainNotes, force: boolean): Promise<MaintainNotes> {
    const { store, names, file, retentionMs, report } = this.#env;
    const { stages, partitions } = file;
    const maxMissing = Number.POSITIVE_INFINITY;
    const swept = await sweep({ store, names, stages, partitions, retentionMs, maxMissing });
    const lag = greatest(
      swept.unfolded.map((u) => u.head - u.through),
      0,
    );
    report.metric('CommitLag', lag);
    report.metric('Backlog', swept.backlog);
    report.metric('Halted', swept.halted.length);
    const folds = await this.#hintFolds(swept.unfolded, notes.folds, force);
    const batches = await this.#triggerMissing(swept.missing, notes.batches, force);
    return { ...notes, folds, batches };
  }

  /** Without a pause: batch functions send a hint every few batches only, so that the last ones before a quiet time have none. */
  async #hintFolds(unfolded: Swept['unfolded'], known: Notes, force: boolean): Promise<Notes> {
    const { file, queue, settings, random, clock } = this.#env;
    const nowMs = clock.now();
    const noted: Record<PartitionPath, Stuck> = {};
    const messages = unfolded.flatMap(({ path, through, head }) => {
      const stuck = stuckAt(known[path], through, nowMs);
      const due = force || isDue(stuck, nowMs, 0);
      noted[path] = due ? sentAgain(stuck, nowMs) : stuck;
      if (!due) return [];
      // ⚑ published-known: nothing is known of their results, so the fold looks.
      const body = encodeMessage({ kind: 'fold', job: file.id, path, n: head, published: false });
      // ⚑ sweep-group: here too, the partition's may be blocked by a fold that died.
      const group = `sweep-${path}`;
      return [{ body, group, dedupId: `${group}-${random.id()}` }];
    });
    if (messages.length > 0) await queue(settings.foldQueue).send(messages);
    return noted;
  }

  /** Triggers of the missing batches those whose partition has not moved for a while: others are on their way. */
  async #triggerMissing(missing: Swept['missing'], known: Notes, force: boolean): Promise<Notes> {
    const { random, clock, report } = this.#env;
    const nowMs = clock.now();
    const noted: Record<PartitionPath, Stuck> = {};
    const stalled: { readonly trigger: BatchTrigger; readonly at: string }[] = [];
    for (const { path, stage, partition, n, upTo } of missing) {
      const stuck = stuckAt(known[path], n, nowMs);
      const due = force || isDue(stuck, nowMs, STALLED_MS);
      const now = due ? sentAgain(stuck, nowMs) : stuck;
      noted[path] = now;
      if (!due) continue;
      stalled.push({
        trigger: { ...triggerOf(this.#env, stage, partition, upTo), tries: now.sent },
        at: `${path}@${n}`,
      });
    }
    if (stalled.length === 0) return noted;
    // ⚑ sweep-group: a new id, and a group beside the partition's, which may be blocked by a message that died in flight; one for
    // all that the sweep ever sends to a partition, so that no two of these are worked on at once.
    const sender = `sweep-${random.id()}`;
    const group = (path: PartitionPath): string => `sweep-${path}`;
    await sendTriggers(
      this.#env,
      stalled.map(({ trigger }) => trigger),
      { sender, group },
    );
    report.metric('Swept', stalled.length);
    report.warn('batches were triggered again', { partitions: stalled.map(({ at }) => at).join(' ') });
    return noted;
  }

  /** Not sooner with `force`: a result that is being delivered is not lost. */
  async #announceLost(notes: MaintainNotes, invocation: Pick<Invocation, 'remainingMs'>): Promise<MaintainNotes> {
    const nowMs = this.#env.clock.now();
    if (this.#env.settings.resultsQueue === undefined) return notes;
    if (nowMs - (notes.lostMs ?? Number.NEGATIVE_INFINITY) < COLLECT_EVERY_MS) return notes;
    await announceLost(this.#env, () => invocation.remainingMs > RESERVE_MS);
    return { ...notes, lostMs: nowMs };
  }

  /** Goes on with the round of collection, or begins one that is due. @param failures takes those of single partitions */
  async #collect(
    notes: MaintainNotes,
    force: boolean,
    invocation: Pick<Invocation, 'remainingMs'>,
    failures: unknown[],
  ): Promise<MaintainNotes> {
    const { file, report, clock, settings, store, names } = this.#env;
    const nowMs = clock.now();
    const { next, begunMs, left, failed, cleanMs } = notes.collect ?? {
      next: 0,
      begunMs: Number.NEGATIVE_INFINITY,
      left: false,
      failed: false,
      cleanMs: nowMs,
    };
    const minutes = (sinceMs: number): number => Math.max(0, Math.floor((nowMs - sinceMs) / 60_000));
    const begins = next === 0;
    if (begins && !force && !left && nowMs - begunMs < COLLECT_EVERY_MS) {
      report.metric('CollectionBehind', minutes(cleanMs));
      return notes;
    }
    const startMs = clock.monotonic();
    const stages = stagePaths(file).map((paths) => paths.map((path) => commitPartition(this.#env, path)));
    const done = await collectRound(commitPartition(this.#env, PLANNER), stages, {
      results: resultRetention(this.#env),
      from: next,
      goOn: () => invocation.remainingMs > RESERVE_MS,
      most: MOST_IN_A_TURN,
    });
    const { deleted } = done;
    report.span({ lane: 'gc', path: PLANNER, n: 0, startMs, endMs: clock.monotonic(), detail: { deleted } });
    report.metric('Collected', deleted);
    pushAll(failures, done.failures);
    const round = {
      begunMs: begins ? nowMs : begunMs,
      left: (!begins && left) || done.left,
      failed: (!begins && failed) || done.failures.length > 0,
    };
    const isClean = done.next === undefined && !round.left && !round.failed;
    const collect = { ...round, next: done.next ?? 0, cleanMs: isClean ? round.begunMs : cleanMs };
    report.metric('CollectionBehind', minutes(collect.cleanMs));
    if (settings.trace && collect.next === 0) await pruneRuns(store, names, KEPT_ENVIRONMENTS);
    return { ...notes, collect };
  }
}
