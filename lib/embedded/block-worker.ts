/**
 * The thread that reads blocks: it opens the store for itself, and asks, checks, decompresses and searches for the batch thread. What comes in one
 * turn of the event loop goes back in one message, or in several where it is much.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { HedgedReads, type RangeReads } from '../object-store/hedged-reads.ts';
import type { GetResult } from '../object-store/object-store.ts';
import { openStore } from '../object-store/store-spec.ts';
import type { KeyBytes } from '../sst/block.ts';
import { wholeRange } from '../state/sst-files.ts';
import { systemClock } from '../util/clock.ts';
import { systemRandom } from '../util/random.ts';
import { ASKED_BLOCK, ASKED_HEAD, type BlocksAsked, type FromReader, type ReaderSettings } from './block-messages.ts';
import { BlockSender, type BlocksSought } from './block-sender.ts';

const port = parentPort!;
const { spec } = workerData as ReaderSettings;
const sender = new BlockSender((message) => port.postMessage(message satisfies FromReader, [message.memory]));

/** A request: its numbers are those of the message that it came with, from `at` on. */
class Request implements BlocksSought {
  readonly object: string;
  readonly id: number;
  readonly numbers: Float64Array;
  readonly blocksAt: number;
  readonly count: number;
  readonly offset: number;
  readonly keys: KeyBytes;
  readonly firstKey: number;
  hedges = 0;
  readonly #length: number;

  constructor({ objects, numbers, keys }: BlocksAsked, at: number, firstKey: number) {
    this.id = numbers[at]!;
    this.object = objects[numbers[at + 1]!]!;
    this.offset = numbers[at + 2]!;
    this.#length = numbers[at + 3]!;
    this.count = numbers[at + 4]!;
    this.numbers = numbers;
    this.blocksAt = at + ASKED_HEAD;
    this.keys = keys;
    this.firstKey = firstKey;
  }

  /** Where the numbers of the next request begin. */
  get end(): number {
    return this.blocksAt + ASKED_BLOCK * this.count;
  }

  /** The first key of the next request. */
  get endKey(): number {
    let key = this.firstKey;
    for (let at = this.blocksAt; at < this.end; at += ASKED_BLOCK) key += Math.max(0, this.numbers[at + 2]!);
    return key;
  }

  read(store: RangeReads): void {
    const range = { offset: this.offset, length: this.#length };
    store.get(this.object, { range, onHedge: () => void this.hedges++ }).then(
      (answer) => this.#came(answer),
      () => sender.addFailed(this),
    );
  }

  #came(answer: GetResult): void {
    try {
      sender.add(this, wholeRange(this.object, answer, this.#length));
    } catch {
      // The batch thread asks again for itself, and so learns what is wrong.
      sender.addFailed(this);
    }
  }
}

const store = await openStore(spec, { clock: systemClock, random: systemRandom, blockingReads: true });
const reads = HedgedReads.of(store, systemClock);
port.on('message', (asked: BlocksAsked) => {
  for (const memory of asked.emptied) sender.takeBack(memory);
  let firstKey = 0;
  for (let at = 0; at < asked.numbers.length; ) {
    const request = new Request(asked, at, firstKey);
    at = request.end;
    firstKey = request.endKey;
    request.read(reads);
  }
});
port.postMessage({ kind: 'ready' } satisfies FromReader);
