/** Backpressure and counts: what must hold however slow or broken the commit side is for a while. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StoreError, StoreTimeoutError } from '../../lib/errors.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { seededRandom } from '../../lib/util/random.ts';
import {
  FastClock,
  gather,
  openEngine,
  outcomeOf,
  physical,
  rowsOf,
  runScript,
  type TestCommitter,
} from '../helpers/engine.ts';
import { anyScript, JOBS, sampleScript } from '../helpers/engine-jobs.ts';
import { hookedStore } from '../helpers/stores.ts';

const MAX_LAG = 3;
const job = (changes: Partial<PhysicalJob> = {}): PhysicalJob =>
  physical(JOBS.twoStages(), { commit: { mode: 'async', maxLag: MAX_LAG }, ...changes });

describe('invariant 8: the commit lag', () => {
  it('⚑ lag-bound: is at most K when a batch starts, though the commit side does nothing by itself', async () => {
    const clock = new FastClock();
    const store = new MemoryStore({ clock });
    const { engine } = await openEngine({ job: job(), store, clock, commits: 'asked' });
    const script = sampleScript('twoStages', 20);
    let greatest = 0;
    for (const [i, batch] of script.entries()) {
      await engine.batch(gather(engine.context.job, batch, `rows-${i}`));
      // K when it started, and the batch itself.
      greatest = Math.max(greatest, engine.commitLag);
    }
    expect(greatest).toBe(MAX_LAG + 1);
  });

  it('stays at K while folds fail now and then; no batch fails for it, and the backlog drains when faults stop', async () => {
    const clock = new FastClock();
    const memory = new MemoryStore({ clock });
    const { next } = seededRandom(7);
    let broken = true;
    // Half of the requests of folds fail: SSTs and manifests.
    const store = hookedStore(memory, {
      before(call) {
        if (!broken || !/\/sst\/|\/manifest$/.test(call.name) || call.op === 'get' || next() < 0.5) return;
        if (next() < 0.5) throw new StoreError('STORE_BUSY', 'try again', { retryable: true });
        throw new StoreTimeoutError('no answer');
      },
    });
    const { engine, committer } = await openEngine({ job: job(), store, clock });
    const script = sampleScript('twoStages', 16);
    for (const [i, batch] of script.entries()) {
      await engine.batch(gather(engine.context.job, batch, `rows-${i}`));
      expect(engine.commitLag).toBeLessThanOrEqual(MAX_LAG + 1);
    }
    broken = false;
    await committer.close({ drain: true });
    expect(engine.commitLag).toBe(0);
    const whole = new MemoryStore({ clock });
    const plain = await openEngine({ job: job(), store: whole, clock });
    for (const [i, batch] of script.entries()) await plain.engine.batch(gather(engine.context.job, batch, `rows-${i}`));
    await plain.committer.close({ drain: true });
    expect(await outcomeOf(memory, job())).toEqual(await outcomeOf(whole, job()));
  });

  it('a slow commit side is waited for, not overrun', async () => {
    const clock = new FastClock();
    const store = new MemoryStore({ clock });
    let waits = 0;
    const slow = (inner: TestCommitter) => ({
      ...inner,
      async relieve(path: string) {
        waits++;
        for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
        // Every second time it has nothing to show.
        if (waits % 2 === 0) await inner.relieve(path);
      },
    });
    const { engine } = await openEngine({ job: job(), store, clock, commits: 'asked', committer: slow });
    for (const [i, batch] of sampleScript('twoStages', 12).entries()) {
      await engine.batch(gather(engine.context.job, batch, `rows-${i}`));
      expect(engine.commitLag).toBeLessThanOrEqual(MAX_LAG + 1);
    }
    expect(waits).toBeGreaterThan(0);
  });
});

describe('invariant 9: counts', () => {
  it('every input row is exactly one of applied, late, quarantined and skipped', async () => {
    await fc.assert(
      fc.asyncProperty(anyScript('tumbling'), async (script) => {
        const clock = new FastClock();
        const store = new MemoryStore({ clock });
        const windows = physical(JOBS.tumbling());
        const done = await runScript({ job: windows, store, clock, script, flush: true });
        const total = script.reduce((sum, { events = [] }) => sum + events.length, 0);
        let [rows, dropped, reached, late, quarantined] = [0, 0, 0, 0, 0];
        for (const { plan, counts } of done) {
          rows += plan.plan.counts.rows;
          dropped += plan.plan.counts.dropped;
          reached += counts.rows;
          late += counts.late;
          quarantined += counts.quarantined;
        }
        expect(rows).toBe(total);
        expect(dropped + quarantined + reached).toBe(total);
        const inWindows = (await rowsOf(store, windows, 'sums')).flat() as { n: number }[];
        expect(inWindows.reduce((sum, { n }) => sum + n, 0) + late).toBe(reached);
        expect((await rowsOf(store, windows, 'late')).flat()).toHaveLength(late);
        expect((await rowsOf(store, windows, '_quarantine')).flat()).toHaveLength(quarantined);
      }),
      { numRuns: 25 },
    );
  });
});

describe('invariant 10: notifications', () => {
  it('the same input, delivered again in other groupings and lives, is planned once', async () => {
    const clock = new FastClock();
    const store = new MemoryStore({ clock });
    const running = physical(JOBS.running());
    const script = sampleScript('running', 5);
    await runScript({ job: running, store, clock, script: script.slice(0, 3) });
    await runScript({ job: running, store, clock, script });
    await runScript({ job: running, store, clock, script });
    const whole = new MemoryStore({ clock });
    await runScript({ job: running, store: whole, clock, script });
    expect(await outcomeOf(store, running)).toEqual(await outcomeOf(whole, running));
  });
});
