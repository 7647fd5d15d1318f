/**
 * A directory store that only reads: for commands that look into a store, which must work on a copy without rights to
 * write, and must leave nothing behind, not even a probe.
 */
import { statSync } from 'node:fs';
import path from 'node:path';
import { MisaError, StoreError } from '../../lib/errors.ts';
import { listDirectory } from '../../lib/object-store/directory-list.ts';
import { fileError, readFileRange } from '../../lib/object-store/durable-file.ts';
import { checkObjectName } from '../../lib/object-store/object-name.ts';
import type { GetResult, ListedObject, ObjectStore, WriteResult } from '../../lib/object-store/object-store.ts';
import { openStore, type StoreSpec } from '../../lib/object-store/store-spec.ts';
import { readNewest, VERSIONED } from '../../lib/object-store/versioned-file.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';

/** @throws {MisaError} `NO_STORE`: there is no such directory */
export async function openReadOnly(spec: StoreSpec): Promise<ObjectStore> {
  // An S3 store is not touched by opening it, and these commands send it nothing but GET and LIST.
  if (spec.kind === 's3') return openStore(spec, { clock: systemClock, random: systemRandom });
  if (statSync(spec.path, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new MisaError('NO_STORE', `there is no store in ${spec.path}. Name it with --store, or run the job first.`);
  }
  return new ReadOnlyDirectory(spec.path);
}

class ReadOnlyDirectory implements ObjectStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async get(
    name: string,
    options: { range?: { offset: number; length: number } | undefined } = {},
  ): Promise<GetResult> {
    checkObjectName(name);
    const file = path.join(this.#root, name);
    const dateMs = systemClock.now();
    try {
      const plain = await readFileRange(file, options.range);
      if (plain !== undefined) {
        return { found: true, body: plain.body, etag: `${plain.size}-${plain.modifiedMs}`, size: plain.size, dateMs };
      }
      const newest = await readNewest(file + VERSIONED, options.range);
      if (newest === undefined) return { found: false, dateMs };
      return { found: true, body: newest.body, etag: String(newest.version), size: newest.size, dateMs };
    } catch (error) {
      throw fileError(error, 'cannot read', file);
    }
  }

  list(prefix: string, options: { after?: string | undefined } = {}): AsyncIterable<ListedObject> {
    return listDirectory(this.#root, prefix, options.after ?? '', undefined);
  }

  create(name: string): Promise<WriteResult> {
    return refuse(name);
  }

  compareAndSet(name: string): Promise<WriteResult> {
    return refuse(name);
  }

  put(name: string): Promise<void> {
    return refuse(name);
  }

  delete(names: readonly string[]): Promise<void> {
    return refuse(names.join(', '));
  }
}

function refuse(name: string): Promise<never> {
  return Promise.reject(new StoreError('READ_ONLY', `the store is opened for reading only: ${name}`));
}
