/** Ingest: what comes to the input queue becomes plans, each row once, and what cannot be read does not hold up the rest. */
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { arrivalsOf } from '../../lib/aws/deliveries.ts';
import { type FunctionEnvironment, openEnvironment } from '../../lib/aws/function-environment.ts';
import { NO_REPORT } from '../../lib/aws/report.ts';
import { StoreError } from '../../lib/errors.ts';
import { count, job, source, sum } from '../../lib/index.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { noRows } from '../../lib/plan/gathered.ts';
import { Planner } from '../../lib/plan/planner.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { objectOf } from '../helpers/embedded-objects.ts';
import { FastClock, physical, rowsOf } from '../helpers/engine.ts';
import { SimulatedAws } from '../helpers/simulated-aws.ts';
import { simulatedSettings } from '../helpers/simulated-functions.ts';
import { hookedStore, sleepAt } from '../helpers/stores.ts';

interface Row {
  readonly k: string;
  readonly v: number;
}

const totals = (changes: Partial<PhysicalJob> = {}): PhysicalJob => {
  const rows = source<Row>('rows').map((r) => {
    if (r.v === 13) throw new Error('thirteen');
    return r;
  });
  return physical(
    job('totals', rows.keyBy((r) => r.k).aggregate({ n: count(), s: sum((r) => r.v) }), { outputMode: 'update' }),
    { trigger: { maxRows: 100, maxBytes: 1 << 20, maxWaitMs: 0 }, partitions: 2, ...changes },
  );
};

function announce(aws: SimulatedAws, key: string, bytes: Uint8Array, etag = 'v1'): void {
  aws.objects.set(key, objectOf(`s3://inputs/${key}`, bytes));
  aws.etags.set(key, etag);
  aws.send(notification(key, bytes.length, etag));
}

const notification = (key: string, size: number, eTag = 'v1') => ({
  Records: [
    {
      eventSource: 'aws:s3',
      eventName: 'ObjectCreated:Put',
      s3: { bucket: { name: 'inputs' }, object: { key: encodeURIComponent(key).replaceAll('%20', '+'), size, eTag } },
    },
  ],
});

const ndjson = (rows: readonly unknown[]): Buffer =>
  Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
const some = (n: number, from = 0): Row[] =>
  Array.from({ length: n }, (_, i) => ({ k: `k${i % 5}`, v: 20 + from + i }));

/** Rows counted, by the newest result of each key. */
async function counted(aws: SimulatedAws): Promise<number> {
  const newest = new Map<string, number>();
  for (const row of (await rowsOf(aws.store, aws.job, 'out')).flat() as { key: string; n: number }[]) {
    newest.set(row.key, row.n);
  }
  return [...newest.values()].reduce((total, n) => total + n, 0);
}

