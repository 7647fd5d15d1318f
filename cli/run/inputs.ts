/** `--input SOURCE=FILES`, as given to `misa run` and `misa dev`: which files each source has. */
import type { RunInput, StreamInput } from '../../lib/embedded/run-options.ts';
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

/** `-`: standard input, as it comes. @throws {UsageError} it is given twice, or beside files of the same source */
export function withStandardInput(
  patterns: ReadonlyMap<string, readonly string[]>,
  format: StreamInput['format'],
): Record<string, RunInput> {
  const inputs: Record<string, RunInput> = {};
  let taken: string | undefined;
  for (const [source, texts] of patterns) {
    if (!texts.includes('-')) {
      inputs[source] = texts;
      continue;
    }
    if (texts.length > 1) throw new UsageError(`--input ${source}=-: standard input is all that ${source} may have`);
    if (taken !== undefined) throw new UsageError(`standard input is one source's: ${taken} or ${source}`);
    taken = source;
    inputs[source] = { from: process.stdin, format };
  }
  if (taken === undefined && format !== undefined) {
    throw new UsageError('--input-format is for standard input (--input SOURCE=-); files say it by their extension');
  }
  return inputs;
}
