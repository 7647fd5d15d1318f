/** How much state a job has: rows and bytes by table and partition, SSTs by level, sizes of rows, the largest and busiest. */
import { DataLog } from '../../lib/log/data-log.ts';
import { parseAddress } from '../../lib/state/address.ts';
import { splitOrdered } from '../../lib/state/ordered-key.ts';
import { decodeKey, type Key } from '../../lib/stream/operators/key.ts';
import { greatest } from '../../lib/util/numbers.ts';
import { bytes, number, percent, styleOf, table } from '../text.ts';
import { tablesOf } from './layout.ts';
import type { PartitionView } from './partition-view.ts';
import { tableRows } from './rows.ts';
import type { StoredJob } from './stored-job.ts';
import type { JobViews } from './views.ts';

const SHOWN = 5;
/** The busiest keys are counted over so many of the last batches. */
const RECENT_BATCHES = 32;

export interface StateStatistics {
  readonly tables: readonly {
    readonly stage: number;
    readonly table: string;
    readonly partition: number;
    readonly rows: number;
    readonly bytes: number;
  }[];
  readonly levels: readonly {
    readonly path: string;
    readonly level: number;
    readonly ssts: number;
    readonly entries: number;
    readonly tombstones: number;
    readonly bytes: number;
  }[];
  /** Rows by size: key and value together, `rows` of them smaller than `below` bytes and not smaller than half of it. */
  readonly sizes: readonly { readonly below: number; readonly rows: number }[];
  readonly largest: readonly { readonly key: Key; readonly table: string; readonly bytes: number }[];
  /** Keys changed most often in the last batches. */
  readonly busiest: readonly { readonly key: Key; readonly table: string; readonly changes: number }[];
  readonly recentBatches: number;
}

export async function stateStatistics(job: StoredJob, views: JobViews): Promise<StateStatistics> {
  const tables = tablesOf(job.file);
  const byTable: { stage: number; table: string; partition: number; rows: number; bytes: number }[] = [];
  const sizes = new Map<number, number>();
  let largest: { key: Key; table: string; bytes: number }[] = [];
  for (const stored of tables) {
    for (const [partition, view] of views.stages[stored.stage]!.entries()) {
      const sum = { stage: stored.stage, table: stored.title, partition, rows: 0, bytes: 0 };
      for await (const row of tableRows(view, partition, tables, stored)) {
        const size = row.keyBytes + row.valueBytes;
        sum.rows++;
        sum.bytes += size;
        const below = 2 ** Math.floor(Math.log2(Math.max(1, size)) + 1);
        sizes.set(below, (sizes.get(below) ?? 0) + 1);
        if (largest.length < SHOWN || size > largest[SHOWN - 1]!.bytes) {
          largest = [...largest, { key: row.key, table: row.table, bytes: size }]
            .sort((a, b) => b.bytes - a.bytes)
            .slice(0, SHOWN);
        }
      }
      byTable.push(sum);
    }
  }
  const all = [views.planner, ...views.stages.flat()];
  return {
    tables: byTable,
    levels: all.flatMap(levelsOf),
    sizes: [...sizes].sort(([a], [b]) => a - b).map(([below, rows]) => ({ below, rows })),
    largest,
    ...(await busiest(job, views)),
  };
}

function levelsOf({ path, manifest }: PartitionView): StateStatistics['levels'] {
  return [manifest.l0, ...manifest.levels].flatMap((ssts, level) => {
    if (ssts.length === 0) return [];
    const sum = (of: (sst: (typeof ssts)[number]) => number): number => ssts.reduce((total, sst) => total + of(sst), 0);
    const counts = { entries: sum((s) => s.entries), tombstones: sum((s) => s.tombstones), bytes: sum((s) => s.size) };
    return [{ path, level, ssts: ssts.length, ...counts }];
  });
}

/** Counts changes in the log entries that are still kept, newest batches first. */
async function busiest(job: StoredJob, views: JobViews): Promise<Pick<StateStatistics, 'busiest' | 'recentBatches'>> {
  const tables = tablesOf(job.file);
  const counts = new Map<string, { key: Key; table: string; changes: number }>();
  let batches = 0;
  for (const [stage, partitions] of views.stages.entries()) {
    const own = tables.filter((t) => t.stage === stage);
    const kinds = own.map((t) => t.kind);
    for (const view of partitions) {
      const log = new DataLog(job.store, job.names, view.path);
      for (let n = view.position, read = 0; n > 0 && read < RECENT_BATCHES; n--, read++) {
        const { entry } = await log.readEntry(n);
        if (entry === undefined) break;
        batches = Math.max(batches, read + 1);
        for (const change of entry.changes()) {
          const address = parseAddress(change.key, kinds);
          const key = own[address.table]!.kind === 'keyed' ? address.key : splitOrdered(address.key)[0];
          const id = `${stage}/${address.table}/${key}`;
          const count = counts.get(id) ?? { key: decodeKey(key), table: own[address.table]!.title, changes: 0 };
          count.changes++;
          counts.set(id, count);
        }
      }
    }
  }
  const sorted = [...counts.values()].sort((a, b) => b.changes - a.changes);
  return { busiest: sorted.slice(0, SHOWN), recentBatches: batches };
}

export function statisticsText(job: StoredJob, statistics: StateStatistics): string {
  const { bold } = styleOf(process.stdout);
  const { tables, levels, sizes, largest, busiest: busy, recentBatches } = statistics;
  const right = (title: string): { title: string; right: true } => ({ title, right: true });
  const rows = tables.reduce((sum, t) => sum + t.rows, 0);
  const size = tables.reduce((sum, t) => sum + t.bytes, 0);
  const sections = [
    `${bold(job.file.name)}: ${number(rows)} rows of state, ${bytes(size)}\n\n`,
    table(
      [{ title: 'table' }, { title: 'partition' }, right('rows'), right('bytes'), right('share')],
      tables.map((t) => [
        `s${t.stage} ${t.table}`,
        `p${t.partition}`,
        number(t.rows),
        bytes(t.bytes),
        percent(t.rows, rows),
      ]),
    ),
    '\n',
    table(
      [{ title: 'stored' }, { title: 'level' }, right('SSTs'), right('entries'), right('tombstones'), right('bytes')],
      levels.map((l) => [
        l.path,
        `L${l.level}`,
        number(l.ssts),
        number(l.entries),
        number(l.tombstones),
        bytes(l.bytes),
      ]),
    ),
  ];
  if (rows > 0) {
    const most = greatest(sizes.map((s) => s.rows));
    sections.push(
      '\n',
      table(
        [right('row size'), right('rows'), { title: '' }],
        sizes.map((s) => [`< ${bytes(s.below)}`, number(s.rows), '█'.repeat(Math.ceil((30 * s.rows) / most))]),
      ),
      '\n',
      table(
        [{ title: 'largest rows' }, { title: 'table' }, right('bytes')],
        largest.map((l) => [JSON.stringify(l.key), l.table, bytes(l.bytes)]),
      ),
    );
  }
  if (busy.length > 0) {
    sections.push(
      '\n',
      table(
        [{ title: `busiest keys of ${recentBatches} batches` }, { title: 'table' }, right('changes')],
        busy.map((b) => [JSON.stringify(b.key), b.table, number(b.changes)]),
      ),
    );
  }
  return sections.join('');
}
