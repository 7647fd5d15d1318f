/**
 * The real process (directory store, commit worker thread, output directory) killed with SIGKILL at random moments, many
 * times in one run, over real flights: nothing is lost and nothing is there twice.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { engineRun, live, writeFlights } from '../helpers/lives.ts';

const LIVES = 30;
const root = mkdtempSync(path.join(tmpdir(), 'misa-kill-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const input = writeFlights(path.join(root, 'flights.ndjson'), 4000);

/** Result files by name; the cursor says how far the copying is and depends on how often it was flushed. */
function results(directory: string): Record<string, string> {
  const names = readdirSync(directory)
    .filter((name) => name.endsWith('.ndjson'))
    .sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(path.join(directory, name), 'utf8')]));
}

describe('SIGKILL', () => {
  it(`invariants 4, 10 and 12: killed ${LIVES} times at random moments, the output directory is that of a run without faults`, async () => {
    const whole = path.join(root, 'whole');
    await live(engineRun(path.join(root, 'whole-store'), input, whole, 'async'), undefined);
    const expected = results(whole);
    expect(Object.keys(expected).length).toBeGreaterThan(20);

    let kills = 0;
    for (let job = 0; kills < LIVES; job++) {
      const output = path.join(root, `out-${job}`);
      const store = path.join(root, `store-${job}`);
      const killedAfter: number[] = [];
      for (let lives = 0; ; lives++) {
        const ms = Math.floor(Math.random() * Math.random() * 400);
        const killed = await live(
          engineRun(store, input, output, 'async'),
          lives < 40 && kills < LIVES ? ms : undefined,
        );
        if (!killed) break;
        kills++;
        killedAfter.push(ms);
      }
      expect(results(output), `killed after ${killedAfter.join(', ')} ms`).toEqual(expected);
    }
    expect(kills).toBeGreaterThanOrEqual(LIVES);
  }, 400_000);
});
