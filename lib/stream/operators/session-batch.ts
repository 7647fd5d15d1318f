/**
 * The rows of one batch, folded into the sessions of their keys: sessions that rows may touch are brought near, rows come to them in order of arrival,
 * and what has changed is stored. Rows are added many at a time; only a row that joins sessions waits until those before it are in.
 *
 * A row that a function refuses leaves no trace, also where it would have joined sessions: the batch is then folded again from what is stored, row by
 * row, each on copies that count only when it is in.
 */
import { allOrFirstError } from '../../util/all-or-first-error.ts';
import type { Slots } from '../graph/accumulator.ts';
import { type OperatorContext, OperatorFailure, type RowBatch } from '../graph/operator.ts';
import type { GroupFold } from './fold.ts';
import type { RowSessions } from './session-gap.ts';
import { KeySessions, type OpenSession } from './session-merge.ts';
import { type LastSession, NONE, type SessionTables, type StoredSession } from './session-tables.ts';
import { after } from './when-loaded.ts';

interface OneKey {
  readonly key: string;
  readonly last: LastSession | undefined;
  /** Rows that begin before the last session, and not behind all others. */
  readonly early: number[];
  /** By end: sessions before the last that rows may touch. */
  readonly earlier: Map<number, StoredSession>;
  sessions: KeySessions;
}

type Context = Pick<OperatorContext, 'refuse' | 'mayRefuse'>;

export class SessionBatch {
  readonly #folding: GroupFold;
  readonly #batch: RowBatch;
  readonly #rows: RowSessions;
  readonly #tables: SessionTables;
  readonly #byKey = new Map<string, OneKey>();
  /** By row that opens a session. */
  readonly #keyOf: OneKey[] = [];

  constructor(folding: GroupFold, batch: RowBatch, rows: RowSessions, tables: SessionTables) {
    this.#folding = folding;
    this.#batch = batch;
    this.#rows = rows;
    this.#tables = tables;
  }

