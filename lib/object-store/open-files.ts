/**
 * Files that are read in small ranges, over and over: they are kept open for a while, and read without giving way. Opening, asking for its size
 * and closing takes longer than the reading. What is read lies in memory that is made for many reads at once.
 *
 * A file that somebody else deletes or replaces is read as it was for up to a minute: only for who reads what never changes.
 */
import * as fs from 'node:fs';
import type { Clock } from '../util/clock.ts';
import { openToRead } from './durable-file.ts';
import type { ByteRange } from './object-store.ts';

/** More is read by giving way. */
const MOST_BYTES = 32 << 10;
/** Of the memory that bodies lie in. */
const PIECE_BYTES = 256 << 10;
const MOST_OPEN = 128;
/** One that was not read for so long is closed; for twice that at most. */
const IDLE_MS = 30_000;

interface OpenFile {
  readonly fd: number;
  readonly size: number;
  readonly modifiedMs: number;
  /** Since we last looked. */
  isRead: boolean;
}

export class OpenFiles {
  readonly #clock: Clock;
  readonly #files = new Map<string, OpenFile>();
  #memory = Buffer.alloc(0);
  #isWatched = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `undefined`: there is no such file, or it is too much. A range that goes past the end gives what there is. */
  read(path: string, range: ByteRange): { body: Uint8Array; size: number; modifiedMs: number } | undefined {
    if (range.length > MOST_BYTES) return undefined;
    const file = this.#files.get(path) ?? this.#open(path);
    if (file === undefined) return undefined;
    file.isRead = true;
    const { fd, size, modifiedMs } = file;
    const offset = Math.min(range.offset, size);
    const body = this.#room(Math.min(range.length, size - offset));
    let done = 0;
    while (done < body.length) {
      const more = fs.readSync(fd, body, done, body.length - done, offset + done);
      if (more === 0) break;
      done += more;
    }
    return { body: done < body.length ? body.subarray(0, done) : body, size, modifiedMs };
  }

  /** It is deleted or replaced. */
  close(path: string): void {
    const file = this.#files.get(path);
    if (file === undefined) return;
    this.#files.delete(path);
    fs.closeSync(file.fd);
  }

  #open(path: string): OpenFile | undefined {
    const opened = openToRead(path);
    if (opened === undefined) return undefined;
    for (const oldest of this.#files.keys()) {
      if (this.#files.size < MOST_OPEN) break;
      this.close(oldest);
    }
    const { fd, stat } = opened;
    const file = { fd, size: stat.size, modifiedMs: stat.mtimeMs, isRead: true };
    this.#files.set(path, file);
    if (!this.#isWatched) void this.#closeIdle();
    return file;
  }

  async #closeIdle(): Promise<void> {
    this.#isWatched = true;
    while (this.#files.size > 0) {
      await this.#clock.sleep(IDLE_MS);
      for (const [path, file] of this.#files) {
        if (!file.isRead) this.close(path);
        file.isRead = false;
      }
    }
    this.#isWatched = false;
  }

  #room(length: number): Buffer {
    if (length > this.#memory.length) this.#memory = Buffer.allocUnsafeSlow(PIECE_BYTES);
    const body = this.#memory.subarray(0, length);
    this.#memory = this.#memory.subarray(length);
    return body;
  }
}
