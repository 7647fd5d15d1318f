/** `misa run` over real files in a real process: results, repetition, formats, bad rows, interruption. */
import { appendFileSync, renameSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { commitWork } from '../../lib/commit/commit-work.ts';
import { readJobFile } from '../../lib/job/job-file.ts';
import { names } from '../../lib/object-store/names.ts';
import { openStore } from '../../lib/object-store/store-spec.ts';
import { ManualClock, systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { NO_TRACE } from '../../lib/util/trace.ts';
import { clicks, clicksByMinute, clicksJob, gzipped, ndjson, parseLines, sorted, workspaces } from './helpers.ts';

const SECONDS = 600;
const { workspace, removeAll } = workspaces();

afterAll(removeAll);

describe('misa run', () => {
  it('gives right results, once, however often it is run', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson.gz', gzipped(clicks(SECONDS / 2)));
    space.write('b.ndjson', ndjson(clicks(SECONDS / 2, SECONDS / 2)));
    const args = ['run', 'job.ts', '--input', 'clicks=*.ndjson*', '--output', 'out', '--batch-rows', '100', '--flush'];
    const first = await space.run(...args);
    expect(first.stderr).not.toContain('misa:');
    expect(first.code).toBe(0);
    expect(first.stdout).toContain('600 read = 600 applied + 0 late + 0 skipped + 0 quarantined');
    expect(sorted(space.results('out'))).toEqual(clicksByMinute(SECONDS));
    const second = await space.run(...args);
    expect(second.code).toBe(0);
    expect(second.stdout).toContain('none new');
    expect(sorted(space.results('out'))).toEqual(clicksByMinute(SECONDS));
  });

  it('reads new files only, and goes on with the windows that were open', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', ndjson(clicks(330)));
    await space.run('run', 'job.ts', '-i', 'clicks=*.ndjson', '-o', 'out');
    space.write('b.ndjson', ndjson(clicks(270, 330)));
    const { code, stdout } = await space.run('run', 'job.ts', '-i', 'clicks=*.ndjson', '-o', 'out', '--flush');
    expect(code).toBe(0);
    expect(stdout).toContain('270 read');
    expect(sorted(space.results('out'))).toEqual(clicksByMinute(SECONDS));
  });

  it('begins a new directory with the results that are kept, if it is told to (--output-begin kept)', async () => {
    const space = workspace();
    space.write(
      'job.ts',
      `import { job, source } from 'misa';
       export default job('events', source<{ n: number }>('events'), { results: { retention: '1 day' } });`,
    );
    for (const n of [1, 2, 3]) {
      space.write(`${n}.ndjson`, ndjson([{ n }]));
      expect((await space.run('run', 'job.ts', '-i', 'events=*.ndjson', '-o', 'whole')).code).toBe(0);
    }
    // As a run would do it two days later, and one more.
    for (const days of [2, 4]) {
      const clock = new ManualClock(systemClock.now() + days * 86_400_000);
      const store = await openStore({ kind: 'directory', path: space.path('.misa') }, { clock, random: systemRandom });
      const file = await readJobFile(store, 'events');
      const shared = { store, clock, random: systemRandom, trace: NO_TRACE, file, names: names('events', file.epoch) };
      await commitWork({ ...shared, retentionMs: 900_000, keepResultsMs: 86_400_000 }).collect();
    }
    const args = ['run', 'job.ts', '-i', 'events=*.ndjson', '-o', 'late'];
    const refused = await space.run(...args);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /^misa: results of batches 1 to 2 were deleted: the job keeps them for 1 day\. late has none of them\..*--output-begin kept/,
    );
    expect((await space.run(...args, '--output-begin', 'kept')).code).toBe(0);
    expect(space.results('out', 'late')).toEqual([{ n: 3 }]);
    space.write('4.ndjson', ndjson([{ n: 4 }]));
    expect((await space.run(...args)).code).toBe(0);
    expect(space.results('out', 'late')).toEqual([{ n: 3 }, { n: 4 }]);
    // The one that every run had misses nothing.
    expect((await space.run('run', 'job.ts', '-i', 'events=*.ndjson', '-o', 'whole')).code).toBe(0);
    expect(space.results('out', 'whole')).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
    expect((await space.run(...args, '--output-begin', 'last')).stderr).toContain('Allowed choices are first, kept');
  });

  it('reads CSV', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write(
      'clicks.csv',
      `at,user,n\n${clicks(SECONDS)
        .map((c) => `${c.at},${c.user},${c.n}\n`)
        .join('')}`,
    );
    const { code } = await space.run('run', 'job.ts', '-i', 'clicks=clicks.csv', '-o', 'out', '--flush');
    expect(code).toBe(0);
    expect(sorted(space.results('out'))).toEqual(clicksByMinute(SECONDS));
  });

  it('reads two sources, and refuses to run with one of them missing or unknown', async () => {
    const space = workspace();
    space.write(
      'job.ts',
      `import { count, job, source, tumbling } from 'misa';
       const left = source<{ at: number }>('left', { eventTime: (r) => r.at, delay: '1 min' });
       const right = source<{ at: number }>('right', { eventTime: (r) => r.at, delay: '1 min' });
       export default job('both', left.union(right).keyBy(() => 'all').window(tumbling('1 min')).aggregate({ rows: count() }));`,
    );
    space.write('left.ndjson', ndjson(clicks(120)));
    space.write('right.ndjson', ndjson(clicks(180)));
    const missing = await space.run('run', 'job.ts', '-i', 'left=left.ndjson');
    expect(missing).toMatchObject({ code: 1, stderr: "misa: job both needs input for 'right': --input right=FILES\n" });
    const unknown = await space.run('run', 'job.ts', '-i', 'left=left.ndjson', '-i', 'rigth=right.ndjson');
    expect(unknown).toMatchObject({
      code: 1,
      stderr: "misa: job both has no source 'rigth'; it has 'left', 'right'\n",
    });
    const good = await space.run(
      'run',
      'job.ts',
      '-i',
      'left=left.ndjson',
      '-i',
      'right=right.ndjson',
      '-o',
      'out',
      '--flush',
    );
    expect(good.code).toBe(0);
    const rows = space.results('out') as { windowStart: number; rows: number }[];
    expect(rows.map((r) => [r.windowStart, r.rows]).sort()).toEqual([
      [0, 120],
      [120_000, 60],
      [60_000, 120],
    ]);
  });

  it('sets bad rows aside with object, line and reason, and counts them', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    const lines = ndjson(clicks(60)).trimEnd().split('\n');
    lines[9] = '{"at":';
    lines[19] = '{"user":"ann","n":1}';
    space.write('a.ndjson', `${lines.join('\n')}\n`);
    const { code, stdout } = await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out', '--flush');
    expect(code).toBe(0);
    expect(stdout).toContain('60 read = 58 applied + 0 late + 0 skipped + 2 quarantined');
    expect(stdout).toMatch(/bad rows +2 with their reasons in out\/quarantine-00000001-p0\.ndjson/);
    const quarantined = space.results('quarantine');
    expect(quarantined).toMatchObject([
      { source: 'clicks', object: space.path('a.ndjson'), line: 10 },
      { source: 'clicks', object: space.path('a.ndjson'), line: 20 },
    ]);
  });

  it('warns when all rows are bad, and ends with 0', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', ndjson(Array.from({ length: 30 }, () => ({ when: 1, user: 'ann', n: 1 }))));
    const { code, stdout, stderr } = await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out');
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^warning: all 30 rows of source clicks are bad.*_quarantine: event time NaN is not a time/m,
    );
    expect(stdout).toMatch(/^ +warning +all 30 rows of source clicks are bad$/m);
    const json = await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '--store', 'other', '--json');
    const events = json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.find(({ event }) => event === 'note')).toMatchObject({
      message: expect.stringMatching(/^warning: all 30/),
    });
    expect(events.at(-1)).toMatchObject({ event: 'end', warnings: ['all 30 rows of source clicks are bad'] });
  });

  it("stops at a bad row with onBadRow: 'fail', naming object and line", async () => {
    const space = workspace();
    space.write('job.ts', clicksJob("{ onBadRow: 'fail' }"));
    space.write('a.ndjson', `${ndjson(clicks(9))}oops\n`);
    const { code, stderr } = await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out');
    expect(code).toBe(1);
    expect(stderr).toContain(`${space.path('a.ndjson')}, line 10`);
    expect(stderr).not.toContain('    at ');
  });

  it('writes NDJSON to standard output when nothing else is said, and progress elsewhere', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', ndjson(clicks(SECONDS)));
    const { code, stdout, stderr } = await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '--flush');
    expect(code).toBe(0);
    expect(sorted(parseLines(stdout))).toEqual(clicksByMinute(SECONDS));
    expect(stderr).toContain('600 read');
  });

  it('tells machines each batch and the end as one JSON object a line', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', ndjson(clicks(SECONDS)));
    const { stdout } = await space.run(
      'run',
      'job.ts',
      '-i',
      'clicks=a.ndjson',
      '-o',
      'out',
      '--json',
      '--batch-rows',
      '200',
    );
    const events = parseLines(stdout);
    expect(events[0]).toMatchObject({ event: 'start', job: 'clicks', partitions: 2, position: 0 });
    expect(events.filter((e) => e.event === 'batch' && e.rows === 200)).toHaveLength(3);
    expect(events.at(-1)).toMatchObject({ event: 'end', reason: 'read', rows: 600, applied: 600, late: 0 });
    const failed = await space.run('run', 'job.ts', '-i', 'clicks=b.ndjson', '--json');
    expect(failed.code).toBe(1);
    expect(parseLines(failed.stdout)).toMatchObject([{ event: 'error', code: 'INPUT_MISSING' }]);
    expect(failed.stderr).toMatch(/^misa: /);
  });

  it('ends after the running batch when interrupted, and the next run completes', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', ndjson(clicks(6000)));
    const args = ['run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out', '--batch-rows', '50', '--flush'];
    const started = space.start([...args, '--json']);
    await started.seen('"event":"batch","n":5');
    started.child.kill('SIGINT');
    const first = await started.finished;
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(parseLines(first.stdout).at(-1)).toMatchObject({ event: 'end', reason: 'stopped' });
    const second = await space.run(...args);
    expect(second.code).toBe(0);
    expect(second.stderr).toContain('goes on after batch');
    expect(sorted(space.results('out'))).toEqual(clicksByMinute(6000));
  });

  it('is quiet when its reader has seen enough', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', ndjson(clicks(20_000)));
    const started = space.start(['run', 'job.ts', '-i', 'clicks=a.ndjson', '--batch-rows', '1000']);
    await started.seen('"key"');
    started.child.stdout!.destroy();
    const { code, stderr } = await started.finished;
    expect(code).toBe(0);
    expect(stderr).not.toContain('EPIPE');
  });

  it('waits for files that come later with --watch', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    const started = space.start(['run', 'job.ts', '-i', 'clicks=*.ndjson', '-o', 'out', '--watch', '--json']);
    await started.seen('"event":"start"');
    space.write('a.ndjson', ndjson(clicks(240)));
    await started.seen('"kind":"empty"');
    started.child.kill('SIGINT');
    expect((await started.finished).code).toBe(0);
    expect(sorted(space.results('out'))).toEqual(clicksByMinute(120));
  });

  it('reads lines that are added with --watch, and closes the windows when it is stopped with --flush', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', ndjson(clicks(90)));
    const started = space.start([
      'run',
      'job.ts',
      '-i',
      'clicks=*.ndjson',
      '-o',
      'out',
      '--watch',
      '--flush',
      '--json',
    ]);
    await started.seen('"event":"idle"');
    appendFileSync(space.path('a.ndjson'), ndjson(clicks(510, 90)));
    await started.seen('"rows":510');
    await started.seen('"kind":"empty"');
    started.child.kill('SIGINT');
    expect((await started.finished).code).toBe(0);
    expect(sorted(space.results('out'))).toEqual(clicksByMinute(SECONDS));
  });

  it('asks what to do with a file that was renamed, and does it', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', ndjson(clicks(SECONDS)));
    const args = ['run', 'job.ts', '-i', 'clicks=*.ndjson', '-o', 'out', '--flush'];
    expect((await space.run(...args)).code).toBe(0);
    renameSync(space.path('a.ndjson'), space.path('b.ndjson'));
    const asked = await space.run(...args);
    expect(asked.code).toBe(1);
    expect(asked.stderr).toMatch(/b\.ndjson begins with the 600 rows that were read as .*a\.ndjson.*--moved skip/);
    expect((await space.run(...args, '--moved', 'skip')).code).toBe(0);
    const again = await space.run(...args);
    expect(again.code).toBe(0);
    expect(again.stdout).toContain('none new');
    expect(sorted(space.results('out'))).toEqual(clicksByMinute(SECONDS));
  });

  it('refuses to put results where the input pattern would find them', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    space.write('a.ndjson', ndjson(clicks(10)));
    const { code, stderr } = await space.run('run', 'job.ts', '-i', 'clicks=*.ndjson', '-o', '.');
    expect(code).toBe(1);
    expect(stderr).toContain('*.ndjson also matches the results that go to .');
  });

  it('reads standard input, as it comes, to its end', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    const args = ['run', 'job.ts', '-o', 'out', '--flush', '-i', 'clicks=-'];
    const piped = (args: string[], text: string) => {
      const started = space.start(args, {}, 'pipe');
      started.child.stdin!.end(text);
      return started.finished;
    };
    const first = await piped(args, ndjson(clicks(300)));
    expect(first).toMatchObject({ code: 0 });
    expect(first.stdout).toContain('300 read = 300 applied');
    expect(sorted(space.results('out'))).toEqual(clicksByMinute(300));
    const csv = `at,user,n\n${clicks(60)
      .map((c) => `${c.at},${c.user},${c.n}\n`)
      .join('')}`;
    const other = ['run', 'job.ts', '-o', 'other', '--store', 'other-store', '--flush', '-i', 'clicks=-'];
    expect(await piped([...other, '--input-format', 'csv'], csv)).toMatchObject({ code: 0 });
    expect(sorted(space.results('out', 'other'))).toEqual(clicksByMinute(60));
    expect(await piped([...args, '-i', 'clicks=a.ndjson'], '')).toMatchObject({ code: 2 });
  });

  it('ends in order when interrupted while it waits for standard input', async () => {
    const space = workspace();
    space.write('job.ts', clicksJob());
    const started = space.start(['run', 'job.ts', '-i', 'clicks=-', '-o', 'out', '--json'], {}, 'pipe');
    started.child.stdin!.write(ndjson(clicks(240)));
    await started.seen('"event":"idle"');
    started.child.kill('SIGINT');
    const { code, stdout } = await started.finished;
    expect(code).toBe(0);
    expect(parseLines(stdout).at(-1)).toMatchObject({ event: 'end', reason: 'stopped', rows: 240 });
    expect(sorted(space.results('out'))).toEqual(clicksByMinute(120));
  });
});
