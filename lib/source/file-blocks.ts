/**
 * The raw bytes of one version of a file. Every block is followed by a look at the open file's size and modification
 * time, and given out only if they are still the ones expected: a row must never come from a file that changed under the
 * reader, because a replay could not read it again.
 */
import { createHash, type Hash } from 'node:crypto';
import { fstatSync } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { errorText, InputError } from '../errors.ts';

/** One version of a file. */
export interface FileRef {
  /** Absolute, with symbolic links resolved. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Modification time, epoch ms with its fraction. */
  readonly mtimeMs: number;
  /**
   * Something may be appended while the first `size` bytes are read: only a shorter file is refused. For callers that
   * compare what they read by its hash.
   */
  readonly grows?: boolean | undefined;
}

/** Most bytes a read; two are in memory at a time. */
const BLOCK_BYTES = 256 * 1024;

/**
 * Where the block ends that has the byte at `at`. Blocks stand at the same places wherever reading begins and whatever is read:
 * chunks of rows end with them, and so may batches.
 */
export function blockEnd(at: number): number {
  return at - (at % BLOCK_BYTES) + BLOCK_BYTES;
}

/**
 * The version of a file that is there now.
 * @throws {InputError} `INPUT_MISSING`, `INPUT_UNREADABLE` (also for what is not a regular file)
 */
export async function fileRef(path: string): Promise<FileRef> {
  try {
    const real = await realpath(path);
    const info = await stat(real);
    if (!info.isFile()) {
      const what = info.isDirectory()
        ? `a directory; name its files with a glob, such as ${path}/*.ndjson`
        : 'not a regular file';
      throw new InputError('INPUT_UNREADABLE', `Cannot read ${path}: it is ${what}.`, path);
    }
    return { path: real, size: info.size, mtimeMs: info.mtimeMs };
  } catch (error) {
    throw openError(path, error);
  }
}

/** An open file that must stay as it was planned. */
export class InputFile {
  readonly ref: FileRef;
  readonly #handle: FileHandle;

  private constructor(ref: FileRef, handle: FileHandle) {
    this.ref = ref;
    this.#handle = handle;
  }

  /** @throws {InputError} `INPUT_MISSING`, `INPUT_UNREADABLE`, `INPUT_CHANGED` */
  static async open(ref: FileRef): Promise<InputFile> {
    let handle: FileHandle;
    try {
      handle = await open(ref.path, 'r');
    } catch (error) {
      throw openError(ref.path, error);
    }
    const file = new InputFile(ref, handle);
    try {
      file.check();
    } catch (error) {
      await handle.close();
      throw error;
    }
    return file;
  }

  /** @throws {InputError} `INPUT_CHANGED` when size or modification time are no longer the expected ones */
  check(): void {
    const now = fstatSync(this.#handle.fd); // a few microseconds; a trip through the thread pool would delay every block
    const { path, size, mtimeMs, grows } = this.ref;
    if (grows ? now.size >= size : now.size === size && now.mtimeMs === mtimeMs) return;
    const what =
      now.size === size ? 'its modification time is another one' : `it had ${size} bytes and now has ${now.size}`;
    throw new InputError(
      'INPUT_CHANGED',
      `${path} changed since it was planned: ${what}. Input files must stay as they are: bring new rows in new files, ` +
        'and write a file under a name that no input pattern matches, then rename it.',
      path,
    );
  }

  /**
   * Exactly `length` bytes from `offset`.
   * @throws {InputError} `INPUT_CHANGED`, `INPUT_UNREADABLE`
   */
  async read(offset: number, length: number): Promise<Buffer<ArrayBuffer>> {
    const buffer = Buffer.allocUnsafeSlow(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.#handle.read(buffer, done, length - done, offset + done).catch((error) => {
        throw openError(this.ref.path, error);
      });
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    this.check();
    return buffer;
  }

  /**
   * The bytes from `offset` to the end, in blocks, reading one ahead.
   * @param hash is given each block
   */
  async *blocks(offset: number, hash?: Hash, signal?: AbortSignal): AsyncGenerator<Buffer> {
    const { size } = this.ref;
    const readAt = (at: number): Promise<Buffer> => {
      const block = this.read(at, Math.min(blockEnd(at), size) - at);
      block.catch(() => {}); // awaited one round later, or never
      return block;
    };
    let next = offset < size ? readAt(offset) : undefined;
    for (let at = offset; next !== undefined; at = blockEnd(at)) {
      const block = await next;
      signal?.throwIfAborted();
      next = blockEnd(at) < size ? readAt(blockEnd(at)) : undefined;
      hash?.update(block);
      yield block;
    }
  }

  /** Waits for reads under way. */
  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/**
 * SHA-256 (hex) of the first `bytes` raw bytes of a file (default: all), to tell whether a file with another
 * modification time, or one that grew, still begins as it did.
 * @throws {InputError} `INPUT_MISSING`, `INPUT_UNREADABLE`, `INPUT_CHANGED` (while reading, or shorter than `bytes`)
 */
export async function hashFile(path: string, bytes?: number): Promise<string> {
  const file = await InputFile.open(await fileRef(path));
  try {
    const hash = createHash('sha256');
    let left = bytes ?? file.ref.size;
    if (left > file.ref.size) {
      throw new InputError('INPUT_CHANGED', `${path} has ${file.ref.size} bytes; ${left} were expected.`, path);
    }
    for await (const block of file.blocks(0)) {
      hash.update(block.subarray(0, left));
      left -= block.length;
      if (left <= 0) break;
    }
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}

/** What an error of the file system means for whoever named the file. */
function openError(path: string, error: unknown): InputError {
  if (error instanceof InputError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new InputError('INPUT_MISSING', `There is no file ${path}.`, path, { cause: error });
  }
  const why = code === 'EACCES' ? 'permission is denied; make it readable for this user' : errorText(error);
  return new InputError('INPUT_UNREADABLE', `Cannot read ${path}: ${why}.`, path, { cause: error });
}
