/**
 * What a decoder needs of an input, wherever it lies: its bytes, of one version only. A reader never gives bytes of
 * another version; it fails with `INPUT_CHANGED` instead, because a replay could not read them again.
 */
import type { Hash } from 'node:crypto';
import { type FileRef, InputFile } from './file-blocks.ts';

/** One version of an input: a file, or an object of a store. */
export interface InputObject {
  /** Shown in messages; its extension tells the format. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** @throws {InputError} `INPUT_MISSING`, `INPUT_UNREADABLE`, `INPUT_CHANGED` */
  open(): Promise<ObjectReader>;
}

/** Reads an input. All methods throw `InputError` as {@link InputObject.open} does. */
export interface ObjectReader {
  /**
   * The bytes from `offset` to the end, in blocks.
   * @param hash is given each block
   * @param signal ends the reading with its reason
   */
  blocks(offset: number, hash?: Hash, signal?: AbortSignal): AsyncIterable<Buffer>;
  /** Exactly `length` bytes from `offset`. Reads asked for together may share a request. */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Buffer>;
  /** Ends reads under way. */
  close(): Promise<void>;
}

/** A file as an input. */
export function inputObject(input: FileRef | InputObject): InputObject {
  if ('open' in input) return input;
  return { path: input.path, size: input.size, open: () => InputFile.open(input) };
}
