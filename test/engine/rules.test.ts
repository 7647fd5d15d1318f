/**
 * The rules of docs/protocol.md that the batch side keeps, one by one: each of these tests fails when its rule is taken out
 * (`npm run mutants` does). Those of the commit side are in test/commit, those of messages and invocations in test/aws.
 */
import { describe, expect, it } from 'vitest';
import { ALWAYS_LIVE, PartitionRunner } from '../../lib/batch/partition-runner.ts';
import { commitPartition } from '../../lib/commit/commit-work.ts';
import { compact } from '../../lib/commit/compact.ts';
import { halt, resumeHalted } from '../../lib/commit/halt.ts';
import { aggregator, type Job, job as makeJob, source, sum } from '../../lib/index.ts';
import { loadManifest } from '../../lib/manifest/manifest-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { noRows } from '../../lib/plan/gathered.ts';
import { Planner } from '../../lib/plan/planner.ts';
import { StoredSource } from '../../lib/plan/stored-source.ts';
import { writeWarmPack } from '../../lib/preload/write-warm-pack.ts';
import { MemoryRows } from '../../lib/state/memory-rows.ts';
import { decodeWarmPack } from '../../lib/state/warm-pack.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { packValue } from '../../lib/util/pack.ts';
import {
  FastClock,
  gather,
  type OpenEngine,
  openEngine,
  outcomeOf,
  physical,
  publishedOf,
  replayOf,
  runScript,
  type ScriptBatch,
  stateOf,
} from '../helpers/engine.ts';
import { JOBS, sampleScript } from '../helpers/engine-jobs.ts';
import {
  CrashError,
  countingStore,
  crashAfter,
  hookedStore,
  listAll,
  type StoreCall,
  sleepAt,
  timeOut,
} from '../helpers/stores.ts';

const R = 600_000;
const isCreateOf =
  (part: string) =>
  (call: StoreCall): boolean =>
    call.op === 'create' && call.name.includes(part);
const isGetOf =
  (part: string) =>
  (call: StoreCall): boolean =>
    call.op === 'get' && call.name.includes(part);
const pad = (n: number): string => String(n).padStart(12, '0');

/** One partition, so that the order of requests is that of the protocol. No no-data batches: one batch a script batch. */
const one = (changes: Partial<PhysicalJob> = {}): PhysicalJob =>
  physical(JOBS.running(), { partitions: 1, noDataBatches: false, preload: 'off', ...changes });
const SCRIPT: ScriptBatch[] = Array.from({ length: 8 }, (_, i) => ({
  events: [
    { t: i * 1000, k: 'a', v: i },
    { t: i * 1000, k: `b${i % 3}`, v: 1 },
  ],
}));

interface Place {
  readonly clock: FastClock;
  readonly store: MemoryStore;
  readonly job: PhysicalJob;
}
const place = (job = one()): Place => {
  const clock = new FastClock();
  return { clock, store: new MemoryStore({ clock }), job };
};
const open = ({ clock, store, job }: Place, through: ObjectStore = store, insideBytes?: number): Promise<OpenEngine> =>
  openEngine({ job, store: through, clock, retentionMs: R, commits: 'asked', insideBytes });
/** Segments are objects of their own. */
const APART = 0;
const run = (opened: OpenEngine, i: number) => opened.engine.batch(gather(opened.env.job, SCRIPT[i]!, `rows-${i}`));
const runner = ({ engine }: OpenEngine): PartitionRunner => engine.stages[0]![0]!;

/** Lets everything that waits for no request go as far as it can. */
async function turns(count = 50): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** What a sequential run leaves after the first `batches` batches. */
async function expected(batches: number, job = one()) {
  const { store, clock } = place(job);
  await runScript({ job, store, clock, script: SCRIPT.slice(0, batches) });
  return outcomeOf(store, job);
}

async function foldAll({ committer, file }: OpenEngine): Promise<void> {
  await committer.loop.foldNow('planner');
  for (let s = 0; s < file.stages; s++) {
    for (let p = 0; p < file.partitions; p++) await committer.loop.foldNow(`s${s}/p${p}`);
  }
}

/** Lets retentions pass until nothing more is deleted. */
async function collectAll({ committer }: OpenEngine, { clock }: Place): Promise<void> {
  for (let i = 0; i < 4; i++) {
    clock.advance(R + 1);
    await committer.loop.collect();
  }
}

/** Another environment runs batches up to `to`, of which those up to `planned` are planned by others. */
async function overtake(at: Place, to: number): Promise<OpenEngine> {
  const other = await open(at);
  await other.engine.recover(replayOf(at.job, SCRIPT));
  for (let i = other.engine.position; i < to; i++) await run(other, i);
  await foldAll(other);
  return other;
}

