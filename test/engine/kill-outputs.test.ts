/**
 * The real process killed with SIGKILL at random moments, again and again, while it writes rolled files and tables: what it
 * leaves is what a run without faults leaves, file by file.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { OutputOptions } from '../../lib/embedded/output/settings.ts';
import { filesIn, readFolder } from '../embedded/result-files.ts';
import { engineRun, live, writeFlights } from '../helpers/lives.ts';

const KILLS = 3;
const root = mkdtempSync(path.join(tmpdir(), 'misa-kill-outputs-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const input = writeFlights(path.join(root, 'flights.ndjson'), 2500);

interface Form {
  readonly options: OutputOptions;
  readonly mode?: 'append' | 'update' | 'complete';
}

function argsOf(name: string, { options, mode }: Form): string[] {
  const args = [path.join(root, `${name}-store`), input, path.join(root, name), 'async', JSON.stringify(options)];
  return engineRun(...args, ...(mode === undefined ? [] : [mode]));
}

/** Lives until the process ends by itself, killed until the kills are used up. */
async function liveOn(name: string, form: Form, killsLeft: number): Promise<number[]> {
  const killedAfter: number[] = [];
  for (;;) {
    const ms = Math.floor(Math.random() * Math.random() * 600);
    if (!(await live(argsOf(name, form), killedAfter.length < killsLeft ? ms : undefined))) return killedAfter;
    killedAfter.push(ms);
  }
}

/** Where files end does not depend on time: beside an interval, which tables are written by, each batch's rows are enough for one. */
const FORMS: Record<string, Form> = {
  'rolled by bytes, Parquet': { options: { format: 'parquet', rollBytes: 20_000, withBatch: true } },
  'a file a batch, CSV': { options: { format: 'csv' } },
  'table of updates, Parquet': {
    options: { format: 'parquet', table: true, rollBytes: 1, rollIntervalMs: 1 },
    mode: 'update',
  },
  'table of windows, CSV': { options: { format: 'csv', table: true, rollBytes: 1, rollIntervalMs: 1 } },
  'mode complete, NDJSON': { options: { layout: 'folders', rollBytes: 1, rollIntervalMs: 1 }, mode: 'complete' },
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
