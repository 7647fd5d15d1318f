/**
 * Forgetting keys that nothing has touched for a while (`state.ttl`, and `ctx.ttl` of `process`), for any operator, whatever its state is:
 *
 *     const expiry = Expiry.of(job, 1);                      // its two tables are numbers 1 and 2 of the operator's; undefined: no ttl
 *     tables: [mine, ...(expiry?.tables ?? [])]
 *     reads: [..., ...(expiry?.reads(batch.keys, coming) ?? [])]
 *     after(expiry?.begin(context, keys, forget), …)          // first of all, in each batch, with rows or without
 *     expiry?.touch(context, key)                             // for each key, once a row of it is taken
 *
 * Invariant: once `begin` is done, no key is known to the batch that was last touched at `clock − ttl` or before: such a key is as if it had
 * never been, from the very batch in which it is due. A touch notes the `clock` of its batch. What was touched before the job had a watermark
 * counts as touched at the first one. A flush forgets nothing: time has not passed by it; the batch behind does.
 *
 * One row says when a key was touched, written once a batch; one timed entry, when to look at that row. Only what comes due is looked at: if the key was
 * touched since, the entry moves on. So an entry is written once in a ttl, however often its key comes. Entries may be stale, rows say what is true: a
 * ttl may be changed between runs.
 */
import type { KeyColumn } from '../../columns/key-column.ts';
import { eachChunk } from '../../util/chunks.ts';
import { inTurn } from '../../util/in-turn.ts';
import type { JobSettings } from '../graph/job-settings.ts';
import type { Coming, OperatorContext, ReadPlan } from '../graph/operator.ts';
import type { StateTable, TableSpec } from '../graph/tables.ts';

/** When a key was last touched; with a length of its own, where it has one: `null` is never forgotten. */
type Touched = number | readonly [at: number, ms: number | null];

type Forget = (key: string) => Promise<void> | undefined | void;

/** A touch before there is a clock: the least time that a `Date` can have. */
const BEFORE = -8.64e15;

export class Expiry {
  readonly tables: readonly TableSpec[] = [
    { name: 'touched', kind: 'keyed', ofClock: true },
    { name: 'expiries', kind: 'timed', ofClock: true },
  ];
  readonly #touched: number;
  readonly #expiries: number;
  /** `null`: keys that say nothing else are kept for ever, and cost nothing. */
  readonly #ttlMs: number | null;

  /** @param first number of the first of its tables among the operator's */
  constructor(ttlMs: number | null, first: number) {
    this.#ttlMs = ttlMs;
    this.#touched = first;
    this.#expiries = first + 1;
  }

  /** @returns `undefined`: the job has no `state.ttl` */
  static of({ state: { ttlMs } }: JobSettings, first: number): Expiry | undefined {
    return ttlMs === undefined ? undefined : new Expiry(ttlMs, first);
  }

