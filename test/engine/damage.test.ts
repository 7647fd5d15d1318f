/**
 * Damaged objects: noticed, named, and nothing overwritten. A damaged or lost block cache: noticed, and only time is lost.
 */

import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ALWAYS_LIVE, PartitionRunner } from '../../lib/batch/partition-runner.ts';
import { decodeLogEntry } from '../../lib/log/entry.ts';
import { decodeManifest } from '../../lib/manifest/codec.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { decodePlanObject } from '../../lib/plan/plan.ts';
import { decodeSegment } from '../../lib/plan/segment.ts';
import { StoredSource } from '../../lib/plan/stored-source.ts';
import {
  type BlockCache,
  type CachedPart,
  type CachedSst,
  LmdbBlockCache,
  type Part,
} from '../../lib/state/block-cache.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { FastClock, gather, openEngine, outcomeOf, physical, runScript } from '../helpers/engine.ts';
import { JOBS, sampleScript } from '../helpers/engine-jobs.ts';
import { plainInput } from '../helpers/row-batches.ts';
import { hookedStore, listAll } from '../helpers/stores.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-damage-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const job = (): PhysicalJob => physical(JOBS.running(), { partitions: 1, noDataBatches: false, preload: 'off' });
/** A key of the first batch that only the SST holds later, and that batch 5 asks for. */
const script = sampleScript('running', 6).map(({ events = [] }, i) => ({
  events: i % 4 === 0 ? [...events, { t: i * 9_000, k: 'old', v: i }] : events,
}));

/** A store with an SST, unfolded log entries and plans. */
async function written(insideBytes?: number) {
  const clock = new FastClock();
  const store = new MemoryStore({ clock });
  const { engine, committer } = await openEngine({ job: job(), store, clock, commits: 'asked', insideBytes });
  for (let i = 0; i < 4; i++) {
    await engine.batch(gather(job(), script[i]!, `rows-${i}`));
    if (i === 1) for (const p of ['planner', 's0/p0']) await committer.loop.foldNow(p);
  }
  return { store, clock };
}

async function bytesOf(store: ObjectStore): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const { name } of await listAll(store, '')) {
    const answer = await store.get(name);
    if (answer.found) all[name] = Buffer.from(answer.body).toString('hex');
  }
  return all;
}

async function overwrite(store: MemoryStore, name: string, change: (bytes: Buffer) => Uint8Array): Promise<void> {
  const answer = await store.get(name);
  if (!answer.found) throw new Error(`no ${name}`);
  const bytes = change(Buffer.from(answer.body));
  if (/manifest$|job\.json$/.test(name)) await store.compareAndSet(name, bytes, answer.etag);
  else await store.put(name, bytes);
}

const flip =
  (at: (length: number) => number) =>
  (bytes: Buffer): Buffer => {
    bytes[at(bytes.length)]! ^= 0x10;
    return bytes;
  };
const DAMAGES: Record<string, (bytes: Buffer) => Uint8Array> = {
  'its first byte flipped': flip(() => 0),
  'a byte near its beginning flipped': flip((l) => Math.floor(l / 10)),
  'a byte in its middle flipped': flip((l) => Math.floor(l / 2)),
  'a byte near its end flipped': flip((l) => Math.floor((l * 9) / 10)),
  'its last byte flipped': flip((l) => l - 1),
  'its last byte missing': (b) => b.subarray(0, -1),
  'half of it missing': (b) => b.subarray(0, b.length / 2),
  'nothing in it': () => new Uint8Array(0),
  'garbage in it': (b) => Buffer.alloc(b.length, 'garbage '),
  'a byte too many': (b) => Buffer.concat([b, Buffer.from('x')]),
};

