/** Results that a job keeps for a time: what goes, what never does, and that a collector may die anywhere. */
import { describe, expect, it } from 'vitest';
import { fold } from '../../lib/commit/fold.ts';
import { collectJob } from '../../lib/commit/gc.ts';
import type { CommitPartition } from '../../lib/commit/partition.ts';
import { loadResultsMark, moveResultsMark } from '../../lib/commit/results-mark.ts';
import { ResultConsumer } from '../../lib/embedded/result-consumer.ts';
import { StoreTimeoutError } from '../../lib/errors.ts';
import { ConsumerCursor, consumedThrough } from '../../lib/job/consumer-cursor.ts';
import { PLANNER } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import {
  CrashError,
  countingStore,
  crashAfter,
  hookedStore,
  type StoreCall,
  sleepAt,
  timeOut,
} from '../helpers/stores.ts';
import { type AppendOptions, NAMES, PATH, R, World } from './helpers.ts';

const KEEP = 10 * R;

const OUTPUTS = ['out', 'late'];

/** Which batches have rows in which output; `undefined`: all. */
type HasRows = AppendOptions['hasRows'];

async function batches(world: World, count: number, outputs = OUTPUTS, hasRows: HasRows = undefined): Promise<void> {
  for (let i = 0; i < count; i++) {
    await world.append({ a: String(world.head) }, { outputs, ...(hasRows && { hasRows }) });
    await fold(world.partition());
  }
}

interface Retention {
  readonly keepMs?: number;
  /** Taken by the run at hand. */
  readonly taken?: number;
  /** Other partitions of the job. */
  readonly others?: readonly CommitPartition[];
}

async function collect(
  world: World,
  store: ObjectStore = world.memory,
  { keepMs = KEEP, taken = Number.POSITIVE_INFINITY, others = [] }: Retention = {},
): Promise<number> {
  const data = world.partition(store);
  const planner: CommitPartition = {
    ...data,
    path: PLANNER,
    log: { read: async () => ({ found: false, dateMs: world.clock.now() }) },
  };
  const results = {
    keepMs,
    prefixes: ['out', 'late', '_quarantine'].map((output) => NAMES.outPrefix(output, 0)),
    takenThrough: async () => Math.min(taken, await consumedThrough(store, NAMES)),
  };
  return collectJob(planner, [[data, ...others]], { results });
}

const kept = async (world: World, output = 'out'): Promise<number[]> =>
  (await world.published(output)).map((text) => Number(text.split(' ')[1]));
const mark = async (world: World): Promise<number> => (await loadResultsMark(world.memory, NAMES)).through;

/** Batches 1 to 4, old; 5 to 7, young. Their logs are collected. */
async function aged(outputs = OUTPUTS, hasRows?: HasRows): Promise<World> {
  const world = new World();
  await batches(world, 4, outputs, hasRows);
  world.clock.advance(KEEP);
  await batches(world, 3, outputs, hasRows);
  await collect(world, world.memory, { keepMs: 100 * KEEP });
  world.clock.advance(R + 1);
  await collect(world, world.memory, { keepMs: 100 * KEEP });
  expect(await world.logs()).toEqual([]);
  expect(await kept(world)).toEqual([1, 2, 3, 4, 5, 6, 7].filter((n) => hasRows?.('out', n) ?? true));
  return world;
}

function consumer(world: World, name: string, begin: number): Promise<ConsumerCursor> {
  const { memory: store, clock, random } = world;
  return ConsumerCursor.open({ store, names: NAMES, consumer: name, clock, random }, async () => begin);
}

