/**
 * Changed rows over older ones, both in order: what a scan or range shows that begins below memory and ends with the batch's own
 * changes. The changes are in memory and taken when the scan begins; the older rows come in chunks.
 */
import { type Chunks, chunked, isAtOnce } from '../util/chunks.ts';

interface Placed {
  /** `undefined`: it is deleted. */
  readonly row: unknown;
}

/**
 * @param older without deleted ones
 * @param newer in order, each place once
 * @param compare of places
 */
export function overlaid<Row extends Placed>(
  older: Chunks<Row>,
  newer: readonly Row[],
  compare: (a: Row, b: Row) => number,
): Chunks<Row> {
  if (newer.length === 0) return older;
  return isAtOnce(older) ? atOnce(older, new Merge(newer, compare)) : asItComes(older, new Merge(newer, compare));
}

function* atOnce<Row extends Placed>(
  older: Iterable<readonly Row[]>,
  merge: Merge<Row>,
): Generator<Row[], void, undefined> {
  for (const chunk of older) {
    const merged = merge.over(chunk);
    if (merged.length > 0) yield merged;
  }
  yield* chunked(merge.rest());
}

async function* asItComes<Row extends Placed>(
  older: AsyncIterable<readonly Row[]>,
  merge: Merge<Row>,
): AsyncGenerator<Row[], void, undefined> {
  for await (const chunk of older) {
    const merged = merge.over(chunk);
    if (merged.length > 0) yield merged;
  }
  yield* chunked(merge.rest());
}

class Merge<Row extends Placed> {
  readonly #newer: readonly Row[];
  readonly #compare: (a: Row, b: Row) => number;
  #at = 0;

  constructor(newer: readonly Row[], compare: (a: Row, b: Row) => number) {
    this.#newer = newer;
    this.#compare = compare;
  }

  /** The next rows, up to the last of the chunk. */
  over(chunk: readonly Row[]): Row[] {
    const rows: Row[] = [];
    for (const old of chunk) {
      let hidden = false;
      for (; this.#at < this.#newer.length; this.#at++) {
        const changed = this.#newer[this.#at]!;
        const order = this.#compare(changed, old);
        if (order > 0) break;
        if (order === 0) hidden = true;
        if (changed.row !== undefined) rows.push(changed);
      }
      if (!hidden) rows.push(old);
    }
    return rows;
  }

  *rest(): Generator<Row, void, undefined> {
    while (this.#at < this.#newer.length) {
      const changed = this.#newer[this.#at++]!;
      if (changed.row !== undefined) yield changed;
    }
  }
}
