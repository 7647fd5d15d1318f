/**
 * The engine killed at every request to the object store, before its effect and after it, and started again on what is
 * left: results and state are those of a run without faults, byte for byte.
 */
import { describe, expect, it } from 'vitest';
import { StoreError } from '../../lib/errors.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { FastClock, FLUSH, outcomeOf, physical, runScript, type ScriptOptions } from '../helpers/engine.ts';
import { JOB_KINDS, JOBS, type JobKind, sampleScript } from '../helpers/engine-jobs.ts';
import { CrashError, crashAfter, hookedStore, type StoreCall, type StoreHooks, timeOut } from '../helpers/stores.ts';

/** Folds every second batch; folded logs are kept for so short that GC takes them during the run. */
const SMALL: Pick<ScriptOptions, 'foldEvery' | 'retentionMs'> = { foldEvery: 2, retentionMs: 100_000 };

/** Every how many-th request is tried: a sample, shifted each run. What is durable is tried exhaustively, below. */
const STRIDE = Number(process.env.MISA_CRASH_STRIDE ?? 1);
const SHIFT = Math.floor(Math.random() * 1000);
const SAMPLE = 29 * STRIDE;

const VARIANTS: readonly {
  name: string;
  kind: JobKind;
  changes?: Partial<PhysicalJob>;
  byReference?: boolean;
  insideBytes?: number;
  stride?: number;
  batches?: number;
}[] = [
  ...JOB_KINDS.map((kind) => ({ name: kind, kind, stride: SAMPLE })),
  { name: 'two stages, files by reference', kind: 'twoStages', byReference: true, stride: SAMPLE },
  { name: 'two stages, segments apart from their plans', kind: 'twoStages', insideBytes: 0, stride: SAMPLE },
  {
    name: 'tumbling, mode sync',
    kind: 'tumbling',
    changes: { commit: { mode: 'sync', maxLag: 8 } },
    stride: 16 * SAMPLE,
    // So many that they come to a compaction.
    batches: 32,
  },
  {
    name: 'two stages, no rows kept in memory',
    kind: 'twoStages',
    changes: { state: { ttlMs: undefined, cacheBytes: 1 } },
    stride: SAMPLE,
  },
];

type Variant = (typeof VARIANTS)[number];

function scriptOf(
  { kind, changes, byReference, insideBytes, batches = 4 }: Variant,
  store: MemoryStore,
  clock: FastClock,
): ScriptOptions {
  const job = physical(JOBS[kind](), changes);
  const rows = sampleScript(kind, batches);
  // Closed in the middle: what comes behind must know how far, whoever learned it died.
  const script = [...rows.slice(0, 2), FLUSH, ...rows.slice(2)];
  return { ...SMALL, job, store, clock, script, flush: true, byReference: byReference ?? false, insideBytes };
}

/** The run without faults. */
async function faultFree(variant: Variant) {
  const clock = new FastClock();
  const store = new MemoryStore({ clock });
  const calls: StoreCall[] = [];
  const options = scriptOf(variant, store, clock);
  await runScript({ ...options, store: hookedStore(store, { before: (call) => void calls.push(call) }) });
  return { outcome: await outcomeOf(store, options.job), calls };
}

/** Runs with the hooks around the store until the first failure, then again without. @returns whether it failed */
async function withFault(variant: Variant, hooks: StoreHooks) {
  const clock = new FastClock();
  const store = new MemoryStore({ clock });
  const options = scriptOf(variant, store, clock);
  let failure: unknown;
  try {
    await runScript({ ...options, store: hookedStore(store, hooks) });
  } catch (error) {
    failure = error;
  }
  if (failure !== undefined) await runScript(options);
  return { failure, outcome: await outcomeOf(store, options.job) };
}

