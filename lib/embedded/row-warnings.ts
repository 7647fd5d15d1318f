/**
 * Watches the shares of rows that a run sets aside as bad or finds late, and says so where it is more than anyone expects: a
 * slip in `eventTime`, seconds for milliseconds, or one event time far in the future spoils a result without any error.
 *
 * A share is worth a word when it is half of the rows or more, or ten rows and more that are 10 % (bad) or 20 % (late) of
 * them; of the rows of this run. In a long run it is told as soon as a thousand rows are read, else at the end.
 */

import { isQuarantine } from '../job/outputs.ts';
import type { BatchCounts, LogEntry } from '../log/entry.ts';
import type { StoredPlan } from '../plan/plan.ts';
import type { QuarantinedRow } from '../plan/rows.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import { decodeNdjson } from '../util/ndjson.ts';
import { cutText } from '../util/text.ts';
import type { LateRow } from './engine.ts';
import type { RunWarning } from './run-events.ts';

const BAD_SHARE = 0.1;
const LATE_SHARE = 0.2;
const FEW_ROWS = 10;
const EARLY_ROWS = 1000;
const SHOWN_REASONS = 3;
const MAX_REASONS = 100;
const MAX_REASON_LENGTH = 200;
const DAY_MS = 86_400_000;
/** 1980 to 2100 in seconds: as milliseconds they are in January and February 1970. */
const SECONDS = { from: 315_532_800, to: 4_102_444_800 };
/** Times before 1974 are not plausible event times. */
const LEAST_MS = 1e11;

/** The parts of a batch that are looked at, whether it was run here or read from its log entries. */
export interface WatchedBatch {
  readonly plan: StoredPlan;
  readonly counts: Pick<BatchCounts, 'late' | 'quarantined'>;
  /** By stage and partition. */
  readonly committed: readonly (readonly { readonly entry: LogEntry | undefined }[])[];
  readonly lateRow?: LateRow | undefined;
}

interface Reason {
  /** Of the first such row. */
  readonly text: string;
  readonly first: string;
  rows: number;
}

interface SourceRows {
  rows: number;
  bad: number;
  /** Keyed by the reason, without the parts that differ from row to row. */
  readonly reasons: Map<string, Reason>;
}

interface Finding {
  readonly about: NonNullable<RunWarning['about']>;
  /** Distinguishes warnings of one kind. */
  readonly of: string;
  readonly rows: number;
  /** One line for a summary. */
  readonly short: string;
  readonly details: () => string;
}

export class RowWarnings {
  readonly #job: PhysicalJob;
  readonly #now: () => number;
  readonly #sources = new Map<string, SourceRows>();
  readonly #told = new Set<string>();
  #rows = 0;
  #late = 0;
  #lateRow: (LateRow & { readonly watermark: number }) | undefined;
  /** Greatest event time by watermark generator. */
  #reached: Readonly<Record<string, { readonly maxEventTime: number | null }>> = {};

  /** @param now epoch ms */
  constructor(job: PhysicalJob, now: () => number) {
    this.#job = job;
    this.#now = now;
  }

