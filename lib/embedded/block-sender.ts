/**
 * Collects blocks that have come, and sends them: each is decompressed straight to where it is sent from. Memory comes back when it is
 * read, so that none is made while all goes on as it did.
 */
import { checkStored, plainInto } from '../sst/compression.ts';
import { asBuffer } from '../util/bytes.ts';
import { type BlocksCame, FAILED, MOST_PIECES, PIECE_BYTES } from './block-messages.ts';

const NO_MEMORY = Buffer.from(new ArrayBuffer(0));

export class BlockSender {
  readonly #post: (message: BlocksCame) => void;
  readonly #kept: ArrayBuffer[] = [];
  /** What is sent next. */
  #piece: Buffer<ArrayBuffer> = NO_MEMORY;
  #used = 0;
  #numbers: number[] = [];

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
   * @param places of the blocks in it: where each begins and ends
   * @throws {CorruptionError} nothing of it is sent
   */
  add(id: number, hedges: number, object: string, body: Uint8Array, places: Float64Array): void {
    const stored = asBuffer(body);
    let length = 0;
    for (let i = 0; i < places.length; i += 2) length += checkStored(stored, places[i]!, places[i + 1]!, object);
    this.#makeRoom(length);
    let end = this.#used;
    const before = this.#numbers.length;
    this.#answer(id, hedges, places.length / 2);
    try {
      for (let i = 0; i < places.length; i += 2) {
        const more = plainInto(this.#piece, end, stored, places[i]!, places[i + 1]!, object);
        this.#numbers.push(more);
        end += more;
      }
    } catch (error) {
      this.#numbers.length = before;
      throw error;
    }
    this.#used = end;
  }

  addFailed(id: number, hedges: number): void {
    this.#answer(id, hedges, FAILED);
  }

  #answer(id: number, hedges: number, count: number): void {
    if (this.#numbers.length === 0) setImmediate(() => this.#send());
    this.#numbers.push(id, hedges, count);
  }

  #makeRoom(length: number): void {
    if (this.#used + length <= this.#piece.length) return;
    this.#send();
    const isUsual = length <= PIECE_BYTES;
    this.#piece = Buffer.from((isUsual && this.#kept.pop()) || new ArrayBuffer(Math.max(length, PIECE_BYTES)));
  }

  #send(): void {
    if (this.#numbers.length === 0) return;
    const memory = this.#used === 0 ? new ArrayBuffer(0) : this.#piece.buffer;
    this.#post({ kind: 'blocks', numbers: new Float64Array(this.#numbers), memory });
    this.#numbers = [];
    if (this.#used > 0) this.#piece = NO_MEMORY;
    this.#used = 0;
  }
}
