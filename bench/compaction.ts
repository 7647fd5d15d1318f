/**
 * How fast the commit side is, and how much it writes: batches of 20,000 changes, folded four at a time and compacted as is
 * due, on a memory store and one core, until the state holds about a million keys. Run alone with
 * `npx tsx bench/compaction.ts`.
 */
import { pathToFileURL } from 'node:url';
import { compact } from '../lib/commit/compact.ts';
import { fold } from '../lib/commit/fold.ts';
import type { CommitPartition } from '../lib/commit/partition.ts';
import { bytesOf } from '../lib/commit/pick-compaction.ts';
import { encodeChanges } from '../lib/log/changes.ts';
import { DataLog } from '../lib/log/data-log.ts';
import { encodeLogEntry } from '../lib/log/entry.ts';
import { sstsOf } from '../lib/manifest/manifest.ts';
import { MemoryStore } from '../lib/object-store/memory-store.ts';
import { names } from '../lib/object-store/names.ts';
import type { Entry } from '../lib/sst/entry.ts';
import { systemClock } from '../lib/util/clock.ts';
import { type Random, seededRandom, systemRandom } from '../lib/util/random.ts';

const KEYS = 1_000_000;
const BATCHES = 160;
const CHANGES = 20_000;
const FOLD_EVERY = 4;
const PATH = 's0/p0';

/** Keys of 12 bytes and values of 8 to 20, as in `bench/sst.ts`; every tenth change deletes. */
function makeChanges(random: Random): Uint8Array {
  const keys = new Set<number>();
  while (keys.size < CHANGES) keys.add(Math.floor(random.next() * KEYS));
  const entries: Entry[] = [];
  for (const key of [...keys].sort((a, b) => a - b)) {
    const value = Buffer.allocUnsafe(8 + Math.floor(random.next() * 13)).fill(0);
    value.set([0x93, 0xcd, random.next() * 256, random.next() * 256, 0xcb, 0x40]);
    value.writeUInt16LE(Math.floor(random.next() * 65536), 6);
    entries.push({ key: `u${String(key * 7).padStart(11, '0')}`, value: random.next() < 0.1 ? null : value });
  }
  return encodeChanges(entries);
}

/** Rates in entries a second of processor time, sizes in bytes, times in ms of the same. */
export async function benchCompaction(): Promise<Record<string, number>> {
  const store = new MemoryStore({ clock: systemClock });
  const jobNames = names('bench', 0);
  const log = new DataLog(store, jobNames, PATH);
  const shared = { store, names: jobNames, path: PATH, partition: 0, log, random: systemRandom };
  const partition: CommitPartition = { ...shared, retentionMs: 3_600_000 };
  const random = seededRandom(7);
  const measured = {
    foldMs: 0,
    compactMs: 0,
    longestMs: 0,
    folded: 0,
    merged: 0,
    compactions: 0,
    logBytes: 0,
    sstBytes: 0,
  };
  let mostSsts = 0;
  let previousHash = '';

  for (let n = 1; n <= BATCHES; n++) {
    const entry = encodeLogEntry(headerOf(n, previousHash), makeChanges(random), [], []);
    previousHash = entry.hash;
    await store.create(jobNames.log(PATH, n), entry.bytes);
    measured.logBytes += entry.bytes.length;
    if (n % FOLD_EVERY !== 0) continue;

    const foldStart = processorMs();
    const folded = await fold(partition, { expected: n });
    measured.foldMs += processorMs() - foldStart;
    measured.folded += FOLD_EVERY * CHANGES;
    measured.sstBytes += folded.loaded.manifest.l0[0]!.size;
    for (;;) {
      const start = processorMs();
      const result = await compact(partition);
      if (result.outcome !== 'compacted') {
        const { l0, levels } = result.loaded.manifest;
        mostSsts = Math.max(mostSsts, l0.length + levels.filter((level) => level.length > 0).length);
        break;
      }
      const tookMs = processorMs() - start;
      measured.compactMs += tookMs;
      measured.longestMs = Math.max(measured.longestMs, tookMs);
      measured.compactions++;
      if (result.compaction.move) continue;
      measured.merged += result.compaction.inputs.reduce((sum, sst) => sum + sst.entries, 0);
      measured.sstBytes += bytesOf(result.outputs);
    }
  }
  const { manifest } = (await fold(partition)).loaded;
  return {
    'fold entries/s': Math.round((measured.folded / measured.foldMs) * 1000),
    'compaction entries/s': Math.round((measured.merged / measured.compactMs) * 1000),
    'longest compaction ms': Math.round(measured.longestMs),
    compactions: measured.compactions,
    'log bytes': measured.logBytes,
    'state bytes': bytesOf(sstsOf(manifest)),
    'SST bytes written / log bytes': round(measured.sstBytes / measured.logBytes),
    'SSTs to look at for a key, at most': mostSsts,
  };
}

function headerOf(n: number, previousHash: string): Parameters<typeof encodeLogEntry>[0] {
  return {
    n,
    attempt: `attempt ${n}`,
    planHash: '',
    previousHash,
    publishedThrough: n,
    outputs: [],
    nextPartitions: 0,
    changes: CHANGES,
    counts: { rows: CHANGES, late: 0, skipped: 0, quarantined: 0, emitted: 0 },
    reads: { memory: 0, lmdb: 0, warm: 0, store: 0, requests: 0 },
  };
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.table(await benchCompaction());
