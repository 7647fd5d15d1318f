/** What batches have read, and what was read ahead for them. */

/** What was brought into memory for a batch before it asked for it. */
export interface PreloadCounts {
  /** Rows that came in time, and those of them that the batch asked for. */
  readonly rows: number;
  readonly used: number;
  /** Memory of the others, bytes. */
  readonly wastedBytes: number;
  /** Requests to the object store, and the bytes that they have read. */
  readonly requests: number;
  readonly bytes: number;
}

/** Reads of a batch by the tier that answered. */
export interface ReadCounts {
  readonly memory: number;
  readonly lmdb: number;
  readonly warm: number;
  readonly store: number;
  /** Requests to the object store for them. */
  readonly requests: number;
  /** Bytes that these have read. Left out: it was not counted. */
  readonly bytes?: number | undefined;
  /** Left out: nothing was preloaded. */
  readonly preloaded?: PreloadCounts | undefined;
}

export const NO_READS: ReadCounts = { memory: 0, lmdb: 0, warm: 0, store: 0, requests: 0 };

/** Of two batches, or partitions of a batch, together. */
export function addReads(a: ReadCounts, b: ReadCounts): ReadCounts {
  const bytes = a.bytes === undefined && b.bytes === undefined ? undefined : (a.bytes ?? 0) + (b.bytes ?? 0);
  const preloaded = addPreloaded(a.preloaded, b.preloaded);
  return {
    memory: a.memory + b.memory,
    lmdb: a.lmdb + b.lmdb,
    warm: a.warm + b.warm,
    store: a.store + b.store,
    requests: a.requests + b.requests,
    ...(bytes === undefined ? {} : { bytes }),
    ...(preloaded === undefined ? {} : { preloaded }),
  };
}

function addPreloaded(a: PreloadCounts | undefined, b: PreloadCounts | undefined): PreloadCounts | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return {
    rows: a.rows + b.rows,
    used: a.used + b.used,
    wastedBytes: a.wastedBytes + b.wastedBytes,
    requests: a.requests + b.requests,
    bytes: a.bytes + b.bytes,
  };
}

/** The counts side by side, for a trace. */
export function readsDetail({ preloaded, bytes = 0, ...tiers }: ReadCounts): Readonly<Record<string, number>> {
  const ahead = preloaded === undefined ? {} : { preloaded: preloaded.rows, 'of them used': preloaded.used };
  return { ...tiers, bytes, ...ahead };
}
