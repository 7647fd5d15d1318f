/** 1 and '1' are two keys: that a count was split in two by a slip is told, once. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { count, type Job, job, type Key, type RunEvent, run, source, tumbling } from '../../lib/index.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-key-types-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let stores = 0;
const newStore = (): string => path.join(root, `store-${stores++}`);

const rows = source<{ k: Key }>('rows');
const counts = job('counts', rows.keyBy((r) => r.k).aggregate({ n: count() }), {
  outputMode: 'update',
  partitions: 2,
  trigger: { maxRows: 2 },
});
const timed = source<{ k: number }>('rows', { eventTime: (r) => r.k, delay: 0 });
const twoStages = job(
  'stages',
  timed
    .keyBy(() => 'all')
    .window(tumbling(1))
    .aggregate({ n: count() })
    .keyBy(({ windowStart }) => (windowStart < 3 ? windowStart : String(windowStart)))
    .window(tumbling(10))
    .aggregate({ n: count() }),
  { partitions: 2, trigger: { maxRows: 1 } },
);

/** Warnings of a run over these keys. */
async function warnings(of: Job<unknown>, store: string, keys: readonly Key[]): Promise<string[]> {
  const told: string[] = [];
  const onEvent = (event: RunEvent): void => void (event.type === 'warning' && told.push(event.message));
  await run(of, { inputs: { rows: keys.map((k) => ({ k })) }, store, onEvent }).done;
  return told;
}

describe('keys of another type', () => {
  it('are told within a run: operator, old and new type, and an example', async () => {
    expect(await warnings(counts, newStore(), [1, 2, 3, '1', '2', 4])).toEqual([
      expect.stringMatching(
        /^aggregate#0 gets keys of another type: "[12]" is text, and keys were number until now\. .*String/,
      ),
    ]);
  });

  it('are told after a restart, once in the life of the job', async () => {
    const store = newStore();
    expect(await warnings(counts, store, ['1', '2', null])).toEqual([]);
    expect(await warnings(counts, store, ['3', null])).toEqual([]);
    expect(await warnings(counts, store, [7])).toEqual([
      expect.stringContaining('aggregate#0 gets keys of another type: 7 is number, and keys were text until now'),
    ]);
    expect(await warnings(counts, store, [8, '8'])).toEqual([]);
  });

  it('are told of the parts of arrays', async () => {
    const store = newStore();
    expect(
      await warnings(counts, store, [
        ['a', 1],
        ['b', null],
        ['c', 2],
      ]),
    ).toEqual([]);
    expect(await warnings(counts, store, [['a', '1']])).toEqual([
      expect.stringContaining('["a","1"] is [text, text], and keys were [text, number] until now'),
    ]);
  });

  it('are told in later stages', async () => {
    expect(await warnings(twoStages, newStore(), [1, 2, 3, 4, 5])).toEqual([
      expect.stringContaining('aggregate#1 gets keys of another type: "3" is text, and keys were number until now'),
    ]);
  });
});
