/** Rules of the functions, each with the test that fails without it. */
import { afterEach, describe, expect, it } from 'vitest';
import { type BatchTrigger, decodeMessage, encodeMessage } from '../../lib/aws/messages.ts';
import { commitPaths } from '../../lib/commit/commit-work.ts';
import { resumeHalted } from '../../lib/commit/halt.ts';
import { StoreError } from '../../lib/errors.ts';
import { job, source } from '../../lib/index.ts';
import { readJobFile } from '../../lib/job/job-file.ts';
import { DataLog } from '../../lib/log/data-log.ts';
import { loadManifest } from '../../lib/manifest/manifest-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names, type PartitionPath } from '../../lib/object-store/names.ts';
import { sectionPlace } from '../../lib/plan/segment.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { FastClock, outcomeOf, physical, stateOfPartition } from '../helpers/engine.ts';
import { JOBS, sampleScript } from '../helpers/engine-jobs.ts';
import { type Faults, SimulatedAws, sequentialOutcome } from '../helpers/simulated-aws.ts';
import { hookedStore } from '../helpers/stores.ts';

interface Row {
  readonly t: number;
  readonly k: string;
  readonly v: number;
}

let poison = -1;
afterEach(() => {
  poison = -1;
});
const sums = (changes: Partial<PhysicalJob> = {}): PhysicalJob =>
  physical(
    job(
      'sums',
      source<Row>('rows', { eventTime: (r) => r.t, delay: '1 s' })
        .keyBy((r) => r.k)
        .reduce((a, b) => {
          if (b.v === poison) throw new Error('poison');
          return { ...b, v: a.v + b.v };
        }),
      { outputMode: 'update', partitions: 2, noDataBatches: false },
    ),
    changes,
  );

const rows = (i: number, n = 20): Row[] =>
  Array.from({ length: n }, (_, r) => ({ t: i * 1000 + r, k: `k${r % 7}`, v: i * 100 + r }));
const send = (aws: SimulatedAws, i: number, n?: number): void =>
  aws.send({ misa: 1, source: 'rows', id: `rows-${i}`, rows: rows(i, n) });
const NAMES = names('sums', 1);

const rowsOfMessage =
  (n?: number) =>
  (name: string): Row[] =>
    rows(Number(name.split('-')[1]), n);

async function checkOutcome(aws: SimulatedAws, n?: number): Promise<void> {
  expect(await outcomeOf(aws.store, aws.job)).toEqual(await sequentialOutcome(aws.plans, aws.job, rowsOfMessage(n)));
}

async function checkOutcomeOf(aws: SimulatedAws, path: PartitionPath): Promise<void> {
  const { state } = await sequentialOutcome(aws.plans, aws.job, rowsOfMessage());
  expect(await stateOfPartition(aws.store, aws.job, path)).toEqual(state[path]);
}

describe('a batch that cannot run', () => {
  it('halts its partition visibly, leaves the others alone, and goes on once it is repaired', async () => {
    const aws = new SimulatedAws(sums(), 1);
    send(aws, 1);
    await aws.settle();
    poison = 205;
    send(aws, 2);
    send(aws, 3);
    await aws.settle();
    const manifests = await Promise.all(['s0/p0', 's0/p1'].map((p) => loadManifest(aws.store, NAMES.manifest(p))));
    const halted = manifests.map(({ manifest }) => manifest.halted);
    expect(halted.filter((h) => h !== null)).toMatchObject([
      { n: 2, code: 'USER_FUNCTION', reason: expect.stringContaining('poison') },
    ]);
    const at = halted.findIndex((h) => h !== null);
    const lengths = await Promise.all(
      [0, 1].map(async (p) => {
        const log = new DataLog(aws.store, NAMES, `s0/p${p}`);
        let n = 0;
        while ((await log.readEntry(n + 1)).entry !== undefined) n++;
        return n;
      }),
    );
    expect(lengths[at]).toBe(1);
    expect(lengths[1 - at]).toBe(aws.plans.length);
    expect(aws.metrics.get('Halted')).toBeGreaterThan(0);
    expect(aws.dead).toEqual([]);

    poison = -1;
    aws.allCold();
    const random = seededRandom(9);
    expect(await resumeHalted({ store: aws.store, names: NAMES, path: `s0/p${at}`, random })).toMatchObject({ n: 2 });
    expect(await resumeHalted({ store: aws.store, names: NAMES, path: `s0/p${at}`, random })).toBeNull();
    await aws.settle();
    await checkOutcome(aws);
  });
});

