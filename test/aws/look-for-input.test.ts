/** Input that no notification announced is found by the clock, and what is no longer there is forgotten. */
import { describe, expect, it } from 'vitest';
import type { FunctionEnvironment } from '../../lib/aws/function-environment.ts';
import type { InputObjects } from '../../lib/aws/input-objects.ts';
import { LookForInput } from '../../lib/aws/look-for-input.ts';
import type { Planner } from '../../lib/plan/planner.ts';
import { objectKey, type PlanProgress } from '../../lib/plan/planner-log.ts';
import { objectOf } from '../helpers/embedded-objects.ts';
import { FastClock, physical } from '../helpers/engine.ts';
import { type Event, JOBS } from '../helpers/engine-jobs.ts';
import { SimulatedAws } from '../helpers/simulated-aws.ts';

const MINUTE = 60_000;

const tumbling = () =>
  physical(JOBS.tumbling(), { partitions: 2, trigger: { maxRows: 40, maxBytes: 1 << 20, maxWaitMs: 0 } });

function put(aws: SimulatedAws, key: string, rows: readonly Event[]): void {
  const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  aws.objects.set(key, objectOf(`s3://inputs/${key}`, Buffer.from(text)));
}

const event = (t: number): Event => ({ t, k: 'k', v: 1 });

describe('maintain', () => {
  it('finds a bucket full of objects that nobody announced', async () => {
    const aws = new SimulatedAws(tumbling(), 1);
    for (let i = 0; i < 25; i++) put(aws, `${100 + i}.ndjson`, [event(i * 1000), event(i * 1000 + 500)]);
    await aws.settle();
    expect(aws.plans.reduce((rows, plan) => rows + plan.counts.rows, 0)).toBe(50);
    expect(aws.counts.get('send input')).toBeLessThanOrEqual(3);
    expect(aws.dead).toEqual([]);
  });

  it('forgets what is gone, so that a name may come again as another object', async () => {
    const aws = new SimulatedAws(tumbling(), 1);
    put(aws, 'a.ndjson', [event(1000)]);
    await aws.settle();
    aws.objects.delete('a.ndjson');
    await aws.settle();
    put(aws, 'b.ndjson', [event(90_000)]);
    await aws.settle();
    expect(aws.errors).toEqual([]);
    expect(aws.plans.flatMap((plan) => plan.pieces.filter(({ gone }) => gone).map(({ name }) => name))).toEqual([
      's3://inputs/a.ndjson',
    ]);
    put(aws, 'a.ndjson', [event(91_000), event(92_000)]);
    await aws.settle();
    expect(aws.plans.reduce((rows, plan) => rows + plan.counts.rows, 0)).toBe(4);
  });
});

