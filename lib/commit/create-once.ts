/**
 * Creates objects whose name fixes their content (outputs) or that nobody else knows (SSTs): there, whoever was first, is
 * done. So a time-out is answered by sending the same bytes again.
 */
import { StoreTimeoutError } from '../errors.ts';
import type { ObjectStore, RequestOptions, WriteResult } from '../object-store/object-store.ts';

const MAX_TRIES = 3;

/** @throws {StoreTimeoutError} each of three tries timed out @throws {StoreError} */
export async function createOnce(
  store: ObjectStore,
  name: string,
  body: Uint8Array,
  options: RequestOptions = {},
): Promise<WriteResult> {
  for (let tries = 1; ; tries++) {
    try {
      return await store.create(name, body, options);
    } catch (error) {
      if (!(error instanceof StoreTimeoutError) || tries === MAX_TRIES) throw error;
    }
  }
}

/** The results, or the first failure, when none is under way any more: nothing runs on behind an error. */
export async function allOrFirstError<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}
