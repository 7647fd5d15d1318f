/**
 * Wrappers of any `ObjectStore` for tests. `countingStore` tells what was asked; `hookedStore` runs code around each
 * request; the hooks below delay, time out, race or kill. They compose from the inside out:
 *
 *     const store = countingStore(hookedStore(new MemoryStore({ clock }), crashAfter(3)));
 */
import { StoreTimeoutError } from '../../lib/errors.ts';
import type { ByteRange, ListedObject, ObjectStore, RequestOptions } from '../../lib/object-store/object-store.ts';

export type StoreOp = 'get' | 'create' | 'compareAndSet' | 'put' | 'delete' | 'list';

/** One request. */
export interface StoreCall {
  readonly op: StoreOp;
  /** The object's name, `list`'s prefix, or the first of the names that `delete` is given. */
  readonly name: string;
  /** All names that `delete` is given; else the one. */
  readonly names: readonly string[];
  /** Bytes sent. */
  readonly bytes: number;
  readonly range: ByteRange | undefined;
  /** The place of this request among those through this wrapper, by when it began; from 0. */
  readonly index: number;
}

export interface StoreHooks {
  /** May wait. What it throws the caller gets, and the request has no effect. */
  readonly before?: ((call: StoreCall) => void | Promise<void>) | undefined;
  /** After the effect, before the answer; may wait. What it throws the caller gets in place of the answer. */
  readonly after?: ((call: StoreCall, result: unknown) => void | Promise<void>) | undefined;
  /** The store threw. The caller gets that error whatever this does. */
  readonly failed?: ((call: StoreCall, error: unknown) => void) | undefined;
}

/** A store that runs `hooks` around each request. `list` is one request; its result is the array of what it lists. */
export function hookedStore(store: ObjectStore, hooks: StoreHooks): ObjectStore {
  let calls = 0;
  async function run<T>(
    op: StoreOp,
    names: readonly string[],
    act: () => Promise<T>,
    more: { bytes?: number; range?: ByteRange | undefined } = {},
  ): Promise<T> {
    const { bytes = 0, range } = more;
    const call: StoreCall = { op, name: names[0] ?? '', names, bytes, range, index: calls++ };
    await hooks.before?.(call);
    const result = await act().catch((error: unknown) => {
      hooks.failed?.(call, error);
      throw error;
    });
    await hooks.after?.(call, result);
    return result;
  }
  return {
    get: (name, options) => run('get', [name], () => store.get(name, options), { range: options?.range }),
    create: (name, body, options) =>
      run('create', [name], () => store.create(name, body, options), { bytes: body.length }),
    compareAndSet: (name, body, expected, options) =>
      run('compareAndSet', [name], () => store.compareAndSet(name, body, expected, options), { bytes: body.length }),
    put: (name, body, options) => run('put', [name], () => store.put(name, body, options), { bytes: body.length }),
    delete: (names, options) => run('delete', [...names], () => store.delete(names, options)),
    async *list(prefix: string, options?: RequestOptions & { after?: string | undefined }) {
      yield* await run('list', [prefix], () => listAll(store, prefix, options));
    },
  };
}

/** A request as `countingStore` keeps it. */
export interface LoggedCall extends StoreCall {
  /** Requests under way when this one began: 0 if it was made alone. */
  readonly besides: number;
  readonly outcome: 'under way' | 'answered' | 'threw';
  /** What the store answered. */
  readonly result: unknown;
}

export interface CountingStore extends ObjectStore {
  /** By when they began. */
  readonly calls: readonly LoggedCall[];
  /** Calls of this operation (of all, if `undefined`) with `part` in a name. */
  count(op?: StoreOp, part?: string): number;
  bytes(): { sent: number; received: number };
  /** One line a call, `get e0/s0/p0/manifest`, for messages and comparisons. */
  report(): string;
  /** Forgets the calls so far. */
  reset(): void;
}

