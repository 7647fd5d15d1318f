/**
 * A row that the job refuses (`onError: 'fail'`, `onBadRow: 'fail'`) halts planning, as it stops an embedded run. Corrected or
 * without the row the job gives what an embedded run gives that never met it: nothing went on meanwhile and made others late.
 */
import { describe, expect, it } from 'vitest';
import { count, job, source, sum, tumbling } from '../../lib/index.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { embeddedResults, objectOf, sortedRows } from '../helpers/embedded-objects.ts';
import { FastClock, physical, rowsOf } from '../helpers/engine.ts';
import { type Faults, SimulatedAws } from '../helpers/simulated-aws.ts';

interface Row {
  readonly t: number;
  readonly k: string;
  readonly v: number;
}

type OnError = 'fail' | 'quarantine';

const hours = (refused: (v: number) => boolean, onError: OnError = 'fail', onBadRow: OnError = 'quarantine') =>
  physical(
    job(
      'hours',
      source<Row>('rows', { eventTime: (r) => r.t, delay: '5 s' })
        .map((r) => {
          if (refused(r.v)) throw new Error(`I do not like ${r.v}`);
          return r;
        })
        .keyBy((r) => r.k)
        .window(tumbling('10 s'))
        .aggregate({ n: count(), s: sum((r) => r.v) }),
      { outputMode: 'append' },
    ),
    { onError, onBadRow, partitions: 2, trigger: { maxRows: 40, maxBytes: 1 << 20, maxWaitMs: 0 } },
  );
const strict = (): PhysicalJob => hours((v) => v === 13);
const corrected = (): PhysicalJob => hours(() => false);

/** Objects one later than the other, so that one that is read too soon makes the others late. */
function fill(aws: SimulatedAws, bad: unknown = { t: 20_500, k: 'a', v: 13 }): void {
  for (let i = 0; i < 5; i++) {
    const rows: unknown[] = Array.from({ length: 60 }, (_, j) => ({
      t: i * 20_000 + j * 330,
      k: 'ab'[j % 2],
      v: j % 7,
    }));
    if (i === 1) rows[30] = bad;
    const key = `2013-0${i + 1}.ndjson`;
    const text = rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n');
    aws.objects.set(key, objectOf(`s3://inputs/${key}`, Buffer.from(`${text}\n`)));
  }
}

function announce(aws: SimulatedAws, key: string): void {
  const object = { key, size: 9, eTag: 'v1' };
  const s3 = { bucket: { name: 'inputs' }, object };
  aws.send({ Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3 }] });
}

/** The last object first, as a backfill's notifications come. */
function announceAll(aws: SimulatedAws): void {
  for (const key of [...aws.objects.keys()].reverse()) announce(aws, key);
}

async function flush(aws: SimulatedAws): Promise<void> {
  aws.send({ misa: 1, control: 'flush', id: 'end' });
  await aws.settle();
}

/** On one store: neither knows what the other does but by reading it. */
function twoEnvironments(): [SimulatedAws, SimulatedAws] {
  const store = new MemoryStore({ clock: new FastClock() });
  return [new SimulatedAws(strict(), 1, {}, store), new SimulatedAws(strict(), 2, {}, store)];
}

const wanted = (aws: SimulatedAws, as: PhysicalJob) => embeddedResults(as, new Map([['rows', aws.objects]]));
const planned = (aws: SimulatedAws): number => aws.plans.reduce((rows, plan) => rows + plan.counts.rows, 0);
const text = (row: Row): string => JSON.stringify(row);

