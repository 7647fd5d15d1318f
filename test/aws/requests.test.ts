/**
 * What a deployed job asks of AWS: within its budgets, and as docs/aws.md says. Where a figure of the page is wrong, the failing test
 * shows the row as it should be.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type DailyRequests, type Requests, requestsABatch, requestsADay } from '../helpers/counted-requests.ts';

/** A micro-batch, all functions together: at most. */
const BUDGET = {
  1: { put: 6, get: 8, sqs: 10, invocations: 5 },
  8: { put: 23, get: 25, sqs: 33, invocations: 11 },
} as const;
const PARTITIONS = [1, 8] as const;
type Partitions = (typeof PARTITIONS)[number];

/** What comes in: rows that a trigger carries, those of one partition that it does not, and of eight, and so many that they are not with their plan; 20,000 ask for as much. */
const INPUTS = {
  100: { rows: 100, input: 'messages', batches: 120 },
  1000: { rows: 1000, input: 'messages', batches: 24 },
  20000: { rows: 7000, input: 'objects', batches: 24 },
} as const;
type Rows = keyof typeof INPUTS;

const counted: Partial<Record<Partitions, Record<Rows, Requests>>> = {};
const idle: Partial<Record<Partitions, DailyRequests>> = {};

beforeAll(async () => {
  for (const partitions of PARTITIONS) {
    const count = (rows: Rows): Promise<Requests> => requestsABatch({ partitions, keys: 5000, ...INPUTS[rows] });
    counted[partitions] = { 100: await count(100), 1000: await count(1000), 20000: await count(20_000) };
    idle[partitions] = await requestsADay({ partitions, objects: 3 });
  }
});

describe('requests a micro-batch, all functions together', () => {
  it.each(PARTITIONS)('P=%s: within the budgets', (partitions) => {
    const budget = BUDGET[partitions];
    for (const requests of Object.values(counted[partitions]!)) {
      for (const what of ['put', 'get', 'sqs', 'invocations'] as const) {
        expect(requests[what], what).toBeLessThanOrEqual(budget[what]);
      }
    }
  });

  it.each(PARTITIONS)('P=%s: none of rows as messages lists, and of objects one, whatever comes in', (partitions) => {
    const { 100: few, 1000: more, 20_000: objects } = counted[partitions]!;
    expect([few.list, more.list, objects.list]).toEqual([0, 0, 1]);
  });
});

