/**
 * A directory for the block cache that is this process's alone: the first of `<root>/env-0` to `env-7` that nobody holds.
 * Held means: a lock file beside it names a process that lives. A lock whose process is dead, or on another machine and a
 * day old, is taken over. In a container the next process often has the number of the one before: so its start is named, too. Should two processes ever share a directory all the same, they read blocks that fail their
 * checksum and fetch them again: the cache is never the truth.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { MisaError } from '../errors.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';

const ENVIRONMENTS = 8;
const FOREIGN_STALE_MS = 86_400_000;

export interface HeldDirectory {
  readonly directory: string;
  /** Releases the directory for other processes. */
  release(): void;
}

/** @throws {MisaError} `CACHE_UNUSABLE`: all are held, or nothing can be written there */
export function holdCacheDirectory(root: string, { clock, random }: { clock: Clock; random: Random }): HeldDirectory {
  const owner = `${process.pid} ${hostname()} ${startOf(process.pid)}`;
  const own = path.join(root, `${random.id()}.claim`);
  try {
    mkdirSync(root, { recursive: true });
    writeFileSync(own, owner);
    for (let i = 0; i < ENVIRONMENTS; i++) {
      const directory = path.join(root, `env-${i}`);
      const lock = `${directory}.lock`;
      if (!claim(own, lock, clock.now())) continue;
      return { directory, release: () => remove(lock) };
    }
  } catch (error) {
    throw new MisaError(
      'CACHE_UNUSABLE',
      `there is no block cache in ${root} (${(error as Error).message}). Make the directory writable.`,
      { cause: error },
    );
  } finally {
    remove(own);
  }
  throw new MisaError(
    'CACHE_UNUSABLE',
    `there is no block cache: ${ENVIRONMENTS} processes use those in ${root} already`,
  );
}

/** Hard-links our claim to the lock's name, in which only one process succeeds. A stale lock is removed, and linking tried again. */
function claim(own: string, lock: string, nowMs: number): boolean {
  for (let tries = 0; tries < 2; tries++) {
    try {
      linkSync(own, lock);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (tries > 0 || !removeStale(lock, `${own}.stale`, nowMs)) return false;
    }
  }
  return false;
}

/** Moves a stale lock away before deleting it; one that someone else has renewed meanwhile is put back. */
function removeStale(lock: string, aside: string, nowMs: number): boolean {
  try {
    const found = readFileSync(lock, 'utf8');
    if (!isStale(found, statSync(lock).mtimeMs, nowMs)) return false;
    renameSync(lock, aside);
    if (readFileSync(aside, 'utf8') === found) return true;
    linkSync(aside, lock);
    return false;
  } catch {
    // Another process was faster.
    return false;
  } finally {
    remove(aside);
  }
}

/** A file that cannot be removed does no harm. */
function remove(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {}
}

function isStale(text: string, modifiedMs: number, nowMs: number): boolean {
  const [pid = '', host, start = ''] = text.split(' ');
  if (host !== hostname()) return nowMs - modifiedMs > FOREIGN_STALE_MS;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
  const found = startOf(Number(pid));
  return start !== '' && found !== '' && start !== found;
}

/** When that process was started, in ticks since the machine was; '' where the system does not say. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name, in brackets, with anything in it; the start is the 22nd.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
