/**
 * Where a batch finds its plan and its input when nobody has them in memory: in the objects alone. Stage 0 reads the plan's
 * segment (or, for a plan by reference, what it refers to); a later stage reads the log entries of the stage before.
 */

import { CorruptionError, MisaError } from '../errors.ts';
import { DataLog } from '../log/data-log.ts';
import { type Names, partitionPath } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import type { BatchSource } from './batch-source.ts';
import type { Plan, StoredPlan } from './plan.ts';
import { PlannerLog } from './planner-log.ts';
import { decodeInput, joinInputs, NO_INPUT, type PartitionInput } from './rows.ts';
import { assertSamePlan } from './same-plan.ts';
import { decodeSegment } from './segment.ts';

/** Decodes the input of a plan by reference again, for all partitions. */
export type Replay = (plan: Plan) => Promise<PartitionInput[]>;

export interface StoredSourceOptions {
  readonly store: ObjectStore;
  readonly names: Names;
  /** Of each stage. */
  readonly partitions: number;
}

export class StoredSource implements BatchSource {
  readonly #options: StoredSourceOptions;
  readonly #planner: PlannerLog;
  #replay: Replay | undefined;
  #replayed: { n: number; inputs: Promise<PartitionInput[]> } | undefined;

  constructor(options: StoredSourceOptions) {
    this.#options = options;
    this.#planner = new PlannerLog(options.store, options.names);
  }

  /** Sets how plans by reference are read. */
  replayBy(replay: Replay): void {
    this.#replay = replay;
  }

  async plan(n: number): Promise<StoredPlan> {
    const { stored } = await this.#planner.readPlan(n);
    if (stored === undefined) {
      throw new MisaError('NO_PLAN', `there is no plan ${n} of job ${this.#options.names.job}`, { retryable: true });
    }
    return stored;
  }

  async input(stage: number, partition: number, stored: StoredPlan): Promise<PartitionInput> {
    const { plan } = stored;
    if (stage > 0) return this.#handedOn(stage, partition, stored);
    if (plan.counts.rows === 0) return NO_INPUT;
    if (plan.segment !== null) {
      const name = this.#options.names.segment(plan.n, plan.segment);
      const answer = await this.#options.store.get(name);
      if (!answer.found) throw new CorruptionError(name, `it is missing although plan ${plan.n} names it`);
      const segment = decodeSegment(answer.body, name);
      if (segment.hash !== plan.segment)
        throw new CorruptionError(name, `it is not the segment that plan ${plan.n} names`);
      return segment.input(partition);
    }
    if (this.#replay === undefined) throw new MisaError('NO_INPUT', `the files of batch ${plan.n} are not known here`);
    if (this.#replayed?.n !== plan.n) this.#replayed = { n: plan.n, inputs: this.#replay(plan) };
    return (await this.#replayed.inputs)[partition]!;
  }

  /** Rows that the previous stage has emitted for this partition. */
  async #handedOn(stage: number, partition: number, stored: StoredPlan): Promise<PartitionInput> {
    const { n } = stored.plan;
    const { store, names, partitions } = this.#options;
    const logs = Array.from({ length: partitions }, (_, p) => new DataLog(store, names, partitionPath(stage - 1, p)));
    return joinInputs(
      await Promise.all(
        logs.map(async (log) => {
          const { entry } = await log.readEntry(n);
          if (entry === undefined) {
            // ⚑ stage-logs: it is kept for this stage, so it is damage that it is missing, and not that there were no rows.
            throw new CorruptionError(log.nameOf(n), `it is missing although stage ${stage} has not read it`);
          }
          // ⚑ same-plan
          assertSamePlan(entry.header, stored.hash, log.nameOf(n));
          return decodeInput(entry.next(partition));
        }),
      ),
    );
  }
}
