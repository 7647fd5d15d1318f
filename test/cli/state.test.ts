/** `misa status` and `misa state` on the result of a run: right, and without a trace. */
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clicks, clicksJob, type Finished, MINUTE, ndjson, parseLines, sorted, Workspace } from './helpers.ts';

const space = new Workspace();

beforeAll(async () => {
  space.write('job.ts', clicksJob());
  // 630 s: the watermark is at 569 s, so the minutes from the ninth on are open.
  space.write('a.ndjson', ndjson(clicks(630)));
  const { code } = await space.run('run', 'job.ts', '-i', 'clicks=a.ndjson', '-o', 'out', '--batch-rows', '50');
  expect(code).toBe(0);
}, 30_000);

afterAll(() => space.remove());

async function json(...args: string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout } = await space.run(...args, '--json');
  expect(code).toBe(0);
  return parseLines(stdout);
}

describe('misa status', () => {
  it('tells batches, plans, lag and levels', async () => {
    const [status] = await json('status', 'clicks');
    expect(status).toMatchObject({
      job: 'clicks',
      partitions: 2,
      plan: { plans: 14, objects: 1, unfinished: 0, watermark: 569_000 },
      lastBatch: { n: 14, rows: 0 },
      totals: { from: 1, rows: 630, late: 0, skipped: 0, quarantined: 0, setAside: 0, emitted: 18 },
    });
    const parts = status!.parts as { path: string; committed: number; folded: number; commitLag: number }[];
    expect(parts.map((p) => p.path)).toEqual(['planner', 's0/p0', 's0/p1']);
    for (const part of parts) expect(part).toMatchObject({ committed: 14, folded: 14, commitLag: 0, halted: null });
  });

  it('takes the module in place of the name, and prints a table', async () => {
    const { stdout } = await space.run('status', 'job.ts');
    expect(stdout).toContain('clicks in .misa: epoch 1, mode append, commit async');
    expect(stdout).toContain('in all     630 rows, 0 late, 0 skipped, 0 quarantined; 18 rows out');
    expect(stdout).toMatch(/s0\/p1 +14 +14 +0/);
  });

  it('says that there is no such job, or no store, and makes neither', async () => {
    const job = await space.run('status', 'clacks');
    expect(job).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('there is no job clacks') });
    const store = await space.run('status', 'clicks', '--store', 'nowhere');
    expect(store).toMatchObject({ code: 1, stderr: expect.stringContaining('there is no store in') });
    expect(readdirSync(space.directory)).not.toContain('nowhere');
  });
});

describe('misa state', () => {
  const open = ['ann', 'bob'].flatMap((key) =>
    [9, 10].map((minute) => ({
      key,
      windowStart: minute * MINUTE,
      windowEnd: (minute + 1) * MINUTE,
      clicks: minute === 9 ? 30 : 15,
    })),
  );

  it('scans the windows that are open', async () => {
    const rows = await json('state', 'scan', 'clicks');
    const shown = rows.map(({ key, windowStart, windowEnd, clicks: n }) => ({
      key,
      windowStart,
      windowEnd,
      clicks: n,
    }));
    expect(sorted(shown)).toEqual(sorted(open));
    expect(await json('state', 'scan', 'clicks', '--prefix', 'b')).toHaveLength(2);
    const limited = await space.run('state', 'scan', 'clicks', '--limit', '3');
    expect(limited.stderr).toContain('there is more');
  });

  it('gets the rows of one key, with their results by name', async () => {
    const rows = await json('state', 'get', 'clicks', 'ann');
    const evens = (from: number, count: number): number =>
      Array.from({ length: count }, (_, i) => from + 2 * i).reduce((a, b) => a + b);
    expect(rows).toMatchObject([
      { key: 'ann', windowStart: 9 * MINUTE, clicks: 30, total: evens(540, 30) },
      { key: 'ann', windowStart: 10 * MINUTE, clicks: 15, total: evens(600, 15) },
    ]);
    const text: Finished = await space.run('state', 'get', 'clicks', 'ann');
    expect(text.stdout).toMatch(/p\d +ann +1970-01-01 00:09 UTC – 1970-01-01 00:10 UTC +30/);
    expect(await space.run('state', 'get', 'clicks', 'carl')).toMatchObject({ code: 1, stdout: '' });
  });

  it('counts rows, bytes and SSTs', async () => {
    const [statistics] = await json('state', 'stats', 'clicks');
    const tables = statistics!.tables as { rows: number }[];
    expect(tables.reduce((sum, t) => sum + t.rows, 0)).toBe(4);
    expect(statistics).toMatchObject({ recentBatches: 14 });
    expect((await space.run('state', 'stats', 'clicks')).stdout).toContain('clicks: 4 rows of state');
  });

  it('changes nothing in the store', async () => {
    const before = readdirSync(space.path('.misa'), { recursive: true }).sort();
    await Promise.all([
      space.run('status', 'clicks'),
      space.run('state', 'scan', 'clicks'),
      space.run('state', 'stats', 'clicks'),
    ]);
    expect(readdirSync(space.path('.misa'), { recursive: true }).sort()).toEqual(before);
  });
});