describe('an object', () => {
  it('halts planning: nothing behind the batch before is planned, and nothing is given up', async () => {
    const aws = new SimulatedAws(strict(), 1);
    fill(aws);
    announceAll(aws);
    await aws.settle();
    expect(planned(aws)).toBe(80);
    expect(aws.dead).toEqual([]);
    const halted = await aws.resume();
    expect(halted).toMatchObject([
      { code: 'USER_FUNCTION', row: { object: 's3://inputs/2013-02.ndjson', line: 31, message: 'I do not like 13' } },
    ]);
    // Nothing was corrected.
    await aws.settle();
    expect(planned(aws)).toBe(80);
    expect(await aws.resume()).toHaveLength(1);
  });

  it.each<[string, Faults]>([
    ['calm', {}],
    ['beside faults', { shuffle: 0.5, double: 0.3, kill: 0.1, cold: 0.3, race: 0.3 }],
  ])('gives the embedded run’s rows once the function is corrected: %s', async (_, faults) => {
    for (const seed of [1, 2, 3]) {
      const aws = new SimulatedAws(strict(), seed, faults);
      fill(aws);
      announceAll(aws);
      await aws.settleAndResume();
      expect(planned(aws)).toBe(80);
      aws.job = corrected();
      aws.allCold();
      expect(await aws.resume()).toHaveLength(1);
      await aws.settleAndResume();
      aws.send({ misa: 1, control: 'flush', id: 'end' });
      await aws.settleAndResume();
      expect(aws.dead).toEqual([]);
      const { rows, late } = await wanted(aws, corrected());
      expect(late).toBe(0);
      expect(await sortedRows(aws.store, aws.job)).toEqual(rows);
    }
  });

  it('gives them without the row once that is skipped, also where an environment does not know of it', async () => {
    const aws = new SimulatedAws(strict(), 1);
    fill(aws);
    announceAll(aws);
    await aws.settle();
    expect(await aws.resume({ skipRow: true })).toHaveLength(1);
    await aws.settle();
    await flush(aws);
    expect(await aws.resume()).toEqual([]);
    const quarantining = hours((v) => v === 13, 'quarantine');
    expect(await sortedRows(aws.store, aws.job)).toEqual((await wanted(aws, quarantining)).rows);
    expect((await rowsOf(aws.store, aws.job, '_quarantine')).flat()).toMatchObject([
      { object: 's3://inputs/2013-02.ndjson', line: 31, reason: 'skipped by hand: map#0: I do not like 13' },
    ]);
  });

  it('halts it for a bad row, too, where the job says so', async () => {
    const aws = new SimulatedAws(
      hours(() => false, 'fail', 'fail'),
      1,
    );
    fill(aws, '{"t":20500, oops');
    announceAll(aws);
    await aws.settle();
    expect(planned(aws)).toBe(80);
    expect(await aws.resume({ skipRow: true })).toMatchObject([{ code: 'BAD_ROW', row: { line: 31 } }]);
    await aws.settle();
    await flush(aws);
    expect(await sortedRows(aws.store, aws.job)).toEqual(
      (
        await wanted(
          aws,
          hours(() => false),
        )
      ).rows,
    );
  });

  it('is looked for within two minutes of being resumed, however long that took', async () => {
    const aws = new SimulatedAws(strict(), 1);
    fill(aws);
    announceAll(aws);
    await aws.settle();
    const minute = async (): Promise<void> => {
      aws.clock.advance(60_000);
      await aws.invoke('maintain', ['{}']);
    };
    const looks = (): number => aws.counts.get('send input')! - aws.objects.size;
    const before = looks();
    for (let i = 0; i < 600; i++) await minute();
    expect(looks()).toBe(before);
    aws.job = corrected();
    aws.allCold();
    await aws.resume();
    await minute();
    await minute();
    expect(looks()).toBeGreaterThan(before);
  });
});

