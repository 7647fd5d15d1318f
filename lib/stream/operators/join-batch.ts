/**
 * A join at work on one batch. Where a function may refuse a row, all pairs of the rows of a side are tried before the first of them
 * is given: so a row that is refused leaves no trace, and nobody holds its results meanwhile. What functions behind the join refuse are
 * results, of no one row.
 */

import { inTurn } from '../../util/in-turn.ts';
import { type OperatorContext, OperatorFailure, type RowBatch } from '../graph/operator.ts';
import type { Expiry } from './expiry.ts';
import { Arrivals, type Meeting } from './join-arrivals.ts';
import { type JoinCalls, NO_PAIR } from './join-calls.ts';
import { positionOf, slotOf } from './join-position.ts';
import { Side, type SideSpec } from './join-side.ts';
import { type JoinSpec, LEFT, other, type Port, reachOf, slotsOf, timeOf } from './join-spec.ts';

export interface JoinParts {
  readonly name: string;
  readonly spec: JoinSpec;
  readonly sides: readonly [SideSpec, SideSpec];
  readonly calls: JoinCalls;
  readonly expiry: Expiry | undefined;
}

export class JoinBatch {
  readonly #parts: JoinParts;
  readonly #inputs: readonly RowBatch[];
  readonly #context: OperatorContext;
  readonly #sides: readonly [Side, Side];

  constructor(parts: JoinParts, inputs: readonly RowBatch[], context: OperatorContext) {
    const [left, right] = parts.sides;
    this.#parts = parts;
    this.#inputs = inputs;
    this.#context = context;
    this.#sides = [new Side(left, context), new Side(right, context)];
  }

