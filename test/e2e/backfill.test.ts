/**
 * A bucket full of objects, read by a deployed job: the year of flights cut into thirteen, uploaded in any order, of their
 * notifications a third lost, others doubled, all shuffled. The rows are the embedded run's, late ones included, with the
 * job's own delay.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import departures from '../../examples/departures/job.ts';
import { sweep } from '../../lib/commit/sweep.ts';
import { runEmbedded } from '../../lib/embedded/embedded.ts';
import { names } from '../../lib/object-store/names.ts';
import { PlannerLog } from '../../lib/plan/planner-log.ts';
import { fileRef } from '../../lib/source/index.ts';
import type { Job } from '../../lib/stream/api/job.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { shuffled } from '../helpers/shuffled.ts';
import { clouds } from './clouds.ts';
import { Deployment } from './deployment.ts';

const MONTHS = 13;
const PARTITIONS = 4;
const NAMES = names('departures', 1);
const OUTPUTS = ['hourly', 'late'];

const lines = gunzipSync(readFileSync('examples/departures/data/flights-2013.ndjson.gz'))
  .toString('utf8')
  .trimEnd()
  .split('\n');
const keyOf = (i: number): string => `flights-2013-${String(i + 1).padStart(2, '0')}.ndjson.gz`;
const bytesOf = (i: number): Buffer => {
  const [from, to] = [i, i + 1].map((n) => Math.round((n * lines.length) / MONTHS));
  return gzipSync(`${lines.slice(from, to).join('\n')}\n`, { level: 1 });
};
const parsed = (bytes: Uint8Array): string[] => Buffer.from(bytes).toString('utf8').split('\n').filter(Boolean);

describe.each(clouds())('a backfill on $title', { timeout: 900_000 }, ({ cloud }) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'misa-backfill-'));
  let aws: Deployment;

  beforeAll(async () => {
    aws = await Deployment.start(cloud);
    await aws.deploy('examples/departures/job.ts');
    await aws.silence();
  }, 300_000);

  afterAll(async () => {
    await aws?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What `misa run` gives for the same files, by output. */
  async function embedded(): Promise<Record<string, string[]>> {
    const files = [];
    for (let i = 0; i < MONTHS; i++) {
      const file = path.join(folder, keyOf(i));
      writeFileSync(file, bytesOf(i));
      files.push(await fileRef(file));
    }
    const rows: Record<string, string[]> = Object.fromEntries(OUTPUTS.map((output) => [output, []]));
    await runEmbedded(compileJob(departures as Job<unknown>), {
      store: { kind: 'directory', path: path.join(folder, 'store') },
      inputs: new Map([['flights', files]]),
      output: { kind: 'stream', write: (output, bytes) => void rows[output]!.push(...parsed(bytes)) },
      committer: 'inline',
      flush: true,
    });
    for (const output of OUTPUTS) rows[output]!.sort();
    return rows;
  }

  async function progress() {
    const options = {
      store: aws.store,
      names: NAMES,
      stages: 1,
      partitions: PARTITIONS,
      retentionMs: 1e9,
      maxAhead: 1000,
    };
    const { planned, backlog, halted } = await sweep(options);
    const log = new PlannerLog(aws.store, NAMES);
    const plans = await Promise.all(Array.from({ length: planned }, (_, i) => log.readPlan(i + 1)));
    const rows = plans.reduce((sum, { stored }) => sum + stored!.plan.counts.rows, 0);
    return { planned, backlog, halted, rows, flushed: plans.at(-1)?.stored?.plan.kind === 'flush' };
  }

  async function until(isEnough: (now: Awaited<ReturnType<typeof progress>>) => boolean): Promise<void> {
    for (const endMs = Date.now() + 600_000; ; await sleep(1000)) {
      const now = await progress();
      if (isEnough(now)) return;
      if (Date.now() > endMs)
        throw new Error(`it does not come to rest: ${JSON.stringify(now)}\n${aws.logs().slice(-4000)}`);
    }
  }

  it('gives the embedded run’s rows, and has the same ones late', async () => {
    const wanted = await embedded();
    const random = seededRandom(13);
    const months = Array.from({ length: MONTHS }, (_, i) => i);
    const urls = new Map<number, string>();
    for (const i of shuffled(months, random)) urls.set(i, await aws.upload('flights', keyOf(i), bytesOf(i)));

    const kept = shuffled(months, random).slice(Math.ceil(MONTHS / 3));
    for (const i of shuffled([...kept, ...kept.slice(0, 4)], random)) {
      const [, name, key] = /^s3:\/\/([^/]+)\/(.*)$/.exec(urls.get(i)!)!;
      const s3 = { bucket: { name }, object: { key, size: 1 } };
      const notification = { Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3 }] };
      await aws.send(aws.outputs.InputQueueUrl!, notification);
    }
    await until(({ rows, backlog }) => rows >= lines.length && backlog === 0);
    await aws.send(aws.outputs.InputQueueUrl!, { misa: 1, control: 'flush' });
    await until(({ flushed, backlog }) => flushed && backlog === 0);
    await aws.maintain();

    expect(await progress()).toMatchObject({ rows: lines.length, halted: [] });
    for (const output of OUTPUTS) {
      const found = (await aws.results('departures', output)).map((row) => JSON.stringify(row)).sort();
      expect(found.length, output).toBe(wanted[output]!.length);
      expect(found).toEqual(wanted[output]);
    }
    expect(wanted.late!.length, 'without late rows this proves nothing').toBeGreaterThan(10);
    expect(await aws.depth((await aws.queues()).get('input-dead')!)).toBe(0);
  });
});
