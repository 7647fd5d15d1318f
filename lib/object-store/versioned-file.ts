/**
 * Compare-and-set on a file system, between processes, without locks: the object is a directory `{name}~` of numbered
 * versions, the greatest number is the object, and version v is replaced by creating v+1 with `link()`, which fails if
 * the name is taken. Nothing is ever locked, so a process that dies leaves nothing that stops another.
 *
 * The argument. Call a version *live* once it was linked for the first time.
 *  (a) Numbers have no gaps: v+1 is linked only by one who saw v as the greatest. So when v+1 first becomes live, v is
 *      the greatest, and of all who try to create v+1 while it exists, one succeeds: the others get EEXIST.
 *  (b) A file is removed only if it is at least KEPT below a live version, so the greatest version is never removed, and
 *      the greatest that a listing shows never goes back. (A directory of KEPT + a few entries is read by one system
 *      call, which the kernel does not interleave with changes of that directory.)
 *  (c) The danger: a sleeper saw v as the greatest, slept while others went on until v+1 was removed, woke and linked
 *      v+1 once more. By (b) the greatest is then at least v+1+KEPT, and was before the sleeper's link. So after
 *      linking we list once more: if the greatest is less, v+1 was never removed before, and our link was its first: by (a)
 *      a true success. Otherwise our link was either a second one, or a first one that others have overtaken KEPT times
 *      since: not known. The file is removed (either way it is due for removal) and `StoreTimeoutError` thrown; the
 *      caller finds out by the nonce in what it wrote. Until it is removed it does no harm: nobody reads a version
 *      that is not the greatest, and if we die before, the next writer removes it by the rule in (b).
 * Death between the steps: before the link, only a file in `.tmp/` is left; after it, the version is live and whole (its
 * bytes were on the disk before), the caller has no answer, and finds its nonce. Power failure between link and the
 * directory's fsync: v+1 may be gone, as if never written; who built on it (v+2, same directory) has by his own fsync
 * made v+1 durable too. Deletion renames the whole directory away in one step; a sleeper's link then fails, or is thrown away
 * with it. (A deleted object's name must not be used again while a writer may sleep: the numbers start anew.)
 */
import { linkSync, readdirSync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StoreError, StoreTimeoutError } from '../errors.ts';
import { type DurableDirectories, errno, readFileRange, removeIfThere, syncDirectory } from './durable-file.ts';

/** Versions that stay. Only a bound on how long a writer may sleep before it learns less than it could. */
export const KEPT = 64;
/** Ends the directory's name; object names cannot contain it. */
export const VERSIONED = '~';
const GET_TRIES = 20;

const fileName = (version: number): string => String(version).padStart(12, '0');

/** Version numbers in `directory`, ascending; `undefined` if there is no such directory. */
function versionsIn(directory: string): number[] | undefined {
  try {
    return readdirSync(directory)
      .filter((name) => /^\d{12}$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  } catch (error) {
    if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Its greatest version and that one's path, as it is now; `undefined` if there is none. */
export function newestVersion(directory: string): { version: number; path: string } | undefined {
  const version = versionsIn(directory)?.at(-1);
  return version === undefined ? undefined : { version, path: join(directory, fileName(version)) };
}

/** Reads the greatest version. @throws StoreError if it is replaced faster than it can be read */
export async function readNewest(
  directory: string,
  range: { readonly offset: number; readonly length: number } | undefined,
): Promise<{ body: Uint8Array; size: number; version: number } | undefined> {
  for (let tries = 0; tries < GET_TRIES; tries++) {
    const newest = newestVersion(directory);
    if (newest === undefined) return undefined;
    const file = await readFileRange(newest.path, range);
    if (file !== undefined) return { body: file.body, size: file.size, version: newest.version };
    // KEPT versions were written since the listing, or the object was deleted: list again.
  }
  throw new StoreError('STORE_BUSY', `${directory} is replaced faster than it can be read`, { retryable: true });
}

/**
 * Makes a complete file the version after `expected` (0: the first one).
 * @param writeTemporary called once the cheap check has passed; gives the path of the complete file, to be linked
 * @returns the new version, or `undefined` if `expected` is not the greatest
 * @throws StoreTimeoutError if the outcome is not known
 */
export async function linkNext(
  directory: string,
  expected: number,
  directories: DurableDirectories,
  writeTemporary: () => Promise<string>,
): Promise<number | undefined> {
  const before = versionsIn(directory);
  if ((before?.at(-1) ?? 0) !== expected) return undefined;
  // It was never there, or the object was deleted since.
  if (before === undefined) directories.forget(directory);
  const temporary = await writeTemporary();
  const next = expected + 1;
  const own = join(directory, fileName(next));
  try {
    if (expected === 0) await directories.ensure(directory);
    linkSync(temporary, own);
  } catch (error) {
    if (errno(error) === 'EEXIST') return undefined;
    directories.forget(directory);
    // The directory is gone since we listed it: the object was deleted.
    if (errno(error) === 'ENOENT' && expected > 0) return undefined;
    throw error;
  } finally {
    removeIfThere(temporary);
  }
  return confirm(directory, next, own);
}

/** After the link: is it the first of its number, see (c), and is it on the disk? */
async function confirm(directory: string, next: number, own: string): Promise<number> {
  try {
    const after = versionsIn(directory);
    if (after === undefined || !after.includes(next)) {
      throw new StoreTimeoutError(`${own} was deleted or overtaken while it was written: read it again`);
    }
    if (after.at(-1)! >= next + KEPT) {
      removeIfThere(own);
      throw new StoreTimeoutError(`${own} was overtaken ${KEPT} times while it was written: read it again`);
    }
    await syncDirectory(directory);
    for (const version of after) {
      if (version <= next - KEPT) removeIfThere(join(directory, fileName(version)));
    }
    return next;
  } catch (error) {
    if (error instanceof StoreTimeoutError) throw error;
    throw new StoreTimeoutError(`${own} is written, and may not last: read it again`, { cause: error });
  }
}

/** Deletes the object in one step, by moving its directory to `trash`. @returns whether there was one */
export async function deleteVersions(directory: string, trash: string): Promise<boolean> {
  try {
    renameSync(directory, trash);
  } catch (error) {
    if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') return false;
    throw error;
  }
  await rm(trash, { recursive: true, force: true });
  return true;
}