describe('a look', () => {
  /** On a planner that has planned these names, and last made a plan at time 0. */
  function lookAt(objects: readonly string[], planned: readonly string[], { pageOf = 1000 } = {}) {
    const clock = new FastClock(1);
    const sent: string[] = [];
    const env = {
      clock,
      settings: { inputs: [{ bucket: 'b', prefix: 'in/', source: 's' }], inputQueue: 'input' },
      queue: () => ({ send: async ([message]: readonly { body: string }[]) => void sent.push(message!.body) }),
      report: { metric() {}, info() {} },
    } as unknown as FunctionEnvironment;
    const names = planned.map((key) => `s3://b/${key}`);
    const row = { version: 'v1', next: 1, done: true };
    const planner = {
      position: 7,
      halted: null,
      progress: { processingTime: 0 } as PlanProgress,
      planned: async (_: string, name: string) => (names.includes(name) ? row : undefined),
      plannedObjects: async (source: string, first: string, last: string) =>
        new Map(
          names
            .filter(
              (name) =>
                objectKey(source, name) >= objectKey(source, first) &&
                objectKey(source, name) <= objectKey(source, last),
            )
            .map((name) => [name, row]),
        ),
    };
    let pages = 0;
    const listing: InputObjects = {
      async *list(bucket, prefix, after = '') {
        const keys = [...objects].filter((key) => key.startsWith(prefix) && key > after).sort();
        for (let at = 0; at === 0 || at < keys.length; at += pageOf) {
          pages++;
          yield keys.slice(at, at + pageOf).map((key) => ({ bucket, key, etag: 'v1', size: 1, modifiedMs: 0 }));
        }
      },
      open: () => {
        throw new Error('nothing is read');
      },
    };
    const look = new LookForInput(env, planner as unknown as Planner, listing);
    return { clock, sent, look, planner, pages: () => pages };
  }

  const keys = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `in/${1000 + from + i}`);

  it('sends one message, and less and less often while nothing moves, whoever runs it', async () => {
    const { clock, sent, look } = lookAt(keys(0, 10), keys(0, 4));
    let noted = {};
    clock.advance(MINUTE);
    for (let minute = 0; minute < 24 * 60; minute++) {
      noted = JSON.parse(JSON.stringify(await look.run(noted, false, () => true)));
      clock.advance(MINUTE);
    }
    expect(sent.length).toBeGreaterThan(10);
    expect(sent.length).toBeLessThan(40);
    expect(JSON.parse(sent[0]!)).toEqual({ misa: 1, control: 'look', bucket: 'b', prefix: 'in/', after: 'in/1003' });
  });

  it('sends none for objects that are just there, nor while plans are made', async () => {
    const { clock, sent, look } = lookAt(keys(0, 10), []);
    await look.run({}, false, () => true);
    clock.advance(MINUTE / 2);
    await look.run({}, false, () => true);
    expect(sent).toEqual([]);
  });

  it('finds what lies before all that is planned though plans are made all the time, page by page', async () => {
    const planned = keys(0, 500).filter((key) => key !== 'in/1123');
    const { clock, sent, look, planner, pages } = lookAt(keys(0, 510), planned, { pageOf: 50 });
    clock.advance(MINUTE);
    let noted = {};
    for (let minute = 0; minute < 24 * 60; minute++) {
      planner.position++;
      planner.progress = {
        processingTime: clock.now(),
        listed: { 's3://b/in/': 'in/1499' },
      } as unknown as PlanProgress;
      const before = pages();
      noted = JSON.parse(JSON.stringify(await look.run(noted, false, () => true)));
      expect(pages() - before).toBe(1);
      if (minute === 3) expect(sent.map((body) => JSON.parse(body).after)).toEqual(['in/1122']);
      clock.advance(MINUTE);
    }
    // ⚑ sweep-backoff; what is behind comes by itself.
    expect(sent.length).toBeGreaterThan(10);
    expect(sent.length).toBeLessThan(40);
    expect(new Set(sent.map((body) => JSON.parse(body).after))).toEqual(new Set(['in/1122']));
  });

  it('reads a long listing in pieces, and goes on where it was', async () => {
    const { clock, sent, look, pages } = lookAt(keys(0, 500), keys(0, 499), { pageOf: 5 });
    clock.advance(10 * MINUTE);
    let noted = {};
    for (let run = 0; sent.length === 0; run++) {
      const before = pages();
      noted = await look.run(noted, false, () => true);
      expect(pages() - before).toBeLessThanOrEqual(20);
      expect(run).toBeLessThan(6);
    }
    expect(JSON.parse(sent[0]!)).toMatchObject({ after: 'in/1498' });
  });

  it('knows what is gone before, between and behind what is there, and nothing else', async () => {
    // Names of version 0.1 say nothing of what is there.
    const before = `in/1007@${'d'.repeat(32)}`;
    const { clock, look } = lookAt([...keys(5, 10), ...keys(12, 20)], [...keys(0, 25), before], { pageOf: 3 });
    clock.advance(MINUTE);
    await look.run({}, false, () => true);
    const gone = await look.takeGone();
    const wanted = [...keys(0, 5), ...keys(10, 12), ...keys(20, 25)].map((key) => `s3://b/${key}`);
    expect(gone.map(({ name }) => name).sort()).toEqual(wanted);
    expect(await look.takeGone()).toEqual([]);
  });

  it('forgets nothing that came back, and was read, before it was forgotten', async () => {
    const { clock, look, planner } = lookAt(keys(1, 5), keys(0, 5));
    clock.advance(MINUTE);
    await look.run({}, false, () => true);
    planner.planned = async () => ({ version: 'v2', next: 3, done: true });
    expect(await look.takeGone()).toEqual([]);
  });
});
