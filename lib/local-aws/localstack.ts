/**
 * LocalStack without Docker: its core, installed from PyPI in the version that Misa is tested with, as of a day on which its
 * dependencies fitted. Functions are processes of this machine's node, run by Misa's own Python package beside this file,
 * which leans on what is inside that version. Nothing outlives it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LocalServer, type LocalServerOptions, startLocalServer } from './local-server.ts';
import { installer, PYTHON_PATH, type PythonPackages, pipInstall, pythonOf } from './python-packages.ts';

export const LOCALSTACK_VERSION = '4.9.2';
const UV_VERSION = '0.13.9';
const AS_OF = '2025-10-20';

const PACKAGES: PythonPackages = {
  name: `localstack-${LOCALSTACK_VERSION}`,
  python: [3, 11],
  steps: [
    pipInstall([`uv==${UV_VERSION}`]),
    [
      ...['uv', 'pip', 'install', '--quiet', '--no-cache', '--exclude-newer', AS_OF],
      `localstack-core[runtime]==${LOCALSTACK_VERSION}`,
    ],
  ],
};

/**
 * Installs LocalStack under `folder`, if it is not there: some 30 s, once. Safe in several processes at once.
 * @throws {MisaError} `NO_PYTHON`, `INSTALL_FAILED`
 */
export const installLocalStack = installer(PACKAGES);

export interface StartLocalStackOptions extends Pick<LocalServerOptions, 'clock' | 'port' | 'signal' | 'onOutput'> {
  /** Where it is installed. */
  readonly folder: string;
  /** Where it makes a folder for all that it has, gone when it is stopped. Default: the system's. */
  readonly temporary?: string | undefined;
}

/** Resolves when LocalStack answers, in 2 to 4 s; it loads each service at its first request. @throws {MisaError} `LOCAL_AWS_FAILED` */
export async function startLocalStack(options: StartLocalStackOptions): Promise<LocalServer> {
  const { folder, temporary = tmpdir(), ...others } = options;
  const data = await mkdtemp(path.join(temporary, 'misa-localstack-'));
  const removeData = (): Promise<void> => rm(data, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  try {
    const server = await startLocalServer({
      ...others,
      name: 'LocalStack',
      python: pythonOf(folder, PACKAGES),
      module: 'localstack.runtime.main',
      folder: data,
      env: (port) => environment(data, port),
      readyPath: '/_localstack/health',
      // All that it would do in some seconds of ending is to keep what is thrown away.
      stopMs: 0,
    });
    return {
      ...server,
      async stop() {
        await server.stop();
        await removeData();
      },
    };
  } catch (error) {
    await removeData();
    throw error;
  }
}

function environment(data: string, port: number): Record<string, string> {
  return {
    PYTHONPATH: PYTHON_PATH,
    // Where it notes which plugins there are, in a file that two that start at once would both write.
    XDG_CACHE_HOME: path.join(data, 'cache'),
    TMPDIR: data,
    FILESYSTEM_ROOT: path.join(data, 'root'),
    // Else, in a container, it takes the container for its own and writes all over it.
    OVERRIDE_IN_DOCKER: '0',
    GATEWAY_LISTEN: `127.0.0.1:${port}`,
    LOCALSTACK_HOST: `127.0.0.1:${port}`,
    DNS_ADDRESS: '0', // no name server of its own
    DISABLE_EVENTS: '1', // of its use, to its makers
    SKIP_SSL_CERT_DOWNLOAD: '1',
    SQS_ENDPOINT_STRATEGY: 'path',
    // What it cannot make fails, with the reason.
    CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES: '0',
    CFN_VERBOSE_ERRORS: '1',
    LAMBDA_RUNTIME_EXECUTOR: 'process',
    MISA_LOCAL_NODE: process.execPath,
    LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC: '0.05',
    LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC: '0.5',
  };
}
