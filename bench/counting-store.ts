/**
 * Counts what passes to a store: requests, bytes of objects read and written, and how many reads of SSTs came one after the other:
 * one that begins when another has ended may have waited for it.
 */
import type {
  ByteRange,
  GetResult,
  ListedObject,
  ObjectStore,
  RequestOptions,
} from '../lib/object-store/object-store.ts';

export interface RequestCounts {
  gets: number;
  puts: number;
  bytesRead: number;
  bytesWritten: number;
  /** Longest chain of reads of SSTs, each begun after the one before it in the chain had ended; an upper bound of round trips. */
  readTrips: number;
}

export class CountingStore implements ObjectStore {
  readonly #store: ObjectStore;
  readonly #counts: RequestCounts = { gets: 0, puts: 0, bytesRead: 0, bytesWritten: 0, readTrips: 0 };

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** So far. */
  get counts(): RequestCounts {
    return { ...this.#counts };
  }

  async get(name: string, options?: RequestOptions & { range?: ByteRange | undefined }): Promise<GetResult> {
    this.#counts.gets++;
    const trip = this.#counts.readTrips + 1;
    const answer = await this.#store.get(name, options);
    if (name.includes('/s0/p0/sst/')) this.#counts.readTrips = Math.max(this.#counts.readTrips, trip);
    if (answer.found) this.#counts.bytesRead += answer.body.length;
    return answer;
  }

  create(name: string, body: Uint8Array, options?: RequestOptions) {
    this.#wrote(body);
    return this.#store.create(name, body, options);
  }

  compareAndSet(name: string, body: Uint8Array, expected: string | undefined, options?: RequestOptions) {
    this.#wrote(body);
    return this.#store.compareAndSet(name, body, expected, options);
  }

  put(name: string, body: Uint8Array, options?: RequestOptions): Promise<void> {
    this.#wrote(body);
    return this.#store.put(name, body, options);
  }

  delete(names: readonly string[], options?: RequestOptions): Promise<void> {
    return this.#store.delete(names, options);
  }

  list(prefix: string, options?: RequestOptions & { after?: string | undefined }): AsyncIterable<ListedObject> {
    return this.#store.list(prefix, options);
  }

  #wrote(body: Uint8Array): void {
    this.#counts.puts++;
    this.#counts.bytesWritten += body.length;
  }
}
