/**
 * What a job makes of state that is stored in another layout than its own: the columns of an aggregate are known by name, so some may
 * come, go, and stand in another order; all else must be equal. Nothing that is stored is rewritten: see `stored-columns.ts`.
 *
 * Invariant: in the layout that comes out each slot of a row means what it meant before, or nothing.
 */

import type { StateChanges } from '../graph/job-settings.ts';
import { columnsInText, columnsText, type StoredColumn, shownName, slotsOf } from '../graph/stored-columns.ts';
import { layoutDifferences } from './layout-words.ts';

/** One column of the state that is not as the store has it. */
export interface ColumnChange {
  /** The operator: `s0/o1`. */
  readonly place: string;
  /** Of the operator: `window-aggregate`. */
  readonly operator: string;
  readonly change: 'added' | 'removed' | 'renamed';
  readonly column: string;
  /** Its aggregate. */
  readonly aggregate: string;
  /** Its name in the store, where it is renamed. */
  readonly from?: string | undefined;
}

export interface LayoutFit {
  /** What the stored layout becomes: the same, where no column changes. */
  readonly layout: readonly string[];
  readonly changes: readonly ColumnChange[];
  /** Why the job cannot go on from this state, a sentence each; none: it can. */
  readonly refusals: readonly string[];
}

/** What a layout says of a job. */
export interface Layout {
  readonly layout: readonly string[];
  /** By operator (`s0/o1`). */
  readonly columns: ReadonlyMap<string, readonly StoredColumn[]>;
}

export function placeName(stage: number, index: number): string {
  return `s${stage}/o${index}`;
}

/** Whether the job of layout `wanted` can go on from state of layout `stored`, and what it makes of it then. */
export function fitLayout(stored: readonly string[], wanted: Layout, said: StateChanges): LayoutFit {
  const layout = [...stored];
  const left = new Set(stored);
  const unmatched: string[] = [];
  const changes = new Map<string, ColumnChange>();
  const refusals = new Set<string>();
  for (const line of wanted.layout) {
    if (left.delete(line)) continue;
    const found = findLine(left, line, wanted.columns.get(line.split(' ', 1)[0]!));
    if (found === undefined) {
      unmatched.push(line);
      continue;
    }
    left.delete(found.line);
    const [place, operator] = line.split(' ') as [string, string];
    const fit = fitColumns(found.columns, found.wanted, said);
    for (const change of fit.changes) changes.set(`${place} ${change.column}`, { place, operator, ...change });
    for (const refusal of fit.refusals) refusals.add(`stage ${stageOf(place)}, ${operator}: ${refusal}`);
    layout[stored.indexOf(found.line)] = found.before + columnsText(fit.columns) + found.after;
  }
  for (const words of layoutDifferences([...left], unmatched)) refusals.add(words);
  return { layout, changes: [...changes.values()], refusals: [...refusals] };
}

/** A change, in words for people: what becomes of the column. */
export function changeWords({ place, operator, change, column, aggregate, from }: ColumnChange): string {
  const where = `stage ${stageOf(place)}, ${operator}: column ${shownName(column)} (${aggregate})`;
  switch (change) {
    case 'added':
      return `${where} is new: in groups that are there it begins with the next batch, as if no row had come before`;
    case 'removed':
      return `${where} is gone: what it held is lost`;
    case 'renamed':
      return `${where} was ${shownName(from!)}, and goes on`;
  }
}

export function stageOf(place: string): number {
  return Number(/\d+/.exec(place)![0]);
}

/** What the columns of an operator are in a stored layout that fits it. @param line as the job has it, without its table */
export function storedColumns(
  stored: readonly string[],
  line: string,
  columns: readonly StoredColumn[],
): readonly StoredColumn[] {
  const { before, after } = around(line, columns);
  for (const other of stored) {
    const text = other.replace(/ table \S+ (keyed|timed|ordered)( by \S+)?$/u, '');
    const found = columnsBetween(text, before, after);
    if (found !== undefined) return found;
  }
  return columns;
}

interface FoundLine {
  readonly line: string;
  readonly before: string;
  readonly after: string;
  readonly columns: readonly StoredColumn[];
  readonly wanted: readonly StoredColumn[];
}

