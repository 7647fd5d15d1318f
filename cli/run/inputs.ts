/** `--input SOURCE=FILES`, as given to `misa run` and `misa dev`: which files each source has. */
import { MisaError } from '../../lib/errors.ts';
import type { InputFiles } from '../../lib/runtime/run-job.ts';
import { expandInputs, type FileRef } from '../../lib/source/index.ts';
import { UsageError } from '../failure.ts';

/** Patterns by source, in the order given. */
export function parseInputs(texts: readonly string[]): Map<string, string[]> {
  const patterns = new Map<string, string[]>();
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1 || at === text.length - 1) {
      throw new UsageError(
        `--input ${text}: say which source the files are for, such as --input flights='data/*.ndjson.gz'`,
      );
    }
    const name = text.slice(0, at);
    patterns.set(name, [...(patterns.get(name) ?? []), text.slice(at + 1)]);
  }
  return patterns;
}

/** @param waiting files may come later, so that it is no error if there are none yet */
export async function findFiles(
  patterns: ReadonlyMap<string, readonly string[]>,
  waiting: boolean,
): Promise<InputFiles> {
  const found = new Map<string, readonly FileRef[]>();
  for (const [source, texts] of patterns) {
    const files: FileRef[] = [];
    for (const text of texts) {
      try {
        files.push(...(await expandInputs([text])));
      } catch (error) {
        const later = waiting && error instanceof MisaError && error.code === 'INPUT_MISSING' && /[*?[{(]/.test(text);
        if (!later) throw error;
      }
    }
    found.set(source, files);
  }
  return found;
}
