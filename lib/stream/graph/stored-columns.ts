/**
 * The columns of an aggregate's rows of state as a store has them: in which order, and what is left of those that the job has no more.
 * A row is the slots of its columns, one behind the other, and a slot never gets another meaning: columns that come are put behind the
 * others, and of one that goes the slots stay, unused. So rows of every layout that there ever was can be read by the newest, a row that
 * is older only ends sooner, and a change of columns rewrites nothing (docs/decisions/0074).
 *
 *     departures:count,~delay:avg,"mean delay":avg        `~`: removed
 */
import type { Accumulator } from './accumulator.ts';

export interface StoredColumn {
  readonly name: string;
  /** Of its aggregate. */
  readonly kind: string;
  /** Its slots are unused: it was removed. */
  readonly removed?: boolean | undefined;
}

const REMOVED = '~';
const COLUMN = /(~?)("(?:[^"\\]|\\.)*"|[^:,"~]+):((?:\([^)]*\)|\[[^\]]*\]|[^,([])+)(?:,|$)/gsuy;

export function columnsText(columns: readonly StoredColumn[]): string {
  return columns
    .map(({ name, kind, removed }) => `${removed === true ? REMOVED : ''}${shownName(name)}:${kind}`)
    .join(',');
}

/** The columns of a {@link columnsText}; `undefined`: it is something else. */
export function columnsInText(text: string): StoredColumn[] | undefined {
  const columns = [...text.matchAll(COLUMN)].map(
    ([, mark, name, kind]): StoredColumn => ({
      name: name!.startsWith('"') ? JSON.parse(name!) : name!,
      kind: kind!,
      ...(mark === REMOVED ? { removed: true } : {}),
    }),
  );
  return columns.length > 0 && columnsText(columns) === text ? columns : undefined;
}

/** Column names as they are, quoted where they would blur the line. */
export function shownName(name: string): string {
  return /^[\p{L}\p{N}_.$-]+$/u.test(name) ? name : JSON.stringify(name);
}

/** Slots of one column, by the kind of its aggregate without parameters: what the job no longer has cannot be asked. */
const SLOTS: Readonly<Record<string, number>> = {
  count: 1,
  sum: 1,
  avg: 2,
  min: 2,
  max: 2,
  minBy: 2,
  maxBy: 2,
  first: 2,
  last: 2,
  collect: 2,
  countDistinct: 1,
  quantile: 1,
  topN: 2,
  aggregator: 1,
};

/** `undefined`: a kind of aggregate that is not known. */
export function slotsOf(kind: string): number | undefined {
  const name = kind.replace(/[([].*/su, '');
  return Object.hasOwn(SLOTS, name) ? SLOTS[name] : undefined;
}

/** Where the slots of a row of state are. */
export interface SlotPlaces {
  /** Of each column of the job. */
  readonly at: readonly number[];
  /** Of a whole row. */
  readonly width: number;
  /** Slots of columns that were removed. */
  readonly unused: readonly number[];
}

/**
 * @param names of the job's columns, with their accumulators
 * @param stored all of them, and what was removed; `undefined`: they are stored as the job has them
 */
export function slotPlaces(
  names: readonly string[],
  accumulators: readonly Pick<Accumulator, 'width'>[],
  stored: readonly StoredColumn[] | undefined,
): SlotPlaces {
  const at = new Array<number>(names.length).fill(-1);
  const unused: number[] = [];
  let width = 0;
  for (const { name, kind, removed } of stored ?? names.map((name): StoredColumn => ({ name, kind: '' }))) {
    const column = removed === true ? -1 : names.indexOf(name);
    const slots = column < 0 ? slotsOf(kind)! : accumulators[column]!.width;
    if (column >= 0) at[column] = width;
    else for (let i = 0; i < slots; i++) unused.push(width + i);
    width += slots;
  }
  return { at, width, unused };
}
