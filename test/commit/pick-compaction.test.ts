import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { overlap } from '../../lib/commit/overlap.ts';
import { bytesOf, COMPACTION, olderThan, pickCompaction } from '../../lib/commit/pick-compaction.ts';
import { applyEdit } from '../../lib/manifest/apply-edit.ts';
import { isConflict } from '../../lib/manifest/edit.ts';
import { EMPTY_MANIFEST, type Manifest, type SstRef, sstsOf } from '../../lib/manifest/manifest.ts';
import { seededRandom } from '../../lib/util/random.ts';

const MIB = 1 << 20;
const FOUR = { l0Trigger: 4 };

let ids = 0;
function sst(minKey: number, maxKey: number, size: number, more: Partial<SstRef> = {}): SstRef {
  const key = (n: number): string => String(n).padStart(9, '0');
  const bounds = { minKey: key(minKey), maxKey: key(maxKey) };
  return {
    id: `sst${ids++}`,
    size,
    metaOffset: 0,
    indexOffset: 0,
    entries: 1,
    tombstones: 0,
    ...bounds,
    from: 1,
    to: 1,
    ...more,
  };
}

function manifest(l0: SstRef[], ...levels: SstRef[][]): Manifest {
  return { ...EMPTY_MANIFEST, through: 1, l0, levels };
}

