/** Results on their way to a sink: what was lost comes, and what was not does not come twice. */
import type { SQSRecord } from 'aws-lambda';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openEnvironment } from '../../lib/aws/function-environment.ts';
import { Invocation } from '../../lib/aws/invocation.ts';
import { announceLost } from '../../lib/aws/lost-results.ts';
import { Maintain } from '../../lib/aws/maintain.ts';
import { NO_REPORT } from '../../lib/aws/report.ts';
import type { Settings } from '../../lib/aws/settings.ts';
import { SinkFunction } from '../../lib/aws/sink-function.ts';
import { moveResultsMark } from '../../lib/commit/results-mark.ts';
import { type Job, job, source } from '../../lib/index.ts';
import { isQuarantine, quarantineOf } from '../../lib/job/outputs.ts';
import { editManifest } from '../../lib/manifest/manifest-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names, type PartitionPath, PLANNER, partitionPath } from '../../lib/object-store/names.ts';
import type { OutgoingMessage, Queue } from '../../lib/queue/queue.ts';
import { namedOutput } from '../../lib/sinks/result-name.ts';
import { gapsOf, loadDelivered, type Ranges, withNumbers, writeTaken } from '../../lib/sinks/taken.ts';
import { encodeNdjson } from '../../lib/util/ndjson.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { NO_OBJECTS } from '../helpers/embedded-objects.ts';
import { FastClock, physical } from '../helpers/engine.ts';
import { JOBS } from '../helpers/engine-jobs.ts';
import { CrashError, countingStore, hookedStore, listAll } from '../helpers/stores.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NAMES = names('sums', 1);

interface Row {
  readonly k: string;
}

const OPTIONS = { outputMode: 'update', partitions: 2, noDataBatches: false } as const;
const oneStage = (): Job<unknown> => {
  const rows = source<Row>('rows').keyBy((r) => r.k);
  return job(
    'sums',
    rows.reduce((_, b) => b),
    OPTIONS,
  );
};
/** An output's results in one partition. */
type Published = readonly [output: string, partition: number, path: PartitionPath];

