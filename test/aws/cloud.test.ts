/**
 * The functions in simulated time: deadlines, freezes, kills and slow objects. What comes out is what an embedded run gives of
 * the same objects, nothing healthy is given up, and a seed replays.
 */
import { describe, expect, it } from 'vitest';
import { encodeLook } from '../../lib/aws/deliveries.ts';
import type { PhysicalJob } from '../../lib/stream/physical.ts';
import { embeddedResults, objectOf, sortedRows } from '../helpers/embedded-objects.ts';
import { outcomeOf, physical } from '../helpers/engine.ts';
import { JOBS } from '../helpers/engine-jobs.ts';
import { bytesOf, type MonthObject, type MonthOptions, monthsOf, someNotifications } from '../helpers/month-objects.ts';
import { sequentialOutcome } from '../helpers/simulated-aws.ts';
import { type CloudFaults, type CloudOptions, SimulatedCloud } from '../helpers/simulated-cloud.ts';

type Kind = 'tumbling' | 'sliding' | 'twoStages' | 'union';
const KINDS: readonly Kind[] = ['tumbling', 'sliding', 'twoStages', 'union'];
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
};

const jobOf = (kind: Kind, maxRows = 40): PhysicalJob =>
  physical(JOBS[kind](), { partitions: 2, trigger: { maxRows, maxBytes: 1 << 20, maxWaitMs: 0 } });

interface Case extends Omit<CloudOptions, 'job'>, MonthOptions {
  readonly kind: Kind;
  /** Of each object. */
  readonly readMs: number;
  readonly maxRows?: number;
}

async function run(options: Case) {
  const { kind, readMs, maxRows, seed } = options;
  const job = jobOf(kind, maxRows);
  const cloud = new SimulatedCloud({ ...options, job });
  const objects = monthsOf(job, seed, { endings: ENDINGS, ...options });
  for (const object of objects) cloud.put(object.key, { bytes: bytesOf(object), readMs });
  for (const message of someNotifications(objects, seed)) cloud.send(message);
  for (const place of cloud.places) cloud.send(encodeLook(place, ''));
  await cloud.settle();
  cloud.send({ misa: 1, control: 'flush', id: 'end' });
  await cloud.settle();
  expect(cloud.dead.map(({ body }) => body)).toEqual([]);
  await expectSequential(cloud, objects);
  return { cloud, objects };
}

/** Each row is planned once, and results and state are those of a sequential run of the plans. */
async function expectSequential(cloud: SimulatedCloud, objects: readonly MonthObject[]): Promise<void> {
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

async function expectEmbedded({ cloud, objects }: Awaited<ReturnType<typeof run>>): Promise<number> {
  const bySource = cloud.job.sources.map(({ name }) => {
    const own = objects.filter(({ source }) => source === name);
    return [name, new Map(own.map((o) => [o.key, objectOf(`s3://inputs/${o.key}`, bytesOf(o))]))] as const;
  });
  const { rows, late } = await embeddedResults(cloud.job, new Map(bySource));
  expect(await sortedRows(cloud.store, cloud.job)).toEqual(rows);
  return late;
}

describe.each(KINDS)('job %s', (kind) => {
  it('gives the embedded run’s rows where a batch can be read in one invocation', async () => {
    let late = 0;
    for (const seed of [1, 2]) late += await expectEmbedded(await run({ kind, seed, readMs: 3000 }));
    for (const seed of [3, 4]) late += await expectEmbedded(await run({ kind, seed, readMs: 3000, faults: FAULTS }));
    expect(late, 'a test without late rows proves nothing').toBeGreaterThan(10);
  });

  it('gets over objects of which one takes most of an invocation', async () => {
    await run({ kind, seed: 1, readMs: 45_000 });
    await run({ kind, seed: 2, readMs: 45_000, faults: FAULTS });
  });
});

it('replays a seed', async () => {
  const options = { kind: 'twoStages', seed: 7, readMs: 20_000, faults: FAULTS, traced: true } as const;
  const first = await run(options);
  const second = await run(options);
  expect(first.cloud.trace.length).toBeGreaterThan(1000);
  expect(second.cloud.trace).toEqual(first.cloud.trace);
  const other = await run({ ...options, seed: 8 });
  expect(other.cloud.trace).not.toEqual(first.cloud.trace);
});
