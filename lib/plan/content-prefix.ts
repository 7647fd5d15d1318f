/**
 * What was read of a file, as content: how a file is known again when its name, its modification time or its length is
 * another one. Text counts decompressed, so that a log that was read and then compressed is still known; of a Parquet file
 * all raw bytes count.
 *
 * The hash is SHA-256 over blocks of 1 MiB, each begun with the digest of the blocks before it. So it is had while a file is
 * read, at any byte, and goes on later from the last whole block instead of from the beginning.
 */
import { createHash, type Hash } from 'node:crypto';

/** The bytes of a file before its first row that is not planned. Plain data: part of plans. */
export interface ContentPrefix {
  readonly bytes: number;
  /** 32 hex digits. */
  readonly hash: string;
  /** Digest of the whole blocks of 1 MiB, 64 hex digits; absent when there is none. */
  readonly blocks?: string | undefined;
  /** SHA-256 of the first 64, 4096 and 65536 bytes, as far as there are so many; 16 hex digits each. */
  readonly heads: readonly string[];
  /** The last line has no line end. */
  readonly open?: true | undefined;
}

export const PREFIX_BLOCK_BYTES = 1 << 20;
export const HEAD_BYTES: readonly number[] = [64, 4096, 65_536];
const NEWLINE = 10;

/** Hashes content that comes in blocks. Blocks may be pushed before the hash is wanted that far. */
export class PrefixHasher {
  #bytes = 0;
  /** Of the whole blocks so far. */
  #blocks = '';
  #hash = createHash('sha256');
  #heads: string[] = [];
  readonly #head: Hash = createHash('sha256');
  #lastByte = NEWLINE;
  #line = 1;
  readonly #ahead: Buffer[] = [];
  /** Bytes that are taken without looking for lines, and the line after them. */
  #known = { bytes: 0, line: 1 };

  /** A hasher that continues a prefix, at `line`. @param tail the bytes of the prefix after its last whole block */
  static after(prefix: ContentPrefix, tail: Buffer, line: number): PrefixHasher {
    const hasher = new PrefixHasher();
    if (prefix.blocks !== undefined) {
      hasher.#bytes = prefix.bytes - tail.length;
      hasher.#blocks = prefix.blocks;
      hasher.#hash.update(prefix.blocks);
      hasher.#heads = [...prefix.heads];
      hasher.#lastByte = prefix.open ? 0 : NEWLINE;
    }
    hasher.#take(tail);
    hasher.#line = line;
    return hasher;
  }

  /** For a content that is read from its beginning again: what is known of it is taken without looking for lines. */
  static again(bytes: number, line: number): PrefixHasher {
    const hasher = new PrefixHasher();
    hasher.#known = { bytes, line };
    return hasher;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The line of the next byte, from 1. */
  get line(): number {
    return this.#line;
  }

  /** Whether something was pushed that is not taken. */
  get hasMore(): boolean {
    return this.#ahead.length > 0;
  }

  get prefix(): ContentPrefix {
    const whole = this.#bytes >= PREFIX_BLOCK_BYTES;
    return {
      bytes: this.#bytes,
      hash: this.#hash.copy().digest('hex').slice(0, 32),
      ...(whole ? { blocks: this.#blocks } : {}),
      heads: [...this.#heads],
      ...(this.#lastByte === NEWLINE ? {} : { open: true as const }),
    };
  }

  /** The next bytes of the content. */
  push(block: Buffer): void {
    const missing = this.#known.bytes - this.#bytes;
    if (missing <= 0) {
      this.#ahead.push(block);
      return;
    }
    this.#take(block.subarray(0, missing));
    if (this.#bytes < this.#known.bytes) return;
    this.#line = this.#known.line;
    if (block.length > missing) this.#ahead.push(block.subarray(missing));
  }

  /** Takes what was pushed, up to the beginning of the given line; all of it if that line begins later. */
  toLine(line: number): void {
    while (this.#line < line && this.#ahead.length > 0) {
      const block = this.#ahead[0]!;
      let at = 0;
      while (this.#line < line) {
        const end = block.indexOf(NEWLINE, at);
        if (end < 0) {
          at = block.length;
          break;
        }
        at = end + 1;
        this.#line++;
      }
      this.#take(block.subarray(0, at));
      if (at === block.length) this.#ahead.shift();
      else this.#ahead[0] = block.subarray(at);
    }
  }

  /** Takes all that was pushed. */
  toEnd(): void {
    this.toLine(Number.POSITIVE_INFINITY);
  }

  /** Takes all that was pushed if it is nothing but whole lines without text. */
  overBlankLines(): void {
    const rest = Buffer.concat(this.#ahead);
    if (rest.at(-1) === NEWLINE && rest.every((byte) => byte === 32 || (byte >= 9 && byte <= 13))) this.toEnd();
  }

  #take(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#takeHeads(bytes);
    for (let at = 0; at < bytes.length; ) {
      const room = PREFIX_BLOCK_BYTES - (this.#bytes % PREFIX_BLOCK_BYTES);
      const part = bytes.subarray(at, at + room);
      this.#hash.update(part);
      this.#bytes += part.length;
      at += part.length;
      if (part.length < room) continue;
      this.#blocks = this.#hash.digest('hex');
      this.#hash = createHash('sha256').update(this.#blocks);
    }
    this.#lastByte = bytes[bytes.length - 1]!;
  }

  #takeHeads(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && this.#heads.length < HEAD_BYTES.length; ) {
      const room = HEAD_BYTES[this.#heads.length]! - (this.#bytes + at);
      const part = bytes.subarray(at, at + room);
      this.#head.update(part);
      at += part.length;
      if (part.length === room) this.#heads.push(headHash(this.#head));
    }
  }
}

/** The hashes of a content's beginning, as in {@link ContentPrefix.heads}. @param beginning its first 64 KiB, or all of it */
export function headsOf(beginning: Buffer): string[] {
  const lengths = HEAD_BYTES.filter((length) => length <= beginning.length);
  return lengths.map((length) => headHash(createHash('sha256').update(beginning.subarray(0, length))));
}

function headHash(hash: Hash): string {
  return hash.copy().digest('hex').slice(0, 16);
}