describe('pickCompaction', () => {
  it('waits for so many L0 SSTs, then takes all of them and what they overlap', () => {
    const l0 = [sst(0, 50, MIB), sst(20, 60, MIB), sst(10, 30, MIB)];
    const l1 = [sst(0, 40, 8 * MIB), sst(50, 55, 8 * MIB), sst(70, 90, 8 * MIB)];
    expect(pickCompaction(manifest(l0, l1), FOUR)).toBeUndefined();
    const all = [...l0, sst(60, 61, MIB)];
    expect(pickCompaction(manifest(all, l1), FOUR)).toEqual({ inputs: [...all, l1[0], l1[1]], level: 1, move: false });
  });

  it('waits for half as many where they are large', () => {
    const l0 = (count: number, size: number): SstRef[] => Array.from({ length: count }, () => sst(0, 9, size));
    expect(pickCompaction(manifest(l0(7, 9 * MIB)))).toBeUndefined();
    expect(pickCompaction(manifest(l0(8, 9 * MIB)))).toMatchObject({ level: 1 });
    expect(pickCompaction(manifest(l0(3, 30 * MIB)))).toBeUndefined();
    expect(pickCompaction(manifest(l0(4, 30 * MIB)))).toMatchObject({ level: 1 });
  });

  it('takes what lies between L0 SSTs too, since outputs may reach over it', () => {
    const l0 = [sst(0, 1, MIB), sst(8, 9, MIB), sst(0, 1, MIB), sst(8, 9, MIB)];
    const between = sst(4, 5, 8 * MIB);
    expect(pickCompaction(manifest(l0, [between]), FOUR)?.inputs).toContain(between);
  });

  it('takes a small neighbour along, so that small SSTs do not pile up', () => {
    const l0 = [1, 2, 3, 4].map((i) => sst(100 + i, 100 + i, MIB));
    const [large, small] = [sst(0, 50, 8 * MIB), sst(60, 70, MIB)];
    expect(pickCompaction(manifest(l0, [large, small]), FOUR)?.inputs).toEqual([...l0, small]);
    expect(pickCompaction(manifest(l0, [small, sst(80, 90, 8 * MIB)]), FOUR)?.inputs).toEqual(l0);
  });

  it('moves down the SST that rewrites the least, when a level is over its size', () => {
    const l1 = [
      sst(0, 9, 8 * MIB),
      sst(10, 19, 8 * MIB),
      sst(20, 29, 8 * MIB),
      sst(30, 39, 8 * MIB),
      sst(40, 49, 8 * MIB),
    ];
    const l2 = [
      sst(0, 5, 8 * MIB),
      sst(6, 12, 8 * MIB),
      sst(20, 24, 8 * MIB),
      sst(25, 29, 8 * MIB),
      sst(45, 60, 8 * MIB),
    ];
    expect(pickCompaction(manifest([], l1.slice(0, 4), l2))).toBeUndefined();
    expect(pickCompaction(manifest([], l1, l2))).toEqual({ inputs: [l1[3]], level: 2, move: true });
    const full = [...l2.slice(0, 4), sst(30, 44, 16 * MIB), l2[4]!];
    expect(pickCompaction(manifest([], l1, full))).toMatchObject({ inputs: [l1[1], full[1]], level: 2, move: false });
  });

  it('rewrites an SST with tombstones rather than move it, so that they end', () => {
    const l1 = [0, 1, 2, 3, 4].map((i) => sst(i * 10, i * 10 + 9, 8 * MIB, { tombstones: 1 }));
    expect(pickCompaction(manifest([], l1))).toEqual({ inputs: [l1[0]], level: 2, move: false });
  });

  it('bounded: takes all of L0 if that is little, else merges the newest of L0 alone, two at least', () => {
    const l0 = [sst(0, 9, MIB), sst(0, 9, 2 * MIB), sst(0, 9, 4 * MIB)];
    const l1 = [sst(0, 9, 30 * MIB)];
    const bounded = (boundBytes: number): unknown => pickCompaction(manifest(l0, l1), { boundBytes });
    expect(bounded(40 * MIB)).toEqual({ inputs: [...l0, ...l1], level: 1, move: false });
    expect(bounded(10 * MIB)).toEqual({ inputs: l0, level: 0, move: false });
    expect(bounded(3 * MIB)).toEqual({ inputs: l0.slice(0, 2), level: 0, move: false });
    expect(bounded(1)).toEqual({ inputs: l0.slice(0, 2), level: 0, move: false });
    expect(pickCompaction(manifest(l0.slice(0, 1), l1), { boundBytes: 1 })).toBeUndefined();
  });

  it('knows what is older than the inputs and stays', () => {
    const l0 = [sst(0, 9, MIB), sst(0, 9, MIB), sst(0, 9, MIB)];
    const [l1, l2, l3] = [[sst(0, 9, MIB)], [sst(0, 9, MIB)], [sst(0, 9, MIB)]];
    const whole = manifest(l0, l1, l2, l3);
    expect(olderThan(whole, { inputs: l0.slice(0, 2), level: 0, move: false })).toEqual([l0[2], ...l1, ...l2, ...l3]);
    expect(olderThan(whole, { inputs: [...l0, ...l1], level: 1, move: false })).toEqual([...l2, ...l3]);
    expect(olderThan(whole, { inputs: [...l1, ...l2], level: 2, move: false })).toEqual(l3);
  });

  it('property: any manifest settles, each step can be applied, and no level stays over its size', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 60 }), (seed, batches) => {
        const { settled, steps } = run(seed, batches, 1_000_000, MIB);
        expect(steps).toBeLessThan(batches * 12 + 20);
        expect(settled.l0.length).toBeLessThan(COMPACTION.l0Trigger);
        for (const [i, level] of settled.levels.entries()) {
          expect(bytesOf(level)).toBeLessThanOrEqual(COMPACTION.baseBytes * COMPACTION.ratio ** i);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('write amplification stays bounded as the state grows', () => {
    const { written, settled } = run(1, 800, 1_000_000, 4 * MIB);
    expect(settled.levels.length).toBe(4);
    expect(written / (800 * 4 * MIB)).toBeLessThan(16);
  });
});

/** Batches over `keys` keys at random, compacted as is due; bytes are modelled, entries are not. */
function run(seed: number, batches: number, keys: number, batchBytes: number) {
  const random = seededRandom(seed);
  let settled: Manifest = { ...EMPTY_MANIFEST };
  let steps = 0;
  let written = 0;
  const apply = (edit: Parameters<typeof applyEdit>[1]): void => {
    const next = applyEdit(settled, edit, { nonce: random.id(), seenAtMs: 0 });
    if (isConflict(next)) throw new Error(`${next.conflict}: ${next.reason}`);
    settled = next;
  };
  for (let n = 1; n <= batches; n++) {
    const [a, b] = random.next() < 0.8 ? [0, keys] : [random.next() * keys, random.next() * keys];
    const ref = sst(Math.floor(Math.min(a, b)), Math.ceil(Math.max(a, b)), batchBytes, { from: n, to: n });
    written += ref.size;
    apply({ type: 'fold', after: n - 1, through: n, logHash: '', sst: ref, writtenAfterMs: 1, publishedThrough: n });
    for (let due = pickCompaction(settled); due !== undefined; due = pickCompaction(settled)) {
      steps++;
      const outputs = due.move ? due.inputs : split(due.inputs);
      if (!due.move) written += bytesOf(outputs);
      const inOrder = [...outputs].sort((x, y) => (x.minKey < y.minKey ? -1 : 1));
      apply({
        type: 'compact',
        inputs: due.inputs.map((s) => s.id),
        outputs: inOrder,
        writtenAfterMs: 1,
        level: due.level,
      });
    }
    const named = sstsOf(settled).map((s) => s.id);
    expect(new Set(named).size).toBe(named.length);
    expect(settled.levels.every((level) => level.every((s, i) => i === 0 || !overlap(level[i - 1]!, s)))).toBe(true);
  }
  return { settled, steps, written };
}

/** Outputs of 8 MiB over the same keys; nothing is overwritten, the worst case. */
function split(inputs: readonly SstRef[]): SstRef[] {
  const from = Math.min(...inputs.map((s) => Number(s.minKey)));
  const to = Math.max(...inputs.map((s) => Number(s.maxKey)));
  const count = Math.min(Math.ceil(bytesOf(inputs) / (8 * MIB)), to - from + 1);
  const width = (to - from + 1) / count;
  const lasts = Math.max(...inputs.map((s) => s.to));
  return Array.from({ length: count }, (_, i) =>
    sst(Math.floor(from + i * width), Math.floor(from + (i + 1) * width) - 1, bytesOf(inputs) / count, { to: lasts }),
  );
}
