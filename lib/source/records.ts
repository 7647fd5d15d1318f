/**
 * Text as a stream of records with exact positions: what NDJSON and CSV share. Blocks may be cut anywhere, inside a
 * character or a quoted cell; the records do not depend on it. Held in memory are one block, one unfinished record and one
 * chunk.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { InputError } from '../errors.ts';
import { ChunkBuilder, type RowChunk, type RowPosition, type RowRange } from './rows.ts';
import {
  BAD_TEXT_BYTES,
  BadRecord,
  badByte,
  badText,
  countLines,
  headerText,
  type RecordColumns,
  type RecordScanner,
  type TextFormat,
} from './text-format.ts';

export interface RecordOptions extends RowRange {
  /** Where the blocks begin; with an `offset`, positions have offsets. */
  readonly start: RowPosition;
  /** For messages. */
  readonly path: string;
  /** Kept up to date: rows passed so far, skipped ones too. */
  readonly progress: { rows: number };
  /** The text may go on later: what follows the last line end is no record yet. */
  readonly growing?: boolean | undefined;
}

const NEWLINE = 10;

/** The rows of a text. A byte order mark is dropped. @throws {InputError} `INPUT_FORMAT`: UTF-16, or as the format says */
export async function* decodeRecords(
  blocks: AsyncIterable<Buffer>,
  format: TextFormat,
  options: RecordOptions,
): AsyncGenerator<RowChunk> {
  const decoder = new RecordDecoder(format, options);
  let head: Buffer | undefined = (options.start.offset ?? 0) === 0 ? Buffer.alloc(0) : undefined;
  for await (let block of blocks) {
    if (head !== undefined) {
      head = Buffer.concat([head, block]);
      if (head.length < 3) continue;
      block = decoder.begin(head);
      head = undefined;
    }
    yield* decoder.push(block);
    if (decoder.done) return;
  }
  if (head !== undefined) yield* decoder.push(decoder.begin(head));
  yield* decoder.finish();
}

class RecordDecoder {
  readonly #format: TextFormat;
  readonly #options: RecordOptions;
  /** Where the next record begins. */
  #row: number;
  #line: number;
  #offset: number;
  /** The unfinished record. */
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** The beginning of a line that is too long, while the rest of it passes by. */
  #tooLong: Buffer | undefined;
  #chunk: ChunkBuilder;
  /** How rows of the present chunk are kept; `undefined`: as they are. */
  #columns: RecordColumns | undefined;
  #chunkOffset: number;

  constructor(format: TextFormat, options: RecordOptions) {
    this.#format = format;
    this.#options = options;
    this.#row = options.start.row;
    this.#line = options.start.line ?? 1;
    this.#offset = options.start.offset ?? 0;
    this.#chunkOffset = this.#offset;
    this.#chunk = new ChunkBuilder(this.#position(), this.#columns?.newColumns);
  }

  /** Nothing more is wanted. */
  get done(): boolean {
    return this.#row >= this.#options.toRow && !this.#format.needsHeader;
  }

  /** Takes the first bytes of the file: drops a byte order mark. */
  begin(block: Buffer): Buffer {
    const { path } = this.#options;
    if ((block[0] === 0xff && block[1] === 0xfe) || (block[0] === 0xfe && block[1] === 0xff)) {
      throw new InputError('INPUT_FORMAT', `${path} is UTF-16; convert it: iconv -f UTF-16 -t UTF-8.`, path);
    }
    const text = block[0] === 0xef && block[1] === 0xbb && block[2] === 0xbf ? block.subarray(3) : block;
    this.#offset += block.length - text.length;
    this.#format.checkStart(text.toString('latin1', 0, 4096));
    this.#restart();
    return text;
  }

