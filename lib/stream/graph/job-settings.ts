/** What a job says of columns of its state that it had when the state was stored. */
export interface StateChanges {
  /** Names that columns had, by those that they have. */
  readonly renamed?: ReadonlyMap<string, string> | undefined;
  /** Columns that are gone for good, though others of their kind have come. */
  readonly removed?: readonly string[] | undefined;
}

/** The options of a job, in plain units. */
export interface JobSettings {
  readonly mode: 'append' | 'update' | 'complete';
  readonly partitions: number;
  readonly trigger: { readonly maxRows: number; readonly maxBytes: number; readonly maxWaitMs: number };
  readonly commit: { readonly mode: 'async' | 'sync'; readonly maxLag: number };
  readonly preload: 'off' | 'metadata' | 'keys';
  readonly state: { readonly ttlMs: number | undefined; readonly cacheBytes: number } & StateChanges;
  /** `undefined`: kept for ever. */
  readonly results: { readonly retentionMs: number | undefined };
  readonly watermarkPolicy: 'min' | 'max';
  readonly noDataBatches: boolean;
  readonly onBadRow: 'quarantine' | 'fail';
  readonly onError: 'fail' | 'quarantine';
}
