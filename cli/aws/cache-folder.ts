/** The cache folder of Misa: bundles and a local AWS, which take time to make. May be deleted while nothing runs. */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { errorText, StoreError } from '../../lib/errors.ts';

/** A folder below `$XDG_CACHE_HOME/misa` or `~/.cache/misa`; made if it is not there. @throws {StoreError} `CACHE_NOT_WRITABLE` */
export function cacheFolder(...names: string[]): string {
  const xdg = process.env.XDG_CACHE_HOME;
  const root = xdg === undefined || !path.isAbsolute(xdg) ? path.join(os.homedir(), '.cache') : xdg;
  const folder = path.join(root, 'misa', ...names);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    const advice = 'Make it writable, or set XDG_CACHE_HOME to a folder that is';
    throw new StoreError('CACHE_NOT_WRITABLE', `cannot make ${folder} (${errorText(error)}). ${advice}`, {
      cause: error,
    });
  }
  return folder;
}

/** The cache folder name of a job's module: its file name and a hash of its path. */
export function moduleFolderName(file: string): string {
  const absolute = path.resolve(file);
  const hash = createHash('sha256').update(absolute).digest('hex').slice(0, 12);
  return `${path.basename(path.dirname(absolute)).replace(/[^A-Za-z0-9._-]/g, '-')}-${hash}`;
}
