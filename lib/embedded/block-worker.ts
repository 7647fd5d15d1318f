/**
 * The thread that reads blocks: it opens the store for itself, and asks, checks and decompresses for the batch thread. What comes in one
 * turn of the event loop goes back in one message, in one piece of memory that is handed over.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { HedgedReads } from '../object-store/hedged-reads.ts';
import { openStore } from '../object-store/store-spec.ts';
import { type BlockSource, blocksOf } from '../state/block-source.ts';
import { systemClock } from '../util/clock.ts';
import { systemRandom } from '../util/random.ts';
import type { FromReader, ReadCall, ReadCalls, ReaderSettings } from './block-messages.ts';

const port = parentPort!;
const { spec } = workerData as ReaderSettings;

interface Come {
  readonly id: number;
  readonly blocks: readonly Uint8Array[] | undefined;
  readonly hedges: number;
}

let come: Come[] = [];

function add(one: Come): void {
  if (come.push(one) === 1) setImmediate(send);
}

function send(): void {
  const all = come;
  come = [];
  let length = 0;
  for (const { blocks = [] } of all) for (const block of blocks) length += block.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const { blocks = [] } of all) {
    for (const block of blocks) {
      bytes.set(block, at);
      at += block.length;
    }
  }
  const ids = all.map(({ id }) => id);
  const lengths = all.map(({ blocks }) => blocks?.map((block) => block.length));
  const hedges = all.map((one) => one.hedges);
  const message: FromReader = { kind: 'blocks', ids, lengths, hedges, bytes };
  port.postMessage(message, [bytes.buffer]);
}

async function read(source: BlockSource, { id, wanted }: ReadCall): Promise<void> {
  // The batch thread asks again for itself, and so learns what is wrong.
  let hedges = 0;
  const onHedge = (): void => void hedges++;
  const blocks = await source.read(wanted, onHedge).catch(() => undefined);
  add({ id, blocks, hedges });
}

const store = await openStore(spec, { clock: systemClock, random: systemRandom, blockingReads: true });
const source = blocksOf(HedgedReads.of(store, systemClock));
port.on('message', (calls: ReadCalls) => {
  for (const call of calls) void read(source, call);
});
port.postMessage({ kind: 'ready' } satisfies FromReader);
