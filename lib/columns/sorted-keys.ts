/** The keys of a column in the order of their bytes, each once. */
import { compareBytes } from '../util/bytes.ts';
import { KeyColumn } from './key-column.ts';
import { sortKeys } from './key-order.ts';

export interface SortedKeys {
  readonly keys: KeyColumn;
  /** Where each stood before; of several that are the same, one of them. */
  readonly from: Int32Array;
}

export function sortedKeys(keys: KeyColumn): SortedKeys {
  const { bytes, starts, count } = keys;
  const order = new Int32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  sortKeys(order, { bytes, starts, ends: starts.subarray(1) });
  const sorted = new KeyColumn(count, count === 0 ? 0 : Math.ceil(starts[count]! / count));
  let last = -1;
  for (const i of order) {
    if (last >= 0 && compareBytes(bytes, starts[i]!, starts[i + 1]!, bytes, starts[last]!, starts[last + 1]!) === 0) {
      continue;
    }
    order[sorted.count] = i;
    sorted.pushFrom(keys, i);
    last = i;
  }
  return { keys: sorted, from: order.subarray(0, sorted.count) };
}
