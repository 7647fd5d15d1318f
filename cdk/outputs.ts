/**
 * What a stack says of its job, for the command line to find. The first job of a stack has the plain names; those of a
 * second begin with its id.
 */
import { CfnOutput, Stack } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';

const KEYS = [
  'JobName',
  'Store',
  'InputQueueUrl',
  'RecordsQueueUrl',
  'InputPrefix',
  'MaintainFunction',
  'Dashboard',
] as const;

export type JobOutputs = Readonly<Record<(typeof KEYS)[number], string | undefined>>;

export function writeOutputs(scope: Construct, outputs: JobOutputs): void {
  const stack = Stack.of(scope);
  const own = new Construct(scope, 'Outputs');
  const first = !taken.has(stack);
  taken.add(stack);
  const prefix = first ? '' : scope.node.id.replace(/[^A-Za-z0-9]/g, '');
  for (const key of KEYS) {
    const value = outputs[key];
    if (value !== undefined) new CfnOutput(own, key, { value }).overrideLogicalId(`${prefix}${key}`);
  }
}

/** Stacks whose plain names are taken. */
const taken = new WeakSet<Stack>();