  add({ plan: { plan }, counts, committed, lateRow }: WatchedBatch): void {
    const sourceOf = new Map<string, string>();
    for (const { source, name, from, to } of plan.pieces) {
      sourceOf.set(name, source);
      this.#of(source).rows += to - from;
    }
    this.#rows += plan.counts.rows;
    this.#late += counts.late;
    this.#reached = plan.inputs;
    if (lateRow !== undefined && plan.watermark !== null) this.#lateRow ??= { ...lateRow, watermark: plan.watermark };
    if (counts.quarantined === 0) return;
    for (const row of quarantinedRows(committed)) {
      const source = row.source ?? sourceOf.get(row.object ?? '');
      if (source !== undefined) addBad(this.#of(source), row);
    }
  }

  /** Warnings that are due and were not given yet. @param all also those that rest on few rows, since no more come for now */
  due(all: boolean): RunWarning[] {
    const found = this.#findings().filter(({ about, of, rows }) => {
      return (all || rows >= EARLY_ROWS) && !this.#told.has(`${about} ${of}`);
    });
    return found.map(({ about, of, short, details }) => {
      this.#told.add(`${about} ${of}`);
      return { type: 'warning', about, message: `${short}${details()}` };
    });
  }

  /** All warnings about the run so far, one line each. */
  get standing(): string[] {
    return this.#findings().map(({ short }) => short);
  }

  #of(source: string): SourceRows {
    const known = this.#sources.get(source) ?? { rows: 0, bad: 0, reasons: new Map<string, Reason>() };
    this.#sources.set(source, known);
    return known;
  }

  #findings(): Finding[] {
    const findings: Finding[] = [];
    for (const [source, { rows, bad, reasons }] of this.#sources) {
      if (!isMuch(bad, rows, BAD_SHARE)) continue;
      const short = `${share(bad, rows)} of source ${source} ${bad === 1 ? 'is' : 'are'} bad`;
      const details = (): string => ` and set aside, with reasons, in the output _quarantine: ${reasonsText(reasons)}`;
      findings.push({ about: 'bad-rows', of: source, rows, short, details });
    }
    if (isMuch(this.#late, this.#rows, LATE_SHARE)) {
      const short = `${share(this.#late, this.#rows)} ${this.#late === 1 ? 'is' : 'are'} late`;
      findings.push({ about: 'late-rows', of: '', rows: this.#rows, short, details: () => this.#lateDetails() });
    }
    for (const [i, { id }] of this.#job.watermarks.entries()) {
      const greatest = this.#reached[id]?.maxEventTime ?? null;
      if (greatest === null || greatest < SECONDS.from || greatest > SECONDS.to) continue;
      const sources = this.#job.sources.filter((source) => source.watermarks.includes(i)).map(({ name }) => name);
      const short = `no event time of source ${sources.join(', ')} is after ${iso(greatest)}`;
      const details = (): string => `: are these seconds? As seconds the greatest is ${iso(greatest * 1000)}. ${IN_MS}`;
      findings.push({ about: 'event-times', of: id, rows: this.#rows, short, details });
    }
    return findings;
  }

  #lateDetails(): string {
    if (this.#lateRow === undefined) return '';
    const { time, object, watermark } = this.#lateRow;
    const where = object === undefined ? '' : ` in ${object}`;
    return `: one${where} has event time ${iso(time)}, and the watermark was ${iso(watermark)} by then. ${this.#hint(time, watermark)}`;
  }

  #hint(time: number, watermark: number): string {
    if (watermark > this.#now() + DAY_MS)
      return `A row with an event time in the future has moved the watermark there, and all that comes after it is late: refuse such rows in the source's schema, or filter them out.${isSeconds(watermark / 1000 / 1000) ? ` As microseconds it is ${iso(watermark / 1000)}. ${IN_MS}` : ''}`;
    if (time < LEAST_MS && watermark >= LEAST_MS && isSeconds(time))
      return `As seconds the row's is ${iso(time * 1000)}. ${IN_MS}`;
    return "Rows come in another order than the source's delay allows: a longer delay lets them in.";
  }
}

const IN_MS = 'A number that eventTime gives is in milliseconds.';

function isSeconds(time: number): boolean {
  return time >= SECONDS.from && time <= SECONDS.to;
}

function isMuch(part: number, all: number, least: number): boolean {
  return part > 0 && (part * 2 >= all || (part >= FEW_ROWS && part >= least * all));
}

function share(part: number, all: number): string {
  const rows = all === 1 ? 'row' : 'rows';
  if (part >= all) return `${all === 1 ? 'the only row' : `all ${all} rows`}`;
  return `${part} of ${all} ${rows} (${Math.floor((part * 100) / all)} %)`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** Rows of the quarantine, of all partitions and stages. */
function* quarantinedRows(committed: WatchedBatch['committed']): Generator<QuarantinedRow> {
  for (const { entry } of committed.flat()) {
    const at = entry?.header.outputs.findIndex(isQuarantine) ?? -1;
    if (at >= 0) yield* decodeNdjson(entry!.output(at)) as Iterable<QuarantinedRow>;
  }
}

function addBad(to: SourceRows, { object, line, reason }: QuarantinedRow): void {
  to.bad = Math.min(to.rows, to.bad + 1);
  const kind = reason.replace(/'[^']*'|"[^"]*"|\d+/g, '…');
  const known = to.reasons.get(kind);
  if (known !== undefined) known.rows++;
  else if (to.reasons.size < MAX_REASONS) {
    const first = `${object ?? 'a stream'}${line === undefined ? '' : `, line ${line}`}`;
    to.reasons.set(kind, { text: cutText(reason, MAX_REASON_LENGTH, '…'), first, rows: 1 });
  }
}

function reasonsText(reasons: SourceRows['reasons']): string {
  const most = [...reasons.values()].sort((a, b) => b.rows - a.rows);
  const texts = most
    .slice(0, SHOWN_REASONS)
    .map(({ text, first, rows }) =>
      rows === 1 ? `${text} (${first})` : `${text} (${rows} like it, the first: ${first})`,
    );
  const more = most.length > SHOWN_REASONS ? '; and others' : '';
  return `${texts.join('; ')}${more}`;
}
