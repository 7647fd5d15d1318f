/**
 * The engine's tables of one partition, with a log and commits of their own: what a batch sees after whatever may come to pass between
 * batches.
 */
import { compact } from '../../lib/commit/compact.ts';
import { fold } from '../../lib/commit/fold.ts';
import { type CommitPartition, manifestOf } from '../../lib/commit/partition.ts';
import { DataLog } from '../../lib/log/data-log.ts';
import { encodeLogEntry, type LogEntry } from '../../lib/log/entry.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names } from '../../lib/object-store/names.ts';
import type { BatchState } from '../../lib/state/batch-state.ts';
import type { BlockCache } from '../../lib/state/block-cache.ts';
import { PartitionState } from '../../lib/state/partition-state.ts';
import { noCost } from '../../lib/state/read-cost.ts';
import type { OrderedTable, StateTable, TableSpec } from '../../lib/stream/graph/tables.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { countingStore } from './stores.ts';

const NAMES = names('job', 1);
const PATH = 's0/p0';
const SMALL = { l0Trigger: 2, baseBytes: 2000, ratio: 2, sstBytes: 1000 };

export interface EngineAttempt {
  readonly state: BatchState;
  readonly tables: readonly StateTable[];
  ordered(table: number): OrderedTable;
  /** It counts. */
  commit(): Promise<void>;
  /** It comes to nothing. */
  drop(): void;
}

export class EngineTables {
  /** Requests of reads and of commits. */
  readonly store = countingStore(new MemoryStore({ clock: new ManualClock() }));
  readonly #specs: readonly TableSpec[];
  readonly #options: { readonly rowBytes: number; readonly cache?: BlockCache | undefined };
  readonly #log = new DataLog(this.store, NAMES, PATH);
  readonly #partition: CommitPartition;
  #state: PartitionState;

  constructor(
    specs: readonly TableSpec[],
    options: { readonly rowBytes: number; readonly cache?: BlockCache | undefined } = { rowBytes: 1 << 20 },
  ) {
    this.#specs = specs;
    this.#options = options;
    const [store, log, random] = [this.store, this.#log, seededRandom(1)];
    this.#partition = { store, names: NAMES, path: PATH, partition: 0, log, random, retentionMs: 60_000 };
    this.#state = this.#open();
  }

  /** Batches so far. */
  get position(): number {
    return this.#state.position;
  }

  begin(): EngineAttempt {
    const state = this.#state;
    const batch = state.begin();
    return {
      state: batch,
      tables: batch.tables(this.#specs, 0),
      ordered: (table) => batch.ordered(table),
      commit: async () => {
        const n = state.position + 1;
        const changes = batch.encode();
        const { bytes, hash } = encodeLogEntry(
          {
            ...{ n, attempt: `a${n}`, planHash: `p${n}`, previousHash: state.hash, publishedThrough: n - 1 },
            ...{ outputs: [], nextPartitions: 0, changes: changes.count, forgotten: changes.forgotten },
            counts: { rows: 0, late: 0, skipped: 0, quarantined: 0, emitted: 0 },
            reads: batch.reads,
          },
          Buffer.from(changes.bytes),
          [],
          [],
        );
        await this.store.create(NAMES.log(PATH, n), bytes);
        state.apply(n, hash, changes, batch);
      },
      drop: () => batch.end(),
    };
  }

  async entry(n: number): Promise<LogEntry> {
    const { entry } = await this.#log.readEntry(n);
    if (entry === undefined) throw new Error(`no log entry ${n}`);
    return entry;
  }

  async fold(maxEntries?: number): Promise<void> {
    await fold(this.#partition, { maxEntries });
  }

  /** Folds all, and compacts until nothing is due. */
  async compact(): Promise<void> {
    await fold(this.#partition);
    while ((await compact(this.#partition, SMALL)).outcome === 'compacted');
  }

  /** Another environment, or this one with nothing in memory: see {@link catchUp}. */
  async restart(): Promise<void> {
    this.#state = this.#open();
  }

  async reset(): Promise<void> {
    this.#state.reset();
  }

  async loadAll(): Promise<void> {
    await this.#state.loadAll(noCost());
  }

  /** Takes the newest manifest, and the log entries after it. */
  async catchUp(): Promise<void> {
    this.#state.adopt(await manifestOf(this.#partition));
    for (;;) {
      const { entry } = await this.#log.readEntry(this.#state.position + 1);
      if (entry === undefined) return;
      this.#state.adoptEntry(entry.header.n, entry.hash, entry.changes(), entry.header.forgotten);
    }
  }

  #open(): PartitionState {
    return new PartitionState({
      ...{ store: this.store, names: NAMES, path: PATH, cache: this.#options.cache, rowBytes: this.#options.rowBytes },
      kinds: this.#specs.map(({ kind }) => kind),
      widths: this.#specs.map(({ width = 0 }) => width),
      blanks: this.#specs.map(({ blank }) => blank),
    });
  }
}
