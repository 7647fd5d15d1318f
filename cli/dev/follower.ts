/**
 * Follows a job batch by batch as it commits: what each batch was, and its results, from the log entries that make it. What
 * is collected by then is read as it was published.
 */

import type { OutputDirectory } from '../../lib/embedded/output-directory.ts';
import type { WatchedBatch } from '../../lib/embedded/row-warnings.ts';
import { DataLog } from '../../lib/log/data-log.ts';
import type { LogEntry } from '../../lib/log/entry.ts';
import { partitionPath } from '../../lib/object-store/names.ts';
import { PlannerLog } from '../../lib/plan/planner-log.ts';
import type { StoredJob } from '../state/stored-job.ts';

export interface FollowedBatch {
  readonly n: number;
  readonly kind: string;
  readonly watermark: number | null;
  readonly rows: number;
  readonly late: number;
  readonly skipped: number;
  readonly quarantined: number;
  /** Rows of results. */
  readonly emitted: number;
}

export interface FollowOptions {
  readonly job: StoredJob;
  /** Results are copied there, */
  readonly directory?: OutputDirectory | undefined;
  /** or written one output after the other, */
  readonly write?: ((output: string, rows: Uint8Array) => Promise<void>) | undefined;
  /** @param watched for warnings; `undefined`: its plan is collected */
  readonly onBatch: (batch: FollowedBatch, watched: WatchedBatch | undefined) => void;
}

export class Follower {
  readonly #options: FollowOptions;
  #through = 0;

  constructor(options: FollowOptions) {
    this.#options = options;
  }

  /** Takes all batches up to n, which are committed in all partitions. */
  async to(n: number): Promise<void> {
    while (this.#through < n) {
      await this.#take(this.#through + 1);
      this.#through++;
    }
  }

  async #take(n: number): Promise<void> {
    const { job, directory, write, onBatch } = this.#options;
    const { stages, partitions, outputs } = job.file;
    const entries = await Promise.all(
      Array.from({ length: stages * partitions }, async (_, i): Promise<LogEntry | undefined> => {
        const path = partitionPath(Math.floor(i / partitions), i % partitions);
        return (await new DataLog(job.store, job.names, path).readEntry(n)).entry;
      }),
    );
    const results = (output: string, partition: number): Uint8Array | undefined => {
      const of = entries.filter((_, i) => i % partitions === partition);
      const entry = of.find((e) => e?.header.outputs.includes(output));
      if (entry !== undefined) return entry.output(entry.header.outputs.indexOf(output));
      // A log entry names the quarantine only if it holds rows.
      return of.includes(undefined) ? undefined : new Uint8Array(0);
    };
    await directory?.copy(n, { n, results });
    if (write !== undefined) {
      for (const { name } of outputs) {
        for (let p = 0; p < partitions; p++) {
          const rows = results(name, p) ?? (await this.#published(name, p, n));
          if (rows.length > 0) await write(name, rows);
        }
      }
    }
    onBatch(...(await this.#describe(n, entries)));
  }

  async #published(output: string, partition: number, n: number): Promise<Uint8Array> {
    const { store, names } = this.#options.job;
    const answer = await store.get(names.out(output, partition, n));
    return answer.found ? answer.body : new Uint8Array(0);
  }

  async #describe(
    n: number,
    entries: readonly (LogEntry | undefined)[],
  ): Promise<[FollowedBatch, WatchedBatch | undefined]> {
    const { store, names } = this.#options.job;
    const { stored } = await new PlannerLog(store, names).readPlan(n);
    const counts = { late: 0, skipped: 0, quarantined: 0, emitted: 0 };
    for (const entry of entries) {
      for (const key of Object.keys(counts) as (keyof typeof counts)[]) counts[key] += entry?.header.counts[key] ?? 0;
    }
    const { kind = 'data', watermark = null, counts: planned } = stored?.plan ?? {};
    const watched = stored && { plan: stored, counts, committed: [entries.map((entry) => ({ entry }))] };
    return [{ n, kind, watermark, rows: planned?.rows ?? 0, ...counts }, watched];
  }
}
