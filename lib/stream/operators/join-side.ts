/**
 * What a join keeps of one side: its rows, by key and position, and, where the watermark ends their wait, when each is due. A due row says
 * whether its row comes out if nothing else happens; so that it has found a partner is written without reading anything, and what is
 * due is deleted without reading it, but for rows that come out.
 */

import { eachChunk } from '../../util/chunks.ts';
import type { OperatorContext } from '../graph/operator.ts';
import type { OrderedTable, ScannedRow, StateTable, TableSpec } from '../graph/tables.ts';
import { slotOf, splitDue } from './join-position.ts';
import { isBounded, isPreserved, type JoinSpec, LEFT, type Port, reachOf } from './join-spec.ts';
import { after } from './when-loaded.ts';

export interface SideSpec {
  readonly port: Port;
  readonly tables: readonly TableSpec[];
  /** Index of the rows among the operator's tables. */
  readonly rows: number;
  /** Index of the table of due times; `undefined`: rows are kept for ever. */
  readonly due: number | undefined;
  /** A row waits for partners up to its slot + so many ms. */
  readonly ahead: number;
  /** Rows without a partner come out. */
  readonly isPreserved: boolean;
}

/** @param first number of tables before these */
export function sideSpec(spec: JoinSpec, port: Port, first: number): SideSpec {
  const name = port === LEFT ? 'left' : 'right';
  const rows: TableSpec = { name, kind: 'ordered' };
  const due: TableSpec = { name: `${name}-due`, kind: 'timed' };
  const bounded = isBounded(spec, port);
  return {
    port,
    tables: bounded ? [rows, due] : [rows],
    rows: first,
    due: bounded ? first + 1 : undefined,
    ahead: reachOf(spec, port).ahead,
    isPreserved: isPreserved(spec, port),
  };
}

/** A row without a partner whose wait is over. */
export type Unmatched = (key: string, slot: number, row: unknown) => void;

/** In a due row: it comes out, or is only forgotten. */
const COMES_OUT = 1;
const FORGOTTEN = 0;

/** The tables of a side in one batch. */
export class Side {
  readonly #spec: SideSpec;
  readonly #context: OperatorContext;
  readonly rows: OrderedTable;
  readonly #due: StateTable<number> | undefined;

  constructor(spec: SideSpec, context: OperatorContext) {
    this.#spec = spec;
    this.#context = context;
    this.rows = context.ordered(spec.rows);
    this.#due = spec.due === undefined ? undefined : (context.tables[spec.due] as StateTable<number>);
  }

  /** Whether a row of this slot waits for nothing that may still come: what was due by then is forgotten. */
  isOver(slot: number): boolean {
    return this.#due !== undefined && slot + this.#spec.ahead <= this.#context.previousEvict;
  }

  put(key: string, position: string, row: unknown, hasPartner: boolean): void {
    this.rows.put(key, position, row);
    const flag = this.#spec.isPreserved && !hasPartner ? COMES_OUT : FORGOTTEN;
    this.#due?.put(key + position, slotOf(position) + this.#spec.ahead, flag);
  }

  /** A row has found a partner. */
  match(key: string, position: string): void {
    if (!this.#spec.isPreserved) return;
    this.#due!.put(key + position, slotOf(position) + this.#spec.ahead, FORGOTTEN);
  }

  delete(key: string, position: string): void {
    this.rows.delete(key, position);
    this.#due?.delete(key + position, slotOf(position) + this.#spec.ahead);
  }

  /** Deletes the rows that are due. A flush ends the wait of rows that come out, and of no others: nothing would be shown of them. */
  evict(unmatched: Unmatched): Promise<void> | undefined {
    const due = this.#due;
    const { evict, previousEvict } = this.#context;
    const isFlush = evict === Infinity;
    if (due === undefined || !(evict > previousEvict) || (isFlush && !this.#spec.isPreserved)) return undefined;
    let last = -Infinity;
    // From where the last one ended, which a flush may be behind.
    const deleted = eachChunk(due.scan(-Infinity, evict), (chunk) => {
      last = chunk.at(-1)!.time;
      // Row by row in a flush: that the watermark has passed them is known to the batches behind it only.
      if (isFlush) for (const { key, time } of chunk) due.delete(key, time);
      return this.#drop(chunk, unmatched);
    });
    return after(deleted, () => {
      if (!isFlush) due.forget(evict);
      else if (last > -Infinity) this.#context.closed(last);
      return undefined;
    });
  }

  #drop(chunk: readonly ScannedRow<number>[], unmatched: Unmatched): Promise<void> | undefined {
    const { rows } = this;
    const places = chunk.map(({ key }) => splitDue(key));
    const out = places.filter((_, i) => chunk[i]!.row === COMES_OUT);
    const drop = (): undefined => {
      for (const [key, position] of out) unmatched(key, slotOf(position), rows.get(key, position));
      for (const [key, position] of places) rows.delete(key, position);
    };
    if (out.length === 0) return drop();
    const [keys, positions] = [out.map(([key]) => key), out.map(([, position]) => position)];
    return after(rows.load(keys, positions), drop);
  }
}
