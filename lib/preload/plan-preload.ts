/**
 * Decides what to bring near, within budgets, as data: slices of the keys that a coming batch will read, each so small that a batch which
 * begins meanwhile does not wait for it. Pure; `preloader.ts` executes it.
 */

export interface PreloadBudget {
  /** Rows of a slice: what is looked up without a pause. */
  readonly sliceRows: number;
  /** Bytes of memory that rows may take. */
  readonly rowBytes: number;
}

/** Keys `from` up to `to`. */
export interface Slice {
  readonly from: number;
  readonly to: number;
}

/** @param bytesARow memory that a row takes, about */
export function planPreload(keys: number, bytesARow: number, budget: PreloadBudget): Slice[] {
  const most = Math.min(keys, Math.floor(budget.rowBytes / bytesARow));
  const slices: Slice[] = [];
  for (let from = 0; from < most; from += budget.sliceRows) {
    slices.push({ from, to: Math.min(most, from + budget.sliceRows) });
  }
  return slices;
}
