/** What a run gets over is told to the program that runs it, as an event, and changes neither results nor its end. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { count, job, type RunEvent, run, source } from '../../lib/index.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-run-troubles-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const counts = job(
  'counts',
  source<{ k: string }>('rows')
    .keyBy((r) => r.k)
    .aggregate({ n: count() }),
  {
    outputMode: 'update',
    partitions: 1,
  },
);

it('a trace that cannot be written is a warning of run(), told once and before the end', async () => {
  const store = path.join(root, 'store');
  const events: RunEvent[] = [];
  const results: unknown[] = [];
  const go = (k: string) =>
    run(counts, {
      inputs: { rows: [{ k }] },
      store,
      onEvent: (event) => events.push(event),
      onBatch: ({ rows }) => void results.push(...rows),
    }).done;
  await go('a');
  expect(events.filter((event) => event.type === 'warning')).toEqual([]);
  const traces = path.join(store, 'counts', 'e1', 'trace');
  expect(readdirSync(traces)).not.toEqual([]);
  rmSync(traces, { recursive: true });
  writeFileSync(traces, 'in the way');
  events.length = 0;
  expect(await go('a')).toMatchObject({ reason: 'read', batches: 1 });
  const warnings = events.filter((event) => event.type === 'warning');
  expect(warnings.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^a part of the trace was not stored: /),
  ]);
  expect(events.at(-1)!.type).toBe('terminated');
  expect(results).toEqual([
    { key: 'a', n: 1 },
    { key: 'a', n: 2 },
  ]);
});
