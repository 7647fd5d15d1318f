/** Two processes run the same job on the same store at once: one is fenced, or both finish; the results are right. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { DirectoryStore } from '../../lib/object-store/directory-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { seededRandom, systemRandom } from '../../lib/util/random.ts';
import { FastClock, FLUSH, insideBytesOf, outcomeOf, physical, publishedOf, runScript } from '../helpers/engine.ts';
import { JOB_KINDS, JOBS, sampleScript } from '../helpers/engine-jobs.ts';
import { flightsJob } from '../helpers/engine-run-process.ts';
import { hookedStore } from '../helpers/stores.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-two-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('two engines on one store', () => {
  it('invariants 1, 10 and 11: however their requests interleave, one is fenced or both finish, and nothing is there twice', async () => {
    let fenced = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...JOB_KINDS),
        fc.nat(),
        fc.constantFrom(1, 1 << 20),
        async (kind, seed, cacheBytes) => {
          const job = physical(JOBS[kind](), { state: { ttlMs: undefined, cacheBytes } });
          const rows = sampleScript(kind, 5);
          const script = [...rows.slice(0, 3), FLUSH, ...rows.slice(3)];
          const clock = new FastClock();
          const whole = new MemoryStore({ clock });
          await runScript({ job, store: whole, script, clock, flush: true });
          const store = new MemoryStore({ clock });
          const { next } = seededRandom(seed);
          const wait = async (): Promise<void> => {
            for (let i = Math.floor(next() * next() * 6); i > 0; i--)
              await new Promise((resolve) => setImmediate(resolve));
          };
          const insideBytes = insideBytesOf(seed);
          const slow = () => hookedStore(store, { before: wait, after: wait });
          const both = await Promise.allSettled(
            [0, 1].map(() => runScript({ job, store: slow(), script, clock, flush: true, insideBytes })),
          );
          for (const one of both) {
            if (one.status === 'fulfilled') continue;
            expect((one.reason as { code?: string }).code, String(one.reason?.stack)).toBe('FENCED');
            fenced++;
          }
          await runScript({ job, store, script, clock, flush: true });
          expect(await outcomeOf(store, job)).toEqual(await outcomeOf(whole, job));
        },
      ),
      { numRuns: 25 },
    );
    expect(fenced).toBeGreaterThan(0);
  });

  it('invariant 10: two real processes on one directory', async () => {
    const input = path.join(root, 'flights.ndjson');
    const rows = Array.from({ length: 1500 }, (_, i) =>
      JSON.stringify({ event_time: 1e12 + i * 120_000, carrier: `C${i % 9}`, dep_delay: i % 50 }),
    );
    writeFileSync(input, `${rows.join('\n')}\n`);
    const script = new URL('../helpers/engine-run-process.ts', import.meta.url).pathname;
    const start = (store: string, output: string): Promise<{ code: number | null; text: string }> =>
      new Promise((resolve) => {
        const args = [
          '--conditions',
          'misa-source',
          '--import',
          'tsx',
          script,
          path.join(root, store),
          input,
          path.join(root, output),
          'async',
        ];
        const child = spawn(process.execPath, args, { cwd: new URL('../..', import.meta.url).pathname });
        let text = '';
        for (const stream of [child.stdout, child.stderr])
          stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
        child.on('exit', (code) => resolve({ code, text }));
      });
    expect((await start('whole', 'out-whole')).code).toBe(0);
    const both = await Promise.all([start('shared', 'out-a'), start('shared', 'out-b')]);
    for (const { code, text } of both) if (code !== 0) expect(text).toContain('another process runs job flights');
    expect((await start('shared', 'out-a')).code).toBe(0);
    const job = compileJob(flightsJob());
    const openStore = (name: string) =>
      DirectoryStore.open({ root: path.join(root, name), clock: systemClock, random: systemRandom });
    expect(await publishedOf(await openStore('shared'), job)).toEqual(await publishedOf(await openStore('whole'), job));
  });
});
