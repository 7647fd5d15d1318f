/**
 * Reads blocks in a thread of its own, so that requests, checksums and decompression take no time of the batch thread: with much state below
 * memory they are most of what a batch costs. Where the batch thread wants a row or two of a block, they are looked for there, too: a row is a fiftieth
 * of its block. The thread is begun when reading has turned out to be a habit; until it is ready, and
 * for what it fails with, the batch thread reads for itself. So nothing depends on it but time.
 */
import { Worker } from 'node:worker_threads';
import { KeyColumn } from '../columns/key-column.ts';
import type { StoreSpec } from '../object-store/store-spec.ts';
import type { BlockPlaces, BlockSource, BlocksRequest } from '../state/block-source.ts';
import { SearchedBlocks } from '../state/searched-blocks.ts';
import {
  type BlocksAsked,
  type BlocksCame,
  FAILED,
  type FromReader,
  MOST_PIECES,
  PIECE_BYTES,
  type ReaderSettings,
  WHOLE,
} from './block-messages.ts';
import { workerEntry } from './worker-entry.ts';

/** So many requests are made before there is a thread for them. */
const HABIT = 64;
/** What it makes is garbage when its request has come. */
const YOUNG_GENERATION_MB = 16;

export interface BlockReader extends BlockSource {
  close(): Promise<void>;
}

/**
 * @param own reads in this thread
 * @param onTrouble told once, when the thread has failed: from then on it is done without
 */
export function blockReader(
  spec: StoreSpec,
  own: BlockSource,
  onTrouble: (what: string, error: unknown) => void,
): BlockReader {
  return new ThreadReader(spec, own, onTrouble);
}

class ThreadReader implements BlockReader {
  readonly #spec: StoreSpec;
  readonly #own: BlockSource;
  readonly #onTrouble: (what: string, error: unknown) => void;
  readonly #waiting = new Map<number, BlocksRequest>();
  #worker: Worker | undefined;
  #isReady = false;
  #isOver = false;
  #reads = 0;
  /** Of this turn: see {@link BlocksAsked}. */
  #objects: string[] = [];
  #numbers: number[] = [];
  readonly #keys = new KeyColumn();
  #emptied: ArrayBuffer[] = [];

  constructor(spec: StoreSpec, own: BlockSource, onTrouble: (what: string, error: unknown) => void) {
    this.#spec = spec;
    this.#own = own;
    this.#onTrouble = onTrouble;
  }

  get searches(): boolean {
    return this.#isReady;
  }

  read(request: BlocksRequest): void {
    const id = ++this.#reads;
    if (id === HABIT && !this.#isOver) this.#begin();
    if (!this.#isReady) {
      this.#own.read(request);
      return;
    }
    this.#waiting.set(id, request);
    const { object, offset, length, blocks, first, last } = request;
    if (this.#numbers.length === 0) queueMicrotask(() => this.#send());
    // Requests for an object come one after the other, mostly.
    if (this.#objects.at(-1) !== object) this.#objects.push(object);
    this.#numbers.push(id, this.#objects.length - 1, offset, length, last - first);
    for (let i = first; i < last; i++) this.#pushBlock(blocks, i);
  }

  #pushBlock({ places, sought }: BlockPlaces, i: number): void {
    const keys = sought?.inBlock[i];
    this.#numbers.push(places[2 * i]!, places[2 * i + 1]!, keys?.length ?? WHOLE);
    if (keys !== undefined) for (const key of keys) this.#keys.pushFrom(sought!.keys, key);
  }

  async close(): Promise<void> {
    this.#end();
    await this.#worker?.terminate();
  }

  #begin(): void {
    const workerData: ReaderSettings = { spec: this.#spec };
    const worker = new Worker(workerEntry('block-worker'), {
      workerData,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.#worker = worker;
    worker.on('message', (message: FromReader) => {
      if (message.kind === 'blocks') this.#take(message);
      else this.#isReady = !this.#isOver;
    });
    worker.on('error', (error) => {
      if (!this.#isOver) this.#onTrouble('the thread that reads state has failed: it is read without', error);
      this.#end();
    });
    worker.on('exit', () => this.#end());
  }

  #send(): void {
    const emptied = this.#emptied;
    const keys = this.#keys;
    const starts = keys.starts.slice(0, keys.count + 1);
    const bytes = Uint8Array.prototype.slice.call(keys.bytes, 0, starts[keys.count]);
    const numbers = new Float64Array(this.#numbers);
    const asked: BlocksAsked = { objects: this.#objects, numbers, keys: { bytes, starts }, emptied };
    this.#objects = [];
    this.#numbers = [];
    this.#emptied = [];
    keys.truncate(0);
    if (this.#isReady) this.#worker!.postMessage(asked, emptied);
  }

  #take({ numbers, memory }: BlocksCame): void {
    const came = new SearchedBlocks(numbers, memory);
    while (!came.isOver) {
      const id = came.number();
      const hedges = came.number();
      const count = came.number();
      const request = this.#waiting.get(id);
      // Where the thread has come to its end meanwhile, it was read without.
      if (request === undefined) return;
      this.#waiting.delete(id);
      for (let i = 0; i < hedges; i++) request.hedged();
      if (count === FAILED) this.#own.read(request);
      else if (request.blocks.sought !== undefined) request.searched(came);
      else request.came(Array.from({ length: count }, () => came.block(0)!));
    }
    if (memory.byteLength === PIECE_BYTES && this.#emptied.length < MOST_PIECES) this.#emptied.push(memory);
  }

  /** What it was asked for is read in this thread. */
  #end(): void {
    this.#isReady = false;
    this.#isOver = true;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const request of waiting) this.#own.read(request);
  }
}
