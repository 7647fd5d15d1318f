/**
 * An exhaustive model of compare-and-set by numbered versions (`lib/object-store/versioned-file.ts`): every interleaving
 * of the steps list, link, list, remove of three writers, each of which may die after any step. With KEPT = 1, so that
 * two rounds lead a sleeper past the removal of what it wants to create. Leaving out the second listing must fail.
 */
import { describe, expect, it } from 'vitest';

const KEPT = 1;
const ROUNDS = 2;

type Writer =
  | { at: 'list'; round: number }
  | { at: 'link'; round: number; seen: number }
  | { at: 'confirm'; round: number; seen: number }
  | { at: 'remove'; round: number; left: readonly number[] }
  | { at: 'done' };

interface State {
  /** Version → who linked the file that is there. */
  readonly files: ReadonlyMap<number, number>;
  /** Version → who linked it first. */
  readonly first: ReadonlyMap<number, number>;
  readonly writers: readonly Writer[];
}

const newest = (files: ReadonlyMap<number, number>): number => Math.max(0, ...files.keys());

/** The states after writer `w` makes its next step; throws if that breaks the contract. */
function step(state: State, w: number, listsAgain: boolean): State {
  const writer = state.writers[w]!;
  const files = new Map(state.files);
  const first = new Map(state.first);
  const next = (to: Writer): State => {
    if (newest(files) < newest(state.files)) throw new Error('the object went back');
    return { files, first, writers: state.writers.map((old, i) => (i === w ? to : old)) };
  };
  const again = (round: number): Writer => (round + 1 < ROUNDS ? { at: 'list', round: round + 1 } : { at: 'done' });
  switch (writer.at) {
    case 'list':
      return next({ at: 'link', round: writer.round, seen: newest(files) });
    case 'link': {
      const version = writer.seen + 1;
      if (files.has(version)) return next(again(writer.round));
      if (!first.has(version)) {
        if (newest(files) !== writer.seen) throw new Error('a version became live that does not follow the newest');
        first.set(version, w);
      }
      files.set(version, w);
      return next({ at: 'confirm', round: writer.round, seen: writer.seen });
    }
    case 'confirm': {
      const version = writer.seen + 1;
      if (listsAgain && newest(files) >= version + KEPT) {
        return next({ at: 'remove', round: writer.round, left: [version] });
      }
      if (first.get(version) !== w) throw new Error('a success that was none');
      const old = [...files.keys()].filter((v) => v <= version - KEPT).sort((a, b) => a - b);
      return next({ at: 'remove', round: writer.round, left: old });
    }
    case 'remove': {
      const [version, ...left] = writer.left;
      if (version === undefined) return next(again(writer.round));
      files.delete(version);
      return next(left.length > 0 ? { at: 'remove', round: writer.round, left } : again(writer.round));
    }
    case 'done':
      return state;
  }
}

/** Visits every reachable state; a writer that dies is one that never steps again. @returns how many states */
function explore(writers: number, listsAgain: boolean): number {
  const start: State = {
    files: new Map(),
    first: new Map(),
    writers: Array.from({ length: writers }, () => ({ at: 'list', round: 0 })),
  };
  const keyOf = (state: State): string =>
    JSON.stringify([[...state.files].sort(), [...state.first].sort(), state.writers]);
  const seen = new Set([keyOf(start)]);
  const open = [start];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    for (let w = 0; w < writers; w++) {
      if (state.writers[w]!.at === 'done') continue;
      const after = step(state, w, listsAgain);
      const key = keyOf(after);
      if (!seen.has(key)) {
        seen.add(key);
        open.push(after);
      }
    }
  }
  return seen.size;
}

describe('compare-and-set by numbered versions, every interleaving', () => {
  it('gives no success that is none, and never goes back', () => {
    expect(explore(2, true)).toBeGreaterThan(500);
    expect(explore(3, true)).toBeGreaterThan(5_000);
  });

  it('would, without the second listing', () => {
    expect(() => explore(2, false)).toThrow('a success that was none');
  });
});