const pad = (n: number): string => String(n).padStart(12, '0');
const OBJECTS: Record<string, (store: MemoryStore) => Promise<string>> = {
  'job file': async () => 'running/job.json',
  plan: async () => `running/e1/plan/${pad(3)}`,
  'log entry': async () => `running/e1/s0/p0/log/${pad(4)}`,
  manifest: async () => 'running/e1/s0/p0/manifest',
  'manifest of the planner': async () => 'running/e1/planner/manifest',
  SST: async (store) => (await listAll(store, 'running/e1/s0/p0/sst/'))[0]!.name,
};

describe('damaged objects', () => {
  for (const [what, nameOf] of Object.entries(OBJECTS)) {
    it(`a ${what} with any damage is named, and nothing is overwritten`, async () => {
      for (const [damage, change] of Object.entries(DAMAGES)) {
        // Reads are ranges: nobody asks for an SST's magic at its beginning, or for what is behind its end.
        if (what === 'SST' && ['a byte too many', 'its first byte flipped'].includes(damage)) continue;
        // The rows of batches that are committed are not read: a plan that has them is below.
        const { store, clock } = await written(0);
        const name = await nameOf(store);
        await overwrite(store, name, change);
        const before = await bytesOf(store);
        const started = openEngine({ job: job(), store, clock, commits: 'asked' }).then(async ({ engine }) => {
          const { reads } = await engine.batch(gather(job(), script[4]!, 'rows-4'));
          return `${what} with ${damage} went unnoticed: ${JSON.stringify(reads)}`;
        });
        await expect(started, `${what} with ${damage}`).rejects.toMatchObject({
          code: 'CORRUPT',
          message: expect.stringContaining(name),
        });
        expect(await bytesOf(store), `${what} with ${damage}`).toMatchObject(before);
      }
    });
  }

  it.each([
    { whose: 'in their plan', insideBytes: undefined },
    { whose: 'in an object of their own', insideBytes: 0 },
  ])(
    'rows $whose with any damage are named when their batch is run, and nothing is overwritten',
    async ({ insideBytes }) => {
      for (const [damage, change] of Object.entries(DAMAGES)) {
        const { store, clock } = await written();
        const { engine } = await openEngine({ job: job(), store, clock, commits: 'asked', insideBytes });
        await (await engine.plan(gather(job(), script[4]!, 'rows-4'))).durable;
        const folder = insideBytes === 0 ? 'seg' : 'plan';
        const { name } = (await listAll(store, `running/e1/${folder}/${pad(5)}`))[0]!;
        await overwrite(store, name, change);
        const before = await bytesOf(store);
        const started = openEngine({ job: job(), store, clock, commits: 'asked' }).then((opened) =>
          opened.engine.recover(() => Promise.reject(new Error('rows are in segments'))),
        );
        await expect(started, damage).rejects.toMatchObject({
          code: 'CORRUPT',
          message: expect.stringContaining(name),
        });
        expect(await bytesOf(store), damage).toEqual(before);
      }
    },
  );

  it('a flipped bit anywhere in a plan and its rows, a log entry or a manifest is noticed', async () => {
    const { store } = await written();
    const decoders: [string, (bytes: Uint8Array) => unknown][] = [
      [
        `running/e1/plan/${pad(3)}`,
        (b) => {
          const { stored, segment } = decodePlanObject(b, 'x', 3)!;
          const { hash, keys, input } = decodeSegment(segment!, 'x');
          return [stored.plan, hash, keys(0), plainInput(input(0))];
        },
      ],
      ['running/e1/s0/p0/manifest', (b) => decodeManifest(b, 'x')],
      [
        `running/e1/s0/p0/log/${pad(3)}`,
        (b) => {
          const entry = decodeLogEntry(b, 'x');
          return [[...entry.changes()], entry.header.outputs.map((_, i) => entry.output(i))];
        },
      ],
    ];
    for (const [name, decode] of decoders) {
      const answer = await store.get(name);
      const body = answer.found ? answer.body : new Uint8Array(0);
      const original = JSON.stringify(decode(body));
      for (let i = 0; i < body.length * 8; i++) {
        const bytes = Uint8Array.from(body);
        bytes[i >> 3]! ^= 1 << (i & 7);
        try {
          expect(JSON.stringify(decode(bytes)), `${name}: bit ${i} went unnoticed`).toBe(original);
        } catch (error) {
          expect(['CORRUPT', 'NEWER_FORMAT', 'OLDER_FORMAT'], `${name}, bit ${i}: ${error}`).toContain(
            (error as { code?: string }).code,
          );
        }
      }
    }
  });

  it('an object that is another one of its kind is named', async () => {
    for (const [from, to] of [
      [`running/e1/plan/${pad(4)}`, `running/e1/plan/${pad(3)}`],
      [`running/e1/s0/p0/log/${pad(4)}`, `running/e1/s0/p0/log/${pad(3)}`],
    ] as const) {
      const { store, clock } = await written();
      const other = await store.get(from);
      await overwrite(store, to, () => (other.found ? other.body : new Uint8Array(0)));
      await expect(openEngine({ job: job(), store, clock })).rejects.toMatchObject({
        code: 'CORRUPT',
        message: expect.stringContaining(to),
      });
    }
  });

  it('⚑ chain, invariant 2: a plan or log entry that is whole, in its place, and of another history is named', async () => {
    for (const name of [`running/e1/plan/${pad(4)}`, `running/e1/s0/p0/log/${pad(4)}`]) {
      // The same rows; but other attempts have made them, so each entry follows others.
      const { store, clock } = await written();
      const other = await (await written()).store.get(name);
      await overwrite(store, name, () => (other.found ? other.body : new Uint8Array(0)));
      await expect(openEngine({ job: job(), store, clock }), name).rejects.toMatchObject({
        code: 'CORRUPT',
        message: expect.stringMatching(`${name} is corrupted: .*two histories`),
      });
    }
  });

  it('⚑ stage-logs: a log entry that the next stage has not read is missed, and not taken for one without rows', async () => {
    const twoStages = physical(JOBS.twoStages(), { noDataBatches: false });
    const clock = new FastClock();
    const store = new MemoryStore({ clock });
    const { engine, env } = await openEngine({ job: twoStages, store, clock, commits: 'asked' });
    const { durable } = await engine.plan(gather(twoStages, sampleScript('twoStages', 1)[0]!, 'rows-0'));
    await durable;
    for (const first of engine.stages[0]!) await first.run(1, {}, ALWAYS_LIVE);
    const name = env.names.log('s0/p1', 1);
    await store.delete([name]);
    await expect(engine.stages[1]![0]!.run(1, {}, ALWAYS_LIVE)).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringContaining(name),
    });
    expect((await store.get(env.names.log('s1/p0', 1))).found).toBe(false);
  });

  describe('⚑ same-plan, invariant 2: a log entry that is whole, and', () => {
    const twoStages = physical(JOBS.twoStages(), { noDataBatches: false });
    /** The first batch of a history of its own: planned, and run by the first stage; or by partition 0 of it alone. */
    async function firstStage(partitions = 2) {
      const clock = new FastClock();
      const store = new MemoryStore({ clock });
      const { engine, env } = await openEngine({ job: twoStages, store, clock, commits: 'asked' });
      const { durable, stored } = await engine.plan(gather(twoStages, sampleScript('twoStages', 1)[0]!, 'rows-0'));
      await durable;
      for (const first of engine.stages[0]!.slice(0, partitions)) await first.run(1, {}, ALWAYS_LIVE);
      return { store, clock, engine, names: env.names, stored };
    }
    /** With the log entry of another history, which follows the same nothing. */
    async function mixed(partitions?: number) {
      const [one, other] = [await firstStage(partitions), await firstStage()];
      const name = one.names.log('s0/p0', 1);
      const entry = await other.store.get(name);
      await overwrite(one.store, name, () => (entry.found ? entry.body : new Uint8Array(0)));
      const named = {
        code: 'CORRUPT',
        message: expect.stringMatching(`${name} is corrupted: .*another plan 1: .*two histories`),
      };
      return { ...one, named };
    }

    it('made for another plan, is not handed on to the next stage', async () => {
      const { engine, store, names, named } = await mixed();
      for (const runner of engine.stages[1]!) await expect(runner.run(1, {}, ALWAYS_LIVE)).rejects.toMatchObject(named);
      for (const p of [0, 1] as const) expect((await store.get(names.log(`s1/p${p}`, 1))).found).toBe(false);
    });

    it('made for another plan, is not taken for its batch', async () => {
      const { engine, store, clock, stored, named, names } = await mixed();
      const source = new StoredSource({ store, names, partitions: 2 });
      const cold = new PartitionRunner({ ...engine.context, store, clock }, source, { stage: 0, partition: 0 });
      await expect(cold.run(1, { plan: stored }, ALWAYS_LIVE)).rejects.toMatchObject(named);
    });

    it('made for another plan, is named when an engine opens', async () => {
      const { store, clock, named } = await mixed();
      await expect(openEngine({ job: twoStages, store, clock, commits: 'asked' })).rejects.toMatchObject(named);
    });
  });

  it('⚑ missing-sst: under a fresh manifest it is corruption', async () => {
    const { store, clock } = await written();
    const name = await OBJECTS.SST!(store);
    await store.delete([name]);
    const { engine } = await openEngine({ job: job(), store, clock, commits: 'asked' });
    await expect(engine.batch(gather(job(), script[4]!, 'rows-4'))).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringContaining(name),
    });
  });

  it('a store of a newer version is refused, whichever object shows it', async () => {
    for (const name of ['running/job.json', `running/e1/plan/${pad(3)}`, 'running/e1/s0/p0/manifest']) {
      const { store, clock } = await written();
      await overwrite(store, name, (b) =>
        Buffer.from(b.toString('latin1').replace(/"version":\d/, '"version":9'), 'latin1'),
      );
      const before = await bytesOf(store);
      await expect(openEngine({ job: job(), store, clock })).rejects.toMatchObject({
        code: 'NEWER_FORMAT',
        message: expect.stringContaining(name),
      });
      expect(await bytesOf(store)).toEqual(before);
    }
  });

  it('a store of an older version is refused by its number, and nothing is overwritten', async () => {
    for (const name of ['running/e1/s0/p0/manifest', 'running/e1/planner/manifest']) {
      const { store, clock } = await written();
      await overwrite(store, name, (b) => Buffer.from(b.toString('utf8').replace(/"version":\d/, '"version":1')));
      const before = await bytesOf(store);
      await expect(openEngine({ job: job(), store, clock })).rejects.toMatchObject({
        code: 'OLDER_FORMAT',
        message: expect.stringMatching(`${name} has format version 1, and this Misa reads from 4 on`),
      });
      expect(await bytesOf(store)).toEqual(before);
    }
  });

  it('a job that would read the state differently is refused before anything is written', async () => {
    const changes: Partial<PhysicalJob>[] = [
      { partitions: 2 },
      { mode: 'complete' },
      { commit: { mode: 'sync', maxLag: 8 } },
      { layout: ['something else'] },
      { outputs: [{ name: 'renamed', kind: 'update', stage: 0 }] },
    ];
    for (const change of changes) {
      const { store, clock } = await written();
      const before = await bytesOf(store);
      await expect(openEngine({ job: { ...job(), ...change }, store, clock })).rejects.toMatchObject({
        code: 'JOB_CHANGED',
      });
      expect(await bytesOf(store)).toEqual(before);
    }
  });
});

