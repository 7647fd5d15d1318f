/** Small jobs of every shape the engine has, and rows for them. */
import fc from 'fast-check';
import {
  avg,
  collect,
  count,
  type Job,
  job,
  type ListState,
  listState,
  type MapState,
  mapState,
  max,
  sameWindow,
  session,
  sliding,
  source,
  sum,
  table,
  tumbling,
} from '../../lib/index.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { FLUSH, physical, type ScriptBatch } from './engine.ts';

export interface Event {
  readonly t: number;
  readonly k: string;
  readonly v: number;
}

const events = () => source<Event>('events', { eventTime: (e) => e.t, delay: '10 s' });
const others = () => source<Event>('others', { eventTime: (e) => e.t, delay: '20 s' });

/** A row that the head finds bad. */
export const BAD_EVENT = { k: 'bad', v: 0 };

/** Every shape: keyed tables, timed tables, both in one, two stages, two inputs, side outputs, a whole table each batch. */
export const JOBS = {
  running: (): Job<unknown> =>
    job(
      'running',
      events()
        .keyBy((e) => e.k)
        .aggregate({ n: count(), s: sum((e) => e.v), m: max((e) => e.v) }),
      {
        outputMode: 'update',
        partitions: 2,
      },
    ),
  tumbling: (): Job<unknown> => {
    const windows = events()
      .filter((e) => e.v !== 7)
      .keyBy((e) => e.k)
      .window(tumbling('10 s'));
    return job(
      'tumbling',
      { sums: windows.aggregate({ n: count(), mean: avg((e) => e.v) }), late: windows.late() },
      {
        outputMode: 'append',
        partitions: 2,
      },
    );
  },
  sliding: (): Job<unknown> =>
    job(
      'sliding',
      events()
        .keyBy((e) => e.k)
        .window(sliding('20 s', '10 s'))
        .aggregate({ s: sum((e) => e.v) }),
      {
        outputMode: 'append',
        partitions: 2,
      },
    ),
  twoStages: (): Job<unknown> => {
    const first = events()
      .keyBy((e) => e.k)
      .window(tumbling('10 s'))
      .aggregate({ n: count(), s: sum((e) => e.v) });
    const second = first
      .keyBy((r) => r.n % 2)
      .window(tumbling('30 s'))
      .aggregate({ windows: count(), s: sum((r) => r.s) });
    return job('two-stages', { first, second }, { outputMode: 'append', partitions: 2 });
  },
  union: (): Job<unknown> => {
    const both = events().union(others().map((e) => ({ ...e, v: -e.v })));
    return job(
      'union',
      both
        .keyBy((e) => e.k)
        .window(tumbling('10 s'))
        .aggregate({ n: count(), s: sum((e) => e.v) }),
      {
        outputMode: 'append',
        partitions: 2,
      },
    );
  },
  complete: (): Job<unknown> =>
    job(
      'complete',
      events()
        .keyBy((e) => e.k)
        .aggregate({ n: count(), s: sum((e) => e.v) }),
      {
        outputMode: 'complete',
        partitions: 2,
      },
    ),
  firstAndLatest: (): Job<unknown> => {
    const keyed = events().keyBy((e) => e.k);
    const outputs = { first: keyed.distinct({ within: '15 s' }), ever: keyed.distinct(), latest: keyed.latest() };
    return job('first-and-latest', outputs, { outputMode: 'update', partitions: 2 });
  },
  sessions: (): Job<unknown> => {
    const windows = events()
      .keyBy((e) => e.k)
      .window(session((e) => (e.v % 3) * 4_000));
    const sessions = windows.aggregate({ n: count(), s: sum((e) => e.v), vs: collect((e) => e.v) });
    const together = sessions
      .keyBy((r) => r.n % 2)
      .window(sameWindow())
      .aggregate({ sessions: count(), s: sum((r) => r.s) });
    return job('sessions', { sessions, together, late: windows.late() }, { outputMode: 'append', partitions: 2 });
  },
  joins: (): Job<unknown> => {
    const left = events().keyBy((e) => e.k);
    const right = others().keyBy((e) => e.k);
    const near = left.join(right, {
      type: 'full',
      within: { before: '5 s', after: '10 s' },
      where: (l, r) => (l.v + r.v) % 3 !== 0,
      select: (l, r, { key }) => ({ key, l: l?.v ?? null, r: r?.v ?? null }),
    });
    const pairs = near
      .keyBy((p) => p.key)
      .window(tumbling('10 s'))
      .aggregate({ n: count(), l: sum((p) => p.l) });
    const semi = left.join(right, { type: 'leftSemi', window: tumbling('10 s') });
    const looked = left.join(table(right), { type: 'left', select: (l, r) => ({ v: l.v, r: r?.v ?? null }) });
    return job('joins', { near, pairs, semi, looked }, { outputMode: 'append', partitions: 2 });
  },
  process: (): Job<unknown> => {
    const told = events()
      .keyBy((e) => e.k)
      .process<Told, { readonly n: number; readonly values: number[] }>({
        init: () => ({ n: 0, seen: mapState(), values: listState() }),
        async onRow({ t, v }, ctx) {
          ctx.state.n++;
          if ((await ctx.state.seen.get(v)) === undefined) ctx.state.values.push(v);
          ctx.state.seen.set(v, t);
          if (v === 3) ctx.ttl('20 s');
          ctx.timers.set(t + 15_000);
        },
        async onTimer(time, ctx) {
          const values: number[] = [];
          for await (const value of ctx.state.values) values.push(value);
          ctx.emit({ n: ctx.state.n, values });
          if (values.length > 3) ctx.clear();
          else if (ctx.state.n % 2 === 0) ctx.timers.set(time + 5_000);
          ctx.state.n++;
        },
      });
    const windows = told
      .keyBy((r) => r.values.length)
      .window(tumbling('10 s'))
      .aggregate({ told: count(), n: sum((r) => r.n) });
    return job('process', { told, windows }, { outputMode: 'append', partitions: 2 });
  },
  forgotten: (): Job<unknown> => {
    const rows = events();
    const keyed = rows.keyBy((e) => e.k);
    const outputs = {
      best: rows.keyBy((e) => e.v % 3).topN(2, { by: (e) => e.v }),
      sums: keyed.aggregate({ n: count(), s: sum((e) => e.v) }),
      first: keyed.distinct(),
    };
    return job('forgotten', outputs, { outputMode: 'update', partitions: 2, state: { ttl: '12 s' } });
  },
} as const;