describe('the log', () => {
  it('⚑ floors: who adopts a log entry takes over what it has forgotten, folded or not', async () => {
    const windows = JOBS.tumbling();
    const at = place(physical(windows, { partitions: 1, noDataBatches: false, preload: 'off' }));
    const first = await open(at);
    const script = [0, 30_000, 60_000, 90_000].map((t) => ({ events: [{ t, k: 'a', v: 1 }] }));
    const runIt = (opened: OpenEngine, i: number) => opened.engine.batch(gather(at.job, script[i]!, `rows-${i}`));
    for (let i = 0; i < 4; i++) await runIt(first, i);
    const { forgotten } = runner(first).state.floors;
    expect(forgotten).toEqual([[0, expect.any(Number)]]);
    expect(runner(await open(at)).state.floors.forgotten).toEqual(forgotten);
    await foldAll(first);
    expect(runner(await open(at)).state.floors.forgotten).toEqual(forgotten);
  });

  it('⚑ attempt-id: a retried PUT that is answered 412 by its own first try is our own', async () => {
    const at = place();
    const counted = countingStore(hookedStore(at.store, timeOut(isCreateOf('/log/'), 'after effect')));
    const opened = await open(at, counted);
    const done = await run(opened, 0);
    expect(done.committed[0]![0]!.own).toBeDefined();
    expect(counted.count('create', '/log/')).toBe(2);
    expect(await outcomeOf(at.store, at.job)).toEqual(await expected(1));
  });

  it('⚑ attempt-id: what another attempt has committed is adopted, however equal the two attempts are', async () => {
    // A user function that is not a function of its rows: only one of the two answers may ever be seen.
    let calls = 0;
    const events = source<{ k: string }>('events');
    const odd = aggregator<{ k: string }, number, number>({
      init: () => 0,
      add: () => ++calls,
      merge: (a, b) => a + b,
      result: (n) => n,
    });
    const job = physical(
      makeJob('odd', events.keyBy((e) => e.k).aggregate({ calls: odd }), { outputMode: 'update' }) as Job<unknown>,
    );
    const at = place(job);
    const asleep = sleepAt(isCreateOf('/log/'), 'before');
    const first = await open(at, hookedStore(at.store, asleep.hooks));
    const late = first.engine.batch(gather(job, SCRIPT[0]!, 'rows-0'));
    await asleep.asleep;
    const second = await open(at);
    await second.engine.recover(replayOf(job, SCRIPT));
    asleep.wake();
    const done = await late;
    expect(done.committed[0]![0]!.own).toBeUndefined();
    expect(runner(first).state.hash).toBe(runner(second).state.hash);
    const published = await publishedOf(at.store, job);
    expect(published[`out/p0/${pad(1)}`]).toBe(Buffer.from(done.committed[0]![0]!.entry!.output(0)).toString());
  });

  it('⚑ same-plan: a batch that was planned again while another process still ran it ends that process, by name', async () => {
    const at = place();
    const asleep = sleepAt(isCreateOf('/log/'), 'before');
    const first = await open(at, hookedStore(at.store, asleep.hooks));
    const late = first.engine.batch(gather(at.job, SCRIPT[0]!, 'rows-0'));
    await asleep.asleep;
    const taking = await open(at);
    expect(await taking.engine.planner.takeBack(1, [runner(taking).path])).toBe(true);
    const second = await open(at);
    await second.engine.batch(gather(at.job, SCRIPT[1]!, 'rows-1'));
    const before = await publishedOf(at.store, at.job);
    asleep.wake();
    await expect(late).rejects.toMatchObject({
      code: 'PLAN_REPLACED',
      message: expect.stringMatching(/log\/0*1 was made for another plan 1: .* let one process run a job/),
    });
    expect(await publishedOf(at.store, at.job)).toEqual(before);
  });

  it('a plan that was sent again is settled when both PUTs have ended: only then may it be taken back', async () => {
    const at = place();
    const asleep = sleepAt(isCreateOf(`/plan/${pad(13)}`), 'before');
    const counted = countingStore(hookedStore(at.store, asleep.hooks));
    const opened = await open(at, counted);
    for (let i = 0; i < 13; i++) await opened.engine.batch(gather(at.job, SCRIPT[i % 8]!, `rows-${i}`));
    expect(counted.count('create', `/plan/${pad(13)}`)).toBe(2);
    let isSettled = false;
    const settling = opened.engine.settled().then(() => {
      isSettled = true;
    });
    await turns();
    expect(isSettled).toBe(false);
    asleep.wake();
    await settling;
    expect(counted.calls.every((call) => call.outcome !== 'under way')).toBe(true);
  });

  it('⚑ log-after-plan: log/n waits for plan/n and its segment; the operators do not', async () => {
    for (const [part, insideBytes] of [['/plan/'], ['/plan/', APART], ['/seg/', APART]] as const) {
      const at = place();
      const asleep = sleepAt(isCreateOf(part), 'before');
      const counted = countingStore(hookedStore(at.store, asleep.hooks));
      const opened = await open(at, counted, insideBytes);
      let computed = false;
      const planned = await opened.engine.plan(gather(at.job, SCRIPT[0]!, 'rows-0'));
      const running = opened.engine.run(planned, () => (computed = true));
      await asleep.asleep;
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
      expect(computed, 'the operators start before the plan is durable').toBe(true);
      expect(counted.count('create', '/log/'), `log/1 before ${part}`).toBe(0);
      asleep.wake();
      await running;
      expect(counted.count('create', '/log/')).toBe(1);
    }
  });

  it.each([
    { many: 'many', insideBytes: APART, segments: 2 },
    { many: 'few', insideBytes: undefined, segments: 0 },
  ])(
    '⚑ segment-first: $many rows of the next plan while a plan is written: sent if they are not in that plan, which waits',
    async ({ insideBytes, segments }) => {
      const at = place();
      const asleep = sleepAt(isCreateOf('/plan/'), 'before');
      const counted = countingStore(hookedStore(at.store, asleep.hooks));
      const opened = await open(at, counted, insideBytes);
      const first = await opened.engine.plan(gather(at.job, SCRIPT[0]!, 'rows-0'));
      const planning = opened.engine.plan(gather(at.job, SCRIPT[1]!, 'rows-1'));
      await asleep.asleep;
      await turns();
      expect([counted.count('create', '/seg/'), counted.count('create', '/plan/')]).toEqual([segments, 1]);
      asleep.wake();
      await opened.engine.run(first);
      const done = await opened.engine.run(await planning);
      await done.published;
      expect([counted.count('create', '/seg/'), counted.count('create', '/plan/')]).toEqual([segments, 2]);
      expect(await outcomeOf(at.store, at.job)).toEqual(await expected(2));
    },
  );

  it('⚑ one-step: two triggers of one batch at once, in one environment: one of the two applies it', async () => {
    const at = place();
    const opened = await open(at);
    const { stored, durable } = await opened.engine.plan(gather(at.job, SCRIPT[0]!, 'rows-0'));
    await durable;
    const both = await Promise.all([1, 2].map(() => runner(opened).run(1, { plan: stored }, ALWAYS_LIVE)));
    expect(both.filter(({ own }) => own !== undefined)).toHaveLength(1);
    await Promise.all(both.map(({ published }) => published));
    expect(runner(opened).state.position).toBe(1);
    expect(await outcomeOf(at.store, at.job)).toEqual(await expected(1));
  });

  for (const answer of ['200', '412', '404'] as const) {
    it(`⚑ fresh-manifest: an attempt that sleeps past a fold${answer === '412' ? '' : ' and a collection'} and is answered ${answer} discards all it computed`, async () => {
      const at = place();
      const asleep = sleepAt(isCreateOf(`/s0/p0/log/${pad(3)}`), 'before');
      // For 404: refused while the entry is there, which is collected before the GET.
      let refused = false;
      const dozing = sleepAt((call) => refused && isGetOf(`/s0/p0/log/${pad(3)}`)(call), 'before');
      const inner = answer === '404' ? hookedStore(at.store, dozing.hooks) : at.store;
      const sleeper = await open(at, hookedStore(inner, asleep.hooks));
      await run(sleeper, 0);
      await run(sleeper, 1);
      const late = run(sleeper, 2);
      await asleep.asleep;
      const other = await overtake(at, 6);
      if (answer === '404') {
        refused = true;
        asleep.wake();
        await dozing.asleep;
      }
      if (answer === '412') at.clock.advance(R / 2);
      else await collectAll(other, at);
      expect((await at.store.get(`running/e1/s0/p0/log/${pad(3)}`)).found).toBe(answer === '412');
      asleep.wake();
      dozing.wake();
      const done = await late;
      expect(done.committed[0]![0]!.own, 'its own results are dropped').toBeUndefined();
      expect(runner(sleeper).state.position, 'it goes on from a fresh manifest').toBe(6);
      // What it reads now is the state as the others left it.
      const [table] = runner(sleeper)
        .state.begin()
        .tables([{ name: 'groups', kind: 'keyed' }], 0);
      const { rows } = (await stateOf(at.store, at.job))['s0/p0']!;
      const key = Object.keys(rows)[0]!.slice(1);
      await table!.load([key]);
      expect(table!.get(key, 0)).toBeDefined();
      await run(other, 6);
      expect((await outcomeOf(at.store, at.job)).state).toEqual((await expected(7)).state);
    });
  }

  it('⚑ fresh-manifest: log entries that are found absent after a long sleep are not believed to be the end of the log', async () => {
    const at = place();
    const first = await open(at);
    for (let i = 0; i < 3; i++) await run(first, i);
    const asleep = sleepAt(isGetOf('/s0/p0/log/'), 'before');
    const opening = open(at, hookedStore(at.store, asleep.hooks));
    await asleep.asleep;
    const other = await overtake(at, 6);
    await collectAll(other, at);
    asleep.wake();
    const sleeper = await opening;
    expect(runner(sleeper).state.position).toBe(6);
  });

  for (const log of ['planner', 's0/p0'] as const) {
    it(`⚑ fresh-manifest: entries of ${log} that were collected and made again by a sleeper are not applied`, async () => {
      const at = place();
      const name = `${log === 'planner' ? '/plan/' : '/s0/p0/log/'}${pad(3)}`;
      const first = await open(at);
      for (let i = 0; i < 2; i++) await run(first, i);
      await foldAll(first);
      const sleeping = sleepAt(isCreateOf(name), 'before');
      const sleeper = await open(at, hookedStore(at.store, sleeping.hooks));
      const late = run(sleeper, 2);
      late.catch(() => {});
      await sleeping.asleep;
      // Batch 3 is made by another one; a reader is about to look at its entry.
      const other = await open(at);
      await other.engine.recover(replayOf(at.job, SCRIPT));
      if (log === 'planner') await run(other, 2);
      const reading = sleepAt(isGetOf(name), 'before');
      const opening = open(at, hookedStore(at.store, reading.hooks));
      await reading.asleep;
      await foldAll(other);
      await collectAll(other, at);
      expect((await at.store.get(`running/e1${name}`)).found, 'it is collected').toBe(false);
      sleeping.wake();
      await late.catch(() => {});
      expect((await at.store.get(`running/e1${name}`)).found, 'it is made again').toBe(true);
      reading.wake();
      const { engine, env } = await opening;
      const { logHash } = (await loadManifest(at.store, env.names.manifest(log))).manifest;
      expect((log === 'planner' ? engine.planner : engine.stages[0]![0]!).state.hash).toBe(logHash);
      expect((await outcomeOf(at.store, at.job)).published).toEqual((await expected(3)).published);
    });
  }

  it('⚑ left-behind: a tier left behind by another environment drops rows and the all-keys mark', async () => {
    const at = place();
    const behind = await open(at);
    for (let i = 0; i < 2; i++) await run(behind, i);
    expect(runner(behind).state.rows.complete).toBe(true);
    const other = await overtake(at, 5);
    // A trigger for the batch after next reaches the environment that slept: 6 is planned by the other one.
    const { stored } = other.engine.planner.plan(gather(at.job, SCRIPT[5]!, 'rows-5'));
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    const done = await runner(behind).run(6, { plan: stored }, ALWAYS_LIVE);
    expect(done.own).toBeDefined();
    await done.published;
    expect((await outcomeOf(at.store, at.job)).state).toEqual((await expected(6)).state);
  });

  it('⚑ live-invocation, invariant 11: a zombie whose invocation is over changes neither rows nor position, wherever it was frozen', async () => {
    // Frozen in the PUT of the log entry, and in the read of the manifest that follows a long sleep.
    for (const frozen of ['log', 'manifest'] as const) {
      const at = place();
      const asleep = sleepAt(
        frozen === 'log'
          ? isCreateOf(`/log/${pad(2)}`)
          : (call) => frozenAtManifest && isGetOf('/s0/p0/manifest')(call),
        'after effect',
      );
      let frozenAtManifest = false;
      const counted = countingStore(hookedStore(at.store, asleep.hooks));
      const opened = await open(at, counted);
      await run(opened, 0);
      const planned = await opened.engine.plan(gather(at.job, SCRIPT[1]!, 'rows-1'));
      await planned.durable;
      const invocation = { live: true };
      if (frozen === 'manifest') {
        frozenAtManifest = true;
        at.clock.advance(R);
      }
      const zombie = runner(opened).run(2, { plan: planned.stored }, invocation);
      zombie.catch(() => {});
      await asleep.asleep;
      invocation.live = false;
      counted.reset();
      asleep.wake();
      await expect(zombie, frozen).rejects.toMatchObject({ code: 'NOT_LIVE' });
      expect(runner(opened).state.position, frozen).toBe(1);
      expect(counted.count('create'), 'it publishes nothing').toBe(0);
      // A live invocation finds the entry that the zombie made and goes on.
      await runner(opened).run(2, { plan: planned.stored }, ALWAYS_LIVE);
      expect((await stateOf(at.store, at.job))['s0/p0']!.n).toBe(2);
      expect((await outcomeOf(at.store, at.job)).state).toEqual((await expected(2)).state);
    }
  });

  it('⚑ live-invocation, invariant 11: the missing batches before a trigger belong to its invocation, and end with it', async () => {
    for (const when of ['before', 'after'] as const) {
      const at = place();
      const invocation = { live: true };
      const dying = hookedStore(at.store, {
        [when](call: StoreCall) {
          if (isCreateOf(`/log/${pad(2)}`)(call)) invocation.live = false;
        },
      });
      const opened = await open(at, dying);
      for (let i = 0; i < 4; i++) {
        await (await opened.engine.plan(gather(at.job, SCRIPT[i]!, `rows-${i}`))).durable;
      }
      await expect(runner(opened).run(4, {}, invocation), when).rejects.toMatchObject({ code: 'NOT_LIVE' });
      expect(runner(opened).state.position, when).toBe(1);
      expect((await stateOf(at.store, at.job))['s0/p0']!.n, when).toBe(2);
      // One that is dead before it begins commits nothing.
      await expect(runner(opened).run(4, {}, { live: false }), when).rejects.toMatchObject({ code: 'NOT_LIVE' });
      expect((await stateOf(at.store, at.job))['s0/p0']!.n, when).toBe(2);
      await runner(opened).run(4, {}, ALWAYS_LIVE);
      expect((await outcomeOf(at.store, at.job)).state).toEqual((await expected(4)).state);
    }
  });
});

