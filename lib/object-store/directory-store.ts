/**
 * An object store in a directory, for one machine: any number of processes and threads, one local file system with hard
 * links (ext4, xfs, btrfs, apfs; not NFS). An object is a file of its name; one that is changed by compare-and-set is a
 * directory of versions (`versioned-file.ts`).
 *
 * Durable when answered: bytes are forced to the disk before the name appears, the name before the answer. Between these
 * two others may see an object that a power failure takes back. That is harmless inside the store: a journalling file
 * system keeps its changes in order, so whatever was made durable after it keeps it too; and `create` waits for the
 * disk also when it answers that the name is taken, since the caller will adopt what it finds. `put`, for advisory objects,
 * does not wait for the disk. Deletions neither: what comes back after a power failure is deleted again.
 */
import { mkdirSync, renameSync, statSync } from 'node:fs';
import { lstat, readdir, rm, unlink } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { StoreTimeoutError } from '../errors.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { listDirectory } from './directory-list.ts';
import {
  DurableDirectories,
  errno,
  fileError,
  linkIfAbsent,
  readFileRange,
  removeIfThere,
  syncDirectory,
  writeNewFile,
} from './durable-file.ts';
import { checkObjectName, checkRange } from './object-name.ts';
import type { ByteRange, GetResult, ListedObject, ObjectStore, RequestOptions, WriteResult } from './object-store.ts';
import { OpenFiles } from './open-files.ts';
import { deleteVersions, linkNext, readNewest, VERSIONED } from './versioned-file.ts';

/** A temporary file of this age belongs to nobody any more. */
const LEFTOVER_MS = 3_600_000;

export interface DirectoryStoreOptions {
  /** Path of the directory; made if it does not exist. */
  readonly root: string;
  readonly clock: Clock;
  readonly random: Random;
  /**
   * Small ranges of files are read without giving way, and the files are kept open for a while: in a thread that does nothing else it takes a
   * fraction of the time. What others delete or replace is read as it was for up to a minute: only for who reads what never changes.
   */
  readonly blockingReads?: boolean | undefined;
}

export class DirectoryStore implements ObjectStore {
  readonly root: string;
  readonly #temporary: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #openFiles: OpenFiles | undefined;
  readonly #directories = new DurableDirectories();

  private constructor(options: DirectoryStoreOptions) {
    this.root = resolve(options.root);
    this.#temporary = join(this.root, '.tmp');
    this.#clock = options.clock;
    this.#random = options.random;
    this.#openFiles = options.blockingReads ? new OpenFiles(options.clock) : undefined;
    this.#directories.add(this.root);
  }

