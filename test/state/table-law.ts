/**
 * The law of the table contract (`lib/stream/graph/tables.ts`): random batches of puts, deletes, reads, scans, ranges and forgetting, compared with
 * plain arrays that are filtered and sorted. Whatever stands under an operator's tables must pass: the engine's tiers in
 * any condition, and the tables of the tests' model.
 */
import fc from 'fast-check';
import { expect } from 'vitest';
import { KeyColumn } from '../../lib/columns/key-column.ts';
import type { OrderedTable, StateTable, TableSpec } from '../../lib/stream/graph/tables.ts';
import { encodeKey } from '../../lib/stream/operators/key.ts';

const KEYED = 0;
const TIMED = 1;
const ORDERED = 2;
const NUMBERS = 3;
/** All its rows are numbers. */
const ALONE = 4;

export const LAW_TABLES: readonly TableSpec[] = [
  { name: 'keyed', kind: 'keyed' },
  { name: 'timed', kind: 'timed' },
  { name: 'ordered', kind: 'ordered' },
  { name: 'numbers', kind: 'timed', width: 2 },
  { name: 'numbers alone', kind: 'timed', width: 2 },
];

/** The tables of one attempt at a batch. */
export interface Attempt {
  readonly tables: readonly StateTable[];
  ordered(table: number): OrderedTable;
  /** It counts. */
  commit(): Promise<void>;
  /** It comes to nothing. */
  drop(): void;
}

export interface Subject {
  begin(): Attempt;
  /** What may happen between batches, by any number: folds, compactions, restarts. */
  rest(choice: number): Promise<void>;
  close?(): Promise<void>;
}

/** One row of the oracle. */
interface Row {
  readonly table: number;
  readonly time: number;
  readonly key: string;
  readonly position: string;
  readonly row: unknown;
}

interface Oracle {
  rows: Row[];
  floors: number[];
}

const key = fc.constantFrom(
  ...['a', 'b', 'ab', ''].map((k) => encodeKey(k)),
  encodeKey(['a', 1]),
  encodeKey(['a']),
  encodeKey(7),
);
const time = fc.constantFrom(-7.5, -1, 0, 1, 2, 3, 4, 1e12);
const position = fc
  .oneof(
    fc.integer({ min: -3, max: 12 }),
    fc.constantFrom('', 'a', 'a\0', 'b'),
    fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })),
  )
  .map((p) => encodeKey(p));
const bound = fc.option(position, { freq: 3, nil: undefined });
const moment = fc.oneof(time, fc.constantFrom(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY));
const numbers = fc.tuple(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }));
const row = fc.oneof(
  fc.array(fc.oneof(fc.integer(), fc.string()), { maxLength: 3 }),
  numbers,
  fc.record({ text: fc.string({ maxLength: 30 }) }),
);
const table = fc.constantFrom(KEYED, TIMED, ORDERED, ORDERED, NUMBERS);
const change = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), table, key, time, position, row }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), table, key, time, position }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('deleteRange' as const), key, from: bound, to: bound }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('forget' as const), table: fc.constantFrom(TIMED, NUMBERS), upTo: time }),
  },
);
const read = fc.oneof(
  fc.record({ do: fc.constant('get' as const), table, key, time, position }),
  fc.record({ do: fc.constant('scan' as const), table: fc.constantFrom(TIMED, NUMBERS), after: moment, upTo: moment }),
  fc.record({ do: fc.constant('range' as const), key, from: bound, to: bound }),
);
/** `meanwhile`: after so many chunks of a scan or range come these changes. */
const step = fc.oneof(
  { weight: 3, arbitrary: change },
  { weight: 2, arbitrary: fc.record({ read, at: fc.nat(2), meanwhile: fc.array(change, { maxLength: 4 }) }) },
);
const inAlone = { table: fc.constant(ALONE), key, time: fc.integer({ min: 0, max: 2 }), position };
const changeOfNumbers = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('keep' as const),
      rows: fc.array(fc.record({ key, time: inAlone.time, row: numbers }), { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('delete' as const), ...inAlone }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('put' as const), ...inAlone, row: numbers }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('forget' as const), table: inAlone.table, upTo: fc.constantFrom(-1, 0) }),
  },
);
const readOfNumbers = fc.record({
  do: fc.constant('scan' as const),
  table: inAlone.table,
  after: moment,
  upTo: moment,
});
const stepOfNumbers = fc.oneof(
  changeOfNumbers,
  fc.record({ read: readOfNumbers, at: fc.constant(0), meanwhile: fc.constant([]) }),
);

