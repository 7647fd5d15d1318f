/** Binds the sinks of a job to its sink function, and writes down for it which output goes where. */

import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Stack } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { JobError } from '../lib/errors.ts';
import { QUARANTINE } from '../lib/job/outputs.ts';
import type { JobDescription } from './describe-job.ts';
import type { MisaJobProps } from './props.ts';
import type { Sink, SinkHome } from './sinks.ts';

export interface NamedSink {
  readonly output: string;
  readonly sink: Sink;
}

/** @throws {JobError} `BAD_SINKS`: the job has no such output */
export function namedSinks(job: JobDescription, sinks: MisaJobProps['sinks'] = {}): NamedSink[] {
  const outputs = [...job.outputs.map(({ name }) => name), QUARANTINE];
  return Object.entries(sinks).flatMap(([output, given]) => {
    if (!outputs.includes(output)) {
      throw new JobError('BAD_SINKS', `sinks name the output '${output}': job ${job.name} has ${outputs.join(', ')}`);
    }
    const all = Array.isArray(given) ? (given as readonly Sink[]) : [given as Sink];
    return all.map((sink) => ({ output, sink }));
  });
}

/** Grants the function what the sinks need, and tells it of them. */
export function bindSinks(target: LambdaFunction, sinks: readonly NamedSink[], home: SinkHome): void {
  const scope = new Construct(target, 'Sinks');
  const settings = sinks.map(({ output, sink }, i) => ({
    output,
    ...sink.bind(new Construct(scope, `${output}${i}`), target, home),
  }));
  target.addEnvironment('MISA_SINKS', Stack.of(target).toJsonString(settings));
}
