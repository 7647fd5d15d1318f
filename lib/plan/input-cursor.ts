/**
 * Reads one source object into micro-batches: from where it is planned to, chunk by chunk, with one chunk ahead, so that
 * the last piece knows that it is the last. Each take is a piece, the unit that plans name.
 */
import { type OpenOptions, openRows, type RowChunk, type RowPosition } from '../source/index.ts';
import type { ContentPrefix, PrefixHasher } from './content-prefix.ts';
import type { Piece } from './plan.ts';
import type { SegmentBuilder } from './segment-builder.ts';

/** Rows decoded in one go: a millisecond or two, which is what other work of the process may have to wait. */
const CHUNK_ROWS = 512;

type Readable = Parameters<typeof openRows>[0];

export interface CursorOptions {
  /** Index of the source in the job, and its name. */
  readonly source: number;
  readonly sourceName: string;
  /** Identity of the object: its own name and version. */
  readonly name: string;
  readonly version: string;
  /** How far it is planned. */
  readonly from?: { readonly next: number; readonly position?: RowPosition | undefined } | undefined;
  readonly form?: OpenOptions['form'];
  readonly onBytes?: OpenOptions['onBytes'];
  /** Hashes the text as it is read, so that pieces have a `prefix`; stands where the reading begins. */
  readonly hasher?: PrefixHasher | undefined;
  /** The prefix of all pieces, where text is not what is read. */
  readonly prefix?: ContentPrefix | undefined;
  /** See {@link OpenOptions.growing}. A last line without line end is left; then no piece is `done`. */
  readonly growing?: boolean | undefined;
  /** Ends the reading. */
  readonly signal?: AbortSignal | undefined;
}

/** Rows taken from an object. */
export interface Taken {
  readonly piece: Piece;
  /** Decoded bytes. */
  readonly bytes: number;
}

export class InputCursor {
  readonly #options: CursorOptions;
  readonly #rows: AsyncGenerator<RowChunk, void, undefined>;
  #chunk: RowChunk | undefined;
  #ahead: RowChunk | undefined;
  /** How many rows of the chunk are taken. */
  #taken = 0;
  #position: RowPosition | undefined;
  /** Why reading ended before the object did; thrown when the rows read so far are taken. */
  #broken: { readonly error: unknown } | undefined;
  #sha256: string | undefined;

  private constructor(object: Readable, options: CursorOptions) {
    const { from, form, onBytes, signal, hasher, growing } = options;
    this.#options = options;
    this.#position = from?.position;
    this.#rows = openRows(object, {
      // The whole chunk again, so that it ends, and weighs, as it did; text that is hashed begins where its hasher stands.
      fromRow: (hasher === undefined ? from?.position?.row : undefined) ?? from?.next ?? 0,
      near: from?.position,
      form,
      chunkRows: CHUNK_ROWS,
      // Text that is hashed as it is read needs no second hash.
      onEnd:
        hasher !== undefined
          ? undefined
          : (end) => {
              this.#sha256 = end.sha256;
            },
      onBytes,
      onText: hasher === undefined ? undefined : (block) => hasher.push(block),
      growing,
      signal,
    });
  }

  /** @throws {InputError} it cannot be read */
  static async open(object: Readable, options: CursorOptions): Promise<InputCursor> {
    const cursor = new InputCursor(object, options);
    try {
      await cursor.#seek(options.from?.next ?? 0);
      if (cursor.#chunk !== undefined) await cursor.#readAhead();
    } catch (error) {
      await cursor.close();
      throw error;
    }
    return cursor;
  }

  /** All rows are taken. */
  get ended(): boolean {
    return this.#chunk === undefined && this.#broken === undefined;
  }

  /** SHA-256 (hex) of the whole object, once it was read from its beginning to its end. */
  get sha256(): string | undefined {
    return this.#sha256;
  }

  /** Takes up to `max` rows of the present chunk into the builder. Only while not {@link ended}. @throws {InputError} */
  async take(builder: SegmentBuilder, max: number): Promise<Taken> {
    const { source, sourceName, name, version } = this.#options;
    const chunk = this.#chunk;
    if (chunk === undefined) throw this.#broken?.error;
    const from = this.#taken;
    const to = Math.min(chunk.count, from + max);
    builder.open({ source, name });
    builder.addChunk(chunk, from, to);
    this.#taken = to;
    const fromPosition = from === 0 ? chunk.start : this.#position;
    if (to === chunk.count) {
      this.#position = chunk.end;
      this.#chunk = this.#ahead;
      this.#ahead = undefined;
      this.#taken = 0;
      if (this.#chunk !== undefined) await this.#readAhead();
    } else {
      // Inside a chunk there is no position to seek to: reading again begins at the chunk.
      this.#position = chunk.start;
    }
    const text = this.#textTo(chunk, to);
    const piece: Piece = {
      source: sourceName,
      name,
      version,
      from: chunk.firstRow + from,
      to: chunk.firstRow + to,
      fromPosition,
      toPosition: this.#position,
      done: this.ended && !text.left,
      contentHash: this.ended ? this.#sha256 : undefined,
      prefix: text.prefix,
    };
    return { piece, bytes: ((to - from) / chunk.count) * chunk.bytes };
  }

  /** The content before row `to` of the chunk, and whether something is left behind the last row. */
  #textTo(chunk: RowChunk, to: number): { readonly prefix: ContentPrefix | undefined; readonly left: boolean } {
    const { hasher, prefix, growing } = this.#options;
    if (hasher === undefined) return { prefix, left: false };
    const whole = to === chunk.count;
    hasher.toLine((whole ? chunk.end.line : chunk.lineOf(to)) ?? Number.POSITIVE_INFINITY);
    if (this.ended) {
      if (growing) hasher.overBlankLines();
      else hasher.toEnd();
    }
    const offset = chunk.start.offset === undefined ? undefined : hasher.bytes;
    this.#position = { row: chunk.firstRow + to, line: hasher.line, offset };
    return { prefix: hasher.prefix, left: hasher.hasMore };
  }

  /** Ends the reading. */
  async close(): Promise<void> {
    await this.#rows.return();
  }

  /** Skips the rows that are planned. */
  async #seek(row: number): Promise<void> {
    do this.#chunk = await this.#pull();
    while (this.#chunk !== undefined && this.#chunk.firstRow + this.#chunk.count <= row);
    if (this.#chunk !== undefined) this.#taken = Math.max(0, row - this.#chunk.firstRow);
  }

  /** If reading is aborted, rows that were read can still be taken. */
  async #readAhead(): Promise<void> {
    try {
      this.#ahead = await this.#pull();
    } catch (error) {
      if (!this.#options.signal?.aborted) throw error;
      this.#broken = { error };
    }
  }

  async #pull(): Promise<RowChunk | undefined> {
    const next = await this.#rows.next();
    return next.done ? undefined : next.value;
  }
}

/** Adds a piece to those of a plan. A piece that continues the last one extends it. */
export function addPiece(pieces: Piece[], piece: Piece): void {
  const last = pieces.at(-1);
  if (last !== undefined && last.source === piece.source && last.name === piece.name && last.to === piece.from) {
    pieces[pieces.length - 1] = { ...piece, from: last.from, fromPosition: last.fromPosition };
  } else {
    pieces.push(piece);
  }
}
