/** What `misa dev` sees of a job that runs elsewhere is what `misa run` sees of its own, warnings too. */
import { afterAll, expect, it } from 'vitest';
import { type FollowedBatch, Follower } from '../../cli/dev/follower.ts';
import type { BatchDone } from '../../lib/embedded/engine.ts';
import { RowWarnings } from '../../lib/embedded/row-warnings.ts';
import { count, job as makeJob, source, tumbling } from '../../lib/index.ts';
import { readJobFile } from '../../lib/job/job-file.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names } from '../../lib/object-store/names.ts';
import { FastClock, physical } from '../helpers/engine.ts';
import { Folder } from '../helpers/folder.ts';

const folder = new Folder();
afterAll(() => folder.remove());

it('bad and late rows of a job that is followed', async () => {
  const rows = source<{ at: number }>('rows', { eventTime: (row) => row.at, delay: 0 });
  const job = physical(
    makeJob(
      'followed',
      rows
        .keyBy(() => null)
        .window(tumbling(1000))
        .aggregate({ n: count() }),
    ),
    {
      partitions: 2,
      trigger: { maxRows: 8, maxBytes: 1 << 20, maxWaitMs: 0 },
    },
  );
  const at = Date.UTC(2026, 0, 1);
  const line = (ms: number): string => `{"at":${at + ms}}\n`;
  folder.write('a.ndjson', `${line(0)}${'no JSON\n'.repeat(10)}${line(90_000)}${line(1).repeat(16)}`);
  const store = new MemoryStore({ clock: new FastClock() });
  const own = new RowWarnings(job, () => at);
  const done: BatchDone[] = [];
  const onBatch = (batch: BatchDone): void => {
    own.add(batch);
    done.push(batch);
  };
  await folder.run(store, { onBatch }, job);

  const followed = new RowWarnings(job, () => at);
  const batches: FollowedBatch[] = [];
  const file = await readJobFile(store, job.name);
  const follower = new Follower({
    job: { where: 'memory', store, names: names(job.name, file.epoch), file },
    onBatch: (batch, watched) => {
      batches.push(batch);
      followed.add(watched!);
    },
  });
  await follower.to(done.length);
  expect(batches.map(({ n, rows, late, quarantined }) => [n, rows, late, quarantined])).toEqual(
    done.map(({ n, plan, counts }) => [n, plan.plan.counts.rows, counts.late, counts.quarantined]),
  );
  expect(followed.standing).toEqual(['10 of 28 rows (35 %) of source rows are bad', '12 of 28 rows (42 %) are late']);
  expect(followed.standing).toEqual(own.standing);
  expect(followed.due(true).map(({ message }) => message)).toEqual([
    expect.stringMatching(
      /are bad and set aside, with reasons, in the output _quarantine: .*10 like it, the first: .*a\.ndjson, line 2/,
    ),
    '12 of 28 rows (42 %) are late',
  ]);
});
