/**
 * Lists the objects of a directory store in the order of their names. Names are compared as whole strings, in which `-`
 * and `.` come before `/`: so a directory takes its place among its neighbours as if its name ended in `/`.
 */
import type { Dirent, Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errno, fileError } from './durable-file.ts';
import { compareNames, isObjectName } from './object-name.ts';
import type { ListedObject } from './object-store.ts';
import { newestVersion, VERSIONED } from './versioned-file.ts';

/**
 * Objects that start with `prefix` (which may end inside a segment) and come after `after`; each is listed as it is when
 * the walk comes to it. `.tmp` and files that no object could be named like are left out.
 */
export async function* listDirectory(
  root: string,
  prefix: string,
  after: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<ListedObject, void, void> {
  // The deepest directory that holds all names with this prefix: '' or 'a/b/'.
  const start = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (start !== '' && !isObjectName(start.slice(0, -1))) return;
  yield* walk(start);

  async function* walk(within: string): AsyncGenerator<ListedObject, void, void> {
    signal?.throwIfAborted();
    for (const { name, path } of entriesOf(within, await ifThere(() => readdir(join(root, within), DIRENTS)))) {
      if (name.endsWith('/')) {
        const wanted = name.startsWith(prefix) || prefix.startsWith(name);
        if (wanted && (name > after || after.startsWith(name))) yield* walk(name);
      } else if (name.startsWith(prefix) && name > after) {
        const stat = await statObject(path);
        if (stat !== undefined) yield { name, size: stat.size, modifiedMs: stat.mtimeMs };
      }
    }
  }

  /** In the order of names; a directory's name ends in `/`. */
  function entriesOf(within: string, entries: Dirent[] | undefined): { name: string; path: string }[] {
    const named = (entries ?? []).map((entry) => {
      const versioned = entry.isDirectory() && entry.name.endsWith(VERSIONED);
      const name = within + (versioned ? entry.name.slice(0, -VERSIONED.length) : entry.name);
      const isFolder = entry.isDirectory() && !versioned;
      return { name: isFolder ? `${name}/` : name, path: join(root, within, entry.name), valid: isObjectName(name) };
    });
    return named.filter((entry) => entry.valid && entry.name !== '.tmp/').sort((a, b) => compareNames(a.name, b.name));
  }

  async function statObject(path: string): Promise<Stats | undefined> {
    const newest = path.endsWith(VERSIONED) ? newestVersion(path)?.path : path;
    if (newest === undefined) return undefined;
    const stat = await ifThere(() => lstat(newest));
    // Replaced so often since the listing that this version is gone: the next one is there.
    if (stat === undefined && path.endsWith(VERSIONED)) return statObject(path);
    return stat?.isFile() ? stat : undefined;
  }

  async function ifThere<T>(look: () => Promise<T>): Promise<T | undefined> {
    try {
      return await look();
    } catch (error) {
      if (errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR') return undefined;
      throw fileError(error, 'cannot list', join(root, dirname(prefix)));
    }
  }
}

const DIRENTS = { withFileTypes: true } as const;
