/**
 * A source whose rows come from a stream: they cannot be read again, so a plan stores them. The stream is read ahead, by no more
 * than one batch: who gives rows faster than they are processed waits.
 *
 * A row is known by the stream's name and its number. A stream without an id is new in each run; one with an id is the same
 * whenever it is given, so what is planned of it is passed over.
 */
import { Readable } from 'node:stream';
import { errorText, InputError, MisaError } from '../errors.ts';
import type { Piece } from '../plan/plan.ts';
import type { Planner } from '../plan/planner.ts';
import type { SegmentBuilder } from '../plan/segment-builder.ts';
import type { Compression } from '../source/format.ts';
import { givenRow } from '../source/given-row.ts';
import type { InputForm } from '../source/input-form.ts';
import { BAD_ROW, BAD_TEXT_CHARS, type BadRow, type RowChunk } from '../source/rows.ts';
import { BadRecord } from '../source/text-format.ts';
import type { Bell } from '../util/bell.ts';
import type { Clock } from '../util/clock.ts';
import { copyPlain } from '../util/copy-plain.ts';
import { shownRow } from '../util/shown-row.ts';
import type { SourceInput, SourceState } from './source-input.ts';
import { type StreamFormat, type StreamPart, streamParts } from './stream-rows.ts';

type Items = AsyncIterable<unknown> | Iterable<unknown>;

/** A stream as a run is given it. */
export interface StreamSpec {
  /** What its rows are known by, in plans and in the quarantine. */
  readonly name: string;
  /** The rows; or what gives those after the first `planned`. */
  readonly from: Items | ((planned: number) => Items | Promise<Items>);
  readonly format: StreamFormat;
  readonly compression: Compression;
}

export interface StreamSourceOptions {
  readonly index: number;
  readonly source: string;
  readonly form?: InputForm | undefined;
  readonly spec: StreamSpec;
  readonly planner: Planner;
  readonly clock: Clock;
  /** Rings when there are rows, and at the end. */
  readonly bell: Bell;
  /** Limits of rows and bytes that wait to be taken. */
  readonly maxRows: number;
  readonly maxBytes: number;
}

const CHUNK_ROWS = 512;

interface Waiting {
  readonly chunk: RowChunk;
  readonly cameMs: number;
  /** Rows may be added. */
  open: boolean;
}

export class StreamSource implements SourceInput {
  readonly index: number;
  readonly name: string;
  readonly byReference = false;
  readonly totalBytes = 0;
  readonly readBytes = 0;
  readonly #options: StreamSourceOptions;
  #items: Items | undefined;
  #reading: AsyncGenerator<StreamPart> | undefined;
  #queue: Waiting[] = [];
  /** Rows of the first chunk that are taken. */
  #taken = 0;
  #rows = 0;
  #bytes = 0;
  #next = 0;
  #started = false;
  #ended = false;
  #stopped = false;
  #error: unknown;
  #space: (() => void) | undefined;

  constructor(options: StreamSourceOptions) {
    this.#options = options;
    this.index = options.index;
    this.name = options.source;
  }

  get waitingSinceMs(): number | undefined {
    return this.#queue[0]?.cameMs;
  }

