/**
 * Rows of one side that have come in a batch, each at its slots, and the ranges of the other side's buffer where their partners
 * are. Ranges of one key that overlap, or nearly do, are one, so that each buffered row is read once however many rows of the batch are near it.
 */

import { eachOf } from '../../util/chunks.ts';
import { inTurn } from '../../util/in-turn.ts';
import type { RowBatch } from '../graph/operator.ts';
import type { OrderedEntry, OrderedTable } from '../graph/tables.ts';
import { behind, firstOf, slotOf } from './join-position.ts';

/** A range of the buffer, and the arrivals that it is of: `members[start]` up to `members[end]`, by slot. */
interface Stretch {
  readonly key: string;
  readonly members: readonly number[];
  readonly start: number;
  readonly end: number;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** A buffered row, and the arrivals near it: `members[first]` up to `members[end]`, by slot. */
export interface Meeting {
  readonly key: string;
  readonly entry: OrderedEntry<unknown>;
  readonly members: readonly number[];
  readonly first: number;
  readonly end: number;
}

export class Arrivals {
  readonly batch: RowBatch;
  /** By arrival: the row's index in its batch, and the slot. */
  readonly rows: number[] = [];
  readonly slots: number[] = [];
  /** Arrivals that have found a partner. */
  readonly matched = new Set<number>();
  /** Rows of the batch that a function has refused. */
  readonly refused = new Set<number>();
  readonly #back: number;
  readonly #ahead: number;

  /** @param reach slots of partners: from slot − back to slot + ahead */
  constructor(batch: RowBatch, { back, ahead }: { readonly back: number; readonly ahead: number }) {
    this.batch = batch;
    this.#back = back;
    this.#ahead = ahead;
  }

  get count(): number {
    return this.rows.length;
  }

  add(row: number, slot: number): void {
    this.rows.push(row);
    this.slots.push(slot);
  }

  key(arrival: number): string {
    return this.batch.keys.text(this.rows[arrival]!);
  }

  /** Key by key in the order in which they first came, then by slot. */
  *stretches(): Generator<Stretch, void, undefined> {
    const { slots } = this;
    const [back, ahead] = [this.#back, this.#ahead];
    for (const [key, members] of this.#byKey()) {
      for (let start = 0, end = 0; start < members.length; start = end) {
        end = start + 1;
        // A gap as long as a range costs less than another range. Arrivals without slots, whose reach is endless, are one stretch.
        while (end < members.length && !(slots[members[end]!]! - slots[members[end - 1]!]! > 2 * (back + ahead) + 1))
          end++;
        const from = back === Infinity ? -Infinity : slots[members[start]!]! - back;
        const to = ahead === Infinity ? Infinity : slots[members[end - 1]!]! + ahead;
        yield { key, members, start, end, from: firstOf(from), to: behind(to) };
      }
    }
  }

  /** Meets each buffered row that is near some of the arrivals once, in the order of {@link stretches}, then of positions. */
  meet(buffer: OrderedTable, see: (meeting: Meeting) => void): Promise<void> | undefined {
    const { slots } = this;
    return inTurn(this.stretches(), ({ key, members, start, end: last, from, to }) => {
      let first = start;
      let end = this.#back === Infinity ? last : start;
      return eachOf(buffer.range(key, from, to), (entry) => {
        const slot = slotOf(entry.position);
        while (end < last && slots[members[end]!]! - this.#back <= slot) end++;
        while (first < end && slots[members[first]!]! + this.#ahead < slot) first++;
        if (first < end) see({ key, entry, members, first, end });
      });
    });
  }

  #byKey(): Map<string, number[]> {
    const byKey = new Map<string, number[]>();
    for (let arrival = 0; arrival < this.count; arrival++) {
      const key = this.key(arrival);
      const members = byKey.get(key);
      if (members === undefined) byKey.set(key, [arrival]);
      else members.push(arrival);
    }
    if (this.#back === Infinity && this.#ahead === Infinity) return byKey;
    for (const members of byKey.values())
      if (members.length > 1) members.sort((a, b) => this.slots[a]! - this.slots[b]!);
    return byKey;
  }
}
