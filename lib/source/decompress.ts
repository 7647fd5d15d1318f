/**
 * gzip and zstd as streams of decoded blocks. Damage is told apart, cut off or corrupt, because the remedy differs; the
 * caller, who knows object and row, makes the error for people of it.
 */
import { createGunzip } from 'node:zlib';
import { Decompress, type ZstdError, ZstdErrorCode } from 'fzstd';
import { errorText } from '../errors.ts';
import type { Compression } from './format.ts';

/** Compressed data that cannot be decoded. */
export class DamagedStreamError extends Error {
  /** The data end too early; otherwise they are wrong. */
  readonly truncated: boolean;

  constructor(truncated: boolean, cause: unknown) {
    super(errorText(cause), { cause });
    this.truncated = truncated;
  }
}

const GUNZIP_BLOCK_BYTES = 256 * 1024;
/** Compressed bytes given to zstd at once: a block of 4 bytes may become 128 KiB, so this bounds what one call makes to 64 MiB. */
const ZSTD_PUSH_BYTES = 2048;

/** Decoded blocks. @throws {DamagedStreamError} */
export function decompress(blocks: AsyncIterable<Buffer>, compression: Compression): AsyncIterable<Buffer> {
  if (compression === 'gzip') return gunzip(blocks);
  if (compression === 'zstd') return unzstd(blocks);
  return blocks;
}

/**
 * Any number of gzip members, with zero bytes as padding between and after them, as Python's gzip reads them; anything else
 * behind a member is damage. An empty input is empty.
 */
async function* gunzip(blocks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const input = new MemberInput(blocks[Symbol.asyncIterator]());
  try {
    // Node's decoder reads members that follow each other, and ends at padding.
    for (let first = true; await input.moreMembers(first); first = false) yield* gunzipMembers(input);
  } finally {
    await input.close();
  }
}

async function* gunzipMembers(input: MemberInput): AsyncGenerator<Buffer> {
  const unzip = createGunzip({ chunkSize: GUNZIP_BLOCK_BYTES });
  let given = 0;
  let begin = 0;
  const feed = async (): Promise<void> => {
    for (let block = await input.next(); block !== undefined; block = await input.next()) {
      begin = given;
      given += block.length;
      await new Promise<void>((taken, failed) => unzip.write(block, (error) => (error ? failed(error) : taken())));
      if (unzip.bytesWritten < given) return; // the members end within this block
    }
    unzip.end();
  };
  feed().catch((error: unknown) => unzip.destroy(error as Error));
  try {
    yield* unzip as AsyncIterable<Buffer>;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw code.startsWith('Z_') ? new DamagedStreamError(code === 'Z_BUF_ERROR', error) : error;
  } finally {
    unzip.destroy();
  }
  input.giveBack(unzip.bytesWritten - begin);
}

/** Compressed blocks, one at a time; what a decoder left of one is there for the next decoder. */
class MemberInput {
  readonly #blocks: AsyncIterator<Buffer>;
  #last: Buffer = Buffer.alloc(0);
  #rest: Buffer | undefined;

  constructor(blocks: AsyncIterator<Buffer>) {
    this.#blocks = blocks;
  }

  async next(): Promise<Buffer | undefined> {
    const block = this.#rest ?? (await this.#pull());
    this.#rest = undefined;
    if (block !== undefined) this.#last = block;
    return block;
  }

  /** The first `used` bytes of the last block are taken. */
  giveBack(used: number): void {
    const rest = this.#last.subarray(used);
    this.#rest = rest.length > 0 ? rest : undefined;
  }

  /** Whether anything follows; padding is passed over, but not before the first member. */
  async moreMembers(first: boolean): Promise<boolean> {
    for (;;) {
      const block = this.#rest ?? (await this.#pull());
      if (block === undefined) return false;
      const at = first ? 0 : block.findIndex((byte) => byte !== 0);
      this.#rest = at < 0 ? undefined : block.subarray(at);
      if (this.#rest !== undefined && this.#rest.length > 0) return true;
      this.#rest = undefined;
    }
  }

  async close(): Promise<void> {
    await this.#blocks.return?.();
  }

  async #pull(): Promise<Buffer | undefined> {
    const next = await this.#blocks.next();
    return next.done === true ? undefined : next.value;
  }
}

/** Any number of zstd frames, skippable ones too. Content checksums are not verified: fzstd does not. */
async function* unzstd(blocks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let out: Uint8Array[] = [];
  const frames = new Decompress((data) => {
    if (data.length > 0) out.push(data.slice()); // fzstd reuses its window
  });
  const push = (bytes: Uint8Array, last: boolean): Uint8Array[] => {
    out = [];
    try {
      frames.push(bytes, last);
    } catch (error) {
      throw new DamagedStreamError((error as ZstdError).code === ZstdErrorCode.UnexpectedEOF, error);
    }
    return out;
  };
  for await (const block of blocks) {
    for (let at = 0; at < block.length; at += ZSTD_PUSH_BYTES) {
      for (const data of push(block.subarray(at, at + ZSTD_PUSH_BYTES), false)) yield asBuffer(data);
    }
  }
  for (const data of push(new Uint8Array(0), true)) yield asBuffer(data);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
