/**
 * Wildcards in the roles of a job, each acknowledged with its reason for security checkers (cdk-nag): users who run one see
 * their own findings only. A checker knows a finding by the text of the resource as it stands in the template, which is not
 * known before all references are resolved, so this is done when the tree is validated.
 */
import { CfnRole } from 'aws-cdk-lib/aws-iam';
import { Stack, Validations } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';

/** Keyed by statement id; see `permissions.ts` and `functions.ts`. */
const REASONS: Readonly<Record<string, string>> = {
  ReadJob: 'Objects of this job alone; which of them there are is found out at run time.',
  ReadInput: 'Input of this job alone; its objects are named by who sends them.',
  ReadOtherInput: 'Objects that the stack names as input; they are named by who sends them.',
  Write: 'Numbered or random names, under the prefix that this function alone, or its kind, writes.',
  CollectGarbage: 'Garbage is whatever nothing refers to any more, of this job alone; no other function deletes.',
  DeleteAll: 'The bucket of this stack alone, which is to be deleted with it, whatever is in it.',
  Send: 'Queues of the partitions of this job, of which there may be more than a policy can list.',
  SendTraces: 'X-Ray has no resources to name.',
};

interface Statement {
  readonly Sid?: string;
  readonly Resource: unknown;
}
interface Policy {
  readonly policyDocument: { readonly Statement: readonly Statement[] };
}

export function acknowledgeWildcards(job: Construct): void {
  job.node.addValidation({
    validate() {
      for (const role of job.node.findAll()) {
        if (!(role instanceof CfnRole)) continue;
        const policies = Stack.of(role).resolve(role.policies) as readonly Policy[];
        for (const { policyDocument } of policies)
          for (const statement of policyDocument.Statement) acknowledge(role, statement);
      }
      return [];
    },
  });
}

function acknowledge(role: CfnRole, { Sid = '', Resource }: Statement): void {
  const reason = REASONS[Sid];
  if (reason === undefined) return;
  for (const resource of Array.isArray(Resource) ? Resource : [Resource]) {
    const text = textOf(resource);
    if (text.includes('*')) Validations.of(role).acknowledge({ id: `AwsSolutions-IAM5[Resource::${text}]`, reason });
  }
}

/** As cdk-nag writes it: references in angle brackets. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value.replace(/\$\{/g, '<').replace(/\}/g, '>');
  const {
    Ref,
    'Fn::GetAtt': attribute,
    'Fn::Join': join,
  } = value as {
    readonly Ref?: string;
    readonly 'Fn::GetAtt'?: readonly [string, string];
    readonly 'Fn::Join'?: readonly [string, readonly unknown[]];
  };
  if (join !== undefined) return join[1].map(textOf).join(join[0]);
  if (attribute !== undefined) return `<${attribute.join('.')}>`;
  return Ref === undefined ? JSON.stringify(value) : `<${Ref}>`;
}
