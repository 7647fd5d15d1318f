/**
 * Queue and function of every partition of every stage: one each, so that the memory and disk of a function hold the state of
 * one partition. A stack may have 500 resources; from the thirty-first on, groups of thirty stand in nested stacks.
 */

import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { type CustomResource, NestedStack } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import type { PartitionPlace } from '../lib/object-store/names.ts';
import { type FunctionMaker, invokeBy } from './functions.ts';
import type { Permissions } from './permissions.ts';
import type { QueueMaker } from './queues.ts';
import type { SettledProps } from './settled-props.ts';

/** Each partition has about eight resources, and alarms. */
const PLACES_IN_A_STACK = 30;
/** A long catch-up returns before it is done and is received again; a batch that cannot run halts its partition instead. */
const MAX_RECEIVES = 100;

export interface Partition extends PartitionPlace {
  readonly function: LambdaFunction;
  readonly queue: Queue;
  readonly deadLetters: Queue;
}

/** Partitions in one stack. */
export interface PartitionGroup {
  readonly scope: Construct;
  readonly partitions: readonly Partition[];
}

export interface PartitionOptions {
  readonly places: readonly PartitionPlace[];
  readonly settled: SettledProps;
  readonly maker: FunctionMaker;
  readonly queues: QueueMaker;
  readonly permissions: Permissions;
  /** No function changes before the job is admitted. */
  readonly admitted: CustomResource;
}

/** All places of a job, stage by stage. */
export function placesOf(stages: number, partitions: number): PartitionPlace[] {
  return Array.from({ length: stages * partitions }, (_, i) => ({
    stage: Math.floor(i / partitions),
    partition: i % partitions,
  }));
}

export function makePartitions(scope: Construct, options: PartitionOptions): PartitionGroup[] {
  const { places, settled, admitted } = options;
  if (places.length <= PLACES_IN_A_STACK) {
    const group = new Construct(scope, 'Partitions');
    return [{ scope: group, partitions: places.map((place) => makePartition(group, place, options)) }];
  }
  const groups: PartitionGroup[] = [];
  for (let from = 0; from < places.length; from += PLACES_IN_A_STACK) {
    const stack = new NestedStack(scope, `Partitions${groups.length}`, {
      description: `Partitions of job ${settled.job.name}`,
    });
    stack.node.addDependency(admitted);
    const own = places.slice(from, from + PLACES_IN_A_STACK);
    groups.push({ scope: stack, partitions: own.map((place) => makePartition(stack, place, options)) });
  }
  return groups;
}

function makePartition(scope: Construct, place: PartitionPlace, options: PartitionOptions): Partition {
  const { settled, maker, queues, permissions, admitted } = options;
  const { job, timeout, memorySize, disk } = settled;
  const { stage, partition } = place;
  const name = `s${stage}p${partition}`;
  const { queue, deadLetters } = queues.make(scope, `Queue-${name}`, name, {
    timeout,
    fifo: true,
    maxReceives: MAX_RECEIVES,
  });
  const made = maker.make(scope, `Batch-${name}`, {
    handler: 'batch.batch',
    description: `Batches of job ${job.name}: stage ${stage}, partition ${partition}`,
    timeout,
    memorySize,
    disk,
    permissions: [...permissions.batch(place, stage === job.stages - 1), permissions.receive(queue)],
    environment: { MISA_STAGE: String(stage), MISA_PARTITION: String(partition) },
  });
  made.node.addDependency(admitted);
  invokeBy(made, 'Queue', queue, { batchSize: 1 });
  return { ...place, function: made, queue, deadLetters };
}
