/** An SST as far as it is open here. */
import type { SstRef } from '../manifest/manifest.ts';
import type { SstFilter } from '../sst/sst-filter.ts';
import type { SstIndex } from '../sst/sst-index.ts';
import type { CachedSst } from './block-cache.ts';
import type { FetchedSpan } from './fetched-span.ts';

export interface OpenSst {
  readonly sst: SstRef;
  readonly index: SstIndex;
  /** `undefined`: it is not here yet, and any key may be in the SST. */
  filter: SstFilter | undefined;
  /** Keys that were looked for in its blocks and are not in it. */
  misses: number;
  readonly cached: CachedSst | undefined;
  /** Blocks that are on their way, by number. */
  readonly underWay: Map<number, FetchedSpan>;
}
