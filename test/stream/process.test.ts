/** `process`, whatever becomes of state between batches, against what its words say. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Job, job, type ListState, listState, type MapState, mapState, source } from '../../lib/index.ts';
import { encodeKey } from '../../lib/stream/operators/key.ts';
import { testJob } from '../../lib/testing.ts';
import { BETWEEN, type Between, between } from '../helpers/between-batches.ts';
import { allOf } from '../helpers/chunks.ts';
import { OperatorFixture } from '../helpers/operator-fixture.ts';
import {
  anyPrograms,
  anyRow,
  byTimeAndKey,
  fitted,
  operatorOf,
  ProcessModel,
  type Programs,
  parse,
  type Row,
} from './process-model.ts';

const input = source<Row>('in', { eventTime: (r) => r.t, delay: 0 });

interface Batch {
  readonly rows: readonly Row[];
  readonly watermark: number;
  readonly processingTime: number;
  readonly flush: boolean;
  readonly between: Between;
}

const anyBatches: fc.Arbitrary<readonly Batch[]> = fc
  .array(
    fc.record({
      rows: fc.array(anyRow, { maxLength: 5 }),
      moves: fc.constantFrom(0, 0, 1, 2, 5, 9),
      ticks: fc.constantFrom(0, 0, 1, 3, 8),
      flush: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
      between: fc.constantFrom(...BETWEEN),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((batches) => {
    let [watermark, processingTime] = [0, 100];
    return batches.map(({ rows, moves, ticks, ...batch }) => {
      watermark += moves;
      processingTime += ticks;
      return { ...batch, rows: rows.map((row) => ({ ...row, t: row.t + watermark })), watermark, processingTime };
    });
  });

function jobOf(programs: Programs, ttl: number | undefined): Job<unknown> {
  const rows = input.keyBy((r) => r.k).process(operatorOf(programs));
  // What comes behind sees the event times.
  const times = rows
    .keyBy(() => null)
    .process<null, unknown>({
      init: () => null,
      onRow: (row, ctx) => ctx.emit({ row, time: ctx.eventTime }),
    });
  return job('j', times, { onError: 'quarantine', ...(ttl === undefined ? {} : { state: { ttl } }) });
}

async function entriesOf(fixture: OperatorFixture, key: string): Promise<number> {
  const attempt = fixture.engines[0]!.begin();
  const entries = await allOf(attempt.ordered(1).range(encodeKey(key)));
  attempt.drop();
  return entries.length;
}

async function compare(fixture: OperatorFixture, model: ProcessModel, now: number): Promise<void> {
  const addresses = async (table: number): Promise<[number, string][]> =>
    (await fixture.rowsOf(table)).map(({ time, key }) => [time, key.slice(1, -1)]);
  const keys = [...model.keys].sort(([a], [b]) => (a < b ? -1 : 1));
  expect((await addresses(0)).map(([, key]) => key)).toEqual(keys.map(([key]) => key));
  expect((await addresses(5)).map(([, key]) => key)).toEqual(
    keys.flatMap(([key, { touched }]) => (touched === undefined ? [] : [key])),
  );
  for (const key of ['a', 'b', 'c', 'd']) {
    const { map, list } = model.keys.get(key)?.held ?? {};
    expect(await entriesOf(fixture, key), key).toBe((map?.size ?? 0) + (list?.length ?? 0));
  }
  expect(await addresses(2)).toEqual([...model.timers.event].map(parse).sort(byTimeAndKey));
  const processing = [...model.timers.processing].map(parse).sort(byTimeAndKey);
  expect(await addresses(3)).toEqual(processing);
  const next = (await fixture.rowsOf(4)).map(({ row }) => row as number);
  if (processing.length > 0) {
    expect(next[0]).toBeLessThanOrEqual(processing[0]![0]);
    expect(next[0]).toBeGreaterThan(now);
  }
}

describe('process', () => {
  it.each([
    ['without ttl', undefined],
    ['with ttl', 6],
  ])('%s does what its programs say, in any memory, folded and restarted', async (_, ttl) => {
    await fc.assert(
      fc.asyncProperty(anyPrograms, anyBatches, fc.constantFrom(1, 1 << 20), async (some, given, rowBytes) => {
        const { async } = some;
        const programs = { async, timers: some.timers.map((steps) => fitted(steps, async)) };
        const batches = given.map((batch) => ({
          ...batch,
          rows: batch.rows.map((row) => ({ ...row, steps: fitted(row.steps, async) })),
        }));
        const fixture = new OperatorFixture(jobOf(programs, ttl), rowBytes);
        const model = new ProcessModel(programs, ttl);
        for (const batch of batches) {
          const { rows, between: what, ...plan } = batch;
          const { out, counts, quarantined } = await fixture.batch({ rows: { in: rows }, ...plan });
          // A flush has moved the watermark.
          model.batch({ ...batch, watermark: fixture.watermark });
          expect(out.out).toEqual(model.out);
          expect(quarantined).toHaveLength(model.refused);
          const wanted = { rows: rows.length, late: 0, skipped: 0 };
          expect(counts[0]).toMatchObject(wanted);
          expect(counts[0]!.quarantined + counts[0]!.setAside!).toBe(model.refused);
          await compare(fixture, model, batch.processingTime);
          await between(fixture, what);
        }
      }),
      { numRuns: 150 },
    );
  });
});

interface Plain {
  readonly k: string;
  readonly t: number;
  readonly v: number;
}
const plain = source<Plain>('in', { eventTime: (r) => r.t, delay: 0 });
const keyed = plain.keyBy((r) => r.k);

describe('timers of process', () => {
  const alarms = (outputs = {}): Job<unknown[]> =>
    job(
      'j',
      keyed.process<null, unknown>({
        init: () => null,
        onRow: (row, ctx) => ctx.timers.set(ctx.processingTime + row.v, 'processing'),
        onTimer: (time, ctx) => ctx.emit([ctx.key, time, ctx.processingTime]),
      }),
      outputs,
    ) as Job<unknown[]>;

  it.each([1, 3])('fires timers by processing time when no row comes, with %d partitions', async (partitions) => {
    const t = await testJob(alarms(), { partitions });
    t.send(plain, [
      { k: 'a', t: 0, v: 1000 },
      { k: 'b', t: 0, v: 5000 },
      { k: 'c', t: 0, v: 9000 },
    ]);
    expect(await t.runBatch()).toEqual([]);
    expect(await t.runBatch()).toEqual([]);
    t.advanceTime(999);
    await t.restart();
    expect(await t.runBatch()).toEqual([]);
    t.advanceTime(1);
    expect(await t.runBatch()).toEqual([['a', 1000, 1000]]);
    await t.restart();
    // Rows of others put no timer off, and none is forgotten by what is folded.
    for (let i = 0; i < 12; i++) {
      t.send(plain, [{ k: 'd', t: 0, v: 100_000 }]);
      expect(await t.runBatch()).toEqual([]);
    }
    t.advanceTime(4000);
    await t.restart();
    expect(await t.runBatch()).toEqual([['b', 5000, 5000]]);
    expect(await t.runBatch()).toEqual([]);
    await t.restart();
    t.advanceTime(4000);
    expect(await t.runBatch()).toEqual([['c', 9000, 9000]]);
    // All rows of d that came at one time set the same timer.
    expect(await t.flush()).toEqual([['d', 101_000, 101_000]]);
    await t.close();
  });

  it('forgets by the clock of the ttl, whatever the other one shows', async () => {
    const fixture = new OperatorFixture(
      job(
        'j',
        keyed.process<{ n: number }, unknown>({
          init: () => ({ n: 0 }),
          onRow(row, ctx) {
            ctx.state.n += row.v;
            ctx.timers.set(3, ctx.key === 'e' ? 'event' : 'processing');
          },
          onTimer: (_, ctx) => ctx.emit([ctx.key, ctx.state.n]),
        }),
        { state: { ttl: 6 } },
      ),
    );
    const rows = ['e', 'p'].map((k) => ({ k, t: 0, v: 7 }));
    await fixture.batch({ rows: { in: rows }, watermark: 0, processingTime: 0 });
    // Both are at 10. By event time the key is forgotten at 6: behind the timer of event time at 3, and before this batch's processing time.
    const { out } = await fixture.batch({ watermark: 10, processingTime: 10 });
    expect(Object.values(out).flat()).toEqual([
      ['e', 7],
      ['p', 0],
    ]);
  });

  it('fires timers in order of time and key, however many there are', async () => {
    const fixture = new OperatorFixture(
      job(
        'j',
        keyed.process<null, unknown>({
          init: () => null,
          onRow: (row, ctx) => ctx.timers.set(row.t),
          onTimer(time, ctx) {
            ctx.emit([time, ctx.key]);
            if (time % 10 === 0) ctx.timers.set(time + 5);
          },
        }),
      ),
    );
    const rows = Array.from({ length: 1000 }, (_, i) => ({ k: `k${(i * 37) % 50}`, t: ((i * 7919) % 1000) * 2, v: 0 }));
    await fixture.batch({ rows: { in: rows }, watermark: -1 });
    const { out } = await fixture.batch({ watermark: 1995 });
    const wanted = rows.flatMap(({ k, t }) => (t % 10 === 0 ? [`${t} ${k}`, `${t + 5} ${k}`] : [`${t} ${k}`]));
    const inOrder = [...new Set(wanted)]
      .map(parse)
      .filter(([time]) => time <= 1995)
      .sort(byTimeAndKey);
    expect(out.out).toEqual(inOrder);
    expect(out.out!.length).toBeGreaterThan(1100);
  });

  it('a timer that sets itself again ends with a flush, and goes on behind it', async () => {
    const every = keyed.process<number, unknown>({
      init: () => 0,
      onRow: (row, ctx) => ctx.timers.set(row.t + 10),
      onTimer(time, ctx) {
        ctx.emit(++ctx.state);
        ctx.timers.set(time + 10);
      },
    });
    const t = await testJob(job('j', every));
    t.send(plain, [{ k: 'a', t: 5, v: 0 }]);
    expect(await t.flush()).toEqual([1]);
    expect(t.watermark).toBe(15);
    t.send(plain, [{ k: 'b', t: 36, v: 0 }]);
    expect(await t.runBatch()).toEqual([2, 3]);
    await t.close();
  });

  it('says so where one goes on for ever', async () => {
    const endless = keyed.process<null, never>({
      init: () => null,
      onRow: (row, ctx) => ctx.timers.set(row.t),
      onTimer: (time, ctx) => ctx.timers.set(time),
    });
    const fixture = new OperatorFixture(job('j', endless));
    await expect(fixture.batch({ rows: { in: [{ k: 'a', t: 1, v: 0 }] }, watermark: 1 })).rejects.toThrow(
      /more than 1000000 timers of one key fire/,
    );
  });
});

describe('what process refuses', () => {
  type Context = Parameters<Parameters<typeof keyed.process<Record<string, unknown>, unknown>>[0]['onRow']>[1];
  const thrown = async (onRow: (ctx: Context) => void | Promise<void>, onTimer?: () => void): Promise<unknown> => {
    const rows = keyed.process<Record<string, unknown>, unknown>({
      init: () => ({ n: 0, map: mapState(), list: listState() }),
      onRow: (_, ctx) => onRow(ctx),
      ...(onTimer === undefined ? {} : { onTimer }),
    });
    const t = await testJob(job('j', rows, { onError: 'quarantine' }));
    t.send(plain, [{ k: 'a', t: 1, v: 0 }]);
    try {
      expect(await t.runBatch()).toEqual([]);
    } finally {
      await t.close();
    }
    return t.quarantined[0]?.reason;
  };
  const never = (): void => {};
  it.each<[string, (ctx: Context) => void | Promise<void>, RegExp]>([
    ['a timer without onTimer', (ctx) => ctx.timers.set(5), /without onTimer/],
    ['a timer at no time', (ctx) => ctx.timers.set(Number.NaN), /finite number/],
    ['a timer by an unknown clock', (ctx) => ctx.timers.delete(1, 'wall' as never), /'event' or 'processing'/],
    ['an event time that is none', (ctx) => ctx.emit(1, { eventTime: Number.POSITIVE_INFINITY }), /finite number/],
    ['a row that is no plain data', (ctx) => ctx.emit({ f: never }), /a function at \.f/],
    ['a ttl of 0', (ctx) => ctx.ttl(0), /above 0/],
    ['a ttl that is no duration', (ctx) => ctx.ttl('soon' as never), /ctx\.ttl/],
    [
      'a key of a map that is none',
      (ctx) => (ctx.state.map as MapState<never, 1>).set({} as never, 1),
      /a key must be/,
    ],
    ['an entry that is no plain data', (ctx) => (ctx.state.list as ListState<unknown>).push(never), /a function/],
    [
      'state that is no plain data',
      (ctx) => {
        ctx.state.n = new Map();
      },
      /a Map/,
    ],
    [
      'a map in a field of another',
      (ctx) => {
        ctx.state.other = ctx.state.map;
      },
      /stay where they are/,
    ],
    [
      'a map before it is state',
      (ctx) => {
        ctx.state.other = mapState();
        (ctx.state.other as MapState<string, number>).set('a', 1);
      },
      /empty where init makes it/,
    ],
    ['a promise that is rejected', () => Promise.reject(new Error('later')), /later/],
  ])('%s', async (_, act, reason) => {
    expect(await thrown(act)).toMatch(reason);
  });

  it('a context that is used after its call', async () => {
    const kept: Context[] = [];
    const errors: unknown[] = [];
    const use = (ctx: Context, act: (ctx: Context) => unknown): void => {
      try {
        act(ctx);
      } catch (error) {
        errors.push((error as { code: string }).code);
      }
    };
    let list: ListState<number> | undefined;
    await thrown((ctx) => {
      kept.push(ctx);
      list = ctx.state.list as ListState<number>;
    });
    use(kept[0]!, (ctx) => ctx.state);
    use(kept[0]!, (ctx) => ctx.emit(1));
    use(kept[0]!, (ctx) => ctx.timers.set(1));
    use(kept[0]!, () => list!.push(1));
    expect(errors).toEqual(Array(4).fill('STATE_AFTER_CALL'));
  });

  it('arguments that are no functions', () => {
    const refused = (operator: unknown): void =>
      expect(() => keyed.process(operator as never)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    refused(undefined);
    refused({ init: () => 0 });
    refused({ init: () => 0, onRow: () => {}, onTimer: 1 });
    refused({ init: 0, onRow: () => {} });
  });

  it.each([
    ['at once', false],
    // What the call does when nobody waits for it any more ends no process.
    ['before it waits', true],
  ])('a row that is changed %s, in tests of jobs', async (_, waits) => {
    const change = (row: unknown): void => {
      (row as { v: number }).v++;
    };
    const rows = keyed.process<{ readonly seen: ListState<number> }, never>({
      init: () => ({ seen: listState() }),
      onRow: waits
        ? async (row, { state }) => {
            change(row);
            state.seen.push(1);
            for await (const _seen of state.seen) await null;
          }
        : change,
    });
    const t = await testJob(job('j', rows));
    t.send(plain, [
      { k: 'a', t: 1, v: 0 },
      { k: 'a', t: 2, v: 0 },
    ]);
    await expect(t.runBatch()).rejects.toThrow(/changes the row it is given/);
    await t.close();
  });
});
