/** Slips that spoil a result without an error: a share of rows that nobody expects is bad, late, or in January 1970. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { count, type Job, job, type RunEvent, type RunSummary, run, source, tumbling } from '../../lib/index.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-warnings-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let runs = 0;

const NOON = Date.parse('2024-05-01T12:00:00Z');

interface Click {
  readonly at?: number | string;
  readonly time?: number;
}

function clicksJob(eventTime: (c: Click) => number | string, maxRows = 50): Job<unknown> {
  const clicks = source<Click>('clicks', { eventTime, delay: '1 sec' });
  return job(
    'clicks',
    clicks
      .keyBy(() => 'all')
      .window(tumbling('1 min'))
      .aggregate({ clicks: count() }),
    {
      trigger: { maxRows },
    },
  );
}

async function warned(
  of: Job<unknown>,
  rows: readonly unknown[],
): Promise<{ messages: string[]; summary: RunSummary; types: string[] }> {
  const folder = path.join(root, `run-${runs++}`);
  const file = `${folder}.ndjson`;
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const events: RunEvent[] = [];
  const running = run(of, { inputs: { clicks: file }, store: folder, onEvent: (event) => events.push(event) });
  const summary = await running.done;
  const messages = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
  return { messages, summary, types: events.map((event) => event.type) };
}

const rowsAt = (n: number, at: (i: number) => number | string): Click[] =>
  Array.from({ length: n }, (_, i) => ({ at: at(i) }));
const onTime = (n: number): Click[] => rowsAt(n, (i) => NOON + i * 1000);

describe('a run warns', () => {
  it('when all rows of a source are bad: a slip in eventTime', async () => {
    const { messages, summary } = await warned(
      clicksJob((c) => c.time as number),
      onTime(60),
    );
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatch(/^all 60 rows of source clicks are bad and set aside, .*_quarantine/);
    expect(messages[0]).toMatch(/event time is missing \(60 like it, the first: .*\.ndjson, line 1\)/);
    expect(summary).toMatchObject({ quarantined: 60, warnings: ['all 60 rows of source clicks are bad'] });
  });

  it('when ten rows and 10 % are bad, with the reasons that are most', async () => {
    const rows: unknown[] = onTime(100);
    for (let i = 0; i < 7; i++) rows[20 + i] = { at: `not-${i}` };
    for (let i = 0; i < 3; i++) rows[40 + i] = {};
    const { messages, summary } = await warned(
      clicksJob((c) => c.at!),
      rows,
    );
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatch(/^10 of 100 rows \(10 %\) of source clicks are bad/);
    expect(messages[0]).toMatch(
      /'not-0' is not ISO 8601.* \(7 like it.*line 21\); event time is missing \(3 like it.*line 41\)/,
    );
    expect(summary.warnings).toEqual(['10 of 100 rows (10 %) of source clicks are bad']);
  });

  it('in the middle of a long run, once, as soon as a thousand rows are read', async () => {
    const rows = rowsAt(3000, (i) => (i % 5 === 0 ? 'never' : NOON + i));
    const { messages, summary, types } = await warned(
      clicksJob((c) => c.at!, 500),
      rows,
    );
    expect(messages).toEqual([expect.stringMatching(/^200 of 1000 rows \(20 %\)/)]);
    expect(types.indexOf('warning')).toBeLessThan(types.lastIndexOf('progress'));
    expect(summary.warnings).toEqual(['600 of 3000 rows (20 %) of source clicks are bad']);
  });

  it('when one event time far in the future makes all others late', async () => {
    const future = Date.parse('2999-01-01T00:00:00Z');
    const { messages, summary } = await warned(
      clicksJob((c) => c.at!),
      [{ at: future }, ...onTime(199)],
    );
    expect(summary.late).toBe(150);
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatch(
      /^150 of 200 rows \(75 %\) are late: one in .*\.ndjson has event time 2024-05-01T12:00:49.000Z/,
    );
    expect(messages[0]).toContain('the watermark was 2998-12-31T23:59:59.000Z');
    expect(messages[0]).toContain('event time in the future');
  });

  it('when some rows have seconds where others have milliseconds', async () => {
    const rows = [...onTime(50), ...rowsAt(50, (i) => NOON / 1000 + i)];
    const { messages } = await warned(
      clicksJob((c) => c.at!),
      rows,
    );
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatch(/^50 of 100 rows \(50 %\) are late/);
    expect(messages[0]).toContain("As seconds the row's is 2024-05-01T12:00:00.000Z");
  });

  it('when all event times are seconds', async () => {
    const { messages, summary } = await warned(
      clicksJob((c) => c.at!),
      rowsAt(40, (i) => NOON / 1000 + i),
    );
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatch(
      /^no event time of source clicks is after 1970-01-20T.*seconds the greatest is 2024-05-01T12:00:39/,
    );
    expect(summary.quarantined).toBe(0);
  });
});

describe('a run does not warn', () => {
  it('of a few bad or late rows', async () => {
    const rows: unknown[] = onTime(200);
    for (let i = 0; i < 9; i++) rows[10 + i] = {};
    for (let i = 0; i < 9; i++) rows[180 + i] = { at: NOON - 3_600_000 };
    const { messages, summary } = await warned(
      clicksJob((c) => c.at!),
      rows,
    );
    expect(summary).toMatchObject({ quarantined: 9, late: 9, warnings: [] });
    expect(messages).toEqual([]);
  });
});
