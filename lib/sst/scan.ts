/**
 * Reads a key range of an SST in order. What to fetch is planned first, as data (`planScan`), and then executed with
 * one fetch ahead of the consumer, so that a scan costs bandwidth and not round trips, and memory for two fetches.
 */
import { StoreError } from '../errors.ts';
import { entriesOf } from './block-cursor.ts';
import { plainBlock } from './compression.ts';
import type { Entry, Key } from './entry.ts';
import type { SstIndex } from './sst-index.ts';

/** Adjacent blocks [first, last) to fetch at once: file bytes [offset, offset + length). */
export interface BlockSpan {
  readonly first: number;
  readonly last: number;
  readonly offset: number;
  readonly length: number;
}

/** Gets the plain bytes of every block of a span, in order: from caches, or by one ranged GET and {@link splitSpan}. */
export type FetchSpan = (span: BlockSpan) => Promise<readonly Uint8Array[]>;

export interface ScanOptions {
  /** The least key (inclusive). */
  readonly from?: Key | undefined;
  /** The key to stop before; undefined: the end. */
  readonly to?: Key | undefined;
  /** Bytes to fetch at once, at most, unless one block is larger. */
  readonly spanBytes?: number | undefined;
}

/** A block's uncompressed bytes, checked, and what to call it in an error. */
export interface PlainBlock {
  readonly plain: Uint8Array;
  readonly where: string;
}

const SPAN_BYTES = 1 << 20;

/** The spans that cover the blocks which may hold keys in [from, to), in order. */
export function planScan(index: SstIndex, { from = '', to, spanBytes = SPAN_BYTES }: ScanOptions = {}): BlockSpan[] {
  const [start, end] = index.blockRange(from, to);
  const spans: BlockSpan[] = [];
  for (let first = start, last = start + 1; first < end; first = last++) {
    while (last < end && index.span(first, last + 1).length <= spanBytes) last++;
    spans.push({ first, last, ...index.span(first, last) });
  }
  return spans;
}

/** The plain bytes of each block of `span`, checked; they may be views of the span's bytes. @throws {CorruptionError} */
export function splitSpan(index: SstIndex, span: BlockSpan, bytes: Uint8Array): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  for (let i = span.first; i < span.last; i++) {
    const { offset, length } = index.block(i);
    const stored = bytes.subarray(offset - span.offset, offset - span.offset + length);
    blocks.push(plainBlock(stored, `SST ${index.info.id} block ${i}`));
  }
  return blocks;
}

/**
 * The blocks that may hold keys in [from, to), in order.
 * @throws {CorruptionError} and what `fetch` throws
 */
export async function* fetchBlocks(
  index: SstIndex,
  fetch: FetchSpan,
  options: ScanOptions = {},
): AsyncGenerator<PlainBlock, void, undefined> {
  const spans = planScan(index, options);
  let ahead = spans.length > 0 ? fetch(spans[0]!) : undefined;
  for (const [i, span] of spans.entries()) {
    const blocks = await ahead!;
    if (blocks.length !== span.last - span.first) {
      throw new StoreError(
        'SHORT_READ',
        `SST ${index.info.id}: ${blocks.length} blocks for [${span.first}, ${span.last})`,
      );
    }
    const next = spans[i + 1];
    if (next !== undefined) {
      ahead = fetch(next);
      ahead.catch(() => {}); // reported when it is awaited; unobserved if the consumer stops before
    }
    for (const [k, plain] of blocks.entries()) {
      const where = `SST ${index.info.id} block ${span.first + k}`;
      yield { plain, where };
    }
  }
}

/**
 * The entries with keys in [from, to), one chunk a block; no chunk is empty.
 * @throws {CorruptionError} and what `fetch` throws
 */
export async function* scanBlocks(
  index: SstIndex,
  fetch: FetchSpan,
  options: ScanOptions = {},
): AsyncGenerator<Entry[], void, undefined> {
  for await (const { plain, where } of fetchBlocks(index, fetch, options)) {
    const entries = entriesOf(plain, where, options.from, options.to);
    if (entries.length > 0) yield entries;
  }
}
