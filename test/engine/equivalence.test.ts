/**
 * Invariant 3: however a job is run (mode, preloading, memory, caches, restarts, when folds, compactions and collections
 * happen), its results and its state are those of a sequential run, byte for byte.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { commitPaths } from '../../lib/commit/commit-work.ts';
import { StoreTimeoutError } from '../../lib/errors.ts';
import type { Job } from '../../lib/index.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { GetResult, ObjectStore } from '../../lib/object-store/object-store.ts';
import type { Gathered } from '../../lib/plan/gathered.ts';
import { LmdbBlockCache } from '../../lib/state/block-cache.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { seededRandom } from '../../lib/util/random.ts';
import {
  FastClock,
  gather,
  isFlush,
  type OpenEngine,
  outcomeOf,
  physical,
  runScript,
  type ScriptBatch,
  type ScriptOptions,
} from '../helpers/engine.ts';
import { anyScript, JOB_KINDS, JOBS, type JobKind } from '../helpers/engine-jobs.ts';
import { modelRun } from '../helpers/model-run.ts';
import { crashAfter, hookedStore } from '../helpers/stores.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'misa-equivalence-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let caches = 0;

/** What may go wrong with reads of SSTs while `on`. */
interface Disturbance {
  on: boolean;
  readonly next: () => number;
}

interface Variant {
  readonly name: string;
  readonly changes?: (seed: number) => Partial<PhysicalJob>;
  readonly options?: Partial<ScriptOptions>;
  readonly between?: (opened: OpenEngine, next: () => number) => Promise<void> | void;
  readonly crashes?: boolean;
  readonly lmdb?: boolean;
  /** Preloading, in place of all that the batch will read, in time. */
  readonly preload?: (
    opened: OpenEngine,
    gathered: Gathered,
    disturbance: Disturbance,
    script: readonly ScriptBatch[],
    i: number,
  ) => Promise<void> | void;
  /** What reads of SSTs meet while a disturbance is on. */
  readonly disturbed?: (answer: () => Promise<GetResult>, disturbance: Disturbance) => Promise<GetResult>;
}

const memory = (cacheBytes: number): Partial<PhysicalJob> => ({ state: { ttlMs: undefined, cacheBytes } });

const VARIANTS: readonly Variant[] = [
  { name: 'mode sync', changes: () => ({ commit: { mode: 'sync', maxLag: 8 } }) },
  { name: 'mode sync without memory', changes: () => ({ commit: { mode: 'sync', maxLag: 8 }, ...memory(1) }) },
  { name: 'preload off, no rows in memory', changes: () => ({ preload: 'off', ...memory(1) }) },
  { name: 'preload metadata, no rows in memory', changes: () => ({ preload: 'metadata', ...memory(1) }) },
  {
    name: 'preload keys, few rows in memory',
    changes: (seed) => ({ preload: 'keys', ...memory(300 + (seed % 3000)) }),
  },
  {
    name: 'cold before each batch',
    between: ({ engine }) => {
      for (const runner of engine.stages.flat()) runner.state.reset();
    },
  },
  { name: 'an LMDB cache and no rows in memory', changes: () => memory(1), lmdb: true },
  {
    name: 'nothing folded until the lag is reached',
    changes: () => ({ commit: { mode: 'async', maxLag: 2 } }),
    options: { commits: 'asked' },
  },
  {
    name: 'folds, compactions and collections at random, little memory',
    changes: (seed) => memory(1 + (seed % 1500)),
    options: { commits: 'asked', retentionMs: 130_000 },
    async between({ committer, file }, next) {
      for (const p of commitPaths(file)) if (next() < 0.4) await committer.loop.foldNow(p);
      for (const p of commitPaths(file)) if (next() < 0.3) await committer.loop.compactAll(p);
      if (next() < 0.5) await committer.loop.collect();
    },
  },
  { name: 'segments apart from their plans', options: { insideBytes: 0 } },
  { name: 'restarts at random', crashes: true },
  { name: 'restarts at random, segments apart from their plans', crashes: true, options: { insideBytes: 0 } },
  {
    name: 'restarts at random, large segments apart, a part of the engine cold',
    crashes: true,
    options: { insideBytes: 400 },
    between: ({ engine }) => engine.stages[0]![0]!.state.reset(),
  },
  {
    name: 'restarts at random, by reference, without memory',
    crashes: true,
    changes: () => memory(1),
    options: { byReference: true },
  },
];

/** Rows preloaded in all runs of a variant, by its name. */
const preloadedRows = new Map<string, number>();

/** Some rows in memory, of which few may be brought ahead. */
const LITTLE = memory(4000);

