/**
 * How anyone knows that a process was killed: whoever tries a batch that was tried before writes down that it begins, and takes
 * that back when it ends in good order, failed or not. A process that runs out of memory or over its time cannot, so what is left
 * behind, and whose time is over, is a kill. A batch at its first try asks nothing of the store.
 *
 * One small object a partition, advisory: a lost one lets a batch be tried more often than need be.
 */
import type { Names, PartitionPath } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import { decodeEnvelope, encodeEnvelope } from '../util/envelope.ts';

const VERSION = 1;

/** A try. */
export interface Start {
  /** The first batch that it was to run: where the partition stood. */
  readonly n: number;
  /** When the try must be over, ended or killed. Epoch ms, by the functions' clock. */
  readonly endsMs: number;
}

/** @throws {CorruptionError} @throws {StoreError} */
export async function readStarts(store: ObjectStore, names: Names, path: PartitionPath): Promise<readonly Start[]> {
  const name = names.starts(path);
  const answer = await store.get(name);
  return answer.found ? decodeEnvelope<{ starts: Start[] }>('starts', VERSION, answer.body, name).starts : [];
}

/** @throws {StoreError} */
export async function writeStarts(
  store: ObjectStore,
  names: Names,
  path: PartitionPath,
  starts: readonly Start[],
): Promise<void> {
  await store.put(names.starts(path), encodeEnvelope('starts', VERSION, { starts }));
}

/** ⚑ killed-starts: how many tries of batch n were killed: their records are there, past their end. Others may still run. */
export function killsAt(starts: readonly Start[], n: number, nowMs: number): number {
  return starts.filter((start) => start.n === n && start.endsMs < nowMs).length;
}
