/**
 * Spark's own expectations as cases (`test/cases/spark-semantics.json`): turns a case into a job, its steps into calls of
 * a driver, and compares. The driver has the shape of `testJob`, so that the model and the engine run the same cases.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import {
  type Aggregate,
  count,
  type Job,
  type JobOptions,
  job,
  type Key,
  type KeyPart,
  type Source,
  type Stream,
  session,
  source,
  sum,
  tumbling,
  type Window,
} from '../../lib/index.ts';
import { type JoinQuery, joinOf } from './spark-joins.ts';

type Values = readonly (string | number | null)[];
/** A row as an input has it: its columns by name. */
type CaseRow = Record<string, string | number | null>;

interface CaseInput {
  readonly columns: readonly string[];
  readonly event_time_s: string | null;
  readonly watermark_delay_s: number | null;
}

interface CaseStep {
  readonly add?: Record<string, Values[]>;
  readonly new?: Values[];
  readonly table?: Values[];
  readonly watermark_used_s?: number;
  readonly watermark_after_s?: number;
  readonly dropped_late?: number;
  readonly restart?: boolean;
  readonly fail_on?: string;
}

export interface SparkCase {
  readonly id: number;
  readonly suite: string;
  readonly test: string;
  readonly no_data_batches?: boolean;
  readonly query: JoinQuery & {
    readonly inputs: Record<string, CaseInput>;
    /** The gap of a session: s, or by word. */
    readonly window?: {
      readonly type: string;
      readonly size_s?: number;
      readonly gap_s?: number | Readonly<Record<string, number>>;
    };
    /** Whether each row becomes one for each of its words. */
    readonly flat_map?: string;
    readonly keys?: readonly string[];
    readonly aggs?: readonly string[];
    readonly output_mode?: 'append' | 'update' | 'complete';
    readonly watermark_policy?: 'min' | 'max';
  };
  readonly steps: readonly CaseStep[];
}

/** What a case needs of `testJob` or the model. */
export interface CaseDriver {
  send(source: string, rows: readonly unknown[]): void;
  runBatch(): Promise<unknown>;
  table(): Promise<unknown>;
  restart(): Promise<void>;
  readonly watermark: number;
  readonly counts: { readonly late: number };
  close(): Promise<void>;
}

/** Where Misa differs on purpose: an input's lead over the watermark survives a restart. Watermark by case and step. */
export const DIFFERENT_WATERMARKS: Record<number, Record<number, number>> = { 11: { 16: 190 } };

const file = new URL('../cases/spark-semantics.json', import.meta.url);
export const sparkCases: readonly SparkCase[] = JSON.parse(readFileSync(file, 'utf8')).cases;

/** Runs a case to its end. @param open starts a job, as `testJob` does */
export async function runSparkCase(c: SparkCase, open: (job: Job<unknown[]>) => Promise<CaseDriver>): Promise<void> {
  const failure = { armed: false };
  const driver = await open(jobOf(c, failure));
  for (const [i, step] of c.steps.entries()) {
    const where = `case ${c.id}, step ${i}`;
    if (step.restart === true && step.add === undefined) await driver.restart();
    if (step.watermark_used_s !== undefined) expect(driver.watermark, where).toBe(step.watermark_used_s * 1000);
    const lateBefore = driver.counts.late;
    if (step.add !== undefined) {
      for (const [input, rows] of Object.entries(step.add))
        driver.send(
          input,
          rows.map((row) => toRow(c, input, row)),
        );
      if (step.fail_on !== undefined) {
        failure.armed = true;
        await expect(driver.runBatch(), where).rejects.toThrow('the first time');
        failure.armed = false;
        await driver.restart();
      }
      const rows = (await driver.runBatch()) as unknown[];
      if (step.new !== undefined) expect(sorted(rows), where).toEqual(sorted(step.new));
    }
    if (step.table !== undefined) {
      expect(sorted((await driver.table()) as unknown[]), where).toEqual(sorted(step.table));
    }
    // Spark counts what a flatMap makes of rows, Misa the rows.
    if (step.dropped_late !== undefined && c.query.flat_map === undefined)
      expect(driver.counts.late - lateBefore, where).toBe(step.dropped_late);
    const watermark = DIFFERENT_WATERMARKS[c.id]?.[i] ?? step.watermark_after_s;
    if (watermark !== undefined) expect(driver.watermark, where).toBe(watermark * 1000);
  }
  await driver.close();
}

function jobOf(c: SparkCase, failure: { readonly armed: boolean }): Job<unknown[]> {
  const { query } = c;
  const options: JobOptions = {
    outputMode: query.output_mode,
    noDataBatches: c.no_data_batches,
    watermarkPolicy: query.watermark_policy,
  };
  if (query.op.includes('join')) return job(`case-${c.id}`, joinOf(c.id, query), options);
  const inputs = Object.entries(query.inputs).map(([name, input]) => sourceOf(name, input));
  const input = inputs.slice(1).reduce<Stream<CaseRow>>((all, one) => all.union(one), inputs[0]!);
  return job(`case-${c.id}`, pipelineOf(c, failing(input, failure)), options);
}

