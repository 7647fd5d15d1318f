/**
 * What is left of a batch that failed in the embedded engine at a row: the failure in the manifest, for `misa status` and `misa
 * resume`, and no plan, where nobody has committed it: the next run plans its rows again, so that a corrected job or a
 * corrected file is all that it takes. Best effort: killed before, the plan stays, and is run again.
 */

import { halt } from '../commit/halt.ts';
import { errorText, UserFunctionError } from '../errors.ts';
import { isOfRow } from '../job/failed-row.ts';
import { PLANNER } from '../object-store/names.ts';
import type { Engine } from './engine.ts';

/** Most partitions whose failures are recorded for one batch: more would not help to find the fault. */
const MAX_RECORDED = 64;

/**
 * Only when nothing of the engine runs any more, and its commit side is closed. Where several partitions failed in the batch,
 * each has its own failure, so that all of them can be mended, or skipped, before the next run.
 */
export async function recordFailure({ context, planner, stages, failures }: Engine, error: unknown): Promise<void> {
  const ofRows = [...new Set([error, ...failures])].filter(isOfRow).slice(0, MAX_RECORDED);
  const [first] = ofRows;
  if (first === undefined || first !== error) return;
  const { store, names, random } = context;
  for (const failure of ofRows) {
    const at = failure instanceof UserFunctionError ? failure.at : undefined;
    const { path, n } = at ?? { path: PLANNER, n: planner.position + 1 };
    const record = { n, code: failure.code, reason: errorText(failure), row: failure.failed };
    await halt({ store, names, path, random }, record, { again: true });
  }
  const at = first instanceof UserFunctionError ? first.at : undefined;
  const paths = stages.flat().map((runner) => runner.path);
  if (at !== undefined && planner.progress?.kind === 'data') await planner.takeBack(at.n, paths);
}
