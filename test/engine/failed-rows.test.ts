/**
 * A batch that fails at a row, embedded: what the message says works. Correcting the job, or the file, or skipping the row by
 * hand each let the next run go on, with the right result.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resumeHalted } from '../../lib/commit/halt.ts';
import { inlineCommitter } from '../../lib/embedded/committers.ts';
import { runJob } from '../../lib/embedded/run-job.ts';
import { type Job, job, source, sum } from '../../lib/index.ts';
import { loadManifest } from '../../lib/manifest/manifest-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names, PLANNER } from '../../lib/object-store/names.ts';
import { fileRef } from '../../lib/source/file-blocks.ts';
import { encodeKey } from '../../lib/stream/operators/key.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { partitionOf } from '../../lib/util/hash.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { NO_TRACE } from '../../lib/util/trace.ts';
import { physical, publishedOf } from '../helpers/engine.ts';

interface Flight {
  carrier: string;
  delay: number;
}
const flights = () => source<Flight>('in');
const total = (stream: ReturnType<typeof flights> | ReturnType<ReturnType<typeof flights>['filter']>): Job<unknown> =>
  job('delays', stream.keyBy((f) => f.carrier).aggregate({ total: sum((f) => f.delay) }), { outputMode: 'update' });
const refusesInOperator = (): Job<unknown> => total(flights());
const corrected = (): Job<unknown> => total(flights().filter((f) => typeof f.delay === 'number'));
const refusesInHead = (): Job<unknown> =>
  total(
    flights().filter((f) => {
      if (typeof f.delay !== 'number') throw new TypeError(`delay is ${f.delay}`);
      return true;
    }),
  );

let folder: string;
let file: string;
let store: MemoryStore;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'misa-failed-'));
  file = path.join(folder, 'in.csv');
  writeFileSync(file, 'carrier,delay\nUA,1\nUA,NA\nUA,3\n');
  store = new MemoryStore({ clock: systemClock });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function run(made: Job<unknown>, partitions = 1) {
  const compiled = physical(made, { partitions });
  const shared = { store, clock: systemClock, random: systemRandom, trace: NO_TRACE, retentionMs: 900_000 };
  return runJob(compiled, {
    ...shared,
    cache: undefined,
    committer: inlineCommitter,
    inputs: new Map([['in', [await fileRef(file)]]]),
  });
}

async function results(): Promise<{ out: string; aside: Record<string, unknown>[] }> {
  const published = await publishedOf(store, physical(refusesInOperator()));
  const text = (prefix: string): string =>
    Object.entries(published)
      .filter(([name]) => name.startsWith(prefix))
      .map(([, body]) => body)
      .join('');
  const aside = text('_quarantine')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { out: text('out/'), aside };
}

const haltOf = async (partition: string) => {
  const { manifest } = await loadManifest(store, names('delays', 1).manifest(partition));
  return manifest.halted;
};
const resume = (partition: string) =>
  resumeHalted({ store, names: names('delays', 1), path: partition, random: systemRandom }, { skipRow: true });

describe('a batch that fails at a row', () => {
  it.each([
    ['an operator', refusesInOperator, 's0/p0'],
    ['the head', refusesInHead, PLANNER],
  ] as const)('of %s: the failure is written down; a corrected job just runs', async (_where, made, partition) => {
    await expect(run(made())).rejects.toMatchObject({ code: 'USER_FUNCTION' });
    expect(await haltOf(partition)).toMatchObject({
      n: 1,
      code: 'USER_FUNCTION',
      row: { text: '{"carrier":"UA","delay":"NA"}' },
    });
    await run(corrected());
    expect((await results()).out).toBe('{"key":"UA","total":4}\n');
    expect(await haltOf(partition)).toBeNull();
  });

  it('in several partitions: each has its failure, and all can be skipped before the next run', async () => {
    const keys = [0, 1, 2].map(
      (p) => Array.from({ length: 100 }, (_, i) => `c${i}`).find((k) => partitionOf(encodeKey(k), 3) === p)!,
    );
    const [a, b, c] = keys;
    writeFileSync(file, `carrier,delay\n${a},NA\n${b},1\n${c},none\n${a},2\n${c},4\n`);
    await expect(run(refusesInOperator(), 3)).rejects.toMatchObject({ code: 'USER_FUNCTION' });
    const halts = await Promise.all(['s0/p0', 's0/p1', 's0/p2'].map(haltOf));
    expect(halts.map((found) => found?.row?.text)).toEqual([
      `{"carrier":"${a}","delay":"NA"}`,
      undefined,
      `{"carrier":"${c}","delay":"none"}`,
    ]);
    for (const p of ['s0/p0', 's0/p2']) await resume(p);
    expect((await run(refusesInOperator(), 3)).totals).toMatchObject({ rows: 5, quarantined: 2 });
    expect((await Promise.all(['s0/p0', 's0/p1', 's0/p2'].map(haltOf))).every((found) => found === null)).toBe(true);
  });

  it.each([
    ['an operator', refusesInOperator],
    ['the head', refusesInHead],
  ] as const)('of %s: a corrected file just runs', async (_where, made) => {
    await expect(run(made())).rejects.toMatchObject({ code: 'USER_FUNCTION' });
    writeFileSync(file, readFileSync(file, 'utf8').replace('NA', '0'));
    await run(made());
    expect((await results()).out).toBe('{"key":"UA","total":4}\n');
  });

  it.each([
    ['an operator', refusesInOperator, 's0/p0', { operator: 'aggregate#0' }],
    ['the head', refusesInHead, PLANNER, { operator: 'filter#0', source: 'in', line: 3 }],
  ] as const)('of %s: skipped by hand, it is set aside with its reason, and the others count', async (...given) => {
    const [, made, partition, aside] = given;
    await expect(run(made())).rejects.toMatchObject({ code: 'USER_FUNCTION' });
    // Not said: it fails again, and is written down again.
    await expect(run(made())).rejects.toMatchObject({ code: 'USER_FUNCTION' });
    await resume(partition);
    expect((await run(made())).totals).toMatchObject({ rows: 3, quarantined: 1 });
    const { out, aside: rows } = await results();
    expect(out).toBe('{"key":"UA","total":4}\n');
    expect(rows).toMatchObject([{ ...aside, object: file, text: '{"carrier":"UA","delay":"NA"}' }]);
    expect(rows[0]!.reason).toMatch(/^skipped by hand: (aggregate|filter)#0: /);
  });
});
