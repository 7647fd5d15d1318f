/**
 * NEXMark: each query of `examples/nexmark` answers what DuckDB answers over the same events: in order, and shuffled as far as the watermark
 * allows, over several partitions and restarts.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { nexmarkEvents } from '../../examples/nexmark/generator.ts';
import { shuffled } from '../../examples/nexmark/shuffled.ts';
import type { Job } from '../../lib/index.ts';
import { Answers, type Query } from './answers.ts';
import { runQuery, type Way } from './run-query.ts';

const DELAY_MS = 4000;
const BEFORE_MIDNIGHT = Date.UTC(2015, 6, 14, 23, 59, 40);

/** Forty seconds over midnight; and 28 hours, for queries that look at days and hours. */
const SECONDS = [...nexmarkEvents({ events: 12_000, rate: 300, start: BEFORE_MIDNIGHT, seed: 7 })];
const HOURS = [...nexmarkEvents({ events: 12_000, rate: 0.12, seed: 8 })];

const OVER_SECONDS: readonly Query[] = [
  'q0',
  'q1',
  'q2',
  'q3',
  'q4',
  'q5',
  'q6',
  'q7',
  'q8',
  'q9',
  'q11',
  'q18',
  'q19',
  'q20',
  'q22',
];
const OVER_HOURS: readonly Query[] = ['q14', 'q15', 'q16', 'q17'];

const IN_ORDER: Way = { partitions: 1, batch: 1500 };
const SHUFFLED: Way = { partitions: 3, batch: 1100, restartEvery: 3 };

const opened: Answers[] = [];
afterAll(() => {
  for (const answers of opened) answers.close();
});

async function jobOf(query: Query): Promise<Job<unknown[]>> {
  return (await import(`../../examples/nexmark/${query}.ts`)).default;
}

/** Rows as text in one order: a multiset. */
function sorted(rows: readonly unknown[]): string[] {
  return rows.map((row) => JSON.stringify(row, Object.keys(row as object).sort())).sort();
}

describe.each([
  { span: 'seconds', events: SECONDS, queries: OVER_SECONDS },
  { span: 'hours', events: HOURS, queries: OVER_HOURS },
])('over $span', async ({ events, queries }) => {
  const answers = await Answers.over(events);
  opened.push(answers);
  const late = [...shuffled(events, DELAY_MS, 3)];

  test.each(queries)('%s', async (query) => {
    const job = await jobOf(query);
    const expected = sorted(await answers.to(query));
    expect(expected.length).toBeGreaterThan(1);
    expect(sorted(await runQuery(query, job, events, IN_ORDER))).toEqual(expected);
    expect(sorted(await runQuery(query, job, late, SHUFFLED))).toEqual(expected);
  });
});

test('q12, whose windows are of the clock: that of the plans', async () => {
  const way: Way = { ...SHUFFLED, clock: (batch) => 1500 + 900 * (batch % 7) };
  const times: number[] = [];
  let now = 0;
  for (let batch = 0; times.length < SECONDS.length; batch++) {
    now += way.clock!(batch);
    times.push(...new Array<number>(way.batch).fill(now));
  }
  const answers = await Answers.over(SECONDS, times);
  opened.push(answers);
  const expected = sorted(await answers.to('q12'));
  expect(sorted(await runQuery('q12', await jobOf('q12'), SECONDS, way))).toEqual(expected);
});

test('events are a function of the seed, and arrive within the delay', () => {
  const some = { events: 3000, rate: 300, start: BEFORE_MIDNIGHT };
  expect([...nexmarkEvents({ ...some, seed: 7 })]).toEqual(SECONDS.slice(0, 3000));
  expect([...nexmarkEvents({ ...some, seed: 9 })]).not.toEqual(SECONDS.slice(0, 3000));
  const late = [...shuffled(SECONDS, DELAY_MS)];
  expect(late).not.toEqual(SECONDS);
  expect(new Set(late)).toEqual(new Set(SECONDS));
  let greatest = 0;
  for (const { row } of late) {
    expect(row.dateTime).toBeGreaterThan(greatest - DELAY_MS);
    greatest = Math.max(greatest, row.dateTime);
  }
});

test('proportions and hot keys are the published ones', () => {
  const people = SECONDS.filter(({ source }) => source === 'person');
  const auctions = SECONDS.flatMap(({ source, row }) => (source === 'auction' ? [row] : []));
  const bids = SECONDS.flatMap(({ source, row }) => (source === 'bid' ? [row] : []));
  expect([people.length, auctions.length, bids.length]).toEqual([12_000 / 50, (3 * 12_000) / 50, (46 * 12_000) / 50]);
  const share = <T>(rows: readonly T[], where: (row: T) => boolean) => rows.filter(where).length / rows.length;
  expect(share(auctions, ({ seller }) => seller % 100 === 0)).toBeCloseTo(0.75, 1);
  expect(share(bids, ({ auction }) => auction % 100 === 0)).toBeCloseTo(0.5, 1);
  expect(share(bids, ({ bidder }) => bidder % 100 === 1)).toBeCloseTo(0.75, 1);
  expect(share(bids, ({ channel }) => !channel.startsWith('channel-'))).toBeCloseTo(0.5, 1);
  // A third of the six powers of ten each: below 10,000, below 1,000,000, and above.
  expect(share(bids, ({ price }) => price < 10_000)).toBeCloseTo(1 / 3, 1);
  const bytes = bids.reduce((sum, { extra }) => sum + extra.length, 0) / bids.length;
  expect(bytes).toBeCloseTo(100 - 32, 0);
});