/** Counts and logs each request, and changes none. */
export function countingStore(store: ObjectStore): CountingStore {
  type Entry = { -readonly [K in keyof LoggedCall]: LoggedCall[K] };
  let calls: Entry[] = [];
  const underWay = new Map<number, Entry>();
  const end = (call: StoreCall, outcome: 'answered' | 'threw', result?: unknown): void => {
    Object.assign(underWay.get(call.index)!, { outcome, result });
    underWay.delete(call.index);
  };
  const hooked = hookedStore(store, {
    before(call) {
      const entry: Entry = { ...call, besides: underWay.size, outcome: 'under way', result: undefined };
      calls.push(entry);
      underWay.set(call.index, entry);
    },
    after: (call, result) => end(call, 'answered', result),
    failed: (call) => end(call, 'threw'),
  });
  return {
    ...hooked,
    get calls() {
      return calls;
    },
    count: (op, part = '') =>
      calls.filter((call) => (op === undefined || call.op === op) && call.names.some((name) => name.includes(part)))
        .length,
    bytes() {
      let [sent, received] = [0, 0];
      for (const call of calls) {
        sent += call.bytes;
        if (call.op === 'get') received += (call.result as { body?: Uint8Array } | undefined)?.body?.length ?? 0;
      }
      return { sent, received };
    },
    report: () => calls.map((call) => `${call.op} ${call.names.join(' ')}${rangeText(call.range)}`).join('\n'),
    reset() {
      calls = [];
    },
  };
}

/** Which requests a hook is for: `(call) => call.op === 'create' && call.name.includes('/log/')`. */
export type CallFilter = (call: StoreCall) => boolean;

/** What a request gets from a store whose process is dead. Code under test must not handle it. */
export class CrashError extends Error {
  override readonly name = 'CrashError';
}

/**
 * The caller dies at its request number `n` (from 0): `before` its effect, or after it and before the answer. That
 * request and all later ones throw `CrashError`. Run the same work for n = 0, 1, 2 … until it does not crash any more.
 */
export function crashAfter(n: number, when: 'before' | 'after effect' = 'after effect'): StoreHooks {
  const die = (call: StoreCall): never => {
    throw new CrashError(`crashed ${when} of request ${n}, at ${call.op} ${call.name}`);
  };
  return {
    before(call) {
      if (call.index > n || (call.index === n && when === 'before')) die(call);
    },
    after(call) {
      if (call.index >= n) die(call);
    },
  };
}

/** The first `times` requests that match time out: after their effect, or before it (so that there is none). */
export function timeOut(matches: CallFilter, when: 'before' | 'after effect', times = 1): StoreHooks {
  let left = times;
  const hook = (call: StoreCall): void => {
    if (left > 0 && matches(call)) {
      left--;
      throw new StoreTimeoutError(`timed out ${when}: ${call.op} ${call.name}`);
    }
  };
  return when === 'before' ? { before: hook } : { after: hook };
}

/** Holds the first `count` requests that match until all of them have come: so that they race. */
export function raceAt(count: number, matches: CallFilter): StoreHooks {
  const waiting: (() => void)[] = [];
  let came = 0;
  return {
    async before(call) {
      if (came >= count || !matches(call)) return;
      came++;
      if (came < count) return new Promise<void>((resolve) => waiting.push(resolve));
      for (const go of waiting) go();
    },
  };
}

/** A sleeper: the first request that matches waits, before its effect or after it, until `wake`. */
export function sleepAt(
  matches: CallFilter,
  when: 'before' | 'after effect',
): { hooks: StoreHooks; asleep: Promise<StoreCall>; wake: () => void } {
  let wake = (): void => {};
  const woken = new Promise<void>((resolve) => (wake = resolve));
  let fellAsleep = (_call: StoreCall): void => {};
  const asleep = new Promise<StoreCall>((resolve) => (fellAsleep = resolve));
  let done = false;
  const hook = async (call: StoreCall): Promise<void> => {
    if (done || !matches(call)) return;
    done = true;
    fellAsleep(call);
    await woken;
  };
  return { hooks: when === 'before' ? { before: hook } : { after: hook }, asleep, wake: () => wake() };
}

/** All that a list gives. */
export async function listAll(
  store: ObjectStore,
  prefix: string,
  options?: RequestOptions & { after?: string | undefined },
): Promise<ListedObject[]> {
  const all: ListedObject[] = [];
  for await (const object of store.list(prefix, options)) all.push(object);
  return all;
}

function rangeText(range: ByteRange | undefined): string {
  return range === undefined ? '' : ` [${range.offset}, +${range.length}]`;
}
