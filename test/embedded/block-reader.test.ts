/** The thread that reads blocks gives what the store gives, or leaves it to the batch thread. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeyColumn } from '../../lib/columns/key-column.ts';
import { type BlockReader, blockReader } from '../../lib/embedded/block-reader.ts';
import { CorruptionError } from '../../lib/errors.ts';
import { openStore, type StoreSpec } from '../../lib/object-store/store-spec.ts';
import { Block, FOUND } from '../../lib/sst/block.ts';
import { SstBuilder } from '../../lib/sst/builder.ts';
import { SstIndex } from '../../lib/sst/sst-index.ts';
import { type BlockSource, type BlocksWanted, blocksOf } from '../../lib/state/block-source.ts';
import { MissingSstError } from '../../lib/state/sst-files.ts';
import { systemClock as clock } from '../../lib/util/clock.ts';
import { systemRandom as random } from '../../lib/util/random.ts';

const OBJECT = 'job/s0/sst/one';

const ENTRIES = 20_000;
const keyOf = (i: number): string => `key ${i.toFixed(2).padStart(11, '0')}`;

let index: SstIndex;
let directory: string;
let spec: StoreSpec;
let own: BlockSource & { reads: number };
let all: BlocksWanted[];
let reader: BlockReader;
let troubles: string[];

beforeEach(async () => {
  directory = mkdtempSync(path.join(tmpdir(), 'misa-reader-'));
  spec = { kind: 'directory', path: directory };
  const store = await openStore(spec, { clock, random });
  const builder = new SstBuilder({ id: 'one', compression: 'lz4' });
  for (let i = 0; i < ENTRIES; i++) builder.add(keyOf(i), i % 5 === 0 ? null : Buffer.from(`value ${i * 7}`));
  const { info, body } = builder.finish();
  await store.create(OBJECT, body);
  index = SstIndex.decode(info, body.subarray(info.indexOffset));
  all = Array.from({ length: index.blockCount - 1 }, (_, number) => ({
    object: OBJECT,
    ...index.span(number, number + 2),
    blocks: {
      numbers: [number, number + 1],
      places: Float64Array.of(...[number, number + 1].flatMap((i) => [index.block(i).offset, index.block(i).length])),
    },
    first: 0,
    last: 2,
  }));
  const inner = blocksOf(store);
  own = {
    reads: 0,
    searches: false,
    read(request) {
      own.reads++;
      inner.read(request);
    },
  };
  troubles = [];
});

afterEach(async () => {
  await reader.close();
  rmSync(directory, { recursive: true });
});

/** Copies of the blocks that a source gives. */
function readFrom(source: BlockSource, wanted: BlocksWanted): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    const came = (plain: readonly Uint8Array[]): void => resolve(plain.map((block) => Buffer.from(block)));
    const searched = (): void => reject(new Error('nothing was looked for'));
    source.read({ ...wanted, came, searched, failed: reject, hedged() {} });
  });
}

const keys = KeyColumn.of(Array.from({ length: 3 * ENTRIES }, (_, i) => keyOf(i / 3)));

/** What blocks say of keys, each as it comes: a third of the keys is there. Of every fourth block the block is wanted. */
function searchIn(source: BlockSource, wanted: BlocksWanted, keysIn: (block: number) => number[]): Promise<string[]> {
  const inBlock = wanted.blocks.numbers.map((block) => (block % 4 === 0 ? undefined : keysIn(block)));
  const { numbers } = wanted.blocks;
  return new Promise((resolve, reject) => {
    source.read({
      ...wanted,
      blocks: { ...wanted.blocks, sought: { keys, inBlock } },
      came: (plain) => resolve(plain.flatMap((bytes, i) => said(bytes, keysIn(numbers[i]!)))),
      searched: (found) =>
        resolve(
          inBlock.flatMap((sought, i) => {
            const plain = found.block(sought?.length ?? 0);
            if (plain !== undefined) return said(plain, keysIn(numbers[i]!));
            return sought!.map(() => textOf(found.row(), found));
          }),
        ),
      failed: reject,
      hedged() {},
    });
  });
}

function said(plain: Uint8Array, sought: readonly number[]): string[] {
  const block = new Block().open(plain);
  return sought.map((key) => textOf(block.find(keys, key), block));
}

function textOf(found: number, { bytes, valueStart, valueEnd }: Pick<Block, 'bytes' | 'valueStart' | 'valueEnd'>) {
  return found === FOUND ? bytes.toString('latin1', valueStart, valueEnd) : String(found);
}

