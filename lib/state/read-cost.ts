/** Where rows of a look-up were, and what it cost to get them. */
export interface ReadCost {
  /** Rows of which all that had to be read was in the local tier. */
  lmdb: number;
  /** Rows for which something was read from the store. */
  store: number;
  requests: number;
  bytes: number;
}

export const noCost = (): ReadCost => ({ lmdb: 0, store: 0, requests: 0, bytes: 0 });

/** The same was asked for once more: its answer may be under way when the first one comes, so its bytes count, too. */
export function addHedge(cost: ReadCost, bytes: number): void {
  cost.requests++;
  cost.bytes += bytes;
}
