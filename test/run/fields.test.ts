/** Declared fields in runs: every kind of input gives the same rows, and what does not fit is set aside where it stands. */
import { appendFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import {
  count,
  first,
  job,
  max,
  type QuarantinedResult,
  type RunInput,
  type RunOptions,
  run,
  source,
  sum,
  tumbling,
} from '../../lib/index.ts';
import { testJob } from '../../lib/testing.ts';
import { newFolders } from '../helpers/new-folders.ts';

const newFolder = newFolders('fields');

const orders = source('orders', {
  fields: { shop: 'string', at: 'timestamp', n: 'integer', amount: 'number', paid: 'boolean', tag: 'string?' },
  eventTime: (o) => o.at,
  delay: '1 sec',
});
const orderJob = job(
  'orders',
  orders
    .keyBy((o) => [o.shop, o.tag])
    .window(tumbling('1 min'))
    .aggregate({
      orders: count((o) => o.paid),
      n: sum((o) => o.n),
      most: max((o) => o.amount),
      row: first(),
    }),
  { partitions: 2 },
);

interface Order {
  readonly id: number;
  readonly shop: string;
  readonly at: string;
  readonly note: string;
  readonly n: number;
  readonly amount: number;
  readonly paid: boolean;
  readonly tag: string | null;
}
const order = (i: number): Order => ({
  id: i,
  shop: `00${i % 3}`,
  at: new Date(i * 1000).toISOString(),
  note: `a "note",\n of ${i} ünïcödë`,
  n: i,
  amount: i / 4,
  paid: i % 2 === 0,
  tag: i % 4 === 0 ? null : 'ä',
});
const all = Array.from({ length: 200 }, (_, i) => order(i));
/** Names in another order, absent in place of null. */
const asJson = ({ tag, at, ...rest }: Order): string =>
  JSON.stringify(tag === null ? { ...rest, at } : { at, tag, ...rest });
const ndjson = all.map((o) => `${asJson(o)}\n`).join('');
const cell = (value: unknown): string =>
  typeof value === 'string' ? `"${value.replaceAll('"', '""')}"` : String(value ?? '');
const csv = [Object.keys(all[0]!).join(), ...all.map((o) => Object.values(o).map(cell).join())]
  .map((l) => `${l}\n`)
  .join('');
const parquet = new Uint8Array(
  parquetWriteBuffer({
    columnData: [
      { name: 'note', data: all.map(({ note }) => note), type: 'STRING' },
      { name: 'shop', data: all.map(({ shop }) => shop), type: 'STRING' },
      { name: 'at', data: all.map(({ at }) => new Date(at)), type: 'TIMESTAMP' },
      { name: 'n', data: all.map(({ n }) => BigInt(n)), type: 'INT64' },
      { name: 'amount', data: all.map(({ amount }) => amount), type: 'DOUBLE' },
      { name: 'paid', data: all.map(({ paid }) => paid), type: 'BOOLEAN' },
      { name: 'tag', data: all.map(({ tag }) => tag), type: 'STRING', nullable: true },
    ],
  }),
);

function expected(): string[] {
  const windows = new Map<string, { orders: number; n: number; most: number; row: unknown }>();
  for (const { shop, at, n, amount, paid, tag } of all) {
    const ms = Date.parse(at);
    const name = `${shop} ${tag} ${Math.floor(ms / 60_000)}`;
    const w = windows.get(name) ?? { orders: 0, n: 0, most: 0, row: { shop, at: ms, n, amount, paid, tag } };
    windows.set(name, { orders: w.orders + (paid ? 1 : 0), n: w.n + n, most: Math.max(w.most, amount), row: w.row });
  }
  return [...windows].map(([name, of]) => `${name} ${JSON.stringify(of)}`).sort();
}

async function results(input: RunInput, options: Partial<RunOptions> = {}, made = orderJob) {
  const given: string[] = [];
  const bad: QuarantinedResult[] = [];
  const summary = await run(made, {
    inputs: { orders: input },
    store: newFolder(),
    flush: true,
    batchRows: 37,
    onBatch(results) {
      if (results.output === '_quarantine') return void bad.push(...results.rows);
      for (const { key, windowStart, windowEnd: _, ...of } of results.rows) {
        given.push(`${key.map(String).join(' ')} ${windowStart / 60_000} ${JSON.stringify(of)}`);
      }
    },
    ...(options as object),
  }).done;
  return { summary, given: given.sort(), bad };
}

function inFile(name: string, content: string | Uint8Array): string {
  const file = path.join(newFolder(), name);
  writeFileSync(file, content);
  return file;
}

describe('the same rows', () => {
  const kinds: Record<string, () => RunInput> = {
    NDJSON: () => inFile('a.ndjson', ndjson),
    'NDJSON through gzip': () => inFile('a.ndjson.gz', gzipSync(ndjson)),
    CSV: () => inFile('a.csv', csv),
    Parquet: () => inFile('a.parquet', parquet),
    'rows of a program': () => all.map((o) => ({ ...o, at: new Date(o.at) })) as unknown as RunInput,
    'bytes of a program': () => ({ from: [Buffer.from(ndjson)] }),
    'CSV of a program': () => ({ from: [Buffer.from(csv)], format: 'csv' }),
  };
  for (const [name, input] of Object.entries(kinds)) {
    it(name, async () => {
      const { given, summary } = await results(input());
      expect(given).toEqual(expected());
      expect(summary).toMatchObject({ rows: all.length, quarantined: 0 });
    });
  }

  it('sent to a test', async () => {
    const t = await testJob(orderJob);
    t.send('orders', all);
    await t.runBatch();
    t.send('orders', [{ ...order(1), n: 'one' }, 7, { ...order(2), amount: Number.NaN }]);
    await t.runBatch();
    expect(t.counts).toMatchObject({ applied: all.length, quarantined: 3 });
    expect(t.quarantined.map(({ reason, line }) => [line, reason])).toEqual([
      [1, 'does not fit the fields: n: must be a whole number within ±(2^53 − 1), not text'],
      [2, 'does not fit the fields: it is a number, not an object'],
      [3, 'does not fit the fields: amount: must be a finite number, not NaN'],
    ]);
    await t.close();
  });
});

describe('rows that do not fit', () => {
  const lines = [
    '{"shop":"a","at":0,"n":1,"amount":1,"paid":true}',
    '{"shop":"a","at":0,"n":1.5,"amount":1,"paid":true}',
    '{',
  ];

  it('are set aside with the line and the reason', async () => {
    const file = inFile('a.ndjson', lines.join('\n'));
    const { bad, summary, given } = await results(file);
    expect(given).toHaveLength(1);
    expect(summary).toMatchObject({ rows: 3, quarantined: 2 });
    expect(bad).toMatchObject([
      { object: file, line: 2, text: lines[1], reason: expect.stringMatching(/^does not fit the fields: n: /) },
      { object: file, line: 3, text: '{', reason: expect.stringMatching(/^not valid JSON/) },
    ]);
  });

  it("stop the job with onBadRow: 'fail'", async () => {
    const strict = job('strict', orders.keyBy((o) => o.shop).aggregate({ n: count() }), {
      outputMode: 'update',
      onBadRow: 'fail',
    });
    const running = run(strict, { inputs: { orders: inFile('a.ndjson', lines.join('\n')) }, store: newFolder() });
    await expect(running.done).rejects.toMatchObject({
      code: 'BAD_ROW',
      message: expect.stringMatching(/line 2: does not fit the fields: n: must be a whole number/),
    });
  });
});

it('a file that grows is read on', async () => {
  const store = newFolder();
  const file = inFile('a.ndjson', ndjson.slice(0, 1001));
  const cut = ndjson.lastIndexOf('\n', 1000) + 1;
  writeFileSync(file, ndjson.slice(0, cut));
  const before = await results(file, { store, flush: false });
  appendFileSync(file, ndjson.slice(cut));
  const after = await results(file, { store });
  expect([...before.given, ...after.given].sort()).toEqual(expected());
  expect(before.summary.rows + after.summary.rows).toBe(all.length);
});