function oftenCold({ engine }: OpenEngine, next: () => number): void {
  for (const { state } of engine.stages.flat()) if (next() < 0.7) state.reset();
}

/** The commit side reads nothing while preloading does: what that meets is not its. */
const folding: Pick<Variant, 'options' | 'between'> = {
  options: { commits: 'asked' },
  async between(opened, next) {
    for (const p of commitPaths(opened.file)) if (next() < 0.5) await opened.committer.loop.foldNow(p);
    oftenCold(opened, next);
  },
};

const PRELOADING: readonly Variant[] = [
  { name: 'preloaded in time', changes: () => LITTLE, between: oftenCold },
  { name: 'preloaded in time, an LMDB cache', changes: () => LITTLE, between: oftenCold, lmdb: true },
  {
    name: 'preloaded late: the batch begins at once',
    changes: () => LITTLE,
    between: oftenCold,
    preload: async ({ engine }, gathered, { next }) => {
      void engine.preload(gathered);
      for (let turns = Math.floor(next() * 12); turns > 0; turns--) await new Promise((go) => setImmediate(go));
    },
    disturbed: async (answer, { next }) => {
      for (let turns = Math.floor(next() * 6); turns > 0; turns--) await new Promise((go) => setImmediate(go));
      return answer();
    },
  },
  {
    name: 'preloaded as rows come',
    changes: () => LITTLE,
    between: oftenCold,
    preload: async ({ engine }, gathered, { next }, script, i) => {
      const first = Object.entries(script[i]!).map(([source, rows]) => [source, rows.slice(0, rows.length / 2)]);
      const { job } = engine.context;
      engine.preloadSome(gather(job, Object.fromEntries(first), `rows-${i}`).inputs, next() < 0.5 ? 1e9 : 0);
      await engine.preload(gathered);
    },
  },
  {
    name: 'preloaded wrong: the rows of another batch',
    changes: () => LITTLE,
    between: oftenCold,
    preload: ({ engine }, _, { next }, script) => {
      const other = script[Math.floor(next() * script.length)]!;
      return engine.preload(gather(engine.context.job, isFlush(other) ? {} : other, 'other'));
    },
  },
  {
    name: 'preloaded from a store that fails',
    changes: () => LITTLE,
    ...folding,
    preload: whileDisturbed,
    disturbed: async (answer, { on, next }) => {
      if (on && next() < 0.5) throw new StoreTimeoutError('as the test wants it');
      return answer();
    },
  },
  {
    name: 'preloaded from a store that gives damaged bytes',
    changes: () => LITTLE,
    ...folding,
    lmdb: true,
    preload: whileDisturbed,
    disturbed: async (answer, { on, next }) => {
      const result = await answer();
      if (!on || !result.found || next() < 0.5) return result;
      const body = Uint8Array.from(result.body);
      body[Math.floor(next() * body.length)]! ^= 1 << Math.floor(next() * 8);
      return { ...result, body };
    },
  },
];

async function whileDisturbed({ engine }: OpenEngine, gathered: Gathered, disturbance: Disturbance): Promise<void> {
  disturbance.on = true;
  await engine.preload(gathered);
  disturbance.on = false;
}

function disturbedStore(store: ObjectStore, { disturbed }: Variant, disturbance: Disturbance): ObjectStore {
  if (disturbed === undefined) return store;
  return {
    ...hookedStore(store, {}),
    get: (name, options) => {
      const answer = (): Promise<GetResult> => store.get(name, options);
      return name.includes('/sst/') ? disturbed(answer, disturbance) : answer();
    },
  };
}

async function runVariant(kind: JobKind, script: readonly ScriptBatch[], variant: Variant, seed: number) {
  const { changes, options, between, crashes = false, lmdb = false, preload } = variant;
  const clock = new FastClock();
  const store = new MemoryStore({ clock });
  const job = physical(JOBS[kind](), changes?.(seed));
  const random = seededRandom(seed);
  const disturbance: Disturbance = { on: false, next: random.next };
  const directory = path.join(folder, `cache-${caches++}`);
  const cache = lmdb ? LmdbBlockCache.open(directory, 1 << 20) : undefined;
  const all: ScriptOptions = {
    job,
    store,
    clock,
    script,
    cache,
    flush: true,
    ...options,
    between: between === undefined ? undefined : (opened) => between(opened, random.next),
    preload: preload && ((opened, gathered, i) => preload(opened, gathered, disturbance, script, i)),
  };
  for (let lives = 0; ; lives++) {
    // The first lives are short; the last one is let live.
    const hooks =
      crashes && lives < 4
        ? crashAfter(Math.floor(random.next() * 60 * 2 ** lives), random.next() < 0.5 ? 'before' : 'after effect')
        : {};
    try {
      const done = await runScript({ ...all, store: hookedStore(disturbedStore(store, variant, disturbance), hooks) });
      for (const { reads } of done) {
        preloadedRows.set(variant.name, (preloadedRows.get(variant.name) ?? 0) + (reads.preloaded?.rows ?? 0));
      }
      await cache?.close();
      return { done, outcome: await outcomeOf(store, job) };
    } catch (error) {
      if (!crashes || lives >= 4) throw error;
    }
  }
}

