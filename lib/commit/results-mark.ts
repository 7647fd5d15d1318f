/**
 * How far results are deleted: one small object a job, which says "deleted, or about to be", and only grows. It is written
 * before the first of them goes (⚑ results-condemned), so that whoever misses a result can tell retention from damage.
 */
import { CorruptionError, MisaError } from '../errors.ts';
import type { Names } from '../object-store/names.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import { durationText } from '../util/duration.ts';
import { decodeEnvelope, encodeEnvelope } from '../util/envelope.ts';

const VERSION = 1;

export interface ResultsMark {
  /** Results of batches up to this are deleted, or about to be. 0: none. */
  readonly through: number;
  /** What the job said when it was last moved, ms. */
  readonly retentionMs: number;
}

interface LoadedMark extends ResultsMark {
  /** `undefined`: there is none yet. */
  readonly etag: string | undefined;
}

/** @throws {CorruptionError} it cannot be read: then nothing may be deleted */
export async function loadResultsMark(
  store: ObjectStore,
  names: Names,
  options: RequestOptions = {},
): Promise<LoadedMark> {
  const name = names.deletedResults();
  const answer = await store.get(name, options);
  if (!answer.found) return { through: 0, retentionMs: 0, etag: undefined };
  const { through, retentionMs } = decodeEnvelope<ResultsMark>('deleted-results', VERSION, answer.body, name);
  const isWhole = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
  if (isWhole(through) && isWhole(retentionMs)) return { through, retentionMs, etag: answer.etag };
  throw new CorruptionError(name, `it says that results are deleted through ${String(through)}`);
}

/**
 * Moves the mark on; durable when this is fulfilled.
 * @returns false: another collector was first, and nothing may be deleted on the word of this one
 */
export async function moveResultsMark(
  store: ObjectStore,
  names: Names,
  from: LoadedMark,
  { through, retentionMs }: ResultsMark,
  options: RequestOptions = {},
): Promise<boolean> {
  const body = encodeEnvelope('deleted-results', VERSION, { through, retentionMs } satisfies ResultsMark);
  return (await store.compareAndSet(names.deletedResults(), body, from.etag, options)).ok;
}

/** @param has batches up to this */
export function resultsDeleted(
  { through, retentionMs }: ResultsMark,
  who: string,
  has: number,
  todo: string,
): MisaError {
  return new MisaError(
    'RESULTS_DELETED',
    `results of batches 1 to ${through} were deleted: the job keeps them for ${durationText(retentionMs)}. ${who} has ${has === 0 ? 'none of them' : `those up to batch ${has}`}. ${todo}`,
  );
}