type Change = Of<typeof change> | Of<typeof changeOfNumbers>;
type Read = Of<typeof read> | Of<typeof readOfNumbers>;
type Step = Change | { readonly read: Read; readonly at: number; readonly meanwhile: readonly Change[] };
type Of<A> = A extends fc.Arbitrary<infer T> ? T : never;
const scriptOf = (steps: fc.Arbitrary<Step>) =>
  fc.array(
    fc.record({
      steps: fc.array(steps, { maxLength: 25 }),
      drop: fc.constantFrom(false, false, false, true),
      rest: fc.nat(),
    }),
    { maxLength: 12 },
  );
export const lawScript = scriptOf(step);
/** Of a table of numbers alone, with rows put as columns. */
export const numbersScript = scriptOf(stepOfNumbers);
export type LawScript = Of<typeof lawScript>;

const isOrdered = (number: number): boolean => number === ORDERED;
const timeIn = (number: number, at: number): number => (LAW_TABLES[number]!.kind === 'timed' ? at : 0);

/** Runs the script on both. @returns how many scans came as columns, too */
export async function obeysLaw(subject: Subject, script: LawScript): Promise<number> {
  let inColumns = 0;
  let oracle: Oracle = { rows: [], floors: LAW_TABLES.map(() => Number.NEGATIVE_INFINITY) };
  for (const batch of script) {
    const attempt = subject.begin();
    const now: Oracle = { rows: [...oracle.rows], floors: [...oracle.floors] };
    for (const one of batch.steps) {
      if ('do' in one) await apply(attempt, now, one);
      else if (await look(attempt, now, one.read, one.at, one.meanwhile)) inColumns++;
    }
    if (batch.drop) {
      attempt.drop();
      continue;
    }
    await attempt.commit();
    oracle = now;
    await subject.rest(batch.rest);
  }
  const last = subject.begin();
  const all = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;
  for (const number of [TIMED, NUMBERS, ALONE] as const) {
    await look(last, oracle, { do: 'scan', table: number, after: all[0], upTo: all[1] }, 0, []);
  }
  last.drop();
  return inColumns;
}

async function apply(attempt: Attempt, oracle: Oracle, one: Change): Promise<void> {
  if (one.do === 'forget') {
    attempt.tables[one.table]!.forget(one.upTo);
    oracle.floors[one.table] = Math.max(oracle.floors[one.table]!, one.upTo);
    oracle.rows = oracle.rows.filter((row) => row.table !== one.table || row.time > one.upTo);
    return;
  }
  if (one.do === 'deleteRange') {
    await attempt.ordered(ORDERED).deleteRange(one.key, one.from, one.to);
    oracle.rows = oracle.rows.filter((row) => !isInRange(row, one));
    return;
  }
  if (one.do === 'keep') {
    await keep(attempt, oracle, one.rows);
    return;
  }
  const { table: number, key: k, position: p } = one;
  const at = timeIn(number, one.time);
  if (one.do === 'put') {
    const put = (): void =>
      isOrdered(number) ? attempt.ordered(number).put(k, p, one.row) : attempt.tables[number]!.put(k, at, one.row);
    if (at <= oracle.floors[number]!) {
      expect(put).toThrow(/forgotten/);
      return;
    }
    put();
  } else if (isOrdered(number)) attempt.ordered(number).delete(k, p);
  else attempt.tables[number]!.delete(k, at);
  oracle.rows = oracle.rows.filter((row) => !isAt(row, number, at, k, p));
  if (one.do === 'put')
    oracle.rows.push({ table: number, time: at, key: k, position: isOrdered(number) ? p : '', row: one.row });
}

