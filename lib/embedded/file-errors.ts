/** Errors of input files that are no longer what was planned of them, each with what the user can do. */
import { InputError } from '../errors.ts';
import type { InputRef } from '../source/input-ref.ts';
import { mayGrow, type ReadBefore } from './file-content.ts';

/** @param rows of it that are planned */
export function changedError({ path }: InputRef, rows: number): InputError {
  const advice = mayGrow(path)
    ? `Only new lines behind its last one may be added. Put it back as it was; or take it out of the input and give what is new as a new file; or start over with a new --store. If it was rotated, give the file that it became as input, too.`
    : `Put it back as it was; or take it out of the input and give what comes after its first ${rows} rows as a new file; or start over with a new --store.`;
  return new InputError('INPUT_CHANGED', `${path} was changed after ${rows} of its rows were planned. ${advice}`, path);
}

/**
 * @param before where the beginning of the file was read
 * @param rows of it that were read there
 * @param others so many more such files there are
 */
export function movedError({ path }: InputRef, before: ReadBefore, rows: number, others: number): InputError {
  const begins = before.within
    ? `${path} holds nothing but rows that were read as ${before.name}`
    : `${path} begins with the ${rows === 1 ? 'row that was' : `${rows} rows that were`} read as ${before.name}`;
  const more = others === 0 ? '' : ` (and ${others} more such files)`;
  const choice =
    'Say once what to do with content that was read under another name: --moved skip (it is not read again; what follows it is) or --moved read (all of it is read, as new rows).';
  return new InputError('INPUT_MOVED', `${begins}${more}: it was moved or copied. ${choice}`, path);
}
