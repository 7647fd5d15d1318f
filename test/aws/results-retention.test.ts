/** Results of a deployed job that are kept for a time: `Maintain` deletes them, with what its functions do going on. */
import { expect, it } from 'vitest';
import { loadResultsMark } from '../../lib/commit/results-mark.ts';
import { job, source } from '../../lib/index.ts';
import { ConsumerCursor } from '../../lib/job/consumer-cursor.ts';
import { names, numberOf } from '../../lib/object-store/names.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { physical } from '../helpers/engine.ts';
import { type Faults, SimulatedAws } from '../helpers/simulated-aws.ts';
import { listAll } from '../helpers/stores.ts';

const DAY = 86_400_000;
const NAMES = names('sums', 1);
const rows = source<{ k: string; v: number }>('rows');
const sums = (results: { retention?: '3 days' }) =>
  physical(
    job(
      'sums',
      rows.keyBy((r) => r.k).reduce((a, b) => ({ ...b, v: a.v + b.v })),
      { outputMode: 'update', partitions: 2, results },
    ),
  );

async function results(aws: SimulatedAws): Promise<number[]> {
  const found = (await Promise.all([0, 1].map((p) => listAll(aws.store, NAMES.outPrefix('out', p))))).flat();
  return [...new Set(found.map(({ name }) => numberOf(name)))].sort((a, b) => a - b);
}

/** A batch a day. */
async function days(aws: SimulatedAws, from: number, to: number): Promise<void> {
  for (let day = from; day <= to; day++) {
    aws.send({ misa: 1, source: 'rows', id: `rows-${day}`, rows: [...'abcdef'].map((k) => ({ k, v: day })) });
    await aws.settle();
    aws.clock.advance(DAY);
    await aws.invoke('maintain', []);
  }
}

it('go when they are old, and the job goes on', async () => {
  const aws = new SimulatedAws(sums({ retention: '3 days' }), 1);
  await days(aws, 1, 6);
  const kept = await results(aws);
  const last = aws.plans.length;
  expect(kept.at(-1)).toBe(last);
  expect(kept).toHaveLength(2);
  expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => kept[0]! + i));
  expect((await loadResultsMark(aws.store, NAMES)).through).toBe(kept[0]! - 1);
  const { clock, store } = aws;
  await ConsumerCursor.open(
    { store, names: NAMES, consumer: 'c', clock, random: seededRandom(1) },
    async () => kept[0]!,
  );
  await days(aws, 7, 12);
  expect((await results(aws))[0]).toBe(kept[0]! + 1);
});

it('stay without the option', async () => {
  const aws = new SimulatedAws(sums({}), 1);
  await days(aws, 1, 8);
  expect((await results(aws))[0]).toBe(1);
});

it.each([1, 2, 3])('with faults (seed %s): what is kept is whole, and the mark tells of the rest', async (seed) => {
  const faults: Faults = { drop: 0.1, double: 0.1, shuffle: 0.1, kill: 0.1, cold: 0.1, race: 0.1, timeOut: 0.02 };
  const aws = new SimulatedAws(sums({ retention: '3 days' }), seed, faults);
  await days(aws, 1, 10);
  const { through } = await loadResultsMark(aws.store, NAMES);
  expect(through).toBeGreaterThan(0);
  const kept = (await results(aws)).filter((n) => n > through);
  expect(kept).toEqual(Array.from({ length: aws.plans.length - through }, (_, i) => through + 1 + i));
});
