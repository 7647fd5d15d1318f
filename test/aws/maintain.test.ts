/** Maintain, as its schedule runs it: what it sends for what is stuck, and that it comes to collect everything. */
import { describe, expect, it } from 'vitest';
import { openEnvironment } from '../../lib/aws/function-environment.ts';
import { Invocation } from '../../lib/aws/invocation.ts';
import { Maintain } from '../../lib/aws/maintain.ts';
import { type BatchTrigger, decodeMessage } from '../../lib/aws/messages.ts';
import type { MetricName, Report } from '../../lib/aws/report.ts';
import { commitPaths } from '../../lib/commit/commit-work.ts';
import { StoreError } from '../../lib/errors.ts';
import { readJobFile } from '../../lib/job/job-file.ts';
import { editManifest } from '../../lib/manifest/manifest-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names, PLANNER } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { NO_OBJECTS } from '../helpers/embedded-objects.ts';
import { FastClock, physical } from '../helpers/engine.ts';
import { JOBS, sampleScript, sums } from '../helpers/engine-jobs.ts';
import { SimulatedAws } from '../helpers/simulated-aws.ts';
import { hookedStore, listAll } from '../helpers/stores.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NAMES = names('sums', 1);

const send = (aws: SimulatedAws, i: number): void =>
  aws.send({ misa: 1, source: 'rows', id: `rows-${i}`, rows: [...'abcdef'].map((k) => ({ k, v: i })) });

/** The schedule, once a minute; what is sent is taken out of the queues and kept with its minute. */
async function minutes(
  aws: SimulatedAws,
  count: number,
  { cold = false, between = async () => {} }: { cold?: boolean; between?: () => Promise<unknown> } = {},
): Promise<{ minute: number; url: string; body: string; group: string }[]> {
  const sent: { minute: number; url: string; body: string; group: string }[] = [];
  for (let minute = 1; minute <= count; minute++) {
    aws.clock.advance(MINUTE);
    if (cold) aws.allCold();
    await aws.invoke('maintain', ['{}']);
    for (const [url, queue] of aws.queues) {
      for (const { body, group } of queue.splice(0)) sent.push({ minute, url, body, group: group! });
    }
    await between();
  }
  return sent;
}

describe('⚑ sweep-backoff', () => {
  it.each([
    ['warm', false],
    ['new each time', true],
  ])('a day with stuck partitions, maintain %s: 29 messages each, fewer and fewer', async (_, cold) => {
    const aws = new SimulatedAws(sums(), 1);
    send(aws, 1);
    await aws.deliverOne();
    for (const queue of aws.queues.values()) queue.length = 0;
    const sent = await minutes(aws, 24 * 60, { cold });
    for (const path of ['s0/p0', 's0/p1']) {
      const own = sent.filter(({ url }) => url === path);
      const at = own.map(({ minute }) => minute);
      // Seen for a minute; then after 1, 2, 4 … minutes; then each hour.
      expect(at.slice(0, 9)).toEqual([2, 3, 5, 9, 17, 33, 65, 125, 185]);
      expect(at).toHaveLength(29);
      expect(own.map(({ body }) => decodeMessage(body, 'batch').tries)).toEqual(at.map((_, i) => i + 1));
      // One at a time.
      expect(new Set(own.map(({ group }) => group)).size).toBe(1);
    }
    // The plan is not folded either.
    expect(sent.filter(({ url }) => url === 'fold')).toHaveLength(29);
    expect(sent).toHaveLength(3 * 29);
  });

  it('of a later stage it is the same', async () => {
    const two = physical(JOBS.twoStages(), { partitions: 3, noDataBatches: false });
    const aws = new SimulatedAws(two, 1);
    aws.send({ misa: 1, source: 'events', id: 'rows-0', rows: sampleScript('twoStages', 1)[0]!.events });
    await aws.deliverOne();
    for (const p of [0, 1, 2]) {
      const [message] = aws.queues.get(`s0/p${p}`)!.splice(0);
      await aws.invoke(`s0/p${p}`, [message!.body]);
    }
    for (const queue of aws.queues.values()) queue.length = 0;
    const sent = (await minutes(aws, 24 * 60)).filter(({ url }) => url !== 'fold');
    for (const path of ['s1/p0', 's1/p1', 's1/p2']) {
      expect(sent.filter(({ url }) => url === path)).toHaveLength(29);
    }
    expect(sent).toHaveLength(3 * 29);
  });

  it('one that gets on is left alone, however long it takes; one that sticks again is sent for at once again', async () => {
    const aws = new SimulatedAws(sums({ partitions: 1 }), 1);
    for (let i = 1; i <= 40; i++) {
      send(aws, i);
      await aws.invoke(
        'input',
        aws.queues.get('input')!.map(({ body }) => body),
      );
      aws.queues.set('input', []);
    }
    const triggers = aws.queues.get('s0/p0')!.splice(0);
    for (const queue of aws.queues.values()) queue.length = 0;
    // A catch-up, one batch a minute.
    const catchUp = await minutes(aws, 30, {
      cold: true,
      between: async () => aws.invoke('s0/p0', [triggers.shift()!.body]),
    });
    expect(catchUp.filter(({ url }) => url === 's0/p0')).toEqual([]);
    const stuck = await minutes(aws, 5, { cold: true });
    const own = stuck.filter(({ url }) => url === 's0/p0');
    expect(own.map(({ minute }) => minute)).toEqual([2, 3, 5]);
    // All that is planned is asked for.
    expect(own.map(({ body }) => (decodeMessage(body, 'batch') as BatchTrigger).n)).toEqual([40, 40, 40]);
  });

  it('notes that are damaged are begun anew', async () => {
    const aws = new SimulatedAws(sums(), 1);
    send(aws, 1);
    await aws.deliverOne();
    for (const queue of aws.queues.values()) queue.length = 0;
    await minutes(aws, 10);
    await aws.store.put(NAMES.maintain(), Buffer.from('{"misa":"maintain"'));
    const again = await minutes(aws, 3);
    expect(again.filter(({ url }) => url === 's0/p0').map(({ minute }) => minute)).toEqual([2, 3]);
    expect(aws.errors).toEqual([]);
  });
});

