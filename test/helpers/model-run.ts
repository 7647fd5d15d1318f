/**
 * The model: runs a physical job the simplest way that can be right, one row and one batch after the other, one partition,
 * plain maps, nothing durable. The engine's property tests compare with it. It has the shape of `testJob`, so that the same
 * cases run on both.
 */
import { JobError } from '../../lib/errors.ts';
import type { Job, Source } from '../../lib/index.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import type { Collector, HeadCollector, PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { BadRowError, type OperatorContext, type RowBatch } from '../../lib/stream/graph/operator.ts';
import { type Duration, toMs } from '../../lib/util/duration.ts';
import { MapTable } from './map-table.ts';
import { rowBatchOf } from './row-batches.ts';

interface EdgeRow {
  readonly key: string;
  readonly time: number;
  readonly row: unknown;
  readonly primary: boolean;
}

interface State {
  /** By stage, operator, table. */
  tables: MapTable[][][];
  /** Greatest event time and when it was last seen, by generator. */
  seen: Map<number, { time: number; at: number }>;
  /** Watermark of the last batch, `-Infinity`: none. */
  previous: number;
  /** The greatest time that a flush has closed, `-Infinity`: none. */
  flushed: number;
  /** When a batch without rows is wanted, by processing time. */
  wake: number;
  n: number;
  counts: { applied: number; late: number; quarantined: number; skipped: number };
}

type Rows = unknown[][];

export interface ModelRun<Out> {
  readonly physical: PhysicalJob;
  readonly quarantined: readonly { readonly row: unknown; readonly reason: string }[];
  send(source: Source<never> | Source<unknown> | string, rows: readonly unknown[]): void;
  runBatch(): Promise<Out>;
  readonly watermark: number;
  restart(): Promise<void>;
  flush(): Promise<Out>;
  table(): Promise<Out>;
  advanceTime(by: Duration): void;
  readonly counts: State['counts'];
  close(): Promise<void>;
}

/** @param options `async`: tables answer promises */
export async function modelRun<Out>(
  job: Job<Out>,
  options: { readonly startTime?: number; readonly async?: boolean } = {},
): Promise<ModelRun<Out>> {
  return new Model<Out>(compileJob(job), options.startTime ?? 0, options.async ?? false);
}

class Model<Out> implements ModelRun<Out> {
  readonly physical: PhysicalJob;
  readonly quarantined: { row: unknown; reason: string }[] = [];
  #state: State;
  #sent: { source: number; row: unknown }[] = [];
  #now: number;
  /** When the first batch was planned. */
  #started: number | undefined;
  #table: Rows;

