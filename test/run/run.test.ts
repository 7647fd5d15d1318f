/** `run` from a program: over files, with its summary, its events, and what it refuses. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  type BatchResults,
  count,
  job,
  MisaError,
  type RunEvent,
  run,
  source,
  sum,
  tumbling,
} from '../../lib/index.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-run-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let spaces = 0;

function workspace(): { store: string; output: string; write(name: string, rows: readonly unknown[]): string } {
  const folder = path.join(root, `space-${spaces++}`);
  const store = path.join(folder, 'store');
  const write = (name: string, rows: readonly unknown[]): string => {
    const file = `${folder}-${name}`;
    writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    return file;
  };
  return { store, output: path.join(folder, 'out'), write };
}

const clicks = source<{ at: number; user: string; n: number }>('clicks', { eventTime: (c) => c.at, delay: '1 sec' });
const byMinute = job(
  'clicks',
  clicks
    .keyBy((c) => c.user)
    .window(tumbling('1 min'))
    .aggregate({ clicks: count(), total: sum((c) => c.n) }),
  { partitions: 2, trigger: { maxRows: 40 } },
);
const rowsOf = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => ({ at: (from + i) * 1000, user: `u${(from + i) % 3}`, n: from + i }));

/** What a person would count by hand. */
function expected(rows: readonly { at: number; user: string; n: number }[]): string[] {
  const windows = new Map<string, { clicks: number; total: number }>();
  for (const { at, user, n } of rows) {
    const name = `${user} ${Math.floor(at / 60_000)}`;
    const before = windows.get(name) ?? { clicks: 0, total: 0 };
    windows.set(name, { clicks: before.clicks + 1, total: before.total + n });
  }
  return [...windows].map(([name, w]) => `${name} ${w.clicks} ${w.total}`).sort();
}

function shown(rows: readonly unknown[]): string[] {
  return (rows as { key: string; windowStart: number; clicks: number; total: number }[])
    .map((r) => `${r.key} ${r.windowStart / 60_000} ${r.clicks} ${r.total}`)
    .sort();
}

