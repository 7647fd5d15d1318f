/**
 * The batch of the budgets, run by the real engine: planner, partition runner, commit worker, a durable directory store.
 * Measured from the outside: the trace's spans, and stopwatches around calls that the engine makes anyway.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { Engine } from '../lib/embedded/engine.ts';
import { Inputs } from '../lib/embedded/inputs.ts';
import { workerCommitter } from '../lib/embedded/worker-committer.ts';
import { count, type Job, job, max, source, sum, tumbling } from '../lib/index.ts';
import { openJob } from '../lib/job/job-context.ts';
import { openStore, type StoreSpec } from '../lib/object-store/store-spec.ts';
import { expandInputs, openRows } from '../lib/source/index.ts';
import { compileJob } from '../lib/stream/compile/compile.ts';
import type { PhysicalJob } from '../lib/stream/compile/physical.ts';
import { systemClock as clock } from '../lib/util/clock.ts';
import { systemRandom as random } from '../lib/util/random.ts';
import type { Span } from '../lib/util/trace.ts';
import { type Event, writeEvents } from './events.ts';
import { type Floor, mapFloor, scannerFloor } from './floor.ts';

export interface BatchArgs {
  /** `append`: windows that stay open, so that no results come out; `update`: each changed key comes out. */
  readonly form: 'append' | 'update';
  /** The source says which fields it needs: only these are decoded. */
  readonly declared?: boolean;
  readonly keys: number;
  readonly rows: number;
  readonly batches: number;
  /** Batches before those that count, beside the ones that make every key known. */
  readonly warmUp: number;
}

/** ms by step, one number a batch; `total` from the first byte of input to published. */
export type Steps = Record<string, number[]>;

export interface BatchResult {
  readonly engine: Steps;
  readonly map: Steps;
  readonly scanner: Steps;
  readonly eventBytes: number;
  readonly stateRows: number;
}

export function spendingJob(
  form: BatchArgs['form'],
  options: { rows: number; mode?: 'async' | 'sync'; declared?: boolean },
): PhysicalJob {
  const times = { eventTime: (e: Event) => e.event_time, delay: '1 minute' } as const;
  const fields = { event_time: 'timestamp', user: 'string', amount: 'number' } as const;
  const events = options.declared ? source('events', { fields, ...times }) : source<Event>('events', times);
  const byUser = events.keyBy((e) => e.user);
  const columns = { count: count<Event>(), sum: sum((e: Event) => e.amount), max: max((e: Event) => e.amount) };
  const settings = {
    trigger: { maxRows: options.rows, maxBytes: 1 << 28 },
    commit: { mode: options.mode ?? 'async' },
    state: { cacheBytes: 1 << 30 },
  } as const;
  const made: Job<unknown> =
    form === 'append'
      ? job('spending', byUser.window(tumbling('1 day')).aggregate(columns), { ...settings, outputMode: 'append' })
      : job('spending', byUser.aggregate(columns), { ...settings, outputMode: 'update' });
  return compileJob(made);
}

