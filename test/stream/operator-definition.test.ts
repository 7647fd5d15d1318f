/**
 * An operator that the compiler and the engine have never heard of, from what it says of itself alone: two inputs, one of them a table that
 * is looked up, a side output, and results that go on by another key.
 */
import { describe, expect, it } from 'vitest';
import {
  count,
  type Job,
  JobError,
  job,
  type KeyedStream,
  type OutputMode,
  source,
  tumbling,
} from '../../lib/index.ts';
import { stateful } from '../../lib/stream/api/builder.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import type { KeyNode } from '../../lib/stream/graph/graph.ts';
import type { OperatorDefinition } from '../../lib/stream/graph/operator-definition.ts';
import { type TestJobOptions, testJob } from '../../lib/testing.ts';
import { modelRun } from '../helpers/model-run.ts';

interface Sale {
  readonly t: number;
  readonly shop: string;
}
interface Shop {
  readonly shop: string;
  readonly city: string;
  readonly since: number;
}

const UNKNOWN_PORT = 1;
const beside = {};

const placeOf: OperatorDefinition = {
  kind: 'place',
  eventTime: 'kept',
  lookups: [1],
  sideOutput: { of: beside, port: UNKNOWN_PORT },
  check({ mode }, [sales]) {
    if (mode === 'complete' || !sales!.hasWatermark) throw new JobError('TEST', 'not here');
  },
  layout: () => 'v1',
  make: (name, { isRead }) => ({
    name,
    tables: [{ name: 'shops', kind: 'keyed' }],
    inputs: 2,
    outputs: 2,
    asks: [undefined, ['city']],
    outputWatermark: (watermark) => watermark,
    reads: (inputs) => inputs.map(({ keys }) => ({ table: 0, keys })),
    async run([sales, shops], context) {
      const table = context.tables[0]!;
      await table.load(sales!.keys.texts());
      for (let i = 0; i < shops!.count; i++) table.put(shops!.keys.text(i), 0, shops!.row(i));
      for (let i = 0; i < sales!.count; i++) {
        const shop = table.get(sales!.keys.text(i), 0) as Shop | undefined;
        if (shop !== undefined) context.emit(0, { city: shop.city }, sales!.times[i]!, sales, i);
        else if (isRead(UNKNOWN_PORT)) context.emit(UNKNOWN_PORT, sales!.row(i), sales!.times[i]!, sales, i);
      }
    },
  }),
};

const unknownSales: OperatorDefinition = {
  kind: 'never-made',
  eventTime: 'kept',
  sideOutputOf: beside,
  layout: () => expect.fail('it is the side output of the operator beside it'),
  make: () => expect.fail('it is the side output of the operator beside it'),
};

const keyOf = <T>(keyed: KeyedStream<string, T>): KeyNode => (keyed as unknown as { readonly keyed: KeyNode }).keyed;

function makeJob(outputMode: OutputMode = 'append', delay: { delay?: number } = { delay: 5 }): Job<unknown> {
  const sales = source<Sale>('sales', { eventTime: (r) => r.t, ...delay });
  const shops = source<Shop>('shops', { eventTime: (r) => r.since, delay: 1000 });
  const byShop = keyOf(sales.keyBy((r) => r.shop));
  const places = stateful<{ city: string }>(placeOf, byShop, keyOf(shops.keyBy((r) => r.shop)));
  const perCity = places.keyBy((r) => r.city).window(tumbling(10));
  return job(
    'j',
    // The side output comes first: its operator is not there yet.
    { unknown: stateful<Sale>(unknownSales, byShop), perCity: perCity.aggregate({ n: count() }) },
    { outputMode },
  );
}

describe('an operator of its own definition', () => {
  it('is placed, wired and written into the layout', () => {
    const { sources, stages, edges, layout, watermarks } = compileJob(makeJob());
    expect(stages.map(({ operators }) => operators.map(({ operator }) => operator.name))).toEqual([
      ['place#0'],
      ['window-aggregate#0'],
    ]);
    expect(layout).toEqual([
      's0/o0 place v1 table shops keyed',
      's1/o0 window-aggregate tumbling(10,0) n:count table windows timed',
    ]);
    const ways = edges.map(({ from, stage, operator, port }) => ({ from, stage, operator, port }));
    expect(ways).toEqual([
      { from: 'head', stage: 0, operator: 0, port: 0 },
      { from: 'head', stage: 0, operator: 0, port: 1 },
      { from: 0, stage: 1, operator: 0, port: 0 },
    ]);
    // What it asks of rows, it says by port.
    expect(sources.map(({ name, asked }) => [name, asked])).toEqual([
      ['sales', undefined],
      ['shops', ['shop', 'city', 'since']],
    ]);
    // A table that is looked up holds nothing back: neither the operator nor the job.
    expect(watermarks.map(({ id }) => id)).toEqual(['source:sales']);
    expect(stages[0]!.operators[0]!.watermark(7)).toBe(7);
  });

  it('says in which jobs it can stand', () => {
    expect(() => makeJob('complete')).toThrow('not here');
    expect(() => makeJob('append', {})).toThrow('not here');
  });

  it.each<TestJobOptions>([{ partitions: 1 }, { partitions: 3 }])(
    'runs on the engine as on the model, over restarts: %o',
    async (options) => {
      const model = await modelRun(makeJob());
      const engine = await testJob(makeJob(), options);
      const batches: [Sale[], Shop[]][] = [
        [
          [
            { t: 1, shop: 'a' },
            { t: 2, shop: 'b' },
          ],
          [{ shop: 'a', city: 'x', since: 0 }],
        ],
        [
          [
            { t: 3, shop: 'a' },
            { t: 4, shop: 'b' },
          ],
          [{ shop: 'b', city: 'x', since: 0 }],
        ],
        [
          [
            { t: 30, shop: 'b' },
            { t: 31, shop: 'c' },
          ],
          [{ shop: 'a', city: 'y', since: 0 }],
        ],
        [[{ t: 40, shop: 'a' }], []],
      ];
      for (const [sales, shops] of batches) {
        for (const run of [model, engine]) {
          run.send('sales', sales);
          run.send('shops', shops);
        }
        expect(await engine.runBatch()).toEqual(await model.runBatch());
        await engine.restart();
      }
      const last = (await engine.flush()) as { perCity: unknown[] };
      expect(last).toEqual(await model.flush());
      expect(last.perCity).toContainEqual({ key: 'y', windowStart: 40, windowEnd: 50, n: 1 });
      await engine.close();
    },
  );
});