describe('results that are kept for a time', () => {
  it('go when they are that old, in all outputs, and the mark says so', async () => {
    const world = await aged();
    await collect(world);
    expect(await kept(world)).toEqual([5, 6, 7]);
    expect(await kept(world, 'late')).toEqual([5, 6, 7]);
    expect(await mark(world)).toBe(4);
    world.clock.advance(KEEP);
    await collect(world);
    // The newest stays, however old: those who publish look for it.
    expect(await kept(world)).toEqual([7]);
    await batches(world, 1);
    expect(await kept(world)).toEqual([7, 8]);
    expect(await world.state()).toEqual(world.expectedState());
  });

  it('stay for R at least, and until their log is collected', async () => {
    const world = new World();
    await batches(world, 3);
    await collect(world, world.memory, { keepMs: 1 });
    world.clock.advance(R);
    await collect(world, world.memory, { keepMs: 1 });
    expect(await kept(world)).toEqual([1, 2, 3]);
    // Folded, but since less than R.
    await batches(world, 3);
    world.clock.advance(1);
    await collect(world, world.memory, { keepMs: 1 });
    expect(await kept(world)).toEqual([3, 4, 5, 6]);
    await world.publish(1);
    world.clock.advance(R);
    await collect(world, world.memory, { keepMs: 1 });
    expect((await kept(world))[0]).toBe(1);
  });

  it('stay until every consumer, and the run at hand, has them', async () => {
    const world = await aged();
    const slow = await consumer(world, 'slow', 0);
    const fast = await consumer(world, 'fast', 7);
    await collect(world);
    expect(await kept(world)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(await mark(world)).toBe(0);
    await slow.advance(2);
    await fast.advance(8);
    await collect(world, world.memory, { taken: 1 });
    expect(await kept(world)).toEqual([2, 3, 4, 5, 6, 7]);
    await collect(world);
    expect(await kept(world)).toEqual([3, 4, 5, 6, 7]);
  });

  it('stay until they are that old in every output, and their logs collected in every partition', async () => {
    const world = await aged();
    // One that was published late.
    await world.memory.delete([NAMES.out('late', 0, 3)]);
    await world.publish(3, 'late');
    const log = { read: async () => ({ found: false as const, dateMs: world.clock.now() }) };
    const behind: CommitPartition = { ...world.partition(), path: 's0/p1', partition: 1, log };
    await collect(world, world.memory, { others: [behind] });
    expect(await kept(world)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    await collect(world);
    expect(await kept(world)).toEqual([3, 4, 5, 6, 7]);
    expect(await kept(world, 'late')).toEqual([3, 4, 5, 6, 7]);
    expect(await mark(world)).toBe(2);
  });

  it('a retention that is longer, shorter or left out from now on holds from now on; the mark stays', async () => {
    const world = await aged();
    const lost = timeOut(({ op, name }) => op === 'delete' && name.includes('/out/'), 'before');
    await expect(collect(world, hookedStore(world.memory, lost))).rejects.toThrow('timed out');
    expect(await mark(world)).toBe(4);
    await collect(world, world.memory, { keepMs: 2 * KEEP });
    expect(await kept(world)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    await collect(world);
    expect(await kept(world)).toEqual([5, 6, 7]);
    await collect(world, world.memory, { keepMs: 1 });
    expect(await kept(world)).toEqual([7]);
    expect(await mark(world)).toBe(6);
    await collect(world, world.memory, { keepMs: 2 * KEEP });
    expect(await mark(world)).toBe(6);
  });

  it('a clock that was set back deletes nothing before its time', async () => {
    const world = await aged();
    world.clock.advance(-KEEP);
    await collect(world);
    expect(await kept(world)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    world.clock.advance(KEEP);
    await collect(world);
    expect(await kept(world)).toEqual([5, 6, 7]);
  });

  it('⚑ results-condemned: a consumer that begins during a collection has its results, or sees the mark', async () => {
    for (const op of ['compareAndSet', 'list', 'delete'] as const) {
      for (const when of ['before', 'after effect'] as const) {
        const world = await aged();
        const { hooks, asleep, wake } = sleepAt(
          (call) =>
            call.op === op &&
            (op === 'delete' ? call.name.includes('/out/') : /deleted-results|\/consumer\//.test(call.name)),
          when,
        );
        const collecting = collect(world, hookedStore(world.memory, hooks));
        await asleep;
        await consumer(world, 'new', 0);
        const seen = await mark(world);
        wake();
        await collecting;
        if (seen === 0) expect(await kept(world), `${when} ${op}`).toEqual([1, 2, 3, 4, 5, 6, 7]);
        else expect(seen).toBe(4);
      }
    }
  });

  /** Opens a consumer and gives it all there is. @returns what it got, as `out 7` */
  async function takeAll(world: World, store: ObjectStore, name = 'new'): Promise<string[]> {
    const { clock, random } = world;
    const got: string[] = [];
    const results = await ResultConsumer.open({
      store: {
        ...store,
        get: async (object, options) => {
          const answer = await store.get(object, options);
          return answer.found && object.includes('/out/') ? { ...answer, body: Buffer.from('{}\n') } : answer;
        },
      },
      names: NAMES,
      clock,
      random,
      consumer: name,
      outputs: OUTPUTS.map((output) => ({ name: output, kind: 'append', stage: 0 })),
      partitions: 1,
      consume: ({ output, batch }) => void (OUTPUTS.includes(output) && got.push(`${output} ${batch}`)),
    });
    await results.catchUp(7, undefined);
    await results.close();
    return got;
  }
  const ALL = [...OUTPUTS, '_quarantine'];

  const GAPS: Readonly<Record<string, readonly number[]>> = { out: [1, 3, 6], late: [2, 3, 5, 6], _quarantine: [] };
  const inGaps: HasRows = (output, n) => GAPS[output]!.includes(n);
  /** Of batches from `first` on. */
  const wanted = (first: number, hasRows: HasRows): string[] =>
    Array.from({ length: 8 - first }, (_, i) => first + i).flatMap((n) =>
      OUTPUTS.filter((output) => hasRows?.(output, n) ?? true).map((output) => `${output} ${n}`),
    );

  it.each([
    ['every batch has rows', undefined, [5, 6, 7]],
    ['some batches have rows (⚑ absent-is-empty)', inGaps, [6]],
  ])(
    '⚑ results-condemned: a new consumer gets all that is kept, wherever a collector sleeps meanwhile, or it does itself; %s',
    async (_, hasRows, stays) => {
      for (const sleeper of ['collector', 'consumer'] as const) {
        for (const when of ['before', 'after effect'] as const) {
          for (let n = 0; ; n++) {
            const world = await aged(ALL, hasRows);
            const { hooks, asleep, wake } = sleepAt(({ index }) => index === n, when);
            const sleepy = hookedStore(world.memory, hooks);
            const awake = hookedStore(world.memory, {});
            const first = sleeper === 'collector' ? collect(world, sleepy) : takeAll(world, sleepy);
            const slept = await Promise.race([asleep.then(() => true), first.then(() => false)]);
            const second = await (sleeper === 'collector' ? takeAll(world, awake) : collect(world, awake));
            wake();
            const got = sleeper === 'collector' ? second : await first;
            await first;
            const where = `${sleeper} asleep ${when} ${n}`;
            expect([wanted(1, hasRows), wanted(5, hasRows)], where).toContainEqual(got);
            await collect(world);
            expect(await kept(world), where).toEqual(stays);
            if (!slept) break;
          }
        }
      }
    },
  );

  /** What a new consumer asks while a collection comes and goes before its place is there, and leaves parts of batches. */
  function overtaken(world: World, { dies }: { readonly dies: boolean }): ObjectStore {
    const half: ObjectStore = {
      ...hookedStore(world.memory, {}),
      delete: async (gone) => {
        const results = gone.filter((name) => name.includes('/out/'));
        await world.memory.delete(results.length === 0 ? gone : results.filter((_, i) => i % 2 === 0));
        if (results.length > 0) throw new Error('no end');
      },
    };
    const isPlace = (call: StoreCall): boolean => call.op === 'compareAndSet' && call.name.includes('/consumer/');
    let collected = false;
    return hookedStore(world.memory, {
      async before(call) {
        if (!isPlace(call) || collected) return;
        collected = true;
        await expect(collect(world, half)).rejects.toThrow('no end');
        expect(await kept(world)).not.toEqual([1, 2, 3, 4, 5, 6, 7]);
      },
      after(call) {
        if (dies && isPlace(call)) throw new CrashError('killed');
      },
    });
  }

  it('⚑ results-condemned: a consumer that is overtaken before its place is written begins behind the mark', async () => {
    const world = await aged(ALL);
    expect(await takeAll(world, overtaken(world, { dies: false }))).toEqual(wanted(5, undefined));
  });

  it('⚑ results-condemned: a consumer that was killed before it looked at the mark looks when it comes again', async () => {
    const world = await aged(ALL);
    await expect(takeAll(world, overtaken(world, { dies: true }))).rejects.toThrow('killed');
    expect(await takeAll(world, hookedStore(world.memory, {}))).toEqual(wanted(5, undefined));
  });

  it('⚑ absent-is-empty: a consumer whose results a collection has marked, and then left to it, takes batches without rows for what they are', async () => {
    const world = await aged(ALL, inGaps);
    const store = hookedStore(world.memory, {});
    await consumer(world, 'new', 0);
    const none = await loadResultsMark(world.memory, NAMES);
    await moveResultsMark(world.memory, NAMES, none, { through: 4, retentionMs: KEEP });
    expect(await takeAll(world, store)).toEqual(wanted(1, inGaps));
  });

  it('the mark goes no further than results do', async () => {
    const world = await aged(ALL, inGaps);
    await collect(world);
    expect(await kept(world)).toEqual([6]);
    expect(await kept(world, 'late')).toEqual([5, 6]);
    expect(await mark(world)).toBe(3);
    // Nothing more goes, and nothing is said to.
    await collect(world);
    expect(await mark(world)).toBe(3);
  });

  it('a request whose answer is lost, any one, is as if the collection had come later', async () => {
    for (const when of ['before', 'after effect'] as const) {
      for (let n = 0; ; n++) {
        const world = await aged();
        const lost = timeOut(({ index }) => index === n, when);
        const store = countingStore(hookedStore(world.memory, lost));
        await collect(world, store).catch((error: unknown) => expect(error).toBeInstanceOf(StoreTimeoutError));
        const left = await kept(world);
        if (left[0] !== 1) expect(await mark(world), `${when} ${n}`).toBe(4);
        await collect(world);
        expect(await kept(world), `${when} ${n}`).toEqual([5, 6, 7]);
        if (store.calls.length <= n) break;
      }
    }
  });

  it('a collector that is killed at any request leaves nothing deleted that the mark does not say, and the next goes on', async () => {
    for (const when of ['before', 'after effect'] as const) {
      for (let n = 0; ; n++) {
        const world = await aged();
        const failure = await collect(world, hookedStore(world.memory, crashAfter(n, when))).then(
          () => undefined,
          (error: unknown) => error,
        );
        const left = await kept(world);
        if (left[0] !== 1) expect(await mark(world), `${when} ${n}`).toBe(4);
        await collect(world);
        expect(await kept(world), `${when} ${n}`).toEqual([5, 6, 7]);
        expect(await kept(world, 'late'), `${when} ${n}`).toEqual([5, 6, 7]);
        if (failure === undefined) break;
      }
    }
  });

  it('a request to delete that came to no end leaves holes, and the next collector the rest', async () => {
    const world = await aged();
    const half: ObjectStore = {
      ...hookedStore(world.memory, {}),
      delete: async (gone, options) => {
        const results = gone.filter((name) => name.includes('/out/'));
        if (results.length === 0) return world.memory.delete(gone, options);
        await world.memory.delete(results.filter((_, i) => i % 3 === 0));
        throw new Error('no end');
      },
    };
    await expect(collect(world, half)).rejects.toThrow('no end');
    await collect(world);
    expect(await kept(world)).toEqual([5, 6, 7]);
    expect(await kept(world, 'late')).toEqual([5, 6, 7]);
  });

  it('what a sleeper publishes again goes in its time, and holds up nothing', async () => {
    const world = await aged();
    await collect(world);
    await world.publish(2);
    world.clock.advance(KEEP - 10);
    await collect(world);
    expect(await kept(world)).toEqual([2, 7]);
    world.clock.advance(11);
    await collect(world);
    expect(await kept(world)).toEqual([7]);
  });

  it('a mark that cannot be read stops it', async () => {
    const world = await aged();
    await world.memory.put(NAMES.deletedResults(), Buffer.from('{}'));
    await expect(collect(world)).rejects.toMatchObject({ code: 'CORRUPT' });
    expect(await kept(world)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });
});

it('without a retention nothing is asked and all stay', async () => {
  const world = await aged();
  world.clock.advance(1000 * KEEP);
  const asked: string[] = [];
  const store = hookedStore(world.memory, { before: ({ name }) => void asked.push(name) });
  const data = world.partition(store);
  await collectJob({ ...data, path: PLANNER }, [[data]]);
  expect(asked.some((name) => /out\/|deleted-results|consumer/.test(name))).toBe(false);
  expect(asked.some((name) => name.includes(PATH))).toBe(true);
  expect(await kept(world)).toEqual([1, 2, 3, 4, 5, 6, 7]);
});
