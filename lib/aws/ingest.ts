/**
 * Ingest: takes what came to the input queue through the stateless head into segments and plans, and triggers the batches.
 * Large objects make several plans, small ones share one. ⚑ ack-after-plan: a message is done only when the plan that names
 * the last of its rows is durable; whoever is killed before leaves it to the next delivery, which goes on from the planner's
 * state.
 *
 * Several may run at once. Who finds plan n taken adopts it, drops what it planned, and tries n + 1.
 */
import { addPiece, InputCursor } from '../batch/input-cursor.ts';
import type { Piece } from '../batch/plan.ts';
import { FlushUnderWayError, type Gathered, Planner, PlanTakenError } from '../batch/planner.ts';
import { SegmentBuilder } from '../batch/segment-builder.ts';
import { InputError, UserFunctionError } from '../errors.ts';
import { PLANNER } from '../object-store/names.ts';
import { gatheredFrom } from '../runtime/file-inputs.ts';
import { noRows } from '../runtime/run-job.ts';
import type { InputObject } from '../source/index.ts';
import { type Arrival, arrivalsOf, type Delivery } from './deliveries.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import { DeadlineError, type Invocation } from './invocation.ts';
import { encodeBytes, encodeMessage } from './messages.ts';
import { RESERVE_MS } from './reserves.ts';
import { triggerPlan } from './triggers.ts';

/** Opens an announced object. */
export type OpenObject = (arrival: Extract<Arrival, { kind: 'object' }>) => InputObject;

/** How long is waited, in all and at first, for the batch functions to run a flush. */
const FLUSH_WAIT_MS = 6000;
const FLUSH_POLL_MS = 100;
/** Plans that others made first, in a row, before the messages go back to the queue. */
const MAX_TAKEN = 16;

/** A delivery on its way into plans. */
interface Work {
  readonly delivery: Delivery;
  readonly arrivals: readonly Arrival[];
  /** Arrivals before this one are gathered. */
  at: number;
  /** Why it cannot be planned. */
  failure?: unknown;
}

export class Ingest {
  readonly #env: FunctionEnvironment;
  readonly #openObject: OpenObject;
  readonly #planner: Planner;
  #opened = false;

  constructor(env: FunctionEnvironment, openObject: OpenObject) {
    this.#env = env;
    this.#openObject = openObject;
    this.#planner = new Planner(env.engine);
    env.committer.onManifest((path, loaded) => {
      if (path === PLANNER) this.#planner.adopt(loaded);
    });
  }

