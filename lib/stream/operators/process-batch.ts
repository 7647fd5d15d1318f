/**
 * One batch of `process`: rows in order, then timers that are due in order of (time, key), then all that was changed is written.
 *
 * Calls of one key follow each other; those of different keys, which have nothing in common, may wait for reads side by side. What they emit
 * and refuse goes on in order, and tables are written in the order in which keys were first met: so neither depends on what was in memory.
 *
 * A timer finds the state that its key has at that time: one that comes after the end of the key's ttl finds none, one that comes before does, also
 * where both come in one batch. So keys without rows are forgotten when timers have fired.
 *
 * In a flush a timer fires whenever it is due, and what its call sets for later than it waits: it fires, too, if a timer of the same key behind it
 * was there before, else it stays for the batches behind the flush. So a timer that sets itself again ends.
 */
import { JobError } from '../../errors.ts';
import { allOrFirstError } from '../../util/all-or-first-error.ts';
import { type Chunks, eachChunk, isAtOnce } from '../../util/chunks.ts';
import { inTurn } from '../../util/in-turn.ts';
import { type OperatorContext, OperatorFailure, type RowBatch } from '../graph/operator.ts';
import type { OrderedTable, ScannedRow, StateTable } from '../graph/tables.ts';
import type { Expiry } from './expiry.ts';
import { decodeKey, encodeKey, type Key } from './key.ts';
import { type CallFacts, type CallHost, type Emitted, ProcessCall } from './process-call.ts';
import { type Clock, KeyState, type StoredState } from './process-key.ts';
import { isBefore, type Timer, TimerQueue } from './timer-queue.ts';
import { after } from './when-loaded.ts';

export interface ProcessFunctions {
  init(key: Key): unknown;
  onRow(row: unknown, call: ProcessCall): unknown;
  onTimer: ((time: number, call: ProcessCall) => unknown) | undefined;
}

export interface ProcessTables {
  readonly states: StateTable<StoredState>;
  readonly entries: OrderedTable<never>;
  readonly timers: Readonly<Record<Clock, StateTable<null>>>;
  /** At {@link NEXT_KEY}: no timer of processing time is due before. */
  readonly next: StateTable<number>;
}

export const NEXT_KEY = encodeKey(null);

/** Rows, or timers, whose calls may wait side by side. */
const SIDE_BY_SIDE = 256;
/** More timers than this fire for one key in one batch by mistake only. */
const MAX_FIRED = 1_000_000;

type Outcome = { readonly emitted: readonly Emitted[] } | { readonly error: unknown };

interface OwnTimer extends Timer {
  /** It was there when the batch began. */
  readonly isStored: boolean;
}

/** Timers that fire together. */
interface Segment {
  readonly clock: Clock;
  readonly last: Timer;
  readonly own: ReadonlyMap<string, TimerQueue<OwnTimer>>;
  readonly fired: { readonly order: Timer; readonly seq: number; readonly time: number; readonly outcome: Outcome }[];
}

export class ProcessBatch implements CallHost {
  readonly onSet: CallHost['onSet'];
  readonly #name: string;
  readonly #functions: ProcessFunctions;
  readonly #tables: ProcessTables;
  readonly #expiry: Expiry;
  readonly #context: OperatorContext;
  readonly #keys = new Map<string, KeyState>();
  /** Timers set in this batch that are due in it. */
  readonly #set: Readonly<Record<Clock, TimerQueue>> = { event: new TimerQueue(), processing: new TimerQueue() };
  /** Up to when timers are due; of a flush, when it began. */
  readonly #now: Readonly<Record<Clock, number>>;
  readonly #isFlush: boolean;
  #segment: Segment | undefined;
  /** The time of the timer that fires, by key. */
  readonly #firing = new Map<string, number>();
  #isFiring = false;
  #lastEvent = Number.NEGATIVE_INFINITY;
  /** Of those of processing time that this batch has set, and that wait. */
  #leastSet = Number.POSITIVE_INFINITY;

  constructor(
    name: string,
    functions: ProcessFunctions,
    tables: ProcessTables,
    expiry: Expiry,
    context: OperatorContext,
  ) {
    const { evict, previousEvict, processingTime } = context;
    this.#name = name;
    this.#functions = functions;
    this.#tables = tables;
    this.#expiry = expiry;
    this.#context = context;
    this.#isFlush = evict === Infinity;
    this.#now = { event: this.#isFlush ? previousEvict : evict, processing: processingTime };
    this.onSet = functions.onTimer === undefined ? undefined : (...set) => this.#timerSet(...set);
  }

