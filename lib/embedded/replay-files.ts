/** The rows of batches that were planned by reference and not finished: decoded again from the files, checked against the plan. */
import { InputError, JobError } from '../errors.ts';
import type { Skip } from '../manifest/manifest.ts';
import type { Piece, Plan } from '../plan/plan.ts';
import { plannedObject } from '../plan/planner-log.ts';
import type { PartitionInput } from '../plan/rows.ts';
import { SegmentBuilder } from '../plan/segment-builder.ts';
import type { InputForm } from '../source/input-form.ts';
import { type InputRef, isObject, type LookAt } from '../source/input-ref.ts';
import { openRows } from '../source/open-rows.ts';
import type { PhysicalJob, PhysicalSource } from '../stream/compile/physical.ts';
import { goesOn, KnownContent, mayGrow, versionOf } from './file-content.ts';
import { changedError } from './file-errors.ts';

/** Where the rows of planned files are. */
export interface Replay {
  readonly lookAt: LookAt;
  /** Present files, by source. A file that was renamed since it was planned is looked for among them. */
  readonly files: ReadonlyMap<string, readonly InputRef[]>;
  readonly skips?: readonly Skip[] | undefined;
}

/** The form in which files are read: only the fields that the job asks for, since the files still hold the others. */
export function formOf({ form, asked }: PhysicalSource): InputForm {
  return asked === undefined ? { ...form } : { ...form, asked };
}

/**
 * The inputs of a planned batch, decoded again from the files it names.
 * @throws {InputError} @throws {JobError} `HEAD_CHANGED`
 */
export async function replayFiles(
  job: PhysicalJob,
  plan: Plan,
  { lookAt, files, skips }: Replay,
): Promise<PartitionInput[]> {
  if (plan.headHash !== job.headHash) {
    throw new JobError(
      'HEAD_CHANGED',
      `batch ${plan.n} was planned before the job's functions (source, map, filter, keyBy …) were changed, and is not finished. Put those functions back as they were and run the job once, to finish the batch; then change them. Functions of operators (aggregates, reduce …) may be corrected right away, and if the batch stops at a row, misa resume ${job.name} --skip-row sets that aside.`,
    );
  }
  // Rows that were quarantined when the batch was planned stay quarantined, even if the job now says to fail.
  const builder = new SegmentBuilder({ ...job, onBadRow: 'quarantine', onError: 'quarantine' }, skips);
  for (const piece of plan.pieces) {
    if (piece.from === piece.to) continue;
    const source = job.sources.findIndex((s) => s.name === piece.source);
    builder.open({ source, name: piece.name });
    const file = await fileOf(piece, lookAt).catch(async (error: unknown) => {
      if (!isGoneOrChanged(error)) throw error;
      const renamed = await renamedFile(piece, files.get(piece.source) ?? [], lookAt);
      if (renamed === undefined) throw error;
      return renamed;
    });
    const form = formOf(job.sources[source]!);
    const range = { fromRow: piece.from, toRow: piece.to, near: piece.fromPosition, form };
    for await (const chunk of openRows(file, range)) builder.addChunk(chunk, 0, chunk.count);
  }
  if (builder.rows !== plan.counts.rows || builder.quarantined !== plan.counts.quarantined) {
    throw new JobError(
      'NOT_DETERMINISTIC',
      `batch ${plan.n} had ${plan.counts.rows} rows, of them ${plan.counts.quarantined} set aside, when it was planned; now ${builder.rows} and ${builder.quarantined}. A function of the job gives other results than before: it must depend on the row alone.`,
    );
  }
  return builder.finish();
}

/** The file of a piece as it is now. @throws {InputError} it no longer begins as it was planned */
async function fileOf(piece: Piece, lookAt: LookAt): Promise<InputRef> {
  const now = await lookAt(piece.name);
  if (isObject(now)) {
    if (versionOf(now) === piece.version || (await goesOn(now, plannedObject(piece)))) return now;
    throw changedError(now, piece.from);
  }
  const planned = { path: piece.name, size: piece.size!, mtimeMs: piece.mtimeMs! };
  if (piece.prefix === undefined || versionOf(now) === versionOf(planned)) return planned;
  if (!(await goesOn(now, plannedObject(piece)))) throw changedError(now, piece.from);
  return mayGrow(now.path) ? { ...now, grows: true } : now;
}

/** The file that holds the rows of a piece under another name: it was renamed, or rotated, before its batch was finished. */
async function renamedFile(piece: Piece, files: readonly InputRef[], lookAt: LookAt): Promise<InputRef | undefined> {
  const planned = plannedObject(piece);
  if (planned.prefix === undefined) return undefined;
  const content = new KnownContent(lookAt);
  content.set(piece.name, planned);
  for (const file of files) {
    const found = await content.find(file, () => true);
    if (found === undefined || found.within) continue;
    return mayGrow(file.path) && !isObject(file) ? { ...file, grows: true } : file;
  }
  return undefined;
}

function isGoneOrChanged(error: unknown): boolean {
  return error instanceof InputError && (error.code === 'INPUT_MISSING' || error.code === 'INPUT_CHANGED');
}
