/** What `misa dev` shows: steps, and for people a summary, for machines the same events as `misa run`. */
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { type Steps, stepsFor } from '../steps.ts';
import { count, milliseconds, number, styleOf } from '../text.ts';
import type { FollowedTotals } from './followed-totals.ts';
import type { FollowedBatch } from './follower.ts';

export interface DevTimes {
  readonly startedInMs: number;
  /** Since the job was started. */
  readonly elapsedMs: number;
}

export interface DevShow {
  readonly steps: Steps;
  /** Where events go: beside the results. */
  readonly events: NodeJS.WriteStream;
  readonly started: (job: PhysicalJob, stack: string, endpoint: string, startedInMs: number) => void;
  readonly batch: (batch: FollowedBatch) => void;
  readonly ended: (job: PhysicalJob, totals: FollowedTotals, times: DevTimes) => void;
}

/** @param output a directory, `-`: standard output, `undefined`: none */
export function devShow(json: boolean, output: string | undefined): DevShow {
  const events = output === '-' ? process.stderr : process.stdout;
  const write = (event: Record<string, unknown>): void => {
    if (json) events.write(`${JSON.stringify(event)}\n`);
  };
  // Result rows and a redrawn line would overwrite each other on one terminal.
  const plain = output === '-' && process.stdout.isTTY === true;
  const steps = stepsFor({ json, stream: json ? events : process.stderr, plain });
  return {
    steps,
    events,
    started(job, stack, endpoint, startedInMs) {
      const { name, partitions, mode } = job;
      write({
        event: 'start',
        job: name,
        partitions,
        outputMode: mode,
        stack,
        endpoint,
        startedInMs: Math.round(startedInMs),
      });
    },
    batch(batch) {
      write({ event: 'batch', ...batch });
    },
    ended(job, totals, times) {
      steps.close();
      const { finished, warnings, ...counts } = totals;
      const reason = finished ? 'read' : 'stopped';
      const applied = appliedOf(totals);
      const took = { startedInMs: Math.round(times.startedInMs), elapsedMs: Math.round(times.elapsedMs) };
      write({ event: 'end', job: job.name, reason, ...counts, applied, ...took, output: output ?? null, warnings });
      if (!json) events.write(summaryText(job.name, totals, times, output, styleOf(events)));
    },
  };
}

function appliedOf({ rows, late, skipped, quarantined }: FollowedTotals): number {
  return rows - late - skipped - quarantined;
}

function summaryText(
  job: string,
  totals: FollowedTotals,
  { startedInMs, elapsedMs }: DevTimes,
  output: string | undefined,
  { bold, dim, good, bad }: ReturnType<typeof styleOf>,
): string {
  const aside = `${number(totals.quarantined)} quarantined`;
  const fates = [
    good(`${number(appliedOf(totals))} applied`),
    `${number(totals.late)} late`,
    `${number(totals.skipped)} skipped`,
    totals.quarantined > 0 ? bad(aside) : aside,
  ].join(' + ');
  const where = output === undefined ? '' : output === '-' ? ' to standard output' : ` in ${output}`;
  const times = `in ${milliseconds(elapsedMs)}, after ${milliseconds(startedInMs)} of starting`;
  const lines: [string, string][] = [
    ['rows', `${number(totals.rows)} read ${dim('=')} ${fates}`],
    ['batches', `${number(totals.batches)} ${times}`],
    ['results', `${count(totals.emitted, 'row')}${where}`],
    ...totals.warnings.map((warning): [string, string] => ['warning', bad(warning)]),
  ];
  const title = totals.finished ? 'all input is processed' : 'stopped';
  return `${bold(`${job}: ${title}`)}\n${lines.map(([name, text]) => `  ${dim(name.padEnd(11))} ${text}\n`).join('')}`;
}
