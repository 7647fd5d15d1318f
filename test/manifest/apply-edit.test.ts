import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyEdit } from '../../lib/manifest/apply-edit.ts';
import { manifestFault } from '../../lib/manifest/check.ts';
import { type Conflict, type Edit, isConflict } from '../../lib/manifest/edit.ts';
import { EMPTY_MANIFEST, type Manifest, namedBy, type SstRef, sstsOf } from '../../lib/manifest/manifest.ts';

function sst(id: string, minKey: string, maxKey: string, more: Partial<SstRef> = {}): SstRef {
  return {
    id,
    size: 100,
    metaOffset: 80,
    indexOffset: 90,
    entries: 2,
    tombstones: 0,
    minKey,
    maxKey,
    from: 1,
    to: 1,
    ...more,
  };
}

/** When the SSTs of these edits were written. */
const WRITTEN_MS = 500;

let nonces = 0;
function apply(manifest: Manifest, edit: Edit, seenAtMs = 1000): Manifest | Conflict {
  return applyEdit(manifest, edit, { nonce: `n${nonces++}`, seenAtMs });
}

function applied(manifest: Manifest, ...edits: Edit[]): Manifest {
  return edits.reduce((before, edit) => {
    const after = apply(before, edit);
    if (isConflict(after)) throw new Error(after.reason);
    expect(manifestFault(after)).toBeUndefined();
    return after;
  }, manifest);
}

function foldEdit(after: number, through: number, ref: SstRef | null): Edit {
  const stamped = ref === null ? null : { ...ref, from: after + 1, to: through };
  return {
    type: 'fold',
    after,
    through,
    logHash: `hash ${through}`,
    sst: stamped,
    writtenAfterMs: WRITTEN_MS,
    publishedThrough: through,
  };
}

const three = (): Manifest =>
  applied(
    EMPTY_MANIFEST,
    foldEdit(0, 1, sst('s1', 'a', 'c')),
    foldEdit(1, 2, sst('s2', 'b', 'd')),
    foldEdit(2, 3, sst('s3', 'c', 'e')),
  );
const intoL1 = (inputs: string[], ...outputs: SstRef[]): Edit => compactEdit(inputs, outputs, 1);
function compactEdit(inputs: string[], outputs: SstRef[], level: number): Edit {
  return { type: 'compact', inputs, outputs, writtenAfterMs: WRITTEN_MS, level };
}
const collectEdit = (condemnedMs: number, collectedThrough = 0): Edit => {
  return { type: 'collect', condemnedMs, collectedThrough };
};

