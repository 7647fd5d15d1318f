/**
 * `misa resume`: lets halted partitions go on, once what they were halted for is repaired. Nothing else is changed: the
 * batch that could not run is run again. With `--skip-row` without the row that it failed at, which is set aside.
 */
import { resumeHalted } from '../../lib/commit/halt.ts';
import { MisaError } from '../../lib/errors.ts';
import type { Halt } from '../../lib/manifest/manifest.ts';
import { PLANNER, partitionPath } from '../../lib/object-store/names.ts';
import { openStore, parseStoreUrl } from '../../lib/object-store/store-spec.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { openStoredJob, type StoreOptions } from '../state/open-stored-job.ts';
import { count } from '../text.ts';

export interface ResumeOptions extends StoreOptions {
  /** `s0/p1`; all that are halted when left out. */
  readonly partition?: string;
  /** Sets the rows aside that they halted at. */
  readonly skipRow?: boolean;
  readonly json: boolean;
}

/** @throws {MisaError} `NO_PARTITION` */
export async function resumeCommand(name: string, options: ResumeOptions): Promise<void> {
  const job = await openStoredJob(name, options);
  const { stages, partitions } = job.file;
  const all = [
    PLANNER,
    ...Array.from({ length: stages * partitions }, (_, i) => partitionPath(Math.floor(i / partitions), i % partitions)),
  ];
  const { partition } = options;
  if (partition !== undefined && !all.includes(partition)) {
    throw new MisaError('NO_PARTITION', `job ${job.file.name} has no partition ${partition}; it has ${all.join(', ')}`);
  }
  const store = options.stack === undefined ? await writable(options) : job.store;
  const resumed: { path: string; n: number; code: string; reason: string; row?: Halt['row'] }[] = [];
  for (const path of partition === undefined ? all : [partition]) {
    const was = await resumeHalted(
      { store, names: job.names, path, random: systemRandom },
      { skipRow: options.skipRow === true },
    );
    if (was !== null) resumed.push({ path, ...was });
  }
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ job: job.file.name, resumed })}\n`);
    return;
  }
  for (const { path, n, reason, row } of resumed) {
    const skipped = options.skipRow !== true ? '' : row === undefined ? '; no row was to blame' : ' without that row';
    process.stdout.write(`${path} goes on at batch ${n}${skipped}; it was halted: ${reason}\n`);
  }
  const next =
    options.stack === undefined
      ? 'the next misa run tries it again'
      : 'the next sweep, within two minutes, tries it again';
  const done = `${count(resumed.length, 'partition')} of job ${job.file.name} resumed: ${next}`;
  process.stdout.write(resumed.length === 0 ? `no partition of job ${job.file.name} is halted\n` : `${done}\n`);
}

/** Other commands open the store read-only; this one writes. */
function writable({ store, endpoint }: StoreOptions): ReturnType<typeof openStore> {
  return openStore(parseStoreUrl(store, endpoint), { clock: systemClock, random: systemRandom });
}
