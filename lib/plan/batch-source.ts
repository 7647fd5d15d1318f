import type { StoredPlan } from './plan.ts';
import type { PartitionInput } from './rows.ts';

/** Where a batch's plan and input are found when the trigger did not bring them. */
export interface BatchSource {
  /** @throws {MisaError} there is no such plan */
  plan(n: number): Promise<StoredPlan>;
  input(stage: number, partition: number, plan: StoredPlan): Promise<PartitionInput>;
}
