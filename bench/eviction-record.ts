/**
 * Records what real operators ask of their state, address by address, batch by batch: for policies of eviction to be tried on. Rows lie in
 * plain maps, so nothing of the engine's own memory shows in the record.
 */
import type { ColumnBatch } from '../lib/columns/column-batch.ts';
import type { Job } from '../lib/index.ts';
import { watermarksOf } from '../lib/plan/plan.ts';
import { edgeRowsIn, portBatch } from '../lib/plan/rows.ts';
import { compileJob } from '../lib/stream/compile/compile.ts';
import type { HeadCollector } from '../lib/stream/compile/physical.ts';
import type { OperatorContext } from '../lib/stream/graph/operator.ts';
import type { ScannedRow, StateTable } from '../lib/stream/graph/tables.ts';
import { packValue } from '../lib/util/pack.ts';

/** Of a state key in front of the row's own: table and time. */
const ADDRESS_BYTES = 9;

/** Ids of addresses, in the order in which they are asked for. */
export interface RecordedBatch {
  /** Each at its first touch. */
  readonly read: Int32Array;
  /** By a scan that closes them, by time and key. */
  readonly scanned: Int32Array;
  readonly written: Int32Array;
  /** Deleted one by one, or forgotten with their time. */
  readonly gone: Int32Array;
}

export interface RecordedJob {
  readonly name: string;
  readonly batches: readonly RecordedBatch[];
  /** Batches that only fill the state. */
  readonly filling: number;
  /** By id: of key and row, encoded. */
  readonly bytes: Int32Array;
  /** By id: the time of its address; 0 in a keyed table. */
  readonly times: Float64Array;
  /** By id: whether its table is timed. */
  readonly timed: Uint8Array;
  /** By id: the block that it lies in, of 4 KB of rows in the order of their state keys. */
  readonly blocks: Int32Array;
  /** The most that is live at the end of a batch. */
  readonly peakBytes: number;
}

interface Place {
  readonly table: number;
  readonly time: number;
  readonly key: string;
}

/** Of all tables of an operator. */
class Recorder {
  readonly places: Place[] = [];
  readonly bytes: number[] = [];
  read = new Set<number>();
  scanned: number[] = [];
  written = new Set<number>();
  gone: number[] = [];
  liveBytes = 0;

  /** A new address. @returns its id */
  add(place: Place): number {
    this.bytes.push(0);
    return this.places.push(place) - 1;
  }

  take(): RecordedBatch {
    const batch = {
      read: Int32Array.from(this.read),
      scanned: Int32Array.from(this.scanned),
      written: Int32Array.from(this.written),
      gone: Int32Array.from(this.gone),
    };
    this.read = new Set();
    this.scanned = [];
    this.written = new Set();
    this.gone = [];
    return batch;
  }
}

class RecordingTable implements StateTable {
  readonly #table: number;
  readonly #timed: boolean;
  readonly #to: Recorder;
  /** By time, then key. */
  readonly #ids = new Map<number, Map<string, number>>();
  /** By id. */
  readonly #rows: unknown[] = [];

  constructor(table: number, timed: boolean, to: Recorder) {
    this.#table = table;
    this.#timed = timed;
    this.#to = to;
  }

  load(keys: readonly string[], times?: readonly number[]): undefined {
    for (let i = 0; i < keys.length; i++) this.#to.read.add(this.#id(keys[i]!, times?.[i] ?? 0));
  }

  get(key: string, time: number): unknown {
    return this.#rows[this.#id(key, time)];
  }

