/**
 * How fast the SST is: build, merge and point reads of a million entries with 12-byte keys and small values. Run alone
 * with `npx tsx bench/sst.ts`.
 */
import { pathToFileURL } from 'node:url';
import { type Block, decodeBlock } from '../lib/sst/block.ts';
import { SstBuilder } from '../lib/sst/builder.ts';
import type { Entry } from '../lib/sst/entry.ts';
import { mergeRuns } from '../lib/sst/merge.ts';
import { SstIndex } from '../lib/sst/sst-index.ts';
import { sstEntries } from '../lib/sst/verify.ts';
import { hashKey } from '../lib/util/bloom.ts';
import { seededRandom } from '../lib/util/random.ts';

const ENTRIES = 1_000_000;
const READS = 20_000;
const REPEATS = 5;

/** Keys of 12 bytes and values of 8 to 20, shaped like msgpack of a few counters: about half of each is random. */
function makeEntries(seed: number, every: number, offset: number): Entry[] {
  const random = seededRandom(seed);
  const entries: Entry[] = [];
  for (let i = offset; i < ENTRIES; i += every) {
    const value = Buffer.alloc(8 + Math.floor(random.next() * 13));
    value.set([0x93, 0xcd, random.next() * 256, random.next() * 256, 0xcb, 0x40]);
    value.writeUInt16LE(Math.floor(random.next() * 65536), 6);
    entries.push({ key: `u${String(i * 7).padStart(11, '0')}`, value });
  }
  return entries;
}

function build(entries: readonly Entry[]) {
  const builder = new SstBuilder({ id: 'bench' });
  for (const { key, value } of entries) builder.add(key, value);
  return builder.finish();
}

/** Median of several runs' rates, per second. */
async function rate(count: number, run: () => unknown): Promise<number> {
  const rates: number[] = [];
  for (let i = 0; i <= REPEATS; i++) {
    const start = performance.now();
    await run();
    if (i > 0) rates.push((count / (performance.now() - start)) * 1000);
  }
  return rates.sort((a, b) => a - b)[REPEATS >> 1]!;
}

async function* asRun(info: Parameters<typeof sstEntries>[0], body: Uint8Array): AsyncGenerator<Entry[]> {
  yield* sstEntries(info, body);
}

/** Rates per second, bytes, and the filter's false positives as a share. */
export async function benchSst(): Promise<Record<string, number>> {
  const all = makeEntries(1, 1, 0);
  const { info, body } = build(all);
  const buildRate = await rate(ENTRIES, () => build(all));

  // One large run below three that each change a tenth: what a compaction of L0 into L1 meets.
  const runs = [
    build(makeEntries(2, 10, 0)),
    build(makeEntries(3, 10, 3)),
    build(makeEntries(4, 10, 6)),
    { info, body },
  ];
  const inputs = runs.reduce((sum, run) => sum + run.info.entries, 0);
  const scanRate = await rate(ENTRIES, () => {
    for (const _ of sstEntries(info, body));
  });
  const mergeRate = await rate(inputs, async () => {
    const builder = new SstBuilder({ id: 'merged' });
    const sources = runs.map((run) => asRun(run.info, run.body));
    for await (const chunk of mergeRuns(sources, { dropTombstones: false })) {
      for (const { key, value } of chunk) builder.add(key, value);
    }
    builder.finish();
  });

  const meta = body.subarray(info.metaOffset);
  const openRate = await rate(100, () => {
    for (let i = 0; i < 100; i++) SstIndex.decode(info, meta);
  });
  const index = SstIndex.decode(info, meta);
  const random = seededRandom(5);
  const keys = Array.from({ length: READS }, () => all[Math.floor(random.next() * ENTRIES)]!.key).sort();
  const readAll = (blocks: Map<number, Block>): void => {
    for (const key of keys) {
      if (!index.mayContain(key)) throw new Error(`the filter denies ${key}`);
      const i = index.findBlock(key);
      let block = blocks.get(i);
      if (block === undefined) {
        const { offset, length } = index.block(i);
        block = decodeBlock(body.subarray(offset, offset + length), `block ${i}`);
        blocks.set(i, block);
      }
      if (block.get(key) === undefined) throw new Error(`${key} is missing`);
    }
  };
  const coldRate = await rate(READS, () => readAll(new Map()));
  const decoded = new Map<number, Block>();
  readAll(decoded);
  const warmRate = await rate(READS, () => readAll(decoded));

  let falsePositives = 0;
  for (let i = 0; i < 100_000; i++) {
    const key = `u${String(i * 7 + 3).padStart(11, '0')}`;
    if (index.mayContain(key, hashKey(key))) falsePositives++;
  }
  return {
    'build, entries/s': buildRate,
    'scan, entries/s': scanRate,
    'merge 4 runs and build, entries/s': mergeRate,
    'open index, opens/s': openRate,
    'point read, blocks stored, reads/s': coldRate,
    'point read, blocks decoded, reads/s': warmRate,
    'file, bytes/entry': info.size / ENTRIES,
    'index and filter, share of the file': (info.size - info.metaOffset) / info.size,
    'filter, false positives': falsePositives / 100_000,
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [name, value] of Object.entries(await benchSst())) {
    console.log(name.padEnd(40), value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(4));
  }
}