describe('objects', () => {
  it('splits a large one into several plans, and gathers small ones into one', async () => {
    const aws = new SimulatedAws(totals(), 1);
    announce(aws, 'large.ndjson', ndjson(some(950)));
    await aws.settle();
    expect(aws.plans.map((plan) => plan.counts.rows)).toEqual([...Array(9).fill(100), 50]);
    const before = aws.plans.length;
    for (let i = 0; i < 4; i++)
      aws.objects.set(`small ${i}.ndjson`, objectOf(`s3://inputs/small ${i}.ndjson`, ndjson(some(5))));
    await aws.invoke(
      'input',
      [0, 1, 2, 3].map((i) => JSON.stringify(notification(`small ${i}.ndjson`, 200))),
    );
    await aws.settle();
    expect(aws.plans.slice(before).map((plan) => plan.pieces.length)).toEqual([4]);
    expect(await counted(aws)).toBe(970);
  });

  it('reads CSV as the source says that it is laid out, also from the middle on', async () => {
    const rows = source<Row>('rows', { csv: { delimiter: ';', header: ['k', 'v'] } });
    const laidOut = physical(
      job('totals', rows.keyBy((r) => r.k).aggregate({ n: count(), s: sum((r) => r.v) }), { outputMode: 'update' }),
      { trigger: { maxRows: 100, maxBytes: 1 << 20, maxWaitMs: 0 }, partitions: 2 },
    );
    for (let seed = 1; seed <= 3; seed++) {
      const aws = new SimulatedAws(laidOut, seed, { kill: 0.4 });
      const lines = some(450).map(({ k, v }) => `"${k}";${v}\n`);
      announce(aws, 'large.csv', Buffer.from(lines.join('')));
      await aws.settle();
      expect(await counted(aws), `seed ${seed}`).toBe(450);
    }
  });

  it('takes declared fields out of objects and messages alike', async () => {
    const rows = source('rows', { fields: { k: 'string', v: 'integer' } });
    const declared = physical(
      job(
        'totals',
        { all: rows, sums: rows.keyBy((r) => r.k).aggregate({ n: count(), s: sum((r) => r.v) }) },
        { outputMode: 'update' },
      ),
      { trigger: { maxRows: 100, maxBytes: 1 << 20, maxWaitMs: 0 }, partitions: 2 },
    );
    const aws = new SimulatedAws(declared, 1);
    const more = (row: Row) => ({ more: [row], ...row });
    announce(aws, 'a.ndjson', ndjson([...some(50).map(more), { k: 1, v: 1 }]));
    announce(
      aws,
      'b.csv',
      Buffer.from(
        `x,v,k\n${some(50)
          .map(({ k, v }) => `1,${v},${k}\n`)
          .join('')}1,x,k\n`,
      ),
    );
    aws.send([...some(50).map(more), { k: 'k' }, { k: 'k', v: '7' }]);
    await aws.settle();
    const all = (await rowsOf(aws.store, aws.job, 'all')).flat();
    const byValue = (a: unknown, b: unknown): number => (a as Row).v - (b as Row).v;
    expect(all.sort(byValue)).toEqual([...some(50), ...some(50), ...some(50)].sort(byValue));
    expect(aws.plans.reduce((quarantined, plan) => quarantined + plan.counts.quarantined, 0)).toBe(4);
  });

  it('goes on in the middle of a compressed one after being killed, whatever request that was', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const aws = new SimulatedAws(totals(), seed, { kill: 0.4 });
      announce(aws, 'large.ndjson.gz', gzipSync(ndjson(some(450))));
      await aws.settle();
      expect(await counted(aws), `seed ${seed}`).toBe(450);
    }
  });

  it('⚑ piece-identity: plans one once that is announced twice: in one delivery, in two at a time, and long after', async () => {
    const aws = new SimulatedAws(totals(), 1);
    const bytes = ndjson(some(250));
    aws.objects.set('a.ndjson', objectOf('s3://inputs/a.ndjson', bytes));
    const body = JSON.stringify(notification('a.ndjson', bytes.length));
    await Promise.all([aws.invoke('input', [body, body]), aws.invoke('input', [body])]);
    await aws.settle();
    aws.send(body);
    await aws.settle();
    expect(aws.plans.reduce((rows, plan) => rows + plan.counts.rows, 0)).toBe(250);
    expect(await counted(aws)).toBe(250);
  });

  it('⚑ piece-identity: knows one by its name: copied onto itself, it is not read again, and that is told', async () => {
    const aws = new SimulatedAws(totals(), 1);
    announce(aws, 'a.ndjson', ndjson(some(10)), 'v1');
    await aws.settle();
    // As a copy by parts, or under another key of encryption, gets another etag.
    announce(aws, 'a.ndjson', ndjson(some(10)), 'v1-2');
    await aws.settle();
    aws.allCold();
    announce(aws, 'b.ndjson', ndjson(some(1)), 'v1');
    aws.send(notification('a.ndjson', 10, 'v1-2'));
    await aws.settle();
    expect(await counted(aws)).toBe(11);
    expect(aws.metrics.get('Overwritten')).toBeGreaterThan(0);
    expect(aws.dead).toEqual([]);
  });

  it('reads one that was overwritten as new rows, where the deployment says so', async () => {
    const aws = new SimulatedAws(totals(), 1);
    aws.overwritten = 'read';
    announce(aws, 'a.ndjson', ndjson(some(10)), 'v1');
    await aws.settle();
    announce(aws, 'a.ndjson', ndjson(some(20)), 'v2');
    // By its notification, and not by the clock.
    await aws.deliverOne();
    expect(aws.plans.at(-1)!.counts.rows).toBe(20);
    await aws.settle();
    aws.send(notification('a.ndjson', 10, 'v2'));
    await aws.settle();
    expect(await counted(aws)).toBe(30);
  });

  it('refuses one that was overwritten when a part of it was read', async () => {
    const aws = new SimulatedAws(totals(), 1);
    aws.objects.set('a.ndjson', objectOf('s3://inputs/a.ndjson', ndjson(some(450))));
    await aws.invoke('input', [JSON.stringify(notification('a.ndjson', 9))], { until: () => aws.plans.length === 2 });
    announce(aws, 'a.ndjson', ndjson(some(300)), 'v2');
    await aws.settle();
    expect(String(aws.errors.at(-1))).toMatch(/a\.ndjson was overwritten after 200 of its rows were planned/);
    expect(await counted(aws)).toBe(200);
  });

  it('reads one that nobody announced, in its order, and one that comes before those that are read, when it is announced', async () => {
    const aws = new SimulatedAws(totals(), 1);
    aws.objects.set('b.ndjson', objectOf('s3://inputs/b.ndjson', ndjson(some(150))));
    announce(aws, 'c.ndjson', ndjson(some(60)));
    await aws.settle();
    expect(aws.plans.flatMap((plan) => plan.pieces.map(({ name }) => name))).toEqual([
      's3://inputs/b.ndjson',
      's3://inputs/b.ndjson',
      's3://inputs/c.ndjson',
      's3://inputs/c.ndjson',
    ]);
    announce(aws, 'a.ndjson', ndjson(some(5)));
    await aws.settle();
    expect(await counted(aws)).toBe(215);
    expect(aws.plans.at(-1)!.listed).toEqual({ 's3://inputs/': 'c.ndjson' });
  });

  it('⚑ listed-when-planned: goes on with what it has not read, though only a later one is announced', async () => {
    const aws = new SimulatedAws(totals(), 1);
    for (const [key, rows] of [
      ['a.ndjson', 50],
      ['b.ndjson', 250],
      ['c.ndjson', 10],
      ['d.ndjson', 10],
    ] as const) {
      aws.objects.set(key, objectOf(`s3://inputs/${key}`, ndjson(some(rows))));
    }
    await aws.invoke('input', [JSON.stringify(notification('a.ndjson', 9))], { until: () => aws.plans.length === 1 });
    await aws.invoke('input', [JSON.stringify(notification('d.ndjson', 9))]);
    expect(aws.plans.flatMap((plan) => plan.pieces.map(({ name, from, to }) => [name.at(12), from, to]))).toEqual([
      ['a', 0, 50],
      ['b', 0, 50],
      ['b', 50, 150],
      ['b', 150, 250],
      ['c', 0, 10],
      ['d', 0, 10],
    ]);
  });

  it('⚑ listed-when-planned: what was gathered for a plan that another made first does not count as planned', async () => {
    const memory = new MemoryStore({ clock: new FastClock() });
    const asleep = sleepAt((call) => call.op === 'create' && call.name.includes('/plan/'), 'before');
    const aws = new SimulatedAws(totals(), 1, {}, hookedStore(memory, asleep.hooks));
    let opened = 0;
    for (const key of ['a.ndjson', 'b.ndjson', 'c.ndjson']) {
      const object = objectOf(`s3://inputs/${key}`, ndjson(some(10)));
      const open: typeof object.open = (...args) => {
        if (key.startsWith('a')) opened++;
        return object.open(...args);
      };
      aws.objects.set(key, { ...object, open });
    }
    // The time is up when the first of them is read again, behind a plan of somebody else.
    const first = aws.invoke('input', [JSON.stringify(notification('c.ndjson', 9))], { until: () => opened === 2 });
    await asleep.asleep;
    await aws.invoke('input', [JSON.stringify({ k: 'a', v: 1 })]);
    asleep.wake();
    await first;
    const rows = () => aws.plans.map((plan) => plan.pieces.map(({ name, to }) => [name.at(12), to]));
    expect(rows().slice(1)).toEqual([[['a', 10]]]);
    await aws.invoke('input', [JSON.stringify(notification('c.ndjson', 9))]);
    expect(rows().slice(2)).toEqual([
      [
        ['b', 10],
        ['c', 10],
      ],
    ]);
  });

  it('asks for one page of the listing a batch where names grow', async () => {
    const aws = new SimulatedAws(totals(), 1);
    for (let i = 100; i < 130; i++) {
      announce(aws, `${i}.ndjson`, ndjson(some(10)));
      await aws.settle();
    }
    expect(await counted(aws)).toBe(300);
    expect(aws.counts.get('list input')).toBeLessThanOrEqual(30);
  });

  it('has no quarrel with one that was deleted before it was read, nor with places that hold nothing', async () => {
    const aws = new SimulatedAws(totals(), 1);
    aws.send(notification('gone.ndjson', 10));
    announce(aws, 'folder/', Buffer.alloc(0));
    announce(aws, 'blank.ndjson', Buffer.from('\n\n'));
    announce(aws, 'z.ndjson', ndjson(some(3)));
    await aws.settle();
    aws.send(notification('gone.ndjson', 10));
    aws.send(notification('blank.ndjson', 2));
    await aws.settle();
    expect(await counted(aws)).toBe(3);
    expect(aws.errors).toEqual([]);
    expect(aws.plans.flatMap((plan) => plan.pieces.map(({ name, done }) => [name, done]))).toEqual([
      ['s3://inputs/blank.ndjson', true],
      ['s3://inputs/z.ndjson', true],
    ]);
  });

  it('waits for one that the store does not give for now, and reads nothing before it', async () => {
    const aws = new SimulatedAws(totals(), 1);
    const object = objectOf('s3://inputs/a.ndjson', ndjson(some(10)));
    let refused = 0;
    const open: typeof object.open = (...args) => {
      if (refused++ < 2) throw new StoreError('STORE_BUSY', 'slow down', { retryable: true });
      return object.open(...args);
    };
    aws.objects.set('a.ndjson', { ...object, open });
    announce(aws, 'b.ndjson', ndjson(some(20)));
    await aws.settle();
    expect(aws.plans.map((plan) => plan.pieces.map(({ name }) => name.at(12)))).toEqual([['a', 'b']]);
  });

  it('knows one that version 0.1 planned, by its name with the etag', async () => {
    const aws = new SimulatedAws(totals(), 1);
    const etag = 'd'.repeat(32);
    // The job's file comes first.
    await aws.invoke('maintain', ['{}']);
    const env = await openEnvironment({
      job: aws.job,
      settings: simulatedSettings(aws.places, 'ignore'),
      store: aws.store,
      queue: () => ({}) as Queue,
      clock: aws.clock,
      random: seededRandom(1),
      report: NO_REPORT,
      cache: undefined,
      retentionMs: 1_800_000,
    });
    const planner = new Planner(env);
    await planner.open();
    const name = `s3://inputs/a.ndjson@${etag}`;
    const piece = { source: 'rows', name, version: etag, from: 0, to: 10, done: true };
    await planner.plan({ ...noRows('empty'), byReference: false, pieces: [piece] }).durable;
    announce(aws, 'a.ndjson', ndjson(some(10)), etag);
    announce(aws, 'b.ndjson', ndjson(some(1)));
    await aws.settle();
    aws.send(notification('a.ndjson', 9, etag));
    await aws.settle();
    expect(aws.plans.slice(1).flatMap((plan) => plan.pieces.map((p) => p.name.at(12)))).toEqual(['b']);
  });

  it('reads one that was repaired as soon as it is announced again', async () => {
    const aws = new SimulatedAws(totals(), 1);
    announce(aws, 'a.ndjson.gz', Buffer.from('no gzip'));
    await aws.deliverOne();
    expect(aws.plans).toEqual([]);
    announce(aws, 'a.ndjson.gz', gzipSync(ndjson(some(30))), 'v2');
    await aws.invoke('input', [JSON.stringify(notification('a.ndjson.gz', 9, 'v2'))]);
    expect(aws.plans.map((plan) => plan.counts.rows)).toEqual([30]);
  });

  it('sends a damaged one to the dead letters, with its reason, after what could be read, and goes on with others', async () => {
    const aws = new SimulatedAws(totals(), 1);
    const whole = gzipSync(ndjson(some(450)));
    announce(aws, 'damaged.ndjson.gz', whole.subarray(0, whole.length - 400));
    announce(aws, 'good.ndjson', ndjson(some(30)));
    await aws.settle();
    expect(aws.dead).toHaveLength(1);
    expect(String(aws.errors.at(-1))).toMatch(/damaged\.ndjson\.gz ends in the middle of its gzip data/);
    const planned = aws.plans.flatMap((plan) => plan.pieces);
    expect(planned.find((piece) => piece.name.includes('good'))).toMatchObject({ from: 0, to: 30, done: true });
    expect(await counted(aws)).toBe(planned.reduce((rows, piece) => rows + piece.to - piece.from, 0));
  });
});

