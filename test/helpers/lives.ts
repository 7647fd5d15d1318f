/** Lives of a real process that is killed with SIGKILL: each goes on from what the one before left. */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const REPOSITORY = new URL('../..', import.meta.url).pathname;
const ENGINE_RUN = new URL('./engine-run-process.ts', import.meta.url).pathname;
const FLIGHTS = new URL('../../examples/departures/data/flights-2013.ndjson.gz', import.meta.url);

/**
 * Starts node, and kills it `killAfterMs` after it has first said something, if it still lives then.
 * @returns whether it was killed; rejects where it ended with another code than 0
 */
export function live(args: readonly string[], killAfterMs: number | undefined): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: REPOSITORY, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.stdout.once('data', () => {
      if (killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (signal === 'SIGKILL') resolve(true);
      else if (code === 0) resolve(false);
      else reject(new Error(`the process failed: ${text}`));
    });
  });
}

/** What node is started with for `engine-run-process.ts`, which says `open` when it has opened the store. */
export function engineRun(...args: readonly string[]): string[] {
  return ['--conditions', 'misa-source', '--import', 'tsx', ENGINE_RUN, ...args];
}

/** The first real flights, as NDJSON. */
export function writeFlights(file: string, count: number): string {
  const lines = gunzipSync(readFileSync(FLIGHTS)).toString('utf8').split('\n').slice(0, count);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}