const sorted = (rows: readonly unknown[]): string[] => rows.map((row) => JSON.stringify(row)).sort();
const byName = (job: PhysicalJob, out: unknown): Record<string, readonly unknown[]> =>
  job.single ? { [job.outputs[0]!.name]: out as unknown[] } : (out as Record<string, unknown[]>);

/** The engine's batches against the model's, batch by batch. */
async function compareWithModel(
  kind: JobKind,
  script: readonly ScriptBatch[],
  done: Awaited<ReturnType<typeof runScript>>,
) {
  const definition = JOBS[kind]() as Job<never>;
  const model = await modelRun(definition);
  const { physical: job } = model;
  const expected: Record<string, readonly unknown[]>[] = [];
  for (const batch of script) {
    if (isFlush(batch)) {
      expected.push(byName(job, await model.flush()));
      continue;
    }
    for (const [source, rows] of Object.entries(batch)) model.send(source, rows);
    expected.push(byName(job, await model.runBatch()));
  }
  // The run ends with a flush, unless it has just had one.
  if (!isFlush(script.at(-1)!)) expected.push(byName(job, await model.flush()));

  const found: Record<string, unknown[]>[] = [];
  for (const { plan, committed } of done) {
    if (plan.plan.kind !== 'empty') found.push(Object.fromEntries(job.outputs.map(({ name }) => [name, []])));
    const group = found[found.length - 1]!;
    for (const { name, stage, kind: outputKind } of job.outputs) {
      const rows = committed[stage]!.flatMap(({ entry }) => {
        const text = Buffer.from(entry!.output(entry!.header.outputs.indexOf(name))).toString('utf8');
        return text
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line));
      });
      if (outputKind === 'table') group[name] = rows;
      else group[name]!.push(...rows);
    }
  }
  expect(found.length).toBe(expected.length);
  for (const [i, group] of expected.entries()) {
    for (const { name } of job.outputs) {
      expect(sorted(found[i]![name]!), `batch ${i}, output ${name}`).toEqual(sorted(group[name]!));
    }
  }
  const counts = { rows: 0, late: 0, skipped: 0, quarantined: 0 };
  for (const batch of done) {
    counts.rows += batch.plan.plan.counts.rows;
    counts.late += batch.counts.late;
    counts.skipped += batch.counts.skipped;
    counts.quarantined += batch.counts.quarantined;
  }
  const { rows, ...fates } = counts;
  expect({ applied: rows - fates.late - fates.skipped - fates.quarantined, ...fates }, 'invariant 9').toEqual(
    model.counts,
  );
}

describe('equivalence', () => {
  for (const kind of JOB_KINDS) {
    it(`invariants 3 and 9: ${kind}: the engine gives what the sequential model gives, batch by batch`, async () => {
      await fc.assert(
        fc.asyncProperty(anyScript(kind), async (script) => {
          const { done } = await runVariant(kind, script, { name: 'plain' }, 1);
          await compareWithModel(kind, script, done);
        }),
        { numRuns: 8 },
      );
    });
  }

  for (const variant of [...VARIANTS, ...PRELOADING]) {
    it(`invariants 3, 5 and 7: ${variant.name}: results and state are the same to the byte`, async () => {
      const compare = async (kind: JobKind, seed: number): Promise<void> => {
        const script = fc.sample(anyScript(kind), { numRuns: 1, seed })[0]!;
        const plain = await runVariant(kind, script, { name: 'plain' }, seed);
        const other = await runVariant(kind, script, variant, seed);
        expect(other.outcome, `${kind}, script of seed ${seed}`).toEqual(plain.outcome);
      };
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...JOB_KINDS), fc.infiniteStream(fc.nat()), (kind, stream) =>
          compare(kind, stream.next().value),
        ),
        { numRuns: 6 },
      );
      if (!PRELOADING.includes(variant)) return;
      const happened = (): boolean => (preloadedRows.get(variant.name) ?? 0) > 0;
      for (let seed = 1; !happened() && seed <= 30; seed++) await compare('running', seed);
      expect(happened(), 'rows were preloaded').toBe(true);
    });
  }
});