/** Puts rows into {@link ALONE}: as columns where the table has them and nothing is touched yet. */
async function keep(attempt: Attempt, oracle: Oracle, rows: (Change & { do: 'keep' })['rows']): Promise<void> {
  const table = attempt.tables[ALONE]!;
  const columns = table.numbers?.count === 0 ? table.numbers : undefined;
  const last = new Map<string, (typeof rows)[number]>();
  for (const one of rows) if (one.time > oracle.floors[ALONE]!) last.set(`${one.time} ${one.key}`, one);
  const given = [...last.values()];
  if (columns === undefined) {
    for (const one of given) table.put(one.key, one.time, one.row);
  } else {
    const keys = KeyColumn.of(given.map((one) => one.key));
    for (const [i, one] of given.entries()) columns.touch(keys, i, one.time);
    await columns.load();
    columns.keep(Float64Array.from(given.flatMap((one) => one.row)));
  }
  for (const { key: k, time: at, row } of given) {
    oracle.rows = oracle.rows.filter((known) => !isAt(known, ALONE, at, k, ''));
    oracle.rows.push({ table: ALONE, time: at, key: k, position: '', row });
  }
}

/** @returns whether it came as columns, too */
async function look(
  attempt: Attempt,
  oracle: Oracle,
  one: Read,
  at: number,
  meanwhile: readonly Change[],
): Promise<boolean> {
  if (one.do === 'get') {
    const { table: number, key: k, position: p } = one;
    const t = timeIn(number, one.time);
    const expected = oracle.rows.find((row) => isAt(row, number, t, k, p))?.row;
    if (isOrdered(number)) {
      await attempt.ordered(number).load([k, k], [p, p]);
      expect(attempt.ordered(number).get(k, p)).toEqual(expected);
    } else {
      await attempt.tables[number]!.load([k, k], [t, t]);
      expect(attempt.tables[number]!.get(k, t)).toEqual(expected);
    }
    return false;
  }
  // What it holds when it is called, whatever is changed before it has come to an end.
  const expected = one.do === 'scan' ? scanned(oracle, one) : ranged(oracle, one);
  const chunks =
    one.do === 'scan'
      ? attempt.tables[one.table]!.scan(one.after, one.upTo)
      : attempt.ordered(ORDERED).range(one.key, one.from, one.to);
  const seen: unknown[] = [];
  let chunk = 0;
  if (at === 0) for (const each of meanwhile) await apply(attempt, oracle, each);
  for await (const some of chunks) {
    expect(some.length).toBeGreaterThan(0);
    seen.push(...some);
    if (++chunk === at) for (const each of meanwhile) await apply(attempt, oracle, each);
  }
  expect(seen).toEqual(expected);
  return one.do === 'scan' && comesAsColumns(attempt.tables[one.table]!, one, scanned(oracle, one));
}

/** Where the table says so, the same rows come as columns. */
function comesAsColumns(table: StateTable, { after, upTo }: Read & { do: 'scan' }, expected: unknown[]): boolean {
  const columns = table.numbers;
  const chunks = columns?.within(after, upTo);
  if (chunks === undefined) return false;
  const { width } = columns!;
  const seen: unknown[] = [];
  for (const { count, keys, times, numbers: all } of chunks) {
    expect(count).toBeGreaterThan(0);
    for (let i = 0; i < count; i++) {
      const row = Array.from(all.subarray(i * width, (i + 1) * width));
      seen.push({ time: times[i]!, key: keys.text(i), row });
    }
  }
  expect(seen).toEqual(expected);
  return seen.length > 0;
}

function scanned(oracle: Oracle, { table: number, after, upTo }: Read & { do: 'scan' }): unknown[] {
  return oracle.rows
    .filter((row) => row.table === number && row.time > after && row.time <= upTo)
    .sort((a, b) => a.time - b.time || (a.key < b.key ? -1 : 1))
    .map((row) => ({ time: row.time, key: row.key, row: row.row }));
}

function ranged(oracle: Oracle, range: Read & { do: 'range' }): unknown[] {
  return oracle.rows
    .filter((row) => isInRange(row, range))
    .sort((a, b) => (a.position < b.position ? -1 : 1))
    .map((row) => ({ position: row.position, row: row.row }));
}

function isInRange(
  one: Row,
  range: { readonly key: string; readonly from: string | undefined; readonly to: string | undefined },
): boolean {
  const { key: k, from = '', to = '\xff' } = range;
  return one.table === ORDERED && one.key === k && one.position >= from && one.position < to;
}

function isAt(one: Row, number: number, at: number, k: string, p: string): boolean {
  return one.table === number && one.time === at && one.key === k && (!isOrdered(number) || one.position === p);
}
