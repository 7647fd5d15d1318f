/**
 * What is left of a batch that failed in the embedded engine at a row: the failure in the manifest, for `misa status` and `misa
 * resume`, and no plan, where nobody has committed it: the next run plans its rows again, so that a corrected job or a
 * corrected file is all that it takes. Best effort: killed before, the plan stays, and is run again.
 */
import { halt } from '../commit/halt.ts';
import { errorText, InputError, UserFunctionError } from '../errors.ts';
import { PLANNER } from '../object-store/names.ts';
import type { Engine } from './engine.ts';

/** Only when nothing of the engine runs any more, and its commit side is closed. */
export async function recordFailure({ env, planner, stages }: Engine, error: unknown): Promise<void> {
  if (!(error instanceof UserFunctionError || error instanceof InputError) || error.failed === undefined) return;
  const { store, names, random } = env;
  const at = error instanceof UserFunctionError ? error.at : undefined;
  const { path, n } = at ?? { path: PLANNER, n: planner.position + 1 };
  const record = { n, code: error.code, reason: errorText(error), row: error.failed };
  await halt({ store, names, path, random }, record, { again: true });
  const paths = stages.flat().map((runner) => runner.path);
  if (at !== undefined && planner.progress?.kind === 'data') await planner.takeBack(n, paths);
}
