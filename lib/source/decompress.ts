/**
 * gzip and zstd as streams of decoded blocks. Damage is told apart, cut off or corrupt, because the remedy differs; the
 * caller, who knows object and row, makes the error for people of it.
 */
import { pipeline, Readable } from 'node:stream';
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

/** Any number of gzip members; zero bytes after the last are padding, as for gzip itself. An empty input is empty. */
async function* gunzip(blocks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const unzip = createGunzip({ chunkSize: GUNZIP_BLOCK_BYTES });
  let any = false;
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const block of blocks) {
      any = true;
      yield block;
    }
  };
  pipeline(Readable.from(counted(), { objectMode: false, highWaterMark: 1 }), unzip, () => {}); // errors come by iteration
  try {
    yield* unzip as AsyncIterable<Buffer>;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code === 'Z_BUF_ERROR' && !any) return;
    throw code.startsWith('Z_') ? new DamagedStreamError(code === 'Z_BUF_ERROR', error) : error;
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
