/**
 * An object store in memory: the reference that the other stores are compared with, and the store of tests and of the
 * simulation. Each effect happens in one synchronous step inside the call, so that a seed decides every interleaving.
 * Bytes are copied in and out: nobody can change a stored object through an array that he kept.
 */
import { StoreError } from '../errors.ts';
import type { Clock } from '../util/clock.ts';
import { checkObjectName, checkRange, compareNames } from './object-name.ts';
import type { ByteRange, GetResult, ListedObject, ObjectStore, RequestOptions, WriteResult } from './object-store.ts';

/** How an object is written; the contract forbids to mix them, and here a mix is found out. */
type Writing = 'create or put' | 'compareAndSet';

interface StoredObject {
  readonly body: Uint8Array;
  readonly etag: string;
  readonly modifiedMs: number;
  readonly writing: Writing;
}

export class MemoryStore implements ObjectStore {
  readonly #clock: Clock;
  readonly #objects = new Map<string, StoredObject>();
  #writes = 0;

  constructor(options: { clock: Clock }) {
    this.#clock = options.clock;
  }

  async get(name: string, options: RequestOptions & { range?: ByteRange | undefined } = {}): Promise<GetResult> {
    checkObjectName(name);
    checkRange(name, options.range);
    options.signal?.throwIfAborted();
    const object = this.#objects.get(name);
    const dateMs = this.#clock.now();
    if (object === undefined) return { found: false, dateMs };
    const { offset, length } = options.range ?? { offset: 0, length: object.body.length };
    const body = object.body.slice(offset, offset + length);
    return { found: true, body, etag: object.etag, size: object.body.length, dateMs };
  }

  async create(name: string, body: Uint8Array, options: RequestOptions = {}): Promise<WriteResult> {
    checkObjectName(name);
    options.signal?.throwIfAborted();
    if (this.#objects.has(name)) return { ok: false, dateMs: this.#clock.now() };
    return this.#write(name, body, 'create or put');
  }

  async compareAndSet(
    name: string,
    body: Uint8Array,
    expected: string | undefined,
    options: RequestOptions = {},
  ): Promise<WriteResult> {
    checkObjectName(name);
    options.signal?.throwIfAborted();
    if (this.#objects.get(name)?.etag !== expected) return { ok: false, dateMs: this.#clock.now() };
    return this.#write(name, body, 'compareAndSet');
  }

  async put(name: string, body: Uint8Array, options: RequestOptions = {}): Promise<void> {
    checkObjectName(name);
    options.signal?.throwIfAborted();
    this.#write(name, body, 'create or put');
  }

  async delete(names: readonly string[], options: RequestOptions = {}): Promise<void> {
    for (const name of names) checkObjectName(name);
    options.signal?.throwIfAborted();
    for (const name of names) this.#objects.delete(name);
  }

  /** Lists what is there when the first object is asked for. */
  async *list(
    prefix: string,
    options: RequestOptions & { after?: string | undefined } = {},
  ): AsyncGenerator<ListedObject, void, void> {
    options.signal?.throwIfAborted();
    const after = options.after ?? '';
    const listed = [...this.#objects]
      .filter(([name]) => name.startsWith(prefix) && name > after)
      .map(([name, { body, modifiedMs }]) => ({ name, size: body.length, modifiedMs }))
      .sort((a, b) => compareNames(a.name, b.name));
    yield* listed;
  }

  #write(name: string, body: Uint8Array, writing: Writing): WriteResult {
    const before = this.#objects.get(name);
    if (before !== undefined && before.writing !== writing) {
      throw new StoreError('MIXED_WRITES', `${name} was written by ${before.writing} and must not be by ${writing}`);
    }
    const dateMs = this.#clock.now();
    const etag = String(++this.#writes);
    this.#objects.set(name, { body: Uint8Array.from(body), etag, modifiedMs: dateMs, writing });
    return { ok: true, etag, dateMs };
  }
}
