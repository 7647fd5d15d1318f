/**
 * The thread that reads blocks: it opens the store for itself, and asks, checks and decompresses for the batch thread. What comes in one
 * turn of the event loop goes back in one message, or in several where it is much.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { HedgedReads, type RangeReads } from '../object-store/hedged-reads.ts';
import type { GetResult } from '../object-store/object-store.ts';
import { openStore } from '../object-store/store-spec.ts';
import { wholeRange } from '../state/sst-files.ts';
import { systemClock } from '../util/clock.ts';
import { systemRandom } from '../util/random.ts';
import { ASKED_HEAD, type BlocksAsked, type FromReader, type ReaderSettings } from './block-messages.ts';
import { BlockSender } from './block-sender.ts';

const port = parentPort!;
const { spec } = workerData as ReaderSettings;
const sender = new BlockSender((message) => port.postMessage(message satisfies FromReader, [message.memory]));

/** A request: its numbers are those of the message that it came with, from `at` on. */
class Request {
  readonly #object: string;
  readonly #numbers: Float64Array;
  readonly #at: number;
  #hedges = 0;

  constructor(object: string, numbers: Float64Array, at: number) {
    this.#object = object;
    this.#numbers = numbers;
    this.#at = at;
  }

  read(store: RangeReads): void {
    const range = { offset: this.#numbers[this.#at + 2]!, length: this.#numbers[this.#at + 3]! };
    const onHedge = (): void => void this.#hedges++;
    store.get(this.#object, { range, onHedge }).then(
      (answer) => this.#came(answer),
      () => this.#failed(),
    );
  }

  #came(answer: GetResult): void {
    const numbers = this.#numbers;
    const at = this.#at;
    const offset = numbers[at + 2]!;
    const places = numbers.subarray(at + ASKED_HEAD, at + ASKED_HEAD + 2 * numbers[at + 4]!);
    // Where each begins and ends in what has come.
    for (let i = 0; i < places.length; i += 2) {
      places[i]! -= offset;
      places[i + 1]! += places[i]!;
    }
    try {
      const body = wholeRange(this.#object, answer, numbers[at + 3]!);
      sender.add(numbers[at]!, this.#hedges, this.#object, body, places);
    } catch {
      this.#failed();
    }
  }

  /** The batch thread asks again for itself, and so learns what is wrong. */
  #failed(): void {
    sender.addFailed(this.#numbers[this.#at]!, this.#hedges);
  }
}

const store = await openStore(spec, { clock: systemClock, random: systemRandom, blockingReads: true });
const reads = HedgedReads.of(store, systemClock);
port.on('message', ({ objects, numbers, emptied }: BlocksAsked) => {
  for (const memory of emptied) sender.takeBack(memory);
  for (let at = 0; at < numbers.length; at += ASKED_HEAD + 2 * numbers[at + 4]!) {
    new Request(objects[numbers[at + 1]!]!, numbers, at).read(reads);
  }
});
port.postMessage({ kind: 'ready' } satisfies FromReader);