export async function measureBatches(args: BatchArgs): Promise<BatchResult> {
  const { keys, rows, batches, warmUp } = args;
  const directory = mkdtempSync(path.join(tmpdir(), 'misa-bench-'));
  try {
    const first = path.join(directory, '0.ndjson');
    const rest = path.join(directory, '1.ndjson');
    writeEvents({ path: first, rows: keys, seed: 1, keys, order: 'each' });
    const counted = (batches + warmUp) * rows;
    const bytes = writeEvents({ path: rest, rows: counted, seed: 2, keys, order: 'uniform' });
    const { steps, stateRows } = await runEngine(args, directory, [first, rest]);
    const floor = (make: () => Floor): Steps => runFloor(make(), args, [first, rest]);
    return {
      engine: steps,
      map: floor(() => mapFloor(directory)),
      scanner: floor(() => scannerFloor(directory, keys)),
      eventBytes: bytes / counted,
      stateRows,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function runEngine(args: BatchArgs, directory: string, files: readonly string[]) {
  const { form, declared = false, keys, rows, batches, warmUp } = args;
  const physical = spendingJob(form, { rows, declared });
  const spec: StoreSpec = { kind: 'directory', path: path.join(directory, 'store') };
  const store = await openStore(spec, { clock, random });
  const spans: Span[] = [];
  const trace = { span: (span: Span) => void spans.push(span) };
  const context = await openJob(physical, { store, clock, random, trace, cache: undefined, retentionMs: 60_000 });
  const committer = workerCommitter(spec, context);
  const engine = await Engine.open({ ...context, committer });
  const { state } = engine.stages[0]![0]!;
  const watch = new Stopwatch();
  const begin = state.begin.bind(state);
  state.begin = () => {
    const batch = begin();
    batch.encode = watch.around('encode changes', batch.encode.bind(batch));
    return batch;
  };
  state.apply = watch.around('apply', state.apply.bind(state));
  const pauses = watchCollections();
  const inputs = new Inputs(physical, engine.planner, {
    files: new Map([['events', await expandInputs(files)]]),
    clock,
  });
  const steps: Steps = {};
  const skipped = Math.ceil(keys / rows) + warmUp;
  for (let i = 0; i < skipped + batches; i++) {
    watch.reset();
    spans.length = 0;
    const startCpuMs = threadCpuMs();
    const startMs = clock.monotonic();
    const gathered = await inputs.gather();
    const gatheredMs = clock.monotonic();
    const done = await engine.batch(gathered!);
    const endMs = clock.monotonic();
    const cpuMs = threadCpuMs() - startCpuMs;
    // The observer is told of collections a turn later.
    await new Promise((resolve) => setImmediate(resolve));
    const gc = pauses.between(startMs, endMs);
    if (i < skipped) continue;
    const span = (lane: Span['lane']): number =>
      spans
        .filter((s) => s.lane === lane && s.n === done.n && s.path !== 'planner')
        .reduce((sum, s) => sum + s.endMs - s.startMs, 0);
    const ingest = gatheredMs - startMs;
    const batch = span('batch');
    const apply = watch.ms('apply');
    add(steps, 'decode and head', ingest);
    add(steps, 'operators', batch - watch.ms('encode changes'));
    add(steps, 'encode changes', watch.ms('encode changes'));
    add(steps, 'log entry durable', span('log'));
    add(steps, 'apply', apply);
    add(steps, 'published', span('publish'));
    add(steps, 'compute', ingest + batch + apply);
    add(steps, 'on the processor', cpuMs);
    add(steps, 'garbage collection', gc);
    add(steps, 'waited for commit', span('wait'));
    add(steps, 'total', endMs - startMs);
  }
  pauses.stop();
  const stateRows = state.rows.size;
  await inputs.close();
  await committer.close({ drain: true });
  for (const ms of await decodeAlone(files[1]!, rows, physical)) add(steps, 'decode alone', ms);
  return { steps, stateRows };
}

/** Decoding without anything behind it: how much of `decode and head` it is. */
async function decodeAlone(file: string, rows: number, { sources }: PhysicalJob): Promise<number[]> {
  const times: number[] = [];
  const [ref] = await expandInputs([file]);
  let decoded = 0;
  let startMs = clock.monotonic();
  for await (const chunk of openRows(ref!, { form: sources[0]!.form })) {
    decoded += chunk.count;
    if (decoded < rows) continue;
    times.push(((clock.monotonic() - startMs) / decoded) * rows);
    decoded = 0;
    startMs = clock.monotonic();
  }
  return times;
}

function runFloor(floor: Floor, { keys, rows, warmUp }: BatchArgs, files: readonly string[]): Steps {
  const steps: Steps = {};
  let skipped = Math.ceil(keys / rows) + warmUp;
  for (const file of files) {
    const bytes = readFileSync(file);
    for (let at = 0; at < bytes.length; ) {
      let end = at;
      for (let i = 0; i < rows && end < bytes.length; i++) end = bytes.indexOf(10, end) + 1;
      const startCpuMs = threadCpuMs();
      const startMs = clock.monotonic();
      const took = floor.batch(bytes.subarray(at, end));
      const total = clock.monotonic() - startMs;
      const cpuMs = threadCpuMs() - startCpuMs;
      at = end;
      if (skipped-- > 0) continue;
      for (const [step, ms] of Object.entries({
        ...took,
        compute: total - took['durable']!,
        'on the processor': cpuMs,
        total,
      }))
        add(steps, step, ms);
    }
  }
  return steps;
}

/**
 * Time of the main thread on a processor, ms: unlike time by the clock, other processes cannot stretch it. `NaN` where the
 * system does not tell.
 */
function threadCpuMs(): number {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6;
  } catch {
    return Number.NaN;
  }
}

function add(steps: Steps, step: string, ms: number): void {
  steps[step] ??= [];
  steps[step].push(ms);
}

/** Adds up the time inside calls. */
class Stopwatch {
  readonly #ms = new Map<string, number>();

  around<A extends unknown[], R>(name: string, call: (...args: A) => R): (...args: A) => R {
    return (...args) => {
      const startMs = clock.monotonic();
      try {
        return call(...args);
      } finally {
        this.#ms.set(name, this.ms(name) + clock.monotonic() - startMs);
      }
    };
  }

  ms(name: string): number {
    return this.#ms.get(name) ?? 0;
  }

  reset(): void {
    this.#ms.clear();
  }
}

/** Pauses of the garbage collector in this thread. */
function watchCollections(): { between(fromMs: number, toMs: number): number; stop(): void } {
  let pauses: { startMs: number; ms: number }[] = [];
  const take = (entries: readonly PerformanceEntry[]): void => {
    for (const { startTime, duration } of entries)
      pauses.push({ startMs: performance.timeOrigin + startTime, ms: duration });
  };
  const observer = new PerformanceObserver((list) => take(list.getEntries()));
  observer.observe({ entryTypes: ['gc'] });
  return {
    between(fromMs, toMs) {
      take(observer.takeRecords());
      const ms = pauses.filter((p) => p.startMs >= fromMs && p.startMs < toMs).reduce((sum, p) => sum + p.ms, 0);
      pauses = [];
      return ms;
    },
    stop: () => observer.disconnect(),
  };
}
