/**
 * What operators set aside in one batch: rows that a function of the user refused, and results that belong to no one row.
 * With `onError: 'fail'` the first of them fails the batch, unless a person has said to skip it (`misa resume --skip-row`).
 * Each has a place, its number among what the operator was given or sent on, which is the same whenever the batch is run:
 * so a row that is to be skipped is found again.
 */

import { type FailedRow, failureText, userFunctionError } from '../job/failed-row.ts';
import type { Skip } from '../manifest/manifest.ts';
import type { QuarantinedRow } from '../plan/rows.ts';
import { changesArguments } from '../stream/graph/calls.ts';
import type { OperatorFailure, RowBatch } from '../stream/graph/operator.ts';
import { shownRow } from '../util/shown-row.ts';

export interface AsideOptions {
  readonly job: string;
  readonly onError: 'fail' | 'quarantine';
  /** Rows of this batch to be skipped by hand. */
  readonly skips: readonly Skip[];
}

export class Asides {
  readonly #options: AsideOptions;
  readonly rows: QuarantinedRow[] = [];
  /** Of the rows those that stand for an input row. */
  primary = 0;

  constructor(options: AsideOptions) {
    this.#options = options;
  }

  /** Whether anything may be set aside at all. */
  get mayRefuse(): boolean {
    const { onError, skips } = this.#options;
    return onError === 'quarantine' || skips.length > 0;
  }

  /**
   * @param place of what is refused, within the stage
   * @param row what is shown of it
   * @param of the batch of the row that is refused, `undefined`: it is a result
   * @throws {UserFunctionError} the batch fails
   */
  refuse(place: string, failure: OperatorFailure, row: unknown, of: RowBatch | undefined, index: number): void {
    const { job, onError, skips } = this.#options;
    const object = of?.origin(index);
    const { operator } = failure;
    const text = shownRow(row);
    const failed: FailedRow = { operator, object, text, message: failureText(failure), place };
    const skip = skips.find((s) => s.place === place && s.text === text);
    if ((onError === 'fail' && skip === undefined) || changesArguments(failure.cause))
      throw userFunctionError(job, failure, row, failed);
    const reason = skip === undefined ? `${operator}: ${failed.message}` : skip.reason;
    this.rows.push({ ...(object === undefined ? {} : { object }), operator, reason, text });
    if (of?.primary?.[index] === 1) this.primary++;
  }
}