function pipelineOf(c: SparkCase, input: Stream<CaseRow>): Stream<unknown> {
  const { query, id } = c;
  if (query.op === 'union') return input;
  if (id === 64) return cascade(input);
  let rows: Stream<CaseRow> = query.flat_map === undefined ? input : input.flatMap(wordsOf);
  for (const op of query.op.split(' then ')) {
    rows = op.startsWith('drop_duplicates') ? distinctOf(c, op, rows) : (aggregatesOf(c, rows) as Stream<never>);
  }
  return rows.map((row) => outputOf(c, row));
}

/** Keys that hold the event time need not be remembered for longer than rows can come. */
function distinctOf({ query }: SparkCase, op: string, input: Stream<CaseRow>): Stream<CaseRow> {
  const { event_time_s: time, watermark_delay_s: delay } = query.inputs.in!;
  const columns = /\((.*)\)/.exec(op)?.[1]?.split(/, ?/) ?? query.keys!;
  const timed = columns.some((column) => ['event_time_s', 'event time', 'window end', time].includes(column));
  const within = op.endsWith('within_watermark') ? delay! * 1000 : timed ? 0 : undefined;
  const partOf = (row: CaseRow, column: string): KeyPart => {
    if (column === 'window end') return row.windowEnd!;
    if (column === 'count') return row['count(*)']!;
    return row[column.startsWith('event') ? time! : column]!;
  };
  return input.keyBy((row) => columns.map((column) => partOf(row, column))).distinct({ within });
}

function aggregatesOf(c: SparkCase, input: Stream<CaseRow>): Stream<unknown> {
  const { query } = c;
  const keyed = input.keyBy((row) => keyOf(query.keys ?? [], row));
  const aggregates = Object.fromEntries((query.aggs ?? []).map((text) => [text, aggregateOf(text)]));
  const window = windowOf(c);
  return window === undefined ? keyed.aggregate(aggregates) : keyed.window(window).aggregate(aggregates);
}

function wordsOf(row: CaseRow): CaseRow[] {
  return (row.line as string).split(' ').map((word) => ({ ...row, word }));
}

/** Case 64: windows of 5, 10 and 20 s, each over the results of the one before. */
function cascade(input: Stream<CaseRow>): Stream<unknown> {
  return input
    .keyBy(() => null)
    .window(tumbling('5 s'))
    .aggregate({ n: count() })
    .keyBy(() => null)
    .window(tumbling('10 s'))
    .aggregate({ n: sum((row) => row.n) })
    .keyBy(() => null)
    .window(tumbling('20 s'))
    .aggregate({ rows: count(), sum: sum((row) => row.n) })
    .map((row) => [row.windowStart / 1000, row.windowEnd / 1000, row.rows, row.sum]);
}

function sourceOf(name: string, { event_time_s: time, watermark_delay_s: delay }: CaseInput): Source<CaseRow> {
  if (time === null) return source<CaseRow>(name);
  return source<CaseRow>(name, {
    eventTime: (row) => (row[time] as number) * 1000,
    ...(delay === null ? {} : { delay: delay * 1000 }),
  });
}

function failing(input: Stream<CaseRow>, failure: { readonly armed: boolean }): Stream<CaseRow> {
  return input.map((row) => {
    if (failure.armed && row.v === 4) throw new Error('the first time');
    return row;
  });
}

function windowOf({ query }: SparkCase): Window<CaseRow> | undefined {
  // Grouping by the raw event time: a window of one millisecond.
  if (query.op === 'aggregate') return query.keys?.[0] === 'event_time_s' ? tumbling(1) : undefined;
  if (query.window === undefined) return undefined;
  const { type, size_s: size = 0, gap_s: gap = 0 } = query.window;
  if (type !== 'session') return tumbling(size * 1000);
  if (typeof gap === 'number') return session(gap * 1000);
  return session((row) => (gap[row.word as string] ?? gap['*']!) * 1000);
}

function keyOf(keys: readonly string[], row: CaseRow): Key {
  const [key] = keys;
  const value = row.value as number;
  if (key === undefined || key === 'event_time_s') return null;
  if (key === 'floor(value/10)') return Math.floor(value / 10);
  if (key === 'value mod 2') return value % 2;
  return row[key]!;
}

function aggregateOf(text: string): Aggregate<CaseRow, number> {
  const column = /^sum\((\w+)\)$/.exec(text)?.[1];
  return column === undefined ? count() : sum((row) => row[column] as number);
}

/** The columns that the case wants to see, in order. */
function outputOf({ query }: SparkCase, row: Record<string, unknown>): unknown[] {
  return query.output.map((column) => {
    if (column === 'window_start_s' || column === 'session_start_s') return (row.windowStart as number) / 1000;
    if (column === 'duration_s') return ((row.windowEnd as number) - (row.windowStart as number)) / 1000;
    if (column === 'event_time_s' && query.op.startsWith('drop')) return row[query.inputs.in!.event_time_s!];
    if (column === 'event_time_s') return (row.windowStart as number) / 1000;
    if (column === 'window_end_s' || column === 'session_end_s') return (row.windowEnd as number) / 1000;
    const aggregate = query.aggs?.find((text) => text.startsWith(`${column}(`));
    if (aggregate !== undefined) return row[aggregate];
    return query.aggs === undefined && column in row ? row[column] : row.key;
  });
}

function toRow({ query }: SparkCase, input: string, values: Values): CaseRow {
  return Object.fromEntries(query.inputs[input]!.columns.map((column, i) => [column, values[i]!]));
}

/** Rows as text in one order: a multiset. */
function sorted(rows: readonly unknown[]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}
