/**
 * What is folded, by kind of job. Sizes are modelled at a scale: an entry stands for so many, and everything else (bytes of an
 * entry, of a level, of an SST) is what it is. How often something is rewritten depends on ratios only.
 */
import type { TableKind } from '../lib/state/address.ts';
import { type Random, seededRandom } from '../lib/util/random.ts';
import { entryOf, type Fold } from './policies-model.ts';

export interface Load {
  readonly name: string;
  readonly kinds: readonly TableKind[];
  readonly entryBytes: number;
  readonly folds: number;
  /** Folds that fill the state, before anything counts. */
  readonly filling: number;
  fold(n: number): Fold;
  /** An entry that is there, for a read after fold n. */
  probe(n: number, random: Random): number;
  /** Entries from and up to which a scan reads that closes what ends after fold n; `undefined`: there is none. */
  closing?(n: number): readonly [from: number, upTo: number] | undefined;
  /** Entries that are there after fold n. */
  live(n: number): number;
}

const KEYED: readonly TableKind[] = ['keyed'];
const NOTHING_FORGOTTEN: Fold['forgotten'] = [];

export interface KeyedOptions {
  readonly name: string;
  /** In the state, in entries of the model. */
  readonly keys: number;
  readonly changes: number;
  readonly entryBytes: number;
  readonly folds: number;
  /** Default: uniform. */
  readonly draw?: (random: Random) => number;
}

/** Updates of keys that stay: the state is filled in order of nothing, then changed. */
export function keyedLoad(options: KeyedOptions): Load {
  const { name, keys, changes, entryBytes, folds } = options;
  const random = seededRandom(11);
  const draw = options.draw ?? ((r) => Math.floor(r.next() * keys));
  const filling = Math.ceil(keys / changes);
  const order = shuffled(keys, random);
  const entries = (numbers: Iterable<number>): Uint32Array =>
    Uint32Array.from(new Set(numbers), (key) => entryOf(0, 0, key)).sort();
  return {
    ...{ name, kinds: KEYED, entryBytes, folds, filling },
    fold(n) {
      const first = (n - 1) * changes;
      const numbers =
        n <= filling ? order.subarray(first, first + changes) : Array.from({ length: changes }, () => draw(random));
      return { entries: entries(numbers), forgotten: NOTHING_FORGOTTEN };
    },
    probe: (_, r) => entryOf(0, 0, draw(r)),
    live: (n) => Math.min(keys, n * changes),
  };
}

/** Zipf-distributed keys, scattered over the range. */
export function zipf(keys: number, exponent: number, seed: number): (random: Random) => number {
  const sums = new Float64Array(keys);
  let sum = 0;
  for (let i = 0; i < keys; i++) sums[i] = sum += 1 / (i + 1) ** exponent;
  const order = shuffled(keys, seededRandom(seed));
  return (random) => {
    const at = random.next() * sum;
    let [from, to] = [0, keys - 1];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (sums[middle]! < at) from = middle + 1;
      else to = middle;
    }
    return order[from]!;
  };
}

export interface WindowOptions {
  readonly name: string;
  readonly keys: number;
  readonly changes: number;
  readonly entryBytes: number;
  readonly folds: number;
  /** Folds until the next window. */
  readonly foldsAWindow: number;
  /** Windows that are open side by side: 1 for tumbling ones. */
  readonly open: number;
  /** Folds for which a window stays open behind its end. */
  readonly delayFolds: number;
}

