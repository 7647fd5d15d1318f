/**
 * The functions in simulated time: deadlines, freezes, kills and slow objects. What comes out is what an embedded run gives of
 * the same objects, nothing healthy is given up, and a seed replays.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { InputError } from '../../lib/errors.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { embeddedResults, objectOf, sortedRows } from '../helpers/embedded-objects.ts';
import { insideBytesOf, outcomeOf, physical, rowsOf } from '../helpers/engine.ts';
import { JOBS, timersJob } from '../helpers/engine-jobs.ts';
import {
  bytesOf,
  type MonthObject,
  type MonthOptions,
  monthsOf,
  notificationOf,
  someNotifications,
} from '../helpers/month-objects.ts';
import { sequentialOutcome } from '../helpers/simulated-aws.ts';
import { type CloudFaults, type CloudOptions, SimulatedCloud } from '../helpers/simulated-cloud.ts';

type Kind = 'tumbling' | 'sliding' | 'twoStages' | 'union' | 'sessions' | 'joins' | 'timers';
const KINDS: readonly Kind[] = ['tumbling', 'sliding', 'twoStages', 'union', 'sessions', 'joins'];
/** Read by code that runs in its caller's turn, so that a seed replays. */
const ENDINGS = ['.zst', '', ''];
const FAULTS: CloudFaults = {
  drop: 0.05,
  double: 0.1,
  shuffle: 0.5,
  kill: 0.1,
  cold: 0.2,
  busy: 0.005,
  timeOut: 0.005,
  hang: 0.002,
};

const jobOf = (kind: Kind, maxRows = 40): PhysicalJob =>
  physical(kind === 'timers' ? timersJob() : JOBS[kind](), {
    partitions: 2,
    trigger: { maxRows, maxBytes: 1 << 20, maxWaitMs: 0 },
  });

interface Case extends Omit<CloudOptions, 'job'>, MonthOptions {
  readonly kind: Kind;
  /** How long an object takes to be read, ms. */
  readonly readMs: number | ((key: string) => number);
  readonly maxRows?: number;
  /** Of an object that cannot be read. */
  readonly unreadable?: string;
}

interface Ran {
  readonly cloud: SimulatedCloud;
  readonly objects: readonly MonthObject[];
}

/** To the end, with the word to close everything. */
async function run(options: Case): Promise<Ran> {
  const { kind, readMs, maxRows, seed, unreadable } = options;
  const job = jobOf(kind, maxRows);
  const cloud = new SimulatedCloud({ ...options, job, insideBytes: insideBytesOf(seed) });
  const objects = monthsOf(job, seed, { endings: ENDINGS, ...options });
  for (const object of objects) {
    const ms = typeof readMs === 'number' ? readMs : readMs(object.key);
    cloud.put(object.key, { bytes: bytesOf(object), readMs: ms });
  }
  for (const message of someNotifications(objects, seed)) cloud.send(message);
  const wanted = objects.filter(({ key }) => key !== unreadable).length;
  await cloud.settle(() => cloud.read.size >= wanted);
  cloud.send({ misa: 1, control: 'flush', id: 'end' });
  await cloud.settle();
  return { cloud, objects };
}

/** Nothing is given up, each row is planned once, and results and state are those of a sequential run of the plans. */
async function expectSequential({ cloud, objects }: Ran): Promise<void> {
  expect(cloud.dead.map(({ body }) => body)).toEqual([]);
  // ⚑ live-invocation
  expect(cloud.strays.join('\n')).toBe('');
  const byName = new Map(objects.map(({ key, rows }) => [`s3://inputs/${key}`, rows]));
  const next = new Map<string, number>();
  for (const { name, from, to } of cloud.plans.flatMap((plan) => plan.pieces)) {
    if (!byName.has(name)) continue;
    expect(from, name).toBe(next.get(name) ?? 0);
    next.set(name, to);
  }
  const lengths = (of: Iterable<[string, number]>): string[] => [...of].map(([name, rows]) => `${name} ${rows}`).sort();
  expect(lengths(next)).toEqual(lengths([...byName].map(([name, rows]) => [name, rows.length])));
  const outcome = await sequentialOutcome(cloud.plans, cloud.job, (name) => byName.get(name)!);
  expect(await outcomeOf(cloud.store, cloud.job)).toEqual(outcome);
}

/** @returns how many rows were late */
async function expectEmbedded({ cloud, objects }: Ran): Promise<number> {
  const bySource = cloud.job.sources.map(({ name }) => {
    const own = objects.filter(({ source }) => source === name);
    return [name, new Map(own.map((o) => [o.key, objectOf(`s3://inputs/${o.key}`, bytesOf(o))]))] as const;
  });
  const { rows, late } = await embeddedResults(cloud.job, new Map(bySource));
  expect(await sortedRows(cloud.store, cloud.job)).toEqual(rows);
  return late;
}

it('gives the embedded run’s rows where a batch can be read in one invocation', async () => {
  let late = 0;
  for (const [i, kind] of KINDS.entries()) {
    for (const faults of [{}, FAULTS]) {
      const ran = await run({ kind, seed: i + 1, readMs: 3000, faults });
      await expectSequential(ran);
      late += await expectEmbedded(ran);
    }
  }
  expect(late, 'a test without late rows proves nothing').toBeGreaterThan(10);
});

