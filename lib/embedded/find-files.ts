/** Which files and objects each source has, from what a user wrote: paths, `s3://` URLs and globs of both. */
import { type InputError, MisaError } from '../errors.ts';
import { expandInputs } from '../source/expand-inputs.ts';
import type { FileRef } from '../source/file-blocks.ts';
import type { InputRef } from '../source/input-ref.ts';
import { isS3Url, type S3Inputs } from '../source/s3-inputs.ts';
import type { InputFiles } from './inputs.ts';

/** By source, in reading order. */
type Patterns = ReadonlyMap<string, readonly string[]>;

/**
 * Files, and objects in S3.
 * @param waiting they may come later, so that it is no error if a glob matches none yet
 * @param leftOut is told of a file that cannot be named
 * @throws {InputError} as {@link expandInputs} and {@link S3Inputs.find}
 */
export function findInputs(
  patterns: Patterns,
  waiting: boolean,
  s3: S3Inputs,
  leftOut?: (error: InputError) => void,
): Promise<InputFiles> {
  return findEach<InputRef>(patterns, waiting, async (text) =>
    isS3Url(text) ? s3.find(text) : expandInputs([text], undefined, leftOut),
  );
}

/** Files of this machine only. @param leftOut as {@link findInputs} @throws {InputError} as {@link expandInputs} */
export function findFiles(
  patterns: Patterns,
  leftOut?: (error: InputError) => void,
): Promise<ReadonlyMap<string, readonly FileRef[]>> {
  return findEach(patterns, false, (text) => expandInputs([text], undefined, leftOut));
}

async function findEach<Ref>(
  patterns: Patterns,
  waiting: boolean,
  expand: (text: string) => Promise<readonly Ref[]>,
): Promise<ReadonlyMap<string, readonly Ref[]>> {
  const found = new Map<string, readonly Ref[]>();
  for (const [source, texts] of patterns) {
    const files: Ref[] = [];
    for (const text of texts) {
      try {
        for (const file of await expand(text)) files.push(file);
      } catch (error) {
        const later = waiting && error instanceof MisaError && error.code === 'INPUT_MISSING' && /[*?[{(]/.test(text);
        if (!later) throw error;
      }
    }
    found.set(source, files);
  }
  return found;
}
