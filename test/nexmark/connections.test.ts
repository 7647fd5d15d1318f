/** `examples/connections` over a month of its flights, stopped and started again on the way: what it gives is what DuckDB answers. */
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import connections from '../../examples/connections/job.ts';
import { run } from '../../lib/index.ts';

const FLIGHTS = 'examples/departures/data/flights-2013.ndjson.gz';
const COUNT = 25_000;
const BATCH = 3000;

/** Parts of a key's rows with pauses of at most `gap` ms. */
const parts = (
  key: string,
  gap: number,
): string => `SELECT *, sum(begins) OVER (PARTITION BY ${key} ORDER BY arrival_time, id) AS part FROM (
    SELECT *, CASE WHEN arrival_time - lag(arrival_time) OVER (PARTITION BY ${key} ORDER BY arrival_time, id) > ${gap} THEN 1 ELSE 0 END AS begins
    FROM flights)`;

const ANSWERS = {
  carriedOn: `SELECT late.tailnum, late.carrier || late.flight AS flight, late.arrival_time AS "left", late.arr_delay AS "landedLate",
      later.carrier || later.flight AS next, later.arrival_time AS "nextLeft", later.dep_delay AS "nextLate"
    FROM flights late LEFT JOIN flights later ON late.tailnum = later.tailnum
      AND later.arrival_time - late.arrival_time BETWEEN 60_000 AND 36_000_000
    WHERE late.arr_delay >= 60`,
  shuttles: `SELECT tailnum AS key, min(arrival_time) AS "windowStart", max(arrival_time) + 21_600_000 AS "windowEnd",
      count(*) AS flights, sum(distance) AS miles, list(dest ORDER BY arrival_time, id) AS "to"
    FROM (${parts('tailnum', 21_600_000)}) GROUP BY tailnum, part HAVING count(*) >= 4`,
  bursts: `SELECT [origin, carrier] AS key, min(arrival_time) AS "windowStart", max(arrival_time) + 240_000 AS "windowEnd", count(*) AS planes
    FROM (${parts('origin, carrier', 240_000)}) GROUP BY origin, carrier, part HAVING count(*) >= 8`,
};
type Output = keyof typeof ANSWERS;

const directory = mkdtempSync(path.join(tmpdir(), 'misa-connections-'));
const file = path.join(directory, 'flights.ndjson');
const given: Record<Output, unknown[]> = { carriedOn: [], shuttles: [], bursts: [] };
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Rows as text in one order: a multiset. */
function sorted(rows: readonly unknown[]): string[] {
  return rows.map((row) => JSON.stringify(row, Object.keys(row as object).sort())).sort();
}

async function runOnce(stopAfter: number): Promise<void> {
  const stop = new AbortController();
  let batches = 0;
  await run(connections, {
    inputs: { flights: file },
    store: path.join(directory, 'store'),
    batchRows: BATCH,
    flush: stopAfter === Number.POSITIVE_INFINITY,
    signal: stop.signal,
    onBatch: ({ output, rows }) => {
      if (output !== '_quarantine') given[output].push(...rows);
    },
    onEvent: ({ type }) => {
      if (type === 'progress' && ++batches === stopAfter) stop.abort();
    },
  }).done;
}

beforeAll(async () => {
  const lines: string[] = [];
  for await (const line of createInterface({ input: createReadStream(FLIGHTS).pipe(createGunzip()) })) {
    if (lines.push(line) === COUNT) break;
  }
  writeFileSync(file, `${lines.join('\n')}\n`);
  await runOnce(2);
  await runOnce(3);
  await runOnce(Number.POSITIVE_INFINITY);
});

describe('connections', async () => {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  afterAll(() => connection.closeSync());

  beforeAll(async () => {
    const columns = {
      ...{ arrival_time: 'BIGINT', carrier: 'VARCHAR', flight: 'BIGINT', tailnum: 'VARCHAR', origin: 'VARCHAR' },
      ...{ dest: 'VARCHAR', dep_delay: 'BIGINT', arr_delay: 'BIGINT', distance: 'BIGINT' },
    };
    const types = Object.entries(columns).map(([name, type]) => `${name}: '${type}'`);
    await connection.run(
      `CREATE TABLE flights AS SELECT *, row_number() OVER () AS id FROM read_json('${file}', format = 'newline_delimited', columns = {${types}})`,
    );
  });

  test.each(Object.keys(ANSWERS) as Output[])('%s', async (output) => {
    const answer = await connection.runAndReadAll(`SELECT to_json(a)::VARCHAR FROM (${ANSWERS[output]}) a`);
    const expected = answer.getRows().map(([text]) => JSON.parse(text as string) as unknown);
    expect(expected.length).toBeGreaterThan(0);
    expect(sorted(given[output])).toEqual(sorted(expected));
  });
});