describe('a halted partition', () => {
  it('⚑ halt-stops: does not run the batch that it is halted at, though nothing is wrong with it any more, before it is resumed', async () => {
    const at = place();
    const first = await open(at);
    for (let i = 0; i < 2; i++) await run(first, i);
    const { stored, durable } = await first.engine.plan(gather(at.job, SCRIPT[2]!, 'rows-2'));
    await durable;
    const partition = commitPartition({ ...first.env, file: first.file }, 's0/p0');
    await halt(partition, { n: 3, code: 'USER_FUNCTION', reason: 'it was broken' });
    const cold = await open(at).catch((error: unknown) => error);
    expect(cold, 'the engine is told when it starts').toMatchObject({ code: 'HALTED' });
    const source = new StoredSource({ store: at.store, names: first.env.names, partitions: 1 });
    const trigger = { plan: stored };
    const alone = new PartitionRunner(first.env, source, { stage: 0, partition: 0 });
    await expect(alone.run(3, trigger, ALWAYS_LIVE)).rejects.toMatchObject({ code: 'HALTED' });
    expect((await at.store.get(first.env.names.log('s0/p0', 3))).found).toBe(false);
    await resumeHalted(partition);
    expect((await alone.run(3, trigger, ALWAYS_LIVE)).own).toBeDefined();
  });
});