/** The line among `lines` that is the same but for its columns. */
function findLine(
  lines: Iterable<string>,
  line: string,
  wanted: readonly StoredColumn[] | undefined,
): FoundLine | undefined {
  if (wanted === undefined) return undefined;
  const { before, after } = around(line, wanted);
  for (const other of lines) {
    const columns = columnsBetween(other, before, after);
    if (columns !== undefined) return { line: other, before, after, columns, wanted };
  }
  return undefined;
}

function around(line: string, columns: readonly StoredColumn[]): { readonly before: string; readonly after: string } {
  const text = columnsText(columns);
  const at = line.indexOf(` ${text}`) + 1;
  return { before: line.slice(0, at), after: line.slice(at + text.length) };
}

function columnsBetween(line: string, before: string, after: string): StoredColumn[] | undefined {
  if (!line.startsWith(before) || !line.endsWith(after)) return undefined;
  return columnsInText(line.slice(before.length, line.length - after.length));
}

interface ColumnFit {
  readonly columns: readonly StoredColumn[];
  readonly changes: readonly Omit<ColumnChange, 'place' | 'operator'>[];
  readonly refusals: readonly string[];
}

function fitColumns(stored: readonly StoredColumn[], wanted: readonly StoredColumn[], said: StateChanges): ColumnFit {
  const live = new Map(stored.filter(({ removed }) => removed !== true).map((column) => [column.name, column]));
  const come = wanted.filter(({ name }) => !live.has(name));
  const changes: Omit<ColumnChange, 'place' | 'operator'>[] = [];
  const refusals: string[] = [];
  const isNow = new Map(wanted.map((column) => [column.name, column]));
  /** Columns by their names in the store, where these are others. */
  const renamed = new Map<string, StoredColumn>();
  for (const column of come) {
    const from = said.renamed?.get(column.name);
    if (from === undefined || !live.has(from)) continue;
    if (isNow.has(from)) refusals.push(stillThere(column.name, from));
    else renamed.set(from, column);
  }
  const columns = stored.map((column): StoredColumn => {
    const { name, kind } = column;
    if (column.removed === true) return column;
    const now = isNow.get(name) ?? renamed.get(name);
    if (now === undefined) {
      changes.push({ change: 'removed', column: name, aggregate: kind });
      if (slotsOf(kind) === undefined) refusals.push(`column ${shown(column)} is of a kind that is not known here`);
      return { ...column, removed: true };
    }
    if (now.kind !== kind) refusals.push(otherKind(column, now));
    if (now.name !== name) changes.push({ change: 'renamed', column: now.name, aggregate: kind, from: name });
    return now;
  });
  const gone = changes.filter(({ change }) => change === 'removed');
  const isRenamed = new Set(renamed.values());
  const added = come.filter((column) => !isRenamed.has(column));
  for (const { column, aggregate } of gone) {
    const like = added.filter(({ kind }) => kind === aggregate);
    if (like.length > 0 && said.removed?.includes(column) !== true)
      refusals.push(perhapsRenamed(column, aggregate, like));
  }
  for (const { name, kind } of added) changes.push({ change: 'added', column: name, aggregate: kind });
  return { columns: [...columns, ...added], changes, refusals };
}

function shown({ name, kind }: StoredColumn): string {
  return `${shownName(name)} (${kind})`;
}

function otherKind(before: StoredColumn, now: StoredColumn): string {
  return `column ${shownName(before.name)} is ${before.kind} in the store, ${now.kind} in the job${
    now.name === before.name ? '' : `, as ${shownName(now.name)}`
  }: give the column of the other aggregate a name of its own`;
}

function stillThere(column: string, from: string): string {
  return `column ${shownName(column)} is said to be ${shownName(from)} renamed, and the job has ${shownName(from)}, too`;
}

function perhapsRenamed(column: string, aggregate: string, like: readonly StoredColumn[]): string {
  const [first] = like;
  return (
    `column ${shownName(column)} (${aggregate}) is in the store and not in the job, which has ${like.map(shown).join(', ')} new: ` +
    `if it has only another name, say so in the job's options, state: { renamed: { ${JSON.stringify(first!.name)}: ${JSON.stringify(column)} } }; ` +
    `if what it holds is to go, state: { removed: [${JSON.stringify(column)}] }`
  );
}
