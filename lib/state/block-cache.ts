/**
 * The local tier: SST blocks, and their indexes with filters, in LMDB under a directory of this environment alone. It is a
 * cache of immutable objects and never the truth: budgeted in bytes, least recently used out first, and wiped when in doubt.
 *
 * In doubt means: it was not closed in order (the seal is missing) or the file is not the one that was sealed, byte for
 * byte by CRC. So a damaged file is never mapped; and every block read is checked again by its own CRC in the SST reader.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { MisaError } from '../errors.ts';
import { crc32 } from '../util/crc.ts';

/** Which part of an SST: a block by number, or its index, filter and footer. */
export type Part = number | 'meta';

export interface BlockCache {
  /** The bytes, or `undefined`; unchecked, the caller verifies the checksum in them. */
  get(sst: string, part: Part): Uint8Array | undefined;
  has(sst: string, part: Part): boolean;
  /** Takes the parts in one transaction; errors only lose the cache. */
  put(parts: readonly { sst: string; part: Part; bytes: Uint8Array }[]): void;
  /** Forgets a part that turned out to be damaged. */
  drop(sst: string, part: Part): void;
  readonly bytes: number;
  close(): Promise<void>;
}

const keyOf = (sst: string, part: Part): string => `${sst}/${part}`;

type OnTrouble = (what: string, error: unknown) => void;

const DATA = 'blocks.mdb';
const SEAL = 'seal';

export class LmdbBlockCache implements BlockCache {
  readonly #directory: string;
  readonly #budgetBytes: number;
  readonly #db: RootDatabase<Buffer, string>;
  readonly #onTrouble: OnTrouble | undefined;
  /** Sizes in order of use, the least recent first. */
  readonly #sizes = new Map<string, number>();
  #bytes = 0;
  #closed = false;
  /** A write failed: nothing more is put there. */
  #failed = false;

  private constructor(
    directory: string,
    budgetBytes: number,
    db: RootDatabase<Buffer, string>,
    onTrouble: OnTrouble | undefined,
  ) {
    this.#onTrouble = onTrouble;
    this.#directory = directory;
    this.#budgetBytes = budgetBytes;
    this.#db = db;
    for (const { key, value } of db.getRange()) {
      this.#sizes.set(key, value.length);
      this.#bytes += value.length;
    }
  }

  /**
   * Opens the cache, empty if what is there cannot be trusted.
   * @param directory of this environment alone; not on a network file system
   * @param onTrouble told when a write failed, once: after that the cache is not used
   * @throws {MisaError} `CACHE_UNUSABLE`: the directory cannot be written
   */
  static open(directory: string, budgetBytes: number, onTrouble?: OnTrouble): LmdbBlockCache {
    try {
      if (!sealed(directory)) rmSync(directory, { recursive: true, force: true });
      mkdirSync(directory, { recursive: true });
      rmSync(path.join(directory, SEAL), { force: true });
      return new LmdbBlockCache(directory, budgetBytes, openDatabase(directory, budgetBytes), onTrouble);
    } catch (error) {
      throw new MisaError(
        'CACHE_UNUSABLE',
        `the block cache in ${directory} cannot be opened (${(error as Error).message}). Make the directory writable, or delete it: it is rebuilt.`,
        { cause: error },
      );
    }
  }

  get bytes(): number {
    return this.#bytes;
  }

  has(sst: string, part: Part): boolean {
    return this.#sizes.has(keyOf(sst, part));
  }

  get(sst: string, part: Part): Uint8Array | undefined {
    const key = keyOf(sst, part);
    const size = this.#sizes.get(key);
    if (size === undefined) return undefined;
    this.#sizes.delete(key);
    this.#sizes.set(key, size);
    return this.#db.getBinary(key);
  }

  put(parts: readonly { sst: string; part: Part; bytes: Uint8Array }[]): void {
    if (this.#closed || this.#failed || parts.length === 0) return;
    this.#write(() => {
      for (const { sst, part, bytes } of parts) {
        if (bytes.length * 4 > this.#budgetBytes) continue;
        const key = keyOf(sst, part);
        this.#db.putSync(key, Buffer.from(bytes));
        this.#bytes += bytes.length - (this.#sizes.get(key) ?? 0);
        this.#sizes.delete(key);
        this.#sizes.set(key, bytes.length);
      }
      for (const key of this.#sizes.keys()) {
        if (this.#bytes <= this.#budgetBytes) break;
        this.#forget(key);
      }
    });
  }

  drop(sst: string, part: Part): void {
    const key = keyOf(sst, part);
    if (this.#sizes.has(key)) this.#write(() => this.#forget(key));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#db.close();
    // Without a seal the next one starts empty.
    if (this.#failed) return;
    writeFileSync(path.join(this.#directory, SEAL), String(crc32(readFileSync(path.join(this.#directory, DATA)))));
  }

  /** One transaction. After one that failed (a full disk or map) everything is read from the object store. */
  #write(change: () => void): void {
    try {
      this.#db.transactionSync(change);
    } catch (error) {
      this.#failed = true;
      for (const key of [...this.#sizes.keys()]) this.#uncount(key);
      this.#onTrouble?.('the local cache cannot be written: state is read from the object store', error);
    }
  }

  #forget(key: string): void {
    this.#uncount(key);
    this.#db.removeSync(key);
  }

  #uncount(key: string): void {
    this.#bytes -= this.#sizes.get(key) ?? 0;
    this.#sizes.delete(key);
  }
}

function sealed(directory: string): boolean {
  const data = path.join(directory, DATA);
  const seal = path.join(directory, SEAL);
  return existsSync(seal) && existsSync(data) && readFileSync(seal, 'utf8') === String(crc32(readFileSync(data)));
}

function openDatabase(directory: string, budgetBytes: number): RootDatabase<Buffer, string> {
  return open<Buffer, string>({
    path: path.join(directory, DATA),
    encoding: 'binary',
    noSubdir: true,
    // Twice the budget: LMDB frees pages of a transaction only after it.
    mapSize: Math.max(2 * budgetBytes, 16 << 20),
    // Losing the cache in a crash costs time, not data; waiting for the disk would cost time always.
    noSync: true,
    overlappingSync: false,
  });
}
