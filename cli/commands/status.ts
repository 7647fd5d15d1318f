/** `misa status`: what is committed, folded and stored of a job, from its objects alone; changes nothing. */

import { DataLog } from '../../lib/log/data-log.ts';
import type { BatchCounts } from '../../lib/log/entry.ts';
import { addReads, NO_READS, type ReadCounts } from '../../lib/log/read-counts.ts';
import type { Manifest, RowTotals } from '../../lib/manifest/manifest.ts';
import { greatest, smallest } from '../../lib/util/numbers.ts';
import type { DeployedJob } from '../aws/deployed-job.ts';
import { openStoredJob, type StoreOptions } from '../state/open-stored-job.ts';
import type { PartitionView } from '../state/partition-view.ts';
import { type PlannedStatus, planned } from '../state/planned.ts';
import type { StoredJob } from '../state/stored-job.ts';
import { totalsOfJob } from '../state/totals.ts';
import { type JobViews, openViews } from '../state/views.ts';
import { bytes, count, number, percent, styleOf, table, time } from '../text.ts';

export interface StatusOptions extends StoreOptions {
  readonly json: boolean;
}

interface Level {
  /** 0: L0. */
  readonly level: number;
  readonly ssts: number;
  readonly bytes: number;
}

interface PartitionStatus {
  readonly path: string;
  readonly committed: number;
  readonly folded: number;
  readonly commitLag: number;
  readonly published: number;
  readonly levels: readonly Level[];
  readonly halted: Manifest['halted'];
}

export async function statusCommand(name: string, options: StatusOptions): Promise<void> {
  const job = await openStoredJob(name, options);
  const views = await openViews(job);
  const partitions = [views.planner, ...views.stages.flat()].map(partitionStatus);
  const last = await lastBatch(job, views);
  const totals = totalsOfJob(views);
  const plan = await planned(views.planner);
  const deployed = options.stack === undefined ? undefined : (job as DeployedJob);
  const queueing = deployed === undefined ? undefined : await import('../aws/queue-table.ts');
  const queues = deployed === undefined ? undefined : await queueing!.queueReports(deployed);
  if (options.json) {
    const { name: jobName, epoch, partitions: count, stages, outputMode, commit } = job.file;
    const about = { job: jobName, epoch, partitions: count, stages, outputMode, commit, store: job.where };
    const stack = deployed === undefined ? {} : { stack: deployed.stack.name, status: deployed.stack.status, queues };
    process.stdout.write(
      `${JSON.stringify({ ...about, plan, lastBatch: last ?? null, totals, parts: partitions, ...stack })}\n`,
    );
    return;
  }
  const { bold, dim, bad } = styleOf(process.stdout);
  const { file } = job;
  const text = [
    `${bold(file.name)} ${dim(`in ${job.where}: epoch ${file.epoch}, mode ${file.outputMode}, commit ${file.commit}`)}\n`,
    `  ${dim('plans')}      ${number(plan.plans)}; ${objectsText(plan)}\n`,
    deployed === undefined ? '' : `  ${dim('stack')}      ${deployed.stack.name}: ${deployed.stack.status}\n`,
    `  ${dim('watermark')}  ${time(plan.watermark)}\n`,
    last === undefined ? '' : `  ${dim('last batch')} ${lastText(last)}\n`,
    totals === null ? '' : `  ${dim('in all')}     ${totalsText(totals)}\n`,
    '\n',
    partitionTable(partitions),
    ...partitions
      .filter((p) => p.halted !== null)
      .map((p) => bad(`  ${p.path} is halted at batch ${p.halted!.n}: ${p.halted!.reason}\n`)),
    ...(partitions.some((p) => p.halted !== null) ? [whatNext(file.name, options, partitions)] : []),
    ...(queues === undefined ? [] : ['\n', queueing!.queueTable(queues, { bad })]),
  ];
  process.stdout.write(text.join(''));
}

function totalsText({ from, rows, late, skipped, quarantined, setAside, emitted }: RowTotals): string {
  const aside = setAside === 0 ? '' : ` and ${number(setAside)} results set aside`;
  const since = from === 1 ? '' : ` (since batch ${number(from)})`;
  return `${number(rows)} rows, ${number(late)} late, ${number(skipped)} skipped, ${number(quarantined)} quarantined${aside}; ${number(emitted)} rows out${since}`;
}

