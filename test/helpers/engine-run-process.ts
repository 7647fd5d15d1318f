/**
 * A process that runs the flights job to its end: `tsx engine-run-process.ts store input output commit [options of the output as
 * JSON [output mode]]`. To be killed.
 */

import { runEmbedded } from '../../lib/embedded/embedded.ts';
import type { OutputOptions } from '../../lib/embedded/output/settings.ts';
import { avg, count, type Job, job, max, source, tumbling } from '../../lib/index.ts';
import { fileRef } from '../../lib/source/file-blocks.ts';
import type { OutputMode } from '../../lib/stream/api/job-options.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';

interface Flight {
  event_time: number;
  carrier: string;
  dep_delay: number;
}

export function flightsJob(commit: 'async' | 'sync' = 'async'): Job<unknown> {
  const flights = source<Flight>('flights', { eventTime: (f) => f.event_time, delay: '3 hours' });
  const hours = flights.keyBy((f) => f.carrier).window(tumbling('1 hour'));
  const hourly = hours.aggregate({ n: count(), mean: avg((f) => f.dep_delay), worst: max((f) => f.dep_delay) });
  const days = hourly
    .keyBy((h) => h.n > 3)
    .window(tumbling('1 day'))
    .aggregate({ hours: count() });
  return job(
    'flights',
    { hourly, late: hours.late(), days },
    { partitions: 2, trigger: { maxRows: 50 }, commit: { mode: commit } },
  );
}

/** A table by carrier, and by carrier and hour. */
export function carriersJob(outputMode: OutputMode): Job<unknown> {
  const flights = source<Flight>('flights', { eventTime: (f) => f.event_time, delay: '3 hours' });
  const carriers = flights.keyBy((f) => f.carrier);
  const total = carriers.aggregate({ n: count(), mean: avg((f) => f.dep_delay) });
  const hourly = carriers.window(tumbling('1 hour')).aggregate({ n: count(), worst: max((f) => f.dep_delay) });
  return job('carriers', { total, hourly }, { partitions: 2, trigger: { maxRows: 50 }, outputMode });
}

const [, script, store, input, output, commit, options = '{}', mode] = process.argv;
if (script?.includes('engine-run-process') && store !== undefined) {
  const inputs = new Map([['flights', [await fileRef(input!)]]]);
  const end = await runEmbedded(
    compileJob(mode === undefined ? flightsJob(commit as 'async' | 'sync') : carriersJob(mode as OutputMode)),
    {
      store: { kind: 'directory', path: store },
      inputs,
      output: { kind: 'directory', path: output!, ...(JSON.parse(options) as OutputOptions) },
      flush: true,
      onOpen: () => process.stdout.write('open\n'),
    },
  );
  process.stdout.write(`done ${end.position}\n`);
}
