/** The options of a job, in plain units. */
export interface JobSettings {
  readonly mode: 'append' | 'update' | 'complete';
  readonly partitions: number;
  readonly trigger: { readonly maxRows: number; readonly maxBytes: number; readonly maxWaitMs: number };
  readonly commit: { readonly mode: 'async' | 'sync'; readonly maxLag: number };
  readonly preload: 'off' | 'metadata' | 'keys';
  readonly state: { readonly ttlMs: number | undefined; readonly cacheBytes: number };
  /** `undefined`: kept for ever. */
  readonly results: { readonly retentionMs: number | undefined };
  readonly watermarkPolicy: 'min' | 'max';
  readonly noDataBatches: boolean;
  readonly onBadRow: 'quarantine' | 'fail';
  readonly onError: 'fail' | 'quarantine';
}