  /** @returns `undefined`: it is done already */
  run(batch: RowBatch): Promise<void> | undefined {
    const keys = batch.count === 0 ? [] : batch.keys.texts();
    const states = keys.length === 0 ? undefined : this.#tables.states.load(keys);
    const forget = (key: string): Promise<void> | undefined => this.#forget(key);
    const next = this.#tables.next.load([NEXT_KEY]);
    const steps = [
      () => allOf([states, next], () => {}),
      () => this.#expiry.near(this.#context, keys, forget),
      () => this.#rows(batch, keys),
      () => this.#fireAll('event', true),
      () => this.#fireAll('processing', true),
      () => this.#fireSet(),
      () => inTurn(this.#keys.values(), (of) => of.apply()),
      () => this.#write(),
      () => this.#expiry.forgetDue(this.#context, forget, (due) => this.#tables.states.load(due)),
      () => this.#wake(),
    ];
    return inTurn(steps, (step) => step());
  }

  #forget(key: string): Promise<void> | undefined {
    const { states, entries } = this.#tables;
    const row = states.get(key, 0);
    if (row === undefined) return undefined;
    states.delete(key, 0);
    return row.length === 1 ? undefined : entries.deleteRange(key);
  }

  /** The key's row is near. */
  #keyState(key: string): KeyState {
    let of = this.#keys.get(key);
    if (of === undefined) {
      of = new KeyState(key, this.#tables, this.#functions.init, this.#context.mayRefuse);
      this.#keys.set(key, of);
    }
    return of;
  }

