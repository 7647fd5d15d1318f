/** Objects of input places as ingest and maintain see them: listed by key, and opened in exactly the version that is listed. */
import type { InputObject } from '../source/index.ts';

/** A source object that is there. */
export interface ListedObject {
  readonly bucket: string;
  readonly key: string;
  /** Of the version that is there, without quotes. */
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
  /** When this version was written, epoch ms, by the service's clock. */
  readonly modifiedMs: number;
}

export interface InputObjects {
  /**
   * Objects whose key begins with the prefix, in the order of their keys' bytes, by the page: one request each.
   * @param after only keys behind this one
   * @throws {InputError} `INPUT_UNREADABLE`, `INPUT_MISSING`
   */
  list(bucket: string, prefix: string, after?: string, signal?: AbortSignal): AsyncIterable<readonly ListedObject[]>;
  open(object: ListedObject): InputObject;
}

/** What is no input: what consoles make for folders, and markers that hold nothing. */
export function isPlaceholder({ key, size }: ListedObject): boolean {
  return size === 0 || key.endsWith('/');
}