  reads(keys: KeyColumn, { clock, evict }: Coming): ReadPlan[] {
    const touched: ReadPlan = { table: this.#touched, keys };
    if (isFlush(evict) || clock === -Infinity) return [touched];
    return [touched, { table: this.#expiries, after: -Infinity, upTo: clock }];
  }

  /**
   * Forgets what is due, and brings near what {@link touch} needs.
   * @param keys those that the batch may touch; duplicates are fine
   * @param forget takes a key out of the operator's own tables; it may have nothing there
   * @param bring before some keys are forgotten: brings near what `forget` reads of them
   */
  begin(
    context: OperatorContext,
    keys: readonly string[],
    forget: Forget,
    bring?: (keys: readonly string[]) => Promise<void> | undefined,
  ): Promise<void> | undefined {
    const forgotten = this.forgetDue(context, forget, bring);
    const near = (): Promise<void> | undefined => this.near(context, keys, forget);
    return forgotten === undefined ? near() : forgotten.then(near);
  }

  /** Of {@link begin}: what is due, whether its keys come in this batch or not. */
  forgetDue(
    context: OperatorContext,
    forget: Forget,
    bring?: (keys: readonly string[]) => Promise<void> | undefined,
  ): Promise<void> | undefined {
    const { clock, evict } = context;
    if (isFlush(evict) || clock === -Infinity) return undefined;
    const expiries = context.tables[this.#expiries]!;
    const touched = this.#touchedIn(context);
    const looked = eachChunk(expiries.scan(-Infinity, clock), (chunk) => {
      const keys = chunk.map(({ key }) => key);
      const look = (): Promise<void> | undefined => inTurn(keys, (key) => this.#look(context, key, forget));
      const loading = touched.load(keys);
      const bringing = bring?.(keys);
      if (loading === undefined && bringing === undefined) return look();
      return Promise.all([loading, bringing]).then(look);
    });
    if (looked !== undefined) return looked.then(() => expiries.forget(clock));
    expiries.forget(clock);
    return undefined;
  }

  /** After {@link begin}: as it, of more keys that the batch may touch. */
  near(context: OperatorContext, keys: readonly string[], forget: Forget): Promise<void> | undefined {
    if (keys.length === 0) return undefined;
    const loading = this.#touchedIn(context).load(keys);
    // Where the ttl is shorter than it was, entries come later than their keys are due.
    const check = (): Promise<void> | undefined => this.#forgetAmong(context, keys, forget);
    return loading === undefined ? check() : loading.then(check);
  }

  /** Brings near what the others need of more keys, and forgets none. */
  load(context: OperatorContext, keys: readonly string[]): Promise<void> | undefined {
    return this.#touchedIn(context).load(keys);
  }

  /** When a key that was loaded is forgotten; `Infinity`: not before it is touched again. A flush has no such time. */
  dueAt(context: OperatorContext, key: string): number {
    const row = this.#touchedIn(context).get(key, 0);
    if (row === undefined || isFlush(context.evict)) return Infinity;
    const [at, ms] = this.#parts(row);
    return ms === null || at === BEFORE ? Infinity : at + ms;
  }

  /** A row of the key, which was among those of {@link begin}, is taken: its time begins anew. */
  touch(context: OperatorContext, key: string): void {
    const touched = this.#touchedIn(context);
    const now = nowOf(context);
    const row = touched.get(key, 0);
    if (row === undefined) {
      if (this.#ttlMs === null) return;
      touched.put(key, 0, now);
      this.#arm(context, key, now, this.#ttlMs);
    } else if (typeof row === 'number') {
      if (row !== now) touched.put(key, 0, now);
    } else if (row[0] !== now) {
      touched.put(key, 0, [now, row[1]]);
    }
  }

  /** As {@link touch}; from now on the key has a ttl of its own, until it is forgotten. @param ms at least 1; `null`: it is kept for ever */
  keepFor(context: OperatorContext, key: string, ms: number | null): void {
    const now = nowOf(context);
    this.#touchedIn(context).put(key, 0, [now, ms]);
    if (ms !== null) this.#arm(context, key, now, ms);
  }

  /** The key has no state any more, so there is nothing to forget. */
  drop(context: OperatorContext, key: string): void {
    if (this.#touchedIn(context).get(key, 0) !== undefined) this.#touchedIn(context).delete(key, 0);
  }

  #touchedIn({ tables }: OperatorContext): StateTable<Touched> {
    return tables[this.#touched] as StateTable<Touched>;
  }

  #arm({ tables }: OperatorContext, key: string, at: number, ms: number): void {
    tables[this.#expiries]!.put(key, dueAt(at, ms), null);
  }

  /** An entry of this key has come due: the key is forgotten, or looked at again when it will be. */
  #look(context: OperatorContext, key: string, forget: Forget): Promise<void> | undefined | void {
    const touched = this.#touchedIn(context);
    const row = touched.get(key, 0);
    if (row === undefined) return undefined;
    const [at, ms] = this.#parts(row);
    if (ms === null) return undefined;
    if (at === BEFORE) touched.put(key, 0, typeof row === 'number' ? context.clock : [context.clock, ms]);
    const since = at === BEFORE ? context.clock : at;
    if (dueAt(since, ms) > context.clock) return this.#arm(context, key, since, ms);
    touched.delete(key, 0);
    return forget(key);
  }

  #forgetAmong(context: OperatorContext, keys: readonly string[], forget: Forget): Promise<void> | undefined {
    if (isFlush(context.evict) || context.clock === -Infinity) return undefined;
    const touched = this.#touchedIn(context);
    return inTurn(keys, (key) => {
      if (this.dueAt(context, key) > context.clock) return undefined;
      touched.delete(key, 0);
      return forget(key);
    });
  }

  #parts(row: Touched): readonly [at: number, ms: number | null] {
    return typeof row === 'number' ? [row, this.#ttlMs] : row;
  }
}

function isFlush(evict: number): boolean {
  return evict === Infinity;
}

function nowOf({ clock }: OperatorContext): number {
  return clock === -Infinity ? BEFORE : clock;
}

function dueAt(at: number, ms: number): number {
  return at === BEFORE ? BEFORE : at + ms;
}
