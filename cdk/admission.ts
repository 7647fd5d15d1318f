/**
 * The step of a deployment that asks the stored state whether the job still fits it. Every other function waits for it, in
 * an update too: a job that would misread its state fails the deployment while the old code goes on running, untouched.
 */

import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { CustomResource, Duration, Stack } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { JobDescription } from './describe-job.ts';

/** CloudFormation would else wait an hour for a function that never answers. */
const ANSWER_WITHIN = Duration.minutes(3);

/** @param admit answers CloudFormation itself: nothing of the CDK's custom resource framework is deployed */
export function admission(scope: Construct, admit: LambdaFunction, job: JobDescription, store: string): CustomResource {
  return new CustomResource(scope, 'Admission', {
    serviceToken: admit.functionArn,
    serviceTimeout: ANSWER_WITHIN,
    resourceType: 'Custom::MisaAdmission',
    properties: { Store: store, Job: Stack.of(scope).toJsonString(storedFacts(job)) },
  });
}

/** What job.json holds of a job; admission runs again when any of it changes. */
function storedFacts(job: JobDescription): Record<string, unknown> {
  return {
    name: job.name,
    partitions: job.partitions,
    stages: job.stages,
    outputMode: job.mode,
    commit: job.commit.mode,
    outputs: job.outputs.map(({ name, stage, kind }) => ({ name, stage, kind })),
    layout: [...job.sources.map((source) => `source ${source}`).sort(), ...job.layout],
  };
}
