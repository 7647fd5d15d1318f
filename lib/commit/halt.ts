/**
 * Halts a partition at a batch that cannot run, and lets it go on once what was wrong is repaired. ⚑ halt-stops: a halted
 * partition keeps its state and its place; neither that batch nor one after it is run, and the sweep leaves it alone, so that
 * it is seen and not lost.
 */

import { MisaError } from '../errors.ts';
import type { Halt, LoadedManifest, Skip } from '../manifest/manifest.ts';
import { editManifest } from '../manifest/manifest-store.ts';
import { type PartitionPath, PLANNER } from '../object-store/names.ts';
import { cutText } from '../util/text.ts';
import type { CommitPartition } from './partition.ts';

type Halting = Pick<CommitPartition, 'store' | 'names' | 'path' | 'random'>;

const REASON_CHARS = 2000;
/** Rows of one partition, or of all input, that may be set aside one by one. */
export const MAX_SKIPS = 100;

/** What is halted, in messages. */
export function haltedPlace(path: PartitionPath): string {
  return path === PLANNER ? 'planning' : `partition ${path}`;
}

/** People have to act before this partition, or the planning, goes on. */
export class HaltedError extends MisaError {
  constructor(path: PartitionPath, { n, reason }: Halt) {
    super('HALTED', `${haltedPlace(path)} is halted at batch ${n}: ${reason}`);
  }
}

/** One that is halted already stays as it is; `again`: a newer failure takes the place of an older one. */
export async function halt(
  { store, names, path, random }: Halting,
  at: Halt,
  { again = false }: { readonly again?: boolean } = {},
): Promise<LoadedManifest> {
  const reason = cutText(at.reason, REASON_CHARS);
  const { loaded } = await editManifest(
    store,
    names.manifest(path),
    ({ manifest }) => (manifest.halted === null || again ? { type: 'halt', halt: { ...at, reason } } : undefined),
    { nonce: random.id() },
  );
  return loaded;
}

/**
 * @param skipRow sets the row aside that it was halted at, if it was one
 * @returns what it was halted for; `null`: it was not
 * @throws {MisaError} `TOO_MANY_SKIPS`
 */
export async function resumeHalted(
  { store, names, path, random }: Halting,
  { skipRow = false }: { readonly skipRow?: boolean } = {},
): Promise<Halt | null> {
  let was: Halt | null = null;
  await editManifest(
    store,
    names.manifest(path),
    ({ manifest }) => {
      was = manifest.halted;
      if (was === null) return undefined;
      const skip = skipRow ? skipOf(was) : undefined;
      if (skip !== undefined && (manifest.skips?.length ?? 0) >= MAX_SKIPS) throw tooMany(path);
      return { type: 'resume', skip };
    },
    { nonce: random.id() },
  );
  return was;
}

function tooMany(path: string): MisaError {
  return new MisaError(
    'TOO_MANY_SKIPS',
    `${MAX_SKIPS} rows of ${path} are set aside by hand already. Let the job set such rows aside itself: onBadRow: 'quarantine', or onError: 'quarantine'`,
  );
}

function skipOf({ n, row, planHash }: Halt): Skip | undefined {
  if (row === undefined) return undefined;
  const by = row.operator === undefined ? row.message : `${row.operator}: ${row.message}`;
  return { ...row, n, ...(planHash === undefined ? {} : { planHash }), reason: `skipped by hand: ${by}` };
}
