/** What operators wait for, and how they do not where all is in memory. Rows whose keys are looked up in a keyed table. */
import type { RowBatch } from '../graph/operator.ts';
import type { StateTable } from '../graph/tables.ts';

/**
 * @param act takes the keys of the rows, whose state is near; not called where there are no rows
 * @returns `undefined`: it is done already
 */
export function whenLoaded(
  batch: RowBatch,
  table: StateTable,
  act: (keys: readonly string[]) => void,
): Promise<void> | undefined {
  if (batch.count === 0) return undefined;
  const keys = batch.keys.texts();
  const loading = table.load(keys);
  if (loading !== undefined) return loading.then(() => act(keys));
  act(keys);
  return undefined;
}

/** Acts when something is done that may be done already. */
export function after(
  waiting: Promise<void> | undefined,
  act: () => Promise<void> | undefined,
): Promise<void> | undefined {
  return waiting === undefined ? act() : waiting.then(act);
}
