/**
 * Publishes results. ⚑ output-order: out/n of each output is created once, and only after those of the batches before it. A batch
 * without rows there has none (⚑ absent-is-empty). The bytes are those of the log entry, whoever publishes.
 */

import type { LogEntry } from '../log/entry.ts';
import { createOnce } from '../object-store/create-once.ts';
import type { Creates } from '../object-store/hedged-creates.ts';
import type { Names } from '../object-store/names.ts';

/** Where a partition's results go. */
export interface Publishing {
  readonly store: Creates;
  readonly names: Names;
  readonly partition: number;
}

/** Publishes one batch; its predecessor must be published. */
export async function publishEntry({ store, names, partition }: Publishing, entry: LogEntry): Promise<void> {
  const { n, outputs } = entry.header;
  await Promise.all(
    outputs.map(async (output, i) => {
      const rows = entry.output(i);
      if (rows.length > 0) await createOnce(store, names.out(output, partition, n), rows);
    }),
  );
}
