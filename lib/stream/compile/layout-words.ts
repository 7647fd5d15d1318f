/**
 * What differs between two state layouts, in words for whoever changed the job: which column, window or operator. The
 * layouts themselves are lines that only have to be equal; see `layoutOf`.
 */

interface Line {
  /** `s0/o1` */
  readonly place: string;
  readonly stage: number;
  readonly kind: string;
  readonly window: string | undefined;
  /** Kinds of aggregates, by column. */
  readonly columns: ReadonlyMap<string, string> | undefined;
}

const LINE =
  /^(s(\d+)\/o\d+) (\S+)(?: ((?:tumbling|sliding)\([\d,]+\)))?(?: (.*?))?(?: complete)?(?: table \S+ \S+)?$/u;

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
  return { place: place!, stage: Number(stage), kind: kind!, window, columns: columnsOf(columns) };
}

/** `n:count,best:topN(3)`; a name may be quoted. */
function columnsOf(text: string | undefined): ReadonlyMap<string, string> | undefined {
  if (text === undefined || !text.includes(':')) return undefined;
  const columns = text.matchAll(/("(?:[^"\\]|\\.)*"|[^:,"]+):((?:\([^)]*\)|\[[^\]]*\]|[^,([])+)(?:,|$)/gu);
  return new Map([...columns].map(([, name, kind]) => [name!, kind!]));
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

const UNITS = [
  [86_400_000, 'day'],
  [3_600_000, 'hour'],
  [60_000, 'minute'],
  [1000, 'second'],
] as const;

/** `tumbling(3600000,0)` as `tumbling 1 hour`. */
function windowWords(text: string): string {
  const [kind, ...numbers] = text.replace(')', '').split(/[(,]/u);
  const [size, slide, offset] = kind === 'tumbling' ? [numbers[0], undefined, numbers[1]] : numbers;
  const every = slide === undefined ? '' : ` every ${timeWords(Number(slide))}`;
  const from = offset === undefined || offset === '0' ? '' : ` offset ${timeWords(Number(offset))}`;
  return `${kind} ${timeWords(Number(size))}${every}${from}`;
}

function timeWords(ms: number): string {
  const unit = UNITS.find(([length]) => ms >= length && ms % length === 0);
  if (unit === undefined) return `${ms} ms`;
  const count = ms / unit[0];
  return `${count} ${unit[1]}${count === 1 ? '' : 's'}`;
}