describe('plans', () => {
  const rowsOfMessage = (id: string) => ({ misa: 1, source: 'rows', id, rows: some(5) });

  it('⚑ trigger-after-plan: nothing is triggered before the plan is durable', async () => {
    const memory = new MemoryStore({ clock: new FastClock() });
    const asleep = sleepAt((call) => call.op === 'create' && call.name.includes('/plan/'), 'before');
    const aws = new SimulatedAws(totals(), 1, {}, hookedStore(memory, asleep.hooks));
    const ingesting = aws.invoke('input', [JSON.stringify(rowsOfMessage('a'))]);
    await asleep.asleep;
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    const sent = (): number => [...aws.queues.values()].reduce((total, queue) => total + queue.length, 0);
    expect(sent()).toBe(0);
    asleep.wake();
    await ingesting;
    expect(sent()).toBeGreaterThan(0);
    await aws.settle();
    expect(await counted(aws)).toBe(5);
  });

  it('⚑ ack-after-plan: a message comes again whose plan the store did not take, and its rows are in a later one', async () => {
    let refused = 0;
    const store = hookedStore(new MemoryStore({ clock: new FastClock() }), {
      before({ op, name }) {
        // Each request is tried several times: the first delivery fails, and the second one, too.
        if (op === 'create' && name.includes('/plan/') && refused < 10) {
          refused++;
          throw new StoreError('STORE_BUSY', 'later', { retryable: true });
        }
      },
    });
    const aws = new SimulatedAws(totals(), 1, {}, store);
    for (const id of ['a', 'b']) aws.send(rowsOfMessage(id));
    await aws.settle();
    expect(refused).toBe(10);
    expect(aws.errors.length).toBeGreaterThan(0);
    expect(aws.plans.flatMap((plan) => plan.pieces.map(({ name }) => name)).sort()).toEqual(['message a', 'message b']);
    expect(await counted(aws)).toBe(10);
  });

  it('⚑ ack-after-plan: a message whose plan another made first is planned in the next', async () => {
    const memory = new MemoryStore({ clock: new FastClock() });
    const asleep = sleepAt((call) => call.op === 'create' && call.name.includes('/plan/'), 'before');
    const aws = new SimulatedAws(totals(), 1, {}, hookedStore(memory, asleep.hooks));
    const first = aws.invoke('input', [JSON.stringify(rowsOfMessage('slow'))]);
    await asleep.asleep;
    await aws.invoke('input', [JSON.stringify(rowsOfMessage('quick'))]);
    asleep.wake();
    await first;
    expect(aws.plans.map((plan) => plan.pieces.map(({ name }) => name))).toEqual([['message quick'], ['message slow']]);
    await aws.settle();
    expect(await counted(aws)).toBe(10);
  });
});