  #rows(batch: RowBatch, keys: readonly string[]): Promise<void> | undefined {
    const { event, processing } = this.#now;
    return inTurn(starts(batch.count), (from) => {
      const end = Math.min(from + SIDE_BY_SIDE, batch.count);
      const outcomes = new Array<Outcome>(end - from);
      const chains = new Map<string, Promise<void>>();
      for (let i = from; i < end; i++) {
        const of = this.#keyState(keys[i]!);
        const call = (): Promise<void> | undefined =>
          this.#call(
            of,
            { time: batch.times[i]!, watermark: shown(event), processingTime: processing },
            (ctx) => this.#functions.onRow(batch.row(i), ctx),
            (outcome) => {
              outcomes[i - from] = outcome;
            },
          );
        const calling = begun(() => after(chains.get(of.key), call));
        if (calling !== undefined) chains.set(of.key, calling);
      }
      return allOf(chains.values(), () => {
        for (const [i, outcome] of outcomes.entries()) {
          if ('emitted' in outcome) this.#emit(outcome.emitted);
          else {
            const row = batch.row(from + i);
            this.#context.refuse(new OperatorFailure(this.#name, row, from + i, outcome.error), batch);
          }
        }
      });
    });
  }

  #call(
    of: KeyState,
    facts: CallFacts,
    act: (call: ProcessCall) => unknown,
    done: (outcome: Outcome) => void,
  ): Promise<void> | undefined {
    const call = new ProcessCall(of, this, facts);
    of.begin();
    const fail = (error: unknown): void => {
      call.end();
      of.fail();
      if (of.trouble !== undefined) throw of.trouble;
      done({ error });
    };
    const succeed = (): void => {
      const emitted = call.end();
      try {
        if (of.trouble !== undefined) throw of.trouble;
        of.succeed();
      } catch (error) {
        fail(error);
        return;
      }
      done({ emitted });
    };
    let result: unknown;
    try {
      result = act(call);
    } catch (error) {
      fail(error);
      return undefined;
    }
    if (isPromise(result)) return result.then(succeed, fail);
    succeed();
    return undefined;
  }

  #emit(emitted: readonly Emitted[]): void {
    for (const { row, time } of emitted) this.#context.emit(0, row, time);
  }

  /** @param stored whether those of the table fire: once a batch */
  #fireAll(clock: Clock, stored: boolean): Promise<void> | undefined {
    if (this.#functions.onTimer === undefined) return undefined;
    this.#isFiring = true;
    const upTo = this.#isFlush ? Infinity : this.#now[clock];
    const due: Chunks<ScannedRow<null>> =
      stored && upTo > -Infinity ? this.#tables.timers[clock].scan(-Infinity, upTo) : [];
    const fired = eachChunk(due, (chunk) => this.#fire(clock, chunk, chunk.at(-1)!));
    return after(fired, () => inTurn(this.#setTimers(clock), (some) => this.#fire(clock, some, some.at(-1)!, false)));
  }

  /** Those that were set in this batch and are due, some at a time, until there are no more. */
  *#setTimers(clock: Clock): Generator<readonly Timer[], void, undefined> {
    const set = this.#set[clock];
    while (set.size > 0) {
      const some: Timer[] = [];
      while (some.length < SIDE_BY_SIDE && set.size > 0) some.push(set.take()!);
      yield some;
    }
  }

  #fireSet(): Promise<void> | undefined {
    if (this.#set.event.size === 0 && this.#set.processing.size === 0) return undefined;
    const fired = after(this.#fireAll('event', false), () => this.#fireAll('processing', false));
    return after(fired, () => this.#fireSet());
  }

  /** Fires these, which are in order, and others that come before the last of them. */
  #fire(clock: Clock, timers: readonly Timer[], last: Timer, isStored = true): Promise<void> | undefined {
    const all: OwnTimer[] = timers.map(({ time, key }) => ({ time, key, isStored }));
    const set = this.#set[clock];
    while (set.size > 0 && !isBefore(last, set.first!)) all.push({ ...set.take()!, isStored: false });
    all.sort((a, b) => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0));
    const own = new Map<string, TimerQueue<OwnTimer>>();
    for (const timer of all) {
      const queue = own.get(timer.key) ?? new TimerQueue<OwnTimer>();
      own.set(timer.key, queue);
      queue.add(timer);
    }
    const segment: Segment = { clock, last, own, fired: [] };
    return after(this.#bringNear([...own.keys()].filter((key) => !this.#keys.has(key))), () => {
      this.#segment = segment;
      const chains: Promise<void>[] = [];
      for (const [key, queue] of own) {
        const firing = begun(() => this.#fireKey(this.#keyState(key), queue, segment));
        if (firing !== undefined) chains.push(firing);
      }
      return allOf(chains, () => this.#settle(segment));
    });
  }

  #bringNear(keys: readonly string[]): Promise<void> | undefined {
    if (keys.length === 0) return undefined;
    return allOf([this.#tables.states.load(keys), this.#expiry.load(this.#context, keys)], () => {});
  }

  #fireKey(of: KeyState, queue: TimerQueue<OwnTimer>, segment: Segment): Promise<void> | undefined {
    for (;;) {
      const next = nextOf(of, queue, segment.clock);
      if (next === undefined) return undefined;
      const firing = this.#fireOne(of, next.time, next.order, segment);
      if (firing !== undefined) return firing.then(() => this.#fireKey(of, queue, segment));
    }
  }

  #fireOne(of: KeyState, time: number, order: number, segment: Segment): Promise<void> | undefined {
    const { clock, fired } = segment;
    if (++of.fired > MAX_FIRED) throw this.#endless(of);
    of.timers[clock].set(time, false);
    if (
      !of.isTouched &&
      this.#expiry.dueAt(this.#context, of.key) <= (clock === this.#context.clockIs ? time : this.#context.clock)
    ) {
      of.forget();
    }
    this.#firing.set(of.key, time);
    if (clock === 'event') this.#lastEvent = Math.max(this.#lastEvent, time);
    // In a flush it is as late as the timer says: else one that sets itself again for "now and a minute" would go on for ever.
    const now = this.#isFlush ? { ...this.#now, [clock]: Math.max(this.#now[clock], time) } : this.#now;
    return this.#call(
      of,
      { time, clock, watermark: shown(now.event), processingTime: now.processing },
      (ctx) => this.#functions.onTimer!(time, ctx),
      (outcome) => {
        fired.push({ order: { time: order, key: of.key }, seq: of.fired, time, outcome });
      },
    );
  }

  /** What timers have emitted goes on: of one key as they fired, else by when they were due. */
  #settle({ clock, fired }: Segment): undefined {
    this.#segment = undefined;
    this.#firing.clear();
    const greatest = new Map<string, number>();
    const placed = fired.map((one) => {
      const at = Math.max(one.order.time, greatest.get(one.order.key) ?? -Infinity);
      greatest.set(one.order.key, at);
      return { ...one, order: { time: at, key: one.order.key } };
    });
    placed.sort((a, b) => (isBefore(a.order, b.order) ? -1 : isBefore(b.order, a.order) ? 1 : a.seq - b.seq));
    for (const { outcome, order, time } of placed) {
      if ('emitted' in outcome) this.#emit(outcome.emitted);
      else {
        const row = { key: decodeKey(order.key), timer: time, clock };
        this.#context.refuse(new OperatorFailure(this.#name, row, -1, outcome.error));
      }
    }
  }

  #timerSet(of: KeyState, time: number, clock: Clock, before: boolean | undefined): void {
    const timer = { time, key: of.key };
    const segment = this.#segment;
    if (this.#isFlush && this.#isFiring) {
      const fires = segment?.clock === clock ? this.#firing.get(of.key)! : -Infinity;
      const reached = Math.max(fires, this.#now[clock]);
      if (time > reached) {
        if (before === false) of.renewed[clock].add(time);
        of.deferred[clock] ??= new TimerQueue();
        of.deferred[clock].add(timer);
        return;
      }
    } else if (!this.#isFlush && time > this.#now[clock]) return;
    if (segment?.clock === clock && !isBefore(segment.last, timer)) {
      segment.own.get(of.key)!.add({ ...timer, isStored: false });
    } else this.#set[clock].add(timer);
  }

  /** Timers, and what was touched. */
  #write(): void {
    const context = this.#context;
    for (const of of this.#keys.values()) {
      this.#writeTimers(of, 'event');
      this.#writeTimers(of, 'processing');
      if (!of.isTouched) continue;
      if (of.isCleared || !of.hasState) this.#expiry.drop(context, of.key);
      if (!of.hasState) continue;
      if (of.ttl === undefined) this.#expiry.touch(context, of.key);
      else this.#expiry.keepFor(context, of.key, of.ttl);
    }
    if (this.#isFlush) {
      if (this.#lastEvent > -Infinity) context.closed(this.#lastEvent);
    } else {
      const { event, processing } = this.#tables.timers;
      if (this.#now.event > -Infinity) event.forget(this.#now.event);
      processing.forget(this.#now.processing);
    }
  }

  /**
   * Says when the next timer of processing time is due. Of timers that were deleted it may say so, too: that costs a batch; to look for the
   * next one costs a read, and is done only when the last of which it was said has come.
   */
  #wake(): Promise<void> | undefined {
    const { next, timers } = this.#tables;
    const before = next.get(NEXT_KEY, 0);
    const say = (at: number): undefined => {
      if (at !== (before ?? Infinity)) {
        if (at === Infinity) next.delete(NEXT_KEY, 0);
        else next.put(NEXT_KEY, 0, at);
      }
      if (at < Infinity) this.#context.wake(at);
    };
    if (before === undefined || (before > this.#now.processing && !this.#isFlush)) {
      return say(Math.min(before ?? Infinity, this.#leastSet));
    }
    let first = Infinity;
    const looked = firstOf(timers.processing.scan(-Infinity, Infinity), ({ time }) => {
      first = time;
    });
    return after(looked, () => say(first));
  }

  #writeTimers({ key, timers }: KeyState, clock: Clock): void {
    const table = this.#tables.timers[clock];
    for (const [time, isSet] of timers[clock]) {
      if (isSet && clock === 'processing') this.#leastSet = Math.min(this.#leastSet, time);
      if (isSet) table.put(key, time, null);
      // Those that are due are forgotten together, but in a flush.
      else if (this.#isFlush || time > this.#now[clock]) table.delete(key, time);
    }
  }

  #endless(of: KeyState): OperatorFailure {
    const cause = new JobError(
      'ENDLESS_TIMERS',
      `more than ${MAX_FIRED} timers of one key fire in one batch: does onTimer set a timer for a time that is reached already?`,
    );
    return new OperatorFailure(this.#name, { key: decodeKey(of.key) }, -1, cause);
  }
}

/** The timer of a key that fires next; `order`: the time by which it stands among others. */
function nextOf(
  of: KeyState,
  queue: TimerQueue<OwnTimer>,
  clock: Clock,
): { readonly time: number; readonly order: number } | undefined {
  const states = of.timers[clock];
  const deferred = of.deferred[clock];
  for (let first = queue.first; first !== undefined; first = queue.first) {
    const isSet = states.get(first.time);
    if (of.renewed[clock].has(first.time) || (first.isStored ? isSet === false : isSet !== true)) {
      queue.take();
      continue;
    }
    const before = deferred?.first;
    if (before === undefined || before.time > first.time) {
      queue.take();
      return { time: first.time, order: first.time };
    }
    deferred!.take();
    if (states.get(before.time) === true) return { time: before.time, order: first.time };
  }
  return undefined;
}

function* starts(count: number): Generator<number, void, undefined> {
  for (let from = 0; from < count; from += SIDE_BY_SIDE) yield from;
}

/** What fails at once fails as a promise: others may be under way. */
function begun(act: () => Promise<void> | undefined): Promise<void> | undefined {
  try {
    return act();
  } catch (error) {
    return Promise.reject(error);
  }
}

async function firstInChunks<T>(chunks: AsyncIterable<readonly T[]>, see: (element: T) => void): Promise<void> {
  for await (const [first] of chunks) {
    see(first!);
    return;
  }
}

/** Sees the first element, if there is one. */
function firstOf<T>(chunks: Chunks<T>, see: (element: T) => void): Promise<void> | undefined {
  if (!isAtOnce(chunks)) return firstInChunks(chunks, see);
  for (const [first] of chunks) {
    see(first!);
    break;
  }
  return undefined;
}

function allOf(waiting: Iterable<Promise<void> | undefined>, act: () => void): Promise<void> | undefined {
  const all = [...waiting].filter((one) => one !== undefined);
  if (all.length > 0) return allOrFirstError(all).then(act);
  act();
  return undefined;
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function';
}

/** 0 before there is one. */
function shown(watermark: number): number {
  return watermark === -Infinity ? 0 : watermark;
}
