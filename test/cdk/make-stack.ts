/** A stack with one job, as the tests of the construct look at it: synthesized without bundling, unless a test is about that. */
import path from 'node:path';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { App, Stack } from 'aws-cdk-lib/core';
import { MisaJob, type MisaJobProps } from '../../cdk/index.ts';

export const DEPARTURES = path.resolve('examples/departures/job.ts');
export const TWO_STAGES = path.resolve('test/cdk/jobs/two-stages.ts');

/** The CDK's check of templates takes seconds; one test is for it. */
process.env.CDK_VALIDATION = 'false';

/** Stands for the code where a test is not about it. */
const NO_BUNDLING = { 'aws:cdk:bundling-stacks': [] };

export interface MadeStack {
  readonly app: App;
  readonly stack: Stack;
  readonly job: MisaJob;
}

export function makeStack(props: Partial<MisaJobProps> | ((stack: Stack) => Partial<MisaJobProps>) = {}): MadeStack {
  const app = new App({ context: NO_BUNDLING, analyticsReporting: false, treeMetadata: false });
  const stack = new Stack(app, 'Misa-departures');
  const given = typeof props === 'function' ? props(stack) : props;
  return { app, stack, job: new MisaJob(stack, 'Job', { entry: DEPARTURES, ...given }) };
}

export interface Resource {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template's properties are whatever CloudFormation has
  readonly Properties: any;
  readonly DependsOn?: readonly string[];
  readonly DeletionPolicy?: string;
}
export type Resources = Readonly<Record<string, Resource>>;

export function resourcesOf(stack: Stack, type?: string): Resources {
  const all = Template.fromStack(stack).toJSON().Resources as Resources;
  return type === undefined ? all : Object.fromEntries(Object.entries(all).filter(([, r]) => r.Type === type));
}

export { Match, Template };