/** Reads until the thread has taken over. */
async function untilThreaded(): Promise<void> {
  for (let before = -1; before !== own.reads; await clock.sleep(5)) {
    before = own.reads;
    await readFrom(reader, all[0]!);
    if (own.reads < 70) before = -1;
  }
}

describe('blocks that are read in a thread', () => {
  it('are those of the store, whoever reads them', async () => {
    reader = blockReader(spec, own, (what) => troubles.push(what));
    const expected = await Promise.all(all.map((wanted) => readFrom(own, wanted)));
    await untilThreaded();
    const before = own.reads;
    const found = await Promise.all(all.map((wanted) => readFrom(reader, wanted)));
    expect(own.reads).toBe(before);
    expect(found).toEqual(expected);
    expect(troubles).toEqual([]);
  });

  it('are searched there, and what they say is the same, whatever fails and whenever it ends', async () => {
    reader = blockReader(spec, own, (what) => troubles.push(what));
    expect(reader.searches).toBe(false);
    const byBlock = new Map<number, number[]>();
    for (let i = 0; i < keys.count; i += 7) {
      const block = index.findBlock(keys, i, -1);
      if (block >= 0) byBlock.set(block, [...(byBlock.get(block) ?? []), i]);
    }
    const keysIn = (block: number): number[] => byBlock.get(block) ?? [];
    const expected = await Promise.all(all.map((wanted) => searchIn(own, wanted, keysIn)));
    expect(new Set(expected.flat().map((text) => text.slice(0, 1)))).toEqual(new Set(['v', '0', '1']));
    await untilThreaded();
    expect(reader.searches).toBe(true);
    const before = own.reads;
    expect(await Promise.all(all.map((wanted) => searchIn(reader, wanted, keysIn)))).toEqual(expected);
    expect(own.reads).toBe(before);
    const [missing, damaged] = await Promise.allSettled([
      searchIn(reader, { ...all[0]!, object: 'job/s0/sst/none' }, keysIn),
      searchIn(reader, { ...all[0]!, length: all[0]!.length - 1 }, keysIn),
    ]);
    expect(missing).toMatchObject({ status: 'rejected', reason: expect.any(MissingSstError) });
    expect(damaged).toMatchObject({ status: 'rejected', reason: expect.any(CorruptionError) });
    const underWay = all.map((wanted) => searchIn(reader, wanted, keysIn));
    await new Promise(setImmediate);
    const closed = reader.close();
    expect(reader.searches).toBe(false);
    underWay.push(...all.map((wanted) => searchIn(reader, wanted, keysIn)));
    expect(await Promise.all(underWay)).toEqual([...expected, ...expected]);
    await closed;
    expect(troubles).toEqual([]);
  });

  it('what the thread cannot read fails as it does without it, and the rest goes on', async () => {
    reader = blockReader(spec, own, (what) => troubles.push(what));
    await untilThreaded();
    const first = all[0]!;
    const [missing, damaged, right] = await Promise.allSettled([
      readFrom(reader, { ...first, object: 'job/s0/sst/none' }),
      readFrom(reader, {
        ...first,
        blocks: { ...first.blocks, places: first.blocks.places.map((n, i) => n - (i % 2)) },
      }),
      readFrom(reader, first),
    ]);
    expect(missing).toMatchObject({ status: 'rejected', reason: expect.any(MissingSstError) });
    expect(damaged).toMatchObject({ status: 'rejected', reason: expect.any(CorruptionError) });
    expect(right.status).toBe('fulfilled');
  });

  it('a thread that cannot begin is done without, and that is told once', async () => {
    const broken: StoreSpec = { kind: 'directory', path: path.join(directory, OBJECT) };
    reader = blockReader(broken, own, (what) => troubles.push(what));
    while (troubles.length === 0) {
      await readFrom(reader, all[0]!);
      await clock.sleep(5);
    }
    const found = await readFrom(reader, all[1]!);
    expect(found).toHaveLength(2);
    expect(troubles).toHaveLength(1);
  });

  it('what is under way when it is closed comes all the same', async () => {
    reader = blockReader(spec, own, (what) => troubles.push(what));
    await untilThreaded();
    const reading = all.slice(0, 50).map((wanted) => readFrom(reader, wanted));
    await reader.close();
    expect((await Promise.all(reading)).every((blocks) => blocks.length === 2)).toBe(true);
    expect(troubles).toEqual([]);
  });
});
