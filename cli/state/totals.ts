/** What became of all rows of a stored job, over its life. */
import type { RowTotals } from '../../lib/manifest/manifest.ts';
import { addTotals, totalsOf } from '../../lib/manifest/totals.ts';
import { greatest } from '../../lib/util/numbers.ts';
import type { PartitionView } from './partition-view.ts';
import type { JobViews } from './views.ts';

/** What the manifests have added up, and the log entries that no manifest has folded. */
export function totalsOfJob({ planner, stages }: JobViews): RowTotals | null {
  const of = ({ manifest, unfolded }: PartitionView): RowTotals | undefined => {
    const more = totalsOf(unfolded);
    return more === undefined ? manifest.totals : addTotals(manifest.totals, more);
  };
  const planning = of(planner);
  const parts = stages.flat().flatMap((view) => of(view) ?? []);
  if (planning === undefined || parts.length === 0) return null;
  const from = greatest(
    parts.map((part) => part.from),
    planning.from,
  );
  // Rows are counted once, where they are planned: what the head drops or refuses reaches no partition.
  return { ...parts.reduce(addTotals), rows: planning.rows, from };
}
