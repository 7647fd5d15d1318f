/**
 * Publishes results. ⚑ output-order: out/n of each output is created once, and only after out/n−1, empty ones too, so that a
 * consumer who GETs by known names sees each batch once and in order. The bytes are those of the log entry, whoever publishes.
 */
import { createOnce } from '../commit/create-once.ts';
import type { LogEntry } from '../log/entry.ts';
import type { Names } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';

/** Where a partition's results go. */
export interface Publishing {
  readonly store: ObjectStore;
  readonly names: Names;
  readonly partition: number;
}

/** Publishes one batch; its predecessor must be published. */
export async function publishEntry({ store, names, partition }: Publishing, entry: LogEntry): Promise<void> {
  const { n, outputs } = entry.header;
  await Promise.all(outputs.map((output, i) => createOnce(store, names.out(output, partition, n), entry.output(i))));
}