  *push(block: Buffer): Generator<RowChunk> {
    let bytes = block;
    if (this.#tooLong !== undefined) {
      const end = bytes.indexOf(NEWLINE);
      this.#pendingBytes += end < 0 ? bytes.length : end + 1;
      const more = bytes.subarray(0, Math.max(0, BAD_TEXT_BYTES - this.#tooLong.length));
      this.#tooLong = Buffer.concat([this.#tooLong, end < 0 ? more : more.subarray(0, end)]);
      if (end < 0) return;
      yield* this.#endTooLong();
      bytes = bytes.subarray(end + 1);
    }
    if (bytes.length === 0 || this.done) return;
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    const overlong = this.#pendingBytes > this.#format.maxBytes;
    if (!overlong && !bytes.includes(NEWLINE)) return;

    if (!overlong && !this.#format.framesBytes && this.#pending.length > 1) {
      const end = bytes.indexOf(NEWLINE) + 1;
      this.#pending[this.#pending.length - 1] = bytes.subarray(0, end);
      yield* this.#decode(Buffer.concat(this.#pending), false);
      bytes = bytes.subarray(end);
    } else if (this.#pending.length > 1) bytes = Buffer.concat(this.#pending);
    const cut = this.#format.framesBytes ? bytes.length : bytes.lastIndexOf(NEWLINE) + 1; // text is cut between characters
    const used = yield* this.#decode(bytes.subarray(0, cut), false);
    if (this.#chunk.count > 0) yield this.#take();
    const rest = bytes.subarray(used);
    this.#pending = rest.length === 0 ? [] : [rest];
    this.#pendingBytes = rest.length;
    if (rest.length <= this.#format.maxBytes || rest.includes(NEWLINE)) return;
    this.#tooLong = Buffer.from(rest.subarray(0, BAD_TEXT_BYTES));
    this.#pending = [];
  }

  *finish(): Generator<RowChunk> {
    if (this.done || this.#options.growing) return;
    if (this.#tooLong !== undefined) yield* this.#endTooLong();
    else if (this.#pendingBytes > 0) {
      yield* this.#decode(Buffer.concat(this.#pending), true);
      if (this.#chunk.count > 0) yield this.#take();
    }
    this.#options.progress.rows = this.#row;
  }

  /** Decodes whole records, the last of which stay in the present chunk; returns how many bytes they took. */
  *#decode(bytes: Buffer, last: boolean): Generator<RowChunk, number> {
    let used = this.#format.needsHeader ? this.#header(bytes, last) : 0;
    used += this.#skip(bytes.subarray(used), last);
    if (used < bytes.length && !this.done && !this.#format.needsHeader && this.#row >= this.#options.fromRow) {
      const rest = bytes.subarray(used);
      this.#choose(rest);
      const scanner = this.#columns?.scanner;
      // Without a last line end nothing says where a scanner must stop.
      const scans = scanner !== undefined && !last && rest.length <= this.#format.maxBytes && isUtf8(rest);
      used += yield* scans ? this.#scan(rest, scanner) : this.#parse(rest, last);
    }
    this.#options.progress.rows = this.#row;
    return used;
  }

  /** Chooses how rows are kept, from these bytes on, which begin with a record. */
  #choose(bytes: Buffer): void {
    const columns = this.#format.columns?.(bytes);
    if (columns === this.#columns || this.#chunk.count > 0) return;
    this.#columns = columns;
    this.#restart();
  }

  /** Passes over records before `fromRow` without decoding them. */
  #skip(bytes: Buffer, last: boolean): number {
    const format = this.#format;
    if (this.#row >= this.#options.fromRow || format.needsHeader) return 0;
    const text = bytes.toString('latin1');
    let at = 0;
    while (this.#row < this.#options.fromRow && at < text.length) {
      const end = format.recordEnd(text, at, last);
      if (end < 0) break;
      if (!format.isBlank(text, at, end)) this.#row++;
      this.#line += format.framesBytes ? countLines(text, at, end) : 1;
      at = Math.min(end + 1, text.length);
    }
    this.#offset += at;
    this.#restart();
    return at;
  }

  #header(bytes: Buffer, last: boolean): number {
    const format = this.#format;
    const { path } = this.#options;
    const text = bytes.toString('latin1');
    let at = 0;
    while (format.needsHeader && at < text.length) {
      const end = format.recordEnd(text, at, last);
      if (end < 0) break;
      if (!format.isBlank(text, at, end)) format.takeHeader(headerText(bytes.subarray(at, end), format.maxBytes, path));
      this.#line += countLines(text, at, end);
      at = Math.min(end + 1, text.length);
    }
    this.#offset += at;
    this.#restart();
    return at;
  }

  /**
   * Records are slices of one text made of all bytes, where that text is exact. Otherwise (bytes that are not UTF-8, a
   * line that may be too long, a format that frames bytes) ends are sought in Latin-1 and each record is decoded alone.
   */
  *#parse(bytes: Buffer, last: boolean): Generator<RowChunk, number> {
    const format = this.#format;
    const { toRow, chunkRows } = this.#options;
    const small = bytes.length <= format.maxBytes;
    const ascii = small && isAscii(bytes);
    const utf8 = small && !ascii && !format.framesBytes && isUtf8(bytes);
    const text = utf8 ? bytes.toString('utf8') : bytes.toString('latin1');
    let chunk = this.#chunk;
    let line = this.#line;
    let at = 0;
    let marked = 0;
    const mark = (): void => {
      this.#offset += utf8 ? Buffer.byteLength(text.slice(marked, at)) : at - marked;
      this.#line = line;
      marked = at;
    };
    while (at < text.length) {
      const begin = at;
      const end = format.recordEnd(text, begin, last);
      if (end < 0) break;
      const beginLine = line;
      line += format.framesBytes ? countLines(text, begin, end) : 1;
      at = Math.min(end + 1, text.length);
      if (format.isBlank(text, begin, end)) continue;

      const record = ascii || utf8 ? text.slice(begin, end) : this.#recordText(bytes.subarray(begin, end));
      const row = typeof record === 'string' ? format.parse(record) : record;
      if (row instanceof BadRecord) chunk.addBad(row.reason, badText(bytes, text, begin, end, utf8), beginLine);
      else chunk.add(row, beginLine);
      this.#row++;
      // Counted from the beginning of the file: chunks end at the same rows wherever reading began.
      if (this.#row % chunkRows !== 0 && this.#row < toRow) continue;
      mark();
      yield this.#take();
      chunk = this.#chunk;
      if (this.#row >= toRow) break;
    }
    mark();
    return utf8 ? bytes.length : at;
  }

  /** As {@link #parse}, of UTF-8 that ends with a line end. */
  *#scan(bytes: Buffer, scanner: RecordScanner): Generator<RowChunk, number> {
    let at = 0;
    while (at < bytes.length) {
      const begin = at;
      at = this.#scanChunk(bytes, at, scanner);
      this.#offset += at - begin;
      if (!this.#endsChunk()) break;
      yield this.#take();
      if (this.#row >= this.#options.toRow) break;
    }
    return at;
  }

  /** Scans records to the end of the chunk, or of the bytes. Apart from the generator, which the machine makes slower code of. */
  #scanChunk(bytes: Buffer, from: number, scanner: RecordScanner): number {
    const chunk = this.#chunk;
    const { columns } = chunk;
    let at = from;
    while (at < bytes.length) {
      const line = this.#line++;
      if (scanner.read(bytes, at, columns)) {
        at = scanner.end;
        chunk.added(line);
      } else {
        const begin = at;
        at = bytes.indexOf(NEWLINE, at) + 1;
        if (!this.#addParsed(bytes.subarray(begin, at - 1), line)) continue;
      }
      this.#row++;
      if (this.#endsChunk()) break;
    }
    return at;
  }

  /** Counted from the beginning of the file: chunks end at the same rows wherever reading began. */
  #endsChunk(): boolean {
    const { toRow, chunkRows } = this.#options;
    return this.#chunk.count > 0 && (this.#row % chunkRows === 0 || this.#row >= toRow);
  }

  /** Adds the row of a record, if it is one, by its text. */
  #addParsed(record: Buffer, line: number): boolean {
    const text = record.toString('utf8');
    if (this.#format.isBlank(text, 0, text.length)) return false;
    const row = this.#format.parse(text);
    if (row instanceof BadRecord) this.#chunk.addBad(row.reason, text, line);
    else this.#chunk.add(row, line);
    return true;
  }

  #recordText(record: Buffer): string | BadRecord {
    if (record.length > this.#format.maxBytes) return this.#tooLongRecord();
    return isUtf8(record)
      ? record.toString('utf8')
      : new BadRecord(`not valid UTF-8 at byte ${badByte(record)} of the record`);
  }

  *#endTooLong(): Generator<RowChunk> {
    const { fromRow, path } = this.#options;
    if (this.#format.needsHeader) headerText(this.#tooLong!, 0, path);
    const wanted = this.#row >= fromRow;
    if (wanted) this.#chunk.addBad(this.#tooLongRecord().reason, this.#tooLong!.toString('utf8'), this.#line);
    this.#row++;
    this.#line++;
    this.#offset += this.#pendingBytes;
    this.#tooLong = undefined;
    this.#pendingBytes = 0;
    if (!wanted) this.#restart();
    else yield this.#take();
  }

  #tooLongRecord(): BadRecord {
    return new BadRecord(`the line is longer than ${this.#format.maxBytes} bytes`);
  }

  #take(): RowChunk {
    this.#options.progress.rows = this.#row;
    const chunk = this.#chunk.build(this.#position(), this.#offset - this.#chunkOffset);
    this.#restart();
    return chunk;
  }

  #restart(): void {
    this.#chunkOffset = this.#offset;
    this.#chunk = new ChunkBuilder(this.#position(), this.#columns?.newColumns);
  }

  #position(): RowPosition {
    const seekable = this.#options.start.offset !== undefined;
    return { row: this.#row, line: this.#line, offset: seekable ? this.#offset : undefined };
  }
}
