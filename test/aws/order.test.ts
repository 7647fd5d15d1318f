/**
 * Objects that are there when reading begins are read as an embedded run reads them, whatever becomes of their notifications:
 * the same batches, so the same rows, late ones included.
 */
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { PhysicalJob } from '../../lib/stream/physical.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { embeddedResults, objectOf, sortedRows } from '../helpers/embedded-objects.ts';
import { physical } from '../helpers/engine.ts';
import { type Event, JOBS } from '../helpers/engine-jobs.ts';
import { type Faults, SimulatedAws } from '../helpers/simulated-aws.ts';

type Kind = 'tumbling' | 'sliding' | 'twoStages' | 'union';
const KINDS: readonly Kind[] = ['tumbling', 'sliding', 'twoStages', 'union'];

const jobOf = (kind: Kind): PhysicalJob =>
  physical(JOBS[kind](), { partitions: 2, trigger: { maxRows: 40, maxBytes: 1 << 20, maxWaitMs: 0 } });

interface Input {
  readonly key: string;
  readonly source: string;
  readonly rows: readonly Event[];
}

/** Months, as it were: each object later than the one before, its rows out of order, some far behind. */
function monthsOf(job: PhysicalJob, seed: number, objects = 13): Input[] {
  const random = seededRandom(seed);
  return Array.from({ length: objects }, (_, i) => {
    const rows = Array.from({ length: 5 + Math.floor(random.next() * 60) }, (): Event => {
      const back = random.next() < 0.1 ? 60_000 : 8000;
      const t = i * 20_000 + Math.floor(random.next() * 20_000) - Math.floor(random.next() * back);
      return { t, k: `k${Math.floor(random.next() * 4)}`, v: Math.floor(random.next() * 20) };
    });
    const source = job.sources[i % job.sources.length]!.name;
    return { key: `${source}/2013-${String(i + 1).padStart(2, '0')}.ndjson${i % 3 === 0 ? '.gz' : ''}`, source, rows };
  });
}

function put(aws: SimulatedAws, inputs: readonly Input[]): void {
  aws.places = aws.job.sources.map(({ name }) => ({ bucket: 'inputs', prefix: `${name}/`, source: name }));
  for (const { key, rows } of inputs) {
    const text = Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    aws.objects.set(key, objectOf(`s3://inputs/${key}`, key.endsWith('.gz') ? gzipSync(text) : text));
  }
}

function notification(key: string): unknown {
  const s3 = { bucket: { name: 'inputs' }, object: { key, size: 1, eTag: 'v1' } };
  return { Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3 }] };
}

function wanted(aws: SimulatedAws) {
  const bySource = aws.job.sources.map(({ name }) => {
    const own = [...aws.objects].filter(([key]) => key.startsWith(`${name}/`));
    return [name, new Map(own)] as const;
  });
  return embeddedResults(aws.job, new Map(bySource));
}

/** Announces each object, or not; shuffled, some twice */
async function deliver(aws: SimulatedAws, inputs: readonly Input[], seed: number): Promise<void> {
  const random = seededRandom(seed);
  const announced = inputs.flatMap(({ key }) => {
    const times = random.next() < 1 / 3 ? 0 : random.next() < 0.3 ? 2 : 1;
    return Array.from({ length: times }, () => key);
  });
  for (let i = announced.length - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1));
    [announced[i], announced[j]] = [announced[j]!, announced[i]!];
  }
  for (const key of announced) aws.send(notification(key));
  await aws.settle();
  aws.send({ misa: 1, control: 'flush', id: 'end' });
  await aws.settle();
}

async function check(kind: Kind, inputs: readonly Input[], seed: number, faults: Faults): Promise<number> {
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