  /** More rows may come, or an error. */
  get isOpen(): boolean {
    return (!this.#ended && !this.#stopped) || this.#error !== undefined;
  }

  /** It has failed, and all rows before the failure are taken. */
  get failed(): boolean {
    return this.#error !== undefined && this.#rows === 0;
  }

  async state(): Promise<SourceState> {
    if (!this.#started) {
      this.#started = true;
      void this.#read();
    }
    if (this.#rows > 0) return 'rows';
    if (this.#error !== undefined) throw this.#failure();
    return this.#ended || this.#stopped ? 'ended' : 'waiting';
  }

  async take(builder: SegmentBuilder, max: number): Promise<{ piece: Piece; bytes: number }> {
    const { name } = this.#options.spec;
    const waiting = this.#queue[0]!;
    const { chunk } = waiting;
    waiting.open = false;
    const from = this.#taken;
    const to = Math.min(chunk.count, from + max);
    builder.open({ source: this.index, name });
    builder.addChunk(chunk, from, to);
    const bytes = ((to - from) / chunk.count) * chunk.bytes;
    this.#rows -= to - from;
    this.#bytes -= bytes;
    this.#taken = to;
    if (to === chunk.count) {
      this.#queue.shift();
      this.#taken = 0;
    }
    this.#space?.();
    const firstRow = chunk.firstRow;
    const done = this.#ended && this.#error === undefined && this.#rows === 0;
    return { piece: { source: this.name, name, version: '', from: firstRow + from, to: firstRow + to, done }, bytes };
  }

  /** Reads no further; rows that were read can still be taken. */
  stop(): void {
    this.#stopped = true;
    this.#space?.();
    // A stream that is asked for its next row answers later, or never; one of Node's can be told to end. What it fails of
    // in ending is of rows that nobody has seen: the next run reads them.
    void this.#reading?.return(undefined).catch(() => {});
    if (!this.#ended && this.#items instanceof Readable) this.#items.destroy();
    this.#options.bell.ring();
  }

  async close(): Promise<void> {
    this.stop();
  }

  async #read(): Promise<void> {
    const { spec, form, planner, maxRows, maxBytes, bell } = this.#options;
    try {
      const planned = (await planner.planned(this.name, spec.name))?.next ?? 0;
      this.#next = planned;
      const opened = typeof spec.from === 'function';
      const items = typeof spec.from === 'function' ? await spec.from(planned) : spec.from;
      this.#items = items;
      const { name, format, compression } = spec;
      const skip = { firstRow: opened ? planned : 0, skipRows: opened ? 0 : planned };
      if (this.#stopped) return;
      this.#reading = streamParts({ name, items, format, form, compression, ...skip });
      for await (const part of this.#reading) {
        if ('row' in part) this.#addRow(part.row);
        else this.#addChunk(part.chunk);
        bell.ring();
        while (!this.#stopped && (this.#rows >= maxRows || this.#bytes >= maxBytes)) {
          await new Promise<void>((resolve) => (this.#space = resolve));
          this.#space = undefined;
        }
        if (this.#stopped) break;
      }
    } catch (error) {
      if (!this.#stopped) this.#error = error;
    } finally {
      this.#ended = true;
      bell.ring();
    }
  }

  /** Takes an object as a row. It is copied, since its giver may change it while it waits. */
  #addRow(row: unknown): void {
    const taken = givenRow(row, this.#options.form);
    const bad = taken instanceof BadRecord ? taken : undefined;
    const bytes = bad === undefined ? roughBytes(row, 0) : BAD_TEXT_CHARS;
    let last = this.#queue.at(-1);
    if (last?.open !== true || last.chunk.count >= CHUNK_ROWS) {
      last = { chunk: givenRows(this.#next), cameMs: this.#options.clock.monotonic(), open: true };
      this.#queue.push(last);
    }
    const { chunk } = last;
    const { rows } = chunk;
    if (bad !== undefined)
      (chunk.bad as BadRow[]).push({ index: rows.length, reason: bad.reason, text: shownRow(row) });
    rows.push(bad === undefined ? copyPlain(taken) : BAD_ROW);
    (chunk as { bytes: number }).bytes += bytes;
    this.#next++;
    this.#rows++;
    this.#bytes += bytes;
  }

  #addChunk(chunk: RowChunk): void {
    this.#queue.push({ chunk, cameMs: this.#options.clock.monotonic(), open: false });
    this.#rows += chunk.count;
    this.#bytes += chunk.bytes;
  }

  #failure(): MisaError {
    const error = this.#error;
    if (error instanceof MisaError) return error;
    const { name } = this.#options.spec;
    return new InputError(
      'INPUT_FAILED',
      `${name}, input of source ${this.name}, failed: ${errorText(error)}. What came before is processed.`,
      name,
      { cause: error },
    );
  }
}

/** Estimates the size of a row as JSON; parts nested deeper than 8 are not counted. */
function roughBytes(value: unknown, depth: number): number {
  if (typeof value === 'string') return value.length + 2;
  if (typeof value !== 'object' || value === null || depth > 8) return 8;
  if (value instanceof Uint8Array) return value.length;
  let bytes = 2;
  for (const name in value) bytes += name.length + 4 + roughBytes((value as Record<string, unknown>)[name], depth + 1);
  return bytes;
}

/** A chunk that rows are added to as they come. */
function givenRows(firstRow: number): RowChunk {
  const start = { row: firstRow };
  const rows: unknown[] = [];
  return {
    get count() {
      return rows.length;
    },
    rows,
    columns: undefined,
    bad: [],
    firstRow,
    start,
    end: start,
    bytes: 0,
    lineOf: () => undefined,
  };
}
