/**
 * Ingest: takes what came to the input queue, and what the listings of the input places show, through the stateless head into
 * segments and plans, and triggers the batches. Batches are cut as the embedded engine cuts them: objects in the order of
 * their keys, of several sources the one that is furthest behind, so that the same rows are late.
 *
 * ⚑ ack-after-plan: a message with rows is done only when the plan that names the last of them is durable; whoever is killed
 * before leaves it to the next delivery, which goes on from the planner's state. A notification of an object is a hint: it is
 * done when its object is planned, or when another one keeps the reading going.
 *
 * A row that the job refuses (`onError: 'fail'`, `onBadRow: 'fail'`) halts planning, as it stops an embedded run: behind it
 * other rows would be late. Objects wait in their listing, messages in their queue.
 *
 * Several may run at once. Who finds plan n taken adopts it, drops what it planned, and tries n + 1; with nothing but
 * objects to plan it leaves them to the other.
 */

import { HaltedError, halt } from '../commit/halt.ts';
import { errorText, MisaError } from '../errors.ts';
import { isOfRow, type RowError } from '../job/failed-row.ts';
import type { Skip } from '../manifest/manifest.ts';
import { PLANNER } from '../object-store/names.ts';
import { furthestBehind } from '../plan/furthest-behind.ts';
import type { Gathered } from '../plan/gathered.ts';
import { gatheredFrom, noRows } from '../plan/gathered.ts';
import { addPiece } from '../plan/input-cursor.ts';
import type { Piece } from '../plan/plan.ts';
import { FlushUnderWayError, Planner, PlanTakenError } from '../plan/planner.ts';
import { SegmentBuilder } from '../plan/segment-builder.ts';
import { s3Path } from '../source/s3-object.ts';
import type { Clock } from '../util/clock.ts';
import { compareUtf8 } from '../util/utf8-order.ts';
import type { Delivery, Hint, MessageArrival } from './deliveries.ts';
import { isFinal } from './final-error.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import { Inbox, type Work } from './inbox.ts';
import type { InputObjects } from './input-objects.ts';
import { DeadlineError, type Invocation } from './invocation.ts';
import { encodeBytes, encodeMessage } from './messages.ts';
import { ObjectSource, type PlaceHints, placeUrl } from './object-source.ts';
import { RESERVE_MS } from './reserves.ts';
import type { InputPlace } from './settings.ts';
import { triggerPlan } from './triggers.ts';
import { Unreadable } from './unreadable.ts';

/** How long ingest waits for the batch functions to run a flush, in all, and between its first two looks. */
const FLUSH_WAIT_MS = 6000;
const FLUSH_POLL_MS = 100;
/** Plans that others made first, in a row, before the messages go back to the queue. */
const MAX_TAKEN = 16;
const MAX_TAKEN_OBJECTS = 2;
/** An object that gave no row in this share of the reading time is too slow for any invocation. */
const WHOLE_TIME = 0.75;
/** After so many deliveries a hint is dropped: the look at the listing, each minute, takes over. */
const HINT_TRIES = 15;

export class Ingest {
  readonly #env: FunctionEnvironment;
  readonly #objects: InputObjects;
  readonly #planner: Planner;
  readonly #unreadable: Unreadable;
  #opened = false;

  constructor(env: FunctionEnvironment, objects: InputObjects) {
    this.#env = env;
    this.#objects = objects;
    this.#planner = new Planner(env);
    this.#unreadable = new Unreadable(env.clock, env.report);
    env.committer.onManifest((path, loaded) => {
      if (path === PLANNER) this.#planner.adopt(loaded);
    });
  }