describe('messages', () => {
  it('⚑ ack-after-plan: one is planned though an object that comes with it spoils the batch', async () => {
    // All in one batch; the damage shows when rows of it are taken.
    const aws = new SimulatedAws(totals({ trigger: { maxRows: 5000, maxBytes: 1 << 20, maxWaitMs: 0 } }), 1);
    const whole = gzipSync(ndjson(some(3000)));
    const damaged = whole.subarray(0, whole.length - 400);
    aws.objects.set('damaged.ndjson.gz', objectOf('s3://inputs/damaged.ndjson.gz', damaged));
    const message = JSON.stringify({ misa: 1, source: 'rows', id: 'healthy', rows: some(5) });
    await aws.invoke('input', [message, JSON.stringify(notification('damaged.ndjson.gz', 9))]);
    const pieces = aws.plans.flatMap((plan) => plan.pieces);
    expect(pieces.filter(({ name }) => name === 'message healthy')).toMatchObject([{ from: 0, to: 5, done: true }]);
  });

  it('takes rows as they are: one, several, named by attribute, or in an envelope with an id of its own', async () => {
    const aws = new SimulatedAws(totals(), 1);
    aws.send({ k: 'a', v: 1 });
    aws.send([
      { k: 'a', v: 2 },
      { k: 'b', v: 3 },
    ]);
    aws.send({ k: 'b', v: 4 }, { source: 'rows' });
    aws.send({ misa: 1, source: 'rows', rows: [{ k: 'c', v: 5 }], id: 'once' });
    aws.send({ misa: 1, source: 'rows', rows: [{ k: 'c', v: 5 }], id: 'once' });
    await aws.settle();
    expect(await counted(aws)).toBe(5);
  });

  it('⚑ piece-identity: two deliveries of one message, long after one another, are planned once', async () => {
    const aws = new SimulatedAws(totals(), 1);
    for (const delivery of ['quick', 'of a producer that had no answer']) {
      aws.send({ misa: 1, source: 'rows', id: 'the same', rows: some(5), delivery });
      aws.send({ misa: 1, source: 'rows', id: `another, ${delivery}`, rows: some(1) });
      await aws.settle();
      aws.allCold();
    }
    expect(aws.plans.flatMap((plan) => plan.pieces.map(({ name }) => name)).sort()).toEqual([
      'message another, of a producer that had no answer',
      'message another, quick',
      'message the same',
    ]);
    expect(await counted(aws)).toBe(7);
  });

  it('⚑ log-time: one that comes again within 30 days of its plan is planned once, and after that it is a new one', async () => {
    const aws = new SimulatedAws(totals(), 1);
    const DAY_MS = 86_400_000;
    const days = async (n: number): Promise<void> => {
      aws.clock.advance(n * DAY_MS);
      aws.send({ misa: 1, source: 'rows', id: 'the same', rows: some(5) });
      aws.send({ misa: 1, control: 'flush', id: 'the same flush' });
      await aws.settle();
    };
    await days(0);
    await days(14);
    await days(15.5);
    aws.allCold();
    await days(0.4);
    const planned = (): number => aws.plans.reduce((rows, { counts }) => rows + counts.rows, 0);
    const flushes = (): number => aws.plans.filter(({ kind }) => kind === 'flush').length;
    expect([planned(), flushes()]).toEqual([5, 1]);
    await days(0.2);
    await days(1);
    expect([planned(), flushes()]).toEqual([10, 2]);
  });

  it('sets aside what is no JSON, or stops there, by the policy of the job', async () => {
    const lenient = new SimulatedAws(totals(), 1);
    lenient.send('{"k":"a", oops');
    lenient.send({ k: 'a', v: 1 });
    await lenient.settle();
    expect((await rowsOf(lenient.store, lenient.job, '_quarantine')).flat()).toMatchObject([
      { source: 'rows', line: 1, text: '{"k":"a", oops' },
    ]);
    expect(await counted(lenient)).toBe(1);

    const strict = new SimulatedAws(totals({ onBadRow: 'fail' }), 1);
    strict.send('{"k":"a", oops');
    strict.send({ k: 'a', v: 1 });
    await strict.settle();
    expect(strict.plans.filter(({ counts }) => counts.rows > 0)).toEqual([]);
    expect(await strict.resume({ skipRow: true })).toMatchObject([{ code: 'BAD_ROW' }]);
    await strict.settle();
    expect(strict.dead).toEqual([]);
    expect(await counted(strict)).toBe(1);
  });

  it('leaves one in the dead letters that nobody knows a source for, and goes on with others', async () => {
    const aws = new SimulatedAws(totals(), 1);
    aws.send({ misa: 1, source: 'who?', id: 'lost', rows: some(2) });
    for (let i = 0; i < 5; i++) aws.send({ k: 'b', v: i });
    await aws.settle();
    expect(aws.dead.map((message) => JSON.parse(message.body).id)).toEqual(['lost']);
    expect(String(aws.errors.at(-1))).toMatch(/is for a source 'who\?'; job totals has 'rows'/);
    expect(await counted(aws)).toBe(5);
  });

  it('flushes behind all that is listed, though nobody announced it', async () => {
    const aws = new SimulatedAws(totals(), 1);
    aws.objects.set('a.ndjson', objectOf('s3://inputs/a.ndjson', ndjson(some(250))));
    aws.send({ misa: 1, control: 'flush', id: 'end' });
    await aws.deliverOne();
    expect(aws.plans.map(({ kind, counts }) => [kind, counts.rows])).toEqual([
      ['data', 100],
      ['data', 100],
      ['data', 50],
      ['flush', 0],
    ]);
  });
});