describe('the planner', () => {
  it('⚑ segment-first: the segment is durable before the plan that names it is sent', async () => {
    const at = place();
    const asleep = sleepAt(isCreateOf('/seg/'), 'before');
    const counted = countingStore(hookedStore(at.store, asleep.hooks));
    const opened = await open(at, counted, APART);
    const { durable } = await opened.engine.plan(gather(at.job, SCRIPT[0]!, 'rows-0'));
    await asleep.asleep;
    await turns();
    expect(counted.count('create', '/plan/')).toBe(0);
    asleep.wake();
    await durable;
    expect(counted.count('create', '/plan/')).toBe(1);
  });

  it('⚑ segment-first: a small segment is durable with its plan, by one PUT: who finds the plan can run it', async () => {
    for (const when of ['before', 'after effect'] as const) {
      const at = place();
      const opened = await open(at);
      await run(opened, 0);
      const die = (call: StoreCall): void => {
        if (isCreateOf(`/plan/${pad(2)}`)(call)) throw new CrashError(`dead ${when} plan 2`);
      };
      const dying = await open(at, hookedStore(at.store, when === 'before' ? { before: die } : { after: die }));
      await expect(run(dying, 1)).rejects.toThrow('dead');
      const planned = when === 'before' ? 1 : 2;
      const next = await open(at);
      expect([next.engine.planner.position, next.engine.position]).toEqual([planned, 1]);
      await next.engine.recover(() => Promise.reject(new Error('its rows are with the plan')));
      expect(await outcomeOf(at.store, at.job), when).toEqual(await expected(planned));
      expect(await listAll(at.store, 'running/e1/seg/')).toEqual([]);
    }
  });

  it('⚑ ack-after-plan, invariant 10: the input counts as consumed when its plan is durable, not before and not later', async () => {
    for (const when of ['before', 'after effect'] as const) {
      const at = place();
      let crashed = 0;
      const hooks = {
        [when === 'before' ? 'before' : 'after']: (call: StoreCall) => {
          if (crashed > 0 || isCreateOf(`/plan/${pad(3)}`)(call)) {
            crashed++;
            throw new CrashError(`dead ${when} plan 3`);
          }
        },
      };
      await expect(runScript({ ...at, script: SCRIPT, store: hookedStore(at.store, hooks) })).rejects.toThrow('dead');
      expect(crashed).toBeGreaterThan(0);
      await runScript({ ...at, script: SCRIPT });
      expect(await outcomeOf(at.store, at.job)).toEqual(await expected(8));
    }
  });

  it('⚑ fresh-manifest: a planner that sleeps past a fold and a collection and is answered 200 has planned nothing', async () => {
    const at = place();
    const asleep = sleepAt(isCreateOf(`/plan/${pad(2)}`), 'before');
    const sleeper = await open(at, hookedStore(at.store, asleep.hooks));
    await run(sleeper, 0);
    const late = run(sleeper, 1);
    late.catch(() => {});
    await asleep.asleep;
    const other = await overtake(at, 6);
    await collectAll(other, at);
    expect((await at.store.get(`running/e1/plan/${pad(2)}`)).found).toBe(false);
    asleep.wake();
    await expect(late).rejects.toMatchObject({ code: 'FENCED' });
    await run(other, 6);
    expect((await outcomeOf(at.store, at.job)).state).toEqual((await expected(7)).state);
  });

  it('⚑ planner-overtaken, invariant 10: a planner whose own commit side has folded plans of another process is fenced', async () => {
    const at = place();
    const first = await open(at);
    await run(first, 0);
    const second = await open(at);
    for (let i = 1; i < 4; i++) await run(second, i);
    // The commit side of the first folds what the second has planned, and tells the first.
    await foldAll(first);
    await expect(run(first, 1)).rejects.toMatchObject({ code: 'FENCED' });
    expect((await outcomeOf(at.store, at.job)).state).toEqual((await expected(4)).state);
  });
});

