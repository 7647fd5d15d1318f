/**
 * The real process (directory store, commit worker thread, output directory) killed with SIGKILL at random moments, many
 * times in one run, over real flights: nothing is lost and nothing is there twice.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';

const LIVES = 30;
const root = mkdtempSync(path.join(tmpdir(), 'misa-kill-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const data = new URL('../../examples/departures/data/flights-2013.ndjson.gz', import.meta.url);
const lines = gunzipSync(readFileSync(data)).toString('utf8').split('\n').slice(0, 4000);
const input = path.join(root, 'flights.ndjson');
writeFileSync(input, `${lines.join('\n')}\n`);

const script = new URL('../helpers/engine-run-process.ts', import.meta.url).pathname;
const repository = new URL('../..', import.meta.url).pathname;

interface Life {
  readonly killed: boolean;
  readonly output: string;
}

/** Starts the process, and kills it `killAfterMs` after it has opened the store, if it still lives then. */
function live(store: string, output: string, killAfterMs: number | undefined): Promise<Life> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ['--conditions', 'misa-source', '--import', 'tsx', script, store, input, output, 'async'],
      {
        cwd: repository,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (killAfterMs !== undefined && text.startsWith('open\n')) {
        setTimeout(() => child.kill('SIGKILL'), killAfterMs);
        killAfterMs = undefined;
      }
    });
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (signal === 'SIGKILL') resolve({ killed: true, output: text });
      else if (code === 0) resolve({ killed: false, output: text });
      else reject(new Error(`the process failed: ${text}`));
    });
  });
}

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
    await live(path.join(root, 'whole-store'), whole, undefined);
    const expected = results(whole);
    expect(Object.keys(expected).length).toBeGreaterThan(20);

    let kills = 0;
    for (let job = 0; kills < LIVES; job++) {
      const output = path.join(root, `out-${job}`);
      const store = path.join(root, `store-${job}`);
      const killedAfter: number[] = [];
      for (let lives = 0; ; lives++) {
        const ms = Math.floor(Math.random() * Math.random() * 400);
        const { killed } = await live(store, output, lives < 40 && kills < LIVES ? ms : undefined);
        if (!killed) break;
        kills++;
        killedAfter.push(ms);
      }
      expect(results(output), `killed after ${killedAfter.join(', ')} ms`).toEqual(expected);
    }
    expect(kills).toBeGreaterThanOrEqual(LIVES);
  }, 400_000);
});
