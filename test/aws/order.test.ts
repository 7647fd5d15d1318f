/**
 * Objects that are there when reading begins are read as an embedded run reads them, whatever becomes of their notifications:
 * the same batches, so the same rows, late ones included.
 */
import { describe, expect, it } from 'vitest';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { embeddedResults, objectOf, sortedRows } from '../helpers/embedded-objects.ts';
import { physical } from '../helpers/engine.ts';
import { JOBS } from '../helpers/engine-jobs.ts';
import { bytesOf, type MonthObject, monthsOf, someNotifications } from '../helpers/month-objects.ts';
import { type Faults, SimulatedAws } from '../helpers/simulated-aws.ts';

type Kind = 'tumbling' | 'sliding' | 'twoStages' | 'union' | 'sessions' | 'joins';
const KINDS: readonly Kind[] = ['tumbling', 'sliding', 'twoStages', 'union', 'sessions', 'joins'];

const jobOf = (kind: Kind): PhysicalJob =>
  physical(JOBS[kind](), { partitions: 2, trigger: { maxRows: 40, maxBytes: 1 << 20, maxWaitMs: 0 } });

function put(aws: SimulatedAws, inputs: readonly MonthObject[]): void {
  aws.places = aws.job.sources.map(({ name }) => ({ bucket: 'inputs', prefix: `${name}/`, source: name }));
  for (const input of inputs) aws.objects.set(input.key, objectOf(`s3://inputs/${input.key}`, bytesOf(input)));
}

function wanted(aws: SimulatedAws) {
  const bySource = aws.job.sources.map(({ name }) => {
    const own = [...aws.objects].filter(([key]) => key.startsWith(`${name}/`));
    return [name, new Map(own)] as const;
  });
  return embeddedResults(aws.job, new Map(bySource));
}

/** Announces each object, or not; shuffled, some twice */
async function deliver(aws: SimulatedAws, inputs: readonly MonthObject[], seed: number): Promise<void> {
  for (const message of someNotifications(inputs, seed)) aws.send(message);
  await aws.settleAndResume();
  aws.send({ misa: 1, control: 'flush', id: 'end' });
  await aws.settleAndResume();
}

async function check(kind: Kind, inputs: readonly MonthObject[], seed: number, faults: Faults): Promise<number> {
  const aws = new SimulatedAws(jobOf(kind), seed, faults);
  put(aws, inputs);
  const { rows, late } = await wanted(aws);
  await deliver(aws, inputs, seed);
  expect(await sortedRows(aws.store, aws.job)).toEqual(rows);
  expect(aws.dead).toEqual([]);
  return late;
}

describe.each(KINDS)('job %s', (kind) => {
  it('gives the embedded run’s rows whatever becomes of notifications', async () => {
    let late = 0;
    for (const seed of [1, 2, 3, 4])
      late += await check(kind, monthsOf(jobOf(kind), seed), seed, { shuffle: 0.8, double: 0.2 });
    expect(late, 'a test without late rows proves nothing').toBeGreaterThan(10);
  });

  it('and whatever becomes of functions', async () => {
    const faults = { shuffle: 0.5, double: 0.2, drop: 0.1, kill: 0.2, cold: 0.3, race: 0.3, busy: 0.01, timeOut: 0.01 };
    for (const seed of [5, 6, 7]) await check(kind, monthsOf(jobOf(kind), seed), seed, faults);
  });
});
