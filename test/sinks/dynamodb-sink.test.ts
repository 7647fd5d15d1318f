import {
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  type KeySchemaElement,
  PutItemCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DynamoDbSettings, DynamoDbSink } from '../../lib/sinks/dynamodb-sink.ts';
import type { ResultBatch } from '../../lib/sinks/sink.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { at, describeWithAws, FaultyAws, makeBatch, serviceOptions, shuffled, unique } from './helpers.ts';

describeWithAws('the DynamoDB sink', (endpoint) => {
  const client = new DynamoDBClient(at(endpoint));
  let aws: FaultyAws;
  beforeAll(async () => {
    aws = await FaultyAws.open(endpoint);
  });
  afterAll(() => aws.close());

  type KeyType = 'S' | 'N' | 'B';
  async function makeTable(keys: Record<string, KeyType> = { key: 'S', windowStart: 'N' }): Promise<string> {
    const table = unique('table');
    const names = Object.keys(keys);
    const KeySchema = names.map(
      (AttributeName, i): KeySchemaElement => ({ AttributeName, KeyType: i ? 'RANGE' : 'HASH' }),
    );
    const AttributeDefinitions = names.map((AttributeName) => ({ AttributeName, AttributeType: keys[AttributeName]! }));
    await client.send(
      new CreateTableCommand({ TableName: table, BillingMode: 'PAY_PER_REQUEST', KeySchema, AttributeDefinitions }),
    );
    return table;
  }

  async function open(table: string, settings: Partial<DynamoDbSettings> = {}): Promise<DynamoDbSink> {
    aws.decide(() => 'pass');
    return DynamoDbSink.open({ table, ...settings }, serviceOptions(aws.endpoint));
  }

  // biome-ignore lint/suspicious/noExplicitAny: attributes as the service has them
  type Item = Record<string, any>;
  async function itemsOf(table: string): Promise<Item[]> {
    const { Items = [] } = await client.send(new ScanCommand({ TableName: table, ConsistentRead: true }));
    const order = (item: Item): string => JSON.stringify([item.key, item.windowStart]);
    return Items.sort((a, b) => (order(a) < order(b) ? -1 : 1));
  }

  const hour = 3_600_000;
  const row = (key: string, hours: number, total: number) => ({
    key,
    windowStart: hours * hour,
    windowEnd: (hours + 1) * hour,
    total,
  });
  const history = (): ResultBatch[] =>
    [1, 2, 3, 4].flatMap((n) =>
      [0, 1].map((partition) =>
        makeBatch([row(`k${partition}`, 0, n), row(`k${partition}`, n, n), row(`k${partition}`, 0, n * 10)], {
          n,
          partition,
        }),
      ),
    );

  it('writes an item a key and window, with the values as they are and where they come from', async () => {
    const table = await makeTable();
    await (await open(table)).deliver(
      makeBatch([{ ...row('AA', 1, 2.5), ok: true, none: null, deep: { a: [1, 'x'] } }], { n: 7, partition: 3 }),
    );
    expect(await itemsOf(table)).toEqual([
      {
        key: { S: 'AA' },
        windowStart: { N: '3600000' },
        windowEnd: { N: '7200000' },
        total: { N: '2.5' },
        ok: { BOOL: true },
        none: { NULL: true },
        deep: { M: { a: { L: [{ N: '1' }, { S: 'x' }] } } },
        misa_output: { S: 'flights/hourly/run1' },
        misa_epoch: { N: '1' },
        misa_n: { N: '7' },
        misa_partition: { N: '3' },
      },
    ]);
  });

  it('ends in the same table when batches come twice and in any order', async () => {
    const table = await makeTable();
    const sink = await open(table);
    for (const batch of history()) await sink.deliver(batch);
    const expected = await itemsOf(table);
    const totals = expected.map((item) => `${item.key.S} ${Number(item.windowStart.N) / hour}: ${item.total.N}`);
    const windows = ['0: 40', '1: 1', '2: 2', '3: 3', '4: 4'];
    expect(totals.sort()).toEqual(['k0', 'k1'].flatMap((key) => windows.map((window) => `${key} ${window}`)));
    for (const seed of [1, 2, 3]) {
      const other = await makeTable();
      const again = await open(other);
      const order = shuffled([...history(), ...history()], seededRandom(seed));
      // Some side by side, as several functions would.
      for (let i = 0; i < order.length; i += 3) await Promise.all(order.slice(i, i + 3).map((b) => again.deliver(b)));
      expect(await itemsOf(other)).toEqual(expected);
    }
  });

  it('holds the newest row of each key, whatever is delivered, in whatever order, however often', async () => {
    const arbitraryRow = fc.record({ key: fc.constantFrom('a', 'b', '=b', ''), v: fc.integer() });
    const batch = fc.record({
      epoch: fc.integer({ min: 1, max: 2 }),
      n: fc.integer({ min: 1, max: 4 }),
      partition: fc.integer({ min: 0, max: 1 }),
      rows: fc.array(arbitraryRow, { minLength: 1, maxLength: 4 }),
    });
    const place = (b: { epoch: number; n: number; partition: number }) => b.epoch * 100 + b.n * 10 + b.partition;
    const batches = fc.uniqueArray(batch, { selector: place, maxLength: 6 });
    const deliveries = batches.chain((all) =>
      fc.record({
        all: fc.constant(all),
        order: fc.array(fc.nat({ max: Math.max(0, all.length - 1) }), { maxLength: 8 }),
        breakAt: fc.option(fc.nat({ max: 12 }), { nil: -1 }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(deliveries, async ({ all, order, breakAt }) => {
        const table = await makeTable({ key: 'S' });
        const sink = await open(table);
        aws.decide(({ index }) => (index === breakAt ? 'lose' : 'pass'));
        const delivered = [...order.map((i) => all[i]!).filter(Boolean), ...shuffled(all, seededRandom(breakAt + 2))];
        for (const { rows, ...where } of delivered) await sink.deliver(makeBatch(rows, where));
        const newest = new Map<string, number>();
        for (const { rows } of [...all].sort((a, b) => place(a) - place(b)))
          for (const { key, v } of rows) newest.set(key, v);
        const found = new Map((await itemsOf(table)).map((item) => [item.key.S, Number(item.v.N)]));
        const text = (key: string) => (key === '' || key === '=b' ? `=${JSON.stringify(key)}` : key);
        expect(found).toEqual(new Map([...newest].map(([key, v]) => [text(key), v])));
        await client.send(new DeleteTableCommand({ TableName: table }));
      }),
      { numRuns: 40 },
    );
  });

  it('goes on after a function died in the middle of a batch, without a trace of it', async () => {
    const rows = Array.from({ length: 80 }, (_, i) => row(`k${i}`, 1, i));
    const table = await makeTable();
    const sink = await open(table);
    const killed = new AbortController();
    const reason = new Error('killed');
    aws.decide(({ index }) => {
      if (index === 40) killed.abort(reason);
      return 'pass';
    });
    await expect(sink.deliver(makeBatch(rows), { signal: killed.signal })).rejects.toBe(reason);
    const some = (await itemsOf(table)).length;
    expect(some).toBeGreaterThan(0);
    expect(some).toBeLessThan(80);
    await (await open(table)).deliver(makeBatch(rows));
    expect((await itemsOf(table)).map((item) => Number(item.total.N)).sort((a, b) => a - b)).toEqual(
      rows.map((r) => r.total),
    );
  });

  it('tries again when it is throttled, when the service fails and when the answer is lost', async () => {
    const table = await makeTable();
    const sink = await open(table);
    const fates = [
      { status: 400, body: { __type: 'ProvisionedThroughputExceededException', message: 'slow down' } },
      { status: 400, body: { __type: 'ThrottlingException', message: 'slow down' } },
      { status: 500, body: { __type: 'InternalServerError', message: 'oh' } },
      'break',
      'lose',
    ] as const;
    let next = 0;
    aws.decide(({ operation }) => (operation === 'PutItem' ? (fates[next++] ?? 'pass') : 'pass'));
    await sink.deliver(makeBatch([row('AA', 1, 1)]));
    expect(next).toBe(6);
    expect(await itemsOf(table)).toHaveLength(1);
  });

  it('gives up on a table that stays throttled with an error that may be tried again', async () => {
    const sink = await open(await makeTable());
    const body = { __type: 'ThrottlingException', message: 'slow down' };
    aws.decide(({ operation }) => (operation === 'PutItem' ? { status: 400, body } : 'pass'));
    await expect(sink.deliver(makeBatch([row('AA', 1, 1)]))).rejects.toMatchObject({
      code: 'SINK_BUSY',
      retryable: true,
    });
    expect(aws.requests.filter((r) => r.operation === 'PutItem')).toHaveLength(10);
  });

  it('keeps the number of requests at once bounded', async () => {
    const table = await makeTable();
    const sink = await open(table);
    const rows = Array.from({ length: 200 }, (_, i) => row(`k${i}`, 1, i));
    await Promise.all([0, 1].map((partition) => sink.deliver(makeBatch(rows, { partition }))));
    expect(aws.mostAtOnce).toBeGreaterThan(4);
    expect(aws.mostAtOnce).toBeLessThanOrEqual(32);
  });

  it('names a row that is too large, and writes the others', async () => {
    const table = await makeTable();
    const sink = await open(table);
    const rows = [row('a', 1, 1), { ...row('b', 1, 2), text: 'x'.repeat(410 * 1024) }, row('c', 1, 3)];
    const failure = sink.deliver(makeBatch(rows, { n: 5 }));
    await expect(failure).rejects.toMatchObject({ code: 'ROWS_REFUSED', retryable: false });
    await expect(failure).rejects.toThrow(/flights\/1\/hourly\/0\/5\/1: too large.*400 KiB/);
    expect((await itemsOf(table)).map((item) => item.key.S)).toEqual(['a', 'c']);
  });

  it('takes hostile values, or names what it cannot take', async () => {
    const table = await makeTable({ key: 'S' });
    const sink = await open(table);
    const nested = JSON.parse('['.repeat(40) + ']'.repeat(40));
    const good = [
      JSON.parse('{"key":"proto","__proto__":{"a":1},"constructor":2,"":3}'),
      { key: 'surrogate \ud800', text: 'a\ud800b', empty: '', zero: -0, text2: '\u0000\uffff' },
      { key: ['a', 1, null], big: 1e125, small: 1e-130, exact: 0.1 },
      { key: null },
      { key: 12 },
      { key: '12' },
      { key: '=12' },
    ];
    const bad = [
      [{ key: 'huge', v: 1e300 }, /1e\+300.*send it as text/],
      [{ key: 'tiny', v: 5e-324 }, /5e-324/],
      [{ key: 'deep', v: nested }, /nested/],
      [{ v: 1 }, /no column key/],
      [{ key: { a: 1 } }, /an object, which cannot be a key/],
      ['text', /no column key/],
      [{ key: 'x'.repeat(2049) }, /2048 bytes/],
      [{ key: 'a', misa_n: 4 }, /misa_n is kept for Misa/],
    ] as const;
    await sink.deliver(makeBatch(good));
    const items = await itemsOf(table);
    expect(items.map((item) => item.key.S).sort()).toEqual(
      ['proto', '="surrogate \\ud800"', '=["a",1,null]', '=null', '=12', '12', '="=12"'].sort(),
    );
    const proto = items.find((item) => item.key.S === 'proto')!;
    expect(Object.hasOwn(proto, '__proto__')).toBe(true);
    const surrogate = items.find((item) => item.text !== undefined)!;
    expect(surrogate).toMatchObject({
      text: { S: 'a\ufffdb' },
      empty: { S: '' },
      zero: { N: '0' },
      text2: { S: '\u0000\uffff' },
    });
    for (const [row, message] of bad) await expect(sink.deliver(makeBatch([row], { n: 2 }))).rejects.toThrow(message);
    expect(await itemsOf(table)).toEqual(items);
  });

  it('makes its key of the columns that it is told, by the types of the table', async () => {
    const table = await makeTable({ id: 'N', at: 'S' });
    const sink = await open(table, { partitionKey: 'rank', sortKey: 'carrier' });
    await sink.deliver(makeBatch([{ rank: 1, carrier: 'AA' }]));
    expect((await itemsOf(table))[0]).toMatchObject({ id: { N: '1' }, at: { S: 'AA' }, rank: { N: '1' } });
    await expect(sink.deliver(makeBatch([{ rank: '1', carrier: 'AA' }]))).rejects.toThrow(/rank is no number/);
    await expect(sink.deliver(makeBatch([{ rank: 1, carrier: 'AA', id: 5 }]))).rejects.toThrow(
      /column id would be replaced/,
    );
  });

  it('refuses a table whose key does not fit', async () => {
    const windowed = makeBatch([row('a', 1, 1)]);
    await expect((await open(await makeTable({ key: 'S' }))).deliver(windowed)).rejects.toThrow(
      /no sort key.*windowStart/,
    );
    await (await open(await makeTable({ key: 'S' }), { partitionKey: 'key' })).deliver(windowed);
    await expect((await open(await makeTable({ key: 'B' }))).deliver(windowed)).rejects.toMatchObject({
      code: 'SINK_TABLE',
    });
    await expect((await open(await makeTable({ key: 'S' }), { sortKey: 'x' })).deliver(windowed)).rejects.toThrow(
      /leave out sortKey: 'x'/,
    );
    await expect((await open('misa-no-such-table')).deliver(windowed)).rejects.toMatchObject({ code: 'SINK_MISSING' });
  });

  it('never replaces items of another output, or of the job before its state was deleted', async () => {
    const table = await makeTable();
    const sink = await open(table);
    await sink.deliver(makeBatch([row('a', 1, 1)], { n: 5 }));
    const other = sink.deliver(makeBatch([row('a', 1, 2), row('b', 1, 2)], { n: 9, output: 'daily' }));
    await expect(other).rejects.toThrow(/belongs to the output hourly of flights/);
    await expect(sink.deliver(makeBatch([row('a', 1, 3)], { jobId: 'run2' }))).rejects.toThrow(
      /before the state of the job was deleted/,
    );
    expect((await itemsOf(table)).map((item) => [item.key.S, item.total.N])).toEqual([
      ['a', '1'],
      ['b', '2'],
    ]);
  });

  it('takes over items that somebody else put there, and drops columns that the newer row lacks', async () => {
    const table = await makeTable({ key: 'S' });
    await client.send(new PutItemCommand({ TableName: table, Item: { key: { S: 'a' }, by: { S: 'hand' } } }));
    const sink = await open(table);
    await sink.deliver(makeBatch([{ key: 'a', old: 1 }]));
    await sink.deliver(makeBatch([{ key: 'a', new: 1 }], { n: 2 }));
    expect(Object.keys((await itemsOf(table))[0]!).sort()).toEqual(
      ['key', 'misa_epoch', 'misa_n', 'misa_output', 'misa_partition', 'new'].sort(),
    );
  });

  it('says which permission is missing', async () => {
    const sink = await open(await makeTable());
    aws.decide(() => ({ status: 400, body: { __type: 'AccessDeniedException', message: 'no' } }));
    await expect(sink.deliver(makeBatch([row('a', 1, 1)]))).rejects.toThrow(/dynamodb:PutItem/);
  });
});