interface Told {
  n: number;
  readonly seen: MapState<number, number>;
  readonly values: ListState<number>;
}

/** Timers of both clocks, a map and a list: what it gives depends on when it is run, so only runs of the same plans are alike. */
export const timersJob = (): Job<unknown> => {
  const rows = events()
    .keyBy((e) => e.k)
    .process<Told, unknown>({
      init: () => ({ n: 0, seen: mapState(), values: listState() }),
      async onRow({ t, v }, ctx) {
        const times = ((await ctx.state.seen.get(v)) ?? 0) + 1;
        ctx.state.n++;
        ctx.state.seen.set(v, times);
        ctx.state.values.push(v);
        ctx.timers.set(t + 15_000);
        ctx.timers.set(ctx.processingTime + 30_000, 'processing');
        if (v === 3) ctx.ttl('20 s');
      },
      async onTimer(time, ctx) {
        const values: number[] = [];
        for await (const value of ctx.state.values) values.push(value);
        ctx.emit({ key: ctx.key, clock: ctx.clock, time, n: ctx.state.n, values });
        if (values.length > 5) ctx.clear();
      },
    });
  return job('timers', rows, { partitions: 2, state: { ttl: '1 min' } });
};

export type JobKind = keyof typeof JOBS;
export const JOB_KINDS = Object.keys(JOBS) as JobKind[];

/** Jobs that read `others`, too. */
const TWO_INPUTS: readonly JobKind[] = ['union', 'joins'];

/** A script with late rows, bad rows, filtered rows and a batch without rows for one source. */
export function sampleScript(kind: JobKind, batches = 5): ScriptBatch[] {
  const script: ScriptBatch[] = [];
  for (let i = 0; i < batches; i++) {
    const rows: unknown[] = [];
    for (let r = 0; r < 6; r++)
      rows.push({ t: i * 9_000 + r * 2_500, k: `k${(i * 5 + r * 3) % 7}`, v: (i * 6 + r) % 9 });
    if (i >= 3) rows.push({ t: 1_000, k: 'k1', v: 3 });
    if (i === 1) rows.push(BAD_EVENT);
    const others = TWO_INPUTS.includes(kind) ? { others: i % 2 === 0 ? rows.slice(1, 4) : [] } : {};
    script.push({ events: rows, ...others });
  }
  return script;
}

export const anyEvent: fc.Arbitrary<unknown> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      t: fc.integer({ min: 0, max: 120 }).map((s) => s * 1000),
      k: fc.integer({ min: 0, max: 12 }).map((k) => `key-${k}`),
      // Eighths: their sums are exact, so that the order in which partitions hand rows on cannot show.
      v: fc.oneof(
        fc.integer({ min: -5, max: 9 }),
        fc.integer({ min: -1e6, max: 1e6 }).map((v) => v / 8),
      ),
    }),
  },
  { weight: 1, arbitrary: fc.constant(BAD_EVENT) },
);

/** Random batches whose event times move on, with late rows in between, and now and then a flush. */
export function anyScript(kind: JobKind, maxBatches = 10): fc.Arbitrary<ScriptBatch[]> {
  const rows = (i: number): fc.Arbitrary<unknown[]> =>
    fc
      .array(anyEvent, { maxLength: 12 })
      .map((list) =>
        list.map((e) => ('t' in (e as object) ? { ...(e as Event), t: (e as Event).t / 4 + i * 8_000 } : e)),
      );
  const batch = (i: number): fc.Arbitrary<ScriptBatch> =>
    TWO_INPUTS.includes(kind) ? fc.record({ events: rows(i), others: rows(i) }) : fc.record({ events: rows(i) });
  const step = (i: number): fc.Arbitrary<ScriptBatch> =>
    fc.oneof({ weight: 8, arbitrary: batch(i) }, { weight: 1, arbitrary: fc.constant(FLUSH) });
  return fc
    .integer({ min: 1, max: maxBatches })
    .chain((n) => fc.tuple(...Array.from({ length: n }, (_, i) => step(i))));
}

/** A row of {@link sums}. */
export interface Sum {
  readonly k: string;
  readonly v: number;
}

/** Sums by key, of rows without event time: batches come of data alone. */
export function sums(changes: Partial<PhysicalJob> = {}): PhysicalJob {
  const summed = source<Sum>('rows')
    .keyBy((r) => r.k)
    .reduce((a, b) => ({ ...b, v: a.v + b.v }));
  return physical(job('sums', summed, { outputMode: 'update', partitions: 2, noDataBatches: false }), changes);
}
