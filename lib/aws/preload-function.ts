/**
 * A preload function: looks, for each partition that a new plan concerns, whether the environment that will run the batch is
 * likely to be cold, and if so writes a warm pack for it: what the batch will read, in one object. Nothing needs it; where
 * it fails or comes late, the batch reads for itself.
 *
 * Likely to be cold: the last log entry says that much of its batch was read from below memory. A partition whose last entry
 * is not there yet is at work, and so warm.
 */

import { errorText } from '../errors.ts';
import { decodeLogHeader, type LogHeader } from '../log/entry.ts';
import { loadManifest } from '../manifest/manifest-store.ts';
import { HedgedReads } from '../object-store/hedged-reads.ts';
import { partitionPath } from '../object-store/names.ts';
import type { Segment } from '../plan/segment.ts';
import { StoredSource } from '../plan/stored-source.ts';
import type { PlanOf } from '../preload/wanted.ts';
import { writeWarmPack } from '../preload/write-warm-pack.ts';
import { PartitionState } from '../state/partition-state.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import { carriedPlan, type PlanNotice } from './messages.ts';

/** Bytes read of a log entry: enough for its header. */
const HEAD_BYTES = 16 << 10;
/** Share of reads from below memory above which a batch counts as cold. */
const COLD_SHARE = 0.2;
const STATE_BYTES = 64 << 20;

export class PreloadFunction {
  readonly #env: FunctionEnvironment;
  readonly #states = new Map<number, PartitionState>();
  readonly #source: StoredSource;

  constructor(env: FunctionEnvironment) {
    const { store, names, file } = env;
    this.#env = env;
    this.#source = new StoredSource({ store, names, partitions: file.partitions });
  }

  /** @returns how many warm packs were written */
  async run(notice: PlanNotice): Promise<number> {
    const { file, report } = this.#env;
    if (notice.job !== file.id) return 0;
    const stored = carriedPlan(notice, report) ?? (await this.#source.plan(notice.n));
    const { plan } = stored;
    if (plan.segment === null || plan.n < 2) return 0;
    const partitions = Array.from({ length: file.partitions }, (_, p) => p);
    // Environments go cold together, after a quiet time. So one partition is checked for all, a different one each time.
    if (!(await this.#isCold(plan.n % file.partitions, plan.n - 1))) return 0;
    const cold = await Promise.all(partitions.map((p) => this.#isCold(p, plan.n - 1)));
    const segment = await this.#source.segment(stored);
    if (segment === undefined) return 0;
    let written = 0;
    await Promise.all(
      partitions.map(async (p) => {
        if (!cold[p]) return;
        try {
          if (await this.#writePack(p, plan, segment)) written++;
        } catch (error) {
          report.warn('a warm pack was not written', { partition: partitionPath(0, p), error: errorText(error) });
        }
      }),
    );
    report.metric('WarmPacks', written);
    return written;
  }

  async #isCold(partition: number, n: number): Promise<boolean> {
    const name = this.#env.names.log(partitionPath(0, partition), n);
    const answer = await this.#env.store.get(name, { range: { offset: 0, length: HEAD_BYTES } });
    if (!answer.found) return false;
    return wasCold(decodeLogHeader(answer.body, name));
  }

  async #writePack(partition: number, plan: PlanOf & { n: number }, segment: Segment) {
    const { job, store, names, clock, cache, report } = this.#env;
    const path = partitionPath(0, partition);
    let state = this.#states.get(partition);
    if (state === undefined) {
      const kinds = job.stages[0]!.operators.flatMap(({ operator }) => operator.tables).map((table) => table.kind);
      const onTrouble = (what: string, error: unknown): void => report.trouble?.(what, error);
      const reads = HedgedReads.of(store, clock);
      state = new PartitionState({ store: reads, names, path, cache, kinds, rowBytes: STATE_BYTES, onTrouble });
      this.#states.set(partition, state);
    }
    state.adopt(await loadManifest(store, names.manifest(path)));
    return writeWarmPack({ job, stage: 0, state, store, names, path }, plan.n, plan, segment.input(partition));
  }
}

/** Whether the batch of a log entry had to read much of its state from below memory. */
export function wasCold({ reads }: LogHeader): boolean {
  const below = reads.lmdb + reads.warm + reads.store;
  return below > COLD_SHARE * (below + reads.memory);
}
