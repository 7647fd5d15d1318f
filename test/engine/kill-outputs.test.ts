/**
 * The real process killed with SIGKILL at random moments, again and again, while it writes rolled files and tables: what it
 * leaves is what a run without faults leaves, file by file.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import type { OutputOptions } from '../../lib/runtime/output/settings.ts';
import { filesIn, readFolder } from '../runtime/result-files.ts';

const KILLS = 3;
const root = mkdtempSync(path.join(tmpdir(), 'misa-kill-outputs-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const data = new URL('../../examples/departures/data/flights-2013.ndjson.gz', import.meta.url);
const lines = gunzipSync(readFileSync(data)).toString('utf8').split('\n').slice(0, 2500);
const input = path.join(root, 'flights.ndjson');
writeFileSync(input, `${lines.join('\n')}\n`);

const script = new URL('../helpers/engine-run-process.ts', import.meta.url).pathname;
const repository = new URL('../..', import.meta.url).pathname;

interface Form {
  readonly options: OutputOptions;
  readonly mode?: 'append' | 'update' | 'complete';
}

/** Starts the process, and kills it `killAfterMs` after it has opened the store, if it still lives then. */
function live(name: string, { options, mode }: Form, killAfterMs: number | undefined): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const args = [
      script,
      path.join(root, `${name}-store`),
      input,
      path.join(root, name),
      'async',
      JSON.stringify(options),
    ];
    const child = spawn(
      process.execPath,
      ['--conditions', 'misa-source', '--import', 'tsx', ...args, ...(mode === undefined ? [] : [mode])],
      { cwd: repository, stdio: ['ignore', 'pipe', 'pipe'] },
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
      if (signal === 'SIGKILL') resolve(true);
      else if (code === 0) resolve(false);
      else reject(new Error(`the process failed: ${text}`));
    });
  });
}

/** Lives until the process ends by itself, killed until the kills are used up. */
async function liveOn(name: string, form: Form, killsLeft: number): Promise<number[]> {
  const killedAfter: number[] = [];
  for (;;) {
    const ms = Math.floor(Math.random() * Math.random() * 600);
    if (!(await live(name, form, killedAfter.length < killsLeft ? ms : undefined))) return killedAfter;
    killedAfter.push(ms);
  }
}

const FORMS: Record<string, Form> = {
  'rolled by bytes, Parquet': { options: { format: 'parquet', rollBytes: 20_000, withBatch: true } },
  'a file a batch, CSV': { options: { format: 'csv' } },
  'table of updates, Parquet': { options: { format: 'parquet', table: true, rollIntervalMs: 1 }, mode: 'update' },
  'table of windows, CSV': { options: { format: 'csv', table: true, rollIntervalMs: 1 } },
  'mode complete, NDJSON': { options: { layout: 'folders', rollIntervalMs: 1 }, mode: 'complete' },
};

describe('SIGKILL while results are written', () => {
  for (const [what, form] of Object.entries(FORMS)) {
    it(`${what}: killed ${KILLS} times, the files are those of a run without faults`, async () => {
      const name = what.replace(/\W+/g, '-');
      await liveOn(`${name}-whole`, form, 0);
      const expected = filesIn(path.join(root, `${name}-whole`));
      expect(Object.keys(expected).length).toBeGreaterThan(1);
      for (let kills = 0, round = 0; kills < KILLS; round++) {
        const killedAfter = await liveOn(`${name}-${round}`, form, KILLS - kills);
        kills += Math.max(1, killedAfter.length);
        expect(filesIn(path.join(root, `${name}-${round}`)), `killed after ${killedAfter.join(', ')} ms`).toEqual(
          expected,
        );
      }
    }, 600_000);
  }

  it('rolled by time: the files end elsewhere, and hold the same rows in the same order', async () => {
    const form: Form = { options: { rollIntervalMs: 200 } };
    await liveOn('timed-whole', form, 0);
    await liveOn('timed', form, KILLS);
    for (const output of ['hourly', 'days', 'late']) {
      const rows = await readFolder(path.join(root, 'timed'), output);
      expect(rows).toEqual(await readFolder(path.join(root, 'timed-whole'), output));
    }
  }, 600_000);
});
