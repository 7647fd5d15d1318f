/**
 * How functions of the user are called, as far as what they do to their arguments goes. A value has one owner: a row belongs
 * to the operator that it came to, a value of state to its table. Functions may change what is given to them to be changed,
 * the first argument of `reduce` and of `add` and `merge` of `aggregator()`, and nothing else. Where ownership passes, the
 * engine copies: into state, out of it, to each of several branches. `testJob` finds functions that change more.
 */
import { isDeepStrictEqual } from 'node:util';
import { JobError } from '../../errors.ts';
import { copyPlain } from '../../util/copy-plain.ts';
import type { Accumulator } from './accumulator.ts';

type Read = (row: unknown) => unknown;
type Fold = (acc: unknown, row: unknown) => unknown;

export interface Calls {
  /** A function that reads rows. */
  reads(f: Read): Read;
  /** A function that may change, keep and return `acc`, and keep parts of the row in it: it gets a row of its own. */
  folds(f: Fold): Fold;
  /** An aggregate, whose functions read rows. @param column name of its result */
  adds(accumulator: Accumulator, column: string): Accumulator;
}

/** For runs: what is kept is copied, what is read is not. */
export const PLAIN_CALLS: Calls = {
  reads: (f) => f,
  folds: (f) => (acc, row) => f(acc, copyPlain(row)),
  adds: (accumulator) => accumulator,
};

/** For tests of jobs: looks at each row after each call, whether it is as it was. Sees `Date` and `Uint8Array`, too. */
export const CHECKED_CALLS: Calls = {
  reads: (f) => (row) => {
    const before = copyPlain(row);
    const answer = f(row);
    check(before, row);
    return answer;
  },
  folds: (f) => (acc, row) => {
    const own = copyPlain(row);
    const answer = f(acc, own);
    check(row, own);
    return answer;
  },
  adds(accumulator, column) {
    const { add } = accumulator;
    return {
      ...accumulator,
      addNumber: undefined,
      column: undefined,
      add(slots, at, row, time) {
        const before = copyPlain(row);
        add(slots, at, row, time);
        check(before, row, column);
      },
    };
  },
};

/** Whether a function failed because it changes what is not its own: a fault of the function, whatever the row. */
export function changesArguments(error: unknown): boolean {
  return error instanceof JobError && error.code === CODE;
}

const CODE = 'ARGUMENT_CHANGED';

function check(before: unknown, after: unknown, column?: string): void {
  if (isDeepStrictEqual(before, after)) return;
  const where = column === undefined ? '' : `the function of column '${column}' `;
  throw new JobError(
    CODE,
    `${where === '' ? 'it ' : where}changes the row it is given, from ${shown(before)} to ${shown(after)}. Other functions, windows and branches may be given the same row: leave it as it is and return a new one, such as { ...row, n: 1 } or [...row.list].sort(). Only the first argument of reduce(), and of add and merge of aggregator(), may be changed`,
  );
}

function shown(row: unknown): string {
  const text = JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? String(value) : value)) ?? String(row);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
