import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Entry } from '../../lib/sst/entry.ts';
import { mergeRuns } from '../../lib/sst/merge.ts';
import { anyEntries, bytes, newestOf, toldAll } from './make-sst.ts';

/** A run in chunks of the sizes given, in turn (0: an empty chunk). Notes that it was closed. */
async function* inChunks(entries: readonly Entry[], sizes: readonly number[], onClose = () => {}) {
  try {
    for (let at = 0, i = 0; at < entries.length; i++) {
      const size = i > 50 ? 10 : sizes[i % sizes.length]!;
      yield entries.slice(at, at + size);
      at += size;
    }
  } finally {
    onClose();
  }
}

async function collect(chunks: AsyncIterable<Entry[]>): Promise<Entry[]> {
  const out: Entry[] = [];
  for await (const chunk of chunks) out.push(...chunk);
  return out;
}

const anyRuns = fc.array(anyEntries(0, 40), { maxLength: 7 });
const anySizes = fc.array(fc.nat(9), { minLength: 1, maxLength: 5 });

describe('merging', () => {
  test('the newest change of each key wins, whatever the chunks', async () => {
    await fc.assert(
      fc.asyncProperty(anyRuns, anySizes, fc.boolean(), async (runs, sizes, dropTombstones) => {
        const expected = toldAll(newestOf(runs, dropTombstones));
        const chunked = runs.map((run) => inChunks(run, sizes));
        expect(toldAll(await collect(mergeRuns(chunked, { dropTombstones })))).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  test('runs that overlap fully give one entry a key', async () => {
    const run = (name: string) =>
      Array.from({ length: 20_000 }, (_, i) => ({ key: String(i).padStart(6, '0'), value: bytes(`${name}${i}`) }));
    const runs = [run('new'), run('old'), run('older')];
    const chunked = runs.map((r, i) => inChunks(r, [1000 + i]));
    expect(toldAll(await collect(mergeRuns(chunked, { dropTombstones: true })))).toEqual(toldAll(runs[0]!));
  });

  test('a tombstone hides what is older even where it is dropped itself', async () => {
    const [a, gone] = [bytes('a'), null];
    const runs = [
      [{ key: 'k', value: gone }],
      [{ key: 'k', value: a }],
      [
        { key: 'k', value: a },
        { key: 'l', value: a },
      ],
    ];
    const merged = (dropTombstones: boolean) =>
      collect(
        mergeRuns(
          runs.map((run) => inChunks(run, [1])),
          { dropTombstones },
        ),
      );
    expect(await merged(true)).toEqual([{ key: 'l', value: a }]);
    expect(await merged(false)).toEqual([
      { key: 'k', value: gone },
      { key: 'l', value: a },
    ]);
  });

  test('no chunk of a merge is larger than a thousand entries or so, so that the caller can yield', async () => {
    const run = Array.from({ length: 30_000 }, (_, i) => ({ key: String(i).padStart(6, '0'), value: null }));
    const sizes: number[] = [];
    const halves = [run.filter((_, i) => i % 2 === 0), run.filter((_, i) => i % 2 === 1)];
    for await (const chunk of mergeRuns(
      halves.map((r) => inChunks(r, [30_000])),
      { dropTombstones: false },
    )) {
      sizes.push(chunk.length);
    }
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1024);
    expect(sizes.length).toBe(30);
  });

  test('when the consumer stops, every run is closed', async () => {
    for (const count of [1, 3]) {
      let closed = 0;
      const run = Array.from({ length: 9000 }, (_, i) => ({ key: String(i).padStart(6, '0'), value: null }));
      const runs = Array.from({ length: count }, () => inChunks(run, [100], () => closed++));
      for await (const _ of mergeRuns(runs, { dropTombstones: false })) break;
      expect(closed).toBe(count);
    }
  });

  test('when a run fails, the merge fails with its error and the others are closed', async () => {
    let closed = 0;
    const run = Array.from({ length: 100 }, (_, i) => ({ key: String(i).padStart(6, '0'), value: null }));
    async function* failing(): AsyncGenerator<Entry[]> {
      yield run.slice(0, 10);
      throw new Error('block 3 is corrupted');
    }
    const runs = [inChunks(run, [10], () => closed++), failing()];
    await expect(collect(mergeRuns(runs, { dropTombstones: false }))).rejects.toThrow('block 3 is corrupted');
    expect(closed).toBe(1);
  });
});
