/** The law of tables on the engine's own, in every condition they may be in, and on the model's. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { LmdbBlockCache } from '../../lib/state/block-cache.ts';
import { EngineTables } from '../helpers/engine-tables.ts';
import { MapTable } from '../helpers/map-table.ts';
import {
  type Attempt,
  LAW_TABLES,
  type LawScript,
  lawScript,
  numbersScript,
  obeysLaw,
  type Subject,
} from './table-law.ts';

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
  readonly #events: Condition['events'];
  readonly #tables: EngineTables;
  readonly #cache: LmdbBlockCache | undefined;

  constructor({ rowBytes, events, cached }: Condition) {
    this.#events = events;
    this.#cache = cached ? LmdbBlockCache.open(path.join(folder, `${caches++}`), 1 << 20) : undefined;
    this.#tables = new EngineTables(LAW_TABLES, { rowBytes, cache: this.#cache });
  }

  begin(): Attempt {
    return this.#tables.begin();
  }

  async rest(choice: number): Promise<void> {
    const event = this.#events[choice % this.#events.length]!;
    if (event === 'fold') await this.#tables.fold(1 + (choice % 4));
    else if (event !== 'nothing') await this.#tables[event]();
    await this.#tables.catchUp();
  }

  async close(): Promise<void> {
    await this.#cache?.close();
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

/** @returns how many scans came as columns, too */
async function holds(make: () => Subject, scripts: fc.Arbitrary<LawScript> = lawScript): Promise<number> {
  let inColumns = 0;
  await fc.assert(
    fc.asyncProperty(scripts, async (script) => {
      const subject = make();
      try {
        inColumns += await obeysLaw(subject, script);
      } finally {
        await subject.close?.();
      }
    }),
    { numRuns: Number(process.env.MISA_RUNS ?? 100) },
  );
  return inColumns;
}

describe('the law of tables (invariant 3)', () => {
  it.each(Object.entries(CONDITIONS))('holds of the engine: %s', async (_, condition) => {
    await holds(() => new EngineSubject(condition));
  });
  it.each(Object.entries(CONDITIONS))('holds of columns of numbers: %s', async (name, condition) => {
    const inColumns = await holds(() => new EngineSubject(condition), numbersScript);
    if (name.startsWith('all in memory')) expect(inColumns).toBeGreaterThan(0);
  });
  it.each([false, true])('holds of the model, asynchronous: %s', async (async) => {
    await holds(() => new ModelSubject(async));
  });
});