describe('fold', () => {
  it('puts the newest SST first and moves through', () => {
    expect(three()).toMatchObject({ version: 3, through: 3, logHash: 'hash 3', publishedThrough: 3 });
    expect(three().l0.map((s) => s.id)).toEqual(['s3', 's2', 's1']);
  });

  it('conflicts when through is another, and when its SST may be condemned (⚑ may-name)', () => {
    expect(apply(three(), foldEdit(2, 4, null))).toMatchObject({ conflict: 'through' });
    expect(apply(three(), foldEdit(3, 3, null))).toMatchObject({ conflict: 'through' });
    const before = applied(three(), collectEdit(WRITTEN_MS));
    expect(applied(before, foldEdit(3, 4, sst('s4', 'a', 'b'))).l0).toHaveLength(4);
    const collected = applied(three(), collectEdit(WRITTEN_MS + 1));
    expect(apply(collected, foldEdit(3, 4, sst('orphan', 'a', 'b')))).toMatchObject({ conflict: 'condemned' });
    expect(applied(collected, foldEdit(3, 4, null)).through).toBe(4);
  });

  it('keeps of each table the greatest time that it has forgotten, and with a root those of its state', () => {
    const forget = (after: number, ...forgotten: [number, number][]): Edit => {
      return { ...foldEdit(after, after + 1, null), forgotten } as Edit;
    };
    const once = applied(three(), forget(3, [2, 20]));
    const root: Edit = { type: 'setRoot', name: 'then', ssts: ['s1'], forgotten: once.forgotten };
    const later = applied(once, root, forget(4, [0, 5], [2, 10]), foldEdit(5, 6, null), forget(6, [2, 30]));
    expect(later.forgotten).toEqual([
      [0, 5],
      [2, 30],
    ]);
    expect(later.roots).toEqual([{ name: 'then', ssts: ['s1'], forgotten: [[2, 20]] }]);
    expect(applied(later, { type: 'removeRoot', name: 'then' }).roots).toEqual([]);
  });

  it('adds up what became of rows, also when the log is collected', () => {
    const totals = (from: number, rows: number, late: number) => {
      return { from, rows, late, skipped: 0, quarantined: 1, setAside: 0, emitted: 2 };
    };
    const folded = applied(three(), { ...foldEdit(3, 5, null), totals: totals(4, 100, 1) } as Edit, collectEdit(0, 5), {
      ...foldEdit(5, 6, null),
      totals: totals(6, 10, 5),
    } as Edit);
    // The first three were folded before there were totals.
    expect(folded.totals).toEqual({ ...totals(4, 110, 6), quarantined: 2, emitted: 4 });
  });

  it('keeps few stamps, and each entry at least as long', () => {
    let manifest = EMPTY_MANIFEST;
    for (let n = 1; n <= 500; n++) {
      const next = apply(manifest, foldEdit(n - 1, n, null), n);
      if (isConflict(next)) throw new Error(next.reason);
      manifest = next;
      expect(manifest.folds.length).toBeLessThanOrEqual(64);
      expect(manifest.folds.at(-1)).toEqual({ through: n, atMs: null });
      // Entry m was folded by edit m, seen at m + 1.
      for (let m = 1; m < n; m += 37) {
        const fold = manifest.folds.find((f) => f.through >= m)!;
        expect(fold.atMs ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(m + 1);
      }
    }
    expect(manifest.folds[0]!.through).toBe(1);
  });
});

describe('stamps and nonces', () => {
  it('stamps what earlier edits left, and leaves its own', () => {
    const first = apply(EMPTY_MANIFEST, foldEdit(0, 1, null), 5) as Manifest;
    expect(first.folds).toEqual([{ through: 1, atMs: null }]);
    const second = apply(first, foldEdit(1, 2, null), 7) as Manifest;
    expect(second.folds).toEqual([
      { through: 1, atMs: 7 },
      { through: 2, atMs: null },
    ]);
    const third = apply(second, { type: 'resume' }, 9) as Manifest;
    expect(third.folds.map((fold) => fold.atMs)).toEqual([7, 9]);
  });

  it('keeps the last 32 nonces', () => {
    let manifest = EMPTY_MANIFEST;
    for (let i = 0; i < 40; i++)
      manifest = applyEdit(manifest, { type: 'resume' }, { nonce: `x${i}`, seenAtMs: 0 }) as Manifest;
    expect(manifest.nonces).toEqual(Array.from({ length: 32 }, (_, i) => `x${i + 8}`));
  });
});

describe('compact', () => {
  it('replaces its inputs', () => {
    const after = applied(
      three(),
      intoL1(['s3', 's2', 's1'], sst('o1', 'a', 'b', { to: 3 }), sst('o2', 'c', 'e', { to: 3 })),
    );
    expect(after).toMatchObject({ l0: [], levels: [[{ id: 'o1' }, { id: 'o2' }]] });
  });

  it('holds when a newer fold came in between', () => {
    const after = applied(three(), foldEdit(3, 4, sst('s4', 'a', 'z')), intoL1(['s3', 's2', 's1'], sst('o', 'a', 'e')));
    expect(after.l0.map((s) => s.id)).toEqual(['s4']);
  });

  it('conflicts unless all inputs are there in order, with nothing older left above them', () => {
    for (const inputs of [
      ['s3', 's2'],
      ['s3', 's1'],
      ['s1', 's2', 's3'],
      ['s3', 's2', 's1', 'gone'],
      ['s1', 's1'],
    ]) {
      expect(apply(three(), intoL1(inputs, sst('o', 'a', 'e')))).toMatchObject({ conflict: 'inputs' });
    }
    expect(apply(three(), compactEdit(['s1'], [], 2))).toMatchObject({ conflict: 'inputs' });
    expect(apply(three(), intoL1(['s2', 's1'], sst('o', 'a', 'd')))).toMatchObject({ version: 4 });
  });

  it('merges a run of L0 in its place, into one SST', () => {
    const output = sst('o', 'b', 'e', { to: 3 });
    expect(applied(three(), compactEdit(['s3', 's2'], [output], 0)).l0.map((s) => s.id)).toEqual(['o', 's1']);
    expect(apply(three(), compactEdit(['s3', 's1'], [output], 0))).toMatchObject({ conflict: 'inputs' });
    const two = [sst('o', 'b', 'c'), sst('p', 'd', 'e')];
    expect(apply(three(), compactEdit(['s3', 's2'], two, 0))).toMatchObject({ conflict: 'inputs' });
  });

  it('conflicts when outputs overlap what stays in their level, or may be condemned (⚑ may-name)', () => {
    const first = applied(three(), intoL1(['s3', 's2', 's1'], sst('o', 'c', 'e')), foldEdit(3, 4, sst('s4', 'a', 'd')));
    expect(apply(first, intoL1(['s4'], sst('p', 'a', 'd')))).toMatchObject({ conflict: 'overlap' });
    expect(apply(first, intoL1(['s4'], sst('p', 'a', 'b')))).toMatchObject({ version: 6 });
    const condemned = applied(first, collectEdit(WRITTEN_MS + 1));
    expect(apply(condemned, intoL1(['s4'], sst('p', 'a', 'b')))).toMatchObject({ conflict: 'condemned' });
  });

  it('moves an SST as it is, however old it is', () => {
    const first = applied(three(), intoL1(['s3', 's2', 's1'], sst('o', 'c', 'e')), collectEdit(WRITTEN_MS + 1));
    const moved = applied(first, compactEdit(['o'], [sst('o', 'c', 'e')], 2));
    expect(moved.levels.map((level) => level.map((s) => s.id))).toEqual([[], ['o']]);
  });
});

describe('collect', () => {
  it('condemns more and more, and never less', () => {
    const base = applied(three(), collectEdit(40));
    expect(base.condemnedMs).toBe(40);
    expect(applied(base, collectEdit(30)).condemnedMs).toBe(40);
    expect(sstsOf(base).map(({ id }) => id)).toEqual(['s3', 's2', 's1']);
  });

  it('never announces more than is folded, and never takes back', () => {
    const base = applied(three(), collectEdit(0, 2));
    expect(base).toMatchObject({ collectedThrough: 2, folds: [{ through: 3 }] });
    expect(applied(base, collectEdit(0, 1)).collectedThrough).toBe(2);
    expect(applied(base, collectEdit(0, 9)).collectedThrough).toBe(3);
  });
});

describe('halts and roots', () => {
  it('halts what is not folded, and resumes', () => {
    const halt = { n: 4, code: 'USER_FUNCTION', reason: 'it threw' };
    expect(applied(three(), { type: 'halt', halt }).halted).toEqual(halt);
    expect(applied(three(), { type: 'halt', halt }, { type: 'resume' }).halted).toBeNull();
    expect(apply(three(), { type: 'halt', halt: { ...halt, n: 3 } })).toMatchObject({ conflict: 'through' });
  });

  it('keeps rows that are skipped as long as their batch may run, and those of input for good', () => {
    const row = { message: 'm', text: 't', reason: 'r' };
    const halt = { n: 4, code: 'USER_FUNCTION', reason: 'it threw' };
    const skipped = applied(
      three(),
      { type: 'halt', halt },
      { type: 'resume', skip: { ...row, place: 'p', n: 4 } },
      { type: 'resume', skip: { ...row, place: 'p', n: 5 } },
      { type: 'resume', skip: { ...row, object: 'file', line: 7, n: 4 } },
    );
    expect(skipped.skips?.map((skip) => skip.n)).toEqual([4, 5, 4]);
    expect(applied(skipped, foldEdit(3, 4, null)).skips).toMatchObject([{ n: 5 }, { object: 'file' }]);
    expect(applied(skipped, foldEdit(3, 6, null)).skips).toMatchObject([{ object: 'file' }]);
    expect(applied(three(), foldEdit(3, 4, null))).not.toHaveProperty('skips');
  });

  it('roots only what is named, and keeps it until the root is removed', () => {
    expect(apply(three(), { type: 'setRoot', name: 'r', ssts: ['gone'] })).toMatchObject({ conflict: 'gone' });
    const rooted = applied(
      three(),
      { type: 'setRoot', name: 'r', ssts: ['s1', 's2'] },
      { type: 'setRoot', name: 'q', ssts: ['s1'] },
    );
    const compacted = applied(rooted, intoL1(['s3', 's2', 's1'], sst('o', 'a', 'e')));
    expect([...namedBy(compacted)].sort()).toEqual(['o', 's1', 's2']);
    expect(apply(compacted, { type: 'setRoot', name: 'p', ssts: ['s3'] })).toMatchObject({ conflict: 'gone' });
    const removed = applied(compacted, { type: 'setRoot', name: 'p', ssts: ['s2'] }, { type: 'removeRoot', name: 'r' });
    expect([...namedBy(removed)].sort()).toEqual(['o', 's1', 's2']);
    expect([...namedBy(applied(removed, { type: 'removeRoot', name: 'p' }))].sort()).toEqual(['o', 's1']);
  });
});

describe('properties', () => {
  const keys = 'abcdefghij';
  const range = fc.tuple(fc.nat(9), fc.nat(9)).map(([a, b]) => [keys[Math.min(a, b)]!, keys[Math.max(a, b)]!] as const);
  const step = fc.oneof(
    fc.record({ kind: fc.constant('fold'), range, empty: fc.boolean(), slept: fc.nat(10) }),
    fc.record({ kind: fc.constant('compact'), pick: fc.array(fc.nat(20)), level: fc.nat(4), range, slept: fc.nat(10) }),
    fc.record({ kind: fc.constant('collect'), through: fc.nat(30) }),
    fc.record({ kind: fc.constant('root'), pick: fc.array(fc.nat(20)), name: fc.constantFrom('r', 'q') }),
    fc.record({ kind: fc.constant('unroot'), name: fc.constantFrom('r', 'q') }),
    fc.record({ kind: fc.constant('halt'), n: fc.nat(30) }),
  );

  it('whatever edits come, in whatever order: numbers only grow and the manifest stays sound (invariant 5)', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let manifest = EMPTY_MANIFEST;
        const condemnedEver = new Set<string>();
        const writtenAt = new Map<string, number>();
        for (const [i, one] of steps.entries()) {
          const edit = toEdit(manifest, one, i);
          if ('sst' in edit && edit.sst !== null) writtenAt.set(edit.sst.id, edit.writtenAfterMs);
          if ('outputs' in edit) for (const { id } of edit.outputs) writtenAt.set(id, edit.writtenAfterMs);
          const after = apply(manifest, edit, i);
          if (isConflict(after)) continue;
          expect(manifestFault(after)).toBeUndefined();
          expect(after.version).toBe(manifest.version + 1);
          for (const field of ['through', 'collectedThrough', 'condemnedMs', 'publishedThrough'] as const) {
            expect(after[field]).toBeGreaterThanOrEqual(manifest[field]);
          }
          if (one.kind !== 'fold') expect([after.through, after.logHash]).toEqual([manifest.through, manifest.logHash]);
          // What is condemned is not named and was written before that time: never named again.
          const named = namedBy(after);
          for (const [id, writtenMs] of writtenAt) {
            if (named.has(id)) expect(condemnedEver.has(id), id).toBe(false);
            else if (writtenMs < after.condemnedMs) condemnedEver.add(id);
          }
          manifest = after;
        }
      }),
      { numRuns: 500 },
    );
  });

  type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
  function toEdit(manifest: Manifest, one: Step, i: number): Edit {
    const from = <T>(all: readonly T[], pick: readonly number[]): T[] => all.filter((_, k) => pick.includes(k));
    switch (one.kind) {
      case 'fold': {
        const empty = 'empty' in one && one.empty;
        const edit = foldEdit(manifest.through, manifest.through + 1, empty ? null : sst(`f${i}`, ...rangeOf(one)));
        return { ...edit, writtenAfterMs: i - sleptOf(one) } as Edit;
      }
      case 'compact': {
        const { pick, level } = one as { pick: number[]; level: number };
        const inputs = from(sstsOf(manifest), pick).map((s) => s.id);
        const to = manifest.through;
        const outputs = to === 0 ? [] : [sst(`c${i}`, ...rangeOf(one), { from: 1, to })];
        return { type: 'compact', inputs, outputs, writtenAfterMs: i - sleptOf(one), level };
      }
      case 'collect':
        return collectEdit(Math.max(0, i - 5), (one as { through: number }).through);
      case 'root': {
        const { pick, name } = one as { pick: number[]; name: string };
        return { type: 'setRoot', name, ssts: from([...namedBy(manifest)], pick) };
      }
      case 'unroot':
        return { type: 'removeRoot', name: (one as { name: string }).name };
      default:
        return { type: 'halt', halt: { n: (one as { n: number }).n, code: 'C', reason: 'r' } };
    }
  }

  /** Edits between the writing of an SST and the one that names it. */
  function sleptOf(one: Step): number {
    return (one as { slept: number }).slept;
  }

  function rangeOf(one: Step): readonly [string, string] {
    return (one as { range: readonly [string, string] }).range;
  }
});