describe('the planner beside others', () => {
  it('⚑ fold-known: a fold goes no further than what its maker has been told of, so that nobody is fenced by his own plan', async () => {
    const at = place();
    const asleep = sleepAt(isCreateOf(`/plan/${pad(3)}`), 'after effect');
    const store = hookedStore(at.store, asleep.hooks);
    const opened = await openEngine({ ...at, store, retentionMs: R, foldEvery: 3 });
    for (let i = 0; i < 2; i++) await run(opened, i);
    const late = run(opened, 2);
    late.catch(() => {});
    await asleep.asleep;
    // Plan 3 is there and its planner does not know. A third hint, doubled, makes the fold of the two before due.
    opened.committer.committed('planner', 2);
    const folded = async () => (await loadManifest(at.store, opened.env.names.manifest('planner'))).manifest.through;
    while ((await folded()) === 0) await turns(1);
    await turns();
    expect(await folded()).toBe(2);
    asleep.wake();
    await late;
    expect((await outcomeOf(at.store, at.job)).state).toEqual((await expected(3)).state);
  });

  it('⚑ piece-identity, invariant 10: one object that two sources read is planned in each of them', async () => {
    const job = physical(JOBS.union(), { noDataBatches: false });
    const { engine } = await open(place(job));
    const rows = [{ t: 1000, k: 'a', v: 1 }];
    await engine.batch(gather(job, { events: rows }, 'shared.ndjson'));
    expect(await engine.planner.planned('events', 'shared.ndjson')).toMatchObject({ done: true });
    expect(await engine.planner.planned('others', 'shared.ndjson')).toBeUndefined();
    await engine.batch(gather(job, { others: rows }, 'shared.ndjson'));
    expect(await engine.planner.planned('others', 'shared.ndjson')).toMatchObject({ done: true });
  });

  it('⚑ missing-sst: an SST that a newer manifest has dropped, and a collection deleted, means: read the manifest again', async () => {
    const at = place();
    const first = await open(at);
    for (let i = 0; i < 2; i++) await run(first, i);
    await foldAll(first);
    // It knows a part of the plans from an SST alone.
    const planner = new Planner((await open(at)).env);
    await planner.open();
    for (let i = 2; i < 8; i++) {
      await run(first, i);
      await foldAll(first);
    }
    await compact(commitPartition({ ...first.env, file: first.file }, 'planner'), { l0Trigger: 2 });
    await collectAll(first, at);
    expect(await planner.planned('events', 'rows-0')).toMatchObject({ next: 2, done: true });
    expect(await planner.planned('events', 'rows-7')).toMatchObject({ next: 2, done: true });
    expect(await planner.planned('events', 'rows-8')).toBeUndefined();
    // Others have planned on: what was gathered may be planned already.
    expect(() => planner.plan(gather(at.job, SCRIPT[0]!, 'rows-8'))).toThrow('another process has made plan');
    await planner.open();
    expect(planner.position).toBe(8);
    await planner.plan(gather(at.job, SCRIPT[0]!, 'rows-8')).durable;
  });

  it('⚑ missing-sst: an SST that is missing under a fresh manifest is corruption', async () => {
    const at = place();
    const first = await open(at);
    await run(first, 0);
    await foldAll(first);
    const planner = new Planner((await open(at)).env);
    await planner.open();
    const { manifest } = planner.state;
    await at.store.delete([first.env.names.sst('planner', manifest.l0[0]!.id)]);
    const fresh = new Planner(first.env);
    await expect(fresh.open()).rejects.toMatchObject({ code: 'CORRUPT' });
  });

  it('⚑ planner-overtaken, invariant 10: a plan that is ours, but planned on from by others before we hear of it, fences us', async () => {
    const at = place();
    const asleep = sleepAt(isCreateOf(`/plan/${pad(2)}`), 'after effect');
    const first = await open(at, hookedStore(at.store, asleep.hooks));
    await run(first, 0);
    const late = run(first, 1);
    late.catch(() => {});
    await asleep.asleep;
    await overtake(at, 4);
    // Our own commit side hears of it first.
    first.engine.planner.adopt(await loadManifest(at.store, first.env.names.manifest('planner')));
    asleep.wake();
    await expect(late).rejects.toMatchObject({ code: 'FENCED' });
    expect((await outcomeOf(at.store, at.job)).state).toEqual((await expected(4)).state);
  });

  it('invariant 10: a batch that fails is reported when it is known whether it is planned, so that nobody plans it again', async () => {
    const events = source<{ k: string }>('events');
    const broken = (): number => {
      throw new Error('broken');
    };
    const failing = events.keyBy((e) => e.k).aggregate({ s: sum(broken) });
    const at = place(physical(makeJob('failing', failing, { outputMode: 'update' }) as Job<unknown>));
    const asleep = sleepAt(isCreateOf('/plan/'), 'before');
    const opened = await open(at, hookedStore(at.store, asleep.hooks));
    let reported = false;
    const batch = run(opened, 0).catch(() => {
      reported = true;
    });
    await asleep.asleep;
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(reported).toBe(false);
    asleep.wake();
    await batch;
    expect(reported).toBe(true);
    expect(opened.engine.planner.position).toBe(1);
  });
});

