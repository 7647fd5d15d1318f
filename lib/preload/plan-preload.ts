/**
 * Decides what to bring near, within budgets, as data: first the blocks of keys the batch names, then those of ranges that
 * close; a whole SST where over half of its blocks are wanted anyway. Pure; `preload.ts` executes it.
 */
import type { SstRef } from '../manifest/manifest.ts';
import type { BlockSpan } from '../sst/scan.ts';
import type { SstIndex } from '../sst/sst-index.ts';
import { planSpans } from '../state/sst-reads.ts';

export interface PreloadBudget {
  readonly bytes: number;
  readonly requests: number;
}

export interface SstWish {
  readonly sst: SstRef;
  readonly index: SstIndex;
  /** Blocks wanted and not local. */
  readonly blocks: ReadonlySet<number>;
  /** Blocks that are local, wanted or not. */
  readonly local: ReadonlySet<number>;
}

export interface PlannedFetch {
  readonly sst: SstRef;
  readonly span: BlockSpan;
}

/** Above this share of its blocks an SST is fetched whole. */
const WHOLE_SHARE = 0.5;

/** @returns fetches in the order of their worth: most wanted blocks a byte first; together within the budget */
export function planPreload(wishes: readonly SstWish[], budget: PreloadBudget): PlannedFetch[] {
  const fetches: (PlannedFetch & { worth: number })[] = [];
  for (const { sst, index, blocks, local } of wishes) {
    const whole = blocks.size > WHOLE_SHARE * index.blockCount;
    const wanted = whole ? Array.from({ length: index.blockCount }, (_, b) => b).filter((b) => !local.has(b)) : blocks;
    for (const span of planSpans(
      index,
      [...wanted].sort((a, b) => a - b),
    )) {
      let useful = 0;
      for (let b = span.first; b < span.last; b++) if (blocks.has(b)) useful++;
      fetches.push({ sst, span, worth: useful / span.length });
    }
  }
  fetches.sort((a, b) => b.worth - a.worth);
  const planned: PlannedFetch[] = [];
  let bytes = 0;
  for (const { sst, span } of fetches) {
    if (planned.length >= budget.requests || bytes + span.length > budget.bytes) continue;
    planned.push({ sst, span });
    bytes += span.length;
  }
  return planned;
}
