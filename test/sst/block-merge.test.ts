import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BlockMerge } from '../../lib/sst/block-merge.ts';
import type { Entry } from '../../lib/sst/entry.ts';
import type { PlainBlock } from '../../lib/sst/scan.ts';
import { sstBlocks } from '../../lib/sst/verify.ts';
import { anyEntries, anyOptions, buildSst, bytes, newestOf, toldAll } from './make-sst.ts';

type Options = Parameters<typeof buildSst>[1];

/** The blocks of an SST of these entries. Notes that it was closed. */
async function* asRun(entries: readonly Entry[], options: Options, onClose = () => {}): AsyncGenerator<PlainBlock> {
  try {
    if (entries.length === 0) return;
    const { info, body } = buildSst(entries, options);
    yield* sstBlocks(info, body);
  } finally {
    onClose();
  }
}

async function collect(merge: BlockMerge): Promise<Entry[]> {
  const out: Entry[] = [];
  while (merge.entry !== undefined) {
    const { key, keyLength, deleted, bytes: from, valueStart, valueEnd } = merge.entry;
    const value = deleted ? null : new Uint8Array(from.subarray(valueStart, valueEnd));
    out.push({ key: key.toString('latin1', 0, keyLength), value });
    if (!merge.advance()) await merge.refill();
  }
  return out;
}

const numbered = (from: number, count: number, step: number, value: string): Entry[] =>
  Array.from({ length: count }, (_, i) => ({ key: String(from + i * step).padStart(6, '0'), value: bytes(value) }));

describe('merging blocks', () => {
  test('the newest change of each key comes once, in order, tombstones too, whatever the blocks', async () => {
    const anyRuns = fc.array(fc.tuple(anyEntries(0, 40), anyOptions), { maxLength: 9 });
    await fc.assert(
      fc.asyncProperty(anyRuns, async (runs) => {
        const merge = await BlockMerge.open(runs.map(([entries, options]) => asRun(entries, options)));
        const expected = newestOf(
          runs.map(([entries]) => entries),
          false,
        );
        expect(toldAll(await collect(merge))).toEqual(toldAll(expected));
      }),
      { numRuns: 300 },
    );
  });

  test('runs that overlap fully give one entry a key, the newest', async () => {
    const runs = ['new', 'old', 'older'].map((value) => numbered(0, 5000, 1, value));
    const merge = await BlockMerge.open(runs.map((run, i) => asRun(run, { blockBytes: 300 + 50 * i })));
    expect(toldAll(await collect(merge))).toEqual(toldAll(runs[0]!));
  });

  test('a block is asked for when the one before is used up, and no sooner', async () => {
    const run = numbered(0, 1000, 1, 'value');
    let asked = 0;
    async function* counted(): AsyncGenerator<PlainBlock> {
      for await (const block of asRun(run, { blockBytes: 400 })) {
        asked++;
        yield block;
      }
    }
    const merge = await BlockMerge.open([counted(), asRun(numbered(990, 5, 1, 'x'), {})]);
    expect(asked).toBe(1);
    while (merge.advance());
    expect(asked).toBe(1);
    await merge.refill();
    expect(asked).toBe(2);
    await merge.close();
  });

  test('closing it closes every run, read to its end or not', async () => {
    let closed = 0;
    const runs = [1000, 3, 0].map((count) => asRun(numbered(0, count, 1, 'v'), { blockBytes: 400 }, () => closed++));
    const merge = await BlockMerge.open(runs);
    for (let i = 0; i < 10; i++) if (!merge.advance()) await merge.refill();
    await merge.close();
    expect(closed).toBe(3);
  });

  test('a run that fails at its first block fails the merge, and the others are closed', async () => {
    let closed = 0;
    async function* failing(): AsyncGenerator<PlainBlock> {
      yield* [];
      throw new Error('block 0 is corrupted');
    }
    const opening = BlockMerge.open([asRun(numbered(0, 9, 1, 'v'), {}, () => closed++), failing()]);
    await expect(opening).rejects.toThrow('block 0 is corrupted');
    expect(closed).toBe(1);
  });

  test('a run that fails later fails where its block is asked for', async () => {
    async function* failing(): AsyncGenerator<PlainBlock> {
      for await (const block of asRun(numbered(0, 9, 1, 'v'), {})) yield block;
      throw new Error('block 1 is corrupted');
    }
    const merge = await BlockMerge.open([failing(), asRun(numbered(5, 9, 1, 'w'), {})]);
    await expect(collect(merge)).rejects.toThrow('block 1 is corrupted');
    await merge.close();
  });
});
