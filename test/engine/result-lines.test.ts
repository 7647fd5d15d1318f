/** Results that nothing looks at are written as text; the same bytes come out as when a function takes each row and gives it back. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { avg, count, type Job, job, type Key, max, min, sliding, source, sum, tumbling } from '../../lib/index.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { FastClock, FLUSH, physical, publishedOf, runScript, type ScriptBatch } from '../helpers/engine.ts';

interface Row {
  readonly k: Key;
  readonly v: number | string | null;
  readonly t: number;
}

const value = (r: Row): number | null => (typeof r.v === 'number' ? r.v : null);
/** Names that JSON escapes, that objects put first, that only look like numbers. */
const NAMES = ['n', 'a "b" \\', 'ü\n', '\ud800', '1.5', '-1', '007', '7', 'toJSON', 'constructor'];
const AGGREGATES = [
  count<Row>(),
  sum(value),
  avg(value),
  min((r: Row) => r.v as number),
  max((r: Row) => r.v as string),
] as const;

const part = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 4 }),
  fc.constantFrom('user-00000007919', '"', '\\', '\u007f', '\u0000', 'é', '\ud83d'),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(null, true, false),
);
const key: fc.Arbitrary<Key> = fc.oneof({ weight: 3, arbitrary: part }, { weight: 1, arbitrary: fc.array(part) });
const v = fc.oneof(
  fc.double({ noNaN: true, min: -1e300, max: 1e300 }),
  fc.integer(),
  fc.integer({ min: -1e6, max: 1e6 }).map((cents) => cents / 100),
  fc.constantFrom(0, -0, 5e-324, 1e21, 1e-7, null),
);
const row = (keys: readonly Key[]): fc.Arbitrary<Row> =>
  fc.record({
    k: fc.constantFrom(...keys),
    v: fc.oneof({ weight: 20, arbitrary: v }, { weight: 1, arbitrary: fc.constantFrom('text', '') }),
    t: fc.integer({ min: 0, max: 40_000 }),
  });

const jobOf = (spec: Record<string, (typeof AGGREGATES)[number]>, windowed: string, mode: string, mapped: boolean) => {
  const rows = source<Row>('rows', { eventTime: (r) => r.t, delay: '5 s' }).keyBy((r) => r.k);
  const windows = windowed === 'sliding' ? sliding('10 s', '5 s') : tumbling('10 s');
  const results = windowed === '' ? rows.aggregate(spec) : rows.window(windows).aggregate(spec);
  const out = mapped ? results.map((r) => r as object) : results;
  return job('lines', out, { outputMode: mode as 'update', onError: 'quarantine' }) as Job<unknown>;
};

const shape = fc.record({
  spec: fc
    .uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 5 })
    .chain((names) => fc.tuple(...names.map((name) => fc.tuple(fc.constant(name), fc.constantFrom(...AGGREGATES))))),
  form: fc
    .tuple(fc.constantFrom('append', 'update', 'complete'), fc.constantFrom('tumbling', 'sliding', ''))
    .filter(([mode, windowed]) => mode !== 'append' || windowed !== ''),
  batches: fc
    .uniqueArray(key, { minLength: 1, maxLength: 5, comparator: 'SameValue' })
    .chain((keys) => fc.array(fc.array(row(keys), { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 4 })),
});

it('gives the same bytes as rows that are looked at', async () => {
  let written = 0;
  await fc.assert(
    fc.asyncProperty(shape, async ({ spec, form, batches }) => {
      const [mode, windowed] = form;
      const script: ScriptBatch[] = [...batches.map((rows) => ({ rows })), FLUSH];
      const published = async (mapped: boolean) => {
        const made = physical(jobOf(Object.fromEntries(spec), windowed, mode, mapped));
        expect(made.stages[0]!.operators[0]!.results[0]).toBe(mapped ? undefined : 0);
        const store = new MemoryStore({ clock: new FastClock() });
        await runScript({ job: made, store, script });
        return await publishedOf(store, made);
      };
      const lines = await published(false);
      expect(lines).toEqual(await published(true));
      written += Object.keys(lines).length;
    }),
    { numRuns: 200 },
  );
  expect(written).toBeGreaterThan(0);
});
