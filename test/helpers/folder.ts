/** Runs a job over real files in a folder, life after life, on one store; and what came of their rows. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type RunEnd, type RunJobOptions, runJob } from '../../lib/embedded/run-job.ts';
import { job as makeJob, source } from '../../lib/index.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { expandInputs } from '../../lib/source/index.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { NO_TRACE } from '../../lib/util/trace.ts';
import { FastClock, physical, publishedOf, testCommitter } from './engine.ts';

let lives = 5000;

/** Hands each row on as it is; a row that cannot be read goes to the quarantine. */
export function copyJob(maxRows = 3): PhysicalJob {
  const rows = source<{ id: number }>('rows');
  return physical(
    makeJob(
      'copy',
      rows.map((row) => ({ id: row.id })),
      { partitions: 1 },
    ),
    { trigger: { maxRows, maxBytes: 1 << 20, maxWaitMs: 0 } },
  );
}

/** One life of the embedded engine over files: a clock and random numbers of its own, folds in this thread. */
export function runFiles(
  store: ObjectStore,
  job: PhysicalJob,
  inputs: RunJobOptions['inputs'],
  options: Partial<RunJobOptions> = {},
): Promise<RunEnd> {
  const random = seededRandom(lives++);
  const clock = new FastClock();
  const shared = { store, clock, random, trace: NO_TRACE, retentionMs: 1e12 };
  return runJob(job, {
    ...shared,
    cache: undefined,
    committer: (context) => testCommitter(context, { job, store }),
    inputs,
    ...options,
  });
}

export class Folder {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'misa-folder-'));

  path(name: string): string {
    return path.join(this.directory, name);
  }

  write(name: string, content: string | Uint8Array): string {
    writeFileSync(this.path(name), content);
    return this.path(name);
  }

  /** What a run of `misa run` over all files of the folder does. */
  async run(store: ObjectStore, options: Partial<RunJobOptions> = {}, job = copyJob()): Promise<RunEnd> {
    return runFiles(store, job, options.inputs ?? (await this.find()), options);
  }

  async find(): Promise<RunJobOptions['inputs']> {
    const files = readdirSync(this.directory).filter((name) => !name.startsWith('.'));
    return new Map([['rows', files.length === 0 ? [] : await expandInputs([path.join(this.directory, '*')])]]);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Ids of the rows in the results, sorted. */
export async function idsIn(store: ObjectStore): Promise<number[]> {
  const ids: number[] = [];
  for (const [name, text] of Object.entries(await publishedOf(store, copyJob()).catch(() => ({})))) {
    if (!name.startsWith('out/')) continue;
    for (const line of (text as string).split('\n')) if (line !== '') ids.push((JSON.parse(line) as { id: number }).id);
  }
  return ids.sort((a, b) => a - b);
}

/** NDJSON of rows with these ids. */
export function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, i) => `{"id":${from + i}}\n`).join('');
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
