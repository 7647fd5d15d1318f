/**
 * Collects blocks that have come, and sends them, or what was looked for in them. Memory that was sent comes back when it is read, so that none
 * is made while all goes on as it did.
 */
import { ABSENT, Block, DELETED, type KeyBytes } from '../sst/block.ts';
import { checkStored, plainChecked } from '../sst/compression.ts';
import { ROW_ABSENT, ROW_DELETED, ROWS } from '../state/searched-blocks.ts';
import { asBuffer } from '../util/bytes.ts';
import { ASKED_BLOCK, type BlocksCame, FAILED, MOST_PIECES, PIECE_BYTES, WHOLE } from './block-messages.ts';

const NO_MEMORY = Buffer.from(new ArrayBuffer(0));

/** A request, as far as it matters here. */
export interface BlocksSought {
  readonly id: number;
  readonly object: string;
  /** Of the object, where the bytes that come begin. */
  readonly offset: number;
  /** How often the store was asked once more. */
  readonly hedges: number;
  /** From `blocksAt` on, of so many blocks: offset, length, and how many keys, or {@link WHOLE}. */
  readonly numbers: Float64Array;
  readonly blocksAt: number;
  readonly count: number;
  /** What is looked for, from `firstKey` on, in the order of the blocks. */
  readonly keys: KeyBytes;
  readonly firstKey: number;
}

export class BlockSender {
  readonly #post: (message: BlocksCame) => void;
  readonly #kept: ArrayBuffer[] = [];
  readonly #block = new Block();
  /** What is sent next, as far as it is used. */
  #piece: Buffer<ArrayBuffer> = NO_MEMORY;
  #used = 0;
  #numbers: number[] = [];
  /** The answer that is being made: its numbers, and where its bytes end, which begin where others' do. */
  readonly #answer: number[] = [];
  #end = 0;

  /** @param post its memory is handed over */
  constructor(post: (message: BlocksCame) => void) {
    this.#post = post;
  }

  /** Memory that was sent and is read. */
  takeBack(memory: ArrayBuffer): void {
    if (this.#kept.length < MOST_PIECES) this.#kept.push(memory);
  }

  /**
   * The answer to a request.
   * @param body what the store gave
   * @throws {CorruptionError} nothing of it is sent
   */
  add(request: BlocksSought, body: Uint8Array): void {
    const { numbers, blocksAt, count, keys, offset, object } = request;
    const stored = asBuffer(body);
    const lengths = this.#check(request, stored);
    let key = request.firstKey;
    for (let i = 0; i < count; i++) {
      const at = blocksAt + ASKED_BLOCK * i;
      const from = numbers[at]! - offset;
      const to = from + numbers[at + 1]!;
      const length = lengths[i]!;
      const sought = numbers[at + 2]!;
      const plain = plainChecked(stored, from, to, object);
      if (sought === WHOLE) {
        // Values before it have taken of the room that there was.
        this.#makeRoom(length);
        this.#piece.set(plain, this.#end);
        this.#answer.push(length);
        this.#end += length;
        continue;
      }
      this.#block.open(plain, object);
      this.#answer.push(ROWS);
      for (const last = key + sought; key < last; key++) this.#search(keys, key);
    }
    this.#added(request, count);
    for (const number of this.#answer) this.#numbers.push(number);
    this.#used = this.#end;
  }

  addFailed(request: BlocksSought): void {
    this.#added(request, FAILED);
  }

  #added({ id, hedges }: BlocksSought, count: number): void {
    if (this.#numbers.length === 0) setImmediate(() => this.#flush());
    this.#numbers.push(id, hedges, count);
  }

  /** Begins an answer, with room for the blocks that are wanted themselves. @returns plain lengths, by block @throws {CorruptionError} */
  #check({ numbers, blocksAt, count, offset, object }: BlocksSought, stored: Buffer): number[] {
    this.#answer.length = 0;
    this.#end = this.#used;
    const lengths: number[] = [];
    let whole = 0;
    for (let i = 0; i < count; i++) {
      const at = blocksAt + ASKED_BLOCK * i;
      const from = numbers[at]! - offset;
      const length = checkStored(stored, from, from + numbers[at + 1]!, object);
      lengths.push(length);
      if (numbers[at + 2] === WHOLE) whole += length;
    }
    this.#makeRoom(whole);
    return lengths;
  }

  /** Adds what the block says of a key. @throws {CorruptionError} */
  #search(keys: KeyBytes, key: number): void {
    const block = this.#block;
    const found = block.find(keys, key);
    if (found === ABSENT || found === DELETED) {
      this.#answer.push(found === ABSENT ? ROW_ABSENT : ROW_DELETED);
      return;
    }
    const length = block.valueEnd - block.valueStart;
    this.#makeRoom(length);
    block.bytes.copy(this.#piece, this.#end, block.valueStart, block.valueEnd);
    this.#answer.push(length);
    this.#end += length;
  }

  /** For so many bytes more of the answer that is being made. What was complete before it is sent where the piece has no room. */
  #makeRoom(length: number): void {
    if (this.#end + length <= this.#piece.length) return;
    const old = this.#piece;
    const begun = old.subarray(this.#used, this.#end);
    const needed = begun.length + length;
    const piece = needed <= PIECE_BYTES ? (this.#kept.pop() ?? new ArrayBuffer(PIECE_BYTES)) : undefined;
    this.#piece = Buffer.from(piece ?? new ArrayBuffer(needed + PIECE_BYTES));
    this.#piece.set(begun);
    this.#end = begun.length;
    // Answers that have no bytes lie in any piece.
    if (this.#used > 0) this.#send(old.buffer);
    else if (old.length === PIECE_BYTES) this.takeBack(old.buffer);
    this.#used = 0;
  }

  #flush(): void {
    if (this.#numbers.length === 0) return;
    if (this.#used === 0) {
      this.#send(new ArrayBuffer(0));
      return;
    }
    this.#send(this.#piece.buffer);
    this.#piece = NO_MEMORY;
    this.#used = 0;
  }

  #send(memory: ArrayBuffer): void {
    this.#post({ kind: 'blocks', numbers: new Float64Array(this.#numbers), memory });
    this.#numbers = [];
  }
}
