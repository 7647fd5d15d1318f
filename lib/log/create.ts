/**
 * Creates an entry of a log (log entry or plan), and finds out what became of it when the answer is lost, late or refused.
 * ⚑ attempt-id: a PUT that is sent again can be answered 412 by its own first try, so each attempt has a random id and is told from
 * others by that of the entry that is there. Whether the conclusion may be acted on is decided by the caller with
 * `mayConclude`, from `dateMs`.
 */
import { StoreError, StoreTimeoutError } from '../errors.ts';
import { HedgedCreates } from '../object-store/hedged-creates.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import type { Clock } from '../util/clock.ts';

export type Creation =
  /** The object is what we sent. */
  | { readonly outcome: 'created'; readonly dateMs: number }
  /** Someone else's object is there. */
  | { readonly outcome: 'taken'; readonly bytes: Uint8Array; readonly dateMs: number }
  /** It was there, or may have been created, and is gone: folded and collected. */
  | { readonly outcome: 'gone'; readonly dateMs: number };

const MAX_TRIES = 5;

/**
 * @param isMine tells our own bytes from another attempt's
 * @throws {StoreError} the store kept failing; whether the object exists is not known
 */
export async function createEntry(
  store: ObjectStore,
  clock: Clock,
  name: string,
  body: Uint8Array,
  isMine: (found: Uint8Array) => boolean,
  options: RequestOptions = {},
): Promise<Creation> {
  const creates = HedgedCreates.of(store, clock);
  for (let tries = 1; ; tries++) {
    try {
      const written = await creates.create(name, body, options);
      if (written.ok) return { outcome: 'created', dateMs: written.dateMs };
      const found = await store.get(name, options);
      if (!found.found) return { outcome: 'gone', dateMs: found.dateMs };
      if (isMine(found.body)) return { outcome: 'created', dateMs: found.dateMs };
      return { outcome: 'taken', bytes: found.body, dateMs: found.dateMs };
    } catch (error) {
      // After a time-out the same bytes are sent again: 412 then leads to the GET, which tells whose they are.
      const again = error instanceof StoreTimeoutError || (error instanceof StoreError && error.retryable);
      if (!again || tries >= MAX_TRIES) throw error;
      await clock.sleep(20 * 2 ** tries, options.signal);
    }
  }
}
