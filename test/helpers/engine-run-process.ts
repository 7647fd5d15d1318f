/** A process that runs the flights job to its end: `tsx engine-run-process.ts store input output commit`. To be killed. */
import { avg, count, type Job, job, max, source, tumbling } from '../../lib/index.ts';
import { runEmbedded } from '../../lib/runtime/embedded.ts';
import { fileRef } from '../../lib/source/file-blocks.ts';
import { compileJob } from '../../lib/stream/compile.ts';

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

const [, script, store, input, output, commit] = process.argv;
if (script?.includes('engine-run-process') && store !== undefined) {
  const inputs = new Map([['flights', [await fileRef(input!)]]]);
  const end = await runEmbedded(compileJob(flightsJob(commit as 'async' | 'sync')), {
    store: { kind: 'directory', path: store },
    inputs,
    output: { kind: 'directory', path: output! },
    flush: true,
    onOpen: () => process.stdout.write('open\n'),
  });
  process.stdout.write(`done ${end.position}\n`);
}