it('⚑ halt-stops: makes no empty plans meanwhile, though time alone would close windows', async () => {
  const quiet = source<Row>('quiet', { eventTime: (r) => r.t, delay: '5 s', idleAfter: '1 min' });
  const rows = source<Row>('rows', { eventTime: (r) => r.t, delay: '5 s' }).map((r) => {
    if (r.v === 13) throw new Error('I do not like 13');
    return r;
  });
  const counts = rows
    .union(quiet)
    .keyBy((r) => r.k)
    .window(tumbling('10 s'))
    .aggregate({ n: count() });
  const made = physical(job('both', counts, { outputMode: 'append' }), {
    partitions: 1,
    trigger: { maxRows: 40, maxBytes: 1 << 20, maxWaitMs: 0 },
  });
  const emptyPlans = async (value: number): Promise<number> => {
    const aws = new SimulatedAws(made, 1);
    aws.places = [];
    aws.send({ misa: 1, source: 'quiet', id: 'first', rows: [{ t: 0, k: 'a', v: 0 }] });
    aws.send({ misa: 1, source: 'rows', id: 'second', rows: [{ t: 90_000, k: 'a', v: 0 }] });
    while (planned(aws) < 2) await aws.deliverOne();
    aws.send({ misa: 1, source: 'rows', id: 'third', rows: [{ t: 91_000, k: 'a', v: value }] });
    await aws.settle();
    return aws.plans.filter(({ kind }) => kind === 'empty').length;
  };
  expect(await emptyPlans(1), 'the quiet source holds nothing up').toBe(1);
  // The one behind the halt.
  expect(await emptyPlans(13)).toBe(1);
});

describe('a message', () => {
  const message = (v: number) => ({ misa: 1, source: 'rows', id: `m${v}`, rows: [{ t: v * 1000, k: 'a', v }] });

  it('halts planning: those behind it wait, and are planned once the job is corrected', async () => {
    const aws = new SimulatedAws(strict(), 1);
    for (let v = 10; v < 20; v++) aws.send(message(v));
    await aws.settle();
    expect(aws.dead).toEqual([]);
    expect(planned(aws)).toBeLessThan(10);
    aws.job = corrected();
    aws.allCold();
    expect(await aws.resume()).toMatchObject([
      { row: { object: 'message m13', line: 1, text: text(message(13).rows[0]!) } },
    ]);
    await aws.settle();
    expect(aws.dead).toEqual([]);
    expect(planned(aws)).toBe(10);
  });

  it('⚑ halt-stops: halts also whoever does not know of it', async () => {
    const [one, other] = twoEnvironments();
    one.send(message(1));
    await one.settle();
    // Both are warm now, and the other one has made the last plan: it has no reason to look again.
    for (const v of [2, 3]) {
      other.send(message(v));
      // Nothing but its ingest: no empty plan of `Maintain` follows.
      while (planned(other) < v - 1) await other.deliverOne();
    }
    await one.invoke('input', [JSON.stringify(message(13))]);
    other.send(message(4));
    await other.settle();
    expect(planned(other)).toBe(2);
    expect(other.dead).toEqual([]);
    // Here, too, it is known when it is over.
    one.send(message(13));
    await one.resume({ skipRow: true });
    await other.resume();
    await other.settle();
    await one.settle();
    expect(planned(one) + planned(other)).toBe(5);
  });

  it('⚑ halt-stops: is not halted for a row that somebody has skipped meanwhile', async () => {
    const [one, other] = twoEnvironments();
    other.send(message(1));
    await other.settle();
    one.send(message(13));
    await one.settle();
    await one.resume({ skipRow: true });
    // The other one, which is warm, gets it, and knows neither of the halt nor of its end.
    await other.invoke('input', [JSON.stringify(message(13))]);
    expect(await other.resume()).toEqual([]);
    await other.settle();
    expect(planned(other)).toBe(2);
    await one.settle();
    expect(planned(one)).toBe(0);
  });

  it('a flush waits with it, and windows stay open meanwhile', async () => {
    const aws = new SimulatedAws(strict(), 1);
    fill(aws);
    announceAll(aws);
    await aws.settle();
    await flush(aws);
    expect(aws.plans.filter(({ kind }) => kind === 'flush')).toEqual([]);
    aws.job = corrected();
    aws.allCold();
    await aws.resume();
    await aws.settle();
    expect(aws.plans.filter(({ kind }) => kind === 'flush')).toHaveLength(1);
    expect(await sortedRows(aws.store, aws.job)).toEqual((await wanted(aws, corrected())).rows);
    expect(aws.dead).toEqual([]);
  });
});