function results(directory: string): unknown[] {
  const files = readdirSync(directory).filter((name) => name.endsWith('.ndjson'));
  return files.flatMap((name) =>
    readFileSync(path.join(directory, name), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  );
}

describe('run over files', () => {
  it('gives right results and the summary, goes on where the last run ended, and says which events came', async () => {
    const { store, output, write } = workspace();
    const events: RunEvent[] = [];
    const first = await run(byMinute, {
      inputs: { clicks: write('a.ndjson', rowsOf(0, 130)) },
      store,
      output,
      onEvent: (event) => events.push(event),
    }).done;
    expect(first).toMatchObject({ job: 'clicks', reason: 'read', rows: 130, applied: 130, late: 0, quarantined: 0 });
    expect(first.rowsBySource).toEqual({ clicks: 130 });
    expect(events[0]).toMatchObject({ type: 'started', job: 'clicks', position: 0, partitions: 2 });
    const progress = events.filter((e) => e.type === 'progress');
    expect(progress.map((e) => e.batch)).toEqual(progress.map((_, i) => i + 1));
    expect(progress.filter((e) => e.kind === 'data').map((e) => e.rows)).toEqual([40, 40, 40, 10]);
    expect(progress[1]).toMatchObject({ rowsBySource: { clicks: 40 }, watermark: 38_000 });
    for (const step of ['ingest', 'plan', 'batch', 'log', 'publish', 'output'] as const) {
      expect(progress[0]!.steps[step], step).toBeGreaterThanOrEqual(0);
    }
    expect(events.at(-1)).toEqual({ type: 'terminated', ...first });

    const files = [write('a.ndjson', rowsOf(0, 130)), write('b.ndjson', rowsOf(130, 200))];
    const second = await run(byMinute, { inputs: { clicks: files.slice(1) }, store, output, flush: true }).done;
    expect(second).toMatchObject({ rows: 70, reason: 'read' });
    expect(second.position).toBeGreaterThan(first.position);
    expect(shown(results(output))).toEqual(expected(rowsOf(0, 200)));
  });

  it('ends after the batch under way when it is stopped, by stop() or a signal; the next run does the rest', async () => {
    const { store, output, write } = workspace();
    const inputs = { clicks: [write('a.ndjson', rowsOf(0, 400))] };
    const abort = new AbortController();
    for (const how of ['stop', 'signal']) {
      let batches = 0;
      const running = run(byMinute, {
        inputs,
        store,
        output,
        signal: abort.signal,
        onEvent: ({ type }) => {
          if (type !== 'progress' || ++batches < 2) return;
          if (how === 'stop') running.stop();
          else abort.abort();
        },
      });
      expect(await running.done).toMatchObject({ reason: 'stopped' });
    }
    const { rows } = await run(byMinute, { inputs, store, output, flush: true }).done;
    expect(rows).toBeLessThan(400);
    expect(shown(results(output))).toEqual(expected(rowsOf(0, 400)));
  });

  it('waits for more with watch, and says once that it does', async () => {
    const { store, write } = workspace();
    const file = write('a.ndjson', rowsOf(0, 10));
    const events: RunEvent[] = [];
    const running = run(byMinute, {
      inputs: { clicks: file.replace('a.ndjson', '*.ndjson') },
      store,
      watch: true,
      onEvent(event) {
        events.push(event);
        if (event.type !== 'idle') return;
        if (events.filter((e) => e.type === 'idle').length === 1) write('b.ndjson', rowsOf(10, 20));
        else running.stop();
      },
    });
    expect(await running.done).toMatchObject({ reason: 'stopped', rows: 20 });
    expect(events.filter((e) => e.type === 'idle')).toMatchObject([{ watermark: 8000 }, { watermark: 18_000 }]);
  });

  it('gives the results to onBatch, waits for its promise, and goes on there in the next run', async () => {
    const { store, output, write } = workspace();
    const inputs = { clicks: write('a.ndjson', [...rowsOf(0, 130), { user: 'no time' }]) };
    const given: BatchResults<{ key: string; clicks: number }[]>[] = [];
    let under = 0;
    const first = run(byMinute, {
      inputs,
      store,
      output,
      async onBatch(results) {
        expect(++under).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        under--;
        if (results.batch > 3) throw new Error('no more');
        given.push(results);
      },
    });
    await expect(first.done).rejects.toMatchObject({
      code: 'ON_BATCH',
      message: expect.stringMatching(/at batch [4-9].*: no more\. The batch is committed; the next run calls onBatch/),
    });
    await run(byMinute, { inputs, store, output, flush: true, onBatch: (results) => void given.push(results) }).done;
    expect(new Set(given.map((g) => `${g.batch} ${g.output} ${g.partition}`)).size).toBe(given.length);
    expect(given.map((g) => g.batch)).toEqual(given.map((g) => g.batch).sort((a, b) => a - b));
    const rows = given.flatMap((g) => (g.output === '_quarantine' ? [] : g.rows));
    expect(shown(rows)).toEqual(expected(rowsOf(0, 130)));
    expect(given.filter((g) => g.output === '_quarantine')).toMatchObject([
      { partition: 0, rows: [{ source: 'clicks', object: inputs.clicks, line: 131 }] },
    ]);
    const again: unknown[] = [];
    await run(byMinute, { inputs, store, onBatch: (results) => void again.push(results) }).done;
    expect(again).toEqual([]);
    await run(byMinute, { inputs, store, consumer: 'new', onBatch: (results) => void again.push(results) }).done;
    expect(again).toEqual(given);
  });

  it('rejects with a code that is stable, and tells the failure as the last event', async () => {
    const { store, write } = workspace();
    const inputs = { clicks: write('a.ndjson', rowsOf(0, 10)) };
    const failing = async (code: string, start: () => ReturnType<typeof run>): Promise<void> => {
      const error = await start().done.catch((e: unknown) => e);
      expect(error).toBeInstanceOf(MisaError);
      expect(error).toMatchObject({ code });
    };
    await failing('NO_INPUT', () => run(byMinute, { inputs: {}, store }));
    await failing('UNKNOWN_SOURCE', () => run(byMinute, { inputs: { ...inputs, clocks: 'x.ndjson' }, store }));
    await failing('INPUT_MISSING', () => run(byMinute, { inputs: { clicks: `${root}/none.ndjson` }, store }));
    await failing('NOT_A_JOB', () => run({ name: 'no job' } as never, { inputs, store }));
    await failing('BAD_OPTIONS', () => run(byMinute, { inputs, store, onbatch: 1 } as never));
    await failing('BAD_OPTIONS', () => run(byMinute, undefined as never));
    const events: RunEvent[] = [];
    await failing('STORE_URL', () => run(byMinute, { inputs, store: 's3:/x', onEvent: (e) => events.push(e) }));
    expect(events).toMatchObject([{ type: 'terminated', reason: 'failed', error: { code: 'STORE_URL' } }]);
    await failing('ON_EVENT', () =>
      run(byMinute, {
        inputs,
        store,
        onEvent: () => {
          throw new Error('no');
        },
      }),
    );
  });
});
