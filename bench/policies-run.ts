/** One policy under one load, and what it costs. */
import { seededRandom } from '../lib/util/random.ts';
import type { Load } from './policies-load.ts';
import { ModelStore, type Policy } from './policies-model.ts';

export interface PolicyResult {
  readonly policy: string;
  readonly load: string;
  /** Bytes written to SSTs for each byte folded; read by compactions. */
  readonly written: number;
  readonly read: number;
  /** Bytes of SSTs for each byte that is live: the mean, and the most. */
  readonly space: number;
  readonly mostSpace: number;
  readonly mostSsts: number;
  readonly largestMib: number;
  /** GETs of compactions, a fold. */
  readonly gets: number;
  /** Of a point read: SSTs whose range has the key, up to the one with the row, and blocks with filters. */
  readonly ssts: number;
  readonly blocks: number;
  /** Of a closing scan: SSTs, and bytes for each byte of the rows that it gives. `NaN`: there is none. */
  readonly scanSsts: number;
  readonly scanRead: number;
}

const PROBE_EVERY = 4;
const PROBES = 20;

export function runPolicy(load: Load, policy: Policy): PolicyResult {
  const { kinds, entryBytes, folds, filling } = load;
  const store = new ModelStore({ kinds, entryBytes, policy });
  const random = seededRandom(3);
  const looks = { count: 0, ssts: 0, blocks: 0 };
  const scans = { count: 0, ssts: 0, read: 0 };
  let [space, mostSpace, mostSsts] = [0, 0, 0];
  for (let n = 1; n <= filling + folds; n++) {
    if (n === filling + 1) store.startCounting();
    store.fold(load.fold(n));
    if (n <= filling) continue;
    const now = store.bytes / (load.live(n) * entryBytes);
    space += now / folds;
    mostSpace = Math.max(mostSpace, now);
    mostSsts = Math.max(mostSsts, store.ssts);
    for (let i = 0; n % PROBE_EVERY === 0 && i < PROBES; i++) {
      const { ssts, blocks } = store.look(load.probe(n, random));
      looks.count++;
      looks.ssts += ssts;
      looks.blocks += blocks;
    }
    const closing = load.closing?.(n);
    if (closing === undefined) continue;
    const { ssts, bytes, rows } = store.scan(...closing);
    scans.count++;
    scans.ssts += ssts;
    scans.read += bytes / (rows * entryBytes);
  }
  const { foldedBytes, writtenBytes, readBytes, largestReadBytes, gets } = store.written;
  return {
    policy: policy.name,
    load: load.name,
    written: writtenBytes / foldedBytes,
    read: readBytes / foldedBytes,
    space,
    mostSpace,
    mostSsts,
    largestMib: largestReadBytes / (1 << 20),
    gets: gets / folds,
    ssts: looks.ssts / looks.count,
    blocks: looks.blocks / looks.count,
    scanSsts: scans.ssts / scans.count,
    scanRead: scans.read / scans.count,
  };
}