describe('a trigger', () => {
  it.each(['plan', 'head', 'input'] as const)('whose %s is damaged is as good as one without it', async (part) => {
    const aws = new SimulatedAws(sums(), 1);
    let damaged = 0;
    const damage = (): void => {
      for (const queue of aws.queues.values()) {
        for (const message of queue as { body: string }[]) {
          const fields = JSON.parse(message.body) as Record<string, unknown>;
          if (fields.kind !== 'batch' || typeof fields[part] !== 'string' || fields.damaged === true) continue;
          const bytes = Buffer.from(fields[part], 'base64');
          bytes[bytes.length - 3]! ^= 1;
          message.body = JSON.stringify({ ...fields, [part]: bytes.toString('base64'), damaged: true });
          damaged++;
        }
      }
    };
    for (let i = 1; i <= 3; i++) {
      send(aws, i);
      do damage();
      while (await aws.deliverOne());
    }
    expect(damaged).toBeGreaterThan(0);
    const told = aws.troubles.filter((what) => what.startsWith('a damaged part of a message'));
    expect(told.length).toBeGreaterThan(0);
    await aws.settle();
    expect(aws.errors).toEqual([]);
    await checkOutcome(aws);
  });
});

describe('a batch that could run again', () => {
  it('⚑ halt-stops: is not run by the function that halted it, still warm, before it is resumed', async () => {
    const aws = new SimulatedAws(sums({ partitions: 1 }), 1);
    send(aws, 1);
    await aws.settle();
    poison = 205;
    send(aws, 2);
    await aws.settle();
    expect(aws.metrics.get('Halted')).toBeGreaterThan(0);
    poison = -1;
    const { id } = await readJobFile(aws.store, 'sums');
    const trigger = encodeMessage({ kind: 'batch', job: id, stage: 0, partition: 0, n: 2 });
    await aws.invoke('s0/p0', [trigger]);
    expect((await aws.store.get(NAMES.log('s0/p0', 2))).found).toBe(false);
    await resumeHalted({ store: aws.store, names: NAMES, path: 's0/p0', random: seededRandom(9) });
    await aws.invoke('s0/p0', [trigger]);
    expect((await aws.store.get(NAMES.log('s0/p0', 2))).found).toBe(true);
    await aws.settle();
    await checkOutcome(aws);
  });
});

describe('results', () => {
  it.each([
    ['is delivered again', true],
    ['is lost', false],
  ])(
    '⚑ published-known: those that the store refuses for a while come out when it takes them again, though the trigger %s',
    async (_, again) => {
      let broken = false;
      const store = hookedStore(new MemoryStore({ clock: new FastClock() }), {
        before({ op, name }) {
          if (broken && op === 'create' && name.includes('/out/')) {
            throw new StoreError('STORE_BUSY', 'later', { retryable: true });
          }
        },
      });
      const aws = new SimulatedAws(sums({ partitions: 1 }), 1, {}, store);
      for (let i = 1; i <= 2; i++) {
        send(aws, i);
        while (await aws.deliverOne());
      }
      broken = true;
      for (let i = 3; i <= 4; i++) {
        send(aws, i);
        // Batches are committed one after the other, and none of their results is out.
        for (let k = 0; k < 20; k++) await aws.deliverOne();
        if (!again) for (const url of aws.queues.keys()) aws.queues.set(url, []);
      }
      expect((await new DataLog(aws.store, NAMES, 's0/p0').readEntry(3)).entry?.header.publishedThrough).toBe(2);
      expect((await aws.store.get(NAMES.out('out', 0, 3))).found).toBe(false);
      broken = false;
      if (!again) {
        // The sweep comes first, and folds before anybody else sees to the batches.
        aws.allCold();
        await aws.invoke('maintain', []);
        const hints = aws.queues.get('fold')!.splice(0);
        for (const queue of aws.queues.values()) queue.length = 0;
        await aws.invoke(
          'fold',
          hints.map(({ body }) => body),
        );
        for (const n of [3, 4]) expect((await aws.store.get(NAMES.out('out', 0, n))).found, `${n}`).toBe(true);
      }
      await aws.settle();
      send(aws, 5);
      await aws.settle();
      await checkOutcome(aws);
    },
  );
});