  /** @returns why a delivery must come again, by its id */
  async run(deliveries: readonly Delivery[], invocation: Invocation): Promise<Map<string, unknown>> {
    const works = deliveries.map((delivery) => this.#begin(delivery));
    const done = new Set<Work>();
    const reading = new Reading(this.#env, this.#planner, this.#openObject, invocation.signal);
    let taken = 0;
    let broken: unknown = new DeadlineError('there is more to read than one invocation can');
    try {
      if (!this.#opened) await this.#planner.open();
      this.#opened = true;
      while (invocation.remainingMs > RESERVE_MS && taken < MAX_TAKEN) {
        const gathered = await this.#gather(works, reading);
        const ended = works.filter((work) => work.failure === undefined && work.at === work.arrivals.length);
        if (gathered !== undefined) {
          try {
            await this.#plan(gathered, invocation);
            taken = 0;
          } catch (error) {
            if (!(error instanceof PlanTakenError)) throw error;
            taken++;
            await reading.close();
            await this.#planner.open();
            for (const work of works) if (!done.has(work)) work.at = 0;
            continue;
          }
        }
        for (const work of ended) done.add(work);
        if (works.every((work) => work.failure !== undefined || done.has(work))) break;
      }
    } catch (error) {
      // What is planned stays planned; all that is not done comes again.
      broken = error;
      this.#opened = false;
    } finally {
      await reading.close();
      await this.#env.committer.flush();
    }
    const left = works.filter((work) => !done.has(work));
    return new Map(left.map(({ delivery, failure }) => [delivery.id, failure ?? broken]));
  }

  #begin(delivery: Delivery): Work {
    const { job, settings } = this.#env;
    try {
      return { delivery, arrivals: arrivalsOf(delivery, job, settings.inputs), at: 0 };
    } catch (failure) {
      return { delivery, arrivals: [], at: 0, failure };
    }
  }

  /** Rows for the next plan; `undefined`: there are none. An arrival that cannot be read is left out, with its delivery. */
  async #gather(works: readonly Work[], reading: Reading): Promise<Gathered | undefined> {
    for (;;) {
      const before = works.map((work) => work.at);
      let current: Work | undefined;
      try {
        const batch = new GatheredRows(this.#env);
        for (const work of works) {
          if (work.failure !== undefined) continue;
          current = work;
          while (work.at < work.arrivals.length) {
            if (batch.full) return batch.finish();
            const arrival = work.arrivals[work.at]!;
            if (arrival.kind === 'flush') {
              if (!batch.isEmpty) return batch.finish();
              work.at++;
              const flush = await this.#flush(arrival.name);
              if (flush !== undefined) return flush;
              continue;
            }
            if (await reading.take(arrival, batch)) work.at++;
          }
        }
        return batch.isEmpty ? undefined : batch.finish();
      } catch (error) {
        if (!(error instanceof InputError || error instanceof UserFunctionError) || current === undefined) throw error;
        current.failure = error;
        // Its rows are among those gathered: again, without it.
        for (const [i, work] of works.entries()) work.at = before[i]!;
        await reading.close();
      }
    }
  }

  async #flush(name: string): Promise<Gathered | undefined> {
    if ((await this.#planner.planned('', name)) !== undefined) return undefined;
    const piece: Piece = { source: '', name, version: '', from: 0, to: 0, done: true };
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
}

/** Rows of one plan to be. */
class GatheredRows {
  readonly builder: SegmentBuilder;
  readonly pieces: Piece[] = [];
  bytes = 0;
  readonly #trigger: { readonly maxRows: number; readonly maxBytes: number };

  constructor({ job }: FunctionEnvironment) {
    this.builder = new SegmentBuilder(job);
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

  finish(): Gathered {
    return gatheredFrom(this.builder, this.pieces, false);
  }
}

/** Reads arrivals, objects by a cursor that stays open from one plan to the next. */
class Reading {
  readonly #env: FunctionEnvironment;
  readonly #planner: Planner;
  readonly #openObject: OpenObject;
  readonly #signal: AbortSignal;
  #open: { readonly name: string; readonly cursor: InputCursor } | undefined;

  constructor(env: FunctionEnvironment, planner: Planner, openObject: OpenObject, signal: AbortSignal) {
    this.#signal = signal;
    this.#env = env;
    this.#planner = planner;
    this.#openObject = openObject;
  }

  /** Takes some rows. @returns whether those were the last */
  async take(arrival: Exclude<Arrival, { kind: 'flush' }>, batch: GatheredRows): Promise<boolean> {
    const sourceName = this.#env.job.sources[arrival.source]!.name;
    const { name } = arrival;
    // Doubled within this very plan.
    if (batch.pieces.some((p) => p.source === sourceName && p.name === name && p.done)) return true;
    if (arrival.kind === 'object') {
      const cursor = await this.#cursor(arrival, sourceName);
      if (cursor === undefined) return true;
      const { piece, bytes } = await cursor.take(batch.builder, batch.room);
      addPiece(batch.pieces, piece);
      batch.bytes += bytes;
      if (piece.done) await this.close();
      return piece.done;
    }
    if ((await this.#planner.planned(sourceName, name)) !== undefined) return true;
    batch.builder.open({ source: arrival.source, name });
    const from = batch.builder.rows;
    if (arrival.kind === 'bad') batch.builder.undecodable(1, arrival.reason, arrival.text);
    else for (const [i, row] of arrival.rows.entries()) batch.builder.addGiven(row, i + 1);
    const to = batch.builder.rows - from;
    if (to > 0) batch.pieces.push({ source: sourceName, name, version: '', from: 0, to, done: true });
    return true;
  }

  async close(): Promise<void> {
    await this.#open?.cursor.close();
    this.#open = undefined;
  }

  /** `undefined`: all of the object is planned, or is in this plan. */
  async #cursor(arrival: Extract<Arrival, { kind: 'object' }>, sourceName: string): Promise<InputCursor | undefined> {
    const { name } = arrival;
    if (this.#open?.name === name) return this.#open.cursor;
    await this.close();
    const planned = await this.#planner.planned(sourceName, name);
    if (planned?.done) return undefined;
    const { source } = arrival;
    const { csv } = this.#env.job.sources[source]!;
    const options = { source, sourceName, name, version: arrival.etag, from: planned, csv, signal: this.#signal };
    const cursor = await InputCursor.open(this.#openObject(arrival), options);
    if (cursor.ended) {
      await cursor.close();
      return undefined;
    }
    this.#open = { name, cursor };
    return cursor;
  }
}