  /** @param changed sees each session that rows have come to, in the order in which they were first touched */
  apply(context: Context, changed: ((key: string, session: StoredSession) => void) | undefined) {
    const { rows, count } = this.#rows;
    const keys = Array.from({ length: count }, (_, k) => this.#batch.keys.text(rows[k]!));
    const loaded = after(this.#tables.load(keys), () => this.#loadEarlier(keys));
    return after(loaded, () => {
      this.#fold(context);
      this.#store(changed);
      return undefined;
    });
  }

  #loadEarlier(keys: readonly string[]): Promise<void> | undefined {
    const { times } = this.#batch;
    const { rows, ends } = this.#rows;
    const tables = this.#tables;
    for (const [k, key] of keys.entries()) {
      let one = this.#byKey.get(key);
      if (one === undefined) {
        const last = tables.last(key);
        one = { key, last, early: [], earlier: new Map(), sessions: NO_SESSIONS };
        this.#byKey.set(key, one);
      }
      this.#keyOf.push(one);
      const time = times[rows[k]!]!;
      const { last } = one;
      if (last !== undefined && time < last[0] && time <= last[3]) one.early.push(rows[k]!);
    }
    const reads = [...this.#byKey.values()].flatMap((one) =>
      [...spans(one.early, times, ends)].map((span) => ({ one, span })),
    );
    const readFrom = (first: number): Promise<void> | undefined => {
      for (let i = first; i < reads.length; i += READS_AT_ONCE) {
        const waiting = reads
          .slice(i, i + READS_AT_ONCE)
          .flatMap(({ one, span }) => this.#readEarlier(one, span) ?? []);
        if (waiting.length > 0) return allOrFirstError(waiting).then(() => readFrom(i + READS_AT_ONCE));
      }
      return undefined;
    };
    return readFrom(0);
  }

  #readEarlier({ key, last, earlier }: OneKey, span: Span): Promise<void> | undefined {
    return this.#tables.earlier(key, span, last![3], (session) => {
      if (session[1] !== last![1]) earlier.set(session[1], session);
    });
  }

  #fold(context: Context): void {
    this.#begin();
    try {
      this.#takeTogether();
    } catch (error) {
      if (!(error instanceof OperatorFailure)) throw error;
      if (!context.mayRefuse) {
        context.refuse(error, this.#batch);
        throw error;
      }
      this.#begin();
      this.#takeOneByOne(context);
    }
  }

  /** As it is stored. */
  #begin(): void {
    for (const one of this.#byKey.values()) {
      const stored = [...one.earlier.values()].sort((a, b) => a[1] - b[1]);
      if (one.last !== undefined) stored.push([one.last[0], one.last[1], one.last[2]]);
      one.sessions = new KeySessions(stored);
    }
  }

  /** @throws {OperatorFailure} of a row of the batch; the sessions are spoilt */
  #takeTogether(): void {
    const folding = this.#folding;
    const { rows, ends, count } = this.#rows;
    const { times } = this.#batch;
    const groupOf = new Int32Array(count);
    /** By when a session was first touched: its state, and the row that did. */
    const states: Slots[] = [];
    const firstRows: number[] = [];
    let added = 0;
    const add = (upTo: number): void => {
      const entries = {
        count: upTo - added,
        rowOf: rows.subarray(added, upTo),
        groupOf: groupOf.subarray(added, upTo),
      };
      added = upTo;
      folding.addAll(this.#batch, entries, states);
    };
    let row = -1;
    try {
      for (let k = 0; k < count; k++) {
        row = rows[k]!;
        const { sessions } = this.#keyOf[k]!;
        const touching = sessions.touching(times[row]!, ends[row]!);
        if (touching.length > 1) add(k);
        const session = this.#reach(sessions, touching, times[row]!, ends[row]!, states.length);
        states[session.touched] = session.state;
        groupOf[k] = session.touched;
        if (states.length > firstRows.length) firstRows.push(row);
      }
      add(count);
      for (const { sessions } of folding.settle === undefined ? [] : this.#byKey.values()) {
        for (const { touched, state, stored } of sessions.all) {
          if (touched < 0) continue;
          row = firstRows[touched]!;
          folding.settle!(state, stored?.[2]);
        }
      }
    } catch (error) {
      throw this.#blame(error, row);
    }
  }

  /** The session that `[start, end)` belongs to, ready to be added to. @param next number of a session that is touched first now */
  #reach(
    sessions: KeySessions,
    touching: readonly OpenSession[],
    start: number,
    end: number,
    next: number,
  ): OpenSession {
    const folding = this.#folding;
    const first = touching[0];
    if (first === undefined) return sessions.open(start, end, folding.create(), next);
    const state = first.touched < 0 ? folding.thaw(first.state) : first.state;
    for (let i = 1; i < touching.length; i++) folding.merge(state, touching[i]!.state);
    return sessions.join(touching, start, end, state, next);
  }

  #takeOneByOne(context: Context): void {
    const folding = this.#folding;
    const { rows, ends, count } = this.#rows;
    const { times } = this.#batch;
    for (let k = 0; k < count; k++) {
      const row = rows[k]!;
      const { sessions } = this.#keyOf[k]!;
      const touching = sessions.touching(times[row]!, ends[row]!);
      const [first, ...others] = touching;
      try {
        const state = first === undefined ? folding.create() : folding.thaw(first.state);
        for (const other of others) folding.merge(state, other.state);
        folding.addAll(this.#batch, { count: 1, rowOf: Int32Array.of(row), groupOf: ONE_GROUP }, [state]);
        folding.settle?.(state, first?.state);
        if (first === undefined) sessions.open(times[row]!, ends[row]!, state, k);
        else sessions.join(touching, times[row]!, ends[row]!, state, k);
      } catch (error) {
        const failure = this.#blame(error, row);
        if (!(failure instanceof OperatorFailure)) throw failure;
        context.refuse(failure, this.#batch);
      }
    }
  }

  /** What fails with no row of its own belongs to this one. */
  #blame(error: unknown, row: number): unknown {
    if (!(error instanceof OperatorFailure) || error.index >= 0) return error;
    return new OperatorFailure(error.operator, this.#batch.row(row), row, error.cause);
  }

  #store(changed: ((key: string, session: StoredSession) => void) | undefined): void {
    const shown: { readonly key: string; readonly session: OpenSession }[] = [];
    for (const { key, last, sessions } of this.#byKey.values()) {
      const touched = sessions.all.filter((session) => session.touched >= 0);
      if (touched.length === 0) continue;
      this.#storeKey(key, last, sessions.all, touched);
      if (changed !== undefined) for (const session of touched) shown.push({ key, session });
    }
    shown.sort((a, b) => a.session.touched - b.session.touched);
    for (const { key, session } of shown) changed!(key, asStored(session));
  }

  #storeKey(
    key: string,
    last: LastSession | undefined,
    all: readonly OpenSession[],
    touched: readonly OpenSession[],
  ): void {
    const tables = this.#tables;
    const isLast = (session: StoredSession): boolean => session[1] === last?.[1];
    for (const { stored, end, taken } of touched) {
      for (const gone of taken) tables.remove(key, gone[1], isLast(gone));
      if (stored !== undefined && stored[1] !== end) tables.remove(key, stored[1], isLast(stored));
    }
    for (const { stored, end } of touched) if (stored?.[1] !== end) tables.putEnd(key, end);
    const newest = all.at(-1)!;
    for (const session of all) {
      const moved = session.stored !== undefined && isLast(session.stored);
      if (session !== newest && (session.touched >= 0 || moved)) tables.putEarlier(key, asStored(session));
    }
    tables.putLast(key, asStored(newest), Math.max(last?.[3] ?? NONE, all.at(-2)?.end ?? NONE));
  }
}

type Span = readonly [from: number, to: number];

/** Each holds some rows and blocks until it ends. */
const READS_AT_ONCE = 16;

const NO_SESSIONS = new KeySessions([]);

function asStored({ start, end, state }: OpenSession): StoredSession {
  return [start, end, state];
}

const ONE_GROUP = new Int32Array(1);

/** What rows reach over together: spans of time that neither overlap nor touch. */
function* spans(rows: readonly number[], times: Float64Array, ends: Float64Array): Generator<Span> {
  const sorted = [...rows].sort((a, b) => times[a]! - times[b]!);
  let span: [number, number] | undefined;
  for (const row of sorted) {
    if (span !== undefined && times[row]! <= span[1]) span[1] = Math.max(span[1], ends[row]!);
    else {
      if (span !== undefined) yield span;
      span = [times[row]!, ends[row]!];
    }
  }
  if (span !== undefined) yield span;
}
