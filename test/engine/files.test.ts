/** Files as input: planned by reference, once, whatever groups they come in; refused where a replay could not read them again. */
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { count, job as makeJob, source } from '../../lib/index.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { fileRef } from '../../lib/source/file-blocks.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { FastClock, outcomeOf, physical, rowsOf } from '../helpers/engine.ts';
import { JOBS } from '../helpers/engine-jobs.ts';
import { runFiles } from '../helpers/folder.ts';
import { CrashError, countingStore, hookedStore } from '../helpers/stores.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-files-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function file(name: string, rows: readonly unknown[]): string {
  const full = path.join(root, name);
  writeFileSync(full, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return full;
}
const rowsFor = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ t: (from + i) * 100, k: `k${(from + i) % 5}`, v: 1 }));
const job = (changes: Partial<PhysicalJob> = {}): PhysicalJob =>
  physical(JOBS.running(), { trigger: { maxRows: 7, maxBytes: 1 << 20, maxWaitMs: 0 }, ...changes });

async function run(store: ObjectStore, files: readonly string[], physicalJob = job()) {
  const refs = await Promise.all(files.map((f) => fileRef(f)));
  return runFiles(store, physicalJob, new Map([['events', refs]]));
}

/** What each key counts in the end. */
async function countsOf(store: ObjectStore): Promise<Record<string, number>> {
  const last: Record<string, number> = {};
  for (const row of (await rowsOf(store, job(), 'out')).flat() as { key: string; n: number }[]) last[row.key] = row.n;
  return last;
}

describe('files', () => {
  it('⚑ piece-identity, invariant 10: a file delivered again, in other groups and orders and lives, is planned once', async () => {
    const [a, b, c] = [
      file('a.ndjson', rowsFor(0, 20)),
      file('b.ndjson', rowsFor(20, 20)),
      file('c.ndjson', rowsFor(40, 20)),
    ];
    const store = new MemoryStore({ clock: new FastClock() });
    await run(store, [a, b]);
    await run(store, [b, a]);
    await run(store, [c, b, a, c]);
    await run(store, [a]);
    expect(await countsOf(store)).toEqual({ k0: 12, k1: 12, k2: 12, k3: 12, k4: 12 });
  });

  it('invariants 4 and 10: killed between any two batches, the next life reads on in the middle of a file', async () => {
    const files = [file('d.ndjson', rowsFor(0, 25)), file('e.ndjson', rowsFor(25, 25))];
    const whole = new MemoryStore({ clock: new FastClock() });
    await run(whole, files);
    for (let n = 1; n <= 8; n++) {
      for (const part of ['/plan/', '/s0/p0/log/', '/out/out/p1/']) {
        const store = new MemoryStore({ clock: new FastClock() });
        let dead = false;
        const dying = hookedStore(store, {
          after(call) {
            dead ||= call.op === 'create' && call.name.includes(part) && call.name.endsWith(`00${n}`);
            if (dead) throw new CrashError('dead');
          },
          before() {
            if (dead) throw new CrashError('dead');
          },
        });
        await run(dying, files).catch(() => {});
        await run(store, files);
        expect(await outcomeOf(store, job()), `killed after ${part}${n}`).toEqual(await outcomeOf(whole, job()));
      }
    }
  });

  it('a file that was changed after part of it was planned is refused, one that was only touched or copied is not', async () => {
    const name = file('f.ndjson', rowsFor(0, 20));
    const store = new MemoryStore({ clock: new FastClock() });
    await run(store, [name]);
    utimesSync(name, new Date(1), new Date(1));
    await run(store, [name]);
    expect(Object.values(await countsOf(store)).reduce((a, b) => a + b, 0)).toBe(20);
    file('f.ndjson', rowsFor(100, 20));
    await expect(run(store, [name])).rejects.toMatchObject({
      code: 'INPUT_CHANGED',
      message: expect.stringContaining(name),
    });
  });

  it('a batch that is planned and not finished is refused when its file or the head of the job has changed', async () => {
    const planOnly = async (name: string): Promise<MemoryStore> => {
      const store = new MemoryStore({ clock: new FastClock() });
      const dying = hookedStore(store, {
        before(call) {
          if (call.name.includes('/log/') && call.op === 'create') throw new CrashError('dead before log 1');
        },
      });
      await run(dying, [name]).catch(() => {});
      return store;
    };
    const name = file('g.ndjson', rowsFor(0, 20));
    const changedHead = await planOnly(name);
    await expect(run(changedHead, [name], job({ headHash: 'another' }))).rejects.toMatchObject({
      code: 'HEAD_CHANGED',
    });
    const changedFile = await planOnly(name);
    file('g.ndjson', rowsFor(50, 21));
    await expect(run(changedFile, [name])).rejects.toMatchObject({ code: 'INPUT_CHANGED' });
    const gone = await planOnly(name);
    rmSync(name);
    await expect(run(gone, [file('h.ndjson', [])])).rejects.toMatchObject({ code: 'INPUT_MISSING' });
  });

  it('a batch that is planned and not finished reads its CSV as the source says that it is laid out', async () => {
    const events = source<{ k: string; v: number }>('events', { csv: { delimiter: ';', header: ['k', 'v'] } });
    const laidOut = physical(
      makeJob('running', events.keyBy((r) => r.k).aggregate({ n: count() }), { outputMode: 'update' }),
      { trigger: { maxRows: 7, maxBytes: 1 << 20, maxWaitMs: 0 } },
    );
    const name = path.join(root, 'laid-out.csv');
    writeFileSync(
      name,
      rowsFor(0, 20)
        .map(({ k, v }) => `"${k}";${v}\n`)
        .join(''),
    );
    const store = new MemoryStore({ clock: new FastClock() });
    for (const n of [1, 2, 3]) {
      const dying = hookedStore(store, {
        before(call) {
          if (call.name.includes('/log/') && call.op === 'create' && call.name.endsWith(String(n))) {
            throw new CrashError(`dead before log ${n}`);
          }
        },
      });
      await run(dying, [name], laidOut).catch(() => {});
    }
    await run(store, [name], laidOut);
    const last: Record<string, number> = {};
    for (const row of (await rowsOf(store, laidOut, 'out')).flat() as { key: string; n: number }[])
      last[row.key] = row.n;
    expect(last).toEqual({ k0: 4, k1: 4, k2: 4, k3: 4, k4: 4 });
  });

  it.each(['/s0/p0/log/', '/out/out/p1/'])(
    'a run that has failed at %s leaves nothing running: no rows are gathered, nothing is planned or published',
    async (part) => {
      const name = file('i.ndjson', rowsFor(0, 6000));
      const store = countingStore(new MemoryStore({ clock: new FastClock() }));
      const failing = hookedStore(store, {
        before(call) {
          if (call.op === 'create' && call.name.includes(part)) throw new Error('no more');
        },
      });
      const large = job({ trigger: { maxRows: 2000, maxBytes: 1 << 20, maxWaitMs: 0 } });
      await expect(run(failing, [name], large)).rejects.toThrow('no more');
      expect(store.calls.filter((call) => call.outcome === 'under way')).toEqual([]);
      const before = store.report();
      for (let turns = 0; turns < 2000; turns++) await turn();
      expect(store.report()).toBe(before);
    },
  );
});
