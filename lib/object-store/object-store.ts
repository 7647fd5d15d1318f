/**
 * What the engine asks of an object store, and all that it asks: whole-object and ranged reads, create-once,
 * compare-and-set, delete, list. Every answer carries the store's own time (`dateMs`), because retention is judged by the
 * store's clock and never by the caller's. One contract suite (`test/object-store/contract.ts`) runs over every store.
 */

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface FoundObject {
  readonly found: true;
  /** The whole object, or the range asked for (shorter where the object ends before). */
  readonly body: Uint8Array;
  /** Names this version of the object, for {@link ObjectStore.compareAndSet}. */
  readonly etag: string;
  /** Bytes of the whole object. */
  readonly size: number;
  /** The store's clock when it answered, epoch ms. */
  readonly dateMs: number;
}
export interface MissingObject {
  readonly found: false;
  readonly dateMs: number;
}
export type GetResult = FoundObject | MissingObject;

export interface Written {
  readonly ok: true;
  readonly etag: string;
  readonly dateMs: number;
}
/** The condition did not hold (HTTP 412): the object exists, or is another version than expected. */
export interface NotWritten {
  readonly ok: false;
  readonly dateMs: number;
}
export type WriteResult = Written | NotWritten;

export interface ListedObject {
  readonly name: string;
  readonly size: number;
  /** When it was written, by the store's clock, epoch ms. */
  readonly modifiedMs: number;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Names are `/`-separated, of `[A-Za-z0-9._=-]`. All methods throw `StoreTimeoutError` when it is not known whether the
 * request took effect, and `StoreError` (with `retryable` set or not) when it did not.
 */
export interface ObjectStore {
  get(name: string, options?: RequestOptions & { readonly range?: ByteRange | undefined }): Promise<GetResult>;
  /** Creates the object if none of that name exists: durable when this answers `ok`. Never replaces. */
  create(name: string, body: Uint8Array, options?: RequestOptions): Promise<WriteResult>;
  /**
   * Replaces the version `expected` names; `undefined`: creates, if none exists. Durable when this answers `ok`.
   * An object is changed either by this or by `create`/`put`, never by both.
   */
  compareAndSet(
    name: string,
    body: Uint8Array,
    expected: string | undefined,
    options?: RequestOptions,
  ): Promise<WriteResult>;
  /** Creates or replaces, unconditionally: for advisory objects only (warm packs, traces). */
  put(name: string, body: Uint8Array, options?: RequestOptions): Promise<void>;
  /** Deletes those that exist. */
  delete(names: readonly string[], options?: RequestOptions): Promise<void>;
  /** Objects whose name starts with `prefix`, by name; `after`: only names greater than that. */
  list(prefix: string, options?: RequestOptions & { readonly after?: string | undefined }): AsyncIterable<ListedObject>;
}
