/**
 * Which AWS a command talks to is what the environment says (profile, region, `AWS_ENDPOINT_URL`), as for every tool of
 * AWS. `misa dev` puts an environment of its own in its place, for itself and its children, in which there is only the
 * local AWS: no profile, no real credentials, no other endpoint.
 */
import os from 'node:os';
import { type AwsClientSettings, awsClientSettings } from '../../lib/util/aws-client.ts';

export const LOCAL_REGION = 'us-east-1';
export const LOCAL_ACCOUNT = '000000000000';

/** Tries of a request. All requests of these commands can be repeated. */
const TRIES = 5;
const UPLOAD_TIMEOUT_MS = 5 * 60_000;

/** Settings for a client of the SDK. */
export function clientConfig(service: string): Omit<AwsClientSettings, 'maxAttempts'> & { maxAttempts: number } {
  return { ...awsClientSettings(service, {}), maxAttempts: TRIES };
}

/**
 * For S3. Not the store's client, which never sends anything twice: what is sent here may be, and a large part takes its
 * time on a slow line.
 */
export function s3Config(): ReturnType<typeof clientConfig> & { forcePathStyle: boolean } {
  const settings = awsClientSettings('S3', {}, UPLOAD_TIMEOUT_MS);
  return { ...settings, maxAttempts: TRIES, forcePathStyle: settings.endpoint !== undefined };
}

/** URL of the service that is used instead of AWS; `undefined`: AWS itself. */
export function endpointOf(service: string): string | undefined {
  return awsClientSettings(service, {}).endpoint;
}

/**
 * `base` without anything of AWS, and with the local AWS at `endpoint`.
 * @param endpoint `undefined`: there is none yet, so nothing can be asked
 */
export function localEnvironment(
  endpoint: string | undefined,
  base: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const kept = Object.entries(base).filter(([name]) => !/^(AWS|CDK)_/.test(name));
  return {
    ...(Object.fromEntries(kept) as Record<string, string>),
    ...(endpoint === undefined ? {} : { AWS_ENDPOINT_URL: endpoint }),
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_REGION: LOCAL_REGION,
    AWS_DEFAULT_REGION: LOCAL_REGION,
    AWS_CONFIG_FILE: os.devNull,
    AWS_SHARED_CREDENTIALS_FILE: os.devNull,
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    CDK_DISABLE_CLI_TELEMETRY: 'true',
  };
}

/** From here on this process and its children know the local AWS only. */
export function enterLocalAws(endpoint: string | undefined): void {
  const local = localEnvironment(endpoint);
  for (const name of Object.keys(process.env)) if (!Object.hasOwn(local, name)) delete process.env[name];
  Object.assign(process.env, local);
}

/** Shell commands, for people, that make other commands use the local AWS. */
export function environmentText(endpoint: string): string {
  return `  export AWS_ENDPOINT_URL=${endpoint} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=${LOCAL_REGION}`;
}