describe('what a delivery is', () => {
  const env = { job: totals() } as Pick<FunctionEnvironment, 'job'>;
  const inputs = [{ bucket: 'inputs', prefix: 'in/', source: 'rows' }];
  const of = (body: unknown, attributes = {}) =>
    arrivalsOf({ id: 'm', body: typeof body === 'string' ? body : JSON.stringify(body), attributes }, env.job, inputs);

  it('reads keys as S3 writes them, and notifications that came by a topic or a bus', () => {
    const wanted = { kind: 'object', place: inputs[0], key: 'in/a b+ü.ndjson', etag: 'v1' };
    expect(of(notification('in/a b+ü.ndjson', 5))).toMatchObject([wanted]);
    const topic = {
      Type: 'Notification',
      TopicArn: 'arn',
      Message: JSON.stringify(notification('in/a b+ü.ndjson', 5)),
    };
    expect(of(topic)).toMatchObject([wanted]);
    const detail = { bucket: { name: 'inputs' }, object: { key: 'in/a b+ü.ndjson', etag: 'v1', size: 5 } };
    expect(of({ 'detail-type': 'Object Created', source: 'aws.s3', detail })).toMatchObject([wanted]);
  });

  it('passes over test events, folders and what is not a creation', () => {
    expect(of({ Service: 'Amazon S3', Event: 's3:TestEvent' })).toEqual([]);
    expect(of(notification('in/folder/', 0))).toEqual([]);
    const removed = notification('in/a.ndjson', 5);
    removed.Records[0]!.eventName = 'ObjectRemoved:Delete';
    expect(of(removed)).toEqual([]);
  });

  it('refuses what nobody knows a source for, and says what there is', () => {
    expect(() => of(notification('elsewhere/a.ndjson', 5))).toThrow(/Put it under one of: s3:\/\/inputs\/in\//);
    expect(() => of({ k: 1 }, { source: 'nope' })).toThrow(/is for a source 'nope'; job totals has 'rows'/);
    expect(() => of({ misa: 2, source: 'rows', rows: [] })).toThrow(/version 2/);
    expect(() => of({ misa: 1, source: 'rows' })).toThrow(/has no rows/);
  });
});
