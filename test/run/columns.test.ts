/** A job whose functions are proven to be field accesses gives what the same job with functions that are called gives, to the byte. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { avg, count, type Job, job, max, min, run, sliding, source, sum, tumbling } from '../../lib/index.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-columns-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Trade {
  readonly user: string | null;
  readonly shop: number;
  readonly at: number;
  readonly amount: number | null;
}

const FIELDS = { user: 'string?', shop: 'integer', at: 'timestamp', amount: 'number?' } as const;
type How = <R>(f: (row: Trade) => R) => (row: Trade) => R;
const proven: How = (f) => f;
const called: How = (f) => (row) => f(row);

/** Running and windowed aggregates, one key and a list, late rows, and a second stage. */
function jobsOf(how: How): readonly [string, Job<unknown>][] {
  const trades = source('trades', {
    fields: FIELDS,
    eventTime: how((t) => t.at),
    delay: '2 seconds',
  });
  const columns = {
    n: count<Trade>(),
    total: sum(how((t) => t.amount)),
    mean: avg(how((t) => t.amount)),
    least: min(how((t) => t.amount)),
    most: max(how((t) => t.amount)),
  };
  const byUser = trades.keyBy(how((t) => t.user));
  const hours = byUser.window(tumbling('3 seconds'));
  const settings = { partitions: 2, trigger: { maxRows: 7 } } as const;
  return [
    ['running', job('columns', byUser.aggregate(columns), { ...settings, outputMode: 'update' })],
    [
      'windows',
      job('columns', { hours: hours.aggregate(columns), late: hours.late() } as never, { ...settings }) as Job<unknown>,
    ],
    [
      'lists',
      job(
        'columns',
        trades
          .keyBy(how((t) => [t.user, t.shop]) as never)
          .window(sliding('4 seconds', '2 seconds'))
          .aggregate(columns),
        settings,
      ),
    ],
    [
      'stages',
      job(
        'columns',
        hours
          .aggregate({ n: count<Trade>(), total: sum(how((t) => t.amount)) })
          .keyBy((row) => row.n)
          .window(tumbling('6 seconds'))
          .aggregate({ users: count(), total: sum((row: { total: number }) => row.total) }),
        settings,
      ),
    ],
  ];
}

const text = fc.constantFrom(
  '"a"',
  '"b"',
  '"ä"',
  '"\\u0000"',
  '"\\ud800"',
  '""',
  'null',
  '"a long text that is no short one"',
);
const number = fc.constantFrom('0', '-0', '1', '2.5', '-3', '1e300', 'null', '123456789.125');
const line = fc
  .tuple(text, fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 20_000 }), number, fc.nat(30))
  .map(([user, shop, at, amount, odd]) => {
    if (odd === 0) return '{"user": 1}';
    if (odd === 1) return 'no JSON';
    if (odd === 2) return `{"amount":${amount}, "at":"2013-01-01T00:00:05Z","shop":${shop} ,"more":[1,{"a":"b"}]}`;
    return `{"user":${user},"shop":${shop},"at":${at},"amount":${amount}}`;
  });

let runs = 0;

/** All that a run gives: rows by file, what was set aside, and the counts. */
async function outcome(made: Job<unknown>, texts: readonly string[]): Promise<unknown> {
  const folder = path.join(root, `${runs++}`);
  mkdirSync(folder, { recursive: true });
  const files = texts.map((content, i) => {
    const file = path.join(root, `input-${i}.ndjson`);
    writeFileSync(file, content);
    return file;
  });
  const output = path.join(folder, 'out');
  const { job: _, ...summary } = await run(made, {
    inputs: { trades: files },
    store: path.join(folder, 'store'),
    output,
    flush: true,
  }).done;
  const names = readdirSync(output, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ndjson'))
    .sort();
  const { rows, applied, late, quarantined, position } = summary as unknown as Record<string, number>;
  const written = names.map((name) => [name, readFileSync(path.join(output, name), 'utf8')]);
  return { rows, applied, late, quarantined, position, written };
}

it.each(['running', 'windows', 'lists', 'stages'])('%s', async (kind) => {
  const [one, other] = [proven, called].map((how) => jobsOf(how).find(([name]) => name === kind)![1]);
  const some = fc.array(line, { minLength: 1, maxLength: 40 }).map((lines) => lines.map((l) => `${l}\n`).join(''));
  await fc.assert(
    fc.asyncProperty(fc.array(some, { minLength: 1, maxLength: 2 }), async (texts) => {
      expect(await outcome(one!, texts)).toEqual(await outcome(other!, texts));
    }),
    { numRuns: 4 },
  );
});
