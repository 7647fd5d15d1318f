/** `misa state get|scan|stats`: looks into the state of a job, as its manifests, SSTs and unfolded log entries make it. */

import { MisaError } from '../../lib/errors.ts';
import { encodeNdjson } from '../../lib/util/ndjson.ts';
import { cutText } from '../../lib/util/text.ts';
import { tablesOf } from '../state/layout.ts';
import { openStoredJob, type StoreOptions } from '../state/open-stored-job.ts';
import { keyBegins, keyRows, keysMeant, type StateRow, tableRows } from '../state/rows.ts';
import { stateStatistics, statisticsText } from '../state/statistics.ts';
import type { StoredJob } from '../state/stored-job.ts';
import { openPartition, openViews } from '../state/views.ts';
import { table, time } from '../text.ts';

export interface StateOptions extends StoreOptions {
  readonly json: boolean;
}

export interface ScanOptions extends StateOptions {
  readonly prefix?: string;
  readonly limit: number;
}

/** @throws {MisaError} `NO_STATE`: nothing of this key */
export async function stateGet(name: string, key: string, options: StateOptions): Promise<void> {
  const job = await openStoredJob(name, options);
  const rows: StateRow[] = [];
  for (const meant of keysMeant(key)) {
    for await (const row of keyRows(job, meant)) rows.push(row);
    if (rows.length > 0) break;
  }
  if (rows.length === 0) {
    throw new MisaError(
      'NO_STATE',
      `job ${job.file.name} has no state of key ${key}: never seen, or its windows are closed. Keys that are arrays are written as JSON, such as '["a",1]'.`,
    );
  }
  show(rows, options.json);
}

export async function stateScan(name: string, options: ScanOptions): Promise<void> {
  const job = await openStoredJob(name, options);
  const rows: StateRow[] = [];
  let more = false;
  for await (const row of allRows(job)) {
    if (options.prefix !== undefined && !keyBegins(row.key, options.prefix)) continue;
    more = rows.length === options.limit;
    if (more) break;
    rows.push(row);
  }
  if (rows.length === 0) process.stderr.write(`misa: job ${job.file.name} has no such state\n`);
  show(rows, options.json);
  if (more) process.stderr.write(`misa: there is more; --limit ${options.limit * 10} shows it\n`);
}

async function* allRows(job: StoredJob): AsyncGenerator<StateRow, void, undefined> {
  const tables = tablesOf(job.file);
  for (const stored of tables.filter(({ isIndex }) => !isIndex)) {
    for (let p = 0; p < job.file.partitions; p++) {
      yield* tableRows(await openPartition(job, stored.stage, p), p, tables, stored);
    }
  }
}

export async function stateStats(name: string, options: StateOptions): Promise<void> {
  const job = await openStoredJob(name, options);
  const statistics = await stateStatistics(job, await openViews(job));
  process.stdout.write(options.json ? `${JSON.stringify(statistics)}\n` : statisticsText(job, statistics));
}

/** Rows as one table for each stored table, or one JSON object a line. */
function show(rows: readonly StateRow[], json: boolean): void {
  if (json) {
    for (const { columns, keyBytes: _, valueBytes: __, ...row } of rows) {
      process.stdout.write(encodeNdjson([{ ...row, ...columns }]));
    }
    return;
  }
  const groups = new Map<string, StateRow[]>();
  for (const row of rows) {
    const title = `s${row.stage} ${row.table}`;
    groups.set(title, [...(groups.get(title) ?? []), row]);
  }
  for (const [title, group] of groups) process.stdout.write(`${title}\n${groupTable(group)}`);
}

function groupTable(rows: readonly StateRow[]): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.columns)))];
  const windows = rows.some((row) => row.windowEnd !== undefined);
  const timed = rows.some((row) => row.time !== undefined);
  const right = (name: string): boolean =>
    rows.every((row) => ['number', 'undefined'].includes(typeof row.columns[name]));
  const columns = [
    { title: 'partition' },
    { title: 'key' },
    ...(windows ? [{ title: 'window' }] : []),
    ...(timed ? [{ title: 'time' }] : []),
    ...names.map((title) => ({ title, right: right(title) })),
  ];
  const cells = rows.map((row) => [
    `p${row.partition}`,
    cell(row.key),
    ...(windows ? [row.windowEnd === undefined ? '' : `${time(row.windowStart!)} – ${time(row.windowEnd)}`] : []),
    ...(timed ? [row.time === undefined ? '' : time(row.time)] : []),
    ...names.map((column) => cell(row.columns[column])),
  ]);
  return table(columns, cells);
}

function cell(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : String(Math.round(value * 1e6) / 1e6);
  const text =
    value === undefined
      ? ''
      : Buffer.from(encodeNdjson([value]))
          .toString()
          .trimEnd();
  return text.length > 60 ? cutText(text, 59, '…') : text;
}
