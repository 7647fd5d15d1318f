/**
 * Deploys a job with the real CDK: one synthesis, whose result is then deployed. `misa deploy` and `misa dev` both come
 * here, so what runs locally is what is deployed.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { MisaError } from '../../lib/errors.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import type { Steps } from '../steps.ts';
import { count } from '../text.ts';
import { type CdkRun, runCdk } from './cdk.ts';
import { progressText } from './cdk-events.ts';
import type { CdkInstallation } from './peers.ts';
import { stackName } from './stack.ts';

export interface Deployment {
  readonly cdk: CdkInstallation;
  readonly job: PhysicalJob;
  /** The job's module. */
  readonly entry: string;
  readonly partitions?: number | undefined;
  readonly trace?: boolean | undefined;
  /** Where bundles and the synthesis are kept between deployments. */
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  readonly steps: Steps;
  readonly signal?: AbortSignal | undefined;
  /** See {@link CdkRun.apart}. */
  readonly apart?: boolean;
}

/** Name of the stack that a bootstrap makes. */
export const TOOLKIT = 'CDKToolkit';

/** Shows no notices of the CDK, and asks nothing. */
const QUIETLY = ['--no-notices', '--ci'];

function runOf({ env, folder, signal, apart }: Deployment, doing: string, args: readonly string[]): CdkRun {
  return { doing, args: [...args, ...QUIETLY], folder, env, signal, ...(apart === undefined ? {} : { apart }) };
}

/** Writes the templates and bundles into the deployment's folder. */
export async function synthesize(deployment: Deployment): Promise<void> {
  const { cdk, job, entry, partitions, trace } = deployment;
  const variables: Record<string, string> = {
    MISA_ENTRY: path.resolve(entry),
    ...(partitions === undefined ? {} : { MISA_PARTITIONS: String(partitions) }),
    ...(trace ? { MISA_TRACE: '1' } : {}),
  };
  const env: NodeJS.ProcessEnv = { ...deployment.env, ...variables };
  for (const name of Object.keys(env)) {
    // Variables that happen to be set outside must not change the stack.
    if (/^MISA_(?:ENTRY|PARTITIONS|TRACE|REMOVAL)$/.test(name) && !Object.hasOwn(variables, name)) delete env[name];
  }
  // In a file, because as an option the CDK would take the quotes apart.
  const app = `"${process.execPath}" "${appFile()}"`;
  writeFileSync(path.join(deployment.folder, 'cdk.json'), JSON.stringify({ app }));
  const args = ['synth', '--quiet', '--output', synthesis(deployment)];
  await runCdk(cdk, { ...runOf(deployment, `preparing ${stackName(job.name)}`, args), env });
}

/** Makes what the CDK needs once in an account and region: a bucket for code, and roles. */
export async function bootstrap(deployment: Deployment, environment?: string): Promise<void> {
  const where = environment === undefined ? ['--app', synthesis(deployment)] : [environment];
  const { steps } = deployment;
  const onProgress: CdkRun['onProgress'] = (progress) => steps.at(progressText(progress));
  const run = runOf(deployment, 'preparing the account for the CDK', ['bootstrap', ...where]);
  // Run in a folder without an app, which the CDK would synthesize once more.
  const folder = path.join(deployment.folder, 'bootstrap');
  mkdirSync(folder, { recursive: true });
  await runCdk(deployment.cdk, { ...run, folder, onProgress });
}

/** Deploys what was synthesized. @returns what was done, as text for people */
export async function deploySynthesis(deployment: Deployment): Promise<string> {
  const { cdk, job, steps } = deployment;
  const args = [
    'deploy',
    '--all',
    ...['--app', synthesis(deployment)],
    ...['--require-approval', 'never'],
    ...['--progress', 'events'],
    ...['--outputs-file', path.join(deployment.folder, 'outputs.json')],
  ];
  const onProgress: CdkRun['onProgress'] = (progress) => steps.at(progressText(progress));
  const events = await runCdk(cdk, { ...runOf(deployment, `deploying ${stackName(job.name)}`, args), onProgress });
  return events.unchanged ? 'nothing to change' : count(events.progress.total, 'resource');
}

function synthesis({ folder }: Deployment): string {
  return path.join(folder, 'cdk.out');
}

/** The app that every deployment runs; built, because its functions are bundled from what is built. */
function appFile(): string {
  const up = import.meta.url.endsWith('.js') ? '../../cdk/app.js' : '../../dist/cdk/app.js';
  const file = fileURLToPath(new URL(up, import.meta.url));
  if (existsSync(file)) return file;
  throw new MisaError('NOT_BUILT', `there is no ${file}: build Misa (npm run build), or install it again`);
}
