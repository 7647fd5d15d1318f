/**
 * From what a user wrote to the files it means, in an order that does not depend on the file system, each file once. A
 * pattern that means nothing is an error: it is nearly always a slip, and a job that silently reads nothing hides it.
 */
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { InputError } from '../errors.ts';
import { type FileRef, fileRef } from './file-blocks.ts';
import { detectFormat, knownExtensions } from './format.ts';

/** Most files of one pattern. */
const MAX_FILES = 1_000_000;

/**
 * The files of paths and globs. Patterns in the order given; within one, files by path in code-unit order (so `9` comes
 * after `10`: pad numbers). A file that several patterns or links lead to comes once, at its first place. Dot files and
 * directories match no glob. A path that exists as written is taken as it is, whatever characters it has.
 * @param cwd what relative paths start from
 * @param leftOut is told of a file whose name is not UTF-8, by which it cannot be opened; all others are read. Default: refuse it
 * @throws {InputError} `INPUT_MISSING` (nothing matches), `INPUT_UNREADABLE` (a directory, no permission), `INPUT_FORMAT`
 */
export async function expandInputs(
  patterns: readonly string[],
  cwd = process.cwd(),
  leftOut?: (error: InputError) => void,
): Promise<FileRef[]> {
  const files = new Map<string, FileRef>();
  for (const pattern of patterns) {
    for (const path of await matches(pattern, cwd)) {
      const file = await refOf(path, leftOut);
      if (file === undefined) continue;
      detectFormat(file.path);
      if (!files.has(file.path)) files.set(file.path, file);
    }
  }
  return [...files.values()];
}

/** Names come decoded from the file system: what is not UTF-8 is replaced, and such a name leads nowhere. */
async function refOf(path: string, leftOut: ((error: InputError) => void) | undefined): Promise<FileRef | undefined> {
  try {
    return await fileRef(path);
  } catch (error) {
    if (!path.includes('\ufffd') || !(error instanceof InputError) || error.code !== 'INPUT_MISSING') throw error;
    const refused = new InputError(
      'INPUT_UNREADABLE',
      `${path} is not read: its name is not UTF-8 (\ufffd stands for what is not). Rename it.`,
      path,
    );
    if (leftOut === undefined) throw refused;
    leftOut(refused);
    return undefined;
  }
}

async function matches(pattern: string, cwd: string): Promise<string[]> {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(pattern)) {
    throw new InputError(
      'INPUT_MISSING',
      `${pattern} is a URL; inputs are files on this machine, and for a run objects in S3 (s3://bucket/key). Download it first.`,
      pattern,
    );
  }
  const path = resolve(cwd, pattern);
  const exists = await stat(path).catch(() => undefined);
  if (exists?.isDirectory()) {
    const advice = `Name its files with a glob: '${pattern.replace(/\/+$/, '')}/**/*.ndjson'.`;
    throw new InputError('INPUT_UNREADABLE', `${pattern} is a directory. ${advice}`, pattern);
  }
  if (exists !== undefined) return [path];
  if (pattern === '' || !isDynamicPattern(pattern)) throw await missing(pattern, path);
  const found = await glob(pattern, { cwd, absolute: true, expandDirectories: false });
  if (found.length === 0) throw await missing(pattern, path);
  if (found.length > MAX_FILES) {
    throw new InputError(
      'INPUT_UNREADABLE',
      `${pattern} matches ${found.length} files; at most ${MAX_FILES} are read.`,
      pattern,
    );
  }
  return found.sort((a, b) => (a < b ? -1 : 1));
}

/** Says what was looked for, where, and what is there instead. */
async function missing(pattern: string, path: string): Promise<InputError> {
  const dynamic = isDynamicPattern(pattern);
  let directory = dirname(path);
  while (dynamic && isDynamicPattern(directory)) directory = dirname(directory);
  const wanted = directory;
  let names = await list(directory);
  while (names === undefined && dirname(directory) !== directory) {
    directory = dirname(directory);
    names = await list(directory);
  }
  const near = nearest(directory === wanted ? basename(path) : basename(wanted), names ?? [], dynamic);
  const what = dynamic ? `No file matches ${pattern}` : `There is no file ${pattern}`;
  const where =
    directory === wanted
      ? `looked in ${directory}`
      : `there is no directory ${wanted}; ${directory} is the last that exists`;
  const hint =
    near.length > 0 ? ` There: ${near.join(', ')}.` : directory === wanted ? ' It holds no file that can be read.' : '';
  const tilde = pattern.startsWith('~') ? ' (~ is not expanded here; write the path in full.)' : '';
  return new InputError('INPUT_MISSING', `${what} (${where}).${hint}${tilde} Known are ${knownExtensions}.`, pattern);
}

async function list(directory: string): Promise<string[] | undefined> {
  const entries = await readdir(await realpath(directory).catch(() => directory)).catch(() => undefined);
  return entries?.filter((name) => !name.startsWith('.')).slice(0, 10_000);
}

/** Up to three names like the wanted one; for a glob any three names. */
function nearest(wanted: string, names: readonly string[], any: boolean): string[] {
  const sorted = names.map((name) => ({ name, far: editDistance(wanted.toLowerCase(), name.toLowerCase()) }));
  sorted.sort((a, b) => a.far - b.far || (a.name < b.name ? -1 : 1));
  const limit = any ? Number.POSITIVE_INFINITY : Math.max(3, wanted.length / 2);
  return sorted
    .filter(({ far }) => far <= limit)
    .slice(0, 3)
    .map(({ name }) => name);
}

/** Levenshtein's distance; long names are cut, as a suggestion need not be exact. */
function editDistance(left: string, right: string): number {
  const a = left.slice(0, 64);
  const b = right.slice(0, 64);
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
