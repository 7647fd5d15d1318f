/**
 * Decides which of the rows that a coming batch will read are brought near, and in what steps, as data: slices of their keys in ascending order, so
 * that those of a slice lie side by side in SSTs and share requests, and each so small that a batch which begins meanwhile does not wait for
 * it. Pure; `preloader.ts` executes it.
 */

export interface PreloadBudget {
  /** Rows of a slice, which is looked up without a pause. At least 1. */
  readonly sliceRows: number;
  /** Bytes of memory that rows may take. */
  readonly rowBytes: number;
}

/** Keys `from` up to `to`. */
export interface Slice {
  readonly from: number;
  readonly to: number;
}

/**
 * @param keys how many are wanted and not near
 * @param bytesARow memory that a row takes, about
 * @returns slices without gaps from the first key on; the keys behind the last one are over the budget
 */
export function planPreload(keys: number, bytesARow: number, { sliceRows, rowBytes }: PreloadBudget): Slice[] {
  const most = Math.min(keys, Math.floor(rowBytes / bytesARow));
  const slices: Slice[] = [];
  for (let from = 0; from < most; from += sliceRows) slices.push({ from, to: Math.min(most, from + sliceRows) });
  return slices;
}
