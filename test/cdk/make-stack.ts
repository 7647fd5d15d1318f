/** Stacks with one job, as the tests of the construct look at them: made without bundling, unless a test is about that. */
import path from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { App, Stack } from 'aws-cdk-lib/core';
import { MisaJob, type MisaJobProps } from '../../cdk/index.ts';

export const DEPARTURES = path.resolve('examples/departures/job.ts');
export const TWO_STAGES = path.resolve('test/cdk/jobs/two-stages.ts');

/** The CDK's check of templates takes seconds; one test is for it. */
process.env.CDK_VALIDATION = 'false';

export interface MadeStack {
  readonly app: App;
  readonly stack: Stack;
  readonly job: MisaJob;
}

type Props = Partial<MisaJobProps>;

export function makeStack(props: Props | ((stack: Stack) => Props) = {}, name = 'Misa-departures'): MadeStack {
  const app = new App({ context: { 'aws:cdk:bundling-stacks': [] }, analyticsReporting: false, treeMetadata: false });
  const stack = new Stack(app, name);
  const given = typeof props === 'function' ? props(stack) : props;
  return { app, stack, job: new MisaJob(stack, 'Job', { entry: DEPARTURES, ...given }) };
}

/** A template's properties are whatever CloudFormation has for the type. */
// biome-ignore lint/suspicious/noExplicitAny: tests read them as they are
export type Properties = any;

export interface Resource {
  readonly id: string;
  readonly Type: string;
  readonly Properties: Properties;
  readonly DependsOn: readonly string[];
  readonly DeletionPolicy?: string;
}

/** Of one template, those of a type, in order. */
export function resourcesOf(stack: Stack, type: string): Resource[] {
  const all = Template.fromStack(stack).toJSON().Resources as Record<string, Omit<Resource, 'id'>>;
  return Object.entries(all)
    .filter(([, resource]) => resource.Type === type)
    .map(([id, resource]) => ({ ...resource, id, DependsOn: [resource.DependsOn ?? []].flat() }));
}

/** The resource of a type whose id contains a text. */
export function resourceOf(stack: Stack, type: string, text: string): Resource {
  const found = resourcesOf(stack, type).filter(({ id }) => id.includes(text));
  if (found.length !== 1) throw new Error(`${found.length} resources ${type} are called ${text}`);
  return found[0]!;
}

/** Text with references in angle brackets; what CloudFormation cuts out of a reference is stood for by what it will be like. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const { Ref, 'Fn::GetAtt': attribute, 'Fn::Join': join, 'Fn::Select': select } = value as Properties;
  if (join !== undefined) return join[1].map(textOf).join(join[0]);
  if (select !== undefined) return select[1]['Fn::Split'][0] === 'fold.fifo' ? 'https://sqs/1/base-' : 'the-bucket';
  return attribute === undefined ? `<${Ref}>` : `<${attribute.join('.')}>`;
}

/** Statements of a role as `action on resource`, each pair by itself. */
export function grantsOf(stack: Stack, role: string): string[] {
  const { Policies } = resourceOf(stack, 'AWS::IAM::Role', role).Properties;
  return Policies.flatMap(({ PolicyDocument }: Properties) =>
    PolicyDocument.Statement.flatMap(({ Action, Resource }: Properties) =>
      [Action].flat().flatMap((action) => [Resource].flat().map((resource) => `${action} on ${textOf(resource)}`)),
    ),
  );
}