describe('stages', () => {
  it('⚑ siblings: the next stage is triggered by whoever sees that all partitions have the batch, and by nobody before', async () => {
    const job = physical(JOBS.twoStages(), { partitions: 3, noDataBatches: false });
    const aws = new SimulatedAws(job, 1);
    aws.send({ misa: 1, source: 'events', id: 'rows-0', rows: sampleScript('twoStages', 1)[0]!.events });
    await aws.deliverOne();
    const triggersOf = (stage: number): number[] =>
      [0, 1, 2].map((p) => (aws.queues.get(`s${stage}/p${p}`) ?? []).length);
    expect(triggersOf(0)).toEqual([1, 1, 1]);
    for (const p of [2, 0, 1]) {
      expect(triggersOf(1), `before partition ${p}`).toEqual([0, 0, 0]);
      const bodies = aws.queues.get(`s0/p${p}`)!.map((message) => message.body);
      aws.queues.set(`s0/p${p}`, []);
      await aws.invoke(`s0/p${p}`, bodies);
    }
    expect(triggersOf(1)).toEqual([1, 1, 1]);
    await aws.settle();
    expect(aws.errors).toEqual([]);
  });
});

describe('lost messages', () => {
  it('all triggers and all hints lost: the sweep alone brings every batch and fold', async () => {
    const aws = new SimulatedAws(sums(), 1);
    const lossy = new SimulatedAws(sums(), 2, { drop: 1 } as Faults, aws.store);
    for (let i = 1; i <= 5; i++) send(lossy, i);
    while (await lossy.deliverOne());
    expect((await aws.store.get(NAMES.log('s0/p0', 1))).found).toBe(false);
    await aws.settle();
    await checkOutcome(aws);
    for (const path of commitPaths(await readJobFile(aws.store, 'sums'))) {
      const { manifest } = await loadManifest(aws.store, NAMES.manifest(path));
      expect(manifest.through, path).toBe(aws.plans.length);
    }
  });

  it('⚑ sweep-group: a sweep uses a message group of its own, since the partition’s may be blocked by one that died in flight', async () => {
    const aws = new SimulatedAws(sums(), 1);
    send(aws, 1);
    await aws.deliverOne();
    aws.queues.set('s0/p0', []);
    aws.queues.set('s0/p1', []);
    await aws.invoke('maintain', []);
    const groups = ['s0/p0', 's0/p1'].flatMap((url) =>
      aws.queues.get(url)!.map((m) => [url, m.group, m.dedupId] as const),
    );
    expect(groups).toHaveLength(2);
    for (const [url, group, id] of groups) {
      expect(group).not.toBe(url);
      expect(group).toMatch(/^sweep-/);
      expect(id).toContain('sweep-');
    }
    // The next sweep is another sender: the queue may remember the ids of this one.
    await aws.invoke('maintain', []);
    const sent = ['s0/p0', 's0/p1'].flatMap((url) => aws.queues.get(url)!);
    expect(new Set(sent.map((m) => m.dedupId)).size).toBe(4);
    // And no two of its messages to one partition are worked on at once.
    expect(new Set(sent.map((m) => m.group)).size).toBe(2);
  });

  it('⚑ sweep-group: so do its hints to fold, since that of a partition may be blocked by a fold that died', async () => {
    const aws = new SimulatedAws(sums(), 1);
    send(aws, 1);
    while (await aws.deliverOne());
    for (let i = 0; i < 2; i++) await aws.invoke('maintain', []);
    const hints = aws.queues.get('fold')!;
    expect(hints.map(({ body }) => JSON.parse(body).path).sort()).toEqual(
      ['planner', 's0/p0', 's0/p1'].flatMap((path) => [path, path]),
    );
    for (const { body, group } of hints) expect(group).not.toBe(JSON.parse(body).path);
    expect(new Set(hints.map((m) => m.group)).size).toBe(3);
    expect(new Set(hints.map((m) => m.dedupId)).size).toBe(6);
  });

  it('rows that a trigger carries are those of the segment, or they are not used', async () => {
    const aws = new SimulatedAws(sums(), 1);
    for (const i of [1, 2]) {
      send(aws, i);
      await aws.invoke(
        'input',
        aws.queues.get('input')!.map((m) => m.body),
      );
      aws.queues.set('input', []);
    }
    expect(aws.plans.length).toBe(2);
    const triggers = (path: string): BatchTrigger[] =>
      aws.queues.get(path)!.map(({ body }) => decodeMessage(body, 'batch'));
    const [first, second] = triggers('s0/p0');
    const [, elsewhere] = triggers('s0/p1');
    const flipped = Buffer.from(second!.input!, 'base64');
    flipped[flipped.length - 3]! ^= 1;
    const wrong: Partial<BatchTrigger>[] = [
      { input: first!.input },
      { input: elsewhere!.input },
      { input: flipped.toString('base64') },
      { input: '' },
      { head: first!.head, input: first!.input },
      { head: 'TVNFRw==' },
      { head: undefined },
    ];
    for (const queue of aws.queues.values()) queue.length = 0;
    for (const changes of wrong) {
      aws.allCold();
      const trigger = { ...second!, ...changes };
      await aws.invoke('s0/p0', [encodeMessage(trigger)]);
      await checkOutcomeOf(aws, 's0/p0');
      for (const n of [1, 2]) await aws.store.delete([NAMES.log('s0/p0', n)]);
    }
    expect(aws.errors).toEqual([]);
  });

  it.each([
    { place: '/plan/', insideBytes: undefined },
    { place: '/seg/', insideBytes: 0 },
  ])(
    'rows that a trigger cannot carry are read alone, from where its head says they are: $place',
    async ({ place, insideBytes }) => {
      const aws = new SimulatedAws(sums(), 1);
      aws.insideBytes = insideBytes;
      send(aws, 1, 10_000);
      await aws.deliverOne();
      const { body } = aws.queues.get('s0/p0')![0]!;
      const trigger = decodeMessage(body, 'batch');
      expect([trigger.head !== undefined, trigger.input !== undefined]).toEqual([true, false]);
      expect(body.length).toBeLessThan(64 << 10);
      aws.store.reset();
      await aws.invoke('s0/p0', [body]);
      const reads = aws.store.calls.filter((call) => call.op === 'get' && call.name.includes(place));
      const head = Buffer.from(trigger.head!, 'base64');
      const { length } = sectionPlace(head, aws.plans[0]!.segment!, 0, 'the head');
      expect(reads.map((call) => call.range?.length)).toEqual([length]);
      await aws.settle();
      await checkOutcome(aws, 10_000);
    },
  );

  it('messages of a job that was deleted mean nothing to the next one', async () => {
    const before = new SimulatedAws(sums(), 1);
    send(before, 1);
    await before.deliverOne();
    const triggers = before.queues.get('s0/p0')!.map((m) => m.body);
    const aws = new SimulatedAws(sums(), 7);
    await aws.invoke('s0/p0', triggers);
    expect((await aws.store.get(NAMES.log('s0/p0', 1))).found).toBe(false);
  });
});

