/** One version of an input that a run reads and plans by reference, wherever it lies: a file here, or an object in S3. */
import type { FileRef } from './file-blocks.ts';
import { type InputObject, inputObject, type ObjectReader } from './input-object.ts';

/** One version of an object in a bucket; its path is `s3://bucket/key`. */
export interface ObjectRef extends InputObject {
  readonly etag: string;
}

export type InputRef = FileRef | ObjectRef;

/** The version that is there now, by the name that plans have. @throws {InputError} `INPUT_MISSING`, `INPUT_UNREADABLE` */
export type LookAt = (name: string) => Promise<InputRef>;

export function isObject(ref: InputRef): ref is ObjectRef {
  return 'etag' in ref;
}

/** @param grows something may be appended to it, if it is a file; see {@link FileRef.grows} */
export function openInput(ref: InputRef, grows: boolean): Promise<ObjectReader> {
  return inputObject(grows && !isObject(ref) ? { ...ref, grows } : ref).open();
}
