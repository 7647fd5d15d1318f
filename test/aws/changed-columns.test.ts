/** A job that is deployed with other columns: its first step changes the layout, no function does, and none of the old ones spoils anything. */
import { describe, expect, it } from 'vitest';
import { openEnvironment } from '../../lib/aws/function-environment.ts';
import { MisaError } from '../../lib/errors.ts';
import { avg, count, type Job, job, max, source, sum } from '../../lib/index.ts';
import { openJob } from '../../lib/job/job-context.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { NO_TRACE } from '../../lib/util/trace.ts';
import { physical, rowsOf } from '../helpers/engine.ts';
import type { Event } from '../helpers/engine-jobs.ts';
import { bytesOf, monthsOf, someNotifications } from '../helpers/month-objects.ts';
import { SimulatedCloud } from '../helpers/simulated-cloud.ts';

const made = (columns: object): Job<unknown> =>
  job(
    'sums',
    source<Event>('events')
      .keyBy((e) => e.k)
      .aggregate(columns as never),
    { outputMode: 'update', partitions: 2, trigger: { maxRows: 40, maxWait: 0 } },
  );
const before = physical(made({ n: count(), s: sum((e: Event) => e.v) }));
const after = physical(made({ m: max((e: Event) => e.v), mean: avg((e: Event) => e.v), n: count() }));

/** What the first step of a deployment does. */
async function admit(cloud: SimulatedCloud, deployed: PhysicalJob): Promise<void> {
  const { store, clock } = cloud;
  await openJob(deployed, {
    store,
    clock,
    random: seededRandom(5),
    trace: NO_TRACE,
    cache: undefined,
    retentionMs: 1e6,
  });
}

describe('a deployment with other columns', () => {
  it('changes the layout in its first step, and no function does', async () => {
    const cloud = new SimulatedCloud({ job: before, seed: 1 });
    await admit(cloud, before);
    const open = (deployed: PhysicalJob) =>
      openEnvironment({ ...cloud, job: deployed, random: seededRandom(6), report: { trouble() {} } } as never);
    await expect(open(after)).rejects.toMatchObject({
      code: 'JOB_CHANGED',
      message: expect.stringContaining(
        'job sums has other columns than its state in this store: stage 0, aggregate: column s (sum) is gone',
      ),
    });
    expect((await open(before)).file.layoutVersion).toBeUndefined();
    await admit(cloud, after);
    expect((await open(after)).file.layoutVersion).toBe(2);
    // One of the old ones that starts late waits for its own update.
    await expect(open(before)).rejects.toMatchObject({ code: 'JOB_CHANGED' });
    expect((await open(after)).file.layoutVersion).toBe(2);
  });

  it.each([3, 4, 5])('environments of the old functions among the new ones lose no row, seed %i', async (seed) => {
    const cloud = new SimulatedCloud({ job: before, seed, faults: { cold: 0.3, shuffle: 0.3, double: 0.1 } });
    const objects = monthsOf(before, seed, { endings: ['.zst', '', ''] });
    const half = Math.floor(objects.length / 2);
    const put = (some: typeof objects): void => {
      for (const object of some) cloud.put(object.key, { bytes: bytesOf(object), readMs: 100 });
      for (const message of someNotifications(some, seed)) cloud.send(message);
    };
    put(objects.slice(0, half));
    await cloud.settle(() => cloud.read.size >= half);
    await admit(cloud, after);
    // Environments that are warm stay what they are.
    Object.assign(cloud, { job: after });
    put(objects.slice(half));
    await cloud.settle(() => cloud.read.size >= objects.length);
    expect(cloud.dead).toEqual([]);
    expect(cloud.errors.filter((error) => !(error instanceof MisaError && error.retryable))).toEqual([]);
    const last = new Map<unknown, { n: number; m: number; mean: number }>();
    const results = (await rowsOf(cloud.store, after, 'out')).flat() as {
      key: unknown;
      n: number;
      m: number;
      mean: number;
    }[];
    for (const row of results) last.set(row.key, row);
    // Both have made results.
    expect(results.some(({ m }) => m !== undefined) && results.some(({ m }) => m === undefined)).toBe(true);
    const rows = cloud.plans.reduce((all, { counts }) => all + counts.rows - (counts.dropped ?? 0), 0);
    expect(rows).toBeGreaterThan(100);
    expect([...last.values()].reduce((all, { n }) => all + n, 0)).toBe(rows);
    expect([...last.values()].some(({ m, mean }) => mean > m)).toBe(false);
  });
});