describe('docs/aws.md', () => {
  const page = readFileSync(new URL('../../docs/aws.md', import.meta.url), 'utf8').split('\n');

  /** The numbers in the cells of a row behind its name. */
  function cells(row: string): number[][] {
    return row
      .split('|')
      .slice(2, -1)
      .map((cell) => [...cell.replaceAll(',', '').matchAll(/\d+(?:\.\d+)?/g)].map(([number]) => Number(number)));
  }

  /** The page has a row that begins so, with these numbers in its cells, each as near as `within` says. */
  function hasRow(name: string, wanted: readonly (readonly number[])[], within: (number: number) => number): void {
    const row = page.find((line) => line.startsWith(`| ${name}`));
    expect(row, `a row '${name}'`).toBeDefined();
    const found = cells(row!).slice(0, wanted.length);
    const shown = `${row}\nshould be\n${wanted.map((cell) => cell.map((n) => Number(n.toPrecision(4))).join('; ')).join(' | ')}`;
    expect(
      found.map((cell) => cell.length),
      shown,
    ).toEqual(wanted.map((cell) => cell.length));
    for (const [i, cell] of wanted.entries()) {
      for (const [k, number] of cell.entries()) {
        expect(Math.abs(found[i]![k]! - number), shown).toBeLessThanOrEqual(within(number));
      }
    }
  }

  /** Folds of several partitions may share an invocation, or not. */
  const aboutTheSame = (): number => 0.15;

  it('says what a micro-batch was counted to ask for', () => {
    const row = (
      name: string,
      of: (requests: Record<Rows, Requests>) => number[],
      budget?: keyof (typeof BUDGET)[1],
    ): void => {
      const column = (p: Partitions): number[][] => [of(counted[p]!), budget === undefined ? [] : [BUDGET[p][budget]]];
      hasRow(name, [...column(1), ...column(8)], aboutTheSame);
    };
    row('S3 PUT', ({ 100: few, 20_000: objects }) => [few.put, objects.put], 'put');
    row('S3 GET', ({ 100: few, 1000: more, 20_000: objects }) => [few.get, more.get, objects.get], 'get');
    row('S3 LIST', ({ 100: few, 20_000: objects }) => [few.list, objects.list]);
    row('SQS sends', ({ 100: few }) => [few.sends]);
    row('SQS calls', ({ 100: few }) => [few.sqs], 'sqs');
    row(
      'Lambda invocations',
      ({ 100: { invocations, by } }) => [invocations, by.ingest, by.batch, by.preload, by.fold, by.compact],
      'invocations',
    );
  });

  /** US dollars, as in the page's table of prices. */
  const PRICE = { put: 5e-6, get: 0.4e-6, standard: 0.4e-6, fifo: 0.5e-6, invocation: 0.2e-6 };
  const [X64, ARM64] = [0.0000166667, 0.0000133334];

  it.each(PARTITIONS.flatMap((partitions) => ([20_000, 1000, 100] as const).map((rows) => ({ rows, partitions }))))(
    'says what a million events cost: $rows rows a batch, P=$partitions',
    ({ rows, partitions }) => {
      const batches = 1e6 / rows;
      const { put, list, get } = counted[partitions]![rows];
      const { sends, by, invocations } = counted[partitions]![100];
      const s3 = batches * ((put + list) * PRICE.put + get * PRICE.get);
      const units = rows === 20_000 ? 1 : Math.ceil((rows * 167) / 65_536);
      const standard = 2 * units + 1 + by.preload + 2 * by.preload;
      const fifo = sends - by.preload + 2 * (by.batch + by.fold + by.compact);
      const sqs = batches * (standard * PRICE.standard + fifo * PRICE.fifo);
      const invoked = batches * invocations * PRICE.invocation;
      const seconds = batches * 0.1 * ((invocations - by.preload) * 1.7275 + by.preload);
      const logs =
        batches * (1.6 + 2.3 * by.batch + 0.9 * by.preload + 1.5 * by.fold + 1.4 * by.compact) * 0.5e-9 * 1000;
      hasRow(
        `${rows.toLocaleString('en-US')} | ${partitions} |`,
        [
          [partitions],
          [batches],
          [s3],
          [sqs],
          [invoked],
          [s3 + sqs + invoked],
          [seconds * X64, seconds * ARM64],
          [logs],
        ],
        // As exact as two digits are.
        (number) => number * 0.07,
      );
    },
  );

  it('says what is asked for in a day without data', () => {
    const day = (p: Partitions): number[] => {
      const { get, list, put } = idle[p]!;
      return [get, list + put];
    };
    const cost = ([get = 0, put = 0]: number[]): number => get * PRICE.get + put * PRICE.put;
    const column = (p: Partitions): number[] => [...day(p), cost(day(p))];
    hasRow('S3: GET; LIST and PUT', [column(1), column(8)], (number) => (number < 1 ? 0.001 : 0));
  });

  it('says how these requests follow from partitions and from what the places hold', async () => {
    const formula = (p: number, pages: number): DailyRequests => ({
      get: 1440 * (6 + 2 * (1 + p) + pages + 1) + 144 * (1 + 2 * p),
      list: 1440 * pages + 144 * 3 * (1 + p),
      put: 144,
    });
    for (const p of PARTITIONS) expect(idle[p]).toEqual(formula(p, 1));
    // The simulated listing has three objects a page.
    expect(await requestsADay({ partitions: 1, objects: 12 })).toEqual(formula(1, 4));
  });
});