describe('crash points', () => {
  for (const variant of VARIANTS) {
    it(`invariants 1 to 4 and 12: ${variant.name}: killed before or after each request, the run ends as without faults`, async () => {
      const { outcome, calls } = await faultFree(variant);
      expect(Object.keys(outcome.published).length).toBeGreaterThan(2);
      for (const when of ['before', 'after effect'] as const) {
        const { stride = 1 } = variant;
        for (let n = SHIFT % stride; ; n += stride) {
          const run = await withFault(variant, crashAfter(n, when));
          if (run.failure === undefined) break;
          const where = `killed ${when} request ${n} (shift ${SHIFT})`;
          if (!isCrash(run.failure)) throw new Error(`${where}: it failed with another error`, { cause: run.failure });
          expect(run.outcome, where).toEqual(outcome);
          if (n > 3 * calls.length) throw new Error('it never ends');
        }
      }
    });
  }

  for (const name of ['twoStages', 'two stages, segments apart from their plans', 'tumbling, mode sync']) {
    it(`invariants 1 to 4 and 12: ${name}: from every state that a kill can leave in the store, the run ends as without faults`, async () => {
      const variant = VARIANTS.find((v) => v.name === name)!;
      const clock = new FastClock();
      const store = new MemoryStore({ clock });
      const { outcome } = await faultFree(variant);
      // A dead process leaves nothing but the store: its states before and after every request are those after every write.
      const states: { where: string; nowMs: number; objects: Map<string, Uint8Array> }[] = [];
      let objects = new Map<string, Uint8Array>();
      const recorded = hookedStore(store, {
        async after({ op, names, index }) {
          if (op === 'get' || op === 'list') return;
          objects = new Map(objects);
          for (const name of names) {
            const answer = await store.get(name);
            if (answer.found) objects.set(name, answer.body);
            else objects.delete(name);
          }
          states.push({ where: `after ${op} ${names[0]} (request ${index})`, nowMs: clock.now(), objects });
        },
      });
      await runScript({ ...scriptOf(variant, store, clock), store: recorded });
      expect(states.length).toBeGreaterThan(100);
      // Of many batches, those that a compaction follows: what comes before is as in a short run.
      for (const { where, nowMs, objects: left } of variant.batches === undefined ? states : states.slice(-200)) {
        const later = new FastClock(nowMs);
        const copy = new MemoryStore({ clock: later });
        for (const [object, bytes] of left) {
          if (/manifest$|job\.json$/.test(object)) await copy.compareAndSet(object, bytes, undefined);
          else await copy.create(object, bytes);
        }
        await runScript(scriptOf(variant, copy, later));
        expect(await outcomeOf(copy, scriptOf(variant, copy, later).job), where).toEqual(outcome);
      }
    });
  }

  for (const variant of VARIANTS.filter(({ kind }) => kind === 'twoStages' || kind === 'tumbling')) {
    it(`invariants 1 and 4: ${variant.name}: each write times out once although it took effect`, async () => {
      const { outcome, calls } = await faultFree(variant);
      const writes = calls.filter((call) => ['create', 'compareAndSet', 'put', 'delete'].includes(call.op));
      for (const { index, op, name } of writes.filter((_, i) => i % (11 * STRIDE) === SHIFT % (11 * STRIDE))) {
        for (const when of ['before', 'after effect'] as const) {
          const where = `${op} ${name} (request ${index}) times out ${when}`;
          const run = await withFault(
            variant,
            timeOut((call) => call.index === index, when),
          );
          expect(run.outcome, where).toEqual(outcome);
          // Nothing is lost when the process gives up, but one lost answer must not make it give up.
          expect(run.failure, where).toBeUndefined();
        }
      }
    });
  }

  it('a request that is refused for now (409, throttling) costs time only', async () => {
    const variant = VARIANTS.find((v) => v.kind === 'twoStages')!;
    const { outcome, calls } = await faultFree(variant);
    for (const { index, op, name } of calls.filter((call, i) => call.op === 'create' && i % 4 === SHIFT % 4)) {
      let left = 2;
      const run = await withFault(variant, {
        before(call) {
          if (call.op === op && call.name === name && left-- > 0) {
            throw new StoreError('STORE_BUSY', 'try again', { retryable: true });
          }
        },
      });
      expect(run.outcome, `${op} ${name} (request ${index})`).toEqual(outcome);
    }
  });
});

function isCrash(error: unknown): boolean {
  return error instanceof CrashError || (error instanceof Error && isCrash(error.cause));
}