describe('stages and outputs', () => {
  it('⚑ stage-logs: log entries of a stage are kept until the next stage has folded their batch', async () => {
    const job = physical(JOBS.twoStages(), { noDataBatches: false });
    const at = place(job);
    const script = sampleScript('twoStages', 6);
    const opened = await open(at);
    for (let i = 0; i < 5; i++) await opened.engine.batch(gather(job, script[i]!, `rows-${i}`));
    for (const path of ['planner', 's0/p0', 's0/p1', 's1/p0']) await opened.committer.loop.foldNow(path);
    await collectAll(opened, at);
    const exists = async (path: string): Promise<boolean> =>
      (await at.store.get(`two-stages/e1/${path}/log/${pad(1)}`)).found;
    // Partition 1 of the next stage has folded nothing.
    expect([await exists('s0/p0'), await exists('s0/p1')]).toEqual([true, true]);
    expect(await exists('s1/p0'), 'nobody reads the last stage').toBe(false);
    expect((await at.store.get(`two-stages/e1/plan/${pad(1)}`)).found, 'nor has it read the plan').toBe(true);
    await opened.committer.loop.foldNow('s1/p1');
    await collectAll(opened, at);
    expect([await exists('s0/p0'), await exists('s0/p1')]).toEqual([false, false]);
  });

  it('⚑ stage-logs: log entries of a stage are kept a retention longer than the next stage has folded them, for one that slept', async () => {
    const job = physical(JOBS.twoStages(), { noDataBatches: false });
    const at = place(job);
    const script = sampleScript('twoStages', 3);
    const opened = await open(at);
    for (let i = 0; i < 3; i++) await opened.engine.batch(gather(job, script[i]!, `rows-${i}`));
    for (const path of ['planner', 's0/p0', 's0/p1']) await opened.committer.loop.foldNow(path);
    await collectAll(opened, at);
    // The next stage folds just now. Whoever read its manifest before may still be on his way to these entries.
    for (const path of ['s1/p0', 's1/p1']) await opened.committer.loop.foldNow(path);
    await opened.committer.loop.collect();
    await opened.committer.loop.collect();
    for (const path of ['s0/p0', 's0/p1']) {
      for (const n of [1, 2, 3]) {
        expect((await at.store.get(opened.env.names.log(path, n))).found, `log ${n} of ${path}`).toBe(true);
      }
    }
    expect((await at.store.get(opened.env.names.log('planner', 1))).found).toBe(true);
    await collectAll(opened, at);
    for (const path of ['s0/p0', 's0/p1', 'planner']) {
      expect((await at.store.get(opened.env.names.log(path, 3))).found, path).toBe(false);
    }
  });

  it('invariant 12: a later stage that lags sees each batch once, from the log of the stage before', async () => {
    const job = physical(JOBS.twoStages());
    const whole = place(job);
    const script = sampleScript('twoStages', 6);
    await runScript({ ...whole, script, flush: true });
    const at = place(job);
    // Killed whenever the first stage has its log entries and the second one does not.
    for (let life = 0; ; life++) {
      let die = false;
      const hooks = {
        before(call: StoreCall) {
          if (die || (life < 12 && isCreateOf(`/s1/p${life % 2}/log/`)(call))) {
            die = true;
            throw new CrashError('dead between the stages');
          }
        },
      };
      try {
        await runScript({ ...at, script, flush: true, store: hookedStore(at.store, hooks) });
        break;
      } catch (error) {
        if (life > 20) throw error;
      }
    }
    expect(await outcomeOf(at.store, job)).toEqual(await outcomeOf(whole.store, job));
  });

  it('⚑ output-order, invariant 12: out/n is published after out/n−1, though batch n was quicker', async () => {
    const at = place();
    const asleep = sleepAt(isCreateOf(`/out/out/p0/${pad(1)}`), 'before');
    const counted = countingStore(hookedStore(at.store, asleep.hooks));
    const opened = await open(at, counted);
    const done = [];
    for (let i = 0; i < 3; i++)
      done.push(await opened.engine.run(await opened.engine.plan(gather(at.job, SCRIPT[i]!, `rows-${i}`))));
    await asleep.asleep;
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(counted.count('create', `/log/${pad(3)}`), 'the batches go on').toBe(1);
    expect(counted.count('create', `/out/out/p0/${pad(2)}`)).toBe(0);
    expect(counted.count('create', `/out/out/p0/${pad(3)}`)).toBe(0);
    asleep.wake();
    await Promise.all(done.map((d) => d.published));
    const created = counted.calls
      .filter((c) => c.op === 'create' && c.name.includes('/out/out/'))
      .map((c) => c.name.slice(-1));
    expect(created).toEqual(['1', '2', '3']);
    // ⚑ absent-is-empty
    expect(Object.keys(await publishedOf(at.store, at.job)).filter((n) => n.startsWith('_quarantine'))).toEqual([]);
  });

  it('invariant 12: what a killed process had committed and not published is published by the next, in order', async () => {
    const at = place();
    await expect(
      runScript({
        ...at,
        script: SCRIPT,
        store: hookedStore(at.store, {
          before(call) {
            if (call.name.includes('/out/')) throw new CrashError('dead before out');
          },
        }),
      }),
    ).rejects.toThrow();
    const counted = countingStore(at.store);
    await open(at, counted);
    expect(counted.calls.filter((c) => c.op === 'create').map((c) => c.name)).toContain(
      `running/e1/out/out/p0/${pad(1)}`,
    );
  });
});

