/** Results on their way to a sink: what was lost comes, and what was not does not come twice. */
import type { SQSRecord } from 'aws-lambda';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openEnvironment } from '../../lib/aws/function-environment.ts';
import { Invocation } from '../../lib/aws/invocation.ts';
import { Maintain } from '../../lib/aws/maintain.ts';
import { NO_REPORT } from '../../lib/aws/report.ts';
import type { Settings } from '../../lib/aws/settings.ts';
import { moveResultsMark } from '../../lib/commit/results-mark.ts';
import { job, source } from '../../lib/index.ts';
import { editManifest } from '../../lib/manifest/manifest-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names, PLANNER } from '../../lib/object-store/names.ts';
import type { OutgoingMessage, Queue } from '../../lib/queue/queue.ts';
import { SinkFunction } from '../../lib/sinks/sink-function.ts';
import { gapsOf, loadDelivered, type Ranges, withNumbers, writeTaken } from '../../lib/sinks/taken.ts';
import { encodeNdjson } from '../../lib/util/ndjson.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { NO_OBJECTS } from '../helpers/embedded-objects.ts';
import { FastClock, physical } from '../helpers/engine.ts';
import { countingStore, listAll } from '../helpers/stores.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NAMES = names('sums', 1);

async function deployed({ sinkOutputs = ['out'] as readonly string[] } = {}) {
  const clock = new FastClock(1_700_000_000_000);
  const store = countingStore(new MemoryStore({ clock }));
  const random = seededRandom(1);
  const sent: string[] = [];
  const queue: Queue = {
    send: async (messages: readonly OutgoingMessage[]) => void sent.push(...messages.map(({ body }) => body)),
  } as Partial<Queue> as Queue;
  const settings: Settings = {
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
  };
  const open = async () =>
    openEnvironment({
      job: physical(
        job(
          'sums',
          source<{ k: string }>('rows')
            .keyBy((r) => r.k)
            .reduce((_, b) => b),
          { outputMode: 'update', partitions: 2, noDataBatches: false },
        ),
      ),
      settings,
      store,
      queue: () => queue,
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
      has: (output) => sinkOutputs.includes(output),
      deliver: async ({ output, partition, n }) => {
        if (denied(`${output}/p${partition}/${n}`)) throw new Error('denied');
        delivered.push(`${output}/p${partition}/${n}`);
      },
    },
    clock,
    report: NO_REPORT,
    record: (taken, options) => writeTaken(store, NAMES, random.id(), taken, options),
  });
  let published = 0;
  let edits = 0;
  const world = {
    clock,
    store,
    sent,
    delivered,
    set denied(value: (key: string) => boolean) {
      denied = value;
    },
    /** Publishes batches up to n, empty ones where `n % 5` is 0. @returns the notifications of S3 */
    async publish(n: number): Promise<string[]> {
      const told: string[] = [];
      const after = published;
      for (let m = after + 1; m <= n; m++) {
        for (const [output, p] of [
          ['out', 0],
          ['out', 1],
          ['_quarantine', 0],
        ] as const) {
          const body = output === '_quarantine' || m % 5 === 0 ? new Uint8Array(0) : encodeNdjson([{ m, p }]);
          const key = NAMES.out(output, p, m);
          await store.create(key, body);
          const s3 = { bucket: { name: 'state' }, object: { key: `misa/${key}`, size: body.length } };
          told.push(JSON.stringify({ Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3 }] }));
        }
      }
      published = n;
      const fold = {
        type: 'fold',
        after,
        through: n,
        logHash: '',
        sst: null,
        writtenAfterMs: 0,
        publishedThrough: n,
      } as const;
      for (const path of ['s0/p0', 's0/p1', PLANNER]) {
        await editManifest(store, NAMES.manifest(path), () => fold, { nonce: `fold-${edits++}` });
      }
      return told;
    },
    async deliver(bodies: readonly string[]): Promise<void> {
      const records = bodies.map((body, i) => ({ messageId: String(i), body, attributes: {} }) as unknown as SQSRecord);
      for (let i = 0; i < records.length; i += 10) {
        await sink.run(records.slice(i, i + 10), new Invocation(clock, Number.POSITIVE_INFINITY));
      }
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

const keyOf = (body: string): string => /misa\/sums\/e1\/out\/([^"]+)/.exec(body)![1]!.replace(/\/0+(\d+)$/, '/$1');

describe('a result whose notification was lost', () => {
  it('is announced again after two hours, and only this one', async () => {
    const aws = await deployed();
    const told = await aws.publish(12);
    const lost = told.filter((body) => ['out/p0/3', 'out/p1/7', 'out/p1/10'].includes(keyOf(body)));
    await aws.deliver(told.filter((body) => !lost.includes(body)));
    await aws.run(HOUR + 50 * MINUTE);
    expect(aws.sent).toEqual([]);
    await aws.run(30 * MINUTE);
    // The tenth is empty: there is nothing to deliver.
    expect(aws.sent.map(keyOf)).toEqual(['out/p0/3', 'out/p1/7']);
    await aws.deliver(aws.sent.splice(0));
    await aws.run(3 * HOUR);
    expect(aws.sent).toEqual([]);
    const wanted = told.filter((body) => keyOf(body).startsWith('out/') && !/\/(5|10)$/.test(keyOf(body))).map(keyOf);
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
});

describe('what is not lost', () => {
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
