/**
 * How much the planner remembers of messages: the same after 90 days as after 30, whatever their ids look like, and little again
 * where fewer come. Levels are small here, so that there are several, as a busy job has.
 */
import { describe, expect, it } from 'vitest';
import { commitPartition } from '../../lib/commit/commit-work.ts';
import { compact } from '../../lib/commit/compact.ts';
import { fold } from '../../lib/commit/fold.ts';
import { collect } from '../../lib/commit/gc.ts';
import type { JobFile } from '../../lib/job/job-file.ts';
import { type Manifest, sstsOf } from '../../lib/manifest/manifest.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names, PLANNER } from '../../lib/object-store/names.ts';
import { encodePlan, type Piece } from '../../lib/plan/plan.ts';
import { OBJECTS_TABLE, objectKey } from '../../lib/plan/planner-log.ts';
import { sstEntries } from '../../lib/sst/verify.ts';
import { addressPrefix } from '../../lib/state/address.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { NO_TRACE } from '../../lib/util/trace.ts';
import { listAll } from '../helpers/stores.ts';

const DAY_MS = 86_400_000;
const PLANS_A_DAY = 8;
const FOLD_EVERY = 6;
const LEVELS = { baseBytes: 64 << 10, ratio: 4, sstBytes: 32 << 10 };

const random = seededRandom(9);
/** As queues give them, and as a program that counts. */
const IDS = {
  random: () => random.id(),
  ascending: (i: number) => String(i).padStart(12, '0'),
};

/** A planner's log and its commit side, days on end. */
class Days {
  readonly clock = new ManualClock(1_700_000_000_000);
  readonly store = new MemoryStore({ clock: this.clock });
  readonly #names = names('job', 1);
  readonly #partition;
  readonly #idOf: (i: number) => string;
  readonly #planned: { readonly key: string; readonly atMs: number }[] = [];
  #n = 0;
  #hash = '';

  constructor(idOf: (i: number) => string) {
    const { store, clock } = this;
    const file: JobFile = {
      name: 'job',
      id: 'id',
      epoch: 1,
      partitions: 1,
      stages: 1,
      outputMode: 'append',
      commit: 'async',
      outputs: [],
      layout: [],
    };
    const shared = { store, clock, random, trace: NO_TRACE, names: this.#names, file, retentionMs: 1000 };
    this.#partition = commitPartition(shared, PLANNER);
    this.#idOf = idOf;
  }

  async pass(days: number, messagesADay: number): Promise<void> {
    for (let i = 0; i < days * PLANS_A_DAY; i++) {
      this.clock.advance(DAY_MS / PLANS_A_DAY);
      await this.#plan(messagesADay / PLANS_A_DAY);
      if (this.#n % FOLD_EVERY !== 0) continue;
      await fold(this.#partition, { expected: this.#n });
      while ((await compact(this.#partition, LEVELS)).outcome === 'compacted');
      await collect(this.#partition, { keepLogsAfter: 0 });
    }
  }

  async #plan(messages: number): Promise<void> {
    const n = ++this.#n;
    const processingTime = this.clock.now();
    const pieces = Array.from({ length: messages }, (): Piece => {
      const name = `message ${this.#idOf(this.#planned.length)}`;
      this.#planned.push({ key: objectKey('rows', name), atMs: processingTime });
      return { source: 'rows', name, version: '', from: 0, to: 100, done: true, message: true };
    });
    const { bytes, hash } = encodePlan({
      n,
      kind: 'data',
      pieces,
      segment: null,
      counts: { rows: 100 * messages, dropped: 0, quarantined: 0 },
      inputs: {},
      watermark: null,
      previousWatermark: null,
      processingTime,
      headHash: '0'.repeat(32),
      previousHash: this.#hash,
      attempt: random.id(),
    });
    this.#hash = hash;
    await this.store.create(this.#names.log(PLANNER, n), bytes);
  }

  async manifest(): Promise<Manifest> {
    return (await fold(this.#partition)).loaded.manifest;
  }

  /** Of SSTs that the manifest names. */
  async bytes(): Promise<number> {
    return sstsOf(await this.manifest()).reduce((sum, sst) => sum + sst.size, 0);
  }

  /** Without those that are not merged yet, which are now few and now many. */
  async mergedBytes(): Promise<number> {
    return (await this.manifest()).levels.flat().reduce((sum, sst) => sum + sst.size, 0);
  }

  /** Of those in the store: what was replaced is deleted. */
  async stored(): Promise<number> {
    const objects = await listAll(this.store, this.#names.sstPrefix(PLANNER));
    return objects.reduce((sum, { size }) => sum + size, 0);
  }

  /** Planned messages that are in the state, and those that must be. */
  async known(): Promise<{ readonly rows: number; readonly lost: number; readonly live: number }> {
    const rows = new Set<string>();
    const manifest = await this.manifest();
    for (const sst of sstsOf(manifest)) {
      const answer = await this.store.get(this.#names.sst(PLANNER, sst.id));
      if (!answer.found) throw new Error(`SST ${sst.id} is missing`);
      for (const { key } of [...sstEntries(sst, answer.body)].flat()) rows.add(key);
    }
    const prefix = addressPrefix(OBJECTS_TABLE, 'keyed', 0);
    const live = this.#planned.filter(({ atMs }) => atMs + 30 * DAY_MS > manifest.timeMs!);
    const lost = live.filter(({ key }) => !rows.has(prefix + key)).length;
    return { rows: rows.size, lost, live: live.length };
  }
}

describe.each(Object.entries(IDS))('with %s ids', (_, idOf) => {
  it('it is as large after 90 days as after 30, at one rate', async () => {
    const days = new Days(idOf);
    await days.pass(30, 400);
    const after30 = await days.bytes();
    const merged30 = await days.mergedBytes();
    const sizes: number[] = [];
    for (let day = 30; day < 90; day += 10) {
      await days.pass(10, 400);
      sizes.push(await days.mergedBytes());
      expect(await days.stored()).toBeLessThan(3 * after30);
    }
    const { rows, lost, live } = await days.known();
    expect((await days.manifest()).levels.length).toBeGreaterThan(1);
    expect(Math.max(...sizes)).toBeLessThan(2 * merged30);
    expect(lost).toBe(0);
    expect(rows).toBeLessThan(2 * live);
  });

  it('it becomes small again where fewer come, though what is new touches little of what is old', async () => {
    const days = new Days(idOf);
    await days.pass(30, 400);
    const busy = await days.bytes();
    await days.pass(60, 8);
    const { rows, lost, live } = await days.known();
    expect(await days.bytes()).toBeLessThan(busy / 20);
    expect(lost).toBe(0);
    // Half of each level's at most, and L0, which may wait for its fourth SST.
    expect(rows).toBeLessThan(2 * live + 100);
  });
});
