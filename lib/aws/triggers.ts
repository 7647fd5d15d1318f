/**
 * Tells the batch functions that a plan can be run. A trigger carries the plan, the head of its segment and its partition's
 * rows as long as the message stays within 64 KiB, which is what one request of the queue is billed by; beyond that the head
 * says where in the segment the rows are. ⚑ trigger-after-plan: only when the plan is durable.
 */

import { type PartitionPath, partitionPath } from '../object-store/names.ts';
import type { StoredPlan } from '../plan/plan.ts';
import type { EncodedSegment } from '../plan/segment.ts';
import { allOrFirstError } from '../util/all-or-first-error.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import { type BatchTrigger, encodeBytes, encodeMessage } from './messages.ts';

/** Bytes before base64 that fit one billed unit of 64 KiB, with room for the rest of the message. */
const CARRIED_BYTES = 46 << 10;

export interface TriggerOptions {
  /** Names the sender: the same trigger by another sender is another message. */
  readonly sender: string;
  /** Message group for a partition. Default: its own, so that its batches come in order. */
  readonly group?: ((path: PartitionPath) => string) | undefined;
}

/** Triggers batch n in all partitions of stage 0. */
export async function triggerPlan(
  env: FunctionEnvironment,
  stored: StoredPlan,
  segment: EncodedSegment | null,
  options: TriggerOptions,
): Promise<void> {
  const { partitions } = env.file;
  const triggers = Array.from({ length: partitions }, (_, partition): BatchTrigger => {
    // In the order of what they save. Each part is of use only with those before it.
    const parts = { plan: stored.bytes, ...(segment && { head: segment.head, input: segment.rows[partition]! }) };
    const carried: { -readonly [part in keyof typeof parts]?: string } = {};
    let bytes = 0;
    for (const [part, content] of Object.entries(parts) as [keyof typeof parts, Uint8Array][]) {
      bytes += content.length;
      if (bytes > CARRIED_BYTES) break;
      carried[part] = encodeBytes(content);
    }
    return { ...triggerOf(env, 0, partition, stored.plan.n), ...carried };
  });
  await sendTriggers(env, triggers, options);
}

/** Triggers batch n in all partitions of a later stage. */
export async function triggerStage(
  env: FunctionEnvironment,
  stage: number,
  n: number,
  stored: StoredPlan | undefined,
  options: TriggerOptions,
): Promise<void> {
  const plan = stored !== undefined && stored.bytes.length <= CARRIED_BYTES ? { plan: encodeBytes(stored.bytes) } : {};
  const triggers = Array.from({ length: env.file.partitions }, (_, p) => ({ ...triggerOf(env, stage, p, n), ...plan }));
  await sendTriggers(env, triggers, options);
}

export function triggerOf(env: FunctionEnvironment, stage: number, partition: number, n: number): BatchTrigger {
  return { kind: 'batch', job: env.file.id, stage, partition, n };
}

/** @throws {QueueError} after all that could be sent are sent */
export async function sendTriggers(
  env: FunctionEnvironment,
  triggers: readonly BatchTrigger[],
  { sender, group }: TriggerOptions,
): Promise<void> {
  await allOrFirstError(
    triggers.map((trigger) => {
      const { stage, partition, n } = trigger;
      const path = partitionPath(stage, partition);
      const message = { body: encodeMessage(trigger), group: group?.(path) ?? path, dedupId: `${path}-${n}-${sender}` };
      return env.queue(env.settings.batchQueue(stage, partition)).send([message]);
    }),
  );
}
