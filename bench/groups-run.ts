/** A cell of `groups`, run as `misa run` does, for the time that a row takes and the memory of the process. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run, source } from '../lib/index.ts';
import { systemClock as clock } from '../lib/util/clock.ts';
import type { GroupCell, GroupRow } from './groups-cell.ts';
import { JOIN_CELLS } from './groups-joins.ts';
import { PROCESS_CELLS } from './groups-process.ts';
import { WINDOW_CELLS } from './groups-windows.ts';
import { statusMb } from './measure.ts';

export const GROUP_CELLS: Readonly<Record<string, GroupCell>> = { ...JOIN_CELLS, ...PROCESS_CELLS, ...WINDOW_CELLS };

export interface GroupArgs {
  readonly cell: string;
  readonly size: number;
}

export interface GroupResult {
  readonly ms: number;
  /** Of the process on processors, all threads. */
  readonly cpuMs: number;
  /** The most memory that is not files mapped, as the block cache is, by a look now and then, MB (10^6 bytes); 0: not known. */
  readonly anonymousMb: number;
}

const LOOK_MS = 50;

export async function measureGroup({ cell, size }: GroupArgs): Promise<GroupResult> {
  const { job, rows, results } = GROUP_CELLS[cell]!;
  const store = mkdtempSync(path.join(tmpdir(), 'misa-bench-'));
  async function* input(): AsyncGenerator<GroupRow, void, undefined> {
    yield* rows(size);
  }
  let anonymousMb = 0;
  const looking = setInterval(() => {
    anonymousMb = Math.max(anonymousMb, statusMb('RssAnon') ?? 0);
  }, LOOK_MS);
  try {
    const startMs = clock.monotonic();
    const startCpu = process.cpuUsage();
    const given = source<GroupRow>('rows', { eventTime: (r) => r.t, delay: 0 });
    const { emitted } = await run(job(given, size), { inputs: { rows: input() }, store }).done;
    if (emitted !== results(size)) throw new Error(`${cell}: ${emitted} results, not ${results(size)}`);
    const { user, system } = process.cpuUsage(startCpu);
    return { ms: clock.monotonic() - startMs, cpuMs: (user + system) / 1000, anonymousMb };
  } finally {
    clearInterval(looking);
    rmSync(store, { recursive: true, force: true });
  }
}
