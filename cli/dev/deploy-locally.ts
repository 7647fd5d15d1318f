/** Deploys a job to the local AWS, which is new each time: bootstrap, synthesis and deployment, by the real CDK. */
import { bootstrap, type Deployment, deploySynthesis, synthesize } from '../aws/deploy.ts';
import { LOCAL_ACCOUNT, LOCAL_REGION } from '../aws/environment.ts';
import { type DeployedStack, Stacks, stackName } from '../aws/stack.ts';

export async function deployLocally(deployment: Deployment): Promise<DeployedStack> {
  const { job, steps } = deployment;
  const name = stackName(job.name);
  steps.step('synth', `Bundling ${job.name}, and preparing the local AWS for the CDK`);
  // They do not depend on each other, so they run in parallel. Both end before anything else happens.
  const both = await Promise.allSettled([
    synthesize(deployment),
    bootstrap(deployment, `aws://${LOCAL_ACCOUNT}/${LOCAL_REGION}`),
  ]);
  for (const one of both) if (one.status === 'rejected') throw one.reason;
  steps.done();
  steps.step('deploy', `Deploying ${name}`);
  steps.done(await deploySynthesis(deployment));
  const stacks = await Stacks.open();
  try {
    return await stacks.get(name);
  } finally {
    stacks.close();
  }
}
