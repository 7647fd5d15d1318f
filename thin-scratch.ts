import { workerCommitter } from '/work/main/lib/runtime/committers.ts';
import { job, source, tumbling, count, avg, max } from 'misa';
import { compileJob } from '/work/main/lib/stream/compile.ts';
import { runJob } from '/work/main/lib/runtime/run-job.ts';
import { DirectoryStore } from '/work/main/lib/object-store/directory-store.ts';
import { systemClock } from '/work/main/lib/util/clock.ts';
import { systemRandom } from '/work/main/lib/util/random.ts';
import { NO_TRACE } from '/work/main/lib/util/trace.ts';
import { expandInputs } from '/work/main/lib/source/index.ts';
interface Flight { event_time: number; carrier: string; dep_delay: number }
const flights = source<Flight>('flights', { eventTime: (f) => f.event_time, delay: '3 hours' });
const j = job('departures', flights.filter((f) => f.dep_delay > 0).keyBy((f) => f.carrier).window(tumbling('1 hour'))
  .aggregate({ departures: count(), meanDelay: avg((f) => f.dep_delay), worst: max((f) => f.dep_delay) }), { outputMode: 'append', partitions: 4 });
const physical = compileJob(j as any);
const files = new Map([['flights', await expandInputs(['examples/departures/data/*.gz'])]]);
const t0 = performance.now();
const end = await runJob({ ...physical, commit: { ...physical.commit, mode: (process.env.MODE ?? "async") as any } }, {
  store: await DirectoryStore.open({ root: process.argv[2] ?? '/tmp/thin-store', clock: systemClock, random: systemRandom }), clock: systemClock, random: systemRandom, trace: NO_TRACE, cache: undefined,
  committer: (file: any) => workerCommitter({ kind: 'directory', path: process.argv[2] ?? '/tmp/thin-store' }, file, 900000, NO_TRACE), retentionMs: 900000, inputs: files, flush: true,
  onBatch: (b, ms) => console.log(b.n, b.plan.plan.counts.rows, ms.toFixed(1), JSON.stringify(b.counts)),
});
console.log(end, performance.now() - t0);
