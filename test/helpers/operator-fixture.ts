/**
 * An operator, or several behind each other, on the engine's tables, one partition: rows in; results, the state they leave, log entries and the
 * requests they cost out, and on each edge a tap. What happens between batches, folds and restarts, is up to the test.
 *
 *     const fixture = new OperatorFixture(job('j', keyed.distinct()));
 *     const { out, into } = await fixture.batch({ rows: { in: [row] }, watermark: 10 });
 */
import { runOperators } from '../../lib/batch/run-operators.ts';
import type { ColumnBatch } from '../../lib/columns/column-batch.ts';
import type { Job } from '../../lib/index.ts';
import type { BatchCounts } from '../../lib/log/entry.ts';
import type { Plan } from '../../lib/plan/plan.ts';
import { edgeRowsIn, type PartitionInput, type QuarantinedRow } from '../../lib/plan/rows.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import type { HeadCollector, PhysicalJob } from '../../lib/stream/compile/physical.ts';
import type { ScannedRow } from '../../lib/stream/graph/tables.ts';
import { decodeKey, type Key } from '../../lib/stream/operators/key.ts';
import { allOf } from './chunks.ts';
import { EngineTables } from './engine-tables.ts';
import { plainRows } from './row-batches.ts';

export interface BatchOfFixture {
  /** By source; left out: none. */
  readonly rows?: Readonly<Record<string, readonly unknown[]>>;
  /** The job's; default: that of the batch before. */
  readonly watermark?: number;
  /** Closes everything. */
  readonly flush?: boolean;
  readonly processingTime?: number;
}

export interface TappedRow {
  readonly key: Key;
  readonly time: number;
  readonly row: unknown;
}

export interface BatchShown {
  /** Results by output. */
  readonly out: Readonly<Record<string, unknown[]>>;
  /** The tap: what came in at a port of an operator (`distinct#0`), by the edge it came over. */
  into(operator: string, port?: number): TappedRow[];
  readonly quarantined: readonly QuarantinedRow[];
  /** By stage. */
  readonly counts: readonly BatchCounts[];
  /** Requests for its reads, in all stages. */
  readonly requests: number;
}

export class OperatorFixture {
  readonly job: PhysicalJob;
  /** By stage. */
  readonly engines: readonly EngineTables[];
  #n = 0;
  #watermark: number | null = null;
  #closedTo: number | undefined;

  constructor(job: Job<unknown>, rowBytes = 1 << 20) {
    this.job = { ...compileJob(job), partitions: 1 };
    this.engines = this.job.stages.map(
      ({ operators }) =>
        new EngineTables(
          operators.flatMap(({ operator }) => operator.tables),
          { rowBytes },
        ),
    );
  }

  /** Of the last batch; `-Infinity`: none. */
  get watermark(): number {
    return this.#watermark ?? Number.NEGATIVE_INFINITY;
  }

  /** Runs a batch through all stages, and commits it. A batch that fails leaves no trace. */
  async batch({ rows = {}, watermark, flush = false, processingTime = 0 }: BatchOfFixture): Promise<BatchShown> {
    const { job } = this;
    const plan = this.#plan(watermark, flush, processingTime);
    const edges: (ColumnBatch | undefined)[] = [];
    const out: Record<string, unknown[]> = {};
    const counts: BatchCounts[] = [];
    const quarantined: QuarantinedRow[] = [];
    let requests = 0;
    let closedTo = this.#closedTo;
    let input = this.#head(rows);
    for (const [stage, engine] of this.engines.entries()) {
      for (const [edge, crossed] of input.edges.entries()) edges[edge] ??= crossed;
      const before = engine.store.calls.length;
      const attempt = engine.begin();
      const given = { plan, input, state: attempt.state, keepRows: true };
      const result = await runOperators(job, { stage, partition: 0 }, given);
      requests += engine.store.calls.length - before;
      await attempt.commit();
      for (const [i, name] of result.names.entries()) {
        const kept = result.outputs[i]!.kept;
        if (kept === undefined) quarantined.push(...lines(result.outputs[i]!.bytes()));
        else out[name] = kept;
      }
      counts.push(result.counts);
      if (result.closedTo !== undefined) closedTo = Math.max(closedTo ?? -Infinity, result.closedTo);
      [input = NOTHING] = result.next;
    }
    this.#n++;
    this.#watermark = plan.watermark;
    this.#closedTo = closedTo;
    return { out, counts, quarantined, requests, into: (operator, port = 0) => tap(job, edges, operator, port) };
  }

  /** Between batches, in all stages: {@link EngineTables}. */
  async each(act: (engine: EngineTables) => Promise<void>): Promise<void> {
    for (const engine of this.engines) await act(engine);
  }

  /** All rows of a table that is not ordered, in order. */
  async rowsOf(table: number, stage = 0): Promise<ScannedRow<unknown>[]> {
    const attempt = this.engines[stage]!.begin();
    const rows = await allOf(attempt.tables[table]!.scan(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY));
    attempt.drop();
    return rows;
  }

  #plan(watermark: number | undefined, flush: boolean, processingTime: number): Plan {
    const own = watermark ?? this.#watermark;
    // A flush moves the watermark to what it closed.
    const moved = this.#closedTo === undefined ? own : Math.max(own ?? -Infinity, this.#closedTo);
    return {
      ...{ n: this.#n + 1, kind: flush ? 'flush' : 'data', pieces: [], segment: null, inputs: {} },
      ...{ counts: { rows: 0, dropped: 0, quarantined: 0 }, watermark: moved, previousWatermark: this.#watermark },
      ...(this.#closedTo === undefined ? {} : { closedTo: this.#closedTo }),
      ...{ processingTime, headHash: '', previousHash: '', attempt: '' },
    };
  }

  #head(rows: Readonly<Record<string, readonly unknown[]>>): PartitionInput {
    const edges: (ColumnBatch | undefined)[] = [];
    let first = true;
    const to: HeadCollector = {
      toEdge(edge, key, time, row) {
        edgeRowsIn(edges, edge, true).pushCounted(key, time, row, first, 0);
        first = false;
      },
      toOutput() {},
      observe() {},
    };
    for (const source of this.job.sources) {
      for (const row of rows[source.name] ?? []) {
        first = true;
        source.push(row, to);
      }
    }
    return { edges, quarantined: [], objects: [] };
  }
}

const NOTHING: PartitionInput = { edges: [], quarantined: [], objects: [] };

function tap(job: PhysicalJob, edges: readonly (ColumnBatch | undefined)[], name: string, port: number): TappedRow[] {
  const node = job.stages.flatMap(({ operators }) => operators).find(({ operator }) => operator.name === name);
  if (node === undefined) throw new Error(`no operator ${name}`);
  return node.inputs[port]!.flatMap((edge) => {
    const crossed = edges[edge];
    if (crossed === undefined) return [];
    const { keys, times, rows } = plainRows(crossed);
    return rows.map((row, i) => ({ key: decodeKey(keys[i]!), time: times[i]!, row }));
  });
}

function lines(bytes: Uint8Array): QuarantinedRow[] {
  const text = Buffer.from(bytes).toString();
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as QuarantinedRow]));
}