describe('results that are late', () => {
  it('⚑ published-known, invariant 12: a batch is not hinted at before its results are out, or a fold would take them for published', async () => {
    const at = place();
    let dead = false;
    const store = hookedStore(at.store, {
      async before(call) {
        if (!dead && isCreateOf(`/out/out/p0/${pad(4)}`)(call)) {
          // Whoever was told of batch 4 has all the time to fold it.
          await turns();
          dead = true;
        }
        if (dead) throw new CrashError('dead before out');
      },
    });
    const first = await openEngine({ ...at, store, retentionMs: R, foldEvery: 1 });
    for (let i = 0; i < 3; i++) await run(first, i);
    await expect(run(first, 3)).rejects.toThrow('dead');
    await turns();
    const { manifest } = await loadManifest(at.store, first.env.names.manifest('s0/p0'));
    expect(manifest.publishedThrough).toBeLessThan(4);
    const second = await open(at);
    for (let i = 4; i < 6; i++) await run(second, i);
    expect(await outcomeOf(at.store, at.job)).toEqual(await expected(6));
  });
});

describe('reads of a batch', () => {
  it('⚑ missing-sst: an SST that is gone under the manifest at hand is looked for under a new one, and no damage', async () => {
    const job = one({ state: { ttlMs: undefined, cacheBytes: 1 } });
    const at = place(job);
    const warm = await open(at);
    for (let i = 0; i < 3; i++) {
      await run(warm, i);
      await foldAll(warm);
    }
    const { manifest } = runner(warm).state;
    expect(manifest.l0).toHaveLength(3);
    // Another environment makes one SST of three; a retention later they are gone. No batch has come meanwhile.
    const other = await open(at);
    const compacted = await compact(commitPartition({ ...other.env, file: other.file }, 's0/p0'), { l0Trigger: 2 });
    expect(compacted).toMatchObject({ outcome: 'compacted', compaction: { inputs: [{}, {}, {}] } });
    await collectAll(other, at);
    for (const { id } of manifest.l0) {
      expect((await at.store.get(warm.env.names.sst('s0/p0', id))).found).toBe(false);
    }
    const { committed } = await run(warm, 3);
    expect(committed[0]![0]!.entry!.header.reads.store, 'it has read from SSTs').toBeGreaterThan(0);
    expect(await outcomeOf(at.store, job)).toEqual(await expected(4, job));
  });

  it('⚑ one-manifest, invariant 5: a fold that is published while a batch reads does not change what it sees', async () => {
    // Windows close by a scan: of the SSTs, under rows that no SST holds, which the fold changes in between.
    const job = physical(JOBS.tumbling(), {
      partitions: 1,
      preload: 'off',
      noDataBatches: false,
      state: { ttlMs: undefined, cacheBytes: 1 },
    });
    const script = sampleScript('tumbling', 5);
    const whole = place({ ...job, state: { ttlMs: undefined, cacheBytes: 1 << 20 } });
    await runScript({ ...whole, script, flush: true });
    let folds = 0;
    for (let at = 0; at < 6; at++) {
      const here = place(job);
      let reads = Number.NEGATIVE_INFINITY;
      const store = hookedStore(here.store, {
        async after(call) {
          if (!isGetOf('/sst/')(call) || reads++ !== at) return;
          folds++;
          await opened.committer.loop.foldNow('s0/p0');
        },
      });
      const opened = await open(here, store);
      for (const [i, batch] of script.entries()) {
        if (i === 2) await foldAll(opened);
        await opened.engine.batch(gather(job, batch, `rows-${i}`));
      }
      reads = 0;
      await opened.engine.batch(noRows('flush'));
      expect((await outcomeOf(here.store, job)).published, `fold at read ${at}`).toEqual(
        (await outcomeOf(whole.store, whole.job)).published,
      );
    }
    expect(folds).toBeGreaterThan(0);
  });

  it('a batch finds again what it has found in memory, though it is more than the budget', () => {
    const rows = new MemoryRows(600, true);
    const batch = {};
    rows.own(batch);
    for (const key of ['small', 'large']) rows.table(0).touch(rows.table(0).internText(key, 0));
    rows.put(0, 0, 'small', ['s'], 4);
    rows.put(0, 0, 'large', ['l'.repeat(1000)], 1000);
    // The batch asked whether all rows are here, and need not load any of them.
    expect(rows.complete).toBe(true);
    for (const key of ['small', 'large', 'small', 'large']) expect(rows.get(0, 0, key), key).toBeDefined();
    expect(rows.complete).toBe(true);
    rows.endBatch(batch);
    expect(rows.bytes).toBeLessThanOrEqual(600);
    expect(rows.complete).toBe(false);
  });

  it('⚑ one-manifest, invariant 3: a warm pack is not used under another manifest than the one it was made for', async () => {
    const job = one({ commit: { mode: 'async', maxLag: 2 } });
    const at = place(job);
    const first = await open(at);
    for (let i = 0; i < 2; i++) await run(first, i);
    await foldAll(first);
    for (let i = 2; i < 4; i++) await run(first, i);
    // Batch 5 is planned; its pack is written as of the manifest that has folded 2.
    const planned = await first.engine.plan(gather(job, SCRIPT[4]!, 'rows-4'));
    await planned.durable;
    const { state, path } = runner(first);
    const input = gather(job, SCRIPT[4]!, 'rows-4').inputs[0]!;
    const target = { job, stage: 0, state, store: at.store, names: first.env.names, path };
    expect(await writeWarmPack(target, 5, planned.stored.plan, input)).toBe(true);
    const name = first.env.names.warm(path, 5, state.manifest.version);
    const stored = await at.store.get(name);
    const pack = decodeWarmPack(stored.found ? stored.body : new Uint8Array(), name, 5, state.manifest.version)!;
    // A cold environment takes it; then its commit side folds 3 and 4, and what hides the old in it may be evicted.
    const cold = await open({ ...at, job: { ...job, state: { ttlMs: undefined, cacheBytes: 1 } } });
    runner(cold).state.warmFor(5, pack);
    await foldAll(cold);
    const [table] = runner(cold)
      .state.begin()
      .tables([{ name: 'groups', kind: 'keyed' }], 0);
    const { rows } = (await stateOf(at.store, job))['s0/p0']!;
    for (const stateKey of pack.keys()) {
      await table!.load([stateKey.slice(1)]);
      const row = table!.get(stateKey.slice(1), 0);
      expect(Buffer.from(packValue(row)).toString('hex')).toBe(rows[stateKey]);
    }
  });

  it('⚑ one-manifest, invariant 3: a warm pack is not used if a fold is published while it is read', async () => {
    const job = one({ commit: { mode: 'async', maxLag: 4 }, state: { ttlMs: undefined, cacheBytes: 1 } });
    const at = place(job);
    const first = await open(at);
    for (let i = 0; i < 2; i++) await run(first, i);
    await foldAll(first);
    // Batches 3 and 4 change what the pack for batch 5 holds: only what they left in memory hides that it is old.
    for (let i = 2; i < 4; i++) await run(first, i);
    const gathered = gather(job, SCRIPT[4]!, 'rows-4');
    const { stored, durable } = await first.engine.plan(gathered);
    await durable;
    const { state, path } = runner(first);
    const input = gathered.inputs[0]!;
    const target = { job, stage: 0, state, store: at.store, names: first.env.names, path };
    expect(await writeWarmPack(target, 5, stored.plan, input)).toBe(true);
    let folded = false;
    const store = hookedStore(at.store, {
      async after(call) {
        if (!isGetOf('/warm/')(call)) return;
        await foldAll(first);
        cold.state.adopt(await loadManifest(at.store, first.env.names.manifest(path)));
        folded = true;
      },
    });
    const source = new StoredSource({ store, names: first.env.names, partitions: 1 });
    const cold = new PartitionRunner({ ...first.env, store, warmPacks: true }, source, { stage: 0, partition: 0 });
    const done = await cold.run(5, { plan: stored, input }, ALWAYS_LIVE);
    await done.published;
    expect(folded).toBe(true);
    expect((await outcomeOf(at.store, job)).state).toEqual((await expected(5, job)).state);
  });
});

// Used by the sampled crash points above all; kept here so that the helper itself is known to die for good.
it('the crash helper: a dead process makes no further request', async () => {
  const at = place();
  const counted = countingStore(at.store);
  await expect(runScript({ ...at, script: SCRIPT, store: hookedStore(counted, crashAfter(20)) })).rejects.toThrow(
    'crashed',
  );
  expect(counted.calls.length).toBe(21);
});
