/**
 * What differs between two state layouts, in words for whoever changed the job: which column, window or operator. The
 * layouts themselves are lines that only have to be equal; see `layoutOf`.
 */
import { columnsInText } from '../graph/fold-spec.ts';
import { WINDOW_TEXT, windowWords } from '../graph/window-spec.ts';

interface Line {
  /** `s0/o1` */
  readonly place: string;
  readonly stage: number;
  readonly kind: string;
  readonly window: string | undefined;
  /** Kinds of aggregates, by column. */
  readonly columns: ReadonlyMap<string, string> | undefined;
}

const LINE = new RegExp(
  `^(s(\\d+)/o\\d+) (\\S+)(?: (${WINDOW_TEXT.source}))?(?: (.*?))?(?: complete)?(?: table \\S+ \\S+)?$`,
  'u',
);

/** @returns one sentence a difference; none where the layouts are equal */
export function layoutDifferences(stored: readonly string[], wanted: readonly string[]): string[] {
  const gone = stored.filter((line) => !wanted.includes(line));
  const come = wanted.filter((line) => !stored.includes(line));
  const pairs = gone.flatMap((line) => {
    const before = parse(line);
    const after = come.find((other) => before !== undefined && parse(other)?.place === before.place);
    return before === undefined || after === undefined ? [] : [{ line, after, words: changes(before, parse(after)!) }];
  });
  const inWords = pairs.filter(({ words }) => words.length > 0);
  const shown = new Set(inWords.flatMap(({ line, after }) => [line, after]));
  const told = [
    ...inWords.flatMap(({ words }) => words),
    ...gone.filter((line) => !shown.has(line)).map((line) => `only in the store: ${line}`),
    ...come.filter((line) => !shown.has(line)).map((line) => `only in the job: ${line}`),
  ];
  return [...new Set(told)];
}

function parse(line: string): Line | undefined {
  const found = LINE.exec(line);
  if (found === null) return undefined;
  const [, place, stage, kind, window, columns] = found;
  return { place: place!, stage: Number(stage), kind: kind!, window, columns: columnsInText(columns) };
}

function changes(before: Line, after: Line): string[] {
  const where = `stage ${before.stage}, ${before.kind}`;
  if (before.kind !== after.kind)
    return [`stage ${before.stage}: ${before.kind} in the store, ${after.kind} in the job`];
  const told: string[] = [];
  if (before.window !== after.window && before.window !== undefined && after.window !== undefined) {
    told.push(
      `${where}: the window is ${windowWords(before.window)} in the store, ${windowWords(after.window)} in the job`,
    );
  }
  const { columns = new Map<string, string>() } = before;
  const { columns: wanted = new Map<string, string>() } = after;
  for (const [name, kind] of columns) {
    const now = wanted.get(name);
    if (now === undefined) told.push(`${where}: column ${name} (${kind}) is in the store and not in the job`);
    else if (now !== kind) told.push(`${where}: column ${name} is ${kind} in the store, ${now} in the job`);
  }
  for (const [name, kind] of wanted) {
    if (!columns.has(name)) told.push(`${where}: column ${name} (${kind}) is in the job and not in the store`);
  }
  if (told.length === 0 && [...columns.keys()].join() !== [...wanted.keys()].join()) {
    told.push(
      `${where}: the columns are in the order ${[...columns.keys()]} in the store, ${[...wanted.keys()]} in the job`,
    );
  }
  return told;
}