/** @param sinkOutputs outputs that have sinks: may change, as with a deployment */
async function deployed({ sinkOutputs = ['out'], of = oneStage() } = {}) {
  const compiled = physical(of);
  const own = names(compiled.name, 1);
  const clock = new FastClock(1_700_000_000_000);
  /** Whoever asks is killed when this is 0: requests that are left. */
  let left = Number.POSITIVE_INFINITY;
  const ask = (): void => {
    if (left-- <= 0) throw new CrashError('killed');
  };
  const store = countingStore(hookedStore(new MemoryStore({ clock }), { before: ask }));
  const random = seededRandom(1);
  const sent: string[] = [];
  const queue: Queue = {
    send: async (messages: readonly OutgoingMessage[]) => {
      ask();
      sent.push(...messages.map(({ body }) => body));
    },
  } as Partial<Queue> as Queue;
  const others = { send: async () => {} } as Partial<Queue> as Queue;
  const settings = (): Settings => ({
    store: { kind: 's3', bucket: 'state', prefix: 'misa' },
    inputs: [],
    overwritten: 'ignore',
    inputQueue: '',
    partitions: undefined,
    batchQueue: () => '',
    foldQueue: 'fold',
    compactQueue: '',
    planQueue: '',
    cacheBytes: 0,
    trace: false,
    ...(sinkOutputs.length > 0 && { resultsQueue: 'results', sinkOutputs }),
  });
  const open = async () =>
    openEnvironment({
      job: compiled,
      settings: settings(),
      store,
      queue: (url) => (url === 'results' ? queue : others),
      clock,
      random,
      report: NO_REPORT,
      cache: undefined,
      retentionMs: 30 * MINUTE,
    });
  // The job's file comes first.
  await open();
  const delivered: string[] = [];
  let denied = (_key: string): boolean => false;
  const sink = new SinkFunction({
    store,
    place: { bucket: 'state', prefix: 'misa' },
    jobId: 'run1',
    sinks: {
      has: (output) => sinkOutputs.includes(namedOutput(output)),
      deliver: async ({ output, partition, n }) => {
        if (denied(`${output}/p${partition}/${n}`)) throw new Error('denied');
        delivered.push(`${output}/p${partition}/${n}`);
      },
    },
    clock,
    report: NO_REPORT,
    record: (taken, options) => writeTaken(store, own, random.id(), taken, options),
  });
  const published = new Map<PartitionPath, number>();
  let edits = 0;
  const outputs = compiled.stages.flatMap((_, stage): Published[] => {
    const names = compiled.outputs.filter((output) => output.stage === stage).map(({ name }) => name);
    const results = names.flatMap((name) => [0, 1].map((p): Published => [name, p, partitionPath(stage, p)]));
    return [...results, [quarantineOf(stage), 0, partitionPath(stage, 0)]];
  });
  const world = {
    clock,
    store,
    sent,
    delivered,
    set denied(value: (key: string) => boolean) {
      denied = value;
    },
    /**
     * Publishes batches up to n, without rows where `n % 5` is 0.
     * @param paths the partitions that get so far; default: all
     * @param quarantined rows were set aside, too
     * @returns the notifications of S3
     */
    async publish(
      n: number,
      { paths = outputs.map(([, , path]) => path), quarantined = false } = {},
    ): Promise<string[]> {
      const told: string[] = [];
      for (const [output, p, path] of outputs) {
        if (!paths.includes(path)) continue;
        for (let m = (published.get(path) ?? 0) + 1; m <= n; m++) {
          if (m % 5 === 0 || (isQuarantine(output) && !quarantined)) continue;
          const body = encodeNdjson([{ m, p }]);
          const key = own.out(output, p, m);
          await store.create(key, body);
          const s3 = { bucket: { name: 'state' }, object: { key: `misa/${key}`, size: body.length } };
          told.push(JSON.stringify({ Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3 }] }));
        }
      }
      for (const path of new Set([...paths, PLANNER])) {
        const after = published.get(path) ?? 0;
        if (after >= n) continue;
        const fold = {
          type: 'fold',
          after,
          through: n,
          logHash: '',
          sst: null,
          writtenAfterMs: 0,
          publishedThrough: n,
        } as const;
        await editManifest(store, own.manifest(path), () => fold, { nonce: `fold-${edits++}` });
        published.set(path, n);
      }
      return told;
    },
    async deliver(bodies: readonly string[]): Promise<void> {
      const records = bodies.map((body, i) => ({ messageId: String(i), body, attributes: {} }) as unknown as SQSRecord);
      for (let i = 0; i < records.length; i += 10) {
        await sink.run(records.slice(i, i + 10), new Invocation(clock, Number.POSITIVE_INFINITY));
      }
    },
    /** One look for what was lost; its process is killed at request number `lives`, from 0. @returns whether it lived */
    async look(lives: number): Promise<boolean> {
      const env = await open();
      left = lives;
      return announceLost(env, () => true)
        .then(() => true)
        .catch((error: unknown) => {
          if (error instanceof CrashError) return false;
          throw error;
        })
        .finally(() => {
          left = Number.POSITIVE_INFINITY;
        });
    },
    /** The schedule for so long, each ten minutes, in an environment that is new. */
    async run(ms: number): Promise<void> {
      for (let at = 0; at < ms; at += 10 * MINUTE) {
        clock.advance(10 * MINUTE);
        await new Maintain(await open(), NO_OBJECTS).run({}, new Invocation(clock, Number.POSITIVE_INFINITY));
      }
    },
  };
  return world;
}

