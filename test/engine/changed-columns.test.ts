/**
 * A job that goes on with other columns: columns that went are gone, those that came count from there on, the others are as if nothing
 * had happened; wherever the rows of state are, whatever is killed when, and with the old job again.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Engine } from '../../lib/embedded/engine.ts';
import { FencedError } from '../../lib/errors.ts';
import { count, type JobOptions, job, source, sum } from '../../lib/index.ts';
import { readJobFile } from '../../lib/job/job-file.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import {
  changeOf,
  changesLayout,
  type Group,
  groupsOf,
  jobOf,
  layoutsOf,
  plannedRows,
  type Row,
  type Shape,
  shapeOf,
  shownOf,
  type Version,
  versionsOf,
} from '../helpers/changed-columns.ts';
import { FastClock, gather, openEngine, rowsOf, runScript, type ScriptOptions, stateOf } from '../helpers/engine.ts';
import { crashAfter, hookedStore, listAll } from '../helpers/stores.ts';

const rowOf = fc.record(
  { k: fc.constantFrom('a', 'b', 'c', 'd'), v: fc.integer({ min: -9, max: 9 }), t: fc.nat(300) },
  { noNullPrototype: true },
);
const batchesOf = fc.array(fc.array(rowOf, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 });

interface Life {
  readonly version: Version;
  /** Of all batches, up to here. */
  readonly upTo: number;
}

class World {
  readonly store: MemoryStore;
  readonly clock = new FastClock();
  readonly #shape: Shape;
  readonly #how: Partial<ScriptOptions>;
  /** By the version of the layout that they made. */
  readonly versions = new Map<number, Version>();

  constructor(shape: Shape, how: Partial<ScriptOptions>) {
    this.#shape = shape;
    this.#how = how;
    this.store = new MemoryStore({ clock: this.clock });
  }

