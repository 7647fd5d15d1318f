/**
 * ministack: a local AWS without Docker, installed from PyPI in the versions that Misa is tested with. It has what a job
 * needs (S3, SQS, Lambda on this machine's node, CloudFormation, EventBridge, DynamoDB); nothing outlives it. It is started
 * by Misa's own Python package, which freezes functions between invocations and keeps their memory limits.
 */
import { type LocalServer, type LocalServerOptions, startLocalServer } from './local-server.ts';
import { installer, PYTHON_PATH, type PythonPackages, pipInstall, pythonOf } from './python-packages.ts';

export const MINISTACK_VERSION = '1.5.33';
const BOTO3_VERSION = '1.43.106';

const PACKAGES: PythonPackages = {
  name: `ministack-${MINISTACK_VERSION}`,
  python: [3, 10],
  steps: [pipInstall([`ministack==${MINISTACK_VERSION}`, `boto3==${BOTO3_VERSION}`])],
};

/**
 * Installs ministack under `folder`, if it is not there: some 20 s, once. Safe in several processes at once.
 * @throws {MisaError} `NO_PYTHON`, `INSTALL_FAILED`
 */
export const installMinistack = installer(PACKAGES);

export interface StartOptions extends Pick<LocalServerOptions, 'clock' | 'port' | 'signal' | 'onOutput'> {
  /** Where it is installed. */
  readonly folder: string;
  /** Its environment, beside this process's own. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** Resolves when ministack can be used, in about 2 s. @throws {MisaError} `LOCAL_AWS_FAILED` */
export function startMinistack({ folder, env = {}, ...options }: StartOptions): Promise<LocalServer> {
  return startLocalServer({
    ...options,
    name: 'ministack',
    python: pythonOf(folder, PACKAGES),
    module: 'misa_local_aws.ministack',
    folder,
    env: (port) => ({ PYTHONPATH: PYTHON_PATH, GATEWAY_PORT: String(port), BIND_HOST: '127.0.0.1', ...env }),
    readyPath: '/_ministack/health',
  });
}
