/**
 * Whether an input pattern would take in the job's own results: the next run would read them as rows. Asked of patterns, not
 * of files, since before the first run there are no results to be found.
 */
import path from 'node:path';
import { InputError } from '../errors.ts';

/**
 * @param directory where results go
 * @param names of the outputs
 * @throws {InputError} `INPUT_IS_OUTPUT`
 */
export function refuseOwnResults(
  patterns: Iterable<string>,
  directory: string,
  names: readonly string[],
  extension: string,
): void {
  const parts = path.resolve(directory).split('/');
  const files = [...names, 'quarantine'].flatMap((name) => [
    [`${name}-00000001-p0.${extension}`],
    [`${name}.${extension}`],
    [name, `00000001-p0.${extension}`],
  ]);
  for (const pattern of patterns) {
    if (!/[*?[{(]/.test(pattern) || /^[a-z][a-z0-9+.-]*:\/\//i.test(pattern)) continue;
    const wanted = path.resolve(pattern).split('/');
    if (!files.some((file) => matches(wanted, [...parts, ...file]))) continue;
    throw new InputError(
      'INPUT_IS_OUTPUT',
      `${pattern} also matches the results that go to ${directory}: the next run would read them as rows. Name another --output, or a pattern that leaves them out.`,
      pattern,
    );
  }
}

/** Whether a path, by its parts, may match a pattern. */
function matches(pattern: readonly string[], parts: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return parts.length === 0;
  if (first === '**') {
    return matches(rest, parts) || (parts.length > 0 && !parts[0]!.startsWith('.') && matches(pattern, parts.slice(1)));
  }
  const [part, ...others] = parts;
  return part !== undefined && partOf(first).test(part) && matches(rest, others);
}

/** One part of a glob: `*`, `?`, `[a-z]` and `{a,b}`. */
function partOf(glob: string): RegExp {
  let braces = 0;
  const text = glob.replace(/\[[^\]]+\]|[.+^$()|\\/{}*?,]/g, (found) => {
    if (found.startsWith('[')) return found.replace(/^\[!/, '[^');
    if (found === '*') return '.*';
    if (found === '?') return '.';
    if (found === '{') return ++braces > 0 ? '(?:' : '';
    if (found === '}') return braces-- > 0 ? ')' : '\\}';
    if (found === ',') return braces > 0 ? '|' : ',';
    return `\\${found}`;
  });
  try {
    return new RegExp(`^${text}${')'.repeat(Math.max(0, braces))}$`);
  } catch {
    // A pattern that cannot be translated is taken to match anything.
    return /.*/;
  }
}
