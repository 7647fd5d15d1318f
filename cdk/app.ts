/**
 * The app that `misa deploy` and `misa dev` hand to the CDK: one stack, `Misa-{job}`, with one job.
 *
 *     cdk deploy --app 'node dist/cdk/app.js job.ts'
 *
 * The job's module is the argument, `MISA_ENTRY`, or `misa:entry` of the CDK's context (`cdk synth -c misa:entry=job.ts`).
 * `MISA_PARTITIONS`, `MISA_MEMORY` (MiB), `MISA_TRACE=1`, `MISA_ARCHITECTURE=arm64|x64` and `MISA_REMOVAL=destroy` stand for
 * the props of the same names.
 */
import { realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import { App, RemovalPolicy, Stack } from 'aws-cdk-lib/core';
import { errorText, MisaError } from '../lib/errors.ts';
import { describeJob } from './describe-job.ts';
import { MisaJob } from './misa-job.ts';
import type { MisaJobProps } from './props.ts';
import { stackName } from './stack-name.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** @throws {MisaError} no job, or a setting that is none */
export function propsFrom(argument: string | undefined, env: Variables): MisaJobProps {
  const entry = argument ?? env.MISA_ENTRY;
  if (entry === undefined)
    throw usage('name the job module: as the argument, in MISA_ENTRY, or by -c misa:entry=job.ts');
  const architecture = oneOf(env, 'MISA_ARCHITECTURE', { arm64: Architecture.ARM_64, x64: Architecture.X86_64 });
  const removalPolicy = oneOf(env, 'MISA_REMOVAL', { destroy: RemovalPolicy.DESTROY, retain: RemovalPolicy.RETAIN });
  const partitions = number(env, 'MISA_PARTITIONS');
  const memorySize = number(env, 'MISA_MEMORY');
  return {
    entry,
    ...(partitions === undefined ? {} : { partitions }),
    ...(memorySize === undefined ? {} : { memorySize }),
    ...(architecture === undefined ? {} : { architecture }),
    ...(removalPolicy === undefined ? {} : { removalPolicy }),
    ...(env.MISA_TRACE === '1' ? { trace: true } : {}),
    // This alarm needs metric math, which local clouds do not all have.
    ...(env.AWS_ENDPOINT_URL === undefined ? {} : { alarms: { lateShare: false } }),
  };
}

export function makeApp(props: MisaJobProps): App {
  const { name } = describeJob(props.entry);
  const app = new App({ analyticsReporting: false, treeMetadata: false, autoSynth: false });
  const stack = new Stack(app, stackName(name), { description: `Misa job ${name}` });
  new MisaJob(stack, 'Job', props);
  return app;
}

function entryOfContext(): string | undefined {
  return new App({ autoSynth: false }).node.tryGetContext('misa:entry') as string | undefined;
}

function oneOf<V>(env: Variables, name: string, values: Readonly<Record<string, V>>): V | undefined {
  const text = env[name];
  if (text === undefined || text === '') return undefined;
  if (Object.hasOwn(values, text)) return values[text];
  throw usage(`${name} must be one of ${Object.keys(values).join(', ')}, not '${text}'`);
}

function number(env: Variables, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw usage(`${name} must be a whole number above 0, not '${text}'`);
}

function usage(message: string): MisaError {
  return new MisaError('USAGE', message);
}

/** Run as a program, not imported. */
if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  // The CDK's own check of the template takes most of a synthesis; it was passed before this version was published.
  if (process.env.AWS_ENDPOINT_URL !== undefined) process.env.CDK_VALIDATION ??= 'false';
  try {
    const entry = process.argv[2] ?? process.env.MISA_ENTRY ?? entryOfContext();
    makeApp(propsFrom(entry, process.env)).synth();
  } catch (error) {
    if (!(error instanceof MisaError)) throw error;
    process.stderr.write(`misa: ${errorText(error)}\n`);
    process.exitCode = 1;
  }
}
