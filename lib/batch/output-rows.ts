/**
 * Result rows of one output on their way out, as the NDJSON that is published: each is written when it is emitted, so that no
 * row is held. What one input row has given can be taken back.
 */
import { ndjsonLine } from '../util/ndjson.ts';

/** Text is written into bytes so many characters at a time. */
const CHUNK_CHARS = 32 * 1024;

export class OutputRows {
  /** Where rows themselves are wanted, too: in tests of jobs, dates stay dates. */
  readonly kept: unknown[] | undefined;
  #chunks: Buffer[] = [];
  /** Not in a chunk yet. */
  #text = '';
  #count = 0;
  #markedText = 0;
  #markedCount = 0;

  constructor(keep: boolean) {
    this.kept = keep ? [] : undefined;
  }

  get count(): number {
    return this.#count;
  }

  push(row: unknown): void {
    this.kept?.push(row);
    this.#text += ndjsonLine(row);
    this.#count++;
  }

  /** A row as its line of NDJSON, line end included. It cannot be taken back. */
  line(text: string): void {
    if (this.#text.length > CHUNK_CHARS) this.#cut();
    this.#text += text;
    this.#count++;
  }

  /** As {@link line}, several rows in UTF-8. The bytes are copied. */
  lines(count: number, bytes: Uint8Array): void {
    if (this.#text !== '') this.#cut();
    this.#chunks.push(Buffer.from(bytes));
    this.#count += count;
  }

  /** What comes from here on can be taken back. */
  mark(): void {
    if (this.#text.length > CHUNK_CHARS) this.#cut();
    this.#markedText = this.#text.length;
    this.#markedCount = this.#count;
  }

  /** Takes back what came since {@link mark}. */
  undo(): void {
    this.#text = this.#text.slice(0, this.#markedText);
    this.#count = this.#markedCount;
    if (this.kept !== undefined) this.kept.length = this.#count;
  }

  /** All rows; nothing may be added after. */
  bytes(): Uint8Array {
    if (this.#text !== '') this.#cut();
    return this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
  }

  #cut(): void {
    this.#chunks.push(Buffer.from(this.#text));
    this.#text = '';
  }
}