  /** Runs a version of the job up to a batch. */
  async run({ version, upTo }: Life, batches: readonly (readonly Row[])[], more: Partial<ScriptOptions> = {}) {
    const job = compileJob(jobOf(version, this.#shape));
    const script = batches.slice(0, upTo).map((rows) => ({ rows }));
    const { store, clock } = this;
    try {
      await runScript({ ...this.#how, job, store, clock, script, ...more });
    } finally {
      const { layoutVersion = 1 } = await readJobFile(store, 'j');
      if (!this.versions.has(layoutVersion)) this.versions.set(layoutVersion, version);
    }
  }

  /** What came out is what the model says. */
  async check(script: readonly (readonly Row[])[]): Promise<void> {
    const { windows, partitions } = this.#shape;
    const batches = await plannedRows(this.store, script);
    expect(batches.flat()).toEqual(script.flat());
    const layouts = await layoutsOf(this.store, partitions);
    const shown = (key: string, n: number, group?: Group): object => ({
      key,
      ...(group === undefined ? {} : { windowStart: group.start, windowEnd: group.end }),
      ...shownOf(
        { key, isIn: ({ t }) => group === undefined || (t >= group.start && t < group.end), timed: isTimed(windows) },
        n,
        batches,
        this.versions,
        layouts,
      ),
    });
    const results = await rowsOf(this.store, compileJob(jobOf(this.versions.get(1)!, this.#shape)), 'out');
    if (isTimed(windows)) {
      const groups = groupsOf(script.flat(), windows);
      const wanted = groups.map((group) => shown(group.key, batches.length, group));
      expect(sorted(results.flat())).toEqual(sorted(wanted));
      return;
    }
    expect(results).toHaveLength(batches.length);
    for (const [i, rows] of batches.entries()) {
      const seen = windows === 'table' ? batches.slice(0, i + 1).flat() : rows;
      const wanted = [...new Set(seen.map(({ k }) => k))].map((key) => shown(key, i + 1));
      expect(sorted(results[i]!), `batch ${i + 1}`).toEqual(sorted(wanted));
    }
  }
}

const isTimed = (windows: Shape['windows']): windows is 'tumbling' | 'session' =>
  windows === 'tumbling' || windows === 'session';
const sorted = (rows: readonly unknown[]): string[] =>
  rows.map((row) => JSON.stringify(Object.fromEntries(Object.entries(row as object).sort(byName)))).sort();
const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1);

/** A job of some columns, changes of it, and the rows that each version reads. */
const storyOf = fc.boolean().chain((numbers) =>
  fc.record({
    shape: shapeOf,
    foldEvery: fc.integer({ min: 1, max: 3 }),
    commits: fc.constantFrom('inline' as const, 'asked' as const),
    first: fc.array(fc.constantFrom(...(numbers ? ['count', 'sum', 'avg'] : ['count', 'topN', 'collect', 'max'])), {
      minLength: 1,
      maxLength: 3,
    }),
    changes: fc.array(changeOf(numbers), { minLength: 1, maxLength: 3 }),
    parts: fc.array(batchesOf, { minLength: 4, maxLength: 4 }),
  }),
);

describe('a job with other columns', () => {
  it('invariant 3: columns that come count from there on, those that go are gone, the others stay', async () => {
    await fc.assert(
      fc.asyncProperty(storyOf, async ({ shape, foldEvery, commits, first, changes, parts }) => {
        const versions = versionsOf(first, changes);
        const batches = parts.slice(0, versions.length).flat();
        const world = new World(shape, { foldEvery, commits });
        let upTo = 0;
        for (const [i, version] of versions.entries()) {
          upTo += parts[i]!.length;
          const isLast = i === versions.length - 1;
          await world.run({ version, upTo }, batches, { flush: isTimed(shape.windows) && isLast });
        }
        await world.check(batches);
      }),
      { numRuns: 60 },
    );
  });

  it('invariants 1 to 4: killed at any request of the change, it goes on with the new job, or with the old one', async () => {
    await fc.assert(
      fc.asyncProperty(storyOf, fc.nat(60), fc.boolean(), fc.boolean(), async (story, at, before, old) => {
        const { shape, foldEvery, commits, first, changes, parts } = story;
        const [a, b] = versionsOf(first, changes) as [Version, Version];
        fc.pre(changesLayout(a, b));
        const batches = parts.slice(0, 3).flat();
        const world = new World(shape, { foldEvery, commits });
        const upTo = parts[0]!.length;
        await world.run({ version: a, upTo }, batches);
        const killed = hookedStore(world.store, crashAfter(at, before ? 'before' : 'after effect'));
        const crash = world.run({ version: b, upTo: upTo + parts[1]!.length }, batches, { store: killed });
        await crash.catch(() => {});
        const back = backTo(a, b);
        await world.run({ version: old ? back : b, upTo: batches.length }, batches, {
          flush: shape.windows !== 'none',
        });
        await world.check(batches);
      }),
      { numRuns: 120 },
    );
  });

  it('invariants 1 to 4: the old job killed at any request, it goes on with the new one', async () => {
    await fc.assert(
      fc.asyncProperty(storyOf, fc.nat(80), fc.boolean(), async (story, at, before) => {
        const { shape, foldEvery, commits, first, changes, parts } = story;
        const [a, b] = versionsOf(first, changes) as [Version, Version];
        fc.pre(changesLayout(a, b));
        const batches = parts.slice(0, 2).flat();
        const world = new World(shape, { foldEvery, commits });
        await world.run({ version: a, upTo: 1 }, batches);
        const killed = hookedStore(world.store, crashAfter(at, before ? 'before' : 'after effect'));
        await world.run({ version: a, upTo: parts[0]!.length }, batches, { store: killed }).catch(() => {});
        await world.run({ version: b, upTo: batches.length }, batches, { flush: isTimed(shape.windows) });
        await world.check(batches);
      }),
      { numRuns: 60 },
    );
  });
});

/** The old job after the new one: what had gone begins anew. */
function backTo(a: Version, b: Version): Version {
  const now = new Map(b.columns.map((column) => [column.id, column]));
  const columns = a.columns.map((column) => (now.has(column.id) ? column : { ...column, id: column.id + 1000 }));
  const renamed = a.columns.flatMap(({ id, name }) => {
    const other = now.get(id);
    return other === undefined || other.name === name ? [] : [[name, other.name] as const];
  });
  const kept = new Set(a.columns.map(({ id }) => id));
  const removed = b.columns.filter(({ id }) => !kept.has(id)).map(({ name }) => name);
  return { columns, state: { renamed: Object.fromEntries(renamed), removed } };
}

interface Event {
  readonly k: string;
  readonly v: number;
}
const events = (columns: object, options: JobOptions = {}) =>
  job(
    'j',
    source<Event>('rows')
      .keyBy((e) => e.k)
      .aggregate(columns as never),
    { outputMode: 'update', ...options },
  );

async function contentOf(store: ObjectStore): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  for (const { name } of await listAll(store, '')) {
    const answer = await store.get(name);
    if (answer.found) content[name] = Buffer.from(answer.body).toString('hex');
  }
  return content;
}

describe('a job that does not fit', () => {
  it.each([
    ['another aggregate', events({ n: sum((e: Event) => e.v) }), /column n is count in the store, sum in the job/],
    ['perhaps renamed', events({ rows: count() }), /column n \(count\) is in the store .* renamed: { "rows": "n" }/],
    ['other partitions', events({ n: count(), s: sum((e: Event) => e.v) }, { partitions: 2 }), /partitions/],
  ])('is refused, and not a byte is written: %s', async (_, other, words) => {
    const store = new MemoryStore({ clock: new FastClock() });
    await runScript({ job: compileJob(events({ n: count() })), store, script: [{ rows: [{ k: 'a', v: 1 }] }] });
    const before = await contentOf(store);
    const opening = openEngine({ job: compileJob(other), store });
    await expect(opening).rejects.toMatchObject({ code: 'JOB_CHANGED', message: expect.stringMatching(words) });
    expect(await contentOf(store)).toEqual(before);
  });
});

describe('a job whose keys are forgotten by another clock', () => {
  const timed = source<Event>('rows', { eventTime: ({ v }) => v, delay: 0 });
  const plain = source<Event>('rows');
  const options = { outputMode: 'update', state: { ttl: 1000 } } as const;
  const totals = (rows: typeof plain, more: JobOptions = options) =>
    compileJob(job('j', rows.keyBy(({ k }) => k).aggregate({ n: count() }), more));
  const processed = (rows: typeof plain) =>
    compileJob(job('j', rows.keyBy(({ k }) => k).process({ init: () => 0, onRow: (_, ctx) => ctx.ttl(1000) })));

  it.each([
    ['no watermark any more', totals(timed), totals(plain), /go by the watermark in the store, by processing time in/],
    ['a watermark', totals(plain), totals(timed), /go by processing time in the store, by the watermark in the job/],
    ['a ttl by key', processed(plain), processed(timed), /go by processing time in the store, by the watermark in/],
    ['no ttl any more', totals(timed), totals(timed, { outputMode: 'update' }), /state\.ttl is off in the job/],
    ['a ttl', totals(timed, { outputMode: 'update' }), totals(timed), /state\.ttl is on in the job and off in the/],
  ])('is refused, and not a byte is written: %s', async (_, before, after, words) => {
    const clock = new FastClock(1e12);
    const store = new MemoryStore({ clock });
    const script = [1, 5000, 9000].map((v) => ({ rows: [{ k: 'a', v }] }));
    await runScript({ job: before, store, clock, script });
    const content = await contentOf(store);
    const opening = openEngine({ job: after, store, clock });
    await expect(opening).rejects.toMatchObject({ code: 'JOB_CHANGED', message: expect.stringMatching(words) });
    expect(await contentOf(store)).toEqual(content);
    // Put back, it goes on.
    const ran = await runScript({ job: before, store, clock, script: [...script, { rows: [{ k: 'a', v: 10_000 }] }] });
    expect(ran.length).toBeGreaterThan(0);
  });
});

describe('⚑ newer-layout', () => {
  const rows = [{ k: 'a', v: 1 }];
  const old = compileJob(events({ n: count(), s: sum((e: Event) => e.v) }));
  const other = compileJob(events({ m: sum((e: Event) => e.v) }, { state: { removed: ['s'] } }));

  it.each([
    ['of which it finds the log entry', false],
    ['of which it finds the manifest', true],
  ])('a process with the old job reads no rows of the new one: %s', async (_, isCold) => {
    const clock = new FastClock();
    const store = new MemoryStore({ clock });
    await runScript({ job: old, store, clock, script: [{ rows }] });
    const left = await openEngine({ job: old, store, clock, commits: 'asked' });
    // It has planned batch 2, and comes to run it when the other one has run it, and more.
    const planned = await left.engine.plan(gather(old, { rows }, 'rows-1'));
    await planned.durable;
    await runScript({ job: other, store, clock, script: [{ rows }, { rows }, { rows }, { rows }] });
    const state = await stateOf(store, old);
    if (isCold) await expect(Engine.open(left.env)).rejects.toThrow(FencedError);
    const running = left.engine.run(planned);
    await expect(running).rejects.toThrow(FencedError);
    await expect(running).rejects.toThrow(/was run with other columns meanwhile \(layout 2 of its state/);
    await left.engine.settled();
    expect(await stateOf(store, old)).toEqual(state);
  });

  it('a process with the new job takes what the old one has committed meanwhile', async () => {
    const clock = new FastClock();
    const store = new MemoryStore({ clock });
    await runScript({ job: old, store, clock, script: [{ rows }] });
    const right = await openEngine({
      job: compileJob(events({ n: count(), x: count() }, { state: { removed: ['s'] } })),
      store,
      clock,
    });
    await expect(runScript({ job: old, store, clock, script: [{ rows }, { rows }] })).resolves.toHaveLength(1);
    expect(right.env.file.layoutVersion).toBe(2);
    await right.engine.settled();
  });
});