/** A store in memory whose lists cost what they find: each partition has its own. */
function storeByPartition(clock: FastClock): ObjectStore {
  const stores = new Map<string, ObjectStore>();
  const of = (name: string): ObjectStore => {
    const path = /\/s\d+\/p\d+\//.exec(name)?.[0] ?? '';
    const store = stores.get(path) ?? new MemoryStore({ clock });
    stores.set(path, store);
    return store;
  };
  return {
    get: (name, options) => of(name).get(name, options),
    create: (name, body, options) => of(name).create(name, body, options),
    compareAndSet: (name, body, expected, options) => of(name).compareAndSet(name, body, expected, options),
    put: (name, body, options) => of(name).put(name, body, options),
    delete: (all, options) => of(all[0] ?? '').delete(all, options),
    list: (prefix, options) => of(prefix).list(prefix, options),
  };
}

/** Maintain on a store that takes its time: each request so many ms of the clock. */
async function slowMaintain(job: PhysicalJob, { requestMs = 0, broken = (_name: string): boolean => false } = {}) {
  const clock = new FastClock(1);
  const memory = storeByPartition(clock);
  const store = hookedStore(memory, {
    before({ name }) {
      clock.advance(requestMs);
      if (broken(name)) throw new StoreError('STORE_DENIED', `no access to ${name}`);
    },
  });
  const metrics = new Map<MetricName, number>();
  const report: Report = {
    info() {},
    warn() {},
    error() {},
    metric: (name, value) => void metrics.set(name, value),
    span() {},
  };
  const open = async (over: ObjectStore): Promise<Maintain> =>
    new Maintain(
      await openEnvironment({
        job,
        settings: {
          store: { kind: 'directory', path: '' },
          inputs: [],
          overwritten: 'ignore',
          inputQueue: '',
          partitions: undefined,
          batchQueue: () => '',
          foldQueue: '',
          compactQueue: '',
          planQueue: '',
          cacheBytes: 0,
          trace: false,
        },
        store: over,
        queue: () => {
          throw new Error('there is nothing to send');
        },
        clock,
        random: seededRandom(1),
        report,
        cache: undefined,
        retentionMs: 30 * MINUTE,
      }),
      NO_OBJECTS,
    );
  await open(memory);
  const file = await readJobFile(memory, 'sums');
  return {
    clock,
    memory,
    metrics,
    file,
    /** One run, in an environment that knows nothing, of so many ms. */
    async run(budgetMs: number): Promise<void> {
      const maintain = await open(store);
      const startMs = clock.now();
      await maintain.run({}, new Invocation(clock, clock.monotonic() + budgetMs));
      expect(clock.now() - startMs).toBeLessThan(budgetMs);
    },
  };
}

