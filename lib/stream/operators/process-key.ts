/**
 * One key of `process` in a batch: its state, its timers and its ttl, as functions of the user have left them so far. They work on a copy of
 * what is stored; nothing is written before all have run. A call that fails is undone: what it changed beside the state step by step, and the
 * state by going back to the copy that the call before has left, which is kept where calls may be refused at all.
 */
import { JobError } from '../../errors.ts';
import { copyChecked, copyPlain } from '../../util/copy-plain.ts';
import { isPlainObject, setProperty } from '../../util/plain-data.ts';
import type { OrderedTable, StateTable } from '../graph/tables.ts';
import { decodeKey, type Key } from './key.ts';
import { Collection, type CollectionKind, kindOf, type Owner } from './process-collections.ts';
import type { TimerQueue } from './timer-queue.ts';

export type Clock = 'event' | 'processing';

type StoredCollection = readonly [field: string, kind: CollectionKind, next: number];

/** A key's row in its table: the state without collections, and which those are. */
export type StoredState = readonly [plain: unknown, ...collections: StoredCollection[]];

export interface KeyTables {
  readonly states: StateTable<StoredState>;
  readonly entries: OrderedTable<never>;
}

export class KeyState implements Owner {
  /** Encoded. */
  readonly key: string;
  /** What has become of timers in this batch: set, or deleted or fired. */
  readonly timers: Readonly<Record<Clock, Map<number, boolean>>> = { event: new Map(), processing: new Map() };
  /** A function took a row or a timer. */
  isTouched = false;
  /** The state that the batch found was forgotten, and its ttl with it. */
  isCleared = false;
  /** A ttl of its own, given in this batch. */
  ttl: number | null | undefined;
  trouble: unknown;
  /** In a flush: timers that are set for later than those that fire, by clock. */
  readonly deferred: Partial<Record<Clock, TimerQueue>> = {};
  /** Times of those that were there before, and gone when they were set again. */
  readonly renewed: Readonly<Record<Clock, Set<number>>> = { event: new Set(), processing: new Set() };
  /** Timers that fired in this batch. */
  fired = 0;
  readonly #tables: KeyTables;
  readonly #init: (key: Key) => unknown;
  readonly #mayRefuse: boolean;
  readonly #isStored: boolean;
  /** As the last call that may be gone back to has left it; `undefined`: there is no state. */
  #kept: StoredState | undefined;
  /** What functions see; none: nobody has asked for it. */
  #seen: { state: unknown } | undefined;
  #isChanged = false;
  readonly #collections = new Map<string, Collection>();
  #undo: (() => void)[] | undefined;

