/**
 * What differs between two state layouts, in words for whoever changed the job: which window, operator or aggregate. These are lines that fit
 * each other by no rule; columns that only come or go are no such difference (`layout-change.ts`).
 */
import { shownName } from '../graph/stored-columns.ts';
import { windowWords } from '../graph/window-spec.ts';
import { type LayoutLine, parseLayoutLine } from './layout-line.ts';
import { ttlDifferences } from './ttl-words.ts';

/** @returns one sentence a difference; none where the layouts are equal */
export function layoutDifferences(stored: readonly string[], wanted: readonly string[]): string[] {
  const onlyStored = stored.filter((line) => !wanted.includes(line));
  const onlyWanted = wanted.filter((line) => !stored.includes(line));
  const ttl = ttlDifferences(onlyStored, onlyWanted);
  const gone = onlyStored.filter((line) => !ttl.lines.has(line));
  const come = onlyWanted.filter((line) => !ttl.lines.has(line));
  const pairs = gone.flatMap((line) => {
    const before = parseLayoutLine(line);
    const after = before && counterpart(before, come);
    return before === undefined || after === undefined
      ? []
      : [{ line, after, words: changes(before, parseLayoutLine(after)!) }];
  });
  const inWords = pairs.filter(({ words }) => words.length > 0);
  const shown = new Set(inWords.flatMap(({ line, after }) => [line, after]));
  const told = [
    ...ttl.words,
    ...inWords.flatMap(({ words }) => words),
    ...gone.filter((line) => !shown.has(line)).map((line) => `only in the store: ${line}`),
    ...come.filter((line) => !shown.has(line)).map((line) => `only in the job: ${line}`),
  ];
  return [...new Set(told)];
}

/** The line of the same operator, and of its same table if that has one. */
function counterpart({ place, table }: LayoutLine, lines: readonly string[]): string | undefined {
  const there = lines.filter((line) => parseLayoutLine(line)?.place === place);
  return there.find((line) => parseLayoutLine(line)!.table?.name === table?.name) ?? there[0];
}

function changes(before: LayoutLine, after: LayoutLine): string[] {
  const where = `stage ${before.stage}, ${before.kind}`;
  if (before.kind !== after.kind)
    return [`stage ${before.stage}: ${before.kind} in the store, ${after.kind} in the job`];
  const told: string[] = [];
  if (before.window !== after.window && before.window !== undefined && after.window !== undefined) {
    told.push(
      `${where}: the window is ${windowWords(before.window)} in the store, ${windowWords(after.window)} in the job`,
    );
  }
  const wanted = kindsOf(after);
  for (const [name, kind] of kindsOf(before)) {
    const now = wanted.get(name);
    if (now !== undefined && now !== kind) {
      told.push(`${where}: column ${shownName(name)} is ${kind} in the store, ${now} in the job`);
    }
  }
  return told;
}

/** Kinds of aggregates, by column. */
function kindsOf({ columns = [] }: LayoutLine): ReadonlyMap<string, string> {
  return new Map(columns.filter(({ removed }) => removed !== true).map(({ name, kind }) => [name, kind]));
}
