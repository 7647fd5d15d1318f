/** How soon a job with much state runs its first batch after a start, by what the process before has left. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inChild } from './child.ts';
import { cacheIn, type LargeArgs, type LargeRun, storeIn } from './large-state-run.ts';
import { copyState, prepareState } from './large-state-state.ts';

/** What ended the process before: an orderly stop, SIGKILL; or it ran on a machine whose block cache is gone. */
export const ENDS = ['stopped', 'killed', 'no cache'] as const;
export type End = (typeof ENDS)[number];

export interface Restart {
  readonly end: End;
  readonly first: LargeRun['first'];
  readonly storedBytes: number;
}

/** @param args of the run before; the one that is measured goes on with other rows */
export async function measureRestart(args: LargeArgs, end: End): Promise<Restart> {
  const directory = mkdtempSync(path.join(tmpdir(), 'misa-bench-'));
  try {
    await copyState(await prepareState(args.stateBytes), storeIn(directory), args.mode);
    const before = inChild('largeState', { ...args, directory, killed: end === 'killed' });
    await (end === 'killed' ? before.catch(() => {}) : before);
    if (end === 'no cache') rmSync(cacheIn(directory), { recursive: true, force: true });
    const again = { ...args, directory, given: 1, seed: args.seed + 100 };
    const { value } = await inChild<LargeRun>('largeState', again);
    return { end, first: value.first, storedBytes: value.storedBytes };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
