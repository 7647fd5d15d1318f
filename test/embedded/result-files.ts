/** What the tests of output directories share: a finished job in a store, and its results read back as a user would. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'csv-parse/sync';
import { parquetReadObjects } from 'hyparquet';
import { runEmbedded } from '../../lib/embedded/embedded.ts';
import type { OutputOptions } from '../../lib/embedded/output/settings.ts';
import { OutputDirectory } from '../../lib/embedded/output-directory.ts';
import type { Job } from '../../lib/index.ts';
import { type JobFile, readJobFile } from '../../lib/job/job-file.ts';
import { names } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { openStore } from '../../lib/object-store/store-spec.ts';
import { expandInputs } from '../../lib/source/index.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { type Clock, systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';

export interface Finished {
  readonly job: PhysicalJob;
  readonly store: ObjectStore;
  readonly file: JobFile;
  /** Its last batch. */
  readonly position: number;
}

/** Runs a job over rows to its end; results stay in the store. */
export async function finish(
  folder: string,
  job: Job<unknown>,
  rows: readonly unknown[],
  flush = true,
): Promise<Finished> {
  const physical = compileJob(job);
  const { name: source } = physical.sources[0]!;
  const input = path.join(folder, `${job.name}.ndjson`);
  writeFileSync(input, rows.map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join(''));
  const spec = { kind: 'directory', path: path.join(folder, `${job.name}-store`) } as const;
  const inputs = new Map([[source, await expandInputs([input])]]);
  const end = await runEmbedded(physical, { store: spec, inputs, flush, committer: 'inline', cacheBytes: 0 });
  const store = await openStore(spec, { clock: systemClock, random: systemRandom });
  return { job: physical, store, file: await readJobFile(store, job.name), position: end.position };
}

export function openOutput(
  { job, store, file }: Finished,
  directory: string,
  options: OutputOptions = {},
  clock: Clock = systemClock,
): Promise<OutputDirectory> {
  const { outputs } = job;
  return OutputDirectory.open({ directory, options, store, names: names(file.name, file.epoch), file, outputs, clock });
}

/** Copies all results into a directory, batch by batch. */
export async function copyAll(finished: Finished, directory: string, options: OutputOptions = {}): Promise<string[]> {
  const output = await openOutput(finished, directory, options);
  for (let n = 1; n <= finished.position; n++) await output.copy(n);
  await output.close();
  return output.files.map((file) => path.relative(directory, file));
}

/** Files of a directory and its folders, but for hidden ones, with their bytes in hex. */
export function filesIn(directory: string, under = ''): Record<string, string> {
  const files: Record<string, string> = {};
  for (const name of readdirSync(path.join(directory, under)).sort()) {
    if (name.startsWith('.')) continue;
    const relative = path.join(under, name);
    if (statSync(path.join(directory, relative)).isDirectory()) Object.assign(files, filesIn(directory, relative));
    else files[relative] = readFileSync(path.join(directory, relative)).toString('hex');
  }
  return files;
}

/** Rows of a result file, by another reader than its writer. Timestamps come as `Date`, whole numbers as bigint. */
export async function readRows(file: string): Promise<Record<string, unknown>[]> {
  const bytes = readFileSync(file);
  switch (path.extname(file)) {
    case '.parquet': {
      const copy = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
      return parquetReadObjects({ file: copy });
    }
    case '.csv':
      return parse(bytes, { columns: true });
    default:
      return bytes
        .toString('utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line));
  }
}

/** All rows of an output's folder, in the order of its files. */
export async function readFolder(directory: string, output: string): Promise<Record<string, unknown>[]> {
  const folder = path.join(directory, output);
  const rows = await Promise.all(
    readdirSync(folder)
      .sort()
      .map((name) => readRows(path.join(folder, name))),
  );
  return rows.flat();
}

/** As it looks in every format: text. */
export function asText(rows: readonly Record<string, unknown>[]): Record<string, string>[] {
  const text = (value: unknown): string => {
    if (value === null || value === undefined) return '';
    if (value instanceof Date) return String(value.getTime());
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  };
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, text(value)])));
}
