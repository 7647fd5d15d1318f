/** Rows of state as people and programs see them: the key decoded, windows with their times, results by column name. */
import { addressPrefix, parseAddress, tableRange } from '../../lib/state/address.ts';
import { splitOrdered } from '../../lib/state/ordered-key.ts';
import { decodeKey, encodeKey, type Key } from '../../lib/stream/operators/key.ts';
import { sessionIn } from '../../lib/stream/operators/session-tables.ts';
import { partitionOf } from '../../lib/util/hash.ts';
import { unpackValue } from '../../lib/util/pack.ts';
import { describeState, type StoredTable, tablesOf } from './layout.ts';
import type { PartitionView } from './partition-view.ts';
import type { StoredJob } from './stored-job.ts';
import { openPartition } from './views.ts';

export interface StateRow {
  readonly stage: number;
  readonly partition: number;
  /** Operator and table. */
  readonly table: string;
  readonly key: Key;
  /** Of windows; epoch ms. */
  readonly windowStart?: number;
  readonly windowEnd?: number;
  /** Of other timed state; epoch ms. */
  readonly time?: number;
  /** In an ordered table. */
  readonly position?: Key;
  /** The state by column. */
  readonly columns: Readonly<Record<string, unknown>>;
  readonly keyBytes: number;
  readonly valueBytes: number;
}

/** All rows of one table in one partition, in the order of their state keys. */
export async function* tableRows(
  view: PartitionView,
  partition: number,
  tables: readonly StoredTable[],
  table: StoredTable,
): AsyncGenerator<StateRow, void, undefined> {
  const kinds = tables.filter((t) => t.stage === table.stage).map((t) => t.kind);
  const { from, to } = tableRange(table.table);
  for await (const { key: stateKey, value } of view.scan(from, to)) {
    const { time, key: address } = parseAddress(stateKey, kinds);
    yield stateRow(table, partition, address, time, stateKey.length, value!);
  }
}

/** @param address key, and what stands behind it in tables where something does */
function stateRow(
  table: StoredTable,
  partition: number,
  address: string,
  time: number,
  keyBytes: number,
  value: Uint8Array,
): StateRow {
  const [key, behind] = splitOrdered(address);
  const row = unpackValue(value);
  const session = table.windows === 'session' && !table.isIndex ? sessionIn(row as readonly unknown[]) : undefined;
  return {
    stage: table.stage,
    partition,
    table: table.title,
    key: decodeKey(key),
    ...(session === undefined ? placeOf(table, time, behind) : { windowStart: session[0], windowEnd: session[1] }),
    columns: describeState(session?.[2] ?? row, table.columns),
    keyBytes,
    valueBytes: value.length,
  };
}

function placeOf({ kind, windows }: StoredTable, time: number, behind: string): Partial<StateRow> {
  if (kind === 'ordered') return { position: decodeKey(behind) };
  if (kind === 'keyed') return {};
  if (typeof windows === 'number') return { windowStart: time - windows, windowEnd: time };
  return windows === 'same' ? { windowStart: decodeKey(behind) as number, windowEnd: time } : { time };
}

/** All rows of one key, in all stages and tables. Timed tables are read whole: a key's times are not known. */
export async function* keyRows(job: StoredJob, key: Key): AsyncGenerator<StateRow, void, undefined> {
  const tables = tablesOf(job.file);
  const encoded = encodeKey(key);
  const partition = partitionOf(encoded, job.file.partitions);
  for (let stage = 0; stage < job.file.stages; stage++) {
    const view = await openPartition(job, stage, partition);
    for (const table of tables.filter((t) => t.stage === stage && !t.isIndex)) {
      if (table.kind === 'keyed') {
        const stateKey = addressPrefix(table.table, 'keyed', 0) + encoded;
        const value = await view.get(stateKey);
        if (value) yield stateRow(table, partition, encoded, 0, stateKey.length, value);
        continue;
      }
      for await (const row of tableRows(view, partition, tables, table)) {
        if (encodeKey(row.key) === encoded) yield row;
      }
    }
  }
}

/**
 * What a key on the command line may mean: JSON for numbers, booleans, null, quoted text and arrays, else the text itself;
 * where both are possible (`42`), in that order.
 */
export function keysMeant(text: string): Key[] {
  try {
    const value: unknown = JSON.parse(text);
    encodeKey(value as Key);
    return typeof value === 'string' ? [value] : [value as Key, text];
  } catch {
    return [text];
  }
}

/** Whether a key is, or an array key begins with, text that begins so. */
export function keyBegins(key: Key, prefix: string): boolean {
  const first: unknown = Array.isArray(key) ? key[0] : key;
  return String(first).startsWith(prefix);
}
