/** The law of tables on the engine's own, in every condition they may be in, and on the model's. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, it } from 'vitest';
import { compact } from '../../lib/commit/compact.ts';
import { fold } from '../../lib/commit/fold.ts';
import { type CommitPartition, manifestOf } from '../../lib/commit/partition.ts';
import { DataLog } from '../../lib/log/data-log.ts';
import { encodeLogEntry } from '../../lib/log/entry.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names } from '../../lib/object-store/names.ts';
import { LmdbBlockCache } from '../../lib/state/block-cache.ts';
import { PartitionState } from '../../lib/state/partition-state.ts';
import { noCost } from '../../lib/state/sst-reads.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { MapTable } from '../helpers/map-table.ts';
import { type Attempt, LAW_TABLES, lawScript, obeysLaw, type Subject } from './table-law.ts';

const NAMES = names('job', 1);
const PATH = 's0/p0';
const SMALL = { l0Trigger: 2, baseBytes: 2000, ratio: 2, sstBytes: 1000 };
const folder = mkdtempSync(path.join(tmpdir(), 'misa-law-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let caches = 0;

interface Condition {
  readonly rowBytes: number;
  /** What may come to pass between batches. */
  readonly events: readonly ('nothing' | 'fold' | 'compact' | 'restart' | 'reset' | 'loadAll')[];
  readonly cached?: boolean;
}

const CONDITIONS: Readonly<Record<string, Condition>> = {
  'all in memory': { rowBytes: 1 << 20, events: ['nothing', 'fold'] },
  'all in memory again, after restarts': { rowBytes: 1 << 20, events: ['restart', 'fold', 'loadAll', 'loadAll'] },
  'little memory': { rowBytes: 1500, events: ['nothing', 'fold', 'compact', 'loadAll'] },
  'no memory, nothing folded': { rowBytes: 1, events: ['restart', 'reset', 'nothing'] },
  'no memory, all folded': { rowBytes: 1, events: ['fold'] },
  'no memory, all compacted': { rowBytes: 1, events: ['compact'] },
  'cold, with a block cache, in any state of commits': {
    rowBytes: 1,
    events: ['fold', 'compact', 'restart', 'reset', 'nothing'],
    cached: true,
  },
};

class EngineSubject implements Subject {
  readonly #condition: Condition;
  readonly #store = new MemoryStore({ clock: new ManualClock() });
  readonly #log = new DataLog(this.#store, NAMES, PATH);
  readonly #cache: LmdbBlockCache | undefined;
  readonly #partition: CommitPartition;
  #state: PartitionState;

  constructor(condition: Condition) {
    this.#condition = condition;
    const [store, log, random] = [this.#store, this.#log, seededRandom(1)];
    this.#partition = { store, names: NAMES, path: PATH, partition: 0, log, random, retentionMs: 60_000 };
    this.#cache = condition.cached ? LmdbBlockCache.open(path.join(folder, `${caches++}`), 1 << 20) : undefined;
    this.#state = this.#open();
  }

  begin(): Attempt {
    const state = this.#state;
    const batch = state.begin();
    return {
      tables: batch.tables(LAW_TABLES, 0),
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
        await this.#store.create(NAMES.log(PATH, n), bytes);
        state.apply(n, hash, changes, batch);
      },
      drop: () => batch.end(),
    };
  }

  async rest(choice: number): Promise<void> {
    const { events } = this.#condition;
    switch (events[choice % events.length]) {
      case 'fold':
        await fold(this.#partition, { maxEntries: 1 + (choice % 4) });
        break;
      case 'compact':
        await fold(this.#partition);
        while ((await compact(this.#partition, SMALL)).outcome === 'compacted');
        break;
      case 'restart':
        this.#state = this.#open();
        break;
      case 'reset':
        this.#state.reset();
        break;
      case 'loadAll':
        await this.#state.loadAll(noCost());
    }
    await this.#catchUp();
  }

  async close(): Promise<void> {
    await this.#cache?.close();
  }

  #open(): PartitionState {
    return new PartitionState({
      ...{ store: this.#store, names: NAMES, path: PATH, cache: this.#cache, rowBytes: this.#condition.rowBytes },
      kinds: LAW_TABLES.map(({ kind }) => kind),
      widths: LAW_TABLES.map(({ width = 0 }) => width),
    });
  }

  /** Takes the newest manifest, and the log entries after it. */
  async #catchUp(): Promise<void> {
    this.#state.adopt(await manifestOf(this.#partition));
    for (;;) {
      const { entry } = await this.#log.readEntry(this.#state.position + 1);
      if (entry === undefined) return;
      this.#state.adoptEntry(entry.header.n, entry.hash, entry.changes(), entry.header.forgotten);
    }
  }
}

class ModelSubject implements Subject {
  #tables: MapTable[];

  constructor(async: boolean) {
    this.#tables = LAW_TABLES.map((spec) => new MapTable(spec, async));
  }

  begin(): Attempt {
    const tables = this.#tables.map((table) => table.copy());
    return {
      tables,
      ordered: (table) => tables[table]!.ordered,
      commit: async () => {
        this.#tables = tables;
      },
      drop: () => {},
    };
  }

  async rest(): Promise<void> {}
}

async function holds(make: () => Subject): Promise<void> {
  await fc.assert(
    fc.asyncProperty(lawScript, async (script) => {
      const subject = make();
      try {
        await obeysLaw(subject, script);
      } finally {
        await subject.close?.();
      }
    }),
    { numRuns: Number(process.env.MISA_RUNS ?? 100) },
  );
}

describe('the law of tables (invariant 3)', () => {
  it.each(Object.entries(CONDITIONS))('holds of the engine: %s', (_, condition) =>
    holds(() => new EngineSubject(condition)),
  );
  it.each([false, true])('holds of the model, asynchronous: %s', (async) => holds(() => new ModelSubject(async)));
});