  /**
   * Opens the store, makes its directory if there is none, and removes temporary files that are older than an hour.
   * @throws StoreError that says what to do, if `root` is not a directory or cannot be written
   */
  static async open(options: DirectoryStoreOptions): Promise<DirectoryStore> {
    const store = new DirectoryStore(options);
    try {
      if (!statSync(store.root, { throwIfNoEntry: false })) await new DurableDirectories().ensure(store.root);
      mkdirSync(store.#temporary, { recursive: true });
      const probe = store.#temporaryPath();
      await writeNewFile(probe, new Uint8Array(1), false);
      removeIfThere(probe);
    } catch (error) {
      throw fileError(error, 'cannot open the store in', store.root);
    }
    await store.#removeLeftovers();
    return store;
  }

  async get(name: string, options: RequestOptions & { range?: ByteRange | undefined } = {}): Promise<GetResult> {
    const path = this.#path(name, options);
    const { range } = options;
    checkRange(name, range);
    try {
      const file = (range && this.#openFiles?.read(path, range)) ?? (await readFileRange(path, range));
      if (file !== undefined) {
        const { body, size, modifiedMs } = file;
        return { found: true, body, etag: fileEtag(size, modifiedMs), size, dateMs: this.#clock.now() };
      }
      const newest = await readNewest(path + VERSIONED, range);
      if (newest === undefined) return { found: false, dateMs: this.#clock.now() };
      const { body, size, version } = newest;
      return { found: true, body, etag: String(version), size, dateMs: this.#clock.now() };
    } catch (error) {
      throw fileError(error, 'cannot read', path);
    }
  }

  async create(name: string, body: Uint8Array, options: RequestOptions = {}): Promise<WriteResult> {
    const path = this.#path(name, options);
    let created: boolean;
    let modifiedMs: number;
    try {
      const temporary = this.#temporaryPath();
      modifiedMs = await writeNewFile(temporary, body, true);
      created = await this.#inParent(path, () => linkIfAbsent(temporary, path)).finally(() => removeIfThere(temporary));
    } catch (error) {
      throw fileError(error, 'cannot create', path);
    }
    try {
      await syncDirectory(dirname(path));
    } catch (error) {
      throw new StoreTimeoutError(`${path} is created, and may not last: read it again`, { cause: error });
    }
    if (!created) return { ok: false, dateMs: this.#clock.now() };
    return { ok: true, etag: fileEtag(body.length, modifiedMs), dateMs: this.#clock.now() };
  }

  async compareAndSet(
    name: string,
    body: Uint8Array,
    expected: string | undefined,
    options: RequestOptions = {},
  ): Promise<WriteResult> {
    const directory = this.#path(name, options) + VERSIONED;
    if (expected !== undefined && !/^[1-9]\d{0,11}$/.test(expected)) return { ok: false, dateMs: this.#clock.now() };
    try {
      const version = await linkNext(directory, Number(expected ?? 0), this.#directories, async () => {
        const temporary = this.#temporaryPath();
        await writeNewFile(temporary, body, true);
        return temporary;
      });
      const dateMs = this.#clock.now();
      return version === undefined ? { ok: false, dateMs } : { ok: true, etag: String(version), dateMs };
    } catch (error) {
      throw fileError(error, 'cannot write', directory);
    }
  }

  async put(name: string, body: Uint8Array, options: RequestOptions = {}): Promise<void> {
    const path = this.#path(name, options);
    try {
      const temporary = this.#temporaryPath();
      await writeNewFile(temporary, body, false);
      await this.#inParent(path, () => renameSync(temporary, path)).catch((error: unknown) => {
        removeIfThere(temporary);
        throw error;
      });
      this.#openFiles?.close(path);
    } catch (error) {
      throw fileError(error, 'cannot write', path);
    }
  }

  async delete(names: readonly string[], options: RequestOptions = {}): Promise<void> {
    for (const name of names) {
      const path = this.#path(name, options);
      this.#openFiles?.close(path);
      try {
        await unlink(path);
      } catch (error) {
        const code = errno(error);
        // Directories answer EISDIR on Linux, EPERM elsewhere.
        const absent =
          code === 'ENOENT' || code === 'ENOTDIR' || statSync(path, { throwIfNoEntry: false })?.isDirectory();
        if (!absent) throw fileError(error, 'cannot delete', path);
        await deleteVersions(path + VERSIONED, this.#temporaryPath()).catch((cause: unknown) => {
          throw fileError(cause, 'cannot delete', path);
        });
      }
    }
  }

  list(
    prefix: string,
    options: RequestOptions & { after?: string | undefined } = {},
  ): AsyncGenerator<ListedObject, void, void> {
    return listDirectory(this.root, prefix, options.after ?? '', options.signal);
  }

  #path(name: string, options: RequestOptions): string {
    checkObjectName(name);
    options.signal?.throwIfAborted();
    // Nothing in a name is to be resolved.
    return this.root + sep + name;
  }

  #temporaryPath(): string {
    return join(this.#temporary, this.#random.id());
  }

  /** Acts in the path's directory, which is made if it is not there, also if someone removed it since. */
  async #inParent<T>(path: string, act: () => T): Promise<T> {
    const parent = dirname(path);
    await this.#directories.ensure(parent);
    try {
      return act();
    } catch (error) {
      if (errno(error) !== 'ENOENT') throw error;
      this.#directories.forget(parent);
      await this.#directories.ensure(parent);
      return act();
    }
  }

  async #removeLeftovers(): Promise<void> {
    for (const name of await readdir(this.#temporary)) {
      const path = join(this.#temporary, name);
      const stat = await lstat(path).catch(() => undefined);
      if (stat === undefined || this.#clock.now() - stat.mtimeMs < LEFTOVER_MS) continue;
      await rm(path, { recursive: true, force: true }).catch(() => {
        // Left over once more; it only costs space.
      });
    }
  }
}

function fileEtag(size: number, modifiedMs: number): string {
  return `${size}-${modifiedMs}`;
}