  /** The rows that come in at a port meet those of the other side, and are buffered. */
  arrive(port: Port): Promise<void> | undefined {
    if (this.#inputs[port]!.count === 0) return undefined;
    const arrivals = this.#admit(port);
    const buffer = this.#sides[other(port)].rows;
    const attempt = () => arrivals.meet(buffer, (meeting) => this.#attempt(port, arrivals, meeting));
    const give = () => arrivals.meet(buffer, (meeting) => this.#give(port, arrivals, meeting));
    const keep = () => this.#keep(port, arrivals);
    return inTurn(this.#context.mayRefuse ? [attempt, give, keep] : [give, keep], (step) => step());
  }

  /** Forgets all rows of a key. */
  forget(key: string): Promise<void> | undefined {
    return inTurn(this.#sides, ({ rows }) => rows.deleteRange(key));
  }

  /** Forgets what is due, and gives the rows that come out then. */
  evict(port: Port): Promise<void> | undefined {
    const { calls, name } = this.#parts;
    return this.#sides[port].evict((key, slot, row) => {
      let result: unknown;
      try {
        result = calls.alone(port, row, key, slot);
      } catch (error) {
        this.#context.refuse(new OperatorFailure(name, row, -1, error));
        return;
      }
      this.#emit(result, slot);
    });
  }

  /** The rows that are not late and meet the condition on their side. */
  #admit(port: Port): Arrivals {
    const { spec } = this.#parts;
    const batch = this.#inputs[port]!;
    const arrivals = new Arrivals(batch, reachOf(spec, port));
    const late = this.#lateAt(port);
    let lateCount = 0;
    for (let i = 0; i < batch.count; i++) {
      const slots = slotsOf(spec, batch.times[i]!, late);
      if (slots.length > 0) this.#admitRow(port, arrivals, i, slots);
      else if (batch.primary?.[i] === 1) lateCount++;
    }
    if (lateCount > 0) this.#context.fates.late(lateCount);
    return arrivals;
  }

  /** What is late at a port. Windows end by the one watermark that there is, for rows without one, too. */
  #lateAt(port: Port): number {
    const { near, followed } = this.#parts.spec;
    const late = this.#inputs[port]!.late;
    if (near.kind !== 'window' && !followed[port]) return late;
    // What was forgotten by then stays so, also where some rows of the port follow no watermark.
    const forgotten = Math.max(late, this.#context.previousEvict);
    return followed[port] ? forgotten : Math.max(forgotten, this.#inputs[other(port)]!.late);
  }

  #admitRow(port: Port, arrivals: Arrivals, i: number, slots: readonly number[]): void {
    const { batch } = arrivals;
    let admitted: boolean;
    try {
      admitted = this.#parts.calls.admits(port, batch.row(i));
    } catch (error) {
      this.#refuse(arrivals, i, error);
      return;
    }
    if (admitted) for (const slot of slots) arrivals.add(i, slot);
    else if (this.#parts.sides[port].isPreserved) this.#giveAlone(port, arrivals, i, slots);
  }

  /** Row i has no partner, and never will. */
  #giveAlone(port: Port, arrivals: Arrivals, i: number, slots: readonly number[]): void {
    const { keys } = arrivals.batch;
    let results: readonly unknown[];
    try {
      results = slots.map((slot) => this.#parts.calls.alone(port, arrivals.batch.row(i), keys.text(i), slot));
    } catch (error) {
      this.#refuse(arrivals, i, error);
      return;
    }
    for (const [at, slot] of slots.entries()) this.#emit(results[at], slot);
  }

  /** Finds out which arrivals a function refuses. */
  #attempt(port: Port, arrivals: Arrivals, { key, entry, members, first, end }: Meeting): void {
    const slot = slotOf(entry.position);
    for (let at = first; at < end; at++) {
      const i = arrivals.rows[members[at]!]!;
      if (arrivals.refused.has(i)) continue;
      try {
        this.#pair(port, arrivals.batch.row(i), entry.row, key, slot);
      } catch (error) {
        this.#refuse(arrivals, i, error);
      }
    }
  }

  /** Gives the pairs of a buffered row. A semi join gives a left row with its first partner only. */
  #give(port: Port, arrivals: Arrivals, { key, entry, members, first, end }: Meeting): void {
    const { batch, rows, slots, matched, refused } = arrivals;
    const isSemi = this.#parts.spec.type === 'leftSemi';
    const slot = slotOf(entry.position);
    let isMatched = false;
    for (let at = first; at < end; at++) {
      const arrival = members[at]!;
      const i = rows[arrival]!;
      if (refused.has(i) || (isSemi && (port === LEFT ? matched.has(arrival) : isMatched))) continue;
      let result: unknown;
      try {
        result = this.#pair(port, batch.row(i), entry.row, key, slot);
      } catch (error) {
        // Where a row may be refused, that was found out before: this fails the batch.
        this.#refuse(arrivals, i, error);
        continue;
      }
      if (result === NO_PAIR) continue;
      isMatched = true;
      matched.add(arrival);
      if (port === LEFT) this.#emit(result, slots[arrival]!, slot);
      else this.#emit(result, slot, slots[arrival]!);
    }
    if (!isMatched) return;
    const partner = this.#sides[other(port)];
    if (isSemi && port !== LEFT) partner.delete(key, entry.position);
    else partner.match(key, entry.position);
  }

  /** Buffers the arrivals that may still find a partner; of the others those without one come out. */
  #keep(port: Port, arrivals: Arrivals): undefined {
    const { batch, rows, slots, matched, refused } = arrivals;
    const { spec, sides, expiry } = this.#parts;
    const side = this.#sides[port];
    const givenOnce = spec.type === 'leftSemi' && port === LEFT;
    for (let arrival = 0; arrival < arrivals.count; arrival++) {
      const i = rows[arrival]!;
      const slot = slots[arrival]!;
      const isMatched = matched.has(arrival);
      if (refused.has(i)) continue;
      const key = batch.keys.text(i);
      expiry?.touch(this.#context, key);
      if (givenOnce && isMatched) continue;
      if (!side.isOver(slot)) side.put(key, positionOf(slot, this.#context.n, i), batch.row(i), isMatched);
      else if (sides[port].isPreserved && !isMatched) this.#giveAlone(port, arrivals, i, [slot]);
    }
  }

  #pair(port: Port, row: unknown, buffered: unknown, key: string, slot: number): unknown {
    const { calls } = this.#parts;
    return port === LEFT ? calls.pair(row, buffered, key, slot) : calls.pair(buffered, row, key, slot);
  }

  /** @param left slot of the left row, or of the one row that there is */
  #emit(result: unknown, left: number, right = left): void {
    this.#context.emit(0, result, timeOf(this.#parts.spec, left, right));
  }

  #refuse(arrivals: Arrivals, i: number, error: unknown): void {
    arrivals.refused.add(i);
    this.#context.refuse(new OperatorFailure(this.#parts.name, arrivals.batch.row(i), i, error), arrivals.batch);
  }
}
