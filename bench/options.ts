export interface BenchOptions {
  /** Fewer and shorter runs: to see that all works, not to quote. */
  readonly quick: boolean;
  /** How many events `nexmark` runs over. */
  readonly events?: number | undefined;
}
