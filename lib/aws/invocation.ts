/**
 * What ties work to the invocation it was begun in. A function is frozen when its handler returns and may be thawed by the
 * next invocation; whatever was under way then goes on in it. ⚑ live-invocation: so every request, send and sleep looks for
 * the invocation that its caller belongs to (it travels with the asynchronous calls), and fails once that one is over: a
 * continuation that was thawed gets no further than its next request, and never holds the token of another invocation.
 *
 * The same token carries the deadline: a handler ends in good time before the platform would kill it.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { MisaError } from '../errors.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import type { OutgoingMessage, Queue, ReceivedMessage } from '../queue/queue.ts';
import type { Clock } from '../util/clock.ts';
import type { InputObjects } from './input-objects.ts';

/** The invocation is over, or nearly: what was under way is given up, and done by the next one. */
export class DeadlineError extends MisaError {
  constructor(what: string) {
    super('DEADLINE', `${what}: what is durable stays, and the next invocation goes on from there`, {
      retryable: true,
    });
  }
}

/** Token of one invocation. */
export class Invocation {
  readonly #abort = new AbortController();
  readonly endMs: number;
  readonly #clock: Clock;

  /** @param endMs when work has to end, by `clock.monotonic()` */
  constructor(clock: Clock, endMs: number) {
    this.#clock = clock;
    this.endMs = endMs;
  }

  get live(): boolean {
    return !this.#abort.signal.aborted;
  }

  /** Aborted at the deadline, and when the handler returns. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get remainingMs(): number {
    return this.live ? Math.max(0, this.endMs - this.#clock.monotonic()) : 0;
  }

  end(reason: DeadlineError): void {
    this.#abort.abort(reason);
  }
}

const current = new AsyncLocalStorage<Invocation>();

/**
 * Runs a handler's work as one invocation. At the deadline the work is given up; when this settles, the token is dead.
 * @param remainingMs until the platform kills the function
 * @param marginMs kept back for the answer
 * @throws {DeadlineError} the time was up
 */
export async function asInvocation<T>(
  clock: Clock,
  { remainingMs, marginMs }: { readonly remainingMs: number; readonly marginMs: number },
  work: (invocation: Invocation) => Promise<T>,
): Promise<T> {
  const budgetMs = Math.max(0, remainingMs - marginMs);
  const invocation = new Invocation(clock, clock.monotonic() + budgetMs);
  const done = new AbortController();
  const deadline = clock.sleep(budgetMs, done.signal).then(
    () => {
      const error = new DeadlineError('the time of this invocation is up');
      invocation.end(error);
      throw error;
    },
    () => new Promise<never>(() => {}),
  );
  try {
    const working = current.run(invocation, () => work(invocation));
    // After the deadline nobody waits for the work; a late rejection must not be unhandled.
    working.catch(() => {});
    return await Promise.race([working, deadline]);
  } finally {
    done.abort();
    invocation.end(new DeadlineError('this invocation has ended'));
  }
}

/** The signal of the invocation that the caller belongs to; `undefined` outside of any. @throws {DeadlineError} it is over */
function boundSignal(own: AbortSignal | undefined): AbortSignal | undefined {
  const invocation = current.getStore();
  if (invocation === undefined) return own;
  invocation.signal.throwIfAborted();
  return own === undefined ? invocation.signal : AbortSignal.any([own, invocation.signal]);
}

function bound<O extends RequestOptions>(options: O | undefined): O {
  return { ...options, signal: boundSignal(options?.signal) } as O;
}

/** A store whose every request belongs to the invocation of its caller. */
export function invocationStore(store: ObjectStore): ObjectStore {
  return {
    get: async (name, options) => store.get(name, bound(options)),
    create: async (name, body, options) => store.create(name, body, bound(options)),
    compareAndSet: async (name, body, expected, options) => store.compareAndSet(name, body, expected, bound(options)),
    put: async (name, body, options) => store.put(name, body, bound(options)),
    delete: async (names, options) => store.delete(names, bound(options)),
    list: (prefix, options) => store.list(prefix, bound(options)),
  };
}

/** A queue whose every request belongs to the invocation of its caller. */
export function invocationQueue(queue: Queue): Queue {
  return {
    send: async (messages: readonly OutgoingMessage[], options?: RequestOptions) =>
      queue.send(messages, bound(options)),
    changeVisibility: async (receipt: string, seconds: number, options?: RequestOptions) =>
      queue.changeVisibility(receipt, seconds, bound(options)),
    receive: async (options): Promise<ReceivedMessage[]> => queue.receive(bound(options)),
    delete: async (receipts: readonly string[], options?: RequestOptions) => queue.delete(receipts, bound(options)),
    depth: async (options?: RequestOptions) => queue.depth(bound(options)),
  };
}

/** Input objects whose every listing belongs to the invocation of its caller; who reads one gives a signal. */
export function invocationObjects(objects: InputObjects): InputObjects {
  return {
    async *list(bucket, prefix, after, signal) {
      const pages = objects.list(bucket, prefix, after, boundSignal(signal))[Symbol.asyncIterator]();
      for (;;) {
        boundSignal(signal);
        const page = await pages.next();
        if (page.done) return;
        yield page.value;
      }
    },
    open: (object) => objects.open(object),
  };
}

/** A clock whose sleeps end with the invocation of the sleeper. */
export function invocationClock(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    sleep: async (ms, signal) => clock.sleep(ms, boundSignal(signal)),
  };
}
