/** `process`, whatever becomes of state between batches, against what its words say. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Job, job, source } from '../../lib/index.ts';
import { encodeKey } from '../../lib/stream/operators/key.ts';
import { allOf } from '../helpers/chunks.ts';
import { OperatorFixture } from '../helpers/operator-fixture.ts';
import {
  anyPrograms,
  anyRow,
  byTimeAndKey,
  fit,
  operatorOf,
  ProcessModel,
  type Programs,
  parse,
  type Row,
} from './process-model.ts';

const BETWEEN = ['nothing', 'fold', 'compact', 'restart'] as const;
const input = source<Row>('in', { eventTime: (r) => r.t, delay: 0 });

interface Batch {
  readonly rows: readonly Row[];
  readonly watermark: number;
  readonly processingTime: number;
  readonly flush: boolean;
  readonly between: (typeof BETWEEN)[number];
}

const anyBatches: fc.Arbitrary<readonly Batch[]> = fc
  .array(
    fc.record({
      rows: fc.array(anyRow, { maxLength: 5 }),
      moves: fc.constantFrom(0, 0, 1, 2, 5, 9),
      ticks: fc.constantFrom(0, 0, 1, 3, 8),
      flush: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
      between: fc.constantFrom(...BETWEEN),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((batches) => {
    let [watermark, processingTime] = [0, 100];
    return batches.map(({ rows, moves, ticks, ...batch }) => {
      watermark += moves;
      processingTime += ticks;
      return { ...batch, rows: rows.map((row) => ({ ...row, t: row.t + watermark })), watermark, processingTime };
    });
  });

function jobOf(programs: Programs, ttl: number | undefined): Job<unknown> {
  const rows = input.keyBy((r) => r.k).process(operatorOf(programs));
  // What comes behind sees the event times.
  const times = rows
    .keyBy(() => null)
    .process<null, unknown>({
      init: () => null,
      onRow: (row, ctx) => ctx.emit({ row, time: ctx.eventTime }),
    });
  return job('j', times, { onError: 'quarantine', ...(ttl === undefined ? {} : { state: { ttl } }) });
}

async function between(fixture: OperatorFixture, what: (typeof BETWEEN)[number]): Promise<void> {
  await fixture.each(async (engine) => {
    if (what === 'fold') await engine.fold();
    if (what === 'compact') await engine.compact();
    if (what === 'restart') await engine.restart();
    if (what !== 'nothing') await engine.catchUp();
  });
}

async function entriesOf(fixture: OperatorFixture, key: string): Promise<number> {
  const attempt = fixture.engines[0]!.begin();
  const entries = await allOf(attempt.ordered(1).range(encodeKey(key)));
  attempt.drop();
  return entries.length;
}

async function compare(fixture: OperatorFixture, model: ProcessModel, now: number): Promise<void> {
  const addresses = async (table: number): Promise<[number, string][]> =>
    (await fixture.rowsOf(table)).map(({ time, key }) => [time, key.slice(1, -1)]);
  const keys = [...model.keys].sort(([a], [b]) => (a < b ? -1 : 1));
  expect((await addresses(0)).map(([, key]) => key)).toEqual(keys.map(([key]) => key));
  expect((await addresses(5)).map(([, key]) => key)).toEqual(
    keys.flatMap(([key, { touched }]) => (touched === undefined ? [] : [key])),
  );
  for (const key of ['a', 'b', 'c', 'd']) {
    const { map, list } = model.keys.get(key)?.held ?? {};
    expect(await entriesOf(fixture, key), key).toBe((map?.size ?? 0) + (list?.length ?? 0));
  }
  expect(await addresses(2)).toEqual([...model.timers.event].map(parse).sort(byTimeAndKey));
  const processing = [...model.timers.processing].map(parse).sort(byTimeAndKey);
  expect(await addresses(3)).toEqual(processing);
  const next = (await fixture.rowsOf(4)).map(({ row }) => row as number);
  if (processing.length > 0) {
    expect(next[0]).toBeLessThanOrEqual(processing[0]![0]);
    expect(next[0]).toBeGreaterThan(now);
  }
}

describe('process', () => {
  it.each([
    ['without ttl', undefined],
    ['with ttl', 6],
  ])('%s does what its programs say, in any memory, folded and restarted', async (_, ttl) => {
    await fc.assert(
      fc.asyncProperty(anyPrograms, anyBatches, fc.constantFrom(1, 1 << 20), async (some, given, rowBytes) => {
        const { async } = some;
        const programs = { async, timers: some.timers.map((steps) => fit(steps, async)) };
        const batches = given.map((batch) => ({
          ...batch,
          rows: batch.rows.map((row) => ({ ...row, steps: fit(row.steps, async) })),
        }));
        const fixture = new OperatorFixture(jobOf(programs, ttl), rowBytes);
        const model = new ProcessModel(programs, ttl);
        for (const batch of batches) {
          const { rows, between: what, ...plan } = batch;
          const { out, counts, quarantined } = await fixture.batch({ rows: { in: rows }, ...plan });
          // A flush has moved the watermark.
          model.batch({ ...batch, watermark: fixture.watermark });
          expect(out.out).toEqual(model.out);
          expect(quarantined).toHaveLength(model.refused);
          const wanted = { rows: rows.length, late: 0, skipped: 0 };
          expect(counts[0]).toMatchObject(wanted);
          expect(counts[0]!.quarantined + counts[0]!.setAside!).toBe(model.refused);
          await compare(fixture, model, batch.processingTime);
          await between(fixture, what);
        }
      }),
      { numRuns: 300 },
    );
  });
});
