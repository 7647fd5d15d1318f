/**
 * How fast the SST is: build, merge and point reads of a million entries with 12-byte keys and small values. Run alone
 * with `npx tsx bench/sst.ts`.
 */
import { pathToFileURL } from 'node:url';
import { KeyColumn } from '../lib/columns/key-column.ts';
import { ChangeColumns } from '../lib/log/change-columns.ts';
import { Block, FOUND } from '../lib/sst/block.ts';
import { BlockMerge } from '../lib/sst/block-merge.ts';
import { type BuiltSst, SstBuilder } from '../lib/sst/builder.ts';
import { plainBlock } from '../lib/sst/compression.ts';
import type { Entry, SstInfo } from '../lib/sst/entry.ts';
import type { PlainBlock } from '../lib/sst/scan.ts';
import { SstFilter } from '../lib/sst/sst-filter.ts';
import { SstIndex } from '../lib/sst/sst-index.ts';
import { sstBlocks, sstEntries } from '../lib/sst/verify.ts';
import { hashText } from '../lib/util/hash.ts';
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

/** Entries as a fold has them: side by side. */
function columnsOf(entries: readonly Entry[]): ChangeColumns {
  const columns = new ChangeColumns(entries.length * 40);
  for (const { key, value } of entries) columns.push(key, value);
  return columns;
}

function build({ keys, keyStarts, values, valueStarts, count }: ChangeColumns) {
  const builder = new SstBuilder({ id: 'bench' });
  const keyBytes = keys.view();
  const valueBytes = values.view();
  for (let i = 0; i < count; i++) {
    builder.addBytes(keyBytes, keyStarts[i]!, keyStarts[i + 1]!, valueBytes, valueStarts[i]!, valueStarts[i + 1]!);
  }
  return builder.finish();
}

async function merge(runs: readonly BuiltSst[]): Promise<BuiltSst> {
  const builder = new SstBuilder({ id: 'merged' });
  const merging = await BlockMerge.open(runs.map(({ info, body }) => asRun(info, body)));
  while (merging.entry !== undefined) {
    const { key, keyLength, bytes, deleted, valueStart, valueEnd } = merging.entry;
    builder.addBytes(key, 0, keyLength, deleted ? null : bytes, valueStart, valueEnd);
    if (!merging.advance()) await merging.refill();
  }
  return builder.finish();
}

/** Median of several runs' rates, per second of processor time. */
async function rate(count: number, run: () => unknown): Promise<number> {
  const rates: number[] = [];
  for (let i = 0; i <= REPEATS; i++) {
    const start = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(start);
    if (i > 0) rates.push((count / (user + system)) * 1e6);
  }
  return rates.sort((a, b) => a - b)[REPEATS >> 1]!;
}

async function* asRun(info: SstInfo, body: Uint8Array): AsyncGenerator<PlainBlock> {
  yield* sstBlocks(info, body);
}

/** Rates per second, bytes, and the filter's false positives as a share. */
export async function benchSst(): Promise<Record<string, number>> {
  const all = makeEntries(1, 1, 0);
  const columns = columnsOf(all);
  const { info, body } = build(columns);
  const buildRate = await rate(ENTRIES, () => build(columns));

  // One large run below three that each change a tenth: what a compaction of L0 into L1 meets.
  const runs = [
    build(columnsOf(makeEntries(2, 10, 0))),
    build(columnsOf(makeEntries(3, 10, 3))),
    build(columnsOf(makeEntries(4, 10, 6))),
    { info, body },
  ];
  const inputs = runs.reduce((sum, run) => sum + run.info.entries, 0);
  const scanRate = await rate(ENTRIES, () => {
    for (const _ of sstEntries(info, body));
  });
  const mergeRate = await rate(inputs, () => merge(runs));

  const part = body.subarray(info.indexOffset);
  const openRate = await rate(100, () => {
    for (let i = 0; i < 100; i++) SstIndex.decode(info, part);
  });
  const index = SstIndex.decode(info, part);
  const filter = SstFilter.decode(info, body.subarray(info.metaOffset, info.indexOffset));
  const random = seededRandom(5);
  const keys = KeyColumn.of(Array.from({ length: READS }, () => all[Math.floor(random.next() * ENTRIES)]!.key).sort());
  const search = new Block();
  const readAll = (blocks: Map<number, Uint8Array>): void => {
    let at = 0;
    for (let k = 0; k < READS; k++) {
      if (!filter.mayContain(keys.hashes[k]!)) throw new Error(`the filter denies ${keys.text(k)}`);
      at = index.findBlock(keys, k, at);
      let plain = blocks.get(at);
      if (plain === undefined) {
        const { offset, length } = index.block(at);
        plain = plainBlock(body.subarray(offset, offset + length), `block ${at}`);
        blocks.set(at, plain);
      }
      if (search.open(plain).find(keys, k) !== FOUND) throw new Error(`${keys.text(k)} is missing`);
    }
  };
  const coldRate = await rate(READS, () => readAll(new Map()));
  const plain = new Map<number, Uint8Array>();
  readAll(plain);
  const warmRate = await rate(READS, () => readAll(plain));

  let falsePositives = 0;
  for (let i = 0; i < 100_000; i++) {
    if (filter.mayContain(hashText(`u${String(i * 7 + 3).padStart(11, '0')}`))) falsePositives++;
  }
  return {
    'build, entries/s': buildRate,
    'scan, entries/s': scanRate,
    'merge 4 runs and build, entries/s': mergeRate,
    'open index, opens/s': openRate,
    'point read, blocks stored, reads/s': coldRate,
    'point read, blocks plain, reads/s': warmRate,
    'file, bytes/entry': info.size / ENTRIES,
    'index, share of the file': (info.size - info.indexOffset) / info.size,
    'filter, share of the file': (info.indexOffset - info.metaOffset) / info.size,
    'filter, false positives': falsePositives / 100_000,
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [name, value] of Object.entries(await benchSst())) {
    console.log(name.padEnd(40), value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(4));
  }
}