const keyOf = (body: string): string => /misa\/[^/]+\/e1\/out\/([^"]+)/.exec(body)![1]!.replace(/\/0+(\d+)$/, '/$1');

describe('a result whose notification was lost', () => {
  it('is announced again after two hours, and only this one', async () => {
    const aws = await deployed();
    const told = await aws.publish(15);
    const lost = told.filter((body) => ['out/p0/3', 'out/p1/7', 'out/p1/10'].includes(keyOf(body)));
    await aws.deliver(told.filter((body) => !lost.includes(body)));
    await aws.run(HOUR + 50 * MINUTE);
    expect(aws.sent).toEqual([]);
    await aws.run(30 * MINUTE);
    // The tenth has no rows: there is nothing to deliver.
    expect(aws.sent.map(keyOf)).toEqual(['out/p0/3', 'out/p1/7']);
    await aws.deliver(aws.sent.splice(0));
    await aws.run(3 * HOUR);
    expect(aws.sent).toEqual([]);
    const wanted = told
      .filter((body) => keyOf(body).startsWith('out/') && !/\/(5|10|15)$/.test(keyOf(body)))
      .map(keyOf);
    expect([...aws.delivered].sort()).toEqual([...wanted].sort());
    // Nothing is left to be put together, nor to be listed.
    expect(await listAll(aws.store, NAMES.takenPrefix())).toEqual([]);
    aws.store.reset();
    await aws.run(HOUR);
    expect(aws.store.count('list', '/out/')).toBe(0);
  });

  it('all lost, for good: nothing was ever taken, and everything comes', async () => {
    const aws = await deployed();
    await aws.run(MINUTE);
    const told = await aws.publish(4);
    await aws.run(2 * HOUR + 30 * MINUTE);
    expect(aws.sent.map(keyOf).sort()).toEqual(
      told
        .map(keyOf)
        .filter((key) => key.startsWith('out/'))
        .sort(),
    );
  });

  it('that fails for good is tried after 2, 4, 8, 16 hours and then once a day, and holds up nothing', async () => {
    const aws = await deployed();
    aws.denied = (key) => key === 'out/p0/2';
    await aws.deliver(await aws.publish(4));
    for (let day = 0; day < 5; day++) {
      await aws.run(24 * HOUR);
      await aws.deliver(aws.sent);
    }
    expect(new Set(aws.sent.map(keyOf))).toEqual(new Set(['out/p0/2']));
    expect(aws.sent.length).toBeLessThan(9);
    await aws.deliver(await aws.publish(8));
    await aws.run(HOUR);
    const { delivered } = await loadDelivered(aws.store, NAMES);
    expect(delivered['out/p0']!.taken).toEqual([
      [0, 1],
      [3, 8],
    ]);
    aws.denied = () => false;
    await aws.deliver(aws.sent.slice(0, 1));
    await aws.run(HOUR);
    expect((await loadDelivered(aws.store, NAMES)).delivered['out/p0']).toEqual({ taken: [[0, 8]] });
  });

  it('⚑ taken-known: comes, and nothing else, whatever request the look is killed at', async () => {
    for (let lives = 0, lived = false; !lived; lives++) {
      const aws = await deployed();
      const told = await aws.publish(12);
      const lost = ['out/p0/3', 'out/p1/7', 'out/p1/8'];
      await aws.deliver(told.filter((body) => !lost.includes(keyOf(body))));
      await aws.run(2 * HOUR);
      expect(aws.sent).toEqual([]);
      // With notes to be put together, and results that are due.
      await aws.deliver(await aws.publish(14));
      aws.clock.advance(10 * MINUTE);
      lived = await aws.look(lives);
      await aws.run(5 * HOUR);
      // ⚑ sweep-backoff: those that nobody takes, again after two hours, and then after four.
      for (const key of lost) {
        const times = aws.sent.filter((body) => keyOf(body) === key).length;
        expect([1, 2], `killed at request ${lives}: ${key}`).toContain(times);
      }
      expect([...new Set(aws.sent.map(keyOf))].sort(), `killed at request ${lives}`).toEqual(lost);
      if (lived) expect(lives).toBeGreaterThan(10);
    }
  });

  it('⚑ taken-known: of more than one look announces, the rest comes with the next', async () => {
    const aws = await deployed();
    const [first, ...lost] = await aws.publish(1300);
    await aws.deliver([first!, ...lost.filter((body) => keyOf(body) === 'out/p1/1')]);
    await aws.run(2 * HOUR);
    for (let i = 0; i < 6; i++) {
      await aws.run(10 * MINUTE);
      await aws.deliver(aws.sent.splice(0));
    }
    const wanted = Array.from({ length: 1300 }, (_, i) => i + 1).filter((n) => n % 5 !== 0);
    for (const p of [0, 1]) {
      const own = aws.delivered.filter((key) => key.startsWith(`out/p${p}/`)).map((key) => Number(key.split('/')[2]));
      expect(own.sort((a, b) => a - b)).toEqual(wanted);
    }
    const { delivered } = await loadDelivered(aws.store, NAMES);
    expect([delivered['out/p0'], delivered['out/p1']]).toEqual([{ taken: [[0, 1300]] }, { taken: [[0, 1300]] }]);
  });

  it('⚑ taken-known: far behind others that were taken come, too', async () => {
    const aws = await deployed();
    const lost = ['out/p0/11', 'out/p0/2411', 'out/p1/7'];
    await aws.deliver((await aws.publish(2503)).filter((body) => !lost.includes(keyOf(body))));
    await aws.run(2 * HOUR + 20 * MINUTE);
    expect(aws.sent.map(keyOf).sort()).toEqual(lost);
  });

  it('⚑ taken-known: is looked for as far as its own stage and partition have published, in all outputs', async () => {
    const aws = await deployed({ sinkOutputs: ['first', 'second', '_quarantine'], of: JOBS.twoStages() });
    await aws.run(MINUTE);
    await aws.publish(6, { paths: ['s0/p0'], quarantined: true });
    await aws.publish(4, { paths: ['s0/p1'] });
    await aws.publish(2, { paths: ['s1/p0'], quarantined: true });
    await aws.run(2 * HOUR + 30 * MINUTE);
    const wanted = ['_quarantine.s1/p0/1', '_quarantine.s1/p0/2'];
    for (const n of [1, 2, 3, 4, 6]) wanted.push(`first/p0/${n}`, `_quarantine/p0/${n}`);
    for (const n of [1, 2, 3, 4]) wanted.push(`first/p1/${n}`);
    for (const n of [1, 2]) wanted.push(`second/p0/${n}`);
    expect(aws.sent.splice(0).map(keyOf).sort()).toEqual(wanted.sort());
    // What comes later is not taken for what was deleted.
    await aws.publish(3, { paths: ['s1/p1', 's1/p0'] });
    await aws.run(2 * HOUR + 20 * MINUTE);
    const later = aws.sent.map(keyOf);
    for (const key of ['second/p0/3', 'second/p1/1', 'second/p1/2', 'second/p1/3']) expect(later).toContain(key);
  });
});

describe('what is not lost', () => {
  it('is on its way, though others have been missing for long', async () => {
    const aws = await deployed();
    const told = await aws.publish(4);
    await aws.deliver(told.filter((body) => keyOf(body) !== 'out/p0/3'));
    await aws.run(2 * HOUR);
    const slow = await aws.publish(7);
    await aws.run(30 * MINUTE);
    expect(aws.sent.map(keyOf)).toEqual(['out/p0/3']);
    await aws.deliver(aws.sent);
    await aws.run(HOUR);
    await aws.deliver(slow);
    await aws.run(2 * HOUR);
    expect(aws.sent.map(keyOf)).toEqual(['out/p0/3']);
  });

  it('was published while there were no sinks, before and between', async () => {
    const sinkOutputs = ['out', 'other'];
    const aws = await deployed({ sinkOutputs });
    await aws.deliver(await aws.publish(3));
    await aws.run(HOUR);
    sinkOutputs.splice(0, 1);
    await aws.publish(20);
    await aws.run(HOUR);
    sinkOutputs.push('out');
    await aws.deliver(await aws.publish(21));
    await aws.run(5 * HOUR);
    expect(aws.sent).toEqual([]);
  });

  it('was published before there were sinks', async () => {
    const aws = await deployed();
    await aws.publish(50);
    await aws.deliver(await aws.publish(52));
    await aws.run(5 * HOUR);
    expect(aws.sent).toEqual([]);
  });

  it('is deleted, by its retention or by hand', async () => {
    const aws = await deployed();
    await aws.run(MINUTE);
    await aws.publish(9);
    await moveResultsMark(
      aws.store,
      NAMES,
      { through: 0, retentionMs: 0, etag: undefined },
      { through: 4, retentionMs: HOUR },
    );
    await aws.store.delete([8, 9].map((n) => NAMES.out('out', 1, n)));
    await aws.run(3 * HOUR);
    expect(aws.sent.map(keyOf).sort()).toEqual([
      'out/p0/6',
      'out/p0/7',
      'out/p0/8',
      'out/p0/9',
      'out/p1/6',
      'out/p1/7',
    ]);
  });

  it('without sinks nobody looks', async () => {
    const aws = await deployed({ sinkOutputs: [] });
    await aws.publish(5);
    aws.store.reset();
    await aws.run(5 * HOUR);
    expect(aws.store.count(undefined, '/taken/') + aws.store.count(undefined, 'delivered')).toBe(0);
  });
});

it('ranges are the numbers they stand for', () => {
  const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 40 }));
  fc.assert(
    fc.property(numbers, numbers, fc.integer({ min: 0, max: 45 }), (first, second, last) => {
      const expand = (ranges: Ranges): number[] =>
        ranges.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
      const ranges = withNumbers(withNumbers([], first), second);
      const all = [...new Set([...first, ...second])].sort((a, b) => a - b);
      expect(expand(ranges)).toEqual(all);
      for (let i = 1; i < ranges.length; i++) expect(ranges[i]![0]).toBeGreaterThan(ranges[i - 1]![1] + 1);
      const missing = Array.from({ length: last }, (_, i) => i + 1).filter((n) => !all.includes(n));
      expect(expand(gapsOf(ranges, last))).toEqual(missing);
    }),
  );
});