/** A cache that gives damaged bytes now and then, and loses some. */
class LyingCache implements BlockCache {
  readonly #parts = new Map<string, Map<Part, Uint8Array>>();
  #reads = 0;
  readonly bytes = 0;
  sst(id: string): CachedSst {
    const parts = this.#parts.get(id) ?? new Map<Part, Uint8Array>();
    this.#parts.set(id, parts);
    return {
      id,
      has: (part) => parts.has(part),
      get: (part) => {
        const bytes = parts.get(part);
        if (bytes === undefined) return undefined;
        const lie = ++this.#reads % 3;
        if (lie === 1) return undefined;
        const copy = Uint8Array.from(bytes);
        // Blocks are compared with their checksum when a cache is opened on what another process has left.
        if (lie === 2 && typeof part !== 'number') copy[this.#reads % copy.length]! ^= 1;
        return copy;
      },
      drop: (part) => {
        parts.delete(part);
      },
    };
  }
  wants(): boolean {
    return true;
  }
  put(parts: readonly CachedPart[]): void {
    for (const { sst, part, bytes } of parts) this.#parts.get(sst.id)!.set(part, bytes);
  }
  forget(id: string): void {
    this.#parts.get(id)?.clear();
  }
  async close(): Promise<void> {}
}

describe('the block cache', () => {
  const small = (): PhysicalJob =>
    physical(JOBS.twoStages(), { state: { ttlMs: undefined, cacheBytes: 1 }, preload: 'keys' });
  const rows = sampleScript('twoStages', 8);

  async function whole() {
    const clock = new FastClock();
    const store = new MemoryStore({ clock });
    await runScript({ job: small(), store, clock, script: rows, flush: true });
    return outcomeOf(store, small());
  }

  const DAMAGE: Record<string, (directory: string, data: string) => void> = {
    'bytes flipped': (_, data) => {
      const bytes = readFileSync(data);
      for (let i = 100; i < bytes.length; i += 97) bytes[i]! ^= 0xff;
      writeFileSync(data, bytes);
    },
    truncated: (_, data) => truncateSync(data, 5000),
    emptied: (_, data) => truncateSync(data, 0),
    'filled with garbage': (_, data) => writeFileSync(data, Buffer.alloc(200_000, 'garbage')),
    deleted: (directory) => rmSync(directory, { recursive: true }),
    'replaced by a copy': (_, data) => {
      copyFileSync(data, `${data}-copy`);
      renameSync(`${data}-copy`, data);
    },
    'written before the machine was restarted': (directory) => {
      const mark = path.join(directory, 'kept');
      writeFileSync(mark, readFileSync(mark, 'utf8').replace(/[0-9a-f]{4}/, 'ffff'));
    },
  };

  for (const [what, damage] of Object.entries(DAMAGE)) {
    it(`invariant 7: ${what}: it is noticed, rebuilt, and the results are the same`, async () => {
      const clock = new FastClock();
      const store = new MemoryStore({ clock });
      const directory = path.join(root, what.replace(/\W/g, '-'));
      const first = LmdbBlockCache.open(directory, 1 << 20);
      // The first life stops half way, with blocks in its cache.
      let requests = 0;
      const dying = hookedStore(store, {
        before() {
          if (++requests > 350) throw new Error('stopped');
        },
      });
      await expect(
        runScript({ job: small(), store: dying, clock, script: rows, flush: true, cache: first }),
      ).rejects.toThrow('stopped');
      await first.close();
      expect(first.bytes).toBeGreaterThan(0);
      const data = path.join(directory, 'blocks.mdb');
      expect(existsSync(data), readdirSync(directory).join()).toBe(true);
      damage(directory, data);
      const second = LmdbBlockCache.open(directory, 1 << 20);
      expect(second.bytes, 'nothing of it is believed').toBe(0);
      await runScript({ job: small(), store, clock, script: rows, flush: true, cache: second });
      expect(second.bytes).toBeGreaterThan(0);
      await second.close();
      expect(await outcomeOf(store, small())).toEqual(await whole());
    });
  }

  it('invariant 7: blocks that are lost while it is in use, and indexes that are damaged, are fetched again', async () => {
    const clock = new FastClock();
    const store = new MemoryStore({ clock });
    await runScript({ job: small(), store, clock, script: rows, flush: true, cache: new LyingCache() });
    expect(await outcomeOf(store, small())).toEqual(await whole());
  });
});
