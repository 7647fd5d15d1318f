/**
 * Reads blocks in a thread of its own, so that requests, checksums and decompression take no time of the batch thread: with much state below
 * memory they are most of what a batch costs. The thread is begun when reading has turned out to be a habit; until it is ready, and
 * for what it fails with, the batch thread reads for itself. So nothing depends on it but time.
 */
import { Worker } from 'node:worker_threads';
import type { StoreSpec } from '../object-store/store-spec.ts';
import type { BlockSource, BlocksWanted } from '../state/block-source.ts';
import type { BlocksCame, FromReader, ReadCall, ReaderSettings } from './block-messages.ts';
import { workerEntry } from './worker-entry.ts';

/** So many requests are made before there is a thread for them. */
const HABIT = 64;
/** What it makes is garbage at once. */
const YOUNG_GENERATION_MB = 48;

interface Waiting {
  readonly wanted: BlocksWanted;
  readonly onHedge: (() => void) | undefined;
  readonly resolve: (blocks: readonly Uint8Array[] | Promise<readonly Uint8Array[]>) => void;
}

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
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #isReady = false;
  #isOver = false;
  #reads = 0;
  /** Of this turn. */
  #calls: ReadCall[] = [];

  constructor(spec: StoreSpec, own: BlockSource, onTrouble: (what: string, error: unknown) => void) {
    this.#spec = spec;
    this.#own = own;
    this.#onTrouble = onTrouble;
  }

  read(wanted: BlocksWanted, onHedge?: () => void): Promise<readonly Uint8Array[]> {
    const id = ++this.#reads;
    if (id === HABIT && !this.#isOver) this.#begin();
    if (!this.#isReady) return this.#own.read(wanted, onHedge);
    return new Promise((resolve) => {
      this.#waiting.set(id, { wanted, onHedge, resolve });
      if (this.#calls.push({ id, wanted }) === 1) queueMicrotask(() => this.#send());
    });
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
    const calls = this.#calls;
    this.#calls = [];
    if (this.#isReady) this.#worker!.postMessage(calls);
  }

  #take({ ids, lengths, hedges, bytes }: BlocksCame): void {
    let at = 0;
    for (const [i, id] of ids.entries()) {
      const { wanted, onHedge, resolve } = this.#waiting.get(id)!;
      this.#waiting.delete(id);
      for (let h = hedges[i]!; h > 0; h--) onHedge?.();
      const blocks = lengths[i]?.map((length) => {
        at += length;
        return bytes.subarray(at - length, at);
      });
      resolve(blocks ?? this.#own.read(wanted, onHedge));
    }
  }

  /** What it was asked for is read in this thread. */
  #end(): void {
    this.#isReady = false;
    this.#isOver = true;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { wanted, onHedge, resolve } of waiting) resolve(this.#own.read(wanted, onHedge));
  }
}