  /** @returns why a delivery must come again, by its id */
  async run(deliveries: readonly Delivery[], invocation: Invocation): Promise<Map<string, unknown>> {
    const { job, settings } = this.#env;
    const inbox = new Inbox(deliveries, job, settings.inputs);
    const reading = new ReadingTime(this.#env.clock, invocation);
    const sources = this.#sources(inbox.works, reading.signal);
    let broken: unknown;
    try {
      // The sender of a look may know of plans that this environment does not.
      const looks = inbox.works.some(({ hints }) => hints.some(({ kind }) => kind === 'look'));
      if (!this.#opened || looks) await this.#planner.open();
      this.#opened = true;
      broken = await this.#planAll(inbox, sources, reading, invocation);
    } catch (error) {
      // What is planned stays planned; the other deliveries come again.
      broken = error;
      this.#opened = false;
    } finally {
      reading.close();
      await Promise.all(sources.map((source) => source.close()));
      await this.#env.committer.flush();
    }
    return this.#left(inbox.works, broken);
  }

  /**
   * All sources, as which is read first depends on what each has; none where only rows came. Before windows are closed all that is
   * listed is read, whatever was announced.
   */
  #sources(works: readonly Work[], signal: AbortSignal): ObjectSource[] {
    const { job, settings } = this.#env;
    const hints = works.flatMap((work) => work.hints);
    for (const hint of hints) if (hint.kind === 'object') this.#unreadable.retry(s3Path(hint.place.bucket, hint.key));
    const flushes = works.some(({ messages }) => messages.some(({ kind }) => kind === 'flush'));
    if (hints.length === 0 && !flushes) return [];
    const common = { env: this.#env, planner: this.#planner, objects: this.#objects, unreadable: this.#unreadable };
    return job.sources.map(({ name }, index) => {
      const places = settings.inputs.filter((place) => place.source === name);
      return new ObjectSource({ ...common, index, hints: places.map((place) => hintsOf(place, hints)), signal });
    });
  }

  /** @returns why it ended before all was planned */
  async #planAll(
    inbox: Inbox,
    sources: readonly ObjectSource[],
    reading: ReadingTime,
    invocation: Invocation,
  ): Promise<unknown> {
    let taken = 0;
    for (let plans = 0; ; ) {
      if (reading.isOver) return new DeadlineError('there is more to read than one invocation can');
      const { halted } = this.#planner;
      if (halted !== null) throw new HaltedError(PLANNER, halted);
      const gathered = await this.#gather(inbox, sources, reading, plans > 0, invocation);
      if (gathered === 'later') return new DeadlineError('there is more to read than one invocation can');
      if (gathered === undefined) return undefined;
      try {
        await this.#plan(gathered, invocation);
        inbox.commit();
        plans++;
        taken = 0;
      } catch (error) {
        if (!(error instanceof PlanTakenError)) throw error;
        inbox.rollback();
        // Only objects wait, and another ingest always plans first: they are left to it.
        if (++taken === (inbox.waits ? MAX_TAKEN : MAX_TAKEN_OBJECTS)) throw error;
        for (const source of sources) await source.restart();
        await this.#planner.open();
      }
    }
  }

  /**
   * Rows for the next plan; `undefined`: there are none. What cannot be read is left out.
   * @param patient a batch that is not full when the time is short is left to the next invocation, which cuts it as it should be
   */
  async #gather(
    inbox: Inbox,
    sources: readonly ObjectSource[],
    reading: ReadingTime,
    patient: boolean,
    invocation: Invocation,
  ): Promise<Gathered | 'later' | undefined> {
    for (;;) {
      const { manifest } = this.#planner.state;
      const batch = new GatheredRows(this.#env, manifest.skips);
      let work: Work | undefined;
      let source: ObjectSource | undefined;
      try {
        for (let next = inbox.next(); next !== undefined && !batch.full; next = inbox.next()) {
          if (next.message.kind === 'flush') break;
          work = next.work;
          await this.#takeMessage(next.message, batch);
          work.at++;
        }
        work = undefined;
        while (!batch.full) {
          if (reading.isOver) return await this.#cut(batch, sources, reading, patient);
          source = await furthestBehind(sources, this.#env.job, this.#planner, batch.builder);
          for (const note of sources.flatMap((each) => each.takeNotes())) addPiece(batch.pieces, note);
          if (source === undefined) break;
          const { piece, bytes } = await source.take(batch.builder, batch.room);
          addPiece(batch.pieces, piece);
          batch.bytes += bytes;
        }
        if (!batch.isEmpty) return batch.finish(sources);
        // Another ingest has planned all that was gathered.
        inbox.commit();
        const next = inbox.next();
        if (next?.message.kind !== 'flush') return undefined;
        next.work.at++;
        const flush = await this.#flush(next.message.name);
        if (flush !== undefined) return flush;
        inbox.commit();
      } catch (error) {
        if (work === undefined && reading.wasEnded(error)) return await this.#cut(batch, sources, reading, patient);
        if (isOfRow(error)) {
          await this.#planner.open();
          // Unless someone has said meanwhile to skip the row.
          if (this.#planner.state.manifest.version === manifest.version) await this.#halt(error, invocation);
        } else if (!isFinal(error)) throw error;
        else if (work !== undefined) work.failure = error;
        else if (source?.reading !== undefined) this.#unreadable.add(source.reading, error);
        else throw error;
        // Some of its rows are among those gathered, so gathering begins anew, without that object.
        inbox.rollback();
        for (const each of sources) await each.restart();
      }
    }
  }

  /** The time for reading is over: what is to be planned of what is gathered. An object that came to nothing is given up. */
  async #cut(
    batch: GatheredRows,
    sources: readonly ObjectSource[],
    reading: ReadingTime,
    patient: boolean,
  ): Promise<Gathered | 'later'> {
    if (patient) return 'later';
    for (const note of sources.flatMap((each) => each.takeNotes())) addPiece(batch.pieces, note);
    // Some sources have rows. There is no time left to find out which source is furthest behind.
    const ready = batch.isEmpty ? sources.find((source) => source.hasRows) : undefined;
    if (ready !== undefined) addPiece(batch.pieces, (await ready.take(batch.builder, batch.room)).piece);
    if (!batch.isEmpty) return batch.finish(sources);
    sources.find((source) => source.openingMs > reading.spentMs * WHOLE_TIME)?.giveUp();
    return 'later';
  }

  /**
   * Stops planning at a row, until people have seen to it. ⚑ halt-stops: whoever does not know of it, and plans on, finds the
   * next plan taken: an empty one, made behind the word that there is a halt.
   */
  async #halt(error: RowError, invocation: Invocation): Promise<never> {
    const { store, names, random, report } = this.#env;
    for (;;) {
      await this.#awaitFlush(invocation);
      const why = { n: this.#planner.position + 2, code: error.code, reason: errorText(error), row: error.failed };
      this.#planner.adopt(await halt({ store, names, path: PLANNER, random }, why, { again: true }));
      try {
        await this.#plan({ ...noRows('empty'), byReference: false }, invocation);
      } catch (taken) {
        if (!(taken instanceof PlanTakenError)) throw taken;
        await this.#planner.open();
        continue;
      }
      report.error(`partition ${PLANNER} is halted at batch ${why.n}`, error, { batch: why.n });
      report.metric('Halted', 1);
      throw new HaltedError(PLANNER, why);
    }
  }

  async #takeMessage(message: Exclude<MessageArrival, { kind: 'flush' }>, batch: GatheredRows): Promise<void> {
    const source = this.#env.job.sources[message.source]!.name;
    const { name } = message;
    // A duplicate within this plan, or planned before.
    if (batch.pieces.some((p) => p.source === source && p.name === name)) return;
    if ((await this.#planner.planned(source, name)) !== undefined) return;
    batch.builder.open({ source: message.source, name });
    const from = batch.builder.rows;
    if (message.kind === 'bad') batch.builder.undecodable(1, message.reason, message.text);
    else for (const [i, row] of message.rows.entries()) batch.builder.addGiven(row, i + 1);
    const to = batch.builder.rows - from;
    if (to > 0) batch.pieces.push({ source, name, version: '', from: 0, to, done: true, message: true });
  }

  async #flush(name: string): Promise<Gathered | undefined> {
    if ((await this.#planner.planned('', name)) !== undefined) return undefined;
    const piece: Piece = { source: '', name, version: '', from: 0, to: 0, done: true, message: true };
    return { ...noRows('flush'), pieces: [piece], byReference: false };
  }

  /**
   * Behind a flush: waits until all partitions have committed it, for a while. What is to be planned goes back to the queue
   * then, rather than hold this function up: cold batch functions take seconds, a halted partition until it is repaired.
   */
  async #awaitFlush(invocation: Invocation): Promise<void> {
    for (let waitedMs = 0, waitMs = FLUSH_POLL_MS; !(await this.#planner.learnFlush()); waitMs *= 2) {
      if (waitedMs >= FLUSH_WAIT_MS || invocation.remainingMs < RESERVE_MS + waitMs) {
        throw new FlushUnderWayError(this.#planner.position);
      }
      await this.#env.clock.sleep(waitMs, invocation.signal);
      waitedMs += waitMs;
    }
  }

  async #plan(gathered: Gathered, invocation: Invocation): Promise<void> {
    await this.#awaitFlush(invocation);
    const { random, report, job, file, queue, settings } = this.#env;
    const { stored, segment, durable } = this.#planner.plan(gathered);
    await durable;
    const { n, kind, counts } = stored.plan;
    const sender = random.id();
    const sends = [triggerPlan(this.#env, stored, segment, { sender })];
    if (job.preload === 'keys' && counts.rows > 0 && job.stages[0]!.operators.length > 0) {
      const body = encodeMessage({ kind: 'plan', job: file.id, n, plan: encodeBytes(stored.bytes) });
      sends.push(queue(settings.planQueue).send([{ body }]));
    }
    // ⚑ trigger-after-plan: the plan is durable, so nothing is lost if a trigger is: the sweep finds the batch.
    for (const sent of await Promise.allSettled(sends)) {
      if (sent.status === 'rejected') report.error('a trigger was not sent: the sweep will', sent.reason, { batch: n });
    }
    report.metric('Rows', counts.rows);
    report.metric('Quarantined', counts.quarantined);
    report.info('a batch is planned', { batch: n, kind, pieces: gathered.pieces.length, ...counts });
  }

  /**
   * Why deliveries come again, by their id: messages that are not planned, objects that cannot be read, and of the other hints
   * so many as keep the reading going.
   */
  #left(works: readonly Work[], broken: unknown): Map<string, unknown> {
    const left = new Map<string, unknown>();
    let goesOn = false;
    for (const work of works) {
      const { id } = work.delivery;
      const unread = work.hints.map((hint) => this.#faultOf(hint)).find((fault) => fault !== undefined);
      if (work.failure !== undefined) left.set(id, work.failure);
      else if (work.planned < work.messages.length) left.set(id, waitsFor(work, broken));
      else if (unread !== undefined) left.set(id, unread);
      else if (broken !== undefined && work.hints.length > 0 && this.#keeps(work, broken, goesOn)) {
        left.set(id, broken);
        goesOn = true;
      }
    }
    return left;
  }

  /** Whether a hint that may not be planned comes again. */
  #keeps({ hints, delivery }: Work, broken: unknown, goesOn: boolean): boolean {
    // While planning is halted, hints are dropped: after `misa resume` the maintain function looks for input.
    if (broken instanceof HaltedError || (delivery.tries ?? 1) >= HINT_TRIES) return false;
    if (!goesOn || !(broken instanceof DeadlineError)) return true;
    // Whether the key lies before the place where the next reading of the listing begins.
    const listed = this.#planner.progress?.listed;
    return hints.some((hint) => {
      const cursor = listed?.[placeUrl(hint.place)];
      return cursor !== undefined && hint.kind === 'object' && compareUtf8(hint.key, cursor) <= 0;
    });
  }

  #faultOf(hint: Hint): unknown {
    if (hint.kind !== 'object') return undefined;
    const name = s3Path(hint.place.bucket, hint.key);
    return this.#unreadable.has(name) ? this.#unreadable.errorOf(name) : undefined;
  }
}

/** Why a delivery comes again: a flush behind input that takes many invocations must not be asked for at once each time. */
function waitsFor({ messages, planned }: Work, broken: unknown): unknown {
  if (!(broken instanceof DeadlineError) || messages[planned]!.kind !== 'flush') return broken;
  return new MisaError('INPUT_AHEAD', 'input that is there is read before the windows are closed', { retryable: true });
}

function hintsOf(place: InputPlace, hints: readonly Hint[]): PlaceHints {
  const keys = new Map<string, string | undefined>();
  let after: string | undefined;
  for (const hint of hints) {
    if (hint.place !== place) continue;
    if (hint.kind === 'object') keys.set(hint.key, hint.etag);
    else if (after === undefined || compareUtf8(hint.after, after) < 0) after = hint.after;
  }
  return { place, keys, after };
}

/** The part of an invocation in which objects are read; the rest is for planning what was read. */
class ReadingTime {
  readonly signal: AbortSignal;
  readonly #clock: Clock;
  readonly #invocation: Invocation;
  readonly #startMs: number;
  readonly #over = new AbortController();
  readonly #done = new AbortController();

  constructor(clock: Clock, invocation: Invocation) {
    this.#clock = clock;
    this.#invocation = invocation;
    this.#startMs = clock.monotonic();
    this.signal = AbortSignal.any([invocation.signal, this.#over.signal]);
    const ms = invocation.remainingMs - RESERVE_MS;
    if (ms > 0 && ms < Number.POSITIVE_INFINITY) {
      clock.sleep(ms, this.#done.signal).then(
        () => this.#over.abort(new DeadlineError('the time for reading is over')),
        () => {},
      );
    }
  }

  get isOver(): boolean {
    return this.#over.signal.aborted || this.#invocation.remainingMs <= RESERVE_MS;
  }

  get spentMs(): number {
    return this.#clock.monotonic() - this.#startMs;
  }

  /** Whether the end of the reading time is why something failed, so that the invocation can go on. */
  wasEnded(error: unknown): boolean {
    return this.#invocation.live && this.#over.signal.aborted && error === this.#over.signal.reason;
  }

  close(): void {
    this.#done.abort();
  }
}

/** Rows that are gathered for one plan. */
class GatheredRows {
  readonly builder: SegmentBuilder;
  readonly pieces: Piece[] = [];
  bytes = 0;
  readonly #trigger: { readonly maxRows: number; readonly maxBytes: number };

  constructor({ job }: FunctionEnvironment, skips: readonly Skip[] | undefined) {
    this.builder = new SegmentBuilder(job, skips);
    this.#trigger = job.trigger;
  }

  get isEmpty(): boolean {
    return this.pieces.length === 0;
  }

  get full(): boolean {
    return this.room <= 0 || this.bytes >= this.#trigger.maxBytes;
  }

  get room(): number {
    return this.#trigger.maxRows - this.builder.rows;
  }

  finish(sources: readonly ObjectSource[]): Gathered {
    const listed = Object.assign({}, ...sources.map((source) => source.listed));
    return { ...gatheredFrom(this.builder, this.pieces, false), listed };
  }
}