describe('misa state of sessions and ranks', () => {
  const pipeline = `import { count, job, sameWindow, session, source } from 'misa';
const clicks = source('clicks', { eventTime: (e) => e.at, delay: '1 s' });
const visits = clicks.keyBy((e) => e.user).window(session('10 s')).aggregate({ clicks: count() });
`;

  it('tells when each open session began and ends, and what the windows behind it hold', async () => {
    space.write(
      'visits.ts',
      `${pipeline}
const all = visits.keyBy(() => 'all').window(sameWindow()).aggregate({ visits: count() });
export default job('visits', { visits, all });
`,
    );
    // Ann comes back before her first visit has ended for the watermark; the row of bob is late enough to stand behind it.
    const at = [
      [0, 'ann'],
      [4, 'ann'],
      [25, 'ann'],
      [20, 'bob'],
      [30, 'bob'],
      [15, 'bob'],
    ] as const;
    space.write('v.ndjson', ndjson(at.map(([second, user]) => ({ at: second * 1000, user }))));
    expect(await space.run('run', 'visits.ts', '-i', 'clicks=v.ndjson', '-o', 'visits')).toMatchObject({ code: 0 });
    const rows = await json('state', 'scan', 'visits');
    expect(sorted(rows.map(({ key, windowStart, windowEnd, clicks: n }) => [key, windowStart, windowEnd, n]))).toEqual([
      ['ann', 25_000, 35_000, 1],
      ['bob', 15_000, 40_000, 3],
    ]);
    expect(await json('state', 'get', 'visits', 'bob')).toMatchObject([{ windowStart: 15_000, clicks: 3 }]);
    const text = await space.run('state', 'get', 'visits', 'ann');
    expect(text.stdout).toMatch(
      /session-aggregate sessions\n.*\n.*ann +1970-01-01 00:00:25 UTC – 1970-01-01 00:00:35 UTC +1/,
    );
  });

  it('shows the rows of each key in the order of their ranks', async () => {
    space.write(
      'best.ts',
      `${pipeline}
export default job('best', clicks.keyBy((e) => e.user).topN(2, { by: (e) => e.at }), { outputMode: 'update' });
`,
    );
    space.write('b.ndjson', ndjson([1, 3, 2].map((n) => ({ at: n, user: 'ann' }))));
    expect(await space.run('run', 'best.ts', '-i', 'clicks=b.ndjson', '-o', 'best')).toMatchObject({ code: 0 });
    expect(await json('state', 'get', 'best', 'ann')).toMatchObject([
      { table: 'topN ranks', key: 'ann', rows: [{ at: 3 }, { at: 2 }] },
    ]);
  });
});
