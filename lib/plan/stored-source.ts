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
import type { Segment } from './segment.ts';
import { decodeStored, readSegment, segmentPlace } from './stored-segment.ts';

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
  /** The rows that came with the last plan that was read. */
  #near: { readonly planHash: string; readonly segment: Uint8Array } | undefined;

  constructor(options: StoredSourceOptions) {
    this.#options = options;
    this.#planner = new PlannerLog(options.store, options.names);
  }

  /** Sets how plans by reference are read. */
  replayBy(replay: Replay): void {
    this.#replay = replay;
  }

  async plan(n: number): Promise<StoredPlan> {
    const { stored, segment } = await this.#planner.readPlan(n);
    this.#near = segment && { planHash: stored.hash, segment };
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
      const segment = await this.segment(stored);
      if (segment !== undefined) return segment.input(partition);
      const { name } = segmentPlace(this.#options.names, stored)!;
      throw new CorruptionError(name, `it is missing although plan ${plan.n} has its rows there`);
    }
    if (this.#replay === undefined) throw new MisaError('NO_INPUT', `the files of batch ${plan.n} are not known here`);
    if (this.#replayed?.n !== plan.n) this.#replayed = { n: plan.n, inputs: this.#replay(plan) };
    return (await this.#replayed.inputs)[partition]!;
  }

  /** The stored rows of a plan; `undefined`: it has none, or they are gone. @throws {CorruptionError} */
  async segment(stored: StoredPlan): Promise<Segment | undefined> {
    const { store, names } = this.#options;
    const place = segmentPlace(names, stored);
    if (place === undefined) return undefined;
    const near = this.#near;
    if (near?.planHash === stored.hash) return decodeStored(near.segment, stored, place.name);
    return readSegment(store, stored, place);
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
