/** Which files each source has, from what a user wrote: paths and globs. */
import { MisaError } from '../errors.ts';
import { expandInputs } from '../source/expand-inputs.ts';
import type { FileRef } from '../source/file-blocks.ts';
import type { InputFiles } from './inputs.ts';

/**
 * @param patterns by source, in the order they are to be read
 * @param waiting files may come later, so that it is no error if a glob matches none yet
 * @throws {InputError} as {@link expandInputs}
 */
export async function findFiles(
  patterns: ReadonlyMap<string, readonly string[]>,
  waiting: boolean,
): Promise<InputFiles> {
  const found = new Map<string, readonly FileRef[]>();
  for (const [source, texts] of patterns) {
    const files: FileRef[] = [];
    for (const text of texts) {
      try {
        for (const file of await expandInputs([text])) files.push(file);
      } catch (error) {
        const later = waiting && error instanceof MisaError && error.code === 'INPUT_MISSING' && /[*?[{(]/.test(text);
        if (!later) throw error;
      }
    }
    found.set(source, files);
  }
  return found;
}
