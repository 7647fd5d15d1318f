/** Windows on the engine's tables: what closing them writes, reads and leaves. */
import { describe, expect, it } from 'vitest';
import { count, type OutputMode, tumbling } from '../../lib/index.ts';
import { resolveOptions } from '../../lib/stream/api/job-options.ts';
import { PLAIN_CALLS } from '../../lib/stream/graph/calls.ts';
import type { Fold } from '../../lib/stream/graph/fold-spec.ts';
import type { FixedWindowSpec } from '../../lib/stream/graph/window-spec.ts';
import { windowFold } from '../../lib/stream/operators/window-fold.ts';
import { OperatorFixture } from '../helpers/operator-fixture.ts';

const fold: Fold = { kind: 'aggregate', columns: [{ name: 'n', aggregate: count() as never }] };
const windows = (outputMode: OutputMode = 'append') =>
  windowFold(tumbling(10) as unknown as FixedWindowSpec, fold, {}).make('windows#0', {
    job: resolveOptions({ outputMode }),
    calls: PLAIN_CALLS,
    isRead: () => true,
  });
const KEYS = Array.from({ length: 200 }, (_, i) => `key ${i}`);
const rowsAt = (...times: number[]) => [times.flatMap((time) => KEYS.map((key) => ({ key, time, row: {} })))];

describe('windows that close', () => {
  it.each([
    ['in memory', 1 << 20],
    ['cold', 1],
  ])('are forgotten by one entry, without a tombstone: %s', async (_, rowBytes) => {
    const fixture = new OperatorFixture(windows(), 'append', rowBytes);
    await fixture.batch({ rows: rowsAt(1, 11) });
    await fixture.engine.fold();
    await fixture.engine.catchUp();
    const { out, closedTo } = await fixture.batch({ rows: rowsAt(12), evict: 10 });
    expect(out[0]!.map(({ time }) => time)).toEqual(KEYS.map(() => 9));
    expect(closedTo).toBe(10);
    const { header } = await fixture.engine.entry(2);
    expect(header).toMatchObject({ changes: KEYS.length, forgotten: [[0, 10]] });
    await fixture.engine.restart();
    await fixture.engine.catchUp();
    expect((await fixture.rowsOf(0)).map(({ time }) => time)).toEqual(KEYS.map(() => 20));
    // Too late for a window that is forgotten.
    const after = await fixture.batch({ rows: rowsAt(5) });
    expect([after.late, after.out[1]!.length]).toEqual([KEYS.length, KEYS.length]);
  });

  it('in mode update are forgotten unread', async () => {
    const fixture = new OperatorFixture(windows('update'), 'update', 1);
    await fixture.batch({ rows: rowsAt(1) });
    await fixture.engine.compact();
    await fixture.engine.restart();
    await fixture.engine.catchUp();
    expect(await fixture.batch({ evict: 10 })).toMatchObject({ out: [[], []], requests: 0 });
    expect(await fixture.rowsOf(0)).toEqual([]);
  });

  it('in a flush are forgotten up to the last, so that windows may open again', async () => {
    const fixture = new OperatorFixture(windows());
    await fixture.batch({ rows: rowsAt(1, 11) });
    const { out, closedTo } = await fixture.batch({ evict: Number.POSITIVE_INFINITY });
    expect([out[0]!.length, closedTo]).toEqual([2 * KEYS.length, 20]);
    await fixture.batch({ rows: rowsAt(21) });
    expect(await fixture.rowsOf(0)).toHaveLength(KEYS.length);
  });
});
