/**
 * What the outputs of a job may be called, decided here for everything that makes a name of one: objects of the store,
 * result files and folders (on file systems where `A` and `a` are one name, too), tables. Two outputs, or an output and
 * what Misa itself writes beside it, never share a name.
 */
import { JobError } from '../../errors.ts';
import { isName } from '../../object-store/names.ts';

/** Rows that were set aside are published as `_quarantine` and written as `quarantine`. */
const TAKEN = /^quarantine(\.s\d+)?$/;

/** What result files end with: batch and partition, the format, the mark of one that is being written. */
const FILE_ENDING = /-\d{8,}$|-p\d+$|\.(ndjson|json|csv|parquet|gz|zst|part|tmp)$|\.$/i;

/** @throws {JobError} `BAD_NAME` says what to call it instead */
export function checkOutputNames(outputs: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const name of outputs) {
    const shown = JSON.stringify(name);
    if (!isName(name)) {
      throw bad(`${shown}: use 1 to 100 letters, digits, '.', '_' or '-', the first a letter or digit`);
    }
    const folded = name.toLowerCase();
    if (TAKEN.test(folded)) {
      throw bad(
        `${shown} is taken: rows that cannot be used are written under it. Call the output something else, such as 'rejected'`,
      );
    }
    const ending = FILE_ENDING.exec(name)?.[0];
    if (ending !== undefined) {
      throw bad(`${shown} ends in '${ending}', as names of result files do. Call the output something else`);
    }
    const other = seen.get(folded);
    if (other !== undefined) {
      throw bad(
        `${shown} differs from ${JSON.stringify(other)} by case only, and is the same name on many file systems. Call one of them something else`,
      );
    }
    seen.set(folded, name);
  }
}

function bad(what: string): JobError {
  return new JobError('BAD_NAME', `output name ${what}`);
}