  /** @param key whose row was loaded */
  constructor(key: string, tables: KeyTables, init: (key: Key) => unknown, mayRefuse: boolean) {
    this.key = key;
    this.#tables = tables;
    this.#init = init;
    this.#mayRefuse = mayRefuse;
    this.#kept = tables.states.get(key, 0);
    this.#isStored = this.#kept !== undefined;
    for (const [field, kind, next] of (this.#kept?.slice(1) as StoredCollection[] | undefined) ?? []) {
      this.#collections.set(field, new Collection(kind, field, next, false, this, tables.entries));
    }
  }

  get hasState(): boolean {
    return this.#seen !== undefined || this.#kept !== undefined;
  }

  get undo(): (() => void)[] {
    this.assertRunning();
    return this.#undo!;
  }

  assertRunning(): void {
    if (this.#undo !== undefined) return;
    throw new JobError(
      'STATE_AFTER_CALL',
      'state of process() is used after its function ended: await what is read, and keep neither ctx nor maps and lists of it for later',
    );
  }

  get state(): unknown {
    if (this.#seen === undefined) {
      this.#see(this.#kept === undefined ? copyTop(this.#init(decodeKey(this.key))) : this.#thawed(this.#kept));
    }
    return this.#seen!.state;
  }

  set state(state: unknown) {
    this.#see(state);
  }

  clear(): void {
    const [kept, seen, ttl, isCleared] = [this.#kept, this.#seen, this.ttl, this.isCleared];
    this.undo.push(() => {
      this.isCleared = isCleared;
      this.#kept = kept;
      this.#seen = seen;
      this.ttl = ttl;
    });
    for (const field of this.#collections.keys()) this.#leave(field);
    this.#kept = undefined;
    this.#seen = undefined;
    this.ttl = undefined;
    this.isCleared = true;
    this.#isChanged = true;
  }

  /** The state is forgotten before the next call, whatever becomes of that. */
  forget(): void {
    this.begin();
    this.clear();
    this.#undo = undefined;
  }

  setTtl(ms: number | null): void {
    const before = this.ttl;
    this.undo.push(() => {
      this.ttl = before;
    });
    this.ttl = ms;
  }

  /** @returns what had become of it in this batch; `undefined`: nothing */
  setTimer(clock: Clock, time: number, isSet: boolean): boolean | undefined {
    const timers = this.timers[clock];
    const before = timers.get(time);
    this.undo.push(() => {
      if (before === undefined) timers.delete(time);
      else timers.set(time, before);
    });
    timers.set(time, isSet);
    return before;
  }

  begin(): void {
    this.#undo = [];
  }

  /** The call has done what it should. @throws {Error} but its state cannot be kept */
  succeed(): void {
    if (this.#seen !== undefined) {
      this.#settle(this.#seen);
      if (this.#mayRefuse) {
        this.#kept = copyStored(this.#stripped(this.#seen.state));
        this.#seen = undefined;
      }
      this.#isChanged = true;
    }
    // A ttl is one of state.
    if (!this.hasState) this.ttl = undefined;
    this.isTouched = true;
    this.#undo = undefined;
  }

  /** The call is as if it had not been. */
  fail(): void {
    const undo = this.#undo ?? [];
    this.#undo = undefined;
    this.#seen = undefined;
    for (let i = undo.length - 1; i >= 0; i--) undo[i]!();
    if (this.#mayRefuse) this.#seen = undefined;
  }

  /** Writes state and collections. */
  apply(): Promise<void> | undefined {
    const { states } = this.#tables;
    if (!this.#isChanged) return undefined;
    const row = this.#seen === undefined ? this.#kept : this.#stripped(this.#seen.state);
    if (row !== undefined) states.put(this.key, 0, row);
    else if (this.#isStored) states.delete(this.key, 0);
    let applying: Promise<void> | undefined;
    for (const collection of this.#collections.values()) {
      applying = applying === undefined ? collection.apply() : applying.then(() => collection.apply());
    }
    return applying;
  }

  #see(state: unknown): void {
    const before = this.#seen;
    this.undo.push(() => {
      this.#seen = before;
    });
    this.#seen = { state };
    this.#settle(this.#seen);
  }

  /** Gives new collections their handles, and lets those go that the state has no more. */
  #settle({ state }: { readonly state: unknown }): void {
    const fields = typeof state === 'object' && state !== null && isPlainObject(state) ? Object.keys(state) : [];
    const found = new Set<string>();
    for (const field of fields) {
      const value = (state as Record<string, unknown>)[field];
      const kind = kindOf(value);
      if (kind === undefined) continue;
      found.add(field);
      const known = this.#collections.get(field);
      if (known?.present && known.handle === value) continue;
      if (!Object.isFrozen(value)) {
        throw new JobError(
          'STATE_MOVED',
          `ctx.state.${field} is a ${kind} of another field or key: maps and lists stay where they are`,
        );
      }
      if (known?.present) this.#leave(field);
      setProperty(state as object, field, this.#enter(field, kind).handle);
    }
    for (const [field, { present }] of this.#collections) if (present && !found.has(field)) this.#leave(field);
  }

  #enter(field: string, kind: CollectionKind): Collection {
    const before = this.#collections.get(field);
    const entered = new Collection(kind, field, 0, before !== undefined, this, this.#tables.entries);
    this.#collections.set(field, entered);
    this.undo.push(() => {
      if (before === undefined) this.#collections.delete(field);
      else this.#collections.set(field, before);
    });
    return entered;
  }

  #leave(field: string): void {
    const left = this.#collections.get(field)!;
    if (!left.present) return;
    left.clear();
    left.present = false;
    this.undo.push(() => {
      left.present = true;
    });
  }

  #thawed([plain]: StoredState): unknown {
    const state = copyPlain(plain);
    for (const [field, { present, handle }] of this.#collections) {
      if (present) setProperty(state as object, field, handle);
    }
    return state;
  }

  #stripped(state: unknown): StoredState {
    const present = [...this.#collections].filter(([, collection]) => collection.present);
    if (present.length === 0) return [state];
    const plain = Object.fromEntries(
      Object.entries(state as object).filter(([, value]) => kindOf(value) === undefined),
    );
    return [plain, ...present.map(([field, { kind, next }]): StoredCollection => [field, kind, next])];
  }
}

function copyStored([plain, ...collections]: StoredState): StoredState {
  return [copyChecked(plain), ...collections];
}

/** What `init` gives may be given again: its values are copied, but not what stands for collections. */
function copyTop(given: unknown): unknown {
  if (typeof given !== 'object' || given === null || !isPlainObject(given)) return copyPlain(given);
  const state = {};
  for (const [field, value] of Object.entries(given)) {
    setProperty(state, field, kindOf(value) === undefined ? copyPlain(value) : value);
  }
  return state;
}
