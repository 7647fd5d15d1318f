/** Counts of rows over the life of a partition: log entries go, what they counted stays in the manifest. */
import type { RowTotals } from './manifest.ts';

export function addTotals(before: RowTotals | undefined, more: RowTotals): RowTotals {
  if (before === undefined) return more;
  return {
    from: before.from,
    rows: before.rows + more.rows,
    late: before.late + more.late,
    skipped: before.skipped + more.skipped,
    quarantined: before.quarantined + more.quarantined,
    setAside: before.setAside + more.setAside,
    emitted: before.emitted + more.emitted,
  };
}

/** What a log entry counts; those without counts count nothing. */
interface Counted {
  readonly n: number;
  readonly counts?: (Omit<RowTotals, 'from' | 'setAside'> & { readonly setAside?: number }) | undefined;
}

/** Of entries in order; `undefined`: there are none. */
export function totalsOf(entries: readonly Counted[]): RowTotals | undefined {
  let totals: RowTotals | undefined;
  for (const { n, counts } of entries) {
    if (counts === undefined) continue;
    const { rows, late, skipped, quarantined, setAside = 0, emitted } = counts;
    totals = addTotals(totals, { from: n, rows, late, skipped, quarantined, setAside, emitted });
  }
  return totals;
}