describe('garbage collection', () => {
  const LOGS = 300;

  /** Every log is folded, published and settled: all entries may go. */
  async function fill(memory: ObjectStore, paths: readonly string[], logs: number): Promise<void> {
    for (const path of paths) {
      for (let n = 1; n <= logs; n++) await memory.create(NAMES.log(path, n), new Uint8Array(1));
      const fold = {
        type: 'fold',
        after: 0,
        through: logs,
        logHash: '',
        sst: null,
        writtenAfterMs: 0,
        publishedThrough: logs,
      } as const;
      await editManifest(memory, NAMES.manifest(path), () => fold, { nonce: 'fill' });
    }
  }
  async function left(memory: ObjectStore, paths: readonly string[]): Promise<number[]> {
    return Promise.all(paths.map(async (path) => (await listAll(memory, NAMES.logPrefix(path))).length));
  }

  it('comes to every one of 256 partitions, though each run has time for a few and knows nothing of the one before', async () => {
    const aws = await slowMaintain(sums({ partitions: 256 }), { requestMs: 10 });
    const paths = commitPaths(aws.file).filter((path) => path !== PLANNER);
    await fill(aws.memory, paths, LOGS);
    await fill(aws.memory, [PLANNER], LOGS);
    // One round starts the clocks of what was folded (⚑ late-stamps), and the next deletes.
    let runs = 0;
    const behind: number[] = [];
    for (; runs < 60; runs++) {
      aws.clock.advance(MINUTE);
      await aws.run(20_000);
      behind.push(aws.metrics.get('CollectionBehind')!);
      if ((await left(aws.memory, [...paths, PLANNER])).every((n) => n === 0)) break;
    }
    expect(runs).toBeLessThan(60);
    expect(await left(aws.memory, [...paths, PLANNER])).toEqual([...paths, PLANNER].map(() => 0));
    expect(Math.max(...behind)).toBeLessThan(60);
  });

  it('one partition with more than a run can delete does not keep the others waiting', async () => {
    const aws = await slowMaintain(sums({ partitions: 16 }), { requestMs: 100 });
    const paths = commitPaths(aws.file).filter((path) => path !== PLANNER);
    await fill(aws.memory, paths.slice(0, 1), 40_000);
    await fill(aws.memory, paths.slice(1), 10);
    await aws.run(60_000);
    aws.clock.advance(31 * MINUTE);
    await aws.run(60_000);
    const [first, ...others] = await left(aws.memory, paths);
    expect(others).toEqual(others.map(() => 0));
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(40_000);
    // Its next turn need not wait for the next round.
    for (let i = 0; i < 6; i++) {
      aws.clock.advance(MINUTE);
      await aws.run(60_000);
    }
    expect(await left(aws.memory, paths)).toEqual(paths.map(() => 0));
  });

  it('that fails for one partition is told, collects the others, and is seen to fall behind', async () => {
    let denied = true;
    const aws = await slowMaintain(sums({ partitions: 4 }), {
      broken: (name) => denied && name.includes('s0/p1/sst/'),
    });
    const paths = commitPaths(aws.file).filter((path) => path !== PLANNER);
    await fill(aws.memory, paths, 10);
    await expect(aws.run(60_000)).rejects.toThrow(/s0\/p1\/sst/);
    aws.clock.advance(31 * MINUTE);
    await expect(aws.run(60_000)).rejects.toThrow(/s0\/p1\/sst/);
    expect(await left(aws.memory, paths)).toEqual([0, 10, 0, 0]);
    for (let hour = 0; hour < 3; hour++) {
      aws.clock.advance(HOUR);
      await expect(aws.run(60_000)).rejects.toThrow(/s0\/p1\/sst/);
    }
    expect(aws.metrics.get('CollectionBehind')).toBeGreaterThan(180);
    denied = false;
    for (let round = 0; round < 2; round++) {
      aws.clock.advance(31 * MINUTE);
      await aws.run(60_000);
    }
    expect(await left(aws.memory, paths)).toEqual([0, 0, 0, 0]);
    expect(aws.metrics.get('CollectionBehind')).toBe(0);
  });
});
