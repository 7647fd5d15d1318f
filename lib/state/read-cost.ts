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