it.each(KINDS)('job %s gets over objects of which one takes most of an invocation', async (kind) => {
  await expectSequential(await run({ kind, seed: 1, readMs: 45_000, faults: kind === 'union' ? FAULTS : {} }));
});

it.each([{}, FAULTS])('fires timers by processing time when no row comes, with faults %j', async (faults) => {
  const ran = await run({ kind: 'timers', seed: 5, readMs: 1000, faults });
  await expectSequential(ran);
  const { plans, store, job } = ran.cloud;
  const clocks = new Map<string, number>();
  const flush = plans.find(({ kind }) => kind === 'flush')!.n;
  for (const row of (await rowsOf(store, job, 'out')).slice(0, flush - 1).flat()) {
    const { clock } = row as { readonly clock: string };
    clocks.set(clock, (clocks.get(clock) ?? 0) + 1);
  }
  expect(clocks.get('event')).toBeGreaterThan(0);
  expect(clocks.get('processing')).toBeGreaterThan(0);
});

it('gives up nothing of many objects of which one takes most of an invocation', async () => {
  const objects = Number(process.env.MISA_SLOW_OBJECTS ?? 100);
  const startMs = performance.now();
  const { cloud } = await run({ kind: 'tumbling', seed: 3, readMs: 45_000, objects, rows: 3, page: 1000 });
  if (process.env.MISA_SLOW_OBJECTS !== undefined) {
    const minutes = Math.round(cloud.clock.now() / 60_000);
    console.log(`${performance.now() - startMs} ms, ${minutes} simulated minutes; ${[...cloud.counts].join(' ')}`);
  }
  expect(cloud.dead.map(({ body }) => body)).toEqual([]);
  // One hint keeps the reading going: nobody waits for the clock.
  expect(cloud.clock.now()).toBeLessThan(objects * 2 * 60_000);
});

it('gets over objects without rows before one that takes most of an invocation', async () => {
  const cloud = new SimulatedCloud({ job: jobOf('tumbling'), seed: 1 });
  for (let i = 0; i < 4; i++) cloud.put(`events/${i}.ndjson`, { bytes: Buffer.from('\n\n'), readMs: 5000 });
  cloud.put('events/9.ndjson', { bytes: Buffer.from('{"t":1000,"k":"k","v":1}\n'), readMs: 45_000 });
  cloud.send(notificationOf('events/9.ndjson'));
  const invocations = (): number => cloud.counts.get('invoke input') ?? 0;
  await cloud.settle(() => cloud.read.size === 5 || invocations() > 50);
  expect(cloud.read.size).toBe(5);
  expect(invocations()).toBeLessThan(6);
});

it('refuses an object that no invocation has the time for, and reads the others', async () => {
  const slow = 'events/2013-04.ndjson.zst';
  const readMs = (key: string): number => (key === slow ? 300_000 : 2000);
  const { cloud, objects } = await run({ kind: 'tumbling', seed: 2, readMs, rows: 200, unreadable: slow });
  const told = cloud.errors.filter((error) => error instanceof InputError && error.code === 'INPUT_TOO_SLOW');
  expect(told.length).toBeGreaterThan(0);
  expect(String(told[0])).toMatch(/s3:\/\/inputs\/events\/2013-04\.ndjson\.zst cannot be read.*Split it.*`timeout`/);
  const left = objects.map(({ key }) => key).filter((key) => !cloud.read.has(`s3://inputs/${key}`));
  expect(left).toEqual([slow]);
  expect(cloud.dead.filter(({ body }) => !body.includes(slow))).toEqual([]);
  // It is tried again now and then, and not all the time.
  expect(cloud.counts.get('invoke input')).toBeLessThan(100);
});

it('replays a seed', async () => {
  const options = { kind: 'twoStages', readMs: 20_000, faults: FAULTS, traced: true } as const;
  const first = await run({ ...options, seed: 7 });
  const second = await run({ ...options, seed: 7 });
  expect(first.cloud.trace.length).toBeGreaterThan(1000);
  expect(second.cloud.trace).toEqual(first.cloud.trace);
  expect(first.cloud.thawed, 'a test in which nothing is thawed proves little').toBeGreaterThan(0);
});

it('whatever the job, the objects, the time-out and the faults', async () => {
  const chance = (max: number) => fc.double({ min: 0, max, noNaN: true });
  const anyCase = fc.record({
    kind: fc.constantFrom(...KINDS),
    seed: fc.nat(1e6),
    objects: fc.integer({ min: 1, max: 14 }),
    rows: fc.integer({ min: 2, max: 65 }),
    timeoutMs: fc.constantFrom(20_000, 60_000, 300_000),
    /** Of the time-out: up to here one object can always be read. */
    share: chance(0.5),
    page: fc.integer({ min: 1, max: 6 }),
    faults: fc.record({
      drop: chance(0.2),
      double: chance(0.3),
      shuffle: chance(1),
      kill: chance(0.2),
      cold: chance(0.5),
      busy: chance(0.02),
      timeOut: chance(0.02),
      hang: chance(0.01),
    }),
  });
  await fc.assert(
    fc.asyncProperty(anyCase, async ({ share, ...options }) => {
      await expectSequential(await run({ ...options, readMs: share * options.timeoutMs }));
    }),
    { numRuns: Number(process.env.MISA_RUNS ?? 8) },
  );
});
