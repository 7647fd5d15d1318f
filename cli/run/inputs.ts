/** `--input SOURCE=FILES`, as given to `misa run` and `misa dev`: which files each source has. */
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