  put(key: string, time: number, row: unknown): void {
    const to = this.#to;
    const id = this.#id(key, time);
    if (to.bytes[id] === 0) to.bytes[id] = ADDRESS_BYTES + key.length + packValue(row).length;
    if (this.#rows[id] === undefined) to.liveBytes += to.bytes[id]!;
    this.#rows[id] = row;
    to.written.add(id);
  }

  delete(key: string, time: number): void {
    this.#drop(this.#id(key, time));
  }

  forget(upTo: number): void {
    for (const [time, keys] of this.#ids) {
      if (time > upTo) continue;
      for (const id of keys.values()) this.#drop(id);
      this.#ids.delete(time);
    }
  }

  scan(after: number, upTo: number): ScannedRow<unknown>[][] {
    const found: ScannedRow<unknown>[] = [];
    for (const time of [...this.#ids.keys()].sort((a, b) => a - b)) {
      if (!(time > after && time <= upTo)) continue;
      const sorted = [...this.#ids.get(time)!].sort(([a], [b]) => (a < b ? -1 : 1));
      for (const [key, id] of sorted) {
        const row = this.#rows[id];
        if (row === undefined) continue;
        this.#to.scanned.push(id);
        found.push({ time, key, row });
      }
    }
    return [found];
  }

  #drop(id: number): void {
    if (this.#rows[id] === undefined) return;
    this.#to.liveBytes -= this.#to.bytes[id]!;
    this.#rows[id] = undefined;
    this.#to.gone.push(id);
    this.#to.written.delete(id);
  }

  #id(key: string, at: number): number {
    const time = this.#timed ? at : 0;
    let keys = this.#ids.get(time);
    if (keys === undefined) {
      keys = new Map();
      this.#ids.set(time, keys);
    }
    let id = keys.get(key);
    if (id === undefined) {
      id = this.#to.add({ table: this.#table, time, key });
      keys.set(key, id);
    }
    return id;
  }
}

export interface Recording {
  readonly name: string;
  /** With one source, one operator, and one way from the one to the other. */
  readonly job: Job<unknown>;
  /** Its rows, batch by batch. */
  readonly batches: Iterable<readonly unknown[]>;
  readonly filling?: number;
}

export async function record({ name, job, batches, filling = 0 }: Recording): Promise<RecordedJob> {
  const physical = compileJob(job);
  const [node] = physical.stages[0]!.operators;
  const { operator } = node!;
  const recorder = new Recorder();
  const tables = operator.tables.map(({ kind }, i) => new RecordingTable(i, kind === 'timed', recorder));
  const recorded: RecordedBatch[] = [];
  let watermark: number | null = null;
  let previousWatermark: number | null = null;
  let peakBytes = 0;
  for (const rows of batches) {
    const edges: (ColumnBatch | undefined)[] = [];
    let greatest = Number.NEGATIVE_INFINITY;
    const to: HeadCollector = {
      toEdge: (edge, key, time, row) => void edgeRowsIn(edges, edge, true).pushCounted(key, time, row, true, 0),
      toOutput() {},
      observe: (_, time) => {
        greatest = Math.max(greatest, time);
      },
    };
    for (const row of rows) physical.sources[0]!.push(row, to);
    const { late, evict, previousEvict } = watermarksOf({ kind: 'data', watermark, previousWatermark });
    const batch = portBatch({ edges, quarantined: [], objects: [] }, [0], (edge) =>
      physical.edges[edge]!.watermark(late),
    );
    const context: OperatorContext = {
      ...{ n: recorded.length + 1, processingTime: 0, mode: physical.mode, tables },
      ...{
        evict: node!.watermark(evict),
        previousEvict: node!.watermark(previousEvict),
        ...{ clock: late, clockIs: 'event' as const },
        mayRefuse: false,
      },
      ...{ fates: { late() {}, skipped() {} }, closed() {}, wake() {}, emit: () => true, refuse() {} },
      ordered() {
        throw new Error('there is no ordered table in these jobs');
      },
    };
    await operator.run([batch], context);
    recorded.push(recorder.take());
    peakBytes = Math.max(peakBytes, recorder.liveBytes);
    previousWatermark = watermark;
    const { delayMs = 0 } = physical.watermarks[0] ?? {};
    if (greatest > Number.NEGATIVE_INFINITY) watermark = Math.max(watermark ?? greatest - delayMs, greatest - delayMs);
  }
  const { places, bytes } = recorder;
  return {
    ...{ name, batches: recorded, filling, peakBytes, bytes: Int32Array.from(bytes) },
    times: Float64Array.from(places, ({ time }) => time),
    timed: Uint8Array.from(places, ({ table }) => (operator.tables[table]!.kind === 'timed' ? 1 : 0)),
    blocks: blocksOf(places, bytes),
  };
}

const BLOCK_BYTES = 4000;

/** Rows side by side in the order of their state keys. */
function blocksOf(places: readonly Place[], bytes: readonly number[]): Int32Array {
  const order = places.map((_, id) => id);
  order.sort((a, b) => {
    const [one, other] = [places[a]!, places[b]!];
    return one.table - other.table || one.time - other.time || (one.key < other.key ? -1 : 1);
  });
  const blocks = new Int32Array(places.length);
  let sum = 0;
  for (const id of order) {
    blocks[id] = Math.floor(sum / BLOCK_BYTES);
    sum += bytes[id]!;
  }
  return blocks;
}
