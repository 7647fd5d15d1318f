/** Whether the model is right: the same folds through real log entries, folds and compactions, at a sixteenth of their sizes. */
import { compact } from '../lib/commit/compact.ts';
import { fold } from '../lib/commit/fold.ts';
import type { CommitPartition } from '../lib/commit/partition.ts';
import { bytesOf, COMPACTION } from '../lib/commit/pick-compaction.ts';
import { encodeChanges } from '../lib/log/changes.ts';
import { DataLog } from '../lib/log/data-log.ts';
import { encodeLogEntry } from '../lib/log/entry.ts';
import { sstsOf } from '../lib/manifest/manifest.ts';
import { MemoryStore } from '../lib/object-store/memory-store.ts';
import { names } from '../lib/object-store/names.ts';
import { systemClock } from '../lib/util/clock.ts';
import { seededRandom } from '../lib/util/random.ts';
import { keyedLoad } from './policies-load.ts';
import { ModelStore } from './policies-model.ts';
import { leveled } from './policies-pick.ts';

const PATH = 's0/p0';
const SCALE = 16;
const SIZES = { ...COMPACTION, baseBytes: COMPACTION.baseBytes / SCALE, sstBytes: COMPACTION.sstBytes / SCALE };
const KEYS = 120_000;
const CHANGES = 5000;
const FOLDS = 120;

export interface Checked {
  readonly realWritten: number;
  readonly modelWritten: number;
  readonly realSsts: number;
  readonly modelSsts: number;
}

export async function checkAgainstReal(): Promise<Checked> {
  const load = keyedLoad({ name: 'check', keys: KEYS, changes: CHANGES, entryBytes: 1, folds: FOLDS });
  const folds = Array.from({ length: load.filling + FOLDS }, (_, i) => load.fold(i + 1));
  const store = new MemoryStore({ clock: systemClock });
  const jobNames = names('bench', 0);
  const log = new DataLog(store, jobNames, PATH);
  const random = seededRandom(7);
  const shared = { store, names: jobNames, path: PATH, partition: 0, log, random };
  const partition: CommitPartition = { ...shared, retentionMs: 3_600_000 };
  let previousHash = '';
  let [folded, written, entries] = [0, 0, 0];
  let realSsts = 0;
  for (const [i, { entries: changed }] of folds.entries()) {
    const n = i + 1;
    const changes = [...changed].map((entry) => ({
      key: `\0user-${String(entry).padStart(11, '0')}`,
      value: rowBytes(random),
    }));
    const entry = encodeLogEntry(headerOf(n, previousHash, changes.length), encodeChanges(changes), [], []);
    previousHash = entry.hash;
    await store.create(jobNames.log(PATH, n), entry.bytes);
    const { loaded } = await fold(partition, { expected: n });
    const [newest] = loaded.manifest.l0;
    folded += newest!.size;
    written += newest!.size;
    entries += newest!.entries;
    for (;;) {
      const result = await compact(partition, SIZES);
      if (result.outcome !== 'compacted') {
        realSsts = sstsOf(result.loaded.manifest).length;
        break;
      }
      if (!result.compaction.move) written += bytesOf(result.outputs);
    }
  }
  const model = new ModelStore({ kinds: load.kinds, entryBytes: folded / entries, policy: leveled('', SIZES) });
  for (const one of folds) model.fold(one);
  const { writtenBytes, foldedBytes } = model.written;
  return {
    realWritten: written / folded,
    modelWritten: writtenBytes / foldedBytes,
    realSsts,
    modelSsts: model.ssts,
  };
}

/** Three numbers, as an aggregate's row has them, of which little compresses. */
function rowBytes(random: { next(): number }): Buffer {
  const value = Buffer.alloc(28);
  value[0] = 0x93;
  for (let i = 0; i < 3; i++) {
    value[1 + 9 * i] = 0xcb;
    value.writeDoubleBE(random.next(), 2 + 9 * i);
  }
  return value;
}

function headerOf(n: number, previousHash: string, changes: number): Parameters<typeof encodeLogEntry>[0] {
  return {
    ...{ n, attempt: `attempt ${n}`, planHash: '', previousHash, publishedThrough: n, outputs: [], nextPartitions: 0 },
    changes,
    counts: { rows: changes, late: 0, skipped: 0, quarantined: 0, emitted: 0 },
    reads: { memory: 0, lmdb: 0, warm: 0, store: 0, requests: 0 },
  };
}
