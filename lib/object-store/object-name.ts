/**
 * What the stores check of every request before they act on it: a name that could leave the store's root, or that one
 * store accepts and another refuses, is a bug of the caller and is refused by all of them alike.
 */
import { StoreError } from '../errors.ts';
import type { ByteRange } from './object-store.ts';

const NAME = /^[A-Za-z0-9._=-]+(?:\/[A-Za-z0-9._=-]+)*$/;
const DOTS = /(?:^|\/)\.{1,2}(?:\/|$)/;

/** Whether an object may be called so: `/`-separated segments of `[A-Za-z0-9._=-]`, none of them `.` or `..`. */
export function isObjectName(name: string): boolean {
  return NAME.test(name) && !DOTS.test(name) && !name.startsWith('.tmp/') && name.length <= 900;
}

/** @throws StoreError `BAD_OBJECT_NAME` */
export function checkObjectName(name: string): void {
  if (isObjectName(name)) return;
  throw new StoreError(
    'BAD_OBJECT_NAME',
    `${JSON.stringify(name)} cannot name an object: use segments of [A-Za-z0-9._=-] separated by single slashes, 900 characters at most`,
  );
}

/** @throws StoreError `BAD_RANGE` */
export function checkRange(name: string, range: ByteRange | undefined): void {
  if (range === undefined) return;
  const { offset, length } = range;
  if (Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0) return;
  throw new StoreError('BAD_RANGE', `${name}: no such range of bytes: offset ${offset}, length ${length}`);
}

/** The order that stores list in: that of the names' bytes (names are ASCII). */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
