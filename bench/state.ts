/**
 * `state`: rows in memory, without an engine around them: a scan of few times among many, looking up and touching the keys of a
 * batch, what a row takes.
 */
import { KeyColumn } from '../lib/columns/key-column.ts';
import { MemoryRows } from '../lib/state/memory-rows.ts';
import { encodeKey } from '../lib/stream/operators/key.ts';
import { seededRandom } from '../lib/util/random.ts';
import { inChild } from './child.ts';
import { median } from './measure.ts';
import type { BenchOptions } from './options.ts';
import type { Finding } from './report.ts';

const TIMES = 300_000;
const SCANNED = 143;
const SCAN_MS = 1;
const BATCH = 20_000;
const WIDTH = 3;
const REPEATS = 31;

export interface StateResult {
  /** ms of each run. */
  readonly scan: readonly number[];
  readonly touch: readonly number[];
  /** Memory of arrays by row, and what it is taken to be. */
  readonly bytesARow: number;
  readonly estimatedBytesARow: number;
}

export async function benchState({ quick }: BenchOptions): Promise<Finding> {
  const keys = quick ? 200_000 : 1_000_000;
  const { value } = await inChild<StateResult>('state', { keys }, ['--expose-gc']);
  const scanMs = median(value.scan);
  const touchMs = median(value.touch);
  return {
    name: 'state',
    tables: [
      {
        title: 'Rows in memory',
        columns: ['what', 'p50'],
        rows: [
          [`scan of ${SCANNED} of ${TIMES} times, ms`, scanMs],
          [`${BATCH} keys of ${keys} looked up and touched, ms`, touchMs],
          ['bytes a row of three numbers, key of 18 bytes', value.bytesARow],
          ['the same as the budget of memory counts it', value.estimatedBytesARow],
        ],
      },
    ],
    budgets: [
      {
        what: `scan of ${SCANNED} of ${TIMES} times`,
        aim: `< ${SCAN_MS} ms`,
        found: `${scanMs.toFixed(2)} ms`,
        met: scanMs < SCAN_MS,
      },
    ],
    plots: {},
    data: value,
  };
}

export function measureState({ keys }: { readonly keys: number }): Promise<StateResult> {
  const random = seededRandom(1);
  const rows = new MemoryRows(1 << 30, true, { kinds: ['keyed', 'timed'], widths: [WIDTH, WIDTH] });
  const before = arrayBytes();
  const all = KeyColumn.of(Array.from({ length: keys }, (_, i) => userKey(i)));
  const keyBytes = arrayBytes() - before;
  const table = rows.table(0);
  for (let i = 0; i < keys; i++) {
    const id = table.intern(all, i, 0);
    table.setNumbers(id, [1, 2.5, 3.5], 0);
    rows.held(table, id, 18, 20);
  }
  const bytesARow = (arrayBytes() - before - keyBytes) / keys;
  const estimatedBytesARow = rows.bytes / keys;
  const touch = repeated(() => {
    const batch = new KeyColumn(BATCH, 18);
    for (let i = 0; i < BATCH; i++) batch.pushFrom(all, Math.floor(random.next() * keys));
    const startMs = performance.now();
    for (let i = 0; i < BATCH; i++) table.touch(table.intern(batch, i, 0));
    const ms = performance.now() - startMs;
    table.endBatch((id) => table.release(id));
    return ms;
  });
  for (let i = 0; i < TIMES; i++) rows.put(1, i * 1000, userKey(i), [1, 2, 3], 4);
  const scan = repeated(() => {
    const after = Math.floor(random.next() * (TIMES - SCANNED)) * 1000;
    const startMs = performance.now();
    let found = 0;
    for (const chunk of rows.scan(1, after, after + SCANNED * 1000)) found += chunk.length;
    if (found !== SCANNED) throw new Error(`found ${found} rows`);
    return performance.now() - startMs;
  });
  return Promise.resolve({ scan, touch, bytesARow, estimatedBytesARow });
}

/** Without garbage, where the process may collect it. */
function arrayBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().arrayBuffers;
}

function userKey(i: number): string {
  return encodeKey(`user-${String(i).padStart(11, '0')}`);
}

function repeated(run: () => number): number[] {
  return Array.from({ length: REPEATS }, run);
}
