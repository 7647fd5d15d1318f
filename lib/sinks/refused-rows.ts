/** Rows that a service will never take, collected while the others are delivered, so that one error tells all of them. */
import { type ResultName, rowId, SinkError } from './sink.ts';

/** So many are named with their reason; the others are counted. */
const NAMED = 5;

export class RefusedRows {
  readonly #batch: ResultName;
  readonly #refused: { readonly i: number; readonly why: string }[] = [];

  constructor(batch: ResultName) {
    this.#batch = batch;
  }

  /** @param why what is wrong with row i, and what to do about it */
  add(i: number, why: string): void {
    this.#refused.push({ i, why });
  }

  /** @param where the sink, for people @throws {SinkError} `ROWS_REFUSED`: there are such rows; all others are delivered */
  throwIfAny(where: string): void {
    if (this.#refused.length === 0) return;
    const rows = this.#refused.sort((a, b) => a.i - b.i);
    const named = rows.slice(0, NAMED).map(({ i, why }) => `${rowId(this.#batch, i)}: ${why}`);
    const more = rows.length > NAMED ? `; and ${rows.length - NAMED} rows more` : '';
    const what = `${where} cannot take ${rows.length === 1 ? 'a row' : `${rows.length} rows`}`;
    throw new SinkError('ROWS_REFUSED', `${what}; all others of the batch are delivered. ${named.join('; ')}${more}`);
  }
}
