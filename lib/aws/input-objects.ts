/** Objects of input places as ingest and maintain see them: listed by key, and opened in exactly the version that is listed. */
import type { InputObject } from '../source/index.ts';
import type { ListedInput } from '../source/s3-listing.ts';

export interface InputObjects {
  /**
   * Objects whose key begins with the prefix, in the order of their keys' bytes, by the page: one request each.
   * @param after only keys behind this one
   * @throws {InputError} `INPUT_UNREADABLE`, `INPUT_MISSING`
   */
  list(bucket: string, prefix: string, after?: string, signal?: AbortSignal): AsyncIterable<readonly ListedInput[]>;
  open(object: ListedInput): InputObject;
}

/** Objects that are not input: those that consoles create for folders, and empty markers. */
export function isPlaceholder({ key, size }: ListedInput): boolean {
  return size === 0 || key.endsWith('/');
}