function partitionStatus({ path, manifest, position }: PartitionView): PartitionStatus {
  const levels = [manifest.l0, ...manifest.levels].map((ssts, level) => ({
    level,
    ssts: ssts.length,
    bytes: ssts.reduce((sum, sst) => sum + sst.size, 0),
  }));
  const { through, publishedThrough, halted } = manifest;
  const published = Math.max(publishedThrough, 0);
  // A recorded halt no longer holds once its batch has run.
  const stands = halted !== null && halted.n > position ? halted : null;
  return {
    path,
    committed: position,
    folded: through,
    commitLag: position - through,
    published,
    levels,
    halted: stands,
  };
}

function partitionTable(partitions: readonly PartitionStatus[]): string {
  const depth = greatest(
    partitions.map((p) => p.levels.length),
    1,
  );
  const columns = [
    { title: 'partition' },
    { title: 'committed', right: true },
    { title: 'folded', right: true },
    { title: 'lag', right: true },
    ...Array.from({ length: depth }, (_, level) => ({ title: `L${level}`, right: true })),
    { title: '' },
  ];
  const rows = partitions.map((p) => [
    p.path,
    number(p.committed),
    number(p.folded),
    String(p.commitLag),
    ...Array.from({ length: depth }, (_, level) => levelText(p.levels[level])),
    p.halted === null ? '' : 'halted',
  ]);
  return table(columns, rows);
}

function levelText(level: Level | undefined): string {
  return level === undefined || level.ssts === 0 ? '–' : `${level.ssts} · ${bytes(level.bytes)}`;
}

interface LastBatch extends BatchCounts {
  readonly n: number;
  readonly reads: ReadCounts;
}

function objectsText({ objects, unfinished }: PlannedStatus): string {
  const planned = `${count(objects, 'source object')} planned`;
  return unfinished === 0 ? planned : `${planned}, ${number(unfinished)} of them not to the end`;
}

/** Counts of the last batch over all partitions, as long as its log entries are kept. */
async function lastBatch(job: StoredJob, { stages }: JobViews): Promise<LastBatch | undefined> {
  const n = smallest(stages.flat().map((view) => view.position));
  const counts = { n, rows: 0, late: 0, skipped: 0, quarantined: 0, setAside: 0, emitted: 0 };
  let reads = NO_READS;
  for (const { path } of stages.flat()) {
    const { entry } = await new DataLog(job.store, job.names, path).readEntry(n);
    if (entry === undefined) return undefined;
    for (const key of ['rows', 'late', 'skipped', 'quarantined', 'setAside', 'emitted'] as const)
      counts[key] += entry.header.counts[key] ?? 0;
    reads = addReads(reads, entry.header.reads);
  }
  return { ...counts, reads };
}

function lastText({ n, rows, late, skipped, quarantined, emitted, reads }: LastBatch): string {
  const { memory, lmdb, warm, store, preloaded } = reads;
  const all = memory + lmdb + warm + store;
  const ahead = preloaded === undefined ? '' : `, ${number(preloaded.used)} of them preloaded`;
  const state = all === 0 ? '' : `; ${count(all, 'row')} of state read, ${percent(memory, all)} from memory${ahead}`;
  return `${n}: ${number(rows)} rows, ${number(late)} late, ${number(skipped)} skipped, ${number(quarantined)} quarantined; ${number(emitted)} rows out${state}`;
}

/** What lets a halted job go on. */
function whatNext(job: string, { stack }: StatusOptions, partitions: readonly PartitionStatus[]): string {
  const deployed = stack === undefined ? '' : ' --stack';
  const again =
    stack === undefined
      ? 'correct it and run the job again'
      : `deploy a corrected job, then misa resume ${job}${deployed}`;
  const skip = partitions.some((p) => p.halted?.row !== undefined);
  return `  to go on: ${again}${skip ? `; or without the row: misa resume ${job}${deployed} --skip-row` : ''}\n`;
}