/** Windows are written while they are open, scanned once, and forgotten. */
export function windowLoad(options: WindowOptions): Load {
  const { name, keys, changes, entryBytes, folds, foldsAWindow, open, delayFolds } = options;
  const random = seededRandom(12);
  /** The newest window at fold n; its end is its number + `open`. */
  const newest = (n: number): number => Math.floor((n - 1) / foldsAWindow);
  /** Windows up to this number are closed after fold n. */
  const closed = (n: number): number => Math.floor((n - delayFolds) / foldsAWindow) - open;
  const openAt = (n: number): number[] => {
    const all: number[] = [];
    for (let w = Math.max(0, closed(n) + 1); w <= newest(n) + open - 1; w++) all.push(w);
    return all;
  };
  return {
    ...{ name, kinds: ['timed'], entryBytes, folds, filling: (open + 2) * foldsAWindow + delayFolds },
    fold(n) {
      const entries = new Set<number>();
      for (let i = 0; i < changes; i++) {
        // Most rows are of now, some are of before.
        const late = random.next() < 0.9 ? 0 : Math.floor(random.next() * delayFolds);
        const first = Math.max(0, Math.floor((n - 1 - late) / foldsAWindow));
        const key = Math.floor(random.next() * keys);
        for (let w = first; w < first + open; w++) if (w > closed(n)) entries.add(entryOf(0, w + 1, key));
      }
      const upTo = closed(n) + 1;
      return { entries: Uint32Array.from(entries).sort(), forgotten: upTo > 0 ? [[0, upTo]] : [] };
    },
    probe: (n, r) => entryOf(0, newest(n) + 1, Math.floor(r.next() * keys)),
    closing(n) {
      const w = closed(n) + 1;
      return w < 0 || closed(n + 1) < w ? undefined : [entryOf(0, w + 1, 0), entryOf(0, w + 1, 0xfffff)];
    },
    live: (n) => openAt(n).reduce((sum, w) => sum + windowSize(options, n, w), 0),
  };
}

/** Keys of a window after fold n, about. */
function windowSize({ keys, changes, foldsAWindow, open }: WindowOptions, n: number, w: number): number {
  const firstFold = Math.max(0, w - open + 1) * foldsAWindow;
  const lastFold = (w + 1) * foldsAWindow;
  const drawn = Math.max(0, Math.min(n, lastFold) - firstFold) * changes;
  return Math.round(keys * (1 - Math.exp(-drawn / keys)));
}

export interface DistinctOptions {
  readonly name: string;
  readonly changes: number;
  readonly entryBytes: number;
  readonly folds: number;
  /** Folds until a key is forgotten. */
  readonly withinFolds: number;
}

/** De-duplication within a time: a key's row, and when it ends; ended keys are deleted one by one, their times forgotten. */
export function distinctLoad({ name, changes, entryBytes, folds, withinFolds }: DistinctOptions): Load {
  const random = seededRandom(13);
  const byFold: Uint32Array[] = [];
  return {
    ...{ name, kinds: ['keyed', 'timed'], entryBytes, folds, filling: withinFolds + 4 },
    fold(n) {
      const keys = new Uint32Array(changes);
      for (let i = 0; i < changes; i++) keys[i] = Math.floor(random.next() * 0x100000);
      byFold[n] = keys;
      const entries = new Map<number, number>();
      for (const key of byFold[n - withinFolds] ?? []) entries.set(entryOf(0, 0, key), 1);
      for (const key of keys) {
        entries.set(entryOf(0, 0, key), 0);
        entries.set(entryOf(1, n & 1023, key), 0);
      }
      const sorted = Uint32Array.from(entries, ([entry, dead]) => entry | dead).sort();
      return { entries: sorted, forgotten: n > withinFolds ? [[1, n - withinFolds]] : [] };
    },
    probe: (_, r) => entryOf(0, 0, Math.floor(r.next() * 0x100000)),
    closing: (n) =>
      n < withinFolds ? undefined : [entryOf(1, n + 1 - withinFolds, 0), entryOf(1, n + 1 - withinFolds, 0xfffff)],
    live: (n) => 2 * changes * Math.min(n, withinFolds),
  };
}

function shuffled(count: number, random: Random): Uint32Array {
  const all = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const k = Math.floor(random.next() * (i + 1));
    [all[i], all[k]] = [all[k]!, all[i]!];
  }
  return all;
}