  constructor(physical: PhysicalJob, startTime: number, async: boolean) {
    this.physical = physical;
    this.#now = startTime;
    this.#table = physical.outputs.map(() => []);
    this.#state = {
      tables: physical.stages.map(({ operators }) =>
        operators.map(({ operator }) => operator.tables.map((spec) => new MapTable(spec, async))),
      ),
      seen: new Map(),
      previous: -Infinity,
      flushed: -Infinity,
      wake: Infinity,
      n: 0,
      counts: { applied: 0, late: 0, quarantined: 0, skipped: 0 },
    };
  }

  send(source: Source<never> | Source<unknown> | string, rows: readonly unknown[]): void {
    const name = typeof source === 'string' ? source : source.name;
    const index = this.physical.sources.findIndex((s) => s.name === name);
    if (index < 0) throw new JobError('UNKNOWN_SOURCE', `the job has no source '${name}'`);
    for (const row of rows) this.#sent.push({ source: index, row });
  }

  async runBatch(): Promise<Out> {
    const outputs = await this.#batch(this.#sent, false);
    this.#sent = [];
    const { previous, flushed, wake } = this.#state;
    const moved = this.#next() > Math.max(previous, flushed) || wake <= this.#now;
    return this.#out(
      moved && this.physical.noDataBatches ? merge(this.physical, outputs, await this.#batch([], false)) : outputs,
    );
  }

  async flush(): Promise<Out> {
    let outputs: Rows = this.physical.outputs.map(() => []);
    if (this.#sent.length > 0) {
      outputs = await this.#batch(this.#sent, false);
      this.#sent = [];
    }
    return this.#out(merge(this.physical, outputs, await this.#batch([], true)));
  }

  get watermark(): number {
    const next = this.#next();
    return next === -Infinity ? 0 : next;
  }

  /** What is durable is all there is. */
  async restart(): Promise<void> {}

  async table(): Promise<Out> {
    if (!this.physical.outputs.some((output) => output.kind === 'table')) {
      throw new JobError('NO_TABLE', "only mode 'complete' has a table");
    }
    return this.#out(this.#table);
  }

  advanceTime(by: Duration): void {
    this.#now += toMs(by, 'advanceTime');
  }

  get counts(): State['counts'] {
    return { ...this.#state.counts };
  }

  async close(): Promise<void> {}

  /** The watermark that the next batch will use. */
  #next(): number {
    return Math.max(this.#own(), this.#state.flushed);
  }

  #own(): number {
    const { watermarks, watermarkPolicy } = this.physical;
    const { seen, previous } = this.#state;
    const marks: number[] = [];
    for (const [i, { delayMs, idleAfterMs }] of watermarks.entries()) {
      const last = seen.get(i);
      const idle = idleAfterMs !== undefined && this.#started !== undefined;
      if (watermarkPolicy === 'min' && idle && this.#now - (last?.at ?? this.#started!) >= idleAfterMs) continue;
      if (last !== undefined) marks.push(last.time - delayMs);
      else if (watermarkPolicy === 'min') return previous;
    }
    if (marks.length === 0) return previous;
    return Math.max(previous, watermarkPolicy === 'min' ? Math.min(...marks) : Math.max(...marks));
  }

  /** Runs one batch; a batch that fails leaves no trace. */
  async #batch(sent: readonly { source: number; row: unknown }[], flush: boolean): Promise<Rows> {
    const before = this.#state;
    const late = this.#next();
    this.#started ??= this.#now;
    const state = copyState(before);
    const quarantinedBefore = this.quarantined.length;
    try {
      const outputs = await this.#attempt(sent, state, late, flush);
      this.#state = state;
      this.#table = outputs;
      return outputs;
    } catch (error) {
      this.quarantined.length = quarantinedBefore;
      throw error;
    }
  }

  async #attempt(
    sent: readonly { source: number; row: unknown }[],
    state: State,
    late: number,
    flush: boolean,
  ): Promise<Rows> {
    const { physical } = this;
    const { previous, flushed } = state;
    const edges: EdgeRow[][] = physical.edges.map(() => []);
    const outputs: Rows = physical.outputs.map(() => []);
    for (const { source, row } of sent) this.#head(source, row, edges, state);
    state.n++;
    state.wake = Infinity;
    const counts = { late: 0, skipped: 0, primary: edges.flat().filter((row) => row.primary).length };
    const evict = flush ? Infinity : late;
    const to: Collector = {
      toEdge: (edge, key, time, row) => edges[edge]!.push({ key, time, row, primary: false }),
      toOutput: (output, row) => outputs[output]!.push(row),
    };
    for (const [i, edge] of physical.edges.entries()) {
      if (edge.operator < 0) for (const { row } of edges[i]!) outputs[edge.output]!.push(row);
    }
    for (const [s, stage] of physical.stages.entries()) {
      for (const [o, node] of stage.operators.entries()) {
        const inputs = node.inputs.map((numbers) => batchOf(physical, numbers, edges, late, previous, flushed));
        const context: OperatorContext = {
          n: state.n,
          evict: node.watermark(evict),
          previousEvict: node.watermark(previous),
          processingTime: this.#now,
          clock: physical.watermarks.length === 0 ? this.#now : late,
          clockIs: physical.watermarks.length === 0 ? 'processing' : 'event',
          mode: physical.mode,
          tables: state.tables[s]![o]!,
          ordered: (table) => state.tables[s]![o]![table]!.ordered,
          fates: { late: (c) => (counts.late += c), skipped: (c) => (counts.skipped += c) },
          closed: (time) => {
            if (flush) state.flushed = Math.max(state.flushed, time);
          },
          wake: (atMs) => {
            state.wake = Math.min(state.wake, atMs);
          },
          emit: (port, row, time) => {
            node.emit[port]!(row, time, to);
            return true;
          },
          mayRefuse: false,
          refuse: (failure) => {
            throw failure;
          },
        };
        await node.operator.run(inputs, context);
      }
    }
    state.previous = late;
    state.counts.late += counts.late;
    state.counts.skipped += counts.skipped;
    state.counts.applied += counts.primary - counts.late - counts.skipped;
    return outputs;
  }

  /** One input row through the head: all of what it gives, or nothing if it is bad. */
  #head(source: number, row: unknown, edges: EdgeRow[][], state: State): void {
    const emitted: (() => void)[] = [];
    let primary = true;
    const to: HeadCollector = {
      toEdge: (edge, key, time, out) => {
        const first = primary;
        primary = false;
        emitted.push(() => edges[edge]!.push({ key, time, row: out, primary: first }));
      },
      toOutput: () => {
        throw new Error('the head sends results over an edge');
      },
      observe: (generator, time) => {
        emitted.push(() => {
          const before = state.seen.get(generator)?.time ?? -Infinity;
          state.seen.set(generator, { time: Math.max(before, time), at: this.#now });
        });
      },
    };
    try {
      this.physical.sources[source]!.push(row, to);
    } catch (error) {
      if (!(error instanceof BadRowError) || this.physical.onBadRow === 'fail') throw error;
      this.quarantined.push({ row, reason: error.message });
      state.counts.quarantined++;
      return;
    }
    for (const commit of emitted) commit();
    // A row that a filter dropped, or that became none, was applied.
    if (primary) state.counts.applied++;
  }

  #out(outputs: Rows): Out {
    if (this.physical.single) return outputs[0] as Out;
    return Object.fromEntries(this.physical.outputs.map(({ name }, i) => [name, outputs[i]])) as Out;
  }
}

/** The rows of all edges into one port; late on any of them is not late, as the port knows one time only. */
function batchOf(
  physical: PhysicalJob,
  numbers: readonly number[],
  edges: readonly (readonly EdgeRow[])[],
  late: number,
  previous: number,
  flushed: number,
): RowBatch {
  const filled = numbers.filter((number) => edges[number]!.length > 0);
  const rows = filled.flatMap((number) => edges[number]!);
  const lates = (filled.length === 0 ? numbers.slice(0, 1) : filled).map((number) => {
    const { from, watermark } = physical.edges[number]!;
    return Math.max(watermark(from === 'head' ? late : previous), flushed);
  });
  return rowBatchOf(
    rows.map((row) => row.key),
    rows.map((row) => row.time),
    rows.map((row) => row.row),
    { primary: rows.map((row) => row.primary), late: Math.min(...lates, Infinity) },
  );
}

/** What the data batch and the one behind it gave together: all rows, or of a table the last. */
function merge(physical: PhysicalJob, first: Rows, second: Rows): Rows {
  return physical.outputs.map(({ kind }, i) => (kind === 'table' ? second[i]! : [...first[i]!, ...second[i]!]));
}

function copyState(state: State): State {
  return {
    ...state,
    tables: state.tables.map((stage) => stage.map((tables) => tables.map((table) => table.copy()))),
    seen: new Map(state.seen),
    counts: { ...state.counts },
  };
}