describe('warm and cold', () => {
  it('a preload function writes a warm pack where the last batch was cold, and the next cold one takes it in one read', async () => {
    const aws = new SimulatedAws(sums({ partitions: 1, state: { ttlMs: undefined, cacheBytes: 1 } }), 1);
    for (let i = 1; i <= 13; i++) {
      send(aws, i);
      while (await aws.deliverOne());
    }
    expect(aws.metrics.get('WarmPacks') ?? 0).toBe(0);
    // Folded, so that a cold batch has to read; and cold, so that its log entry says so.
    await aws.settle();
    aws.allCold();
    send(aws, 14);
    while (await aws.deliverOne());
    const cold = (await new DataLog(aws.store, NAMES, 's0/p0').readEntry(aws.plans.length)).entry!.header.reads;
    expect(cold.store).toBeGreaterThan(0);
    await aws.settle();
    aws.allCold();
    aws.store.reset();
    send(aws, 15);
    await aws.deliverOne();
    const notice = aws.queues.get('plan')!.map((m) => m.body);
    aws.queues.set('plan', []);
    await aws.invoke('plan', notice);
    expect(aws.metrics.get('WarmPacks')).toBe(1);
    aws.store.reset();
    while (await aws.deliverOne());
    const warm = (await new DataLog(aws.store, NAMES, 's0/p0').readEntry(aws.plans.length)).entry!.header.reads;
    expect(warm).toMatchObject({ store: 0, requests: 0 });
    expect(warm.warm).toBeGreaterThan(0);
    await aws.settle();
    await checkOutcome(aws);
  });

  it('a warm function answers from memory and asks the store for nothing but what it must', async () => {
    const aws = new SimulatedAws(sums({ partitions: 1 }), 1);
    for (let i = 1; i <= 8; i++) {
      send(aws, i);
      while (await aws.deliverOne());
    }
    aws.store.reset();
    send(aws, 9);
    await aws.deliverOne();
    aws.store.reset();
    const trigger = aws.queues.get('s0/p0')!.map((m) => m.body);
    aws.queues.set('s0/p0', []);
    await aws.invoke('s0/p0', trigger);
    expect(aws.store.calls.map((call) => `${call.op} ${call.name.split('/').slice(2, 4).join('/')}`).sort()).toEqual([
      'create out/out',
      'create s0/p0',
    ]);
  });
});
