/**
 * One operator by itself on the engine's tables: rows in; rows out by port, the state it leaves, its log entry and the requests it costs. What
 * happens between batches, folds and restarts, is up to the test.
 */

import type { Operator, OperatorContext } from '../../lib/stream/graph/operator.ts';
import type { ScannedRow } from '../../lib/stream/graph/tables.ts';
import { encodeKey, type Key } from '../../lib/stream/operators/key.ts';
import { allOf } from './chunks.ts';
import { EngineTables } from './engine-tables.ts';
import { rowBatchOf } from './row-batches.ts';

export interface GivenRow {
  readonly key: Key;
  readonly time: number;
  readonly row: unknown;
}

export interface BatchOfFixture {
  /** By input port; left out: none. */
  readonly rows?: readonly (readonly GivenRow[])[];
  /** The operator's watermark in this batch; default: the one before. */
  readonly evict?: number;
  readonly processingTime?: number;
}

export interface BatchShown {
  /** By output port. */
  readonly out: readonly (readonly { readonly row: unknown; readonly time: number }[])[];
  readonly late: number;
  readonly closedTo: number | undefined;
  /** Requests for its reads. */
  readonly requests: number;
}

export class OperatorFixture {
  readonly engine: EngineTables;
  readonly #operator: Operator;
  readonly #mode: OperatorContext['mode'];
  #watermark = Number.NEGATIVE_INFINITY;

  constructor(operator: Operator, mode: OperatorContext['mode'] = 'append', rowBytes = 1 << 20) {
    this.#operator = operator;
    this.#mode = mode;
    this.engine = new EngineTables(operator.tables, { rowBytes });
  }

  /** Runs a batch and commits it. */
  async batch({ rows = [], evict = this.#watermark, processingTime = 0 }: BatchOfFixture): Promise<BatchShown> {
    const previousEvict = this.#watermark;
    const out: { row: unknown; time: number }[][] = Array.from({ length: this.#operator.outputs }, () => []);
    let late = 0;
    let closedTo: number | undefined;
    const inputs = Array.from({ length: this.#operator.inputs }, (_, port) => {
      const given = rows[port] ?? [];
      const keys = given.map(({ key }) => encodeKey(key));
      const all = { primary: given.map(() => true), late: previousEvict };
      return rowBatchOf(
        keys,
        given.map(({ time }) => time),
        given.map(({ row }) => row),
        all,
      );
    });
    const before = this.engine.store.calls.length;
    const attempt = this.engine.begin();
    await this.#operator.run(inputs, {
      ...{ n: this.engine.position + 1, evict, previousEvict, processingTime, mode: this.#mode },
      ...{ tables: attempt.tables, ordered: (table) => attempt.ordered(table) },
      fates: { late: (count) => (late += count), skipped: () => {} },
      closed: (time) => {
        closedTo = Math.max(closedTo ?? time, time);
      },
      emit: (port, row, time) => out[port]!.push({ row, time }) > 0,
      mayRefuse: false,
      refuse: (failure) => {
        throw failure;
      },
    });
    const requests = this.engine.store.calls.length - before;
    await attempt.commit();
    if (Number.isFinite(evict)) this.#watermark = evict;
    return { out, late, closedTo, requests };
  }

  /** All rows of a table that is not ordered, in order. */
  async rowsOf(table: number): Promise<ScannedRow<unknown>[]> {
    const attempt = this.engine.begin();
    const rows = await allOf(attempt.tables[table]!.scan(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY));
    attempt.drop();
    return rows;
  }
}
