/**
 * Creates objects whose name fixes their content (outputs) or that nobody else knows (SSTs): there, whoever was first, is
 * done. So a time-out is answered by sending the same bytes again.
 */
import { StoreTimeoutError } from '../errors.ts';
import type { Creates } from './hedged-creates.ts';
import type { RequestOptions, WriteResult } from './object-store.ts';

const MAX_TRIES = 3;

/** @throws {StoreTimeoutError} each of three tries timed out @throws {StoreError} */
export async function createOnce(
  store: Creates,
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
